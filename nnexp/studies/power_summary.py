"""The power of all checks as planned, and which had too few seeds for a conclusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnexp.analysis import verdicts
from nnexp.analysis.labels import enumerated
from nnexp.messages.language import tr
from nnexp.studies.judgement import Judgement
from nnexp.studies.planning import WANTED, Achieved, seeds_words
from nnexp.studies.rows import Row, by_part
from nnexp.studies.section import Section
from nnexp.studies.words import number_of


@dataclass(frozen=True)
class Weak:
    """A check with less power than `WANTED` that came to no conclusion, as words for a table.

    ``planned`` and ``found`` are the numbers of seeds for that power, by the spread in the pilot
    and by the one that was found.
    """

    judgement: Judgement
    seeds: int
    power: str
    planned: str
    found: str


def what_power(sections: Sequence[Section], found: Sequence[Row]) -> str:
    """Say how many comparisons were planned with enough power; empty if none was planned.

    ``found`` are the rows of the sources, which tell the main checks.
    """
    planned = _planned(sections)
    if not planned:
        return ""
    strong = [one for one, plan in planned if plan.plan.power >= WANTED]
    enough = by_part(strong, found)
    counts = [
        tr("{n} of {checks}", n=len(enough.get(part, ())), checks=number_of(len(own), part))
        for part, own in by_part([one for one, _ in planned], found).items()
    ]
    first = tr(
        "The power of a check is the probability that its seeds show a difference of the smallest "
        "size that matters. As planned from pilots, it was {wanted} or more for {n} of {checks}: "
        "{counts}.",
        wanted=f"{WANTED:.0%}",
        n=len(strong),
        checks=number_of(len(planned), "check"),
        counts=enumerated(counts),
    )
    weak, undecided = len(planned) - len(strong), len(weak_checks(sections))
    if not weak:
        return first
    second = tr(
        "There was no time for enough seeds for the other {n}, so they could miss a difference "
        "that is just large enough to matter. For {decided} of them, the difference that was found "
        "was clear enough for a verdict; {open} remained inconclusive.",
        n=weak,
        decided=weak - undecided,
        open=undecided,
    )
    return f"{first} {second}"


def weak_checks(sections: Sequence[Section]) -> list[Weak]:
    """Return the inconclusive checks that were planned with less power than `WANTED`."""
    return [
        Weak(
            judgement=one,
            seeds=plan.plan.n,
            power=f"{plan.plan.power:.2f}",
            planned=seeds_words(plan.plan.needed),
            found=tr("unknown") if plan.sd is None else seeds_words(plan.needed),
        )
        for one, plan in _planned(sections)
        if plan.plan.power < WANTED and one.verdict == verdicts.INCONCLUSIVE
    ]


def _planned(sections: Sequence[Section]) -> list[tuple[Judgement, Achieved]]:
    """Return the judgements of comparisons with a plan, and the plan."""
    pairs = []
    for section in sections:
        plans = {plan.claim: plan for plan in section.lock.planned}
        pairs += [(one, plans[one.claim]) for one in section.judgements if one.claim in plans]
    return pairs
