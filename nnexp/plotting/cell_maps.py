"""Maps of cells: a colour and words for each pair of a row and a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from nnexp.plotting.layout import SMALL, fill, words_on
from nnexp.plotting.marks import mark
from nnexp.plotting.styles import FAINT

# Cells with readings, which a page has in words.
_MOST_READ = 500


@dataclass(frozen=True)
class Cell:
    """A cell of a map: its row and column from 0, its RGBA colour, and the words in it.

    ``reading`` is what a page shows of it under the pointer, in lines.
    """

    row: int
    column: int
    colour: Any
    words: str = ""
    reading: str = ""


def draw_cells(
    ax: Axes,
    cells: Sequence[Cell],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    size: float = SMALL,
) -> Axes:
    """Draw ``cells``, with ``rows`` and ``columns`` as labels; a place without a cell is hatched.

    ``size`` is that of the words, in points.
    """
    sheet = np.zeros((len(rows), len(columns), 4))
    for cell in cells:
        sheet[cell.row, cell.column] = cell.colour
        if cell.words:
            place: dict[str, Any] = {"ha": "center", "va": "center", "linespacing": 1.25}
            colour = words_on(cell.colour[:3])
            ax.text(cell.column, cell.row, cell.words, fontsize=size, color=colour, **place)
    if len(cells) < len(rows) * len(columns):
        ax.add_patch(
            Rectangle((-0.5, -0.5), len(columns), len(rows), hatch="///", facecolor="white",
                      edgecolor=FAINT, linewidth=0, zorder=-1)
        )  # fmt: skip
    read = [cell for cell in cells if cell.reading][:_MOST_READ]
    if read:
        gid = mark("cells", runs=[cell.reading for cell in read])
        across, down = [cell.column for cell in read], [cell.row for cell in read]
        ax.add_line(Line2D(across, down, linestyle="none", marker="s", alpha=0, gid=gid))
    ax.imshow(sheet, aspect="auto", interpolation="none")
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    ax.set_xticks(np.arange(1, len(columns)) - 0.5, minor=True)
    ax.set_yticks(np.arange(1, len(rows)) - 0.5, minor=True)
    ax.tick_params(which="both", length=0)
    ax.grid(visible=False)
    ax.grid(which="minor", color="white", linewidth=min(1.5, 18 / len(columns)))
    return ax


def signed_map(title: str, table: pd.DataFrame, down: Sequence[str], across: str) -> Figure:
    """Return a map of numbers about 0, purple below and orange above.

    ``table`` has a row for each cell: ``value``, its ``words``, the settings ``down`` that name its
    row (maybe none), and the setting ``across``, by size.
    """
    names = [" ".join(map(str, row)) for row in table[list(down)].to_numpy()]
    if not down:
        names = [""] * len(table)
    rows = list(dict.fromkeys(names))
    columns = sorted(set(table[across]), key=_by_size)
    bound = float(np.nanmax(np.abs(table["value"].where(np.isfinite(table["value"]))), initial=0))
    colours = ScalarMappable(Normalize(-(bound or 1), bound or 1), "PuOr_r")
    cells = [
        Cell(rows.index(name), columns.index(at), colours.to_rgba(np.asarray(value)), words)
        for name, at, value, words in zip(
            names, table[across], table["value"], table["words"], strict=True
        )
    ]
    size = (max(4.2, 1.6 + 0.72 * len(columns)), 1.7 + 0.46 * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    ax = figure.subplots()
    draw_cells(ax, cells, rows, [_text(column) for column in columns], size=9)
    if not down:
        ax.set_yticks([])
    ax.set_xlabel(across)
    ax.set_ylabel(" ".join(down))
    figure.suptitle(
        fill(title, int(10.5 * size[0])), x=0.02, ha="left", fontsize=10.5,
        fontweight="bold",
    )  # fmt: skip
    return figure


def _by_size(value: Any) -> tuple[int, Any]:
    """Return what sorts numbers by size, then names."""
    try:
        return (0, float(value))
    except (TypeError, ValueError):
        return (1, str(value))


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)
