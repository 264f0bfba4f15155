"""Tuning: the value of a setting at which the runs of an arm score best, and what to try next.

The best value is the one with the best mean score over seeds. It depends on the values that were
tried, so tuning is finished only if the best one lies between two others, each at most `FACTOR`
away. Until then, values beyond the edge are tried, and values between the best and its neighbours.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nnexp.errors import InputError, unknown

# Neighbours of the best value are at most this factor away, and values beyond an edge are tried in
# steps of this factor.
FACTOR = 2
# How far tuning goes beyond the smallest and the largest value of the study, as a factor.
BEYOND = 32
# Values are rounded to two digits, which changes them by at most 5 %.
_ROUNDING = 1.05


@dataclass(frozen=True)
class Tuning:
    """The ``means`` over seeds of the score ``by``, for each value tried of the setting ``over``.

    ``means`` is sorted by value. A value has no number if no run at it has a score.
    """

    over: str
    by: str
    means: pd.Series[float]

    @property
    def best(self) -> Any:
        """The value with the best mean score; of equal ones, one between others if there is one."""
        scored = self._scored
        top = scored.index[scored == (scored.min() if self.by.endswith("loss") else scored.max())]
        inside = [value for value in scored.index[1:-1] if value in top]
        numbers = pd.api.types.is_numeric_dtype(scored.index)
        return inside[0] if numbers and inside else top[0]

    @property
    def edge(self) -> str:
        """Which edge of the values tried is best: ``smallest``, ``largest`` or empty."""
        scored = self._scored
        return {scored.index[0]: "smallest", scored.index[-1]: "largest"}.get(self.best, "")

    @property
    def tried(self) -> str:
        """The values tried, in words: ``4 values from 0.15 to 4``."""
        first, last = self.means.index[[0, -1]]
        return f"{len(self.means)} values from {first:g} to {last:g}"

    def further(self, own: Sequence[float]) -> tuple[float, ...]:
        """Return the values to try next, at most two; none if tuning is finished or has to end.

        It is finished as well if three or more values all score the same, as of a dead network.
        ``own`` are the values of the study itself, from which tuning goes at most `BEYOND` away.
        """
        scored, best = self._scored, self.best
        if not self.edge and scored.nunique() == 1:
            return ()
        if self.edge:
            step = best / FACTOR if self.edge == "smallest" else best * FACTOR
            low, high = min(own) / BEYOND / _ROUNDING, max(own) * BEYOND * _ROUNDING
            found = [step] if low <= step <= high else []
        else:
            place = list(scored.index).index(best)
            gaps = itertools.pairwise(scored.index[place - 1 : place + 2])
            found = [math.sqrt(a * b) for a, b in gaps if b > a * FACTOR * _ROUNDING]
        values = (float(f"{value:.1e}") for value in found)
        return tuple(value for value in values if value not in self.means.index)

    def flaw(self, own: Sequence[float]) -> str:
        """Return why tuning is not finished, in words; empty if it is. ``own`` as for `further`."""
        at, more = f"best at {self.over} {self.best:g}", self.further(own)
        if self.edge:
            end = "" if more else " and as far as tuning goes"
            return f"{at}, the {self.edge} of {self.tried}{end}"
        if more:
            return f"{at}, more than a factor of {FACTOR} from the next of {self.tried}"
        return ""

    @property
    def _scored(self) -> pd.Series[float]:
        return self.means.dropna()


def tune(runs: pd.DataFrame, over: str, by: str) -> Tuning:
    """Return how the setting ``over`` is tuned by the score ``by`` in ``runs`` of one arm.

    Diverged runs count with the score they ended with, and failed runs have none.

    Raises
    ------
    InputError
        If either is not a column of ``runs``, or no run has a number for the score.
    """
    for column in (over, by):
        if column not in runs and column.startswith("validation"):
            raise InputError(f"the runs have no {column}: hold out examples, data.validation=5000")
        if column not in runs:
            raise unknown("column to tune by", column, map(str, runs.columns))
    values = pd.to_numeric(runs[over], errors="coerce")
    if values.isna().any():  # names
        values = runs[over]
    # Rounded, so that equal scores have equal means in whatever order they are added.
    means = pd.to_numeric(runs[by], errors="coerce").groupby(values).mean().round(12)
    if means.isna().all():
        raise InputError(f"no run has a number for {by!r} to choose {over} by: give a score")
    return Tuning(over, by, means)


def unfinished(tunings: Mapping[str, Tuning], own: Sequence[float], command: str) -> str:
    """Return for which arms tuning is not finished, and what to do; empty if there are none.

    ``tunings`` are by arm, ``own`` is as for `Tuning.further`, and ``command`` tries more values.
    """
    flaws = {arm: words for arm, one in tunings.items() if (words := one.flaw(own))}
    if not flaws:
        return ""
    remedy = f"give the study values of {tunings[next(iter(flaws))].over} beyond these"
    if any(one.further(own) for one in tunings.values()):
        remedy = f"run {command}, which tries more"
    arms = ", and ".join(f"{arm} is {words}" for arm, words in flaws.items())
    return f"tuning is not finished: {arms}: {remedy}"
