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
    TOO_FEW,
    UNDECIDED,
    Effects,
)
from nnexp.analysis.labels import listed, n_words, range_words, signs
from nnexp.analysis.power import MOST_SEEDS
from nnexp.analysis.verdicts import ALPHA, MATTERS, in_points
from nnexp.messages.language import tr

_MATTERS = in_points(MATTERS)


def findings(table: pd.DataFrame, at_best: str = "") -> list[str]:
    """Return a sentence for each finding in the ``table`` of `Effects`, the largest first.

    Levels come before interactions. Rows without a finding are skipped. ``at_best`` says what was
    tuned, as `Comparison.at_best`.
    """
    decided = table[table["finding"].isin([ABOVE, BELOW, ALIKE])]
    size = decided["difference"].abs()
    ranked = decided.assign(later=decided["kind"] == INTERACTION, size=-size)
    rows = ranked.sort_values(["later", "size"], kind="stable").to_dict("records")
    return [tr("Final test accuracy: {finding}.", finding=_sentence(row, at_best)) for row in rows]


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
        tr(
            "Effects are averaged over lr = {values}; tune=lr compares each arm at its best "
            "learning rate.",
            values=listed(values),
        )
    ]


def undecided(table: pd.DataFrame) -> list[str]:
    """Return sentences on the comparisons in the ``table`` of `Effects` that are undecided."""
    sentences = []
    few = table[table["finding"] == TOO_FEW]
    paired = few[few["n"] > 1]
    if len(few):
        needed = tr("Two or more would show how many seeds are needed.")
        if len(paired):
            needed = tr(
                "By their spread so far, {seeds} seeds would show a difference of {matters} "
                "points.",
                seeds=_needed(paired["seeds_needed"]),
                matters=_MATTERS,
            )
        family = round(ALPHA / (1 - few["confidence"].iloc[0]))
        numbers = {"n": n_words(few["n"]), "fewest": few["fewest"].iloc[0], "needed": needed}
        sentences.append(
            tr(
                "Too few seeds ({n}) for a comparison: findings need at least {fewest}. {needed}",
                **numbers,
            )
            if family == 1
            else tr(
                "Too few seeds ({n}) for {family} comparisons: findings need at least {fewest}. "
                "{needed}",
                **numbers,
                family=family,
            )
        )
    rest = table[table["finding"] == UNDECIDED]
    for (kind, factor), rows in rest.groupby(["kind", "factor"], sort=False):
        names = [str(row["level"]) for row in rows.to_dict("records")]
        reference = rows["reference"].iloc[0]
        if kind == INTERACTION:
            what = tr("Interaction of {factor} ({levels})", factor=factor, levels=listed(names))
        elif len(names) == 1:
            what = tr("{first} and {last}", first=names[0], last=reference)
        else:
            what = tr(
                "{levels}, each against {reference}", levels=listed(names), reference=reference
            )
        texts = {"what": what, "n": n_words(rows["n"]), "matters": _MATTERS}
        texts["needed"] = _needed(rows["seeds_needed"])
        sentences.append(
            tr(
                "{what}: no conclusion ({n}); {seen} seeds would show a difference as large as "
                "observed, {needed} seeds would show a difference of {matters} points.",
                **texts,
                seen=_needed(rows["seeds_seen"]),
            )
            if (rows["difference"].abs() > MATTERS).all()
            else tr(
                "{what}: no conclusion ({n}); {needed} seeds would show a difference of {matters} "
                "points.",
                **texts,
            )
        )
    return sentences


def _sentence(row: Mapping[Any, Any], at_best: str) -> str:
    finding = row["finding"]
    low, high, difference = (100 * row[column] for column in ("low", "high", "difference"))
    digits = 1 if abs(difference) >= 1 else 2
    texts = {
        "level": row["level"],
        "reference": row["reference"],
        "size": f"{abs(difference):.{digits}f}",
        "matters": _MATTERS,
        "over": _over(row["over"], at_best),
        "numbers": _numbers(row, low, high, digits),
    }
    if row["kind"] == INTERACTION:
        return _interaction(texts, finding, row["factor"])
    if finding == ALIKE:
        return tr(
            "{level} and {reference} are equivalent within {matters} points{over} {numbers}",
            **texts,
        )
    if not verdicts.decided(row["low"], row["high"], row["matters"]).matters:
        texts["over"] += tr(", possibly less than the {matters} points that matter", **texts)
    if finding == ABOVE:
        return tr("{level} is {size} points above {reference}{over} {numbers}", **texts)
    return tr("{level} is {size} points below {reference}{over} {numbers}", **texts)


def _interaction(texts: Mapping[str, str], finding: str, factor: str) -> str:
    if finding == ALIKE:
        return tr("{level} is within {matters} points of that {reference}{over} {numbers}", **texts)
    if finding == ABOVE:
        return tr(
            "{level} is {size} points higher than {reference}{over} {numbers}: {factor} interact",
            **texts,
            factor=factor,
        )
    return tr(
        "{level} is {size} points lower than {reference}{over} {numbers}: {factor} interact",
        **texts,
        factor=factor,
    )


def _over(factors: str, at_best: str) -> str:
    """Say over what a difference is averaged and at what it is measured, to follow it."""
    parts = [tr(", averaged over {factors}", factors=factors)] if factors else []
    return "".join([*parts, f", {at_best}" if at_best else ""])


def _numbers(row: Mapping[Any, Any], low: float, high: float, digits: int) -> str:
    """Return the interval of a difference in brackets, with what speaks against its median."""
    if low == high:
        return tr("(the same in all {n} pairs)", n=row["n"])
    ends = signs(range_words(f"{low:.{digits}f}", f"{high:.{digits}f}"))
    texts = {"level": f"{100 * (1 - ALPHA):g}", "ends": ends, "n": row["n"]}
    mean = 100 * (row["mean"] - row["reference_mean"])
    if low < high and not low <= mean <= high:
        return tr(
            "({level} % interval {ends}, n = {n}; the mean difference is {mean} points, as a few "
            "seeds are far off)",
            **texts,
            mean=signs(f"{mean:.{digits}f}"),
        )
    return tr("({level} % interval {ends}, n = {n})", **texts)


def _needed(needed: pd.Series[Any]) -> str:
    if needed.isna().any():
        return tr("more than {most}", most=MOST_SEEDS)
    low, high = needed.min(), needed.max()
    return tr("about {number}", number=low if low == high else range_words(low, high))


def finding_words(finding: str) -> str:
    """Return what a comparison found, for a table."""
    return {
        ABOVE: tr("above"),
        BELOW: tr("below"),
        ALIKE: tr("alike"),
        UNDECIDED: tr("undecided"),
        TOO_FEW: tr("too few seeds"),
    }[finding]
