"""What the pages say of a study's lock: its date, deviations from it, and its power."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nnexp.analysis.labels import listed
from nnexp.messages.language import tr
from nnexp.studies.judgement import CONFIRMATORY, Judgement
from nnexp.studies.kinds.comparison import Comparison, sized
from nnexp.studies.lock import Deviation, Lock, deviations, lock_file, read_lock
from nnexp.studies.planning import WANTED, Achieved, achieved, seeds_words
from nnexp.studies.study import Study, of_kind

_DIGITS = 12


@dataclass(frozen=True)
class LockSection:
    """What the pages say of a lock.

    ``sentences`` describe it, ``deviations`` are the claims that differ from it, ``planned`` are
    the comparisons with a plan, of which ``power`` has a row of text each, under `power_heads`, and
    ``changes`` the claim, the verdict expected when it was locked, and the confirmatory verdict,
    where these differ.
    """

    sentences: tuple[str, ...]
    deviations: tuple[Deviation, ...] = ()
    planned: tuple[Achieved, ...] = ()
    power: tuple[tuple[str, ...], ...] = ()
    changes: tuple[tuple[str, str, str], ...] = ()


def not_locked() -> LockSection:
    """Return what the pages say of a study without a lock."""
    return LockSection((tr("The study is not locked, so its verdicts are exploratory."),))


def power_heads() -> tuple[str, ...]:
    """Return the heads of the columns of `LockSection.power`."""
    return (
        tr("check"),
        tr("smallest difference that matters"),
        tr("spread in the pilot"),
        tr("seeds"),
        tr("power"),
        tr("seeds for {power}", power=f"{WANTED:.0%}"),
        tr("spread found"),
        tr("power then"),
    )


def lock_section(study: Study, judgements: Sequence[Judgement]) -> LockSection:
    """Return what the pages say of the lock of ``study``, given its judgements.

    Raises
    ------
    InputError
        If the lock is damaged.
    """
    lock = read_lock(study)
    if lock is None:
        return not_locked()
    expected = {entry.id: entry.expected for entry in lock.claims}
    confirmed = [one for one in judgements if one.analysis == CONFIRMATORY]
    plans = {entry.id: entry.power for entry in lock.claims}
    planned = achieved(study, plans, {one.claim: one for one in judgements})
    return LockSection(
        sentences=(*_described(study, lock), *_counted(judgements)),
        deviations=tuple(map(_worded, deviations(lock, study))),
        planned=tuple(planned),
        power=tuple(_power(study, planned)),
        changes=tuple(
            (one.claim, expected[one.claim], one.verdict)
            for one in confirmed
            if expected[one.claim] != one.verdict
        ),
    )


def _worded(deviation: Deviation) -> Deviation:
    """Return a deviation for readers: names of settings and texts of claims stay as they are."""
    words = {
        "claim": tr("claim"),
        "row": tr("row"),
        "role": tr("role"),
        "statement": tr("statement"),
        "error rate": tr("error rate"),
        "rules": tr("rules"),
        "(left out)": tr("(left out)"),
        "(not locked)": tr("(not locked)"),
        "(none)": tr("(none)"),
    }
    what, old, new = (words.get(text, text) for text in deviation[1:])
    return Deviation(deviation.claim, what, old, new)


def _described(study: Study, lock: Lock) -> Iterator[str]:
    texts = {
        "date": lock.locked,
        "numerics": lock.numerics,
        "file": lock_file(study).name,
        "digest": lock.digest[:_DIGITS],
    }
    if lock.commit:
        yield tr(
            "Locked on {date} at commit {commit}, numerics {numerics}, in {file}, digest {digest}.",
            **texts,
            commit=lock.commit[:_DIGITS],
        )
    else:
        yield tr(
            "Locked on {date} outside a repository, numerics {numerics}, in {file}, digest "
            "{digest}.",
            **texts,
        )
    dates = listed([str(one["locked"]) for one in lock.earlier])
    if len(lock.earlier) > 1:
        yield tr(
            "It replaced the locks of {dates}, which the file lists with what changed.", dates=dates
        )
    elif lock.earlier:
        yield tr(
            "It replaced the lock of {dates}, which the file lists with what changed.", dates=dates
        )


def _counted(judgements: Sequence[Judgement]) -> Iterator[str]:
    """Yield how many verdicts are confirmatory, and why others are not."""
    count = sum(one.analysis == CONFIRMATORY for one in judgements)
    yield tr("{n} of {total} verdicts are confirmatory.", n=count, total=len(judgements))
    for reason in dict.fromkeys(one.reason for one in judgements if one.reason):
        claims = listed([one.claim for one in judgements if one.reason == reason])
        yield tr("Exploratory, as {reason}: {claims}.", reason=reason, claims=claims)


def _power(study: Study, planned: Sequence[Achieved]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table of power."""
    tests = {claim.id: test for claim, test in of_kind(study, Comparison)}
    for one in planned:
        test, plan = tests[one.claim], one.plan
        size = functools.partial(sized, test)
        yield (
            one.claim,
            size(one.matters),
            f"{size(plan.sd)} (n = {plan.pilot})",
            str(plan.n),
            f"{plan.power:.2f}",
            seeds_words(plan.needed),
            tr("unknown") if one.sd is None else size(one.sd),
            tr("unknown") if one.power is None else f"{one.power:.2f}",
        )
