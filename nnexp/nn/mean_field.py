"""What theory says of a network before its first update: how spreads pass through its layers.

Mean-field propagation of variances: forwards as in Poole, Lahiri, Raghu, Sohl-Dickstein, Ganguli
2016 ("Exponential expressivity in deep neural networks through transient chaos", eq. 3), backwards
as in Schoenholz, Gilmer, Ganguli, Sohl-Dickstein 2017 ("Deep information propagation", eq. 9);
Glorot & Bengio 2010 (4.2.1) and He, Zhang, Ren, Sun 2015 (2.2) are its cases of an activation that
is linear about 0 and of ReLU. It is exact as layers grow wide; weights are independent, of mean 0,
and independent of the errors that they pass back. Where their mean is not 0 (``rand``,
``constant``) the units of a layer share an offset as large as their spread, and there is no line.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.errors import InputError
from nnexp.nn.activations import Activation

Array = npt.NDArray[Any]
# (fan_in, fan_out) -> the mean of a parameter and its mean square.
Moments = Callable[[int, int], tuple[float, float]]

# Quadrature: points over so many standard deviations either side. An even number keeps them off the
# kink or step of an activation at 0.
_POINTS = 400
_REACH = 9.0


def _uniform(fan_in: int, fan_out: int, low: float, high: float) -> tuple[float, float]:
    return (low + high) / 2, (low * low + low * high + high * high) / 3


# Of the initialisers in `nnexp.nn.initializers`; one that is missing has no theory.
_MOMENTS: dict[str, Callable[..., tuple[float, float]]] = {
    "rand": lambda i, o: (1 / 2, 1 / 3),
    "randn": lambda i, o: (0.0, 1.0),
    "normal": lambda i, o, std=0.01: (0.0, std**2),
    "uniform": lambda i, o, low=-0.05, high=0.05: _uniform(i, o, low, high),
    "zero": lambda i, o: (0.0, 0.0),
    "constant": lambda i, o, value=0.1: (value, value**2),
    "xavier": lambda i, o: (0.0, 2 / (i + o)),
    "xavier_uniform": lambda i, o: (0.0, 2 / (i + o)),
    "he": lambda i, o: (0.0, 2 / i),
    "he_uniform": lambda i, o: (0.0, 2 / i),
    "lecun": lambda i, o: (0.0, 1 / i),
    "lecun_uniform": lambda i, o: (0.0, 1 / i),
    # Its min(i, o) rows or columns of length gain are spread over i·o entries.
    "orthogonal": lambda i, o, gain=1.0: (0.0, gain**2 / max(i, o)),
}


@dataclass(frozen=True)
class LayerTheory:
    """What theory says of a layer at step 0, over all its units, examples and draws of weights.

    ``z`` are its pre-activations. ``backward`` is the factor from the mean squared error (gradient
    by ``z``) of the layer above to that of this one. The output layer, whose activation belongs to
    the loss, has no activation and no factor: nan.
    """

    z_mean: float
    z_std: float
    activation_mean: float
    activation_std: float
    backward: float


def moments(name: str, **parameters: float) -> Moments | None:
    """Return a weight or bias initialiser's ``(fan_in, fan_out) -> (mean, mean square)``.

    A bias initialiser is asked with ``fan_in`` 1. ``parameters`` are the initialiser's own. The
    result is ``None`` if the moments are not known, as those of a user's own function.
    """
    if name not in _MOMENTS:
        return None
    known = _MOMENTS[name]
    return lambda fan_in, fan_out: known(fan_in, fan_out, **parameters)


def expectations(activation: Activation, mean: Array, std: Array) -> tuple[Array, Array, Array]:
    """Return E[f(z)], E[f(z)²] and E[f'(z)²] for z ~ N(mean, std²), each of the shape (n,).

    ``mean`` and ``std`` are (n,), float64. The trapezoidal rule in asinh(z): its points lie dense
    about 0, where activations bend, and reach far, where z does. Gauss-Hermite nodes lie a fixed
    share of std apart and would step over a sigmoid's slope once std is 10 or more.
    """
    low, high = np.arcsinh(mean - _REACH * std), np.arcsinh(mean + _REACH * std)
    t = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, _POINTS)
    z = np.sinh(t)
    spread = np.where(std > 0, std, 1.0)[:, None]
    density = np.exp(-(((z - mean[:, None]) / spread) ** 2) / 2) * np.cosh(t)
    density /= density.sum(axis=1, keepdims=True)
    a = z.copy()
    with np.errstate(over="ignore"):  # a sigmoid's exp, far out
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
    """Return what theory says of each layer of a network of ``sizes``, inputs to outputs.

    ``squares (n,)`` are the inputs' mean squares over features, one for each example: every
    example keeps a variance of its own, and the layer's figures are those of all together. The
    errors at the outputs are taken to be alike in size for all of them.

    Raises
    ------
    InputError
        If the weights' mean is not 0.
    """
    square = np.asarray(squares, np.float64)
    fans = list(itertools.pairwise(sizes))
    forward, slopes = [], []
    for fan_in, fan_out in fans:
        mean, weight_square = weights(fan_in, fan_out)
        if mean:
            raise InputError(
                f"theory has no line for weights of mean {mean:g}: choose an initialiser of mean 0"
            )
        bias_mean, bias_square = biases(1, fan_out)
        variance = fan_in * weight_square * square + bias_square - bias_mean**2
        first, square, slope = expectations(
            activation, np.full(len(variance), bias_mean), np.sqrt(variance)
        )
        # Rounding may leave less than 0 where all are alike.
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
