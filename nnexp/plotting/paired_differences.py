"""Paired differences: a row for each comparison, with every seed, the median and its interval."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator

from nnexp.messages.language import tr
from nnexp.plotting.layout import EDGE, MOST_MARKS, SMALL, Look, fill, wrap
from nnexp.plotting.marks import mark
from nnexp.plotting.scales import stretch_axis
from nnexp.plotting.styles import FAINT, INK, NEUTRAL, UNNAMED, Style

Array = npt.NDArray[Any]

# Inches: verdicts stand at the right of the rows.
_WIDTH = 5.4
# The longest line of a row's label, in characters.
LABEL = 24
# Beyond this ratio of differences the axis is logarithmic away from 0.
_FAR = 12


@dataclass(frozen=True)
class Differences:
    """A row of the figure, in the unit of its axis.

    ``values (n,)`` are the differences of the seeds, ``median`` theirs with its interval ``low`` to
    ``high``; differences below ``matters`` do not matter. What is not finite is left out. ``note``
    stands at the right, in bold if ``strong``. ``arms`` are those of the row and ``seeds (n,)`` the
    words for its values, if a page is to read them.
    """

    label: str
    values: Array
    median: float
    low: float
    high: float
    matters: float
    note: str
    strong: bool = False
    style: Style = UNNAMED
    arms: tuple[str, ...] = ()
    seeds: tuple[str, ...] = ()


def differences_figure(title: str, panels: Mapping[str, Sequence[Differences]]) -> Figure:
    """Return a figure with a panel of rows for each unit."""
    heights = [
        0.75 + sum(0.24 + 0.16 * len(wrap(row.label, LABEL)) for row in rows)
        for rows in panels.values()
    ]
    margins = ConstrainedLayoutEngine(w_pad=0.1)
    figure = Figure(figsize=(_WIDTH, 0.75 + sum(heights)), layout=margins)
    figure.suptitle(title, x=0.02, ha="left", fontweight="bold")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights).ravel()
    for ax, (unit, rows) in zip(axes, panels.items(), strict=True):
        draw_differences(ax, rows, unit)
    return figure


def difference_curve(title: str, table: pd.DataFrame, x: str, unit: str, matters: float) -> Figure:
    """Return a figure of median differences over the numeric setting ``x``, with their intervals.

    ``table`` has a row for each value: ``x``, ``difference``, ``low`` and ``high``, in ``unit``.
    Differences below ``matters`` do not matter.
    """
    figure = Figure(figsize=(_WIDTH, 3.2), layout="constrained")
    ax = figure.subplots()
    rows = table.sort_values(x)
    ax.axhspan(-matters, matters, color=FAINT, linewidth=0, zorder=0)
    ax.axhline(0, color=NEUTRAL, linewidth=1, zorder=1)
    own = rows[np.isfinite(rows[["low", "high"]]).all(axis=1)]
    look: Look = {"color": UNNAMED.colour}
    ax.fill_between(
        own[x], own["low"], own["high"], **look, alpha=0.2, linewidth=0, gid=mark("band")
    )
    ax.plot(rows[x], rows["difference"], **look, marker="o", **EDGE, gid=mark(tr("median")))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5))
    ax.set_xlabel(x)
    ax.set_ylabel(fill(unit, 30))
    figure.suptitle(fill(title, 52), x=0.02, ha="left", fontsize=10.5, fontweight="bold")
    return figure


def draw_differences(ax: Axes, rows: Sequence[Differences], unit: str) -> Axes:
    """Draw ``rows``: a mark for each seed, a diamond at the median, a bar for its interval.

    The grey areas are the differences that do not matter; ``unit`` is the label of the axis.
    """
    for place, row in enumerate(rows):
        _draw_row(ax, place, row)
    ax.axvline(0, color=NEUTRAL, linewidth=1, zorder=1)
    sizes = [max(abs(row.median), row.matters) for row in rows if np.isfinite(row.median)]
    if sizes and max(sizes) > _FAR * min(sizes):
        smallest = max(min(row.matters for row in rows), min(sizes) / 10)
        stretch_axis(ax, 10.0 ** np.ceil(np.log10(smallest)))
    else:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    ax.set_yticks(range(len(rows)), [fill(row.label, LABEL) for row in rows])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(fill(unit, 48))
    return ax


def _draw_row(ax: Axes, place: int, row: Differences) -> None:
    area: Look = {"color": FAINT, "linewidth": 0, "zorder": 0}
    ax.fill_betweenx([place - 0.5, place + 0.5], -row.matters, row.matters, **area)
    beside: Look = {"va": "center", "fontsize": SMALL, "transform": ax.get_yaxis_transform()}
    beside["gid"] = part = mark("part", row.arms)
    ax.text(1.02, place, row.note, fontweight="bold" if row.strong else "normal", **beside)
    finite = np.isfinite(row.values)
    values = row.values[finite]
    seeds = itertools.compress(row.seeds, finite)
    y = place + 0.12 + np.linspace(0, 0.22, len(values))
    dots: Look = {"linestyle": "none", "color": row.style.colour, "marker": row.style.marker}
    dots |= {"rasterized": len(values) > MOST_MARKS, "gid": mark("pairs", row.arms, seeds)}
    ax.plot(values, y, **dots, **EDGE, alpha=0.85)
    if np.isfinite([row.low, row.high]).all():
        ax.plot([row.low, row.high], [place - 0.12] * 2, color=INK, gid=part)
    if np.isfinite(row.median):
        ax.plot(row.median, place - 0.12, linestyle="none", marker="D", color=INK, gid=part)
