"""Power of comparisons, and the number of seeds that they need.

A difference is shown if its `nnexp.analysis.intervals.median_interval` lies on the correct side of
0. The power is computed for normal differences.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from nnexp.analysis.intervals import ends, fewest
from nnexp.analysis.rates import at_most
from nnexp.validation import real

MOST_SEEDS = 10_000

_NORMAL = NormalDist()
# In standard deviations; one pair in 10¹⁵ is then on the wrong side.
_LARGEST_EFFECT = 8.0
_POINTS, _HALVINGS = 200, 40


@lru_cache(maxsize=4096)
def power(effect: float, n: int, alpha: float) -> float:
    """Return the probability that ``n`` pairs show a true difference.

    ``effect`` is the true difference in units of the standard deviation of the paired differences.
    The interval has level 1 - ``alpha``.

    Raises
    ------
    InputError
        If ``alpha`` is not between 0 and 1.
    """
    k, share = ends(n, alpha)
    effect = min(effect, _LARGEST_EFFECT)
    wrong = math.erfc(effect / math.sqrt(2)) / 2
    fewer = at_most(k - 1, n, wrong)
    if not k or not share:
        return fewer
    # Of k values below 0 let -u be the highest. The interval is still above 0 if the lowest of the
    # others is above u·(1 - share)/share.
    highest = (np.arange(_POINTS) + 0.5) / _POINTS
    u = [-effect - _NORMAL.inv_cdf(wrong * p) for p in highest ** (1 / k)]
    others = [_NORMAL.cdf(effect - each * (1 - share) / share) / (1 - wrong) for each in u]
    exactly_k = at_most(k, n, wrong) - fewer
    return fewer + exactly_k * float(np.mean(np.power(others, n - k)))


@lru_cache(maxsize=4096)
def detectable(sd: float, n: int, alpha: float, wanted: float = 0.8) -> float:
    """Return the true difference that ``n`` pairs show with a power of ``wanted``.

    ``sd`` is the standard deviation of the paired differences. The result is inf for too few pairs.

    Raises
    ------
    InputError
        If ``alpha`` or ``wanted`` is not between 0 and 1.
    """
    real("wanted", wanted, 0, 1, open_=True)
    if n < fewest(alpha):
        return math.inf
    low, high = 0.0, _LARGEST_EFFECT
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if power(middle, n, alpha) < wanted:
            low = middle
        else:
            high = middle
    return sd * high


@lru_cache(maxsize=4096)
def seeds_needed(sd: float, difference: float, alpha: float, wanted: float = 0.8) -> int | None:
    """Return the smallest number of pairs that show ``difference`` with a power of ``wanted``.

    ``None`` if this is more than `MOST_SEEDS`, as for a difference of 0, or if ``sd`` is unknown.

    Raises
    ------
    InputError
        If ``difference`` is below 0, or ``alpha`` or ``wanted`` is not between 0 and 1.
    """
    real("difference", difference, 0)
    real("wanted", wanted, 0, 1, open_=True)
    if not (sd < math.inf and difference):
        return None
    effect = difference / sd if sd else _LARGEST_EFFECT
    if power(effect, MOST_SEEDS, alpha) < wanted:
        return None
    low, high = fewest(alpha) - 1, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        if power(effect, middle, alpha) < wanted:
            low = middle
        else:
            high = middle
    return high
