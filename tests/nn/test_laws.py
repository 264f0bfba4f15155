"""Laws that hold exactly, or within a known standard error: symmetry, variance, sampling."""

from __future__ import annotations

import numpy as np
import pytest

from nnexp.data.sampling import SAMPLINGS
from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.initializers import (
    BIAS_INITIALIZERS,
    INITIALIZERS,
    Initializer,
    constant,
    normal,
    orthogonal,
    rand,
    randn,
    uniform,
    zero,
)
from nnexp.nn.layer_statistics import distinct_units, measure
from nnexp.nn.losses import cross_entropy, mse
from nnexp.nn.mean_field import moments
from nnexp.nn.network import Network
from nnexp.rng import stream


def network(
    sizes: list[int],
    activation: str,
    weights: Initializer = randn,
    biases: Initializer = zero,
    dtype: str = "float64",
    seed: int = 0,
) -> Network:
    net = Network(sizes, ACTIVATIONS[activation](), cross_entropy(), 32, dtype)
    net.initialize(weights, biases, seed)
    return net


def train(net: Network, steps: int, lr: float = 0.5) -> None:
    """Descend on random batches of 32 examples with random labels."""
    rng = np.random.default_rng(0)
    codes = np.eye(net.sizes[-1], dtype=net.theta.dtype)
    for _ in range(steps):
        x = rng.random((32, net.sizes[0])).astype(net.theta.dtype)
        net.forward(x)
        net.compute_loss(codes[rng.integers(net.sizes[-1], size=32)])
        net.backward(x)
        net.theta -= net.theta.dtype.type(lr) * net.grad


# Symmetry.


@pytest.mark.parametrize(("dtype", "rounding"), [("float64", 1e-13), ("float32", 1e-5)])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "softplus"])
@pytest.mark.parametrize("init", [zero, constant])
def test_units_that_start_alike_stay_alike(
    init: Initializer, activation: str, dtype: str, rounding: float
) -> None:
    # For ever in exact arithmetic. In floating point the units stay equal to the bit as long as
    # the matrix product treats all columns alike, which depends on shapes and BLAS. Measured on
    # MNIST (sigmoid, lr 0.5, 4000 steps, OpenBLAS on AVX2): 784-50-10 with batch 100 never
    # differed by a bit, in float32 or float64; with batch 33 in float64 it did within 50 steps,
    # and the difference of one rounding grew until the units were distinct at step 1750. So:
    # one unit, up to rounding, for the steps of this test.
    net = network([20, 37, 11, 4], activation, init, constant, dtype)
    train(net, steps=100, lr=0.1)
    for weights, biases in zip(net.weights[:-1], net.biases[:-1], strict=True):
        spread = np.abs(weights - weights[:, :1]).max()
        assert spread <= rounding * np.abs(weights).max()
        assert distinct_units(weights, biases) == 1
    assert np.ptp(net.weights[-1], axis=0).max() <= rounding  # the outgoing weights too
    assert distinct_units(net.weights[-1], net.biases[-1]) == 4
    assert np.abs(net.weights[-1]).max() > 1e-3  # it did learn


def test_random_biases_break_the_symmetry_of_equal_weights() -> None:
    net = network([20, 8, 4], "sigmoid", zero, BIAS_INITIALIZERS["rand"])
    train(net, steps=5)
    assert distinct_units(net.weights[0], net.biases[0]) == 8


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_all_zero_network_with_f_of_0_zero_learns_only_output_biases(
    activation: str, depth: int
) -> None:
    # With f(0) = 0 nothing reaches the output weights, and through them nothing comes back.
    # sigmoid(0) and softplus(0) are above 0: such networks do learn.
    net = network([5, *[6] * depth, 3], activation, zero, zero)
    train(net, steps=20)
    learnt = [part.any() for part in [*net.weights, *net.biases]]
    only_output_biases = [False] * (2 * depth + 1) + [True]
    assert (learnt == only_output_biases) == (activation not in ("sigmoid", "softplus"))


# Initialisers: (mean, variance) of a weight, given the fans.
MOMENTS = {
    "rand": lambda i, o: (1 / 2, 1 / 12),
    "randn": lambda i, o: (0, 1),
    "normal": lambda i, o: (0, 0.01**2),
    "uniform": lambda i, o: (0, 0.05**2 / 3),
    "zero": lambda i, o: (0, 0),
    "constant": lambda i, o: (0.1, 0),
    "xavier": lambda i, o: (0, 2 / (i + o)),
    "xavier_uniform": lambda i, o: (0, 2 / (i + o)),
    "he": lambda i, o: (0, 2 / i),
    "he_uniform": lambda i, o: (0, 2 / i),
    "lecun": lambda i, o: (0, 1 / i),
    "lecun_uniform": lambda i, o: (0, 1 / i),
    "orthogonal": lambda i, o: (0, 1 / max(i, o)),
}


