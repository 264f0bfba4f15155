"""The figures of what a sweep varied: paired differences, cells of a grid, curves over numbers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from nnexp import plots
from nnexp.comparison import Comparison
from nnexp.effects import Effects, Factor
from nnexp.picture import Picture, told
from nnexp.records import DIVERGED, FAILED
from nnexp.styles import Style, choice_styles

# The longest line of a level's label beside an axis, in characters.
_LABEL = 24
# A curve over fewer values of a setting says no more than the arms do; more lines bury each other.
_FEWEST_VALUES, _MOST_LINES = 3, 8


def differences(comparison: Comparison, styles: Mapping[str, Style], found: Effects) -> Picture:
    """Draw the levels of one factor less the best, seed by seed, with their intervals."""
    (factor,) = found.factors
    table = found.table
    title = f"Final test accuracy less that of {factor.reference}"
    looks = {level: styles[arms[0]] for level, arms in factor.levels.items()}
    lines = [len(str(level)) // _LABEL + 1 for level in table["level"]]
    longest = min(_LABEL, max(map(len, table["level"])))
    figure, (ax,) = plots.panels(
        title,
        comparison.held,
        height=0.3 + sum(0.3 + 0.16 * n for n in lines),
        margins=(0.3 + 0.085 * longest, 0.65),
    )
    plots.draw_differences(ax, table, found.pairs, looks)
    n = table["n"]
    seeds = f"n = {n.min()}" if n.min() == n.max() else f"n = {n.min()} to {n.max()}"
    caption = (
        f"Paired by seed: each mark is a seed ({seeds}), the level less {factor.reference}, which "
        "has the best mean. The diamond and the number are the mean, the bar its interval; all "
        "intervals hold together at 95 %. Grey: what does not matter."
    )
    means = table.set_index("level")["difference"] * 100
    return Picture("differences", title, caption, f"{caption} {told(means, 'Points')}", figure)


def cells(
    comparison: Comparison, styles: Mapping[str, Style], grid: tuple[Factor, Factor]
) -> Picture:
    """Draw the grid of two factors: in each cell its mean, spread and number of runs."""
    across, down = sorted(grid, key=lambda factor: len(factor.levels))
    summary = comparison.summary.set_index("arm")
    cells = []
    for (row, lower), (column, right) in itertools.product(_ranked(down), _ranked(across)):
        for arm in set(lower) & set(right):
            scored = summary.loc[arm]
            cells.append(
                {
                    "down": row,
                    "across": column,
                    "mean": scored["test_accuracy_mean"],
                    "std": scored["test_accuracy_std"],
                    "n": scored["runs"] - scored[FAILED],
                    "diverged": scored[DIVERGED],
                }
            )
    table = pd.DataFrame(cells)
    title = f"Final test accuracy by {down.name} and {across.name}"
    longest = min(14, max(map(len, down.levels)))
    figure, (ax,) = plots.panels(
        title,
        comparison.held,
        height=(0.7 if table["diverged"].any() else 0.56) * len(down.levels),
        margins=(0.25 + 0.085 * longest, 0.15),
    )
    plots.draw_cells(ax, table)
    caption = f"In each cell the mean over seeds, and how many they are ({comparison.seeds})"
    caption += "; ± is the standard deviation." if table["std"].notna().any() else "."
    if table["diverged"].any():
        caption += " A run that diverged counts in the mean."
    if len(table) < len(down.levels) * len(across.levels):
        caption += " Hatched: not run, or failed."
    means = told(summary["test_accuracy_mean"].dropna(), "Means")
    return Picture("cells", title, caption, f"{caption} {means}", figure)


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
    legend = plots.legend_entries(key, looks) if others else ()
    figure, (ax,) = plots.panels(title, comparison.held, legend=legend)
    plots.draw_response(ax, table, looks)
    ax.set_xlabel(over.name)
    caption = f"Each small mark is a run, the line runs through the means ({comparison.seeds})."
    if table["diverged"].any():
        caption += " A cross is a run that diverged: it counts in the mean."
    best = table.groupby(["line", "x"], sort=False)["y"].mean()
    top = ", ".join(
        f"{line + ' at ' if others else ''}{best[line].idxmax():g} ({best[line].max():.3f})"
        for line in lines
    )
    return Picture("response", title, caption, f"{caption} Highest mean: {top}.", figure)


def _level_of(factor: Factor, arm: str) -> str:
    return next(level for level, arms in factor.levels.items() if arm in arms)
