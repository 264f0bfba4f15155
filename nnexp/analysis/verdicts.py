"""Rules for verdicts on claims.

A claim about a difference is judged by one interval (L, U) for the true difference, simultaneous
over the claims of its study, and by the smallest difference that matters, S:

| word | of "greater" | of "less" | of "equal" |
|---|---|---|---|
| reproduced | L > S | U < -S | -S < L and U < S |
| direction only | 0 < L ≤ S < U | L < -S ≤ U < 0 | |
| contradicted | U < 0 and L < -S | L > 0 and U > S | L > S or U < -S |
| no difference that matters | -S < L and U < S | -S < L and U < S | |
| inconclusive | otherwise | the same | the same |
| underpowered | too few seeds for the number of claims: no interval | the same | the same |
| withheld | runs failed or tuning is not finished, for any interval | the same | the same |

No interval satisfies two of the rules: 0 < L with U < S is a difference that does not matter, even
if it is certain. A difference shown to be above 0 that may be below S gives the direction only. A
bound equal to 0 or ±S decides nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.analysis.intervals import Interval
from nnexp.validation import choice, real

REPRODUCED = "reproduced"
DIRECTION = "direction only"
CONTRADICTED = "contradicted"
NO_DIFFERENCE = "no difference that matters"
INCONCLUSIVE = "inconclusive"
UNDERPOWERED = "underpowered"
COMPARED = (REPRODUCED, DIRECTION, CONTRADICTED, NO_DIFFERENCE, INCONCLUSIVE, UNDERPOWERED)

CONSISTENT = "consistent"
EXCEEDED = "exceeded"
SHORT_OF = "short of"
TOO_NOISY = "too noisy to tell"
PUBLISHED = (CONSISTENT, EXCEEDED, SHORT_OF, TOO_NOISY)

# The verdict on a claim if some of its runs failed, as the others may be the better ones, or if an
# arm may be better at a value of a tuned setting that was not tried.
WITHHELD = "withheld"
# Replaces a verdict from before the study was edited, and is not counted.
STALE = "stale"

TESTS = ("greater", "less", "equal")
BETTER = ("higher", "lower")

# The default for the smallest difference in accuracy that matters.
MATTERS = 0.003
# The version of the rules for comparisons; verdicts by other versions are stale.
RULES = 2
# The version of the rules for tuning; verdicts on tuned claims by other versions are stale.
TUNING = 2
# The error rate that the comparisons of a study or a sweep share.
ALPHA = 0.05


class Decided(NamedTuple):
    """The findings that an interval decides, as bools or arrays of bools.

    At most one of ``greater``, ``less`` and ``same`` is true. ``matters`` is whether the difference
    is shown to be larger than the smallest that matters.
    """

    greater: Any
    less: Any
    same: Any
    matters: Any


def decided(low: Any, high: Any, matters: float) -> Decided:
    """Return what the interval ``low`` to ``high`` (floats, or arrays of one shape) decides.

    ``matters`` is the smallest difference that matters, S.

    Raises
    ------
    InputError
        If ``matters`` is below 0.
    """
    real("matters", matters, 0)
    return Decided(
        greater=(low > 0) & (high > matters),
        less=(high < 0) & (low < -matters),
        same=(low > -matters) & (high < matters),
        matters=(low > matters) | (high < -matters),
    )


def compared(interval: Interval, matters: float, test: str) -> str:
    """Return the verdict on a claim that a difference is ``greater``, ``less`` or ``equal`` to 0.

    ``interval`` is the interval for the difference, and ``matters`` is S.

    Raises
    ------
    InputError
        If ``matters`` is below 0 or the test is unknown.
    """
    choice("test", test, TESTS)
    found = decided(interval.low, interval.high, matters)
    if interval.n < interval.fewest:
        return UNDERPOWERED
    if found.same:
        return REPRODUCED if test == "equal" else NO_DIFFERENCE
    if not (found.greater or found.less):
        return INCONCLUSIVE
    if test == "equal":
        return CONTRADICTED if found.matters else INCONCLUSIVE
    if test != ("greater" if found.greater else "less"):
        return CONTRADICTED
    return REPRODUCED if found.matters else DIRECTION


def published(
    value: float, low: float, high: float, half_width: float, cap: float, better: str
) -> str:
    """Return the verdict on a published figure, given the 95 % prediction interval for a new run.

    ``exceeded`` means that the whole interval is better than the figure, in the direction of
    ``better`` (``higher`` or ``lower``), and ``short of`` that it is worse. If the ``half_width``
    is infinite or above ``cap``, in the unit of the outcome, the verdict is ``too noisy to tell``.

    Raises
    ------
    InputError
        If ``cap`` is below 0 or ``better`` is invalid.
    """
    return curve([value], [low], [high], [half_width], cap, better)


def curve(
    values: npt.ArrayLike,
    low: npt.ArrayLike,
    high: npt.ArrayLike,
    half_width: npt.ArrayLike,
    cap: float,
    better: str,
) -> str:
    """Return the verdict on a published curve, given the joint prediction band for a new run.

    All arrays are (points,). The verdict is ``consistent`` if all points lie within the band,
    ``exceeded`` if the band is better at every point outside it, and otherwise ``short of``. If the
    ``half_width`` of the band is above ``cap`` anywhere, it is ``too noisy to tell``.

    Raises
    ------
    InputError
        If ``cap`` is below 0 or ``better`` is invalid.
    """
    real("cap", cap, 0)
    choice("better", better, BETTER)
    points, lows, highs = (np.asarray(each, dtype=float) for each in (values, low, high))
    widths = np.asarray(half_width, dtype=float)
    if not (np.isfinite([points, lows, highs]).all() and (widths <= cap).all()):
        return TOO_NOISY
    below, above = points < lows, points > highs
    if better == "lower":
        below, above = above, below
    if above.any():
        return SHORT_OF
    return EXCEEDED if below.any() else CONSISTENT


def in_points(share: float) -> str:
    """Return a fraction of the examples in percentage points, as text: ``0.3`` for 0.003."""
    return f"{100 * share:g}"
