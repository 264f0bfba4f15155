"""The rules: an interval → the word for what was found.

A claim about a difference is judged by one interval (L, U) for the true difference, simultaneous
over the claims of its study, and by the smallest difference that matters, S:

| word | of "greater" | of "less" | of "equal" |
|---|---|---|---|
| reproduced | L > S | U < -S | -S < L and U < S |
| direction only | 0 < L ≤ S < U | L < -S ≤ U < 0 | |
| contradicted | U < 0 and L < -S | L > 0 and U > S | L > S or U < -S |
| no difference that matters | -S < L and U < S | -S < L and U < S | |
| inconclusive | else | the same | the same |
| underpowered | too few seeds for the number of claims: no interval | the same | the same |
| withheld | runs of its arms failed, whatever the interval | the same | the same |

No interval meets two of the rules: 0 < L with U < S is a difference that does not matter, however
sure it is. A difference shown to be above 0 may be below S: it gives the direction only. A bound
that lies on 0 or on ±S decides nothing.
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

# The verdict on any claim of whose runs some failed: those left may be the better ones.
WITHHELD = "withheld"
# In the place of a verdict that was reached before the study was edited. It counts as none.
STALE = "stale"

TESTS = ("greater", "less", "equal")
BETTER = ("higher", "lower")

# The smallest difference of accuracies that matters, where nobody says otherwise.
MATTERS = 0.003
# The version of the rules for comparisons: verdicts by others are stale.
RULES = 2
# The error rate that the comparisons of a study or a sweep share.
ALPHA = 0.05


class Decided(NamedTuple):
    """Which findings an interval decides: bools, or arrays of them.

    At most one of ``greater``, ``less`` and ``same`` is true. ``matters`` says that a difference
    is not only shown, but shown to be larger than the smallest that matters.
    """

    greater: Any
    less: Any
    same: Any
    matters: Any


def decided(low: Any, high: Any, matters: float) -> Decided:
    """Return what the interval ``low`` to ``high`` (floats, or arrays of one shape) decides.

    ``matters`` is the smallest difference that does, S.

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

    ``interval`` is that of the difference; ``matters`` is S.

    Raises
    ------
    InputError
        If ``matters`` is below 0 or there is no such test.
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
    """Return the verdict on one published figure, given the prediction interval of a new run.

    ``exceeded`` says that ours is better: the whole interval lies on the side of ``better``
    (``higher`` or ``lower``) of the figure; ``short of`` is the reverse. A ``half_width`` above
    ``cap``, in the outcome's unit, or an infinite one, is too noisy to tell.

    Raises
    ------
    InputError
        If ``cap`` is below 0 or ``better`` is neither.
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
    """Return the verdict on a published curve, given the joint prediction band of a new run.

    All are (points,). It is consistent if every point lies within the band, ``exceeded`` if ours
    is better at every point that does not, else ``short of``. A band with a ``half_width`` above
    ``cap`` anywhere is too noisy to tell.

    Raises
    ------
    InputError
        If ``cap`` is below 0 or ``better`` is neither.
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
    """Return a share of the examples in percentage points: ``0.3`` for 0.003."""
    return f"{100 * share:g}"
