"""Activations: the published formulas, extreme inputs, and both precisions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from nnexp.errors import InputError
from nnexp.nn.activations import ACTIVATIONS, Activation, from_function

Z = np.linspace(-6, 6, 241)[:, None]
EXTREMES = np.array([[-1e4], [-800.0], [-90.0], [90.0], [800.0], [1e4]])


def apply(activation: Activation, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return f(z) and f'(z), as the network computes them."""
    a = z.copy()
    with np.errstate(over="ignore"):  # as training does: exp(800) is inf, and 1 / inf right
        activation.forward(a, np.full_like(a, np.nan))
        return a.copy(), activation.derivative(a, z.copy())


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def gelu(z: float) -> float:
    return z / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))


def selu(z: float) -> float:
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    return scale * (z if z > 0 else alpha * math.expm1(z))


# Name, or name and parameters: the published formula of one number.
FORMULAS: dict[str, tuple[dict[str, float], Callable[[float], float]]] = {
    "sigmoid": ({}, sigmoid),
    "tanh": ({}, math.tanh),
    "relu": ({}, lambda z: max(z, 0)),
    "leaky_relu": ({}, lambda z: z if z > 0 else 0.01 * z),
    "leaky_relu slope=0.3": ({"slope": 0.3}, lambda z: z if z > 0 else 0.3 * z),
    "leaky_relu slope=2": ({"slope": 2}, lambda z: z if z > 0 else 2 * z),
    "elu": ({}, lambda z: z if z > 0 else math.expm1(z)),
    "elu alpha=0.3": ({"alpha": 0.3}, lambda z: z if z > 0 else 0.3 * math.expm1(z)),
    "selu": ({}, selu),
    "softplus": ({}, lambda z: math.log1p(math.exp(z))),
    "gelu": ({}, gelu),
    "silu": ({}, lambda z: z * sigmoid(z)),
    "identity": ({}, lambda z: z),
    "step": ({}, lambda z: float(z > 0)),
}


def test_every_activation_has_its_formula_here() -> None:
    assert {case.split()[0] for case in FORMULAS} == set(ACTIVATIONS)


@pytest.mark.parametrize("case", FORMULAS)
def test_value_and_derivative(case: str) -> None:
    parameters, of_one_number = FORMULAS[case]
    formula = np.vectorize(of_one_number, otypes=[float])
    value, slope = apply(ACTIVATIONS[case.split()[0]](**parameters), Z)
    np.testing.assert_allclose(value, formula(Z), rtol=1e-13, atol=1e-15)
    h = 1e-5
    smooth = np.abs(Z) > h  # a kink at 0 has no derivative
    central = (formula(Z + h) - formula(Z - h)) / (2 * h)
    np.testing.assert_allclose(slope[smooth], central[smooth], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu", "step"])
def test_a_kink_takes_the_derivative_from_its_left(name: str) -> None:
    _, slopes = apply(ACTIVATIONS[name](), np.array([[-1e-9], [0.0]]))
    assert slopes[1, 0] == pytest.approx(slopes[0, 0])


# Far out each is a straight line: (value at 0, slope) of the left one and of the right one.
LINES = {
    "sigmoid": ((0, 0), (1, 0)),
    "tanh": ((-1, 0), (1, 0)),
    "relu": ((0, 0), (0, 1)),
    "leaky_relu": ((0, 0.01), (0, 1)),
    "elu": ((-1, 0), (0, 1)),
    "selu": ((-1.0507009873554805 * 1.6732632423543772, 0), (0, 1.0507009873554805)),
    "softplus": ((0, 0), (0, 1)),
    "gelu": ((0, 0), (0, 1)),
    "silu": ((0, 0), (0, 1)),
    "identity": ((0, 1), (0, 1)),
    "step": ((0, 0), (1, 0)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_extreme_inputs(name: str, dtype: str) -> None:
    for line, z in zip(LINES[name], (EXTREMES[:3], EXTREMES[3:]), strict=True):
        value, slope = apply(ACTIVATIONS[name](), z.astype(dtype))
        assert value.dtype == slope.dtype == dtype
        np.testing.assert_allclose(value, line[0] + line[1] * z, rtol=2e-7, atol=1e-30)
        np.testing.assert_allclose(slope, np.full_like(z, line[1]), rtol=2e-7, atol=1e-30)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "elu", "selu", "softplus", "step"])
def test_infinite_inputs(name: str) -> None:
    value, _ = apply(ACTIVATIONS[name](), np.array([[-np.inf], [np.inf]]))
    near, _ = apply(ACTIVATIONS[name](), np.array([[-1e300], [1e300]]))
    assert value[0, 0] == near[0, 0]
    assert value[1, 0] == (np.inf if near[1, 0] > 2 else near[1, 0])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_not_a_number_stays_visible(name: str) -> None:
    value, _ = apply(ACTIVATIONS[name](), np.array([[np.nan]]))
    assert np.isnan(value).all() == (name != "step")  # nan > 0 is false


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_float32_is_float64_within_rounding(name: str) -> None:
    double = apply(ACTIVATIONS[name](), Z.astype(np.float32).astype(np.float64))
    single = apply(ACTIVATIONS[name](), Z.astype(np.float32))
    eps = np.finfo(np.float32).eps
    for rough, exact in zip(single, double, strict=True):
        assert rough.dtype == np.float32
        scale = np.maximum(np.abs(Z), 1)  # a value near 0 may be a difference of larger ones
        assert (np.abs(rough - exact) <= 8 * eps * scale).all()


def test_the_steepest_slopes() -> None:
    # D1.10: what makes gradients vanish is the sigmoid's slope, at most 1/4, not its values.
    steepest = {name: apply(ACTIVATIONS[name](), Z)[1].max() for name in ACTIVATIONS}
    assert steepest["sigmoid"] == 0.25
    assert steepest["tanh"] == 1
    assert steepest["relu"] == steepest["identity"] == steepest["elu"] == 1
    assert steepest["step"] == 0


def test_a_plain_function_becomes_an_activation() -> None:
    square = from_function(lambda z: (z * z, 2 * z))
    value, slope = apply(square, Z)
    assert np.array_equal(value, Z * Z)
    assert np.array_equal(slope, 2 * Z)


@pytest.mark.parametrize("wrong", [np.tanh, lambda z: (z,), lambda z: (z, 1.0), lambda z: (z.T, z)])
def test_a_function_that_returns_anything_else_is_refused(wrong: Callable[..., object]) -> None:
    with pytest.raises(InputError, match="pair"):
        from_function(wrong).forward(np.ones((2, 3)), np.empty((2, 3)))  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["sigmoid", "softplus"])
def test_elements_any_distance_apart(name: str, dtype: str) -> None:
    # np.negative of NumPy 2.4 is wrong at a distance of 4 (float32) or 8 elements (float64).
    activation = ACTIVATIONS[name]()
    for distance in range(1, 33):
        z = np.zeros((len(Z), distance), dtype)[:, :1].T
        z[...] = Z.T
        activation.forward(z, np.empty_like(z))
        found = z.copy(), activation.derivative(z, z.copy())  # which overwrites z
        for values, wanted in zip(found, apply(activation, Z), strict=True):
            np.testing.assert_allclose(values, wanted.T, rtol=1e-4)
