"""Which verdicts came out otherwise on unseen seeds than expected when their study was locked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nnexp.analysis import verdicts
from nnexp.analysis.labels import enumerated
from nnexp.messages.language import tr
from nnexp.studies.judgement import CONFIRMATORY, Judgement
from nnexp.studies.rows import Row, by_part
from nnexp.studies.section import Section
from nnexp.studies.words import number_of, verdict_words

# Whether a verdict has the direction of the claim or the other one.
_SIDES = {verdicts.REPRODUCED: 1, verdicts.DIRECTION: 1, verdicts.CONTRADICTED: -1}


def changes(sections: Sequence[Section]) -> list[tuple[Judgement, str]]:
    """Return the confirmatory judgements that were expected otherwise, each with that verdict."""
    found = []
    for section in sections:
        expected = {claim: verdict for claim, verdict, _ in section.lock.changes}
        found += [(one, expected[one.claim]) for one in section.judgements if one.claim in expected]
    return found


def what_changed(sections: Sequence[Section], found: Sequence[Row]) -> str:
    """Say how many confirmatory verdicts were expected otherwise; empty if none is confirmatory.

    ``found`` are the rows of the sources, which tell the main checks.
    """
    confirmed = [one for s in sections for one in s.judgements if one.analysis == CONFIRMATORY]
    if not confirmed:
        return ""
    changed = changes(sections)
    others = by_part([one for one, _ in changed], found)
    counts = [
        tr("{n} of {checks}", n=len(others.get(part, ())), checks=number_of(len(own), part))
        for part, own in by_part(confirmed, found).items()
    ]
    sentence = tr(
        "When a study was locked, it stated which verdict it expected of each check, after a "
        "pilot. On unseen seeds, {n} of {checks} came out otherwise: {counts}.",
        n=len(changed),
        checks=number_of(len(confirmed), "check"),
        counts=enumerated(counts),
    )
    return f"{sentence} {_how(changed)}".rstrip()


def _how(changed: Sequence[tuple[Judgement, str]]) -> str:
    """Say which change is the most common, and how many turned the direction round."""
    kinds = Counter((expected, one.verdict) for one, expected in changed)
    if not kinds:
        return ""
    ((expected, verdict), n), *_ = kinds.most_common()
    turned = sum(_SIDES.get(was, 0) * _SIDES.get(now, 0) < 0 for was, now in kinds.elements())
    return tr(
        "The most common change ({n} of {total}) is from {expected} to {verdict}. In {turned} of "
        "{total}, the difference turned out to be in the other direction.",
        n=n,
        total=len(changed),
        expected=verdict_words(expected),
        verdict=verdict_words(verdict),
        turned=turned,
    )
