"""Weight and bias initialisers: what a network knows before it has seen anything.

A weight initialiser maps ``(rng, fan_in, fan_out)`` to a float64 matrix of that shape; a bias
initialiser is one with ``fan_in`` 1. Names say the distribution: ``xavier`` is Glorot's normal,
``xavier_uniform`` its uniform form, and randn/sqrt(fan_in), which many texts call Xavier, is
``lecun``. None looks at the activation. All normal ones draw the same numbers from the same
generator, so that runs of equal seed start from the same matrix, scaled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Initializer = Callable[..., Array]

_FANS: dict[str, Callable[[int, int], float]] = {
    "fan_in": lambda fan_in, fan_out: fan_in,
    "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
}


def rand(rng: np.random.Generator, fan_in: int, fan_out: int) -> Array:
    """Draw from U[0, 1): every weight positive, mean 1/2."""
    return rng.random((fan_in, fan_out))


def randn(rng: np.random.Generator, fan_in: int, fan_out: int) -> Array:
    """Draw from N(0, 1), whatever the fan."""
    return rng.standard_normal((fan_in, fan_out))


def normal(rng: np.random.Generator, fan_in: int, fan_out: int, std: float = 0.01) -> Array:
    """Draw from N(0, std²)."""
    return std * randn(rng, fan_in, fan_out)


def uniform(
    rng: np.random.Generator, fan_in: int, fan_out: int, low: float = -0.05, high: float = 0.05
) -> Array:
    """Draw from U[low, high)."""
    return low + (high - low) * rand(rng, fan_in, fan_out)


def zero(rng: np.random.Generator, fan_in: int, fan_out: int) -> Array:
    """Set every weight to 0: a layer's hidden units start alike and, but for rounding, stay so."""
    return np.zeros((fan_in, fan_out))


def constant(rng: np.random.Generator, fan_in: int, fan_out: int, value: float = 0.1) -> Array:
    """Set every weight to ``value``: as symmetric as ``zero``."""
    return np.full((fan_in, fan_out), float(value))


def orthogonal(rng: np.random.Generator, fan_in: int, fan_out: int, gain: float = 1.0) -> Array:
    """Draw a (semi-)orthogonal matrix, times ``gain`` (Saxe, McClelland, Ganguli 2014)."""
    tall = randn(rng, max(fan_in, fan_out), min(fan_in, fan_out))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))  # makes the draw uniform (Haar)
    return gain * (q if fan_in >= fan_out else q.T)


def variance_scaling(
    scale: float, mode: Literal["fan_in", "fan_avg"], distribution: Literal["normal", "uniform"]
) -> Initializer:
    """Return the initialiser whose weights have mean 0 and variance ``scale / fan``.

    ``mode`` says which fan: ``fan_in``, or ``fan_avg`` = (fan_in + fan_out) / 2. The normal form
    is not truncated; the uniform one is U[-sqrt(3 var), sqrt(3 var)).
    """
    fan = _FANS[mode]

    def scaled_normal(rng: np.random.Generator, fan_in: int, fan_out: int) -> Array:
        return normal(rng, fan_in, fan_out, std=np.sqrt(scale / fan(fan_in, fan_out)))

    def scaled_uniform(rng: np.random.Generator, fan_in: int, fan_out: int) -> Array:
        limit = np.sqrt(3 * scale / fan(fan_in, fan_out))
        return uniform(rng, fan_in, fan_out, -limit, limit)

    return scaled_normal if distribution == "normal" else scaled_uniform


# Glorot & Bengio 2010 (eq. 16); He, Zhang, Ren, Sun 2015 (eq. 10); LeCun, Bottou, Orr, Müller
# 1998 ("Efficient BackProp", eq. 16).
INITIALIZERS: dict[str, Initializer] = {
    "rand": rand,
    "randn": randn,
    "normal": normal,
    "uniform": uniform,
    "zero": zero,
    "constant": constant,
    "xavier": variance_scaling(1, "fan_avg", "normal"),
    "xavier_uniform": variance_scaling(1, "fan_avg", "uniform"),
    "he": variance_scaling(2, "fan_in", "normal"),
    "he_uniform": variance_scaling(2, "fan_in", "uniform"),
    "lecun": variance_scaling(1, "fan_in", "normal"),
    "lecun_uniform": variance_scaling(1, "fan_in", "uniform"),
    "orthogonal": orthogonal,
}

BIAS_INITIALIZERS: dict[str, Initializer] = {
    "zero": zero,
    "rand": rand,
    "randn": randn,
    "constant": constant,
}
