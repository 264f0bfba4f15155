"""Intervals and effect sizes, with NumPy only.

The last axis of an array holds the outcomes of runs or their differences paired by seed.

Comparisons are judged by the median difference. Its interval makes no assumption on the
distribution, which may be skewed or heavy-tailed and may have ties or diverged runs. No interval
for the mean has its nominal coverage in all of these cases (Bahadur & Savage 1956).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.analysis.rates import at_most
from nnexp.errors import InputError
from nnexp.validation import real, whole

# Hedges' correction needs at least two degrees of freedom.
_FEWEST_FOR_EFFECT = 3


@dataclass(frozen=True)
class Interval:
    """An interval ``low`` to ``high`` around the ``middle`` of a sample of ``n`` values.

    These are floats, or arrays over the leading axes of the sample, in the unit of its values. For
    a sample with nan, or with fewer than the ``fewest`` values for its level, it is (-inf, inf).
    """

    middle: Any
    low: Any
    high: Any
    n: int
    fewest: int

    @property
    def half_width(self) -> Any:
        """Half the distance from ``low`` to ``high``."""
        return (self.high - self.low) / 2


def median_interval(values: npt.ArrayLike, alpha: float = 0.05) -> Interval:
    """Return the confidence interval for the population median of ``values`` (…, n).

    The interval from the k-th smallest to the k-th largest value covers the median with a binomial
    probability for any distribution (inverted sign test). The result is interpolated between the
    two neighbouring k whose levels enclose 1 - ``alpha`` (Hettmansperger & Sheather 1986,
    Statistics & Probability Letters 4, 75-79). Its level is 1 - ``alpha`` to a good approximation,
    see `nnexp.analysis.calibration`, and never below that of the shorter interval.

    Values may be infinite. With fewer values than `fewest`, the interval is (-inf, inf).

    Raises
    ------
    InputError
        If there are no values, or ``alpha`` is not between 0 and 1.
    """
    ordered = np.sort(_sample(values), axis=-1)
    n = ordered.shape[-1]
    k, share = ends(n, alpha)
    with np.errstate(invalid="ignore"):  # between infinities
        middle = (ordered[..., (n - 1) // 2] + ordered[..., n // 2]) / 2
        low, high = np.full_like(middle, -np.inf), np.full_like(middle, np.inf)
        if k:
            known = ~np.isnan(ordered[..., -1])  # nan is sorted last
            low = np.where(known, _between(ordered[..., k - 1], ordered[..., k], share), low)
            inner, outer = ordered[..., n - k - 1], ordered[..., n - k]
            high = np.where(known, _between(outer, inner, share), high)
    return Interval(middle[()], low[()], high[()], n, fewest(alpha))


def rounded(values: npt.ArrayLike, rounding: npt.ArrayLike, alpha: float = 0.05) -> Interval:
    """Return the `median_interval` of ``values`` (…, n), each known only up to its ``rounding``.

    It begins where the interval would if all values were as low as they may be, and ends where it
    would if all were as high. With rounding 0, it is the `median_interval`.

    Raises
    ------
    InputError
        As for `median_interval`.
    """
    sample, off = np.asarray(values, dtype=float), np.asarray(rounding, dtype=float)
    found = median_interval(sample, alpha)
    low, high = (median_interval(sample + sign * off, alpha) for sign in (-1, 1))
    return replace(found, low=low.low, high=high.high)


@lru_cache(maxsize=4096)
def ends(n: int, alpha: float) -> tuple[int, float]:
    """Return the ends of the interval for the median of ``n`` values: k and a share from 0 to 1.

    The interval begins at the k-th smallest value plus this share of the distance to the next. k is
    the largest for which the exact interval has a level of at least 1 - ``alpha``, or 0.

    Raises
    ------
    InputError
        If ``alpha`` is not between 0 and 1.
    """
    real("alpha", alpha, 0, 1, open_=True)
    error = alpha * (1 + 1e-9)  # alpha may be 2⁻ⁿ up to rounding
    k, above = 0, n // 2 + 1
    while above - k > 1:
        middle = (k + above) // 2
        if 2 * at_most(middle - 1, n, 0.5) <= error:
            k = middle
        else:
            above = middle
    if not k:
        return 0, 0.0
    longer, shorter = 2 * at_most(k - 1, n, 0.5), 2 * at_most(k, n, 0.5)
    way = max(0.0, alpha - longer) / (shorter - longer)
    return k, (n - k) * way / (k + (n - 2 * k) * way)


def fewest(alpha: float) -> int:
    """Return the number of values that the interval for a median at level 1 - ``alpha`` needs.

    It is 6 for 0.05. With probability 2¹⁻ⁿ, all n values lie on one side of the median.

    Raises
    ------
    InputError
        If ``alpha`` is not between 0 and 1.
    """
    real("alpha", alpha, 0, 1, open_=True)
    return math.ceil(1 - math.log2(alpha * (1 + 1e-9)))


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

    It has the level 1 - ``alpha`` if the values are normal and independent. It is for tables that
    state a mean; comparisons use `median_interval`, which assumes no distribution. With a single
    value or an infinite one, it is (-inf, inf).

    Raises
    ------
    InputError
        If there are no values, or ``alpha`` is not between 0 and 1.
    """
    real("alpha", alpha, 0, 1, open_=True)
    sample = _sample(values)
    n = sample.shape[-1]
    with np.errstate(invalid="ignore", over="ignore"):  # diverged runs have infinite outcomes
        mean = sample.mean(axis=-1)
        half = np.full_like(mean, np.nan)
        if n > 1:
            sd = sample.std(axis=-1, ddof=1)
            half = t_quantile(1 - alpha / 2, n - 1) * sd / math.sqrt(n)
        known = np.isfinite(half)
        low = np.where(known, mean - half, -np.inf)
        high = np.where(known, mean + half, np.inf)
    return Interval(mean, low[()], high[()], n, 2)


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
    real("alpha", alpha, 0, 1, open_=True)
    real("rounding", rounding, 0)
    sample = _sample(values)
    n = sample.shape[-1]
    with np.errstate(invalid="ignore", over="ignore"):  # diverged runs have infinite outcomes
        mean = sample.mean(axis=-1)
        sd = sample.std(axis=-1, ddof=1) if n > 1 else np.full_like(mean, np.nan)
        t = t_quantile(1 - alpha / 2, n - 1) if n > 1 else math.nan
        half = t * sd * math.sqrt(1 + 1 / n) + rounding
        known = np.isfinite(half)
        low = np.where(known, mean - half, -np.inf)
        high = np.where(known, mean + half, np.inf)
    return Interval(mean, low[()], high[()], n, 2)


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


