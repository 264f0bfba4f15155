"""Which verdicts came out otherwise on unseen seeds than expected when their study was locked."""

from __future__ import annotations

from collections.abc import Sequence

from nnexp.analysis.labels import enumerated
from nnexp.language import tr
from nnexp.studies.judgement import CONFIRMATORY, Judgement
from nnexp.studies.rows import Row, by_part
from nnexp.studies.section import Section
from nnexp.studies.words import number_of


def changes(sections: Sequence[Section]) -> list[tuple[Judgement, str]]:
    """Return the confirmatory judgements that were expected otherwise, each with that verdict."""
    found = []
    for section in sections:
        expected = {claim: verdict for claim, verdict, _ in section.lock.changes}
        found += [(one, expected[one.claim]) for one in section.judgements if one.claim in expected]
    return found


def how_many_changed(sections: Sequence[Section], found: Sequence[Row]) -> str:
    """Say how many confirmatory verdicts were expected otherwise; empty if none is confirmatory.

    ``found`` are the rows of the sources, which tell the main checks.
    """
    changed = by_part([one for one, _ in changes(sections)], found)
    confirmed = [one for s in sections for one in s.judgements if one.analysis == CONFIRMATORY]
    if not confirmed:
        return ""
    return tr(
        "When a study was locked, it stated which verdict it expected of each check, after a "
        "pilot. On unseen seeds, {n} of {checks} came out otherwise: {parts}.",
        n=sum(map(len, changed.values())),
        checks=number_of(len(confirmed), "check"),
        parts=enumerated(
            [
                tr(
                    "{n} of {checks}",
                    n=len(changed.get(part, ())),
                    checks=number_of(len(own), part),
                )
                for part, own in by_part(confirmed, found).items()
            ]
        ),
    )
