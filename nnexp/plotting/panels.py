"""Tables → axes: ``draw_*(ax, table, …)`` draws one panel; no statistics and no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    MaxNLocator,
    NullLocator,
)

from nnexp.analysis.clock import starts_densely
from nnexp.analysis.labels import range_words, signs
from nnexp.analysis.names import moment_words, unit_words
from nnexp.messages.language import tr
from nnexp.nn.layer_statistics import QUANTILES
from nnexp.plotting import scales
from nnexp.plotting.layout import EDGE, MOST_MARKS, SMALL, Look
from nnexp.plotting.legends import THIN, arm_labels
from nnexp.plotting.marks import mark
from nnexp.plotting.scales import MOST_TICKS
from nnexp.plotting.styles import CONTEXT, Style
from nnexp.store.record import DIVERGED, FAILED

Array = npt.NDArray[Any]


def draw_curves(
    ax: Axes, table: pd.DataFrame, styles: Mapping[str, Style], *, thin: str = ""
) -> Axes:
    """Draw a table of `curves` (of one layer at most) over training: mean and band of each arm.

    ``thin`` names a second measure, of which the means alone are drawn, beside the first. Where a
    seed is infinite the mean ends and the band reaches out of the top of the axes; an arm of which
    a run diverged ends with a cross.
    """
    for arm, rows in table.groupby("arm", observed=True):
        style, x = styles[str(arm)], rows["x"].to_numpy()
        mean = rows["mean"].where(np.isfinite(rows["mean"])).to_numpy()
        if thin:
            look: Look = {"color": style.colour, "linestyle": style.line, "linewidth": THIN}
            ax.plot(x, mean, **look, gid=mark(thin, [arm]))
            continue
        if rows["n"].max() > 1:
            band = _draw_band(ax, x, rows["low"].to_numpy(), rows["high"].to_numpy(), style)
            band.set_gid(mark("band", [arm]))
        look = {"color": style.colour, "linestyle": style.line, "marker": style.marker}
        # A line with gaps lies over one without, so that both are seen where they coincide.
        look["zorder"] = 2.0 if style.line == "-" else 2.1
        every = max(1, len(x) // 10)
        ax.plot(x, mean, **look, **EDGE, markevery=every, gid=mark("mean", [arm]))
        finite = np.flatnonzero(np.isfinite(mean))
        if rows["diverged"].any() and len(finite):
            end = finite[-1]
            cross = {**_cross(style.colour), "markersize": 10, "zorder": 5}
            ax.plot(x[end], mean[end], **cross, gid=mark("part", [arm]))
    units = table["unit"].unique()
    ax.set_xlabel(unit_words(units[0]) if len(units) else tr("epochs"))
    if starts_densely(table["x"]) and "seconds" not in units:
        scales.start_axis(ax, table.loc[table["x"] > 0, "x"].min())
    elif ax.get_xscale() == "linear":
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=bool((table["x"] % 1 == 0).all())))
    return ax


def draw_context(ax: Axes, table: pd.DataFrame) -> Axes:
    """Draw the means of a table of `curves` as thin grey lines, behind those of the panel."""
    lines = [
        np.append(rows[["x", "mean"]].to_numpy(float), [[np.nan, np.nan]], axis=0)
        for _, rows in table.groupby("arm", observed=True)
    ]
    if lines:  # as a single line with gaps, as there may be many
        x, mean = np.concatenate(lines).T
        mean = np.where(np.isfinite(mean), mean, np.nan)
        ax.plot(x, mean, color=CONTEXT, linewidth=0.8, zorder=1.5, gid=mark("part"))
    return ax


def draw_seeds(ax: Axes, table: pd.DataFrame, styles: Mapping[str, Style]) -> Axes:
    """Draw every run of a table of `seeds` as a hairline in the colour of its arm."""
    look: Look = {"linewidth": 0.5, "alpha": 0.45, "zorder": 1.9}
    for (arm, run_id), run in table.groupby(["arm", "run_id"], observed=True):
        gid = mark("seed", [arm], [run_id])
        ax.plot(run["x"], run["value"], color=styles[str(arm)].colour, **look, gid=gid)
    return ax


def draw_zeros(ax: Axes, table: pd.DataFrame, styles: Mapping[str, Style]) -> Axes:
    """Mark at the lower edge of a logarithmic axis where the mean of an arm is exactly 0."""
    for arm, rows in table[table["mean"] == 0].groupby("arm", observed=True):
        ax.plot(
            rows["x"],
            np.full(len(rows), 0.05),
            linestyle="none",
            marker="v",
            color=styles[str(arm)].colour,
            transform=ax.get_xaxis_transform(),
            gid=mark("zero", [arm]),
        )
    return ax


def draw_final(
    ax: Axes,
    runs: pd.DataFrame,
    summary: pd.DataFrame,
    styles: Mapping[str, Style],
    others: Sequence[float] = (),
) -> Axes:
    """Draw the final test accuracy of every run as a dot, one row per arm, and its mean as a bar.

    A diverged run is a cross; a failed one has no accuracy, and is counted in the label. The means
    of ``others`` are a grey line in the middle of the rows, with their middle half as a bar.
    """
    beside: Look = {"va": "center", "fontsize": SMALL}
    means = dict(zip(summary["arm"], summary["test_accuracy_mean"], strict=True))
    labels = arm_labels(summary, 24)
    places = list(range(len(labels)))
    if len(others):
        gap = (len(labels) + 1) // 2
        places[gap:] = [place + 1 for place in places[gap:]]
        labels.insert(gap, tr("{number} others", number=len(others)))
        low, first, third, high = np.quantile(others, (0, 0.25, 0.75, 1))
        ax.plot([low, high], [gap, gap], color=CONTEXT, linewidth=1.4)
        ax.plot([first, third], [gap, gap], color=CONTEXT, linewidth=7, solid_capstyle="butt")
    for row, (arm, mean) in zip(places, means.items(), strict=True):
        style = styles[arm]
        scored = runs[(runs["arm"] == arm) & (runs["status"] != FAILED)]
        if scored.empty:
            continue
        diverged = (scored["status"] == DIVERGED).to_numpy()
        accuracy = scored["test_accuracy"].to_numpy(float)
        y = np.full(len(accuracy), float(row))
        if len(accuracy) > 1:
            y += np.linspace(-0.2, 0.2, len(accuracy))
            bar: Look = {"color": style.colour, "linewidth": 2, "gid": mark("part", [arm])}
            ax.plot([mean, mean], [row - 0.36, row + 0.36], **bar)
        dots: Look = {"linestyle": "none", "color": style.colour, "marker": style.marker}
        dots["rasterized"] = len(accuracy) > MOST_MARKS
        ids = scored["run_id"].to_numpy()
        ended = mark("runs", [arm], ids[~diverged])
        ax.plot(accuracy[~diverged], y[~diverged], **dots, **EDGE, alpha=0.85, gid=ended)
        lost = {**_cross(style.colour), "gid": mark("runs", [arm], ids[diverged])}
        ax.plot(accuracy[diverged], y[diverged], **lost, markersize=8)
        place: Look = {"transform": ax.get_yaxis_transform(), "gid": mark("part", [arm])}
        ax.text(1.02, row, f"{mean:.3f}", **place, **beside)
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    ax.margins(x=0.08)
    ax.set_xlabel(tr("final test accuracy"))
    return ax


def draw_response(ax: Axes, table: pd.DataFrame, styles: Mapping[str, Style]) -> Axes:
    """Draw runs over a numeric setting: a dot a run, a line by their means.

    ``table`` has a row for each run: ``line x y diverged arm run_id``.

    ``styles`` has that of every line. The axis is logarithmic where that parts the values more
    evenly (from the smallest positive one on, where one is 0).
    """
    for line, runs in table.groupby("line", sort=False):
        style = styles[str(line)]
        means = runs.groupby("x")["y"].mean()
        look: Look = {"color": style.colour, "marker": style.marker}
        arms = runs["arm"].unique()
        joined = mark("mean", arms)
        ax.plot(means.index, means, **look, linestyle=style.line, **EDGE, gid=joined)
        single: Look = {**look, "linestyle": "none", "markersize": 3, "alpha": 0.5}
        lost: Look = {**_cross(style.colour), "markersize": 8}
        for rows, dots in ((runs[~runs["diverged"]], single), (runs[runs["diverged"]], lost)):
            ax.plot(rows["x"], rows["y"], **dots, gid=mark("runs", arms, rows["run_id"]))
    values = np.unique(table["x"].to_numpy(float))
    positive = values[values > 0]
    if len(positive) > 2 and values[0] >= 0 and _evenness(np.log(positive)) < _evenness(positive):
        if len(positive) < len(values):
            ax.set_xscale("symlog", linthresh=positive[0])
        else:
            ax.set_xscale("log")
        ax.xaxis.set_minor_locator(NullLocator())
    if len(values) <= MOST_TICKS:
        ax.set_xticks(values, [f"{value:g}" for value in values])
    ax.set_ylabel(tr("final test accuracy"))
    return ax


def _evenness(values: Array) -> float:
    """Return the widest gap over the narrowest."""
    gaps = np.diff(values)
    return float(gaps.max() / gaps.min())


def draw_spread(ax: Axes, table: pd.DataFrame, style: Style) -> Axes:
    """Draw one arm's rows of `spreads`: for each layer a box before (hollow) and after (filled).

    Whiskers run from p05 to p95, boxes from p25 to p75, and the stroke across is the median.
    """
    for moment, offset in (("before", -0.2), ("after", 0.2)):
        rows = table[table["moment"] == moment]
        face = "white" if moment == "before" else style.colour
        seen = (rows["p75"] > rows["p25"]) & (moment == "after")
        x = rows["layer"].to_numpy(float) + offset
        ax.vlines(x, rows["p05"], rows["p95"], color=style.colour, linewidth=1.4)
        box: Look = {"width": 0.34, "edgecolor": style.colour, "linewidth": 1.2, "facecolor": face}
        ax.bar(x, rows["p75"] - rows["p25"], bottom=rows["p25"], **box, zorder=2)
        strokes = ["white" if inside else style.colour for inside in seen]
        ax.hlines(rows["p50"], x - 0.17, x + 0.17, color=strokes, linewidth=1.8, zorder=3)
        drawn = np.isfinite(rows["p50"].to_numpy(float))
        gid = mark("boxes", rows["arm"].unique(), map(_box_words, rows[drawn].to_dict("records")))
        unseen: Look = {"linestyle": "none", "marker": "s", "alpha": 0, "gid": gid}
        ax.add_line(Line2D(x[drawn], rows.loc[drawn, "p50"], **unseen))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(visible=False, axis="x")
    ax.use_sticky_edges = False
    ax.set_xlabel(tr("layer"))
    ax.set_ylabel(tr("activation"))
    return ax


def _box_words(row: Mapping[Any, Any]) -> str:
    low, first, median, third, high = (f"{row[f'p{q:02d}']:.3g}" for q in QUANTILES)
    lines = [
        tr("layer {layer}, {moment}", layer=row["layer"], moment=moment_words(row["moment"])),
        tr("median: {median}", median=median),
        tr("middle half: {ends}", ends=range_words(first, third)),
        tr("5 % to 95 %: {ends}", ends=range_words(low, high)),
    ]
    return signs("\n".join(lines))


def _draw_band(ax: Axes, x: Array, low: Array, high: Array, style: Style) -> PolyCollection:
    look: Look = {"color": style.colour, "alpha": 0.2, "linewidth": 0}
    finite = np.isfinite(high)
    ax.update_datalim(np.column_stack([np.r_[x, x[finite]], np.r_[low, high[finite]]]))
    limits = ax.dataLim.frozen()
    band = ax.fill_between(x, low, np.where(finite, high, 1e30), **look)
    ax.dataLim.set(limits)  # the infinite is not to be seen, only that it lies above
    return band


def _cross(colour: str) -> Look:
    return {"marker": "x", "linestyle": "none", "color": colour, "markeredgewidth": 2}
