"""Which verdicts are confirmatory: those on locked claims, from runs that began after the lock.

Everything is checked from the lock and the table of the runs. Any other verdict is exploratory.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import pandas as pd

from nnexp.analysis.labels import listed, range_words
from nnexp.messages.language import tr
from nnexp.studies.judgement import CONFIRMATORY, EXPLORATORY, Judgement
from nnexp.studies.lock import FIRST_SEED, Lock, LockedClaim, deviations, read_lock
from nnexp.studies.study import COMPARISONS, Claim, Study


def rule() -> str:
    """Return which verdicts are confirmatory, as Markdown."""
    return tr(
        "A verdict is **confirmatory** if its claim was locked before the first of its runs began, "
        "was not changed since, and its seeds are the locked ones, which no pilot used (pilots use "
        "seeds below {first}). Any other verdict is **exploratory**. The two are never counted "
        "together.",
        first=FIRST_SEED,
    )


def registered(
    study: Study, judgements: Sequence[Judgement], runs: pd.DataFrame | None
) -> list[Judgement]:
    """Return ``judgements`` with their ``analysis``, and the ``reason`` for exploratory ones.

    ``runs`` are those of the study, if it has any.

    Raises
    ------
    InputError
        If the study's lock is damaged.
    """
    lock = read_lock(study)
    claims = {claim.id: claim for claim in study.claims}
    changed = {one.claim for one in deviations(lock, study)} if lock is not None else set()
    found = []
    for one in judgements:
        reason = _reason(study, claims[one.claim], one, runs, lock, changed)
        kind = EXPLORATORY if reason else CONFIRMATORY
        found.append(replace(one, analysis=kind, reason=reason))
    return found


def _reason(
    study: Study,
    claim: Claim,
    judgement: Judgement,
    runs: pd.DataFrame | None,
    lock: Lock | None,
    changed: Collection[str],
) -> str:
    """Return why the verdict on a claim is exploratory, empty if it is confirmatory."""
    if lock is None:
        return tr("the study is not locked")
    entry = lock.claim(claim.id)
    if entry is None:
        return tr("it was added after the lock")
    if claim.id in changed:
        return tr("it was changed after the lock")
    if judgement.digest != entry.digest:
        return tr("it was judged before the lock")
    if not claim.test.arms:
        return ""
    level = 1 - study.alpha / max(entry.family, 1)
    if claim.test.FAMILY == COMPARISONS and not math.isclose(judgement.level or level, level):
        return tr("it was judged several times while seeds were added")
    if runs is None or "arm" not in runs:
        return tr("its runs are missing")
    return _flaw(runs[runs["arm"].isin(claim.test.arms)], lock, entry)


def _flaw(runs: pd.DataFrame, lock: Lock, entry: LockedClaim) -> str:
    """Return the first thing that speaks against the ``runs`` of a locked claim, or ``""``."""
    seeds = sorted({int(seed) for seed in runs["seed"]})
    for seed in seeds:
        if seed < FIRST_SEED:
            return tr(
                "seed {seed} is a pilot's: those of confirmatory runs are {first} and up",
                seed=seed,
                first=FIRST_SEED,
            )
    if tuple(seeds) != lock.seeds:
        return tr(
            "it was run with seeds {seeds}; locked were {locked}",
            seeds=spans(seeds),
            locked=spans(lock.seeds),
        )
    columns = ("run_id", "started", "numerics")
    rows = runs.reindex(columns=list(columns)).sort_values("run_id").to_dict("records")
    for row in rows:
        if not isinstance(row["started"], str):
            return tr("it is not recorded when run {run} began", run=row["run_id"])
    first = min(rows, key=lambda row: str(row["started"]))
    if str(first["started"]) < entry.locked:
        return tr(
            "run {run} began at {started}, before the lock",
            run=first["run_id"],
            started=first["started"],
        )
    for row in rows:
        if row["numerics"] != lock.numerics:
            return tr(
                "run {run} is of numerics {numerics}; locked were {locked}",
                run=row["run_id"],
                numerics=f"{row['numerics']:g}",
                locked=lock.numerics,
            )
    return ""


def spans(numbers: Iterable[int]) -> str:
    """Return ascending whole numbers as text: ``3 and 100 to 109``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    words = [range_words(p[0], p[-1]) if len(p) > 1 else str(p[0]) for p in parts]
    return listed(words) if words else tr("none")
