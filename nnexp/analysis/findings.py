"""Sentences about the effects of a sweep: the findings, and what is undecided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from nnexp.analysis import doubts, verdicts
from nnexp.analysis.arms import Comparison
from nnexp.analysis.effects import (
    ABOVE,
    ALIKE,
    BELOW,
    INTERACTION,
    LEVEL,
    TOO_FEW,
    UNDECIDED,
    Effects,
)
from nnexp.analysis.labels import listed, n_words, signs
from nnexp.analysis.power import MOST_SEEDS
from nnexp.analysis.verdicts import ALPHA, MATTERS, in_points

_MATTERS = f"{in_points(MATTERS)} points"
_SHOW = f"would show a difference of {_MATTERS}"


def findings(table: pd.DataFrame, at_best: str = "") -> list[str]:
    """Return a sentence for each finding in the ``table`` of `Effects`, the largest first.

    Levels come before interactions. Rows without a finding are skipped. ``at_best`` says what was
    tuned, as `Comparison.at_best`.
    """
    decided = table[table["finding"].isin([ABOVE, BELOW, ALIKE])]
    size = decided["difference"].abs()
    ranked = decided.assign(later=decided["kind"] == INTERACTION, size=-size)
    rows = ranked.sort_values(["later", "size"], kind="stable").to_dict("records")
    return [f"Final test accuracy: {_sentence(row, at_best)}." for row in rows]


def remarks(comparison: Comparison, found: Effects) -> list[str]:
    """Return what a reader of the findings has to know about tuning, in sentences."""
    return [*doubts.tuning(comparison), *averaged(found)]


def averaged(found: Effects) -> list[str]:
    """Return a sentence if effects are averaged over learning rates."""
    rates = next((factor.numbers for factor in found.factors if factor.name == "lr"), {})
    if len(found.factors) == 1 or not rates or not (found.table["n"] > 1).any():
        return []
    values = [f"{rate:g}" for rate in sorted(rates.values())]
    return [
        f"Effects are averaged over lr = {listed(values)}; tune=lr compares each arm at its best "
        "learning rate."
    ]


def undecided(table: pd.DataFrame) -> list[str]:
    """Return sentences on the comparisons in the ``table`` of `Effects` that are undecided."""
    sentences = []
    few = table[table["finding"] == TOO_FEW]
    paired = few[few["n"] > 1]
    if len(few):
        needed = "Two or more would show how many seeds are needed"
        if len(paired):
            needed = f"By their spread so far, {_needed(paired['seeds_needed'])} seeds {_SHOW}"
        family = round(ALPHA / (1 - few["confidence"].iloc[0]))
        several = "a comparison" if family == 1 else f"{family} comparisons"
        sentences.append(
            f"Too few seeds ({n_words(few['n'])}) for {several}: findings need at least "
            f"{few['fewest'].iloc[0]}. {needed}."
        )
    rest = table[table["finding"] == UNDECIDED]
    for (kind, factor), rows in rest.groupby(["kind", "factor"], sort=False):
        names = [str(row["level"]) for row in rows.to_dict("records")]
        reference = rows["reference"].iloc[0]
        if kind == INTERACTION:
            what = f"Interaction of {factor} ({listed(names)})"
        elif len(names) == 1:
            what = f"{names[0]} and {reference}"
        else:
            what = f"{listed(names)}, each against {reference}"
        observed = ""
        if (rows["difference"].abs() > MATTERS).all():
            seen = _needed(rows["seeds_seen"])
            observed = f"{seen} seeds would show a difference as large as observed, "
        sentences.append(
            f"{what}: no conclusion ({n_words(rows['n'])}); {observed}"
            f"{_needed(rows['seeds_needed'])} seeds {_SHOW}."
        )
    return sentences


def _sentence(row: Mapping[Any, Any], at_best: str) -> str:
    level, reference, finding = row["level"], row["reference"], row["finding"]
    low, high, difference = (100 * row[column] for column in ("low", "high", "difference"))
    digits = 1 if abs(difference) >= 1 else 2
    ends = signs(f"{low:.{digits}f} to {high:.{digits}f}")
    over = f", averaged over {row['over']}" if row["over"] else ""
    over += f", {at_best}" if at_best else ""
    numbers = f"({100 * (1 - ALPHA):g} % interval {ends}, n = {row['n']})"
    if low == high:
        numbers = f"(the same in all {row['n']} pairs)"
    mean = 100 * (row["mean"] - row["reference_mean"])
    if low < high and not low <= mean <= high:
        far = f"the mean difference is {mean:.{digits}f} points, as a few seeds are far off)"
        numbers = signs(f"{numbers[:-1]}; {far}")
    size = f"{abs(difference):.{digits}f} points"
    if row["kind"] == LEVEL:
        if finding == ALIKE:
            return f"{level} and {reference} are equivalent within {_MATTERS}{over} {numbers}"
        shown = verdicts.decided(row["low"], row["high"], row["matters"]).matters
        small = "" if shown else f", possibly less than the {_MATTERS} that matter"
        return f"{level} is {size} {finding} {reference}{over}{small} {numbers}"
    if finding == ALIKE:
        return f"{level} is within {_MATTERS} of that {reference}{over} {numbers}"
    side = "higher" if finding == ABOVE else "lower"
    interact = f"{row['factor']} interact"
    return f"{level} is {size} {side} than {reference}{over} {numbers}: {interact}"


def _needed(needed: pd.Series[Any]) -> str:
    if needed.isna().any():
        return f"more than {MOST_SEEDS}"
    low, high = needed.min(), needed.max()
    return f"about {low}" if low == high else f"about {low} to {high}"
