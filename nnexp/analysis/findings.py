"""The effects of a sweep in sentences: what was found, and what is left open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from nnexp.analysis import intervals, verdicts
from nnexp.analysis.effects import ABOVE, ALIKE, BELOW, INTERACTION, LEVEL, TOO_FEW, UNDECIDED
from nnexp.analysis.labels import listed
from nnexp.analysis.verdicts import MATTERS


def findings(table: pd.DataFrame) -> list[str]:
    """Return a plain sentence for each finding in the ``table`` of `Effects`, the largest first.

    Levels come before interactions. A row without a finding has no sentence.
    """
    found = table[table["finding"].isin([ABOVE, BELOW, ALIKE])]
    size = found["difference"].abs()
    ranked = found.assign(later=found["kind"] == INTERACTION, size=-size)
    rows = ranked.sort_values(["later", "size"], kind="stable").to_dict("records")
    return [_sentence(row) for row in rows]


def undecided(table: pd.DataFrame) -> list[str]:
    """Return in plain sentences what the ``table`` of `Effects` leaves open, and why."""
    told = []
    few = table[table["finding"] == TOO_FEW]
    paired = few[few["n"] > 1]
    if len(few):
        n = few["n"]
        count = f"n = {n.min()}" if n.min() == n.max() else f"n = {n.min()} to {n.max()}"
        needed = "from two on, their spread says how many would tell"
        if len(paired):
            needed = (
                f"by their spread so far, {_needed(paired['seeds_needed'])} would show a "
                f"difference of {_points(MATTERS)} points"
            )
        fewest = verdicts.FEWEST_SEEDS
        told.append(f"Too few seeds to tell: {count}. A finding takes {fewest} at least; {needed}.")
    rest = table[table["finding"] == UNDECIDED]
    for (kind, factor), rows in rest.groupby(["kind", "factor"], sort=False):
        names = [str(row["level"]) for row in rows.to_dict("records")]
        if kind == LEVEL:
            what = f"{listed(names)} and {rows['reference'].iloc[0]} are not told apart"
        else:
            what = f"Whether {factor} interact is not told in full"
            what += f" ({listed(names)})"
        seen = ""
        if (rows["difference"].abs() > MATTERS).all():
            seen = f"{_needed(rows['seeds_seen'])} seeds would show one as large as seen, "
        told.append(
            f"{what} (n = {rows['n'].min()}): {seen}{_needed(rows['seeds_needed'])} seeds would "
            f"show a difference of {_points(MATTERS)} points."
        )
    return told


def _sentence(row: Mapping[Any, Any]) -> str:
    low, high, difference = (100 * row[c] for c in ("low", "high", "difference"))
    numbers = f"{difference:+.2f} points [{low:+.2f}, {high:+.2f}], n = {row['n']}"
    over = f", averaged over {row['over']}" if row["over"] else ""
    level, reference, finding = row["level"], row["reference"], row["finding"]
    alike = f", to within {_points(MATTERS)} points"
    if row["kind"] == LEVEL:
        if finding == ALIKE:
            return f"{level} ends where {reference} does{alike}{over}: {numbers}."
        little = abs(row["difference"]) < row["matters"]
        small = f", by less than the {_points(MATTERS)} points that matter" if little else ""
        return f"{level} ends {finding} {reference}{over}{small}: {numbers}."
    if finding == ALIKE:
        return f"{level} is what it is {reference}{alike}{over}: {numbers}."
    side = "higher" if finding == ABOVE else "lower"
    return f"{level} is {side} than {reference}{over}: {numbers}. So {row['factor']} interact."


def _needed(needed: pd.Series[Any]) -> str:
    if needed.isna().any():
        return f"more than {intervals.MOST_SEEDS}"
    low, high = needed.min(), needed.max()
    return f"about {low}" if low == high else f"about {low} to {high}"


def _points(share: float) -> str:
    return f"{100 * share:g}"