def all_equal(values: npt.ArrayLike) -> bool:
    """Tell whether there are several ``values`` (n,), which are equal up to rounding."""
    sample = np.asarray(values, dtype=float)
    with np.errstate(invalid="ignore"):  # between infinities
        return len(sample) > 1 and bool(np.allclose(sample, sample[0], rtol=1e-9, atol=1e-15))


def _between(outer: Any, inner: Any, share: float) -> Any:
    """Return ``outer`` moved by a ``share`` of the distance to ``inner``, if both are finite."""
    finite = np.isfinite(outer) & np.isfinite(inner)
    return np.where(finite, outer + share * np.where(finite, inner - outer, 0), outer)


def _sample(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    sample = np.asarray(values, dtype=float)
    if sample.ndim == 0 or sample.shape[-1] == 0:
        raise InputError("the sample is empty: give the outcomes of at least one run")
    return sample


def _central(angle: float, freedom: int) -> float:
    """Return P(|T| < √freedom·tan(angle)) for T of Student's distribution."""
    odd = freedom % 2
    k = np.arange(1, freedom // 2)
    ratios = (2 * k - 1 + odd) / (2 * k + odd)
    series = 1 + float(np.cumprod(ratios * math.cos(angle) ** 2).sum())
    if not odd:
        return math.sin(angle) * series
    inner = math.sin(angle) * math.cos(angle) * series if freedom > 1 else 0.0
    return 2 / math.pi * (angle + inner)