@pytest.mark.parametrize(("fan_in", "fan_out"), [(300, 100), (100, 300)])
@pytest.mark.parametrize("name", INITIALIZERS)
def test_mean_and_variance_of_the_weights(name: str, fan_in: int, fan_out: int) -> None:
    # Five standard errors: of the mean std/√N, of std itself std/√(2N) for normal draws (less for
    # uniform ones): 2 %, where fan_in, fan_out and their mean differ by 18 % and more.
    w = INITIALIZERS[name](stream(0, "weights"), fan_in, fan_out)
    assert w.shape == (fan_in, fan_out)
    assert w.dtype == np.float64
    mean, variance = MOMENTS[name](fan_in, fan_out)
    std = np.sqrt(variance)
    assert abs(w.mean() - mean) <= 5 * std / np.sqrt(w.size) + 1e-15
    assert abs(w.std() - std) <= 5 * std / np.sqrt(2 * w.size) + 1e-15


@pytest.mark.parametrize(
    "name", ["xavier", "xavier_uniform", "he", "he_uniform", "lecun", "lecun_uniform"]
)
def test_a_gain_multiplies_the_weights(name: str) -> None:
    draw = INITIALIZERS[name]
    plain = draw(stream(0, "weights"), 30, 20)
    assert np.array_equal(draw(stream(0, "weights"), 30, 20, gain=1.0), plain)
    scaled = draw(stream(0, "weights"), 30, 20, gain=1.7)
    np.testing.assert_allclose(scaled, 1.7 * plain, rtol=1e-12, atol=1e-15)
    mean, square = moments(name, gain=1.7)(30, 20)  # type: ignore[misc]
    assert (mean, square) == (0, pytest.approx(1.7**2 * MOMENTS[name](30, 20)[1]))


BOUNDS = {
    "rand": lambda i, o: (0, 1),
    "uniform": lambda i, o: (-0.05, 0.05),
    "xavier_uniform": lambda i, o: (-np.sqrt(6 / (i + o)), np.sqrt(6 / (i + o))),
    "he_uniform": lambda i, o: (-np.sqrt(6 / i), np.sqrt(6 / i)),
    "lecun_uniform": lambda i, o: (-np.sqrt(3 / i), np.sqrt(3 / i)),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_uniform_weights_fill_their_interval(name: str) -> None:
    w = INITIALIZERS[name](stream(0, "weights"), 300, 100)
    low, high = BOUNDS[name](300, 100)
    assert low <= w.min() < low + 1e-3 * (high - low)
    assert high - 1e-3 * (high - low) < w.max() < high


@pytest.mark.parametrize("name", ["randn", "normal", "xavier", "he", "lecun"])
def test_normal_weights_are_not_truncated(name: str) -> None:
    w = INITIALIZERS[name](stream(0, "weights"), 300, 100)
    assert np.abs(w / w.std()).max() > 3.5  # of 30 000 draws about 14 lie beyond


@pytest.mark.parametrize("shape", [(30, 10), (10, 30), (20, 20)])
def test_orthogonal(shape: tuple[int, int]) -> None:
    w = orthogonal(stream(0, "weights"), *shape, gain=3.0) / 3
    gram = w.T @ w if shape[0] >= shape[1] else w @ w.T
    np.testing.assert_allclose(gram, np.eye(min(shape)), atol=1e-14)


def test_parameters_of_the_plain_initialisers() -> None:
    def rng() -> np.random.Generator:
        return stream(0, "weights")

    assert np.array_equal(normal(rng(), 40, 30, std=0.3), 0.3 * randn(rng(), 40, 30))
    np.testing.assert_allclose(uniform(rng(), 40, 30, 2, 5), 2 + 3 * rand(rng(), 40, 30))
    assert (constant(rng(), 40, 30, value=-2) == -2).all()


def test_runs_of_equal_seed_start_from_the_same_matrix_scaled() -> None:
    family = ("randn", "normal", "xavier", "he", "lecun")
    drawn = [network([30, 20, 10], "tanh", INITIALIZERS[name], seed=7) for name in family]
    for layer in range(2):
        matrices = [net.weights[layer] / net.weights[layer][0, 0] for net in drawn]
        for matrix in matrices[1:]:
            np.testing.assert_allclose(matrix, matrices[0], rtol=1e-12)


def test_float32_networks_start_as_float64_ones_rounded() -> None:
    double = network([30, 20, 10], "tanh", randn, rand)
    single = network([30, 20, 10], "tanh", randn, rand, "float32")
    assert np.array_equal(single.theta, double.theta.astype(np.float32))


def test_streams_are_independent() -> None:
    narrow = network([30, 20, 10], "tanh", randn, zero)
    deep = network([30, 20, 20, 10], "tanh", randn, randn)
    assert np.array_equal(narrow.weights[0], deep.weights[0])  # a layer or biases more: no shift
    other = network([30, 20, 10], "tanh", randn, randn, seed=1)
    drawn = [weights.ravel()[:100] for weights in (*deep.weights, other.weights[0])]
    drawn += [stream(0, name).standard_normal(100) for name in ("order", "subset", "noise", "toy")]
    for i, a in enumerate(drawn):
        for b in drawn[:i]:
            assert abs(np.corrcoef(a, b)[0, 1]) < 0.4  # 4 standard errors
    assert not np.isin(deep.biases[0], deep.weights[0]).any()
    assert np.array_equal(stream(3, "order", 2).random(9), stream(3, "order", 2).random(9))


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("weights", 17399280157855551184),
        ("biases", 4491360187996368185),
        ("order", 10470824523432166808),
        ("subset", 9908662068004701370),
        ("noise", 8498756619233388531),
        ("toy", 11157487462365188529),
    ],
)
def test_a_stream_is_the_same_in_every_version(name: str, first: int) -> None:
    assert stream(7, name, 3).bit_generator.random_raw() == first


