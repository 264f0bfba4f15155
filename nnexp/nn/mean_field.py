"""Mean-field theory of a network at initialisation.

Variances propagate forward as in Poole, Lahiri, Raghu, Sohl-Dickstein, Ganguli 2016 ("Exponential
expressivity in deep neural networks through transient chaos", eq. 3) and backward as in
Schoenholz, Gilmer, Ganguli, Sohl-Dickstein 2017 ("Deep information propagation", eq. 9). Glorot &
Bengio 2010 (4.2.1) and He, Zhang, Ren, Sun 2015 (2.2) are the special cases of an activation that
is linear at 0 and of ReLU.

The theory is exact in the limit of wide layers. It assumes weights that are independent, have mean
0 and are independent of the backpropagated errors. It does not apply to weights with another mean
(``rand``, ``constant``), with which the units of a layer share an offset as large as their spread.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.errors import InputError
from nnexp.nn.activations import Activation

Array = npt.NDArray[Any]
# (fan_in, fan_out) -> (mean, mean square) of a parameter.
Moments = Callable[[int, int], tuple[float, float]]

# Quadrature: the number of points, and the range in standard deviations on either side. An even
# number of points avoids the kink or step of an activation at 0.
_POINTS = 400
_REACH = 9.0
# Layers towards a fixed point: until it moves by less, or too many.
_SETTLED = 1e-12
_MOST_LAYERS = 20_000
# Half the distance, in standard deviations, over which a slope is taken.
_STEP = 1e-3


def _uniform(fan_in: int, fan_out: int, low: float, high: float) -> tuple[float, float]:
    return (low + high) / 2, (low * low + low * high + high * high) / 3


# Moments of the initialisers in `nnexp.nn.initializers`; there is no theory for missing ones.
_MOMENTS: dict[str, Callable[..., tuple[float, float]]] = {
    "rand": lambda i, o: (1 / 2, 1 / 3),
    "randn": lambda i, o: (0.0, 1.0),
    "normal": lambda i, o, std=0.01: (0.0, std**2),
    "uniform": lambda i, o, low=-0.05, high=0.05: _uniform(i, o, low, high),
    "zero": lambda i, o: (0.0, 0.0),
    "constant": lambda i, o, value=0.1: (value, value**2),
    "xavier": lambda i, o, gain=1.0: (0.0, gain**2 * 2 / (i + o)),
    "xavier_uniform": lambda i, o, gain=1.0: (0.0, gain**2 * 2 / (i + o)),
    "he": lambda i, o, gain=1.0: (0.0, gain**2 * 2 / i),
    "he_uniform": lambda i, o, gain=1.0: (0.0, gain**2 * 2 / i),
    "lecun": lambda i, o, gain=1.0: (0.0, gain**2 / i),
    "lecun_uniform": lambda i, o, gain=1.0: (0.0, gain**2 / i),
    # min(i, o) rows or columns of norm gain, spread over i·o entries.
    "orthogonal": lambda i, o, gain=1.0: (0.0, gain**2 / max(i, o)),
}


@dataclass(frozen=True)
class LayerTheory:
    """Predictions for a layer at step 0, over its units, the examples and draws of the weights.

    ``z`` are the pre-activations. ``backward`` is the ratio of the mean squared error (the gradient
    with respect to ``z``) in this layer to that in the layer above. For the output layer,
    ``backward`` and the activation statistics are nan, as its activation belongs to the loss.
    """

    z_mean: float
    z_std: float
    activation_mean: float
    activation_std: float
    backward: float


class FixedPoint(NamedTuple):
    """Where the pre-activations of two examples arrive after many layers.

    ``variance`` is that of a pre-activation and ``correlation`` that between the two examples.
    ``length`` is the number of layers over which the distance from this correlation falls by a
    factor of e: the depth scale ξ_c of Schoenholz et al. 2017 (eq. 9), infinite at criticality.
    """

    variance: float
    correlation: float
    length: float


def moments(name: str, **parameters: float) -> Moments | None:
    """Return the moments ``(fan_in, fan_out) -> (mean, mean square)`` of an initialiser.

    ``parameters`` are those of the initialiser. Bias initialisers are called with ``fan_in`` 1.
    The result is ``None`` if the moments are not known, as for the user's own functions.
    """
    if name not in _MOMENTS:
        return None
    known = _MOMENTS[name]
    return lambda fan_in, fan_out: known(fan_in, fan_out, **parameters)


def expectations(activation: Activation, mean: Array, std: Array) -> tuple[Array, Array, Array]:
    """Return E[f(z)], E[f(z)²] and E[f'(z)²] for z ~ N(mean, std²), each of shape (n,).

    ``mean`` and ``std`` are (n,), float64. The integrals use the trapezoidal rule in asinh(z),
    whose points are dense near 0, where activations bend, and still cover large z. The distance of
    Gauss-Hermite nodes is proportional to std, so they would miss the slope of a sigmoid for std
    of 10 or more.
    """
    low, high = np.arcsinh(mean - _REACH * std), np.arcsinh(mean + _REACH * std)
    t = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, _POINTS)
    z = np.sinh(t)
    spread = np.where(std > 0, std, 1.0)[:, None]
    density = np.exp(-(((z - mean[:, None]) / spread) ** 2) / 2) * np.cosh(t)
    density /= density.sum(axis=1, keepdims=True)
    a = z.copy()
    with np.errstate(over="ignore"):  # in the exp of a sigmoid, for large z
        activation.forward(a, np.empty_like(a))
        slope = activation.derivative(a.copy(), z)
    first, square, steep = ((density * v).sum(axis=1) for v in (a, a * a, slope * slope))
    return first, square, steep


def propagate(
    sizes: Sequence[int],
    activation: Activation,
    weights: Moments,
    biases: Moments,
    squares: Array,
) -> list[LayerTheory]:
    """Return the predictions for each layer of a network of ``sizes``, from inputs to outputs.

    ``squares (n,)`` are the mean squares of the inputs over features, one per example. Each example
    has its own variance; the statistics of a layer are over all examples. The errors at the outputs
    are assumed to have the same size for all examples.

    Raises
    ------
    InputError
        If the mean of the weights is not 0.
    """
    square = np.asarray(squares, np.float64)
    fans = list(itertools.pairwise(sizes))
    forward, slopes = [], []
    for fan_in, fan_out in fans:
        mean, weight_square = weights(fan_in, fan_out)
        if mean:
            raise InputError(
                f"the theory does not apply to weights with mean {mean:g}: "
                f"choose an initialiser with mean 0"
            )
        bias_mean, bias_square = biases(1, fan_out)
        variance = fan_in * weight_square * square + bias_square - bias_mean**2
        first, square, slope = expectations(
            activation, np.full(len(variance), bias_mean), np.sqrt(variance)
        )
        # Rounding may give a negative variance if all values are equal.
        a_std = float(np.sqrt(max(square.mean() - first.mean() ** 2, 0.0)))
        forward.append((bias_mean, float(np.sqrt(variance.mean())), float(first.mean()), a_std))
        slopes.append(slope)
    factors, error = [], np.ones_like(square)
    for (fan_in, fan_out), slope in zip(reversed(fans[1:]), reversed(slopes[:-1]), strict=True):
        passed = error * fan_out * weights(fan_in, fan_out)[1] * slope
        factors.append(float(passed.mean() / error.mean()) if error.any() else 0.0)
        error = passed
    *hidden, (z_mean, z_std, _, _) = forward
    output = LayerTheory(z_mean, z_std, np.nan, np.nan, np.nan)
    return [
        *(LayerTheory(*f, b) for f, b in zip(hidden, reversed(factors), strict=True)),
        output,
    ]


def fixed_point(activation: Activation, weight_variance: float, bias_variance: float) -> FixedPoint:
    """Return the fixed point of deep, wide layers of one width.

    ``weight_variance`` is that of a weight times the width, and ``bias_variance`` that of a bias.
    In the ordered phase, two examples become equal: their correlation is 1.

    Raises
    ------
    InputError
        If the variance grows without end.
    """
    q = 1.0
    for _ in range(_MOST_LAYERS):
        last = q
        _, square, slopes = expectations(activation, np.zeros(1), np.full(1, math.sqrt(q)))
        q = weight_variance * float(square[0]) + bias_variance
        if abs(q - last) <= _SETTLED or q > 1 / _SETTLED:
            break
    if abs(q - last) > _SETTLED:
        raise InputError(
            f"weight_variance={weight_variance:g} and bias_variance={bias_variance:g} have no "
            f"fixed point: give smaller variances"
        )
    correlation, slope = 1.0, weight_variance * float(slopes[0])
    if slope > 1:  # chaotic: examples that are nearly equal move apart
        correlation, slope = _chaotic(activation, weight_variance, bias_variance, q)
    return FixedPoint(q, correlation, -1 / math.log(slope) if 0 < slope < 1 else math.inf)


def _chaotic(
    activation: Activation, weights: float, biases: float, q: float
) -> tuple[float, float]:
    """Return the correlation below 1 that the next layer keeps, and the slope of its map there.

    The map is convex, so Newton's method approaches the fixed point from below.
    """
    shared = np.linspace(-_REACH, _REACH, _POINTS)
    density = np.exp(-(shared**2) / 2)
    density /= density.sum()
    h, c = _STEP * math.sqrt(q), 0.0
    for _ in range(_MOST_LAYERS):
        # E[f(z)] given what the two examples share, and its derivative E[f'(z)].
        own, means = np.full(_POINTS, math.sqrt(q * (1 - c))), math.sqrt(q * c) * shared
        below, f, above = (expectations(activation, means + d, own)[0] for d in (-h, 0.0, h))
        slope = weights * float(density @ ((above - below) / (2 * h)) ** 2)
        gap = (weights * float(density @ f**2) + biases) / q - c
        if gap <= _SETTLED or slope >= 1:
            break
        c += gap / (1 - slope)
    return c, slope
