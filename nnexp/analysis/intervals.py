"""Intervals, effect sizes and required numbers of seeds, with NumPy only.

The last axis of an array holds the outcomes of runs or their differences paired by seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.errors import InputError
from nnexp.validation import real, whole

MOST_SEEDS = 10_000

# Hedges' correction needs at least two degrees of freedom.
_FEWEST_FOR_EFFECT = 3


@dataclass(frozen=True)
class Interval:
    """An interval around the mean of a sample of ``n`` values with standard deviation ``sd``.

    ``mean low high sd`` are floats, or arrays over the leading axes of the sample, in the unit of
    its values. If ``sd`` is unknown (for a single value, or an infinite one), it is nan and the
    interval is (-inf, inf).
    """

    mean: Any
    low: Any
    high: Any
    n: int
    sd: Any

    @property
    def half_width(self) -> Any:
        """Half the distance from ``low`` to ``high``."""
        return (self.high - self.low) / 2


@lru_cache(maxsize=4096)
def t_quantile(probability: float, freedom: int) -> float:
    """Return the quantile of Student's t distribution at this probability.

    ``freedom`` is the whole number of degrees of freedom. The closed form of the distribution
    (Abramowitz & Stegun 26.7.3 and 26.7.4) is inverted by bisection over the angle
    arctan(t/√freedom).

    Raises
    ------
    InputError
        If the probability is not between 0 and 1, or ``freedom`` is below 1.
    """
    real("probability", probability, 0, 1, open_=True)
    whole("freedom", freedom, 1)
    if probability < 0.5:
        return -t_quantile(1 - probability, freedom)
    low, high = 0.0, math.pi / 2
    while low < (middle := (low + high) / 2) < high:
        if _central(middle, freedom) < 2 * probability - 1:
            low = middle
        else:
            high = middle
    return math.sqrt(freedom) * math.tan(low)


def mean_interval(values: npt.ArrayLike, alpha: float = 0.05) -> Interval:
    """Return Student's confidence interval for the population mean of ``values`` (…, n).

    It covers the mean with probability 1 - ``alpha`` if the values are normal and independent.
    `nnexp.analysis.calibration` gives its coverage if they are not.

    Raises
    ------
    InputError
        If there are no values, or ``alpha`` is not between 0 and 1.
    """
    return _interval(values, alpha, further=0, rounding=0)


def prediction_interval(
    values: npt.ArrayLike, alpha: float = 0.05, rounding: float = 0.0
) -> Interval:
    """Return the prediction interval for one further value from the population of ``values``.

    ``values`` is (…, n). The interval covers the further value with probability 1 - ``alpha`` if
    all values are normal and independent. ``rounding``, half a unit of the last digit to which the
    further value is known, is added on either side.

    Raises
    ------
    InputError
        If there are no values, or ``alpha`` is not between 0 and 1.
    """
    return _interval(values, alpha, further=1, rounding=rounding)


def joint_band(
    curves: npt.ArrayLike, alpha: float = 0.05, rounding: float = 0.0
) -> tuple[Any, Any]:
    """Return the band ``low, high``, each (points,), for one further curve.

    ``curves`` is (n, points), or (…, n, points). The whole further curve lies within the band with
    a probability of at least 1 - ``alpha`` (Bonferroni), whatever the correlation of its points.

    Raises
    ------
    InputError
        If there are no curves or no points, or ``alpha`` is not between 0 and 1.
    """
    values = np.swapaxes(np.asarray(curves, dtype=float), -1, -2)
    if not values.shape[-2]:
        raise InputError("the curves have no points: give at least one")
    band = prediction_interval(values, alpha / values.shape[-2], rounding)
    return band.low, band.high


def superiority(differences: npt.ArrayLike) -> float:
    """Return the share of ``differences`` (n,) above 0, the probability of superiority.

    Ties count as one half, and so does nan, the difference of two infinite outcomes.

    Raises
    ------
    InputError
        If there are no differences.
    """
    values = _sample(differences)
    return float(np.mean(np.where(np.isnan(values), 0.5, (np.sign(values) + 1) / 2)))


def effect_size(differences: npt.ArrayLike) -> float:
    """Return the mean of paired ``differences`` (n,) in units of their standard deviation.

    This includes the small-sample correction of Hedges (1981), J = 1 - 3/(4(n - 1) - 1). If all
    differences are equal, it is 0 or ±inf. It is nan for fewer than three differences, or if one is
    infinite.

    Raises
    ------
    InputError
        If there are no differences.
    """
    values = _sample(differences)
    n = len(values)
    if n < _FEWEST_FOR_EFFECT or not np.isfinite(values).all():
        return math.nan
    mean = float(values.mean())
    if (values == values[0]).all():
        return math.copysign(math.inf, mean) if mean else 0.0
    return mean / float(values.std(ddof=1)) * (1 - 3 / (4 * (n - 1) - 1))


def skewness(values: npt.ArrayLike) -> float:
    """Return the adjusted skewness of a sample (n,), G1 of Joanes & Gill (1998).

    It is nan for fewer than three values, if one is infinite, or if all are equal.

    Raises
    ------
    InputError
        If there are no values.
    """
    sample = _sample(values)
    n = len(sample)
    if n < 3 or not np.isfinite(sample).all() or (sample == sample[0]).all():
        return math.nan
    deviation = sample - sample.mean()
    g1 = float(np.mean(deviation**3) / np.mean(deviation**2) ** 1.5)
    return g1 * math.sqrt(n * (n - 1)) / (n - 2)


def is_skewed(values: npt.ArrayLike) -> bool:
    """Return whether the skewness of a sample (n,) exceeds twice its standard error.

    This holds for about one in 20 normal samples.
    """
    n = len(_sample(values))
    if n < 3:
        return False
    error = math.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))
    return abs(skewness(values)) > 2 * error


def detectable(sd: float, n: int, alpha: float, power: float = 0.8) -> float:
    """Return the true difference that ``n`` pairs detect with probability ``power``.

    A difference is detected if its `mean_interval` of level 1 - ``alpha`` lies on the correct side
    of 0. ``sd`` is the standard deviation of the paired differences. Uses the approximation of
    Johnson & Welch (1940) to the non-central t distribution. The result is inf for fewer than two
    pairs.

    Raises
    ------
    InputError
        If ``alpha`` or ``power`` is not between 0 and 1.
    """
    real("alpha", alpha, 0, 1, open_=True)
    real("power", power, 0, 1, open_=True)
    if n < 2:
        return math.inf
    freedom = n - 1
    t = t_quantile(1 - alpha / 2, freedom)
    # The mean of the sample standard deviation; its variance is 1 - mean².
    mean = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2))
    mean *= math.sqrt(2 / freedom)
    spread = math.sqrt(1 + t**2 * (1 - mean**2))
    return sd / math.sqrt(n) * (t * mean + NormalDist().inv_cdf(power) * spread)


def seeds_needed(sd: float, difference: float, alpha: float, power: float = 0.8) -> int | None:
    """Return the smallest number of pairs at which ``difference`` is `detectable`.

    ``None`` if this is more than `MOST_SEEDS`, as for a difference of 0, or if ``sd`` is unknown.

    Raises
    ------
    InputError
        If ``difference`` is below 0, or ``alpha`` or ``power`` is not between 0 and 1.
    """
    real("difference", difference, 0)
    if not detectable(sd, MOST_SEEDS, alpha, power) <= difference:
        return None
    low, high = 1, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        if detectable(sd, middle, alpha, power) <= difference:
            high = middle
        else:
            low = middle
    return high


def _interval(values: npt.ArrayLike, alpha: float, further: int, rounding: float) -> Interval:
    """Return mean ± (t·sd·√(further + 1/n) + ``rounding``)."""
    real("alpha", alpha, 0, 1, open_=True)
    real("rounding", rounding, 0)
    sample = _sample(values)
    n = sample.shape[-1]
    with np.errstate(invalid="ignore", over="ignore"):  # diverged runs have infinite outcomes
        mean = sample.mean(axis=-1)
        sd = sample.std(axis=-1, ddof=1) if n > 1 else np.full_like(mean, np.nan)
        t = t_quantile(1 - alpha / 2, n - 1) if n > 1 else math.nan
        half = t * sd * math.sqrt(further + 1 / n) + rounding
        known = np.isfinite(half)
        low = np.where(known, mean - half, -np.inf)
        high = np.where(known, mean + half, np.inf)
    return Interval(mean, low[()], high[()], n, sd[()])


def _sample(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    sample = np.asarray(values, dtype=float)
    if sample.ndim == 0 or sample.shape[-1] == 0:
        raise InputError("the sample is empty: give the outcomes of at least one run")
    return sample


def _central(angle: float, freedom: int) -> float:
    """Return P(|T| < √freedom·tan(angle)) for T with Student's t distribution."""
    odd = freedom % 2
    k = np.arange(1, freedom // 2)
    ratios = (2 * k - 1 + odd) / (2 * k + odd)
    series = 1 + float(np.cumprod(ratios * math.cos(angle) ** 2).sum())
    if not odd:
        return math.sin(angle) * series
    inner = math.sin(angle) * math.cos(angle) * series if freedom > 1 else 0.0
    return 2 / math.pi * (angle + inner)