# Sampling.


def order(name: str, n: int, batch_size: int, epoch: int = 0) -> np.ndarray:
    return SAMPLINGS[name](stream(5, "order", epoch), n, batch_size)


@pytest.mark.parametrize("name", SAMPLINGS)
def test_an_order_is_n_indices_that_follow_from_the_seed(name: str) -> None:
    seen = order(name, 103, 10)
    assert seen.shape == (103,)
    assert seen.dtype == np.intp
    assert seen.min() >= 0
    assert seen.max() < 103
    assert np.array_equal(seen, order(name, 103, 10))
    assert np.array_equal(seen, order(name, 103, 10, epoch=1)) == (name == "sequential")


@pytest.mark.parametrize("name", ["shuffle", "replacement", "sequential"])
def test_the_order_is_the_same_at_every_batch_size(name: str) -> None:
    for batch_size in (1, 10, 103):
        assert np.array_equal(order(name, 103, batch_size), order(name, 103, 50))


def test_shuffle_shows_every_example_once() -> None:
    seen = order("shuffle", 103, 10)
    assert np.array_equal(np.sort(seen), np.arange(103))
    assert not np.array_equal(seen, np.arange(103))


def test_sequential_is_the_order_of_the_file() -> None:
    assert np.array_equal(order("sequential", 103, 10), np.arange(103))


def test_replacement_draws_each_example_from_all() -> None:
    # A share (1 - 1/n)^n of the examples is missed, about 1/e; each epoch its own.
    n = 10_000
    missed = 1 - len(np.unique(order("replacement", n, 10))) / n
    assert missed == pytest.approx(np.exp(-1), abs=5 * np.sqrt(0.1 / n))
    batches = order("replacement", n, 200).reshape(-1, 200)
    assert any(len(np.unique(batch)) < 200 for batch in batches)


def test_independent_repeats_nothing_in_a_batch_but_between_batches() -> None:
    n, batch_size = 1030, 100
    seen = order("independent", n, batch_size)
    for start in range(0, n, batch_size):
        batch = seen[start : start + batch_size]
        assert len(np.unique(batch)) == len(batch)
    # An example is missed by ten batches of 100 and one of 30: (1 - 100/n)^10 · (1 - 30/n).
    missed = 1 - len(np.unique(seen)) / n
    assert missed == pytest.approx((1 - 100 / n) ** 10 * (1 - 30 / n), abs=0.06)


# Linear networks.


def test_a_deep_linear_network_is_one_linear_layer() -> None:
    # D3.4: x W1 W2 W3 + b, and so is whatever training makes of it.
    deep = network([6, 9, 7, 3], "identity", INITIALIZERS["xavier"], randn)
    x = np.random.default_rng(1).standard_normal((32, 6))
    for _ in range(2):
        (w1, w2, w3), (b1, b2, b3) = deep.weights, deep.biases
        flat = network([6, 3], "identity")
        flat.weights[0][...] = w1 @ w2 @ w3
        flat.biases[0][...] = (b1 @ w2 + b2) @ w3 + b3
        np.testing.assert_allclose(deep.forward(x), flat.forward(x), rtol=1e-10, atol=1e-13)
        train(deep, steps=20)


# What the measurement of the layers reports, on networks whose state is planted.


