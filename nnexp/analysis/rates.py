"""Exact binomial probabilities and intervals for rates, such as that of diverged runs."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.errors import InputError
from nnexp.validation import real, whole

_HALVINGS = 60


class Rate(NamedTuple):
    """An interval for a rate; ``low`` and ``high`` are between 0 and 1."""

    low: float
    high: float


def at_most(count: int, n: int, rate: float) -> float:
    """Return the probability of at most ``count`` successes in ``n`` trials at ``rate``."""
    if count < 0 or rate == 1:
        return float(count >= n)
    if rate == 0 or count >= n:
        return 1.0
    successes = np.arange(min(count, n) + 1)
    logs = _log_choices(n)[: len(successes)]
    logs = logs + successes * math.log(rate) + (n - successes) * math.log1p(-rate)
    return min(1.0, float(np.exp(logs).sum()))


@lru_cache(maxsize=4096)  # both ends of an interval ask for it, and so does every study again
def rate_at(count: int, n: int, probability: float) -> float:
    """Return the rate at which at most ``count`` successes in ``n`` have this ``probability``."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if at_most(count, n, middle) > probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def rate_interval(count: int, n: int, alpha: float = 0.05) -> Rate:
    """Return the exact interval of Clopper & Pearson (1934) for the rate behind ``count`` of ``n``.

    Its level is at least 1 - ``alpha``.

    Raises
    ------
    InputError
        If ``n`` is below 1, ``count`` is not from 0 to ``n``, or ``alpha`` not between 0 and 1.
    """
    whole("n", n, 1)
    whole("count", count, 0)
    if count > n:
        raise InputError(f"count={count} is invalid: give at most n={n}")
    real("alpha", alpha, 0, 1, open_=True)
    low = 1 - rate_at(n - count, n, alpha / 2) if count else 0.0
    return Rate(low, rate_at(count, n, alpha / 2) if count < n else 1.0)


def largest_unseen(n: int, alpha: float = 0.05) -> float:
    """Return the largest rate that is consistent with no case in ``n`` runs.

    It is the one-sided upper bound of level 1 - ``alpha``.

    Raises
    ------
    InputError
        If ``n`` is below 1 or ``alpha`` is not between 0 and 1.
    """
    whole("n", n, 1)
    real("alpha", alpha, 0, 1, open_=True)
    return float(1 - alpha ** (1 / n))


def runs_to_exclude(rate: float, alpha: float = 0.05) -> int:
    """Return the number of runs without a case that exclude ``rate``, such as 29 for 0.1.

    The level is 1 - ``alpha``.

    Raises
    ------
    InputError
        If ``rate`` or ``alpha`` is not between 0 and 1.
    """
    real("rate", rate, 0, 1, open_=True)
    real("alpha", alpha, 0, 1, open_=True)
    return math.ceil(math.log(alpha) / math.log1p(-rate))


def mcnemar(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Return the exact two-sided p-value of equal rates in pairs of booleans (n,).

    Under equal rates, either of a pair is equally likely to be the only true one (McNemar 1947).
    """
    one, other = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    only_first, only_second = int((one & ~other).sum()), int((other & ~one).sum())
    both = only_first + only_second
    return min(1.0, 2 * at_most(min(only_first, only_second), both, 0.5))


def detectable_rate(rate: float, n: int, alpha: float, wanted: float = 0.8) -> float | None:
    """Return the rate that ``n`` trials show to be above ``rate`` with a power of ``wanted``.

    It is shown if its `rate_interval` at level 1 - ``alpha`` lies above ``rate``. ``None`` if
    not even ``n`` successes would show it.

    Raises
    ------
    InputError
        If ``n`` is below 1, or ``alpha`` or ``wanted`` is not between 0 and 1.
    """
    real("wanted", wanted, 0, 1, open_=True)
    if rate_interval(n, n, alpha).low <= rate:
        return None
    fewest = next(count for count in range(n + 1) if rate_interval(count, n, alpha).low > rate)
    return rate_at(fewest - 1, n, 1 - wanted)


@lru_cache(maxsize=64)
def _log_choices(n: int) -> npt.NDArray[np.float64]:
    """Return the logarithms of n over 0, 1, …, n."""
    k = np.arange(1, n + 1)
    return np.concatenate([[0.0], np.cumsum(np.log((n + 1 - k) / k))])
