"""Tuning: a panel for each arm, with its mean score at each value that was tried."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from nnexp.messages.language import tr
from nnexp.plotting.layout import BASE, EDGE, WIDTH, Look, fill
from nnexp.plotting.marks import mark
from nnexp.plotting.styles import INK

Array = npt.NDArray[np.float64]

_COLOUR, _EDGE = "#0072B2", "#D55E00"
_COLUMNS = 2
# The longest line of a panel's name, in characters; it has at most two.
_NAME = 25
_RUN: Look = {"linestyle": "none", "markersize": 3, "alpha": 0.5}
_BEST: Look = {"linestyle": "none", "marker": "D", "markersize": 7}
_LOST: Look = {"linestyle": "none", "marker": "x", "markersize": 9, "markeredgewidth": 2}
# Which numbers of each decade fit on the axis, by the number of decades.
_SUBS = {1.6: (1, 2, 5), 2.6: (1, 3)}


@dataclass(frozen=True)
class TuningCurve:
    """The mean ``scores (n,)`` of an arm at ``values (n,)``, and the ``best`` of these.

    ``own (n,)`` says which values are a study's own; tuning added the others. ``runs (m, 2)`` has
    the value and the score of single runs to show, and ``lost (n,)`` says at which values a run
    diverged or failed. ``edge`` is whether better values may lie beyond those that were tried.
    ``arm`` is that of a sweep's page, on which it can be hidden.
    """

    name: str
    values: Array
    scores: Array
    own: npt.NDArray[np.bool_]
    best: float
    runs: Array = field(default_factory=lambda: np.empty((0, 2)))
    lost: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool))
    edge: bool = False
    arm: str = ""


def tuning_figure(
    title: str,
    curves: Sequence[TuningCurve],
    over: str,
    score: str,
    *,
    log: bool = True,
    ticks: Mapping[float, str] | None = None,
) -> Figure:
    """Return a figure with a panel for each of ``curves``, ``over`` an axis they share.

    It is logarithmic unless ``log`` is false, with labels at the ``ticks`` if they are given. The
    scores have an axis of their own in each panel, as they differ much between arms.
    """
    columns = min(_COLUMNS, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(WIDTH, 1.35 + 1.25 * rows), layout="constrained")
    figure.suptitle(fill(title, 44), x=0.02, ha="left", fontweight="bold")
    grid = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    for ax, curve in zip(grid, curves, strict=False):
        _draw(ax, curve)
    for ax in grid[len(curves) :]:
        ax.remove()
    for ax in grid[len(curves) - columns : len(curves)]:
        ax.tick_params(labelbottom=True)
        ax.set_xlabel(over)
    if log:
        _log_axis(grid[0], np.concatenate([curve.values for curve in curves]))
    if ticks:
        grid[0].set_xticks(list(ticks), list(ticks.values()))
    figure.supylabel(fill(score, 17) if rows == 1 else score, fontsize=BASE)
    entries = list(_entries(curves))
    figure.legend(handles=entries, loc="outside lower center", ncols=min(3, len(entries)))
    return figure


def _entries(curves: Sequence[TuningCurve]) -> Iterator[Line2D]:
    """Yield the entries of the legend: what is in any of ``curves``."""
    if any(len(curve.runs) for curve in curves):
        yield Line2D([], [], color=_COLOUR, marker="o", **_RUN, label=tr("one run"))
    line: Look = {"color": _COLOUR, "marker": "o"}
    added = not all(curve.own.all() for curve in curves)
    mean = tr("the study's values") if added else tr("mean")
    yield Line2D([], [], **line, **EDGE, label=mean)
    if added:
        yield Line2D([], [], **line, markerfacecolor="white", label=tr("added"))
    marked = {curve.edge for curve in curves}
    if False in marked:
        yield Line2D([], [], color=INK, **_BEST, label=tr("best"))
    if True in marked:
        yield Line2D([], [], color=_EDGE, **_BEST, label=tr("best, at the edge"))
    if any(curve.lost.any() for curve in curves):
        yield Line2D([], [], color=_COLOUR, **_LOST, label=tr("some diverged or failed"))


def _draw(ax: Axes, curve: TuningCurve) -> None:
    part = mark("part", [curve.arm])
    ax.plot(curve.values, curve.scores, color=_COLOUR, gid=mark("mean", [curve.arm]))
    ax.plot(*curve.runs.T, "o", color=_COLOUR, **_RUN, zorder=2, gid=part)
    for here, look in ((curve.own, EDGE), (~curve.own, {"markerfacecolor": "white"})):
        dots: Look = {"linestyle": "none", "marker": "o", "color": _COLOUR, **look, "gid": part}
        ax.plot(curve.values[here], curve.scores[here], **dots, zorder=3)
    lost = np.flatnonzero(curve.lost)
    ax.plot(curve.values[lost], curve.scores[lost], color=_COLOUR, **_LOST, zorder=3.5, gid=part)
    chosen = curve.values == curve.best
    look = {"color": _EDGE if curve.edge else INK, **_BEST}
    ax.plot(curve.values[chosen], curve.scores[chosen], **look, zorder=4, gid=part)
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
