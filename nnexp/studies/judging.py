"""Claims tested against runs: each gives a judgement, with all that its verdict rests on.

The comparisons of a study are a family: each is judged by an interval at level 1 - alpha/m, m being
their number, so that all hold together at 1 - alpha (Bonferroni). A published figure is
tested against the prediction interval of a new run, a published curve against a joint band.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from nnexp.analysis import intervals, power, verdicts
from nnexp.analysis.outcomes import (
    Outcome,
    best,
    described,
    divergences,
    failures,
    matching,
    measured,
)
from nnexp.errors import InputError, unknown
from nnexp.store.tables import Tables
from nnexp.studies.computations import agrees, compute, entry
from nnexp.studies.study import ORDERS, Claim, Study

# Figures of an array that are told.
_MOST_FIGURES = 4


@dataclass(frozen=True)
class Judgement:
    """A row of ``claims.csv``: a claim, what was measured, and the verdict.

    ``first`` and ``second`` are the medians of the two arms (or the median and the threshold; the
    mean and the published figure), ``difference``, the median of the pairs', with ``low`` and
    ``high`` what the verdict is read from, at ``level``; ``detectable`` is the difference that
    ``n`` runs would have shown with a power of 80 %, ``seeds_needed`` how many runs would show
    ``matters``. ``digest`` is `Study.digest` of when it was judged, empty in the
    tables of an older nnexp. What does not apply is empty.
    """

    study: str
    claim: str
    document: str
    row: str
    statement: str
    test: str
    published: str
    outcome: str
    protocol: str
    measured: str
    verdict: str
    expected: str
    n: int | None = None
    first: float | None = None
    second: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    effect_size: float | None = None
    superiority: float | None = None
    matters: float | None = None
    detectable: float | None = None
    seeds_needed: int | None = None
    holds_in: str = ""
    note: str = ""
    digest: str = ""

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one that the study expects, or is none as it is stale."""
        return self.verdict in (self.expected, verdicts.STALE)


