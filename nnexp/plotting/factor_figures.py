"""The figures of what a sweep varied: paired differences, cells of a grid, curves over numbers."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize

from nnexp.analysis.arms import Comparison
from nnexp.analysis.effects import INTERACTION, Effects, Factor
from nnexp.analysis.grids import Grid, grid_cells, levels
from nnexp.analysis.labels import enumerated, listed, n_words, signs
from nnexp.analysis.names import counted_words
from nnexp.analysis.outcomes import fitting
from nnexp.messages.language import tr
from nnexp.plotting import layout, panels
from nnexp.plotting.captions import values_in_words
from nnexp.plotting.cell_maps import Cell, draw_cells
from nnexp.plotting.facets import MOST_LINES, MOST_PANELS, levels_of_arms, ranked, split
from nnexp.plotting.legends import line_entry
from nnexp.plotting.paired_differences import LABEL, Differences, draw_differences
from nnexp.plotting.picture import Picture
from nnexp.plotting.styles import UNNAMED, Style, arm_styles, choice_styles
from nnexp.store.record import DIVERGED, FAILED

# The columns that name a comparison.
_KEYS = ("kind", "factor", "level")
# A panel of more interactions, or of more levels, would fill a page.
_MOST_INTERACTIONS, _MOST_LEVELS = 16, 20
# The longest line of a label beside the rows of cells, in characters.
_ROW_LABEL, _LONG_LABEL = 14, 24
# Inches, in a panel's name.
_CHARACTER = 0.078
# A curve over fewer values adds nothing to the arms.
_FEWEST_VALUES = 3
# A map of more columns has the means alone as words, one of more cells across or down has none.
_MOST_FULL, _MOST_ACROSS, _MOST_DOWN = 6, 16, 40
_SMALLEST, _SHADES = 7, ListedColormap(mpl.colormaps["Blues"](np.linspace(0.05, 0.8, 256)))


def differences(comparison: Comparison, styles: Mapping[str, Style], measured: Effects) -> Picture:
    """Draw each factor's levels minus its best, seed by seed, with intervals; and interactions."""
    sizes = measured.table.groupby("factor")["level"].transform("size")
    few = (measured.table["kind"] != INTERACTION) | (sizes <= _MOST_INTERACTIONS)
    ranks = measured.table.groupby("factor")["mean"].rank(method="first")
    ends = np.minimum(ranks - 1, sizes - ranks) < _MOST_LEVELS // 2
    table = measured.table.assign(label=measured.translated["level"])[few & ends].reset_index(
        drop=True
    )
    texts = measured.translated[few & ends].reset_index(drop=True)
    parts = {str(name): rows for name, rows in table.groupby("factor", sort=False)}
    one = len(measured.factors) == 1
    title = tr("Differences in final test accuracy")
    if one:
        reference = measured.factors[0].reference
        title = tr("Final test accuracy: difference from {reference}", reference=reference)
    longest = min(LABEL, max(map(layout.width, table["label"])))
    left = 0.3 + 0.085 * longest
    width = int((layout.WIDTH - left) / _CHARACTER)
    lines = [
        sum(0.3 + 0.16 * (layout.width(s) // LABEL + 1) for s in p["label"]) for p in parts.values()
    ]
    heads = [layout.fill(_compared(texts.loc[p.index[0]]), width) for p in parts.values()]
    figure, axes = layout.panels(
        title,
        comparison.held,
        names=[""] if one else heads,
        height=[0.3 + own for own in lines],
        margins=(left, 0.65),
        sharex=False,
        sharey=False,
    )
    for ax, (factor, rows) in zip(axes, parts.items(), strict=True):
        pairs = measured.pairs[measured.pairs["factor"] == factor]
        shown = _differences(rows, pairs, _looks(measured, rows, styles), measured.factors)
        draw_differences(ax, shown, tr("difference in percentage points"))
    layout.label_outer(axes)
    caption = tr(
        "Differences paired by seed: each small mark is one seed ({n}), the level minus the level "
        "with the highest mean. The diamond and the number are the median, the bar is its "
        "interval; the 95 % intervals hold simultaneously. Grey: differences too small to matter.",
        n=n_words(table["n"]),
    )
    if len(parts) > 1:
        caption += f" {tr('Each panel has its own scale.')}"
    if not few.all():
        caption += f" {tr('Interactions with many levels are not drawn; see effects.csv.')}"
    if not ends[few].all():
        caption += " " + tr(
            "Of more than {most} levels, the {half} with the highest and the {half} with the "
            "lowest mean are drawn; effects.csv has all.",
            most=_MOST_LEVELS,
            half=_MOST_LEVELS // 2,
        )
    rows = table[[*_KEYS, "reference", "n", "difference", "low", "high"]]
    drawn = measured.pairs.merge(rows.rename(columns={"difference": "median"}), on=list(_KEYS))
    levels = table[table["kind"] != INTERACTION].set_index("level")
    alt = f"{caption} {values_in_words(levels['difference'] * 100, tr('Points'))}"
    return Picture("differences", title, caption, alt, figure, drawn)


def _differences(
    table: pd.DataFrame,
    pairs: pd.DataFrame,
    styles: Mapping[str, Style],
    factors: Sequence[Factor],
) -> list[Differences]:
    """Return the rows of a panel, in percentage points; ``styles`` has that of every level."""
    levels = {f.name: f.levels for f in factors}.get(str(table["factor"].iloc[0]), {})
    seeds = {
        level: [tr("seed {seed}", seed=s) for s in own]
        for level, own in pairs.groupby("level")["seed"]
    }
    return [
        Differences(
            row["label"],
            100 * pairs.loc[pairs["level"] == row["level"], "difference"].to_numpy(float),
            100 * row["difference"],
            100 * row["low"],
            100 * row["high"],
            100 * row["matters"],
            signs(f"{100 * row['difference']:+.2f}"),
            style=styles[row["level"]],
            arms=tuple(levels.get(row["level"], ())),
            seeds=tuple(seeds[row["level"]]),
        )
        for row in table.to_dict("records")
    ]


def _compared(row: pd.Series[Any]) -> str:
    """Return what the rows of a panel show: levels of a factor, or an interaction."""
    texts = {"factor": row["factor"], "reference": row["reference"]}
    if row["kind"] == INTERACTION:
        return tr("{factor}: the difference, minus that {reference}", **texts)
    over = tr(", averaged over {factors}", factors=row["over"]) if row["over"] else ""
    return tr("{factor}: difference from {reference}{over}", **texts, over=over)


def _looks(
    measured: Effects, table: pd.DataFrame, styles: Mapping[str, Style]
) -> Mapping[str, Style]:
    """Return the style of every level of a panel: that of its arm, if it has only one."""
    factor = next((f for f in measured.factors if f.name == table["factor"].iloc[0]), None)
    if factor is None:
        return dict.fromkeys(table["level"], UNNAMED)
    if all(len(arms) == 1 for arms in factor.levels.values()):
        return {level: styles[arms[0]] for level, arms in factor.levels.items()}
    return choice_styles(list(factor.levels))


def cells(comparison: Comparison, grid: tuple[Factor, Factor]) -> Picture:
    """Draw the grid of two factors: in each cell its mean, spread and number of runs."""
    across, down = sorted(grid, key=lambda factor: len(factor.levels))
    rows = {arm: level for level, arms in down.levels.items() for arm in arms}
    columns = {arm: level for level, arms in across.levels.items() for arm in arms}
    scored = comparison.summary[comparison.summary["arm"].isin(set(rows) & set(columns))]
    found = pd.DataFrame(
        {
            "down": scored["arm"].map(rows),
            "across": scored["arm"].map(columns),
            "mean": scored["test_accuracy_mean"],
            "std": scored["test_accuracy_std"],
            "n": scored["runs"] - scored[FAILED],
            "diverged": scored[DIVERGED],
            "at": "",
        }
    )
    factors = enumerated([down.words, across.words])
    title = tr("{what} by {factors}", what=tr("Final test accuracy"), factors=factors)
    sides = ([level for level, _ in ranked(factor)] for factor in (down, across))
    return _cells("cells", title, comparison.held, found, *sides)


def heat_map(runs: pd.DataFrame, grid: Grid, held: str) -> Picture:
    """Draw the `grid_cells` of ``runs``; ``held`` says what all of them share."""
    factors = enumerated([grid.down, grid.across])
    title = tr("{what} by {factors}", what=tr("Final test accuracy"), factors=factors)
    if grid.tuned:
        over = listed(grid.tuned.over)
        title += f", {tr('each at its best {settings}', settings=over)}"
        held += "; " + tr("{settings} chosen by {score}", settings=over, score=grid.tuned.by)
    cells, every = grid_cells(runs, grid), fitting(runs, grid.where)
    sides = (list(levels(every[side]).categories) for side in (grid.down, grid.across))
    picture = _cells(grid.name, title, held, cells, *sides)
    (ax,) = picture.figure.axes
    ax.set(xlabel=grid.across, ylabel="")
    return picture


def _cells(
    name: str, title: str, held: str, table: pd.DataFrame, rows: list[str], columns: list[str]
) -> Picture:
    diverged = bool(table["diverged"].any())
    full = len(columns) <= _MOST_FULL
    words = len(columns) <= _MOST_ACROSS and len(rows) <= _MOST_DOWN
    height = 0.56 + 0.17 * diverged + 0.17 * bool(table["at"].any()) if full else 0.3
    figure, (ax,) = layout.panels(
        title,
        held,
        height=height * len(rows) if words else min(4.5, 0.3 * len(rows)),
        margins=(
            0.25 + 0.085 * min(_ROW_LABEL if words else _LONG_LABEL, max(map(len, rows))),
            0.15 if words else 0.75,
        ),
        below=0 if full else max(0, 0.075 * max(map(len, columns)) - 0.3),
    )
    low, high = float(table["mean"].min()), float(table["mean"].max())
    shades = ScalarMappable(Normalize(low, high if high > low else low + 1), _SHADES)
    down = table["down"].map({name: i for i, name in enumerate(rows)})
    across = table["across"].map({name: i for i, name in enumerate(columns)})
    colours = shades.to_rgba(table["mean"].to_numpy(float))
    records = table.to_dict("records")
    written = [_words(cell, full) if words else "" for cell in records]
    read = [f"{cell['down']}, {cell['across']}\n{_words(cell, True)}" for cell in records]
    found = list(map(Cell, down, across, colours, written, read))
    _draw_cells(ax, found, rows, columns, full)
    n = n_words(table["n"])
    if not full:
        caption = tr("The mean over seeds ({n}).", n=n)
        if words:
            caption = tr("The mean over seeds in per cent ({n}).", n=n)
    elif table["std"].notna().any():
        caption = tr(
            "Each cell shows the mean over seeds and their number ({n}); ± is the standard "
            "deviation.",
            n=n,
        )
    else:
        caption = tr("Each cell shows the mean over seeds and their number ({n}).", n=n)
    if not words:
        label = tr("final test accuracy")
        figure.colorbar(shades, cax=ax.inset_axes((1.03, 0, 0.04, 1)), label=label)
    if diverged:
        caption += f" {tr('Diverged runs count in the mean.')}"
    if len(table) < len(rows) * len(columns):
        caption += f" {tr('Hatched: not run or failed.')}"
    means = table.assign(cell=table["down"] + " " + table["across"]).set_index("cell")["mean"]
    alt = f"{caption} {values_in_words(means.dropna(), tr('Means'))}"
    return Picture(name, title, caption, alt, figure, table.drop(columns="at"))


def _words(cell: Mapping[Any, Any], full: bool) -> str:
    """Return the words in a cell: its mean and, if it has room, spread, number and mishaps."""
    lines = [f"{cell['mean']:.3f}" if full else f"{100 * cell['mean']:.1f}"]
    if full and not math.isnan(cell["std"]):
        lines.append(f"± {cell['std']:.2g}")
    lines += [f"n = {cell['n']}"] if full else []
    lines += [counted_words(DIVERGED, cell["diverged"])] if full and cell["diverged"] else []
    lines += [cell["at"]] if full and cell["at"] else []
    return "\n".join(lines)


def _draw_cells(
    ax: Axes, cells: Sequence[Cell], rows: Sequence[str], columns: Sequence[str], full: bool
) -> None:
    """Draw a heat map, with labels for as many rows and columns as there is room for."""
    width = max(9, 40 // len(columns))
    across = [textwrap.fill(column, width) if full else column for column in columns]
    down = [textwrap.fill(row, _ROW_LABEL) for row in rows]
    size = min(layout.SMALL, 34 / len(columns)) if full else _SMALLEST
    draw_cells(ax, cells, down, across, size=size)
    if not full:
        ax.tick_params(axis="x", rotation=90)
    if any(cell.words for cell in cells):
        return
    for axis, names in ((ax.xaxis, columns), (ax.yaxis, rows)):
        every = math.ceil(len(names) / _MOST_ACROSS)
        labels = [textwrap.shorten(name, _LONG_LABEL) for name in names[::every]]
        axis.set_ticks(range(0, len(names), every), labels)
        axis.set_ticks([], minor=True)


def numeric(grid: tuple[Factor, ...]) -> Factor | None:
    """Return the numeric factor of which curves say most, if they fit into the panels."""
    numeric = [f for f in grid if len(f.numbers) >= _FEWEST_VALUES]
    best = max(numeric, key=lambda f: len(f.numbers), default=None)
    return best if best is not None and _response_panels(best, grid) else None


def response(comparison: Comparison, over: Factor, grid: tuple[Factor, ...]) -> Picture:
    """Draw every run over a numeric factor of the ``grid``, a line for each level of the others."""
    by, panels_of = _response_panels(over, grid) or ((), {})
    x_of = {arm: over.numbers[level] for level, arms in over.levels.items() for arm in arms}
    levels = levels_of_arms([factor for factor in grid if factor is not over])
    runs = comparison.runs[comparison.runs["arm"].isin(set(x_of) & set(levels or x_of))]
    runs = runs[runs["status"] != FAILED]
    own = [levels.get(str(arm), {}) for arm in runs["arm"]]
    table = pd.DataFrame(
        {
            "line": [", ".join(at.values()) or over.name for at in own],
            "x": [x_of[str(arm)] for arm in runs["arm"]],
            "y": runs["test_accuracy"].to_numpy(float),
            "diverged": (runs["status"] == DIVERGED).to_numpy(),
            "arm": runs["arm"].astype(str).to_numpy(),
            "run_id": runs["run_id"].to_numpy(),
        }
    )
    shared = [name for f in grid if f is over or f.name in by for name in f.settings]
    styles = arm_styles(comparison, shared)
    looks = {line: styles[str(arm)] for line, arm in zip(table["line"], runs["arm"], strict=True)}
    # What tells the lines of a panel apart.
    entries: dict[str, dict[str, Style]] = {}
    for row, at in zip(table.to_dict("records"), own, strict=True):
        words = ", ".join(level for name, level in at.items() if name not in by)
        entries.setdefault(words, {})[row["arm"]] = looks[row["line"]]
    legend = [line_entry(w, [*arms.values()][-1], arms) for w, arms in entries.items() if w]
    title = tr("Final test accuracy over {factor}", factor=over.words)
    columns = layout.columns_of(len(panels_of))
    figure, axes = layout.panels(
        title,
        comparison.held,
        names=[textwrap.fill(name, layout.CHARACTERS // columns) for name in panels_of],
        columns=columns,
        height=2.3 if len(panels_of) == 1 else 1.9 if len(panels_of) <= columns else 1.15,
        legend=legend,
    )
    for ax, lines in zip(axes, panels_of.values(), strict=True):
        rows = table[table["line"].isin(lines)]
        panels.draw_response(ax, rows, looks)
        ax.set_xlabel(over.words)
    layout.label_outer(axes)
    caption = tr("Each small mark is a run; the line joins the means ({n}).", n=comparison.seeds)
    if by:
        words = enumerated([f.words for f in grid if f.name in by])
        caption += " " + tr("One panel for each {factors}.", factors=words)
    if table["diverged"].any():
        caption += f" {tr('A cross marks a diverged run, which counts in the mean.')}"
    best = table.groupby(["line", "x"], sort=False)["y"].mean()
    top = ", ".join(
        f"{_placed(line if levels else '', best[line].idxmax())} ({best[line].max():.3f})"
        for line in looks
    )
    alt = f"{caption} {tr('Highest mean: {values}.', values=top)}"
    drawn = table.drop(columns=["arm", "run_id"])
    return Picture("response", title, caption, alt, figure, drawn)


def _placed(line: str, value: float) -> str:
    """Return where on the axis of numbers a value is, and on which line if it has a name."""
    return tr("{arm} at {value}", arm=line, value=f"{value:g}") if line else f"{value:g}"


def _response_panels(
    over: Factor, grid: tuple[Factor, ...]
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]] | None:
    """Return the factors by which the lines over a factor are divided, and each panel's lines."""
    others = [factor for factor in grid if factor is not over]
    lines = {", ".join(at.values()): at for at in levels_of_arms(others).values()}
    if len(lines) <= MOST_LINES:
        return (), {"": tuple(lines) or (over.name,)}
    return split(lines, others, MOST_PANELS)
