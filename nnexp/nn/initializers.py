"""Weight and bias initialisers.

A weight initialiser maps ``(rng, fan_in, fan_out)`` to a float64 matrix of shape
``(fan_in, fan_out)``; a bias initialiser is called with ``fan_in`` 1. ``xavier`` is Glorot's normal
initialisation and ``xavier_uniform`` its uniform form; randn/sqrt(fan_in), which many texts call
Xavier, is ``lecun``. None of them depends on the activation. All normal initialisers draw the same
numbers from the same generator, so runs with equal seeds start from the same matrix up to scale.
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
    """Draw from U[0, 1), with mean 1/2."""
    return rng.random((fan_in, fan_out))


def randn(rng: np.random.Generator, fan_in: int, fan_out: int) -> Array:
    """Draw from N(0, 1), regardless of the layer's size."""
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
    """Set all weights to 0, so the hidden units of a layer stay equal, up to rounding."""
    return np.zeros((fan_in, fan_out))


def constant(rng: np.random.Generator, fan_in: int, fan_out: int, value: float = 0.1) -> Array:
    """Set all weights to ``value``, which is as symmetric as ``zero``."""
    return np.full((fan_in, fan_out), float(value))


def orthogonal(rng: np.random.Generator, fan_in: int, fan_out: int, gain: float = 1.0) -> Array:
    """Draw a (semi-)orthogonal matrix times ``gain`` (Saxe, McClelland, Ganguli 2014)."""
    tall = randn(rng, max(fan_in, fan_out), min(fan_in, fan_out))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))  # makes the draw uniform (Haar)
    return gain * (q if fan_in >= fan_out else q.T)


def variance_scaling(
    scale: float, mode: Literal["fan_in", "fan_avg"], distribution: Literal["normal", "uniform"]
) -> Initializer:
    """Return an initialiser of weights with mean 0 and variance ``gain² scale / fan``.

    ``mode`` selects the fan: ``fan_in``, or ``fan_avg`` = (fan_in + fan_out) / 2. The normal
    distribution is not truncated; the uniform one is U[-sqrt(3 var), sqrt(3 var)).
    """
    fan = _FANS[mode]

    def scaled_normal(
        rng: np.random.Generator, fan_in: int, fan_out: int, gain: float = 1.0
    ) -> Array:
        return normal(rng, fan_in, fan_out, std=gain * np.sqrt(scale / fan(fan_in, fan_out)))

    def scaled_uniform(
        rng: np.random.Generator, fan_in: int, fan_out: int, gain: float = 1.0
    ) -> Array:
        limit = gain * np.sqrt(3 * scale / fan(fan_in, fan_out))
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
    "normal": normal,
    "constant": constant,
}