def to_table(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """Return judgements as the table of ``claims.csv``."""
    rows = [asdict(one) | {"as_expected": one.as_expected} for one in judgements]
    table: pd.DataFrame = pd.DataFrame(rows).astype({"n": "Int64", "seeds_needed": "Int64"})
    return table


def from_table(table: pd.DataFrame) -> list[Judgement]:
    """Return the judgements of a table of ``claims.csv`` that was read with every cell as text."""
    kinds = {field.name: str(field.type) for field in fields(Judgement)}
    judgements = []
    for row in table.to_dict("records"):
        values: dict[str, Any] = {}
        for name, kind in kinds.items():
            text = row.get(name, "")
            if kind == "str":
                values[name] = text
            elif text:
                values[name] = int(text) if kind.startswith("int") else float(text)
        judgements.append(Judgement(**values))
    return judgements


def current(judgements: Sequence[Judgement], study: Study) -> list[Judgement]:
    """Return what earlier ``judgements`` say of the claims that ``study`` has now.

    They take over how it words its claims and what it expects. A judgement of a claim that is
    another one by now, or is tested otherwise, is stale: it loses its verdict and its numbers.
    Those of an older nnexp, which kept no digest, stay as they are.
    """
    claims = {claim.id: claim for claim in study.claims}
    found = []
    for one in judgements:
        claim = claims.get(one.claim)
        if claim is None:
            continue
        if one.digest == study.digest(claim):
            one = replace(one, **_said(study, claim, one.protocol))
        elif one.digest:
            again = f"stale: judge again with {study.command()}"
            said = _said(study, claim, "") | {"digest": one.digest}
            one = Judgement(**said, measured=again, verdict=verdicts.STALE)
        found.append(one)
    return found


def judge(study: Study, tables: Tables | None, looks: int = 1) -> list[Judgement]:
    """Return the judgement of every claim of ``study`` from the ``tables`` of its runs.

    ``looks`` is at how many moments the study may be judged in all (see ``--top-up``).

    Raises
    ------
    InputError
        If a claim asks for runs, settings or columns that are not there.
    """
    return [_judge(study, claim, tables, looks) for claim in study.claims]


def maps(study: Study, tables: Tables) -> pd.DataFrame:
    """Return where the claims with a ``map`` hold: a row for each cell.

    Columns: ``claim``, the settings of the map (``epoch`` is the evaluation), ``n``, the median
    ``difference`` in the claim's own direction with its plain 95 % interval ``low high``, and
    ``holds`` (``yes``: above 0; ``no``: below 0; ``unclear``). Descriptive: no verdict is read
    from it.
    """
    rows = [row for claim in study.claims if claim.map for row in _cells(claim, tables)]
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def differences(claim: Claim, tables: Tables) -> pd.DataFrame:
    """Return a comparison's pairs: ``seed first second difference``; ``second`` may be one value.

    Raises
    ------
    InputError
        As `judge`.
    """
    where = [_chosen(claim, arm, tables) for arm in claim.arms]
    values = [
        measured(claim.outcome, arm, tables, own, claim.at)
        for arm, own in zip(claim.arms, where, strict=True)
    ]
    if claim.scale == "log10":
        if any((one < 0).any() for one in values):
            raise InputError(f"{claim.outcome} is below 0 in a run, where log10 has no value")
        with np.errstate(divide="ignore", invalid="ignore"):
            values = [one.map(np.log10) for one in values]
    first = values[0]
    if claim.threshold is not None:
        level = math.log10(claim.threshold) if claim.scale == "log10" else claim.threshold
        second = pd.Series(level, index=first.index)
    else:
        second = values[1]
    pairs = pd.DataFrame({"first": first, "second": second}).dropna()
    with np.errstate(invalid="ignore"):
        difference = (pairs["first"] - pairs["second"]).to_numpy()
    # Two runs that both never got there are equal in that.
    equal = (pairs["first"] == pairs["second"]).to_numpy()
    pairs["difference"] = np.where(equal, 0.0, difference)
    paired: pd.DataFrame = pairs.rename_axis("seed").reset_index()
    return paired


def _judge(study: Study, claim: Claim, tables: Tables | None, looks: int) -> Judgement:
    if claim.test == "computed":
        return _computed(study, claim)
    if tables is None or tables.runs.empty:
        raise _error(study, claim, "there are no runs")
    try:
        if claim.test in ORDERS:
            found = _compared(study, claim, tables, looks)
        else:
            found = (_published if claim.test == "published" else _curve)(study, claim, tables)
        lost = [failures(arm, tables, claim.where) for arm in dict.fromkeys(claim.arms)]
        if words := divergences(claim.arms, tables, claim.where):
            found = replace(found, measured=f"{found.measured}; {words}")
    except InputError as error:
        raise _error(study, claim, str(error)) from None
    if not any(lost):
        return found
    measured = "; ".join([found.measured, *filter(None, lost)])
    return replace(found, measured=measured, verdict=verdicts.WITHHELD)


def _error(study: Study, claim: Claim, message: str) -> InputError:
    return InputError(f"{study.file}, line {claim.line}: claim {claim.id!r}: {message}")


def _compared(study: Study, claim: Claim, tables: Tables, looks: int) -> Judgement:
    pairs = differences(claim, tables)
    values = pairs["difference"].to_numpy(float)
    if not len(values):
        raise InputError("no pair of runs of equal seed has ended: see the sweep's failed runs")
    n, alpha = len(values), study.alpha / study.family / looks
    interval = intervals.median_interval(values, alpha)
    low, high = float(interval.low), float(interval.high)
    known = n > 1 and bool(np.isfinite(values).all())
    sd = float(values.std(ddof=1)) if known else math.nan
    return Judgement(
        **_said(study, claim, _chosen_words(claim, tables)),
        measured=_measured(claim, pairs, low, high),
        verdict=verdicts.compared(interval, claim.matters, claim.test),
        n=n,
        first=_median(pairs["first"]),
        second=_median(pairs["second"]),
        difference=float(interval.middle),
        low=low,
        high=high,
        level=1 - alpha,
        effect_size=intervals.effect_size(values) if known else None,
        superiority=intervals.superiority(values),
        matters=claim.matters,
        detectable=power.detectable(sd, n, alpha) if known else None,
        seeds_needed=power.seeds_needed(sd, claim.matters, alpha) if known else None,
        holds_in=_share(claim, tables),
    )


def _published(study: Study, claim: Claim, tables: Tables) -> Judgement:
    (arm,) = claim.arms
    values = measured(claim.outcome, arm, tables, claim.where, claim.at).to_numpy(float)
    said = _said(study, claim, described(claim.where, claim.at))
    if not len(values):
        raise InputError(f"no run of arm {arm!r} has ended: see the sweep's failed runs")
    interval = intervals.prediction_interval(values, rounding=claim.rounding)
    low, high, mean = float(interval.low), float(interval.high), float(interval.middle)
    return Judgement(
        **said,
        measured=f"{_digits(claim.outcome, mean)}, 95 % prediction interval "
        f"{_digits(claim.outcome, low)} to {_digits(claim.outcome, high)}",
        verdict=verdicts.published(
            claim.value, low, high, (high - low) / 2, claim.cap, claim.better
        ),
        n=len(values),
        first=mean,
        second=claim.value,
        difference=mean - claim.value,
        low=low,
        high=high,
        level=0.95,
    )


def band(claim: Claim, tables: Tables) -> pd.DataFrame:
    """Return a published curve and ours: ``at published mean low high`` and every run's values.

    ``low`` and ``high`` are the joint 95 % prediction band of a new run; ``run 0`` … are the runs.
    """
    (arm,) = claim.arms
    by_point = {
        at: measured(claim.outcome, arm, tables, claim.where, {claim.by: at}) for at in claim.points
    }
    runs = pd.DataFrame(by_point).dropna()
    curves = runs.to_numpy(float)
    if not len(curves):
        raise InputError(f"no run of arm {arm!r} has ended: see the sweep's failed runs")
    low, high = intervals.joint_band(curves, rounding=claim.rounding)
    table = pd.DataFrame(
        {"at": list(claim.points), "published": list(claim.points.values())}
        | {"mean": curves.mean(axis=0), "low": low, "high": high}
    )
    ours = pd.DataFrame(curves.T, columns=[f"run {i}" for i in range(len(curves))])
    both: pd.DataFrame = pd.concat([table, ours], axis=1)
    return both


def _curve(study: Study, claim: Claim, tables: Tables) -> Judgement:
    table = band(claim, tables)
    published, low, high = (table[c].to_numpy(float) for c in ("published", "low", "high"))
    n = sum(str(column).startswith("run ") for column in table)
    inside = int(((published >= low) & (published <= high)).sum())
    gap = table["mean"].to_numpy(float) - published
    worst = int(np.argmax(np.abs(gap)))
    points = f"{inside} of {len(table)} points within the joint band; farthest "
    at = f"{claim.by} {table['at'][worst]:g}"
    said = _said(study, claim, described(claim.where, {}))
    return Judgement(
        **said,
        measured=f"{points}{_digits(claim.outcome, table['mean'][worst])} against "
        f"{_digits(claim.outcome, published[worst])} at {at}",
        verdict=verdicts.curve(published, low, high, (high - low) / 2, claim.cap, claim.better),
        n=n,
        first=float(table["mean"][worst]),
        second=float(published[worst]),
        difference=float(gap[worst]),
        level=0.95,
    )


def _computed(study: Study, claim: Claim) -> Judgement:
    try:
        found = compute(claim.compute, claim.given)
        parts = {name: entry(found, name) for name in claim.published}
    except InputError as error:
        raise _error(study, claim, str(error)) from None
    same = [
        agrees(
            part,
            claim.published[name],
            claim.rounding[name] if isinstance(claim.rounding, dict) else claim.rounding,
        )
        for name, part in parts.items()
    ]
    return Judgement(
        **_said(study, claim, ""),
        measured=_figures(parts),
        verdict=verdicts.REPRODUCED if all(same) else verdicts.CONTRADICTED,
    )


def _figures(quantities: Mapping[str, Any]) -> str:
    """Return named figures in words, the first few of each."""
    told = []
    for name, value in quantities.items():
        flat = np.asarray(value, float).ravel()
        more = ", …" if flat.size > _MOST_FIGURES else ""
        told.append(f"{name} = {', '.join(f'{v:.9g}' for v in flat[:_MOST_FIGURES])}{more}")
    return "; ".join(told)


def _said(study: Study, claim: Claim, protocol: str) -> dict[str, Any]:
    """Return what a judgement repeats of its claim."""
    return {
        "study": study.name,
        "claim": claim.id,
        "document": claim.document,
        "row": claim.row,
        "statement": claim.statement,
        "test": claim.test,
        "published": _printed(claim),
        "outcome": "" if claim.test == "computed" else str(claim.outcome),
        "protocol": protocol,
        "expected": claim.expected,
        "note": claim.note,
        "digest": study.digest(claim),
    }


def _printed(claim: Claim) -> str:
    """Return what was published, in words."""
    if claim.test == "computed":
        return claim.note or _figures(claim.published)
    if claim.published is not None and str(claim.published):
        return str(claim.published)
    return {"published": f"{claim.value:g}", "curve": f"{len(claim.points)} points"}.get(
        claim.test, ""
    )


def _measured(claim: Claim, pairs: pd.DataFrame, low: float, high: float) -> str:
    unit = 100 if claim.outcome.is_accuracy and claim.scale == "plain" else 1
    first, second, difference = (_median(pairs[c]) for c in ("first", "second", "difference"))
    points = " points" if unit == 100 else ""
    log = "log10 " if claim.scale == "log10" else ""
    interval = f"[{low * unit:+.3g}, {high * unit:+.3g}]" if low != high else "in every pair"
    return (
        f"{log}{_digits(claim.outcome, first)} against {_digits(claim.outcome, second)}: "
        f"{difference * unit:+.3g}{points} {interval}"
    )


def _digits(outcome: Outcome, value: float) -> str:
    return f"{value:.4f}" if outcome.is_accuracy else f"{value:.4g}"


def _median(values: pd.Series[Any]) -> float:
    with np.errstate(invalid="ignore"):  # between infinities
        return float(np.median(values))


def _share(claim: Claim, tables: Tables) -> str:
    """Say in how many cells of the claim's map it holds."""
    if not claim.map:
        return ""
    held = [row["holds"] for row in _cells(claim, tables)]
    yes, no = held.count("yes"), held.count("no")
    return f"{yes} of {len(held)} cells, reversed in {no}"


def _cells(claim: Claim, tables: Tables) -> Iterator[dict[str, Any]]:
    settings = [key for key in claim.map if key != "epoch"]
    arms = tables.runs[tables.runs["arm"].isin(claim.arms)]
    for key in settings:
        if key not in arms:
            raise unknown("setting of a map", key, map(str, arms.columns))
    combinations = arms[settings].drop_duplicates().to_dict("records") if settings else [{}]
    epochs: list[float | None] = [None]
    if "epoch" in claim.map:
        own = tables.metrics[tables.metrics["run_id"].isin(arms["run_id"])]
        epochs = sorted(e for e in own["epoch"].unique() if e > 0)
    for combination in combinations:
        for epoch in epochs:
            at = dict(claim.at) if epoch is None else {"epoch": epoch}
            cell = _replaced(claim, {**claim.where, **combination}, at)
            values = differences(cell, tables)["difference"].to_numpy(float)
            values = -values if claim.test == "less" else values
            interval = intervals.median_interval(values)
            low, high = float(interval.low), float(interval.high)
            holds = "yes" if low > 0 else "no" if high < 0 else "unclear"
            row: dict[str, Any] = {"claim": claim.id, **combination}
            row |= {} if epoch is None else {"epoch": epoch}
            yield row | {
                "n": len(values),
                "difference": float(interval.middle),
                "low": low,
                "high": high,
                "holds": holds,
            }


def _replaced(claim: Claim, where: Mapping[str, Any], at: Mapping[str, float]) -> Claim:
    tuned = {} if claim.tuned.get("over") in where else claim.tuned
    return replace(claim, where=where, at=at, tuned=tuned)


def _chosen(claim: Claim, arm: str, tables: Tables) -> dict[str, Any]:
    """Return the settings fixed for an arm; a tuned one is at its best mean score."""
    where = dict(claim.where)
    if claim.tuned:
        over, by = claim.tuned["over"], claim.tuned["by"]
        runs = matching(tables.runs, arm, where)
        where[over] = best(runs, over, by)
    return where


def _chosen_words(claim: Claim, tables: Tables) -> str:
    words = described(claim.where, claim.at)
    if claim.tuned:
        over = claim.tuned["over"]
        chosen = ", ".join(f"{a} at {over} {_chosen(claim, a, tables)[over]}" for a in claim.arms)
        score = claim.tuned["by"].replace("_", " ")
        words = f"{words}{'; ' if words else ''}each at its best {score}: {chosen}"
    return words
