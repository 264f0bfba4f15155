"""Tuning: the values of settings at which the runs of an arm score best, and what to try next.

The best value is the one with the best mean score over seeds. It depends on the values that were
tried, so tuning is finished only if the best one lies between two others, each at most `FACTOR`
away. Until then, values beyond the edge are tried, and values between the best and its neighbours.
Of several settings, the best combination counts, and each setting is tuned with the others at their
best.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from nnexp.analysis.labels import listed
from nnexp.analysis.outcomes import Outcome
from nnexp.errors import InputError, unknown

# Neighbours of the best value are at most this factor away, and values beyond an edge are tried in
# steps of this factor.
FACTOR = 2
# How far tuning goes beyond the smallest and the largest value of the study, as a factor.
BEYOND = 32
# Values are rounded to two digits, which changes them by at most 5 %.
_ROUNDING = 1.05


@dataclass(frozen=True)
class Tuned:
    """The settings that are chosen for each arm, ``over``, and the score ``by`` which."""

    over: tuple[str, ...]
    by: Outcome

    def __str__(self) -> str:
        return listed([key.replace("_", " ") for key in self.over])

    @property
    def digested(self) -> dict[str, Any]:
        """What decides a verdict; one setting tuned by a column is named as before there were more.

        So earlier verdicts keep their digest.
        """
        if len(self.over) == 1 and self.by.kind == "metric":
            return {"over": self.over[0], "by": self.by.of}
        return {"over": self.over, "by": asdict(self.by)}


@dataclass(frozen=True)
class Tuning:
    """The ``means`` over seeds of the score ``by``, for each value tried of the setting ``over``.

    ``means`` is sorted by value. A value has no number if no run at it has a score. ``chosen`` is
    the best value if it is known, as of several settings that are tuned together.
    """

    over: str
    by: Outcome
    means: pd.Series[float]
    chosen: Any = None

    @property
    def best(self) -> Any:
        """The value with the best mean score; of equal ones, one between others if there is one."""
        if self.chosen is not None:
            return self.chosen
        scored = self._scored
        top = scored.index[scored == (scored.min() if self.by.is_lower_better else scored.max())]
        inside = [value for value in scored.index[1:-1] if value in top]
        numbers = pd.api.types.is_numeric_dtype(scored.index)
        return inside[0] if numbers and inside else top[0]

    @property
    def rounding(self) -> float:
        """Half the distance from the best value to its farther neighbour, in log10.

        The best of all values is at most so far from the best of those tried, if the score falls
        off alike on both sides. It is inf at an edge.
        """
        values = self._scored.index.to_numpy(float)
        place = int(np.flatnonzero(values == self.best)[0])
        if self.edge:
            return math.inf
        return float(np.diff(np.log10(values[place - 1 : place + 2])).max()) / 2

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


@dataclass(frozen=True)
class Choice:
    """The best values of the settings that are tuned: for each, its `Tuning`, others at their best.

    The keys of ``tunings`` are the settings.
    """

    tunings: Mapping[str, Tuning]

    @property
    def best(self) -> dict[str, Any]:
        """The best value of each setting."""
        return {setting: tuning.best for setting, tuning in self.tunings.items()}

    def __str__(self) -> str:
        return ", ".join(f"{t.over} {t.best:g} ({t.tried})" for t in self.tunings.values())

    def further(self, own: Mapping[str, Sequence[float]]) -> Iterator[tuple[str, float]]:
        """Yield settings and values to try next; ``own`` has those of the study, by setting.

        The other settings are at their best.
        """
        for setting, tuning in self.tunings.items():
            for value in tuning.further(own[setting]):
                yield setting, value

    def flaw(self, own: Mapping[str, Sequence[float]]) -> str:
        """Return why tuning is not finished, in words; empty if it is. ``own`` as for `further`."""
        return next((w for key, t in self.tunings.items() if (w := t.flaw(own[key]))), "")


def tune(runs: pd.DataFrame, tuned: Tuned, scores: pd.Series[float] | None = None) -> Choice:
    """Return how settings are tuned in the ``runs`` of one arm.

    ``scores`` are by run ID, by default the column of ``runs`` that ``tuned.by`` names. Diverged
    runs count with the score they ended with, and failed runs have none. A run that never reached a
    goal counts as infinitely slow, and so does the value it was at.

    Raises
    ------
    InputError
        If a setting or the score is not a column of ``runs``, or no run has a number for the score.
    """
    by = tuned.by.of
    for column in (*tuned.over, by) if scores is None else tuned.over:
        if column not in runs and column.startswith("validation"):
            raise InputError(f"the runs have no {column}: hold out examples, data.validation=5000")
        if column not in runs:
            raise unknown("column to tune by", column, map(str, runs.columns))
    scored = runs[by] if scores is None else runs["run_id"].map(scores)
    values = [_values(runs[setting]) for setting in tuned.over]
    # Rounded, so that equal scores have equal means in whatever order they are added.
    means = pd.to_numeric(scored, errors="coerce").groupby(values).mean().round(12)
    if means.isna().all():
        raise InputError(
            f"no run has a number for {by!r} to choose {listed(tuned.over)} by: give a score"
        )
    if len(tuned.over) == 1:
        return Choice({tuned.over[0]: Tuning(tuned.over[0], tuned.by, means)})
    best = _best_combination(means.dropna(), tuned.by.is_lower_better)
    return Choice(
        {
            setting: Tuning(setting, tuned.by, _profile(means, best, place), best[place])
            for place, setting in enumerate(tuned.over)
        }
    )


def _values(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return the values of a setting, as numbers unless some are names."""
    values = pd.to_numeric(column, errors="coerce")
    return column if values.isna().any() else values


