"""Small multiples: how the arms of a sweep are divided among the panels of a figure.

A panel has at most `MOST_LINES` lines. More arms are divided by the factor, or the two factors,
that give the fewest panels. If that takes more than `MOST_PANELS`, one panel shows the arms with
the highest and the lowest final test accuracy, and the others in grey.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.lines import Line2D

from nnexp.analysis.arms import Comparison
from nnexp.analysis.effects import Factor
from nnexp.analysis.labels import enumerated
from nnexp.messages.language import tr
from nnexp.plotting import layout
from nnexp.plotting.legends import MOST_WITH_THIN, arm_labels, line_entry
from nnexp.plotting.styles import CONTEXT, UNNAMED, Style, arm_styles, distinct_styles

MOST_LINES, MOST_PANELS = 8, 16
# More grey lines are a grey area.
_MOST_GREY = 100

Line = TypeVar("Line", bound=Hashable)


class Block(NamedTuple):
    """Panels with a common axis, by title; and all ``arms`` that may be drawn on it."""

    panels: dict[str, tuple[str, ...]]
    arms: tuple[str, ...]


class Key(NamedTuple):
    """An entry of a legend: its words, and the style of the lines of its ``arms``."""

    words: str
    style: Style
    arms: tuple[str, ...]


@dataclass(frozen=True)
class Facets:
    """The panels of a figure that has lines for arms.

    ``panels`` maps the title of each panel (empty if there is only one) to its arms, of which
    ``styles`` has the looks. ``shown`` are their runs and those of the arms in ``grey``, which are
    behind every panel. ``key`` has the entries of the legend, and ``note``
    (maybe empty) is a sentence for the caption.
    """

    panels: dict[str, tuple[str, ...]]
    styles: dict[str, Style]
    shown: Comparison
    grey: tuple[str, ...]
    key: tuple[Key, ...]
    note: str

    @property
    def columns(self) -> int:
        """In how many columns the panels are laid out."""
        return layout.columns_of(len(self.panels))

    def legend(self) -> list[Artist]:
        """Return the entries of the legend."""
        entries = [line_entry(*one) for one in self.key]
        if self.grey:
            label = tr("other arms")
            if self.key:
                label = tr("{number} others", number=len(self.grey))
            entries.append(Line2D([], [], color=CONTEXT, linewidth=0.8, label=label))
        return [*entries]

    @property
    def plain(self) -> bool:
        """Whether all arms are in one panel."""
        return len(self.panels) == 1 and not self.grey

    @property
    def thin(self) -> bool:
        """Whether there is room for a second measure of each arm, in thin lines."""
        return self.plain and len(self.styles) <= MOST_WITH_THIN

    def parts(self, table: pd.DataFrame) -> list[pd.DataFrame]:
        """Return the rows of ``table`` for each panel."""
        return [table[table["arm"].isin(arms)] for arms in self.panels.values()]

    def apart(self, kinds: Mapping[str, str]) -> Facets:
        """Return the same facets with a panel for each of the ``kinds`` of arms, if it has several.

        Each panel is then named after its kind as well.
        """
        if len(set(kinds.values())) < 2:
            return self
        panels: dict[str, tuple[str, ...]] = {}
        for (title, arms), kind in itertools.product(
            self.panels.items(), dict.fromkeys(kinds.values())
        ):
            if own := tuple(arm for arm in arms if kinds.get(arm) == kind):
                panels[", ".join(filter(None, (title, kind)))] = own
        return replace(self, panels=panels)

    def blocks(self, scales: Mapping[str, Collection[str]]) -> list[Block]:
        """Return the panels for each of the ``scales`` of arms, which share no axis."""
        blocks = []
        mixed = any(
            len([own for own in scales.values() if set(own) & set(arms)]) > 1
            for arms in self.panels.values()
        )
        for scale, comparable in scales.items():
            panels = {}
            for title, arms in self.panels.items():
                if own := tuple(arm for arm in arms if arm in comparable):
                    words = (scale if mixed and len(scales) > 1 else "", title)
                    panels[", ".join(filter(None, words))] = own
            if panels:
                blocks.append(Block(panels, tuple(comparable)))
        return blocks


def facets(
    comparison: Comparison, grid: Sequence[Factor], most_panels: int = MOST_PANELS
) -> Facets:
    """Divide the arms of ``comparison``, whose factors are the ``grid``, among panels."""
    arms = comparison.arms
    if len(arms) <= MOST_LINES:
        styles = arm_styles(comparison)
        return Facets({"": arms}, styles, comparison, (), _key(comparison.summary, styles), "")
    found = split(levels_of_arms(grid), grid, most_panels)
    return _selection(comparison) if found is None else _divided(comparison, grid, *found)


def all_styles(comparison: Comparison, chosen: Facets) -> dict[str, Style]:
    """Return the style of every arm: that in its panel, or grey."""
    return {arm: chosen.styles.get(arm, UNNAMED) for arm in comparison.arms}


def split(
    levels: Mapping[Line, Mapping[str, str]], factors: Sequence[Factor], most_panels: int
) -> tuple[tuple[str, ...], dict[str, tuple[Line, ...]]] | None:
    """Divide lines among panels by one or two of ``factors``.

    ``levels`` has the level of each line in each factor, by their names. Returns the names of the
    factors and the lines of each panel, or ``None`` if that takes too many panels.
    """
    ranks = {f.name: {level: i for i, (level, _) in enumerate(ranked(f))} for f in factors}
    for size in (1, 2):
        divisions = []
        for own in itertools.combinations(reversed(ranks), size):
            own = own[::-1]
            panels: dict[tuple[str, ...], list[Line]] = {}
            for line, at in levels.items():
                panels.setdefault(tuple(at[name] for name in own), []).append(line)
            most = max(map(len, panels.values()), default=0)
            if len(panels) <= most_panels and 0 < most <= MOST_LINES:
                divisions.append((own, panels))
        if divisions:
            own, panels = min(divisions, key=lambda division: len(division[1]))
            order = sorted(
                panels, key=lambda at: [ranks[n][x] for n, x in zip(own, at, strict=True)]
            )
            return own, {", ".join(at): tuple(panels[at]) for at in order}
    return None


def ranked(factor: Factor) -> list[tuple[str, tuple[str, ...]]]:
    """Return a factor's levels with their arms: numbers by size, others as they came."""
    return sorted(factor.levels.items(), key=lambda item: factor.numbers.get(item[0], 0.0))


