"""The figures of what a sweep varied: paired differences, cells of a grid, curves over numbers."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from nnexp.analysis.arms import Comparison
from nnexp.analysis.effects import INTERACTION, Effects, Factor
from nnexp.analysis.grids import Grid, grid_cells, levels
from nnexp.analysis.labels import n_words, signs
from nnexp.analysis.outcomes import fitting
from nnexp.plotting import layout, panels
from nnexp.plotting.captions import values_in_words
from nnexp.plotting.cell_maps import Cell, draw_cells
from nnexp.plotting.legends import legend_entries
from nnexp.plotting.paired_differences import LABEL, Differences, draw_differences
from nnexp.plotting.picture import Picture
from nnexp.plotting.styles import UNNAMED, Style, choice_styles
from nnexp.store.record import DIVERGED, FAILED

# The columns that name a comparison.
_KEYS = ("kind", "factor", "level")
# A panel of more interactions would fill a page.
_MOST_INTERACTIONS = 16
# The longest line of a label beside the rows of cells, in characters.
_ROW_LABEL = 14
_IN_POINTS = "difference in percentage points"
# Inches, in a panel's name.
_CHARACTER = 0.078
# A curve over fewer values adds nothing to the arms; more lines hide each other.
_FEWEST_VALUES, _MOST_LINES = 3, 8


def differences(comparison: Comparison, styles: Mapping[str, Style], measured: Effects) -> Picture:
    """Draw each factor's levels minus its best, seed by seed, with intervals; and interactions."""
    sizes = measured.table.groupby("factor")["level"].transform("size")
    few = (measured.table["kind"] != INTERACTION) | (sizes <= _MOST_INTERACTIONS)
    table = measured.table[few].reset_index(drop=True)
    parts = {str(name): rows for name, rows in table.groupby("factor", sort=False)}
    one = len(measured.factors) == 1
    title = "Differences in final test accuracy"
    if one:
        title = f"Final test accuracy: difference from {measured.factors[0].reference}"
    longest = min(LABEL, max(map(len, table["level"])))
    left = 0.3 + 0.085 * longest
    width = int((layout.WIDTH - left) / _CHARACTER)
    lines = [sum(0.3 + 0.16 * (len(s) // LABEL + 1) for s in p["level"]) for p in parts.values()]
    figure, axes = layout.panels(
        title,
        comparison.held,
        names=[""] if one else [textwrap.fill(_compared(p), width) for p in parts.values()],
        height=[0.3 + own for own in lines],
        margins=(left, 0.65),
        sharex=False,
        sharey=False,
    )
    for ax, (factor, rows) in zip(axes, parts.items(), strict=True):
        pairs = measured.pairs[measured.pairs["factor"] == factor]
        draw_differences(ax, _differences(rows, pairs, _looks(measured, rows, styles)), _IN_POINTS)
    layout.label_outer(axes)
    caption = (
        f"Differences paired by seed: each small mark is one seed ({n_words(table['n'])}), the "
        "level minus the level with the highest mean. The diamond and the number are the median, "
        "the bar is its interval; the 95 % intervals hold simultaneously. Grey: differences too "
        "small to matter."
    )
    if len(parts) > 1:
        caption += " Each panel has its own scale."
    if not few.all():
        caption += " Interactions with many levels are not drawn; see effects.csv."
    rows = table[[*_KEYS, "reference", "n", "difference", "low", "high"]]
    drawn = measured.pairs.merge(rows.rename(columns={"difference": "median"}), on=list(_KEYS))
    levels = table[table["kind"] != INTERACTION]
    alt = f"{caption} {values_in_words(levels.set_index('level')['difference'] * 100, 'Points')}"
    return Picture("differences", title, caption, alt, figure, drawn)


def _differences(
    table: pd.DataFrame, pairs: pd.DataFrame, styles: Mapping[str, Style]
) -> list[Differences]:
    """Return the rows of a panel, in percentage points; ``styles`` has that of every level."""
    return [
        Differences(
            row["level"],
            100 * pairs.loc[pairs["level"] == row["level"], "difference"].to_numpy(float),
            100 * row["difference"],
            100 * row["low"],
            100 * row["high"],
            100 * row["matters"],
            signs(f"{100 * row['difference']:+.2f}"),
            style=styles[row["level"]],
        )
        for row in table.to_dict("records")
    ]


def _compared(table: pd.DataFrame) -> str:
    """Return what the rows of a panel show: levels of a factor, or an interaction."""
    row = table.iloc[0]
    if row["kind"] == INTERACTION:
        return f"{row['factor']}: the difference, minus that {row['reference']}"
    over = f", averaged over {row['over']}" if row["over"] else ""
    return f"{row['factor']}: difference from {row['reference']}{over}"


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


def cells(
    comparison: Comparison, styles: Mapping[str, Style], grid: tuple[Factor, Factor]
) -> Picture:
    """Draw the grid of two factors: in each cell its mean, spread and number of runs."""
    across, down = sorted(grid, key=lambda factor: len(factor.levels))
    summary = comparison.summary.set_index("arm")
    found = []
    for (row, lower), (column, right) in itertools.product(_ranked(down), _ranked(across)):
        for arm in set(lower) & set(right):
            scored = summary.loc[arm]
            found.append(
                {
                    "down": row,
                    "across": column,
                    "mean": scored["test_accuracy_mean"],
                    "std": scored["test_accuracy_std"],
                    "n": scored["runs"] - scored[FAILED],
                    "diverged": scored[DIVERGED],
                    "at": "",
                }
            )
    title = f"Final test accuracy by {down.name} and {across.name}"
    sides = ([level for level, _ in _ranked(factor)] for factor in (down, across))
    return _cells("cells", title, comparison.held, pd.DataFrame(found), *sides)


def heat_map(runs: pd.DataFrame, grid: Grid, held: str) -> Picture:
    """Draw the `grid_cells` of ``runs``; ``held`` says what all of them share."""
    title = f"Final test accuracy by {grid.down} and {grid.across}"
    if grid.tuned:
        title += f", each at its best {grid.tuned['over']}"
        held += f"; {grid.tuned['over']} chosen by {grid.tuned['by'].replace('_', ' ')}"
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
    figure, (ax,) = layout.panels(
        title,
        held,
        height=(0.56 + 0.17 * diverged + 0.17 * bool(table["at"].any())) * len(rows),
        margins=(0.25 + 0.085 * min(_ROW_LABEL, max(map(len, rows))), 0.15),
    )
    _draw_cells(ax, table, rows, columns)
    caption = f"Each cell shows the mean over seeds and their number ({n_words(table['n'])})"
    caption += "; ± is the standard deviation." if table["std"].notna().any() else "."
    if diverged:
        caption += " Diverged runs count in the mean."
    if len(table) < len(rows) * len(columns):
        caption += " Hatched: not run or failed."
    means = table.assign(cell=table["down"] + " " + table["across"]).set_index("cell")["mean"]
    alt = f"{caption} {values_in_words(means.dropna(), 'Means')}"
    return Picture(name, title, caption, alt, figure, table.drop(columns="at"))


def _draw_cells(ax: Axes, table: pd.DataFrame, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Draw a heat map of a table with ``down across mean std n diverged at``."""
    low, high = float(table["mean"].min()), float(table["mean"].max())
    shades = mpl.colormaps["Blues"]
    found = []
    for cell in table.to_dict("records"):
        share = (cell["mean"] - low) / (high - low) if high > low else 0.0
        lines = [f"{cell['mean']:.3f}"]
        if not math.isnan(cell["std"]):
            lines.append(f"± {cell['std']:.2g}")
        lines.append(f"n = {cell['n']}")
        if cell["diverged"]:
            lines.append(f"{cell['diverged']} diverged")
        if cell["at"]:
            lines.append(cell["at"])
        place = rows.index(cell["down"]), columns.index(cell["across"])
        found.append(Cell(*place, shades(0.05 + 0.75 * share), "\n".join(lines)))
    width = max(9, 40 // len(columns))
    draw_cells(
        ax,
        found,
        [textwrap.fill(row, _ROW_LABEL) for row in rows],
        [textwrap.fill(column, width) for column in columns],
        size=min(layout.SMALL, 34 / len(columns)),
    )


def _ranked(factor: Factor) -> list[tuple[str, tuple[str, ...]]]:
    """Return a factor's levels with their arms: numbers by size, others as they came."""
    return sorted(factor.levels.items(), key=lambda item: factor.numbers.get(item[0], 0.0))


def numeric(grid: tuple[Factor, ...]) -> Factor | None:
    """Return the numeric factor of which a curve says most, if there is one."""
    numeric = [f for f in grid if len(f.numbers) >= _FEWEST_VALUES]
    best = max(numeric, key=lambda f: len(f.numbers), default=None)
    others = np.prod([len(f.levels) for f in grid if f is not best])
    return best if others <= _MOST_LINES else None


def response(
    comparison: Comparison, styles: Mapping[str, Style], over: Factor, grid: tuple[Factor, ...]
) -> Picture:
    """Draw every run over a numeric factor of the ``grid``, a line for each level of the others."""
    others = [factor for factor in grid if factor is not over]
    of_arm = {
        arm: (over.numbers[level], ", ".join(_level_of(f, arm) for f in others) or over.name)
        for level, arms in over.levels.items()
        for arm in arms
    }
    runs = comparison.runs[comparison.runs["arm"].isin(of_arm)]
    runs = runs[runs["status"] != FAILED]
    table = pd.DataFrame(
        {
            "line": [of_arm[arm][1] for arm in runs["arm"]],
            "x": [of_arm[arm][0] for arm in runs["arm"]],
            "y": runs["test_accuracy"].to_numpy(float),
            "diverged": (runs["status"] == DIVERGED).to_numpy(),
        }
    )
    lines = list(dict.fromkeys(table["line"]))
    names = lines
    if len(others) == 1 and others[0].numbers:
        names = [f"{others[0].numbers[line]:g}" for line in lines]
    looks = choice_styles(names)
    looks = {line: looks[name] for line, name in zip(lines, names, strict=True)}
    title = f"Final test accuracy over {over.name}"
    key = pd.DataFrame({"arm": lines, DIVERGED: 0, FAILED: 0})
    legend = legend_entries(key, looks) if others else ()
    figure, (ax,) = layout.panels(title, comparison.held, legend=legend)
    panels.draw_response(ax, table, looks)
    ax.set_xlabel(over.name)
    caption = f"Each small mark is a run; the line joins the means ({comparison.seeds})."
    if table["diverged"].any():
        caption += " A cross marks a diverged run, which counts in the mean."
    best = table.groupby(["line", "x"], sort=False)["y"].mean()
    top = ", ".join(
        f"{line + ' at ' if others else ''}{best[line].idxmax():g} ({best[line].max():.3f})"
        for line in lines
    )
    alt = f"{caption} Highest mean: {top}."
    return Picture("response", title, caption, alt, figure, table)


def _level_of(factor: Factor, arm: str) -> str:
    return next(level for level, arms in factor.levels.items() if arm in arms)
