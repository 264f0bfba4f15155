"""The figure of the loss along the lines from initial to final weights, and its table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from nnexp.analysis.arms import Comparison
from nnexp.analysis.effects import swept
from nnexp.analysis.line_table import COLUMNS
from nnexp.errors import InputError
from nnexp.plotting import layout, training_figures
from nnexp.plotting.facets import facets
from nnexp.plotting.picture import Picture
from nnexp.plotting.training_figures import LOSS_LINE
from nnexp.store.tables import read_exactly


def read(folder: Path) -> pd.DataFrame:
    """Return the table of the figure that was written to ``folder``, empty if there is none.

    Raises
    ------
    InputError
        If the file is not such a table.
    """
    file = folder / f"{LOSS_LINE}.csv"
    table: pd.DataFrame = pd.DataFrame(columns=COLUMNS)
    if not file.is_file():
        return table
    texts = dict.fromkeys(("arm", "run_id"), str)
    try:
        table = read_exactly(file, dtype=texts, keep_default_na=False)
        if not {*table} >= {*COLUMNS}:
            raise ValueError("columns are missing")
        table = table.astype(dict.fromkeys(COLUMNS[2:], float))
    except ValueError as error:
        raise InputError(f"{file} is damaged ({error}): make the page again") from None
    return table


def picture(comparison: Comparison, table: pd.DataFrame) -> Picture:
    """Draw a `line_table`, whose arms are those of ``comparison``."""
    with layout.style():
        return training_figures.line(facets(comparison, swept(comparison)), table)
