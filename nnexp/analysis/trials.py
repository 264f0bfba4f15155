"""The trials of an arm, from which the values of its tuned settings are chosen.

The best values have the highest mean validation accuracy over seeds. Values at which a trial
diverged or failed are chosen only if no other value is left. Of equal values, those inside the
range that was tried are preferred to its edges, then the smallest, or of names the first.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nnexp.analysis.labels import text
from nnexp.analysis.outcomes import Outcome
from nnexp.analysis.tuning import Tuning
from nnexp.store.record import DIVERGED, FAILED

# The score by which values are chosen.
SCORE = "validation_accuracy"
# The lowest values that settings can have; others end at 0.
_LOWEST = {"batch_size": 1, "epochs": 1, "steps": 1, "hidden": 1}


@dataclass(frozen=True)
class Trials:
    """The ``runs`` of one arm at all combinations of the values of the settings ``over``.

    ``runs`` has a row per trial, with the columns of `nnexp.store.tables.trials`.
    """

    over: tuple[str, ...]
    runs: pd.DataFrame

    @functools.cached_property
    def table(self) -> pd.DataFrame:
        """One row per combination, in ascending order: the settings, and what they led to.

        ``score`` is the mean of `SCORE` over seeds, in which diverged trials count with the last
        one and failed trials are left out; ``runs diverged failed`` are counts; and ``sound`` is
        whether no trial diverged or failed.
        """
        runs, over = self.runs, list(self.over)
        scored = pd.to_numeric(runs.reindex(columns=[SCORE])[SCORE], errors="coerce")
        counted = runs[over].assign(
            score=scored.where(runs["status"] != FAILED),
            runs=1,
            diverged=(runs["status"] == DIVERGED).astype(int),
            failed=(runs["status"] == FAILED).astype(int),
        )
        how = {"score": "mean", "runs": "sum", "diverged": "sum", "failed": "sum"}
        table = counted.groupby(over, sort=False, dropna=False).agg(how).reset_index()
        # Equal scores have equal means in whatever order they are added.
        table["score"] = table["score"].round(12)
        table["sound"] = (table["diverged"] == 0) & (table["failed"] == 0)
        values = {s: (numbers(table[s]), pd.factorize(table[s])[0]) for s in over}
        order = pd.DataFrame({s: b if a is None else a for s, (a, b) in values.items()})
        ordered: pd.DataFrame = table.loc[order.sort_values(over).index].reset_index(drop=True)
        return ordered

    @functools.cached_property
    def best(self) -> dict[str, Any]:
        """The best value of each setting; the first ones if every trial failed."""
        ranked = self._ranked.dropna()
        top = ranked.index[ranked == ranked.max()]
        edges = self._edges
        row = min(top, key=lambda i: edges[i], default=0)
        return {setting: self.table.at[row, setting] for setting in self.over}

    @property
    def chosen(self) -> pd.DataFrame:
        """The row of ``table`` with the best values."""
        return self._matching(self.over)

    @property
    def sound(self) -> bool:
        """Whether no trial at the best values diverged or failed."""
        return bool(self.chosen["sound"].all())

    @property
    def scored(self) -> bool:
        """Whether any trial has a score."""
        return bool(self.table["score"].notna().any())

    def profile(self, setting: str) -> pd.DataFrame:
        """Return the rows of ``table`` with the best values of all settings but one."""
        return self._matching([other for other in self.over if other != setting])

    def edge(self, setting: str) -> str:
        """Return which end of the values tried is the best one: ``smallest``, ``largest`` or empty.

        It is empty for names, if all values score the same, and if no lower value is possible.
        """
        rows = self.profile(setting)
        values = numbers(rows[setting])
        if values is None or not self.scored:
            return ""
        means = self._ranked[rows.index].set_axis(values)
        edge = Tuning(setting, Outcome("metric", SCORE), means).edge
        lowest = values.min() <= _LOWEST.get(setting, 0)
        same = means.dropna().nunique() == 1
        return "" if same or (edge == "smallest" and lowest) else edge

    @functools.cached_property
    def _ranked(self) -> pd.Series[float]:
        """The scores by which combinations are ranked: lost trials come last."""
        score, sound = self.table["score"], self.table["sound"]
        return score.where(sound | score.isna(), -math.inf) if sound.any() else score

    def _matching(self, settings: Iterable[str]) -> pd.DataFrame:
        table = self.table
        for setting in settings:
            table = table[table[setting].map(text) == text(self.best[setting])]
        return table

    @property
    def _edges(self) -> pd.Series[int]:
        """The number of values of each row that are the smallest or largest with a score."""
        count: pd.Series[int] = pd.Series(0, index=self.table.index)
        for setting in self.over:
            if (values := numbers(self.table[setting])) is not None:
                known = values[self._ranked.notna()]
                count += values.isin([known.min(), known.max()])
        return count


def numbers(column: pd.Series[Any]) -> pd.Series[float] | None:
    """Return the values of a setting as numbers, ``None`` if some are names."""
    values: pd.Series[float] = pd.to_numeric(column, errors="coerce")
    return None if values.isna().any() else values


def arm_of(settings: Mapping[str, Any], over: Sequence[str]) -> frozenset[tuple[str, str]]:
    """Return what all runs of an arm share: ``settings`` other than the seed and those tuned.

    ``settings`` are those of a run, by column.
    """
    return frozenset(
        (column, value)
        for column, cell in settings.items()
        if column != "seed" and not is_tuned(column, over) and (value := text(cell))
    )


def value_text(value: object) -> str:
    """Return a value of a tuned setting as text for readers: ``none`` if there is none."""
    return text(value) or "none"


def values_of(settings: Mapping[str, Any], over: Sequence[str]) -> tuple[str, ...]:
    """Return the values of the tuned settings ``over`` as text."""
    return tuple(text(settings[setting]) for setting in over)


def is_tuned(column: str, over: Iterable[str]) -> bool:
    """Return whether a column is one of the tuned settings ``over``, or a parameter of one."""
    return any(column == setting or column.startswith(f"{setting}.") for setting in over)
