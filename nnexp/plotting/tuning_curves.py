"""Tuning: a panel for each arm, with its mean score at each value that was tried."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from nnexp.plotting.layout import BASE, EDGE, WIDTH, Look
from nnexp.plotting.styles import INK

Array = npt.NDArray[np.float64]

_COLOUR = "#0072B2"
_COLUMNS = 2
# The longest line of a panel's name, in characters; it has at most two.
_NAME = 25
# Which numbers of each decade fit on the axis, by the number of decades.
_SUBS = {1.6: (1, 2, 5), 2.6: (1, 3)}


@dataclass(frozen=True)
class TuningCurve:
    """The mean ``scores (n,)`` of an arm at ``values (n,)``, and the ``best`` of these.

    ``own (n,)`` says which values are the study's own; tuning added the others.
    """

    name: str
    values: Array
    scores: Array
    own: npt.NDArray[np.bool_]
    best: float


def tuning_figure(title: str, curves: Sequence[TuningCurve], over: str, score: str) -> Figure:
    """Return a figure with a panel for each of ``curves``, ``over`` a logarithmic axis they share.

    The scores have an axis of their own in each panel, as they differ much between arms.
    """
    columns = min(_COLUMNS, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(WIDTH, 1.35 + 1.25 * rows), layout="constrained")
    figure.suptitle(textwrap.fill(title, 47), x=0.02, ha="left", fontweight="bold")
    grid = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    for ax, curve in zip(grid, curves, strict=False):
        _draw(ax, curve)
    for ax in grid[len(curves) :]:
        ax.remove()
    for ax in grid[len(curves) - columns : len(curves)]:
        ax.tick_params(labelbottom=True)
        ax.set_xlabel(over)
    _log_axis(grid[0], np.concatenate([curve.values for curve in curves]))
    figure.supylabel(score, fontsize=BASE)
    line: Look = {"color": _COLOUR, "marker": "o"}
    entries = [
        Line2D([], [], **line, **EDGE, label="the study's values"),
        Line2D([], [], **line, markerfacecolor="white", label="added"),
        Line2D([], [], color=INK, marker="D", linestyle="none", label="best"),
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=len(entries))
    return figure


def _draw(ax: Axes, curve: TuningCurve) -> None:
    ax.plot(curve.values, curve.scores, color=_COLOUR)
    for own, look in ((True, EDGE), (False, {"markerfacecolor": "white"})):
        here = curve.own == own
        dots: Look = {"linestyle": "none", "marker": "o", "color": _COLOUR, **look}
        ax.plot(curve.values[here], curve.scores[here], **dots, zorder=3)
    chosen = curve.values == curve.best
    ax.plot(curve.values[chosen], curve.scores[chosen], "D", color=INK, markersize=7, zorder=4)
    ax.set_title("\n".join(textwrap.wrap(curve.name, _NAME, max_lines=2, placeholder="…")))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=3))
    ax.margins(y=0.15)


def _log_axis(ax: Axes, values: Array) -> None:
    """Make the x axis logarithmic, with a few plain numbers on it."""
    ax.set_xscale("log")
    decades = np.log10(values.max() / values.min())
    subs = next((subs for most, subs in _SUBS.items() if decades < most), (1,))
    ax.xaxis.set_major_locator(LogLocator(subs=subs, numticks=6))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