def _best_combination(means: pd.Series[float], lowest: bool) -> tuple[Any, ...]:
    """Return the best values; of equal ones, those of which the fewest are at an edge."""
    top = means.index[means == (means.min() if lowest else means.max())]
    ends = [(level.min(), level.max()) for level in map(means.index.unique, range(top.nlevels))]
    best: tuple[Any, ...] = min(
        top, key=lambda row: sum(value in pair for value, pair in zip(row, ends, strict=True))
    )
    return best


def _profile(means: pd.Series[float], best: Sequence[Any], place: int) -> pd.Series[float]:
    """Return the means by the setting at ``place``, all other settings at their ``best``."""
    levels = [np.asarray(means.index.get_level_values(i)) for i in range(len(best))]
    here = [
        level == value
        for i, (level, value) in enumerate(zip(levels, best, strict=True))
        if i != place
    ]
    chosen = np.all(here, axis=0)
    profile: pd.Series[float] = pd.Series(means.to_numpy(float)[chosen], levels[place][chosen])
    return profile


def unfinished(
    deciding: Iterable[tuple[str, Mapping[str, Any], Choice]],
    own: Mapping[str, Sequence[float]],
    command: str,
) -> str:
    """Return for which arms tuning is not finished, and what to do; empty if there are none.

    ``deciding`` are choices, each with its arm and the arm's other settings; of an arm, the first
    that is not finished is named. ``own`` is as for `Choice.further`, and ``command`` tries more
    values.
    """
    flaws: dict[str, str] = {}
    more, over = False, ""
    for arm, _, choice in deciding:
        if words := choice.flaw(own):
            flaws.setdefault(arm, words)
            over = over or listed(list(choice.tunings))
        more = more or any(True for _ in choice.further(own))
    if not flaws:
        return ""
    remedy = f"run {command}, which tries more"
    if not more:
        remedy = f"give the study values of {over} beyond these"
    arms = ", and ".join(f"{arm} is {words}" for arm, words in flaws.items())
    return f"tuning is not finished: {arms}: {remedy}"
