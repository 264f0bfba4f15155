"""The gallery: famous claims in a sentence, each with what was found and a main figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from nnexp.analysis.verdicts import FAILS, HOLDS, PARTLY, STALE, UNDECIDED, combined
from nnexp.errors import unknown
from nnexp.studies.judgement import MAIN
from nnexp.studies.rows import Row
from nnexp.studies.section import Section, Shown
from nnexp.studies.study import Study

# Surprises first.
_ORDER = (FAILS, PARTLY, UNDECIDED, HOLDS, STALE)


@dataclass(frozen=True)
class Exhibit:
    """A study in the gallery, and the ``verdict`` that its main claims have together.

    ``answer`` says in a sentence what was found, ``rows`` where the claim holds. ``picture`` is the
    study's main figure, if any.
    """

    study: Study
    verdict: str
    answer: str
    rows: list[Row]
    picture: Shown | None


def gallery(sections: Sequence[Section], rows: Sequence[Row]) -> list[Exhibit]:
    """Return the exhibits of the studies that state a famous claim, surprises first.

    Raises
    ------
    InputError
        If a study does not have its main figure.
    """
    own = {s.study.name: [row for row in rows if row.study == s.study.name] for s in sections}
    found = [
        _exhibit(section, own[section.study.name])
        for section in sections
        if section.study.claim and own[section.study.name]
    ]
    return sorted(found, key=lambda one: _ORDER.index(one.verdict))


def _exhibit(section: Section, rows: list[Row]) -> Exhibit:
    study = section.study
    verdicts = [one.verdict for row in rows for one in row.checks[MAIN]]
    # The stated answer is about the expected verdicts: it must not stand beside others.
    expected = all(one.verdict == one.expected for one in section.judgements)
    answer = study.answer if expected and study.answer else _counted(verdicts)
    verdict = STALE if any(row.verdict == STALE for row in rows) else combined(verdicts)
    return Exhibit(study, verdict, answer, rows, _main(section))


def _counted(verdicts: Sequence[str]) -> str:
    counts = [f"{n} {verdict}" for verdict, n in Counter(verdicts).most_common()]
    return f"Main checks: {', '.join(counts)}."


def _main(section: Section) -> Shown | None:
    """Return the main figure of a study; figures of stale claims are not drawn."""
    name = section.study.figure
    pictures = {picture.name: picture for picture in section.pictures}
    if name in pictures or not name:
        return pictures.get(name)
    if any(one.verdict == STALE for one in section.judgements):
        return None
    raise unknown(f"figure of study {section.study.name!r}", name, pictures)
