"""Rules for verdicts on claims.

A claim about a difference is judged by one interval (L, U) for the true difference, simultaneous
over the claims of its study, and by the smallest difference that matters, S:

| word | of "greater" | of "less" | of "equal" |
|---|---|---|---|
| reproduced | L > 0 and U > S | U < 0 and L < -S | -S < L and U < S |
| contradicted | U < 0 and L < -S | L > 0 and U > S | either of the two to the left |
| no difference that matters | -S < L and U < S | -S < L and U < S | |
| inconclusive | otherwise, or an infinite bound | the same | the same |
| underpowered | fewer than 5 seeds, for any interval | the same | the same |
| withheld | runs of its arms failed, for any interval | the same | the same |

No interval satisfies two of the rules: 0 < L with U < S is a difference that does not matter, even
if it is certain. A bound equal to 0 or ±S decides nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnexp.analysis import intervals
from nnexp.validation import choice, real

REPRODUCED = "reproduced"
CONTRADICTED = "contradicted"
NO_DIFFERENCE = "no difference that matters"
INCONCLUSIVE = "inconclusive"
UNDERPOWERED = "underpowered"
COMPARED = (REPRODUCED, CONTRADICTED, NO_DIFFERENCE, INCONCLUSIVE, UNDERPOWERED)

CONSISTENT = "consistent"
EXCEEDED = "exceeded"
SHORT_OF = "short of"
TOO_NOISY = "too noisy to tell"
PUBLISHED = (CONSISTENT, EXCEEDED, SHORT_OF, TOO_NOISY)

# The verdict on a claim if some of its runs failed, as the others may be the better ones.
WITHHELD = "withheld"
# Replaces a verdict from before the study was edited, and is not counted.
STALE = "stale"

TESTS = ("greater", "less", "equal")
BETTER = ("higher", "lower")

# The default for the smallest difference in accuracy that matters.
MATTERS = 0.003
# The smallest number of seeds for a verdict on a comparison.
FEWEST_SEEDS = 5


class Decided(NamedTuple):
    """The findings that an interval decides, at most one of them; bools or arrays of bools."""

    greater: Any
    less: Any
    same: Any


def decided(low: Any, high: Any, matters: float) -> Decided:
    """Return what the interval ``low`` to ``high`` (floats, or arrays of one shape) decides.

    ``matters`` is the smallest difference that matters, S.

    Raises
    ------
    InputError
        If ``matters`` is below 0.
    """
    real("matters", matters, 0)
    finite = np.isfinite(low) & np.isfinite(high)
    return Decided(
        greater=finite & (low > 0) & (high > matters),
        less=finite & (high < 0) & (low < -matters),
        same=finite & (low > -matters) & (high < matters),
    )


def compared(low: float, high: float, matters: float, n: int, test: str) -> str:
    """Return the verdict on a claim that a difference is ``greater``, ``less`` or ``equal`` to 0.

    ``low`` to ``high`` is the interval for the difference from ``n`` seeds; ``matters`` is S.

    Raises
    ------
    InputError
        If ``matters`` is below 0 or the test is unknown.
    """
    choice("test", test, TESTS)
    found = decided(low, high, matters)
    if n < FEWEST_SEEDS:
        return UNDERPOWERED
    if found.same:
        return REPRODUCED if test == "equal" else NO_DIFFERENCE
    if not (found.greater or found.less):
        return INCONCLUSIVE
    return REPRODUCED if test == ("greater" if found.greater else "less") else CONTRADICTED


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


def seeds_needed(sd: float, difference: float, alpha: float) -> int | None:
    """Return the number of pairs to show ``difference``, at least `FEWEST_SEEDS`.

    ``None`` as in `nnexp.analysis.intervals.seeds_needed`.
    """
    needed = intervals.seeds_needed(sd, difference, alpha)
    return needed and max(needed, FEWEST_SEEDS)
