"""The figures that are drawn from records or, without them, from the tables of an earlier page."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from nnexp.analysis.arms import Comparison
from nnexp.analysis.line_table import line_table
from nnexp.plotting import decision_regions, loss_line
from nnexp.plotting.picture import Picture
from nnexp.plotting.training_figures import LOSS_LINE
from nnexp.store.record import Record


def read(folders: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """Return the tables of these figures in the ``folders`` of pages, by the name of each figure.

    Raises
    ------
    InputError
        If a file is not such a table.
    """
    found = {}
    for name, read_one in (
        (LOSS_LINE, loss_line.read),
        (decision_regions.NAME, decision_regions.read),
    ):
        parts = [table for folder in folders if len(table := read_one(folder))]
        if parts:
            found[name] = pd.concat(parts).drop_duplicates()
    return found


def pictures(
    comparison: Comparison, records: Sequence[Record], kept: Mapping[str, pd.DataFrame] | None
) -> dict[str, Callable[[], Picture]]:
    """Return a function that draws each figure of ``records``, or of the tables ``kept``."""
    arms = dict(zip(comparison.runs["run_id"], map(str, comparison.runs["arm"]), strict=True))
    if kept is None:
        tables = {
            LOSS_LINE: line_table(records, arms),
            decision_regions.NAME: decision_regions.tabulate(comparison, records, arms),
        }
    else:
        tables = {name: placed(table, arms) for name, table in kept.items()}
    draw = {LOSS_LINE: loss_line.picture, decision_regions.NAME: decision_regions.picture}
    return {
        name: functools.partial(draw[name], comparison, table)
        for name, table in tables.items()
        if len(table)
    }


def placed(table: pd.DataFrame, arms: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of the runs in ``arms``, which may have other names than in the table."""
    own = table[table["run_id"].isin(arms)]
    renamed: pd.DataFrame = own.assign(arm=own["run_id"].map(arms))
    return renamed
