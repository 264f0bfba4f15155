"""What the pages say of a study's lock: its date, deviations from it, and its power."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nnexp.analysis.labels import listed
from nnexp.studies.judgement import CONFIRMATORY, Judgement
from nnexp.studies.kinds.comparison import Comparison
from nnexp.studies.kinds.wording import number
from nnexp.studies.lock import Deviation, Lock, deviations, lock_file, read_lock
from nnexp.studies.planning import WANTED, achieved
from nnexp.studies.study import Study, of_kind

# The heads of the columns of `LockSection.power`.
POWER_HEADS = (
    *("check", "smallest difference that matters", "spread in the pilot", "seeds", "power"),
    *(f"seeds for {WANTED:.0%}", "spread found", "power then"),
)
_DIGITS = 12


@dataclass(frozen=True)
class LockSection:
    """What the pages say of a lock.

    ``sentences`` describe it, ``deviations`` are the claims that differ from it, ``power`` has a
    row of text for each comparison with a plan, under `POWER_HEADS`, and ``changes`` the claim, the
    verdict expected when it was locked, and the confirmatory verdict, where these differ.
    """

    sentences: tuple[str, ...]
    deviations: tuple[Deviation, ...] = ()
    power: tuple[tuple[str, ...], ...] = ()
    changes: tuple[tuple[str, str, str], ...] = ()


NOT_LOCKED = LockSection(("The study is not locked, so its verdicts are exploratory.",))


def lock_section(study: Study, judgements: Sequence[Judgement]) -> LockSection:
    """Return what the pages say of the lock of ``study``, given its judgements.

    Raises
    ------
    InputError
        If the lock is damaged.
    """
    lock = read_lock(study)
    if lock is None:
        return NOT_LOCKED
    expected = {entry.id: entry.expected for entry in lock.claims}
    confirmed = [one for one in judgements if one.analysis == CONFIRMATORY]
    return LockSection(
        sentences=(*_described(study, lock), *_counted(judgements)),
        deviations=tuple(deviations(lock, study)),
        power=tuple(_power(study, lock, judgements)),
        changes=tuple(
            (one.claim, expected[one.claim], one.verdict)
            for one in confirmed
            if expected[one.claim] != one.verdict
        ),
    )


def _described(study: Study, lock: Lock) -> Iterator[str]:
    commit = f"at commit {lock.commit[:_DIGITS]}" if lock.commit else "outside a repository"
    yield (
        f"Locked on {lock.locked} {commit}, numerics {lock.numerics}, in {lock_file(study).name}, "
        f"digest {lock.digest[:_DIGITS]}."
    )
    if lock.earlier:
        dates = listed([str(one["locked"]) for one in lock.earlier])
        plural = "s" if len(lock.earlier) > 1 else ""
        yield f"It replaced the lock{plural} of {dates}, which the file lists with what changed."


def _counted(judgements: Sequence[Judgement]) -> Iterator[str]:
    """Yield how many verdicts are confirmatory, and why others are not."""
    count = sum(one.analysis == CONFIRMATORY for one in judgements)
    yield f"{count} of {len(judgements)} verdicts are confirmatory."
    for reason in dict.fromkeys(one.reason for one in judgements if one.reason):
        claims = listed([one.claim for one in judgements if one.reason == reason])
        yield f"Exploratory, as {reason}: {claims}."


def _power(study: Study, lock: Lock, judgements: Sequence[Judgement]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table of power."""
    planned = {entry.id: entry.power for entry in lock.claims}
    tests = {claim.id: test for claim, test in of_kind(study, Comparison)}
    for one in achieved(study, planned, {j.claim: j for j in judgements}):
        test, plan = tests[one.claim], one.plan
        unit = " points" if test.in_points else " in log10" if test.scale == "log10" else ""
        factor = 100 if test.in_points else 1
        yield (
            one.claim,
            f"{number(factor * one.matters)}{unit}",
            f"{number(factor * plan.sd)}{unit} (n = {plan.pilot})",
            str(plan.n),
            f"{plan.power:.2f}",
            "none" if plan.needed is None else str(plan.needed),
            "unknown" if one.sd is None else f"{number(factor * one.sd)}{unit}",
            "unknown" if one.power is None else f"{one.power:.2f}",
        )
