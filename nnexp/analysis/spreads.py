"""Spreads of outcomes between seeds, compared without an assumption on their distribution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnexp.analysis.intervals import Interval, fewest, median_interval
from nnexp.errors import InputError

Array = npt.NDArray[np.float64]

# Larger groups hardly make the interval shorter, and fewer of them make it longer.
_LARGEST_GROUP = 10
# A standard deviation needs two values.
_SMALLEST_GROUP = 2


def spread_interval(first: npt.ArrayLike, second: npt.ArrayLike, alpha: float = 0.05) -> Interval:
    """Return the interval for log10 of the ratio of two spreads, of ``first`` to ``second``.

    Both are (…, n), run by run of the same seeds. The seeds are divided into groups, and each group
    gives the logarithm of the ratio of its two standard deviations (Moses 1963, Annals of
    Mathematical Statistics 34, 973-983). If both samples have the same distribution up to location
    and spread, whatever it is, and are either independent or paired, this logarithm is distributed
    symmetrically about that of the true ratio, for which the result is the interval of
    `nnexp.analysis.intervals.median_interval`. Tests of variances assume a distribution: that of
    F, a normal one.

    ``n`` counts the groups and ``fewest`` those that the level needs. A group in which neither
    sample varies counts as equal.

    Raises
    ------
    InputError
        If the samples differ in shape or have fewer than two values, or ``alpha`` is not between 0
        and 1.
    """
    return median_interval(group_ratios(first, second, alpha), alpha)


def group_ratios(first: npt.ArrayLike, second: npt.ArrayLike, alpha: float = 0.05) -> Array:
    """Return log10 of the ratio of the standard deviations in each group: (…, groups).

    Arguments and errors are as for `spread_interval`.
    """
    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if one.shape != other.shape or one.ndim == 0:
        raise InputError(f"the samples have the shapes {one.shape} and {other.shape}: pair them")
    if one.shape[-1] < _SMALLEST_GROUP:
        raise InputError("a spread needs two runs or more: add seeds")
    groups = one.shape[-1] // group_size(one.shape[-1], alpha)
    spreads = [_group_spreads(sample, groups) for sample in (one, other)]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.log10(spreads[0]) - np.log10(spreads[1])
    return np.where(spreads[0] == spreads[1], 0.0, ratios)


def group_size(n: int, alpha: float) -> int:
    """Return how many of ``n`` seeds form a group in an interval at level 1 - ``alpha``.

    There are at least twice as many groups as the level needs, if ``n`` permits.

    Raises
    ------
    InputError
        If ``alpha`` is not between 0 and 1.
    """
    return max(_SMALLEST_GROUP, min(_LARGEST_GROUP, n // (2 * fewest(alpha))))


def _group_spreads(sample: Array, groups: int) -> Array:
    """Return the standard deviation in each group of consecutive values: (…, groups)."""
    with np.errstate(invalid="ignore"):  # of infinite values
        parts = [part.std(axis=-1, ddof=1) for part in np.array_split(sample, groups, axis=-1)]
    return np.stack(parts, axis=-1)
