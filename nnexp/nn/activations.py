"""Hidden activations: the function and its derivative, both in place.

Every array is (n, units). ``forward(z, scratch)`` turns pre-activations into activations.
``backward(delta, a, z)`` multiplies ``delta`` by f'(z); it may use ``a`` and ``z`` as scratch, as
both have served by then. Most derivatives follow from the output ``a`` alone, and then ``z`` is
not kept; where the input is needed, ``needs_input`` says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.errors import InputError

Array = npt.NDArray[Any]

# Ufuncs take an array of no dimensions twice as fast as a Python number: it needs no conversion.
# 1 is exact in float32, and float32 costs a float64 operand nothing.
ONE: Array = np.array(1, np.float32)
MINUS_ONE: Array = np.array(-1, np.float32)
ZERO: Array = np.array(0, np.float32)


@dataclass(frozen=True)
class Activation:
    """An activation: ``forward(z, scratch)`` and ``backward(delta, a, z)``, both in place."""

    forward: Callable[[Array, Array], None]
    backward: Callable[[Array, Array, Array], None]
    needs_input: bool = False

    def derivative(self, a: Array, z: Array) -> Array:
        """Return f' at each element, shape and dtype of ``a``; ``a`` and ``z`` are spoilt."""
        slope = np.ones_like(a)
        self.backward(slope, a, z)
        return slope


def negate(z: Array) -> None:
    """Change the sign of ``z`` in place."""
    # np.negative in place is wrong if elements are 16 (float32) or 64 bytes (float64) apart.
    np.multiply(z, MINUS_ONE, out=z)


def logistic(z: Array) -> None:
    """Apply the logistic sigmoid 1 / (1 + exp(-z)) in place."""
    negate(z)
    np.exp(z, out=z)
    z += ONE
    np.divide(ONE, z, out=z)


def _sigmoid(z: Array, scratch: Array) -> None:
    logistic(z)


def _sigmoid_backward(delta: Array, a: Array, z: Array) -> None:
    delta *= a
    np.subtract(ONE, a, out=a)
    delta *= a


def _tanh(z: Array, scratch: Array) -> None:
    np.tanh(z, out=z)


def _tanh_backward(delta: Array, a: Array, z: Array) -> None:
    np.multiply(a, a, out=a)
    np.subtract(ONE, a, out=a)
    delta *= a


def _relu(z: Array, scratch: Array) -> None:
    np.maximum(z, ZERO, out=z)


def _relu_backward(delta: Array, a: Array, z: Array) -> None:
    np.greater(a, ZERO, out=a)
    delta *= a


def leaky_relu(slope: float = 0.01) -> Activation:
    """Return z for z > 0, else ``slope``·z (Maas, Hannun, Ng 2013)."""
    steeper = np.maximum if slope <= 1 else np.minimum

    def forward(z: Array, scratch: Array) -> None:
        np.multiply(z, slope, out=scratch)
        steeper(z, scratch, out=z)

    def backward(delta: Array, a: Array, z: Array) -> None:
        np.greater(a, 0, out=a)
        a *= 1 - slope
        a += slope
        delta *= a

    return Activation(forward, backward)


def elu(alpha: float = 1.0, scale: float = 1.0) -> Activation:
    """Return scale·z for z > 0, else scale·alpha·(exp(z) - 1) (Clevert et al. 2016)."""

    def forward(z: Array, scratch: Array) -> None:
        np.minimum(z, 0, out=scratch)
        np.expm1(scratch, out=scratch)
        scratch *= scale * alpha
        np.maximum(z, 0, out=z)
        z *= scale
        z += scratch

    def backward(delta: Array, a: Array, z: Array) -> None:
        # f' = scale for z > 0, else a + scale·alpha. As a has z's sign, z serves as scratch alone.
        np.greater(a, 0, out=z)
        np.minimum(a, 0, out=a)
        a += scale * alpha
        z *= scale * (1 - alpha)
        a += z
        delta *= a

    return Activation(forward, backward, needs_input=True)


def _softplus(z: Array, scratch: Array) -> None:
    # max(z, 0) + log(1 + exp(-|z|)): cannot overflow, and far faster than np.logaddexp.
    np.abs(z, out=scratch)
    negate(scratch)
    np.exp(scratch, out=scratch)
    np.log1p(scratch, out=scratch)
    np.maximum(z, 0, out=z)
    z += scratch


def _softplus_backward(delta: Array, a: Array, z: Array) -> None:
    negate(a)
    np.expm1(a, out=a)
    negate(a)
    delta *= a


def _silu(z: Array, scratch: Array) -> None:
    np.copyto(scratch, z)
    logistic(scratch)
    z *= scratch


