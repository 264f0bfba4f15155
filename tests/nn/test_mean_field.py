"""Theory: closed forms, and networks drawn and measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnexp.errors import InputError
from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.initializers import BIAS_INITIALIZERS, INITIALIZERS
from nnexp.nn.layer_statistics import measure
from nnexp.nn.losses import mse
from nnexp.nn.mean_field import expectations, fixed_point, moments, propagate
from nnexp.nn.network import Network

NO_BIAS = moments("zero")


def expected(name: str, mean: float, std: float) -> list[float]:
    values = expectations(ACTIVATIONS[name](), np.array([mean]), np.array([std]))
    return [float(value[0]) for value in values]


@pytest.mark.parametrize("name", [name for name in INITIALIZERS if moments(name)])
@pytest.mark.parametrize("fans", [(60, 200), (200, 60)])
def test_moments_are_those_of_the_draws(name, fans):
    mean, square = moments(name)(*fans)
    drawn = INITIALIZERS[name](np.random.default_rng(0), *fans)
    # Four standard errors of 12 000 draws, whose squares vary by at most sqrt(2) of their mean.
    bound = 4 / math.sqrt(drawn.size)
    assert drawn.mean() == pytest.approx(mean, abs=bound * math.sqrt(square) + 1e-15)
    assert (drawn**2).mean() == pytest.approx(square, rel=bound * math.sqrt(2), abs=1e-15)


def test_moments_take_the_parameters():
    assert moments("normal", std=0.5)(3, 4) == (0.0, 0.25)
    assert moments("uniform", low=-1, high=2)(3, 4) == (0.5, 1.0)
    assert moments("orthogonal", gain=2)(5, 8) == (0.0, 0.5)
    assert moments("constant", value=-3)(5, 8) == (-3, 9)


def test_a_new_initialiser_has_no_moments():
    assert moments("signs") is None


def test_expectations_of_polynomials_and_kinks_are_exact():
    assert expected("identity", 0.5, 2.0) == pytest.approx([0.5, 4.25, 1])
    # ReLU of N(0, s²): s/sqrt(2π), s²/2, 1/2 (He et al. 2015, 2.2).
    assert expected("relu", 0.0, 3.0) == pytest.approx([3 / math.sqrt(2 * math.pi), 4.5, 0.5], 1e-4)
    assert expected("step", 0.0, 7.0) == pytest.approx([0.5, 0.5, 0])
    # Off the kink: P(z > 0) for N(1, 1) is 0.841345.
    assert expected("relu", 1.0, 1.0)[2] == pytest.approx(0.841345, abs=0.01)


def test_expectations_without_spread_are_the_function_itself():
    assert expected("sigmoid", 0.0, 0.0) == pytest.approx([0.5, 0.25, 1 / 16])
    assert expected("tanh", 0.5, 0.0)[0] == pytest.approx(math.tanh(0.5))


def test_a_sigmoid_deep_in_saturation_keeps_its_narrow_slope():
    # For a wide z the slope is a bump at 0: E[f'²] → p(0) ∫ f'² dz = 1/(6 s sqrt(2π)), as
    # ∫ (s(1-s))² dz = ∫ s(1-s) ds = 1/6.
    assert expected("sigmoid", 0.0, 100.0)[2] == pytest.approx(
        1 / (600 * math.sqrt(2 * math.pi)), rel=1e-3
    )


def test_identity_multiplies_the_variances():
    layers = propagate(
        (20, 30, 40, 5), ACTIVATIONS["identity"](), moments("normal", std=0.5), NO_BIAS, np.ones(3)
    )
    # 20/4 = 5; 5·30/4 = 37.5; 37.5·40/4 = 375.
    assert [layer.z_std**2 for layer in layers] == pytest.approx([5, 37.5, 375])
    assert [layer.activation_std**2 for layer in layers[:2]] == pytest.approx([5, 37.5])
    # Backwards: 40/4 and 5/4.
    assert [layer.backward for layer in layers[:2]] == pytest.approx([10, 1.25])
    assert math.isnan(layers[2].activation_std)
    assert math.isnan(layers[2].backward)


def test_he_keeps_the_mean_square_of_relu_in_both_directions():
    layers = propagate(
        (100,) * 6, ACTIVATIONS["relu"](), moments("he"), NO_BIAS, np.array([0.3, 0.7])
    )
    for layer in layers[:-1]:
        square = layer.activation_mean**2 + layer.activation_std**2
        assert square == pytest.approx(0.5, rel=1e-3)
        assert layer.z_std == pytest.approx(1.0, rel=1e-3)
        assert layer.backward == pytest.approx(1.0, rel=1e-6)


def test_glorot_passes_a_sixteenth_of_the_error_through_a_sigmoid_about_zero():
    first, second, _ = propagate(
        (50, 50, 50, 50), ACTIVATIONS["sigmoid"](), moments("xavier"), NO_BIAS, np.array([1e-8])
    )
    assert first.backward == pytest.approx(1 / 16, rel=1e-6)
    # The next layer's inputs are 1/2, z has the variance 1/4, and the slope is less: f'² =
    # (1 - z²/2 + …)/16, so about 1/8 less.
    assert second.z_std == pytest.approx(0.5, rel=1e-6)
    assert second.backward == pytest.approx((1 - 1 / 8) / 16, rel=0.03)


def test_biases_of_a_mean_move_it():
    (only,) = propagate(
        (10, 3), ACTIVATIONS["tanh"](), moments("zero"), moments("rand"), np.ones(2)
    )
    assert (only.z_mean, only.z_std) == pytest.approx((0.5, math.sqrt(1 / 12)))


def test_weights_of_another_mean_have_no_line():
    with pytest.raises(InputError, match=r"not apply to weights with mean 0\.5"):
        propagate((10, 3), ACTIVATIONS["tanh"](), moments("rand"), NO_BIAS, np.ones(2))


@pytest.mark.parametrize(
    ("activation", "init", "bias"),
    [
        ("sigmoid", "xavier", "zero"),
        ("sigmoid", "randn", "randn"),
        ("tanh", "orthogonal", "zero"),
        ("relu", "he_uniform", "rand"),
        ("selu", "lecun", "zero"),
    ],
)
def test_wide_networks_do_as_theory_says(activation, init, bias):
    """Means over draws lie within 4 standard errors of theory, and 2 % for the finite width."""
    sizes, draws = (64, 300, 300, 300, 40), 12
    rng = np.random.default_rng(1)
    # Examples of unlike sizes, so that one variance for all would not do.
    x = rng.standard_normal((100, 64)) * rng.uniform(0.2, 2, (100, 1))
    # Far off the outputs, so that the errors there are as large for every example.
    targets = 30 * rng.standard_normal((100, 40))
    predicted = propagate(
        sizes, ACTIVATIONS[activation](), moments(init), moments(bias), (x**2).mean(axis=1)
    )
    network = Network(sizes, ACTIVATIONS[activation](), mse(output="identity"), 100, np.float64)
    stds, factors = [], []
    for seed in range(draws):
        network.initialize(INITIALIZERS[init], BIAS_INITIALIZERS[bias], seed)
        rows = measure(network, x, targets, None)
        errors = [row["gradient_mean"] ** 2 + row["gradient_std"] ** 2 for row in rows]
        stds.append([row["activation_std"] for row in rows[:-1]])
        factors.append([errors[k] / errors[k + 1] for k in range(3)])
    for measured, theory in (
        (np.array(stds), [layer.activation_std for layer in predicted[:-1]]),
        (np.array(factors), [layer.backward for layer in predicted[:-1]]),
    ):
        error = 4 * measured.std(axis=0, ddof=1) / math.sqrt(draws)
        assert (abs(measured.mean(axis=0) - theory) <= error + 0.02 * np.array(theory)).all()


def test_a_linear_network_has_a_fixed_point_in_closed_form():
    """Then q = s q + b, and the correlation approaches 1 by a factor of s per layer."""
    found = fixed_point(ACTIVATIONS["identity"](), 0.5, 0.2)
    assert found == pytest.approx((0.4, 1.0, 1 / math.log(2)), rel=1e-6)


def test_tanh_is_critical_at_a_weight_variance_of_1_without_biases():
    """Poole et al. 2016: ordered below, chaotic above, where examples become orthogonal."""
    ordered, chaotic = (fixed_point(ACTIVATIONS["tanh"](), s, 0.0) for s in (0.9, 1.5))
    assert ordered.variance == pytest.approx(0, abs=1e-10)
    assert ordered.length == pytest.approx(-1 / math.log(0.9), rel=1e-6)
    assert chaotic.variance > 0.1
    assert chaotic.correlation == pytest.approx(0, abs=1e-6)


def test_the_length_grows_without_bound_towards_criticality():
    lengths = [fixed_point(ACTIVATIONS["tanh"](), s, 0.05).length for s in (1, 1.5, 1.7, 2, 4)]
    assert lengths[0] < lengths[1] < lengths[2] > lengths[3] > lengths[4]


def test_chaotic_slope_is_that_of_sampled_examples():
    """The length is -1/log(s E[f'(u)f'(v)]) at the fixed point (Schoenholz et al. 2017, eq. 9)."""
    q, c, length = fixed_point(ACTIVATIONS["tanh"](), 3.0, 0.05)
    u, v = np.random.default_rng(0).standard_normal((2, 300_000)) * math.sqrt(q)
    v = c * u + math.sqrt(1 - c * c) * v
    correlated = 3 * np.tanh(u) * np.tanh(v) + 0.05
    slopes = 3 * (1 - np.tanh(u) ** 2) * (1 - np.tanh(v) ** 2)
    for sample, theory in ((correlated, c * q), (slopes, math.exp(-1 / length))):
        # Four standard errors.
        assert sample.mean() == pytest.approx(theory, abs=4 * sample.std() / math.sqrt(u.size))


def test_no_fixed_point_where_the_variance_grows_without_end():
    with pytest.raises(InputError, match="no fixed point"):
        fixed_point(ACTIVATIONS["identity"](), 1.5, 0.1)
