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

A published figure is consistent if it lies in the 95 % prediction interval. A wider interval makes
agreement easier and disagreement harder to claim, so that only disagreement is judged by the wider
intervals that the published figures of a study share: a figure between the two is borderline.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.analysis.intervals import Interval
from nnexp.errors import InputError
from nnexp.validation import choice, real

REPRODUCED = "reproduced"
DIRECTION = "direction only"
CONTRADICTED = "contradicted"
NO_DIFFERENCE = "no difference that matters"
INCONCLUSIVE = "inconclusive"
UNDERPOWERED = "underpowered"
COMPARED = (REPRODUCED, DIRECTION, CONTRADICTED, NO_DIFFERENCE, INCONCLUSIVE, UNDERPOWERED)

CONSISTENT = "consistent"
BORDERLINE = "borderline"
EXCEEDED = "exceeded"
SHORT_OF = "short of"
TOO_NOISY = "too noisy to tell"
PUBLISHED = (CONSISTENT, BORDERLINE, EXCEEDED, SHORT_OF, TOO_NOISY)

# The verdict on a row of a document, which its main claims decide together.
HOLDS = "holds"
PARTLY = "holds in part"
FAILS = "does not hold"
UNDECIDED = "undecided"
ROWS = (HOLDS, PARTLY, FAILS, UNDECIDED)

# The verdict on a claim if some of its runs failed, as the others may be the better ones, or if an
# arm may be better at a value of a tuned setting that was not tried.
WITHHELD = "withheld"
# Replaces a verdict from before the study was edited, and is not counted.
STALE = "stale"

# What the verdict on a main claim says of its row; any other verdict leaves it open.
_HOLD = (REPRODUCED, CONSISTENT)
_FAIL = (CONTRADICTED, NO_DIFFERENCE, EXCEEDED, SHORT_OF)

# The lower and the upper bounds of intervals.
Bounds = tuple[npt.ArrayLike, npt.ArrayLike]

TESTS = ("greater", "less", "equal")
# How outcomes may relate to a law.
RELATIONS = ("equal", "at most", "at least")
LAWFUL = (REPRODUCED, CONTRADICTED, INCONCLUSIVE, UNDERPOWERED)
BETTER = ("higher", "lower")

# The default for the smallest difference in accuracy that matters.
MATTERS = 0.003
# The version of the rules for comparisons and published figures; verdicts by others are stale.
RULES = 2
# The version of the rules for tuning; verdicts on tuned claims by other versions are stale.
TUNING = 2
# The error rate that the comparisons of a study or a sweep share, and that of a published figure.
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


def lawful(low: npt.ArrayLike, high: npt.ArrayLike, matters: float, relation: str) -> str:
    """Return the verdict on a claim that outcomes follow a law: reproduced, contradicted or open.

    ``low`` and ``high`` (…, cells) bound the deviations from the law in several cells, all of them
    with the level of the claim. A deviation in one of `RELATIONS` is allowed, and so is one of up
    to ``matters``. The law is reproduced if all intervals are within what is allowed, and
    contradicted if one is outside.

    Raises
    ------
    InputError
        If ``matters`` is below 0 or the relation is unknown.
    """
    real("matters", matters, 0)
    choice("relation", relation, RELATIONS)
    least = -np.inf if relation == "at most" else -matters
    most = np.inf if relation == "at least" else matters
    lows, highs = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    if ((lows > most) | (highs < least)).any():
        return CONTRADICTED
    inside = ((lows > least) | (relation == "at most")) & (
        (highs < most) | (relation == "at least")
    )
    return REPRODUCED if inside.all() else INCONCLUSIVE


def published(
    values: npt.ArrayLike, interval: Bounds, wide: Bounds, cap: float, better: str
) -> str:
    """Return the verdict on published figures, given prediction intervals for new runs.

    ``values`` is (points,): one figure, several, or the points of a curve. ``interval`` has the
    bounds of the joint 95 % prediction interval or band, each a float or (points,), and ``wide``
    those of the one at the level of the study's family. The verdict is ``consistent`` if all
    figures lie within the first, ``borderline`` if some lie only within the second, ``exceeded`` if
    the runs are better than every figure outside the second, in the direction of ``better``
    (``higher`` or ``lower``), and otherwise ``short of``. If the half-width of the first is
    infinite or above ``cap``, in the unit of the outcome, it is ``too noisy to tell``.

    Raises
    ------
    InputError
        If ``cap`` is below 0 or ``better`` is invalid.
    """
    real("cap", cap, 0)
    choice("better", better, BETTER)
    points, low, high = np.broadcast_arrays(
        *(np.asarray(each, dtype=float) for each in (values, *interval))
    )
    if not (np.isfinite([points, low, high]).all() and (high - low <= 2 * cap).all()):
        return TOO_NOISY
    if ((low <= points) & (points <= high)).all():
        return CONSISTENT
    below, above = points < np.asarray(wide[0]), points > np.asarray(wide[1])
    if better == "lower":
        below, above = above, below
    if above.any():
        return SHORT_OF
    return EXCEEDED if below.any() else BORDERLINE


def combined(found: Collection[str]) -> str:
    """Return the verdict on a row whose main claims have the verdicts ``found``.

    The row ``holds`` if every main claim is reproduced or consistent. It ``holds in part`` if some
    are, or if one has its direction only. Otherwise it ``does not hold`` if a main claim is
    contradicted, shows no difference that matters, or has a published figure that our runs exceed
    or fall short of; and it is ``undecided`` if every main claim is open. With a stale verdict, it
    is ``stale``.

    Raises
    ------
    InputError
        If there are no verdicts.
    """
    if not found:
        raise InputError("the row has no main claim: give a claim role: main")
    if STALE in found:
        return STALE
    if all(one in _HOLD for one in found):
        return HOLDS
    if any(one in (*_HOLD, DIRECTION) for one in found):
        return PARTLY
    return FAILS if any(one in _FAIL for one in found) else UNDECIDED


def in_points(share: float) -> str:
    """Return a fraction of the examples in percentage points, as text: ``0.3`` for 0.003."""
    return f"{100 * share:g}"