def _silu_backward(delta: Array, a: Array, z: Array) -> None:
    # With s = sigmoid(z): f' = s·(1 + z·(1 - s)).
    np.copyto(a, z)
    logistic(a)
    delta *= a
    np.subtract(1, a, out=a)
    a *= z
    a += 1
    delta *= a


_GELU = np.sqrt(2 / np.pi).item()


def _gelu_tanh(z: Array, out: Array) -> None:
    np.multiply(z, z, out=out)
    out *= 0.044715
    out += 1
    out *= z
    out *= _GELU
    np.tanh(out, out=out)


def _gelu(z: Array, scratch: Array) -> None:
    _gelu_tanh(z, scratch)
    scratch += 1
    z *= scratch
    z *= 0.5


def _gelu_backward(delta: Array, a: Array, z: Array) -> None:
    # With t = tanh(u), u' = c·(1 + 3·0.044715·z²): f' = ((1 + t) + z·(1 - t²)·u') / 2
    # = (1 + t)·(1 + (1 - t)·z·u') / 2.
    _gelu_tanh(z, a)
    a += 1
    delta *= a
    delta *= 0.5
    np.subtract(2, a, out=a)
    a *= z
    np.multiply(z, z, out=z)
    z *= 3 * 0.044715
    z += 1
    a *= z
    a *= _GELU
    a += 1
    delta *= a


def _identity(z: Array, scratch: Array) -> None:
    pass


def _identity_backward(delta: Array, a: Array, z: Array) -> None:
    pass


def _step(z: Array, scratch: Array) -> None:
    np.greater(z, 0, out=z)


def _step_backward(delta: Array, a: Array, z: Array) -> None:
    delta.fill(0)


def from_function(function: Callable[[Array], tuple[Array, Array]]) -> Activation:
    """Return the activation of a plain ``z -> (f(z), f'(z))``, both of the shape of ``z``.

    Raises
    ------
    InputError
        When it is used, if the function returns anything else.
    """

    def pair(z: Array) -> tuple[Array, Array]:
        result = function(z)
        if not isinstance(result, tuple) or [np.shape(part) for part in result] != [z.shape] * 2:
            raise InputError("an activation must return the pair (f(z), f'(z)), both shaped as z")
        return result

    def forward(z: Array, scratch: Array) -> None:
        z[...] = pair(z.copy())[0]

    def backward(delta: Array, a: Array, z: Array) -> None:
        delta *= pair(z)[1]

    return Activation(forward, backward, needs_input=True)


@np.errstate(all="ignore")
def wrong_slope(activation: Activation) -> tuple[float, float, float] | None:
    """Return where an activation's derivative is not its values' slope: z, the one, the other.

    ``None`` if it is, by central differences at 41 points of which four may be a kink's.
    """
    z, h = np.linspace(-4, 4, 41)[None] + 0.0137, 1e-5

    def values(at: Array) -> Array:
        activation.forward(at, np.empty_like(at))
        return at

    slope = (values(z + h) - values(z - h)) / (2 * h)
    given = activation.derivative(values(z.copy()), z.copy())
    error = np.abs(given - slope) / (1 + np.abs(slope))
    if np.count_nonzero(error > 1e-3) <= 4:
        return None
    worst = int(error.argmax())
    return float(z[0, worst]), float(given[0, worst]), float(slope[0, worst])


# Called with the choice's parameters. SELU's constants: Klambauer et al. 2017. GELU: Hendrycks &
# Gimpel 2016, in its tanh form. A step's derivative is 0 wherever it has one, so nothing below a
# step learns.
ACTIVATIONS: dict[str, Callable[..., Activation]] = {
    "sigmoid": lambda: Activation(_sigmoid, _sigmoid_backward),
    "tanh": lambda: Activation(_tanh, _tanh_backward),
    "relu": lambda: Activation(_relu, _relu_backward),
    "leaky_relu": leaky_relu,
    "elu": lambda alpha=1.0: elu(alpha),
    "selu": lambda: elu(1.6732632423543772, 1.0507009873554805),
    "softplus": lambda: Activation(_softplus, _softplus_backward),
    "gelu": lambda: Activation(_gelu, _gelu_backward, needs_input=True),
    "silu": lambda: Activation(_silu, _silu_backward, needs_input=True),
    "identity": lambda: Activation(_identity, _identity_backward),
    "step": lambda: Activation(_step, _step_backward),
}

# Where an activation is flat, a unit is saturated, near a bound of its values, or inactive, on the
# side on which a rectifier gives about 0. Others are in neither group.
SATURATING = ("sigmoid", "tanh")
RECTIFYING = ("relu", "leaky_relu", "elu", "selu", "softplus", "gelu", "silu")
