"""Grids of two settings for the heat maps of a study."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nnexp.analysis.outcomes import Outcome, fitting
from nnexp.analysis.tuning import Tuned, tune
from nnexp.errors import InputError, unknown
from nnexp.store.record import DIVERGED, FAILED

# What a grid shows.
SHOWN = Outcome("metric", "test_accuracy")


@dataclass(frozen=True)
class Grid:
    """A heat map of the final test accuracy by the settings ``down`` and ``across``.

    It shows the runs with the settings ``where``. If ``tuned`` is given, by a column of the runs,
    each cell uses the best value of its settings. This must leave one run per seed in a cell.
    ``line`` is the line of the grid in the study's file.
    """

    down: str
    across: str
    where: Mapping[str, Any]
    tuned: Tuned | None
    line: int = 0

    @property
    def name(self) -> str:
        """The stem of its file names, such as ``grid-init-lr-sigmoid``."""
        words = ("grid", self.down, self.across, *map(str, self.where.values()))
        return re.sub(r"[^\w.+-]+", "_", "-".join(words))


def grid_cells(runs: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Return the cells of a grid, ``down across mean std n diverged at``.

    ``mean`` and ``std`` are of the final test accuracy. ``at`` gives the best value of a tuned
    setting in words; a column named after the setting gives the value itself. Cells without runs,
    or with only failed runs, have no row.

    Raises
    ------
    InputError
        If a setting is not a column of ``runs``, no run matches, or a cell has several runs of a
        seed.
    """
    runs = fitting(runs, grid.where)
    for setting in (grid.down, grid.across):
        if setting not in runs:
            raise unknown("setting of a grid", setting, map(str, runs.columns))
    runs = runs[runs["status"] != FAILED]
    sides = {side: levels(runs[getattr(grid, side)]) for side in ("down", "across")}
    cells = []
    for (down, across), cell in runs.groupby([sides["down"], sides["across"]], observed=True):
        tuning: dict[str, Any] = {}
        if grid.tuned:
            tuning = tune(cell, grid.tuned).best
            cell = fitting(cell, tuning)
        if cell["seed"].duplicated().any():
            raise InputError(
                f"a grid of {grid.down} and {grid.across}: several runs of a "
                f"seed at {down}, {across}: give the values of other settings in 'where'"
            )
        accuracy = cell[SHOWN.of].astype(float)
        at = ", ".join(f"{key} {_text(value)}" for key, value in tuning.items())
        numbers = {"mean": accuracy.mean(), "std": accuracy.std(), "n": len(cell)}
        numbers |= {"diverged": int((cell["status"] == DIVERGED).sum())}
        cells.append({"down": down, "across": across, **numbers, **tuning, "at": at})
    if not cells:
        raise InputError(f"grid of {grid.down} and {grid.across}: all runs failed")
    table: pd.DataFrame = pd.DataFrame(cells)
    return table


def levels(column: pd.Series[Any]) -> pd.Categorical:
    """Return a setting's values as text: numbers sorted, names in given order, ``none`` last."""
    known = column.dropna()
    distinct = list(dict.fromkeys(known))
    if pd.api.types.is_numeric_dtype(known):
        distinct = sorted(distinct)
    names = [_text(value) for value in distinct] + ["none"] * (len(known) < len(column))
    words = ["none" if pd.isna(value) else _text(value) for value in column]
    return pd.Categorical(words, categories=list(dict.fromkeys(names)), ordered=True)


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
