"""What a figure is, with its words and its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from nnexp.store.csv_cells import frame_to_csv


@dataclass(frozen=True)
class Picture:
    """A figure, its words and its numbers.

    ``caption`` is for all, ``alt`` for who cannot see it; ``table`` holds what is drawn.
    """

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure
    table: pd.DataFrame

    @property
    def csv(self) -> str:
        """What is drawn, as CSV: measured numbers to ten digits."""
        return frame_to_csv(self.table, float_format="%.10g")


def together(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return tables one below the other, told apart by the column ``measure``."""
    named = (table.assign(measure=measure) for measure, table in tables.items())
    both: pd.DataFrame = pd.concat(named, ignore_index=True)
    return both