def extremes(scores: pd.Series[float], most: int) -> tuple[list[str], list[str]]:
    """Return the names of the highest and the lowest ``scores``, ``most`` in all; and the others.

    Both are ordered from the highest to the lowest; empty scores are left out.
    """
    order = [
        str(name) for name in scores.dropna().sort_values(ascending=False, kind="stable").index
    ]
    if len(order) <= most:
        return order, []
    high, low = (most + 1) // 2, len(order) - most // 2
    return order[:high] + order[low:], order[high:low]


def extremes_note(shown: Sequence[str], all_of_them: int, what: str) -> str:
    """Return a sentence that the ``shown`` of all arms are those of `extremes`."""
    half = len(shown) // 2
    return " " + tr(
        "{shown} of {arms} arms {what}: the {high} with the highest and the {low} with the lowest "
        "final test accuracy.",
        shown=len(shown),
        arms=all_of_them,
        what=what,
        high=len(shown) - half,
        low=half,
    )


def levels_of_arms(grid: Sequence[Factor]) -> dict[str, dict[str, str]]:
    """Return the level of each arm in each factor of ``grid``."""
    levels: dict[str, dict[str, str]] = {}
    for factor in grid:
        for level, arms in factor.levels.items():
            for arm in arms:
                levels.setdefault(arm, {})[factor.name] = level
    return {arm: at for arm, at in levels.items() if len(at) == len(grid)}


def _divided(
    comparison: Comparison,
    grid: Sequence[Factor],
    by: Sequence[str],
    panels: dict[str, tuple[str, ...]],
) -> Facets:
    single = max(map(len, panels.values())) == 1
    split_by = [f for f in grid if f.name in by]
    held = () if single else tuple(itertools.chain(*(f.settings for f in split_by)))
    styles = arm_styles(comparison, held)
    words = enumerated([f.words for f in grid if f.name in by])
    note = " " + tr("One panel for each {factors}.", factors=words)
    if single:
        note += f" {tr('Grey: the others.')}"
        return Facets(panels, styles, comparison, comparison.arms, (), note)
    levels = levels_of_arms(grid)
    lines: dict[str, list[str]] = {}
    for arm, at in levels.items():
        lines.setdefault(", ".join(at[f.name] for f in grid if f.name not in by), []).append(arm)
    key = tuple(Key(label, styles[own[0]], tuple(own)) for label, own in lines.items())
    return Facets(panels, styles, comparison, (), key, note)


def _selection(comparison: Comparison) -> Facets:
    scores = comparison.summary.set_index("arm")["test_accuracy_mean"]
    arms, others = extremes(scores, MOST_LINES)
    usual = arm_styles(comparison)
    styles = {arm: usual[arm] for arm in arms}
    if len({style.colour for style in styles.values()} - {UNNAMED.colour}) < len(arms):
        styles = distinct_styles(arms)
    grey = tuple(evenly(others, _MOST_GREY))
    shown = comparison.only({*arms, *grey})
    summary = shown.summary.set_index("arm").loc[arms].reset_index()
    note = extremes_note(arms, len(comparison.arms), tr("have a colour"))
    if len(grey) < len(others):
        note += " " + tr("Grey: {number} of the others, evenly spaced by rank.", number=len(grey))
    return Facets({"": tuple(arms)}, styles, shown, grey, _key(summary, styles), note)


def evenly(names: Sequence[str], most: int) -> list[str]:
    """Return ``names``, or ``most`` of them at equal distances."""
    if len(names) <= most:
        return list(names)
    return [names[i] for i in np.linspace(0, len(names) - 1, most).round().astype(int)]


def _key(summary: pd.DataFrame, styles: Mapping[str, Style]) -> tuple[Key, ...]:
    """Return the entries of a legend that has all arms of ``summary``."""
    width = 60 if len(summary) <= 6 else 22  # many are laid out in two columns
    labels = zip(summary["arm"], arm_labels(summary, width), strict=True)
    return tuple(Key(label, styles[arm], (arm,)) for arm, label in labels)