def test_distinct_units_on_planted_duplicates() -> None:
    rng = np.random.default_rng(0)
    weights, biases = rng.standard_normal((50, 12)), rng.standard_normal(12)
    assert distinct_units(weights, biases) == 12
    for unit, original in ((3, 0), (7, 0), (9, 5)):
        weights[:, unit], biases[unit] = weights[:, original], biases[original]
    assert distinct_units(weights, biases) == 9
    weights[:, 3] += 1e-6  # rounding: still the same unit
    assert distinct_units(weights, biases) == 9
    weights[:, 3] += 0.1
    assert distinct_units(weights, biases) == 10
    biases[7] += 1  # equal weights, another bias: another unit
    assert distinct_units(weights, biases) == 11
    assert distinct_units(np.zeros((50, 12)), np.zeros(12)) == 1
    assert distinct_units(np.zeros((50, 12)), np.repeat([1.0, 2.0, 3.0], 4)) == 3
    assert distinct_units(weights.astype(np.float32), biases.astype(np.float32)) == 11


def layers(net: Network, x: np.ndarray, targets: np.ndarray) -> list[dict[str, float]]:
    return measure(net, x, targets, None)


def test_saturated_and_dead_units_of_a_planted_sigmoid_network() -> None:
    # Unit 0 has z = x: saturated for |x| > 4.36, where the slope is under 5 % of 1/4.
    # Unit 1 has z = 100 for every example: dead. Unit 2 has z = 0: neither.
    net = network([1, 3, 2], "sigmoid", zero, zero)
    net.weights[0][...] = [[1, 0, 0]]
    net.biases[0][...] = [0, 100, 0]
    x = np.array([[-10.0], [-4.4], [-4.3], [0.0], [4.3], [4.4], [10.0], [1.0]])
    hidden, output = layers(net, x, np.eye(2)[np.zeros(8, int)])
    assert hidden["saturated"] == (4 + 8 + 0) / 24
    assert hidden["dead"] == 1 / 3
    assert hidden["units"] == 3
    assert (output["saturated"], output["dead"]) == (None, None)


def test_dead_units_of_a_planted_relu_network() -> None:
    net = network([1, 4, 2], "relu", zero, zero)
    net.weights[0][...] = [[1, -1, 1, 1]]
    net.biases[0][...] = [0, 0, 5, -5]  # over -2 … 2: half, half, always, never
    x = np.linspace(-2, 2, 40)[:, None]
    hidden, _ = layers(net, x, np.eye(2)[np.zeros(40, int)])
    assert hidden["saturated"] == (0.5 + 0.5 + 0 + 1) / 4
    assert hidden["dead"] == 1 / 4


@pytest.mark.parametrize(("activation", "saturated"), [("identity", 0), ("step", 1)])
def test_what_cannot_saturate_and_what_always_does(activation: str, saturated: float) -> None:
    net = network([3, 5, 2], activation)
    hidden, _ = layers(net, np.random.default_rng(0).random((9, 3)), np.eye(2)[np.zeros(9, int)])
    assert hidden["saturated"] == hidden["dead"] == saturated


def test_the_statistics_of_a_layer_are_those_of_its_arrays() -> None:
    net = Network([3, 6, 2], ACTIVATIONS["tanh"](), mse("sum", "sigmoid"), 50, np.float64)
    net.initialize(randn, randn, seed=0)
    rng = np.random.default_rng(0)
    x, targets = rng.standard_normal((50, 3)), rng.random((50, 2))
    update = rng.standard_normal(net.theta.size)
    rows = measure(net, x, targets, update)
    (w1, w2), (b1, b2) = net.weights, net.biases
    a1 = np.tanh(x @ w1 + b1)
    o = 1 / (1 + np.exp(-(a1 @ w2 + b2)))
    d2 = (o - targets) * o * (1 - o)  # of each example's own loss
    d1 = (d2 @ w2.T) * (1 - a1**2)
    for row, a, d, below, w, change in zip(
        rows, (a1, o), (d1, d2), (x, a1), (w1, w2), (update[:18], update[18:30]), strict=True
    ):
        assert row["activation_mean"] == pytest.approx(a.mean())
        assert row["activation_std"] == pytest.approx(a.std())
        for q in (5, 25, 50, 75, 95):
            assert row[f"activation_p{q:02d}"] == pytest.approx(np.percentile(a, q))
        assert row["gradient_mean"] == pytest.approx(d.mean())
        assert row["gradient_std"] == pytest.approx(d.std())
        assert row["gradient_norm"] == pytest.approx(np.linalg.norm(below.T @ d / 50))
        assert row["weight_norm"] == pytest.approx(np.linalg.norm(w))
        assert row["update_ratio"] == pytest.approx(np.linalg.norm(change) / np.linalg.norm(w))
    assert [(row["layer"], row["kind"], row["units"]) for row in rows] == [
        (1, "hidden", 6),
        (2, "output", 2),
    ]
