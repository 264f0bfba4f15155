"""What the report shows of each study first: the claim, what was found, a verdict and a figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from nnexp.analysis.verdicts import FAILS, HOLDS, PARTLY, STALE, UNDECIDED, combined
from nnexp.errors import unknown
from nnexp.messages.language import tr
from nnexp.studies.judgement import MAIN
from nnexp.studies.rows import Row
from nnexp.studies.section import Section, Shown
from nnexp.studies.study import Study
from nnexp.studies.topics import TOPICS, question
from nnexp.studies.words import counted

# Surprises first; a study without main claims has no verdict.
_ORDER = (FAILS, PARTLY, UNDECIDED, HOLDS, "", STALE)
_MOST_HEADLINES = 10


@dataclass(frozen=True)
class Exhibit:
    """A study in the report, and the ``verdict`` that its main claims have together.

    ``answer`` says in a sentence what was found, ``rows`` where the claim holds. ``picture`` is the
    study's main figure, if any. Without main claims, there are no ``rows`` and ``verdict`` is
    empty.
    """

    study: Study
    verdict: str
    answer: str
    rows: list[Row]
    picture: Shown | None


def gallery(sections: Sequence[Section], rows: Sequence[Row]) -> list[Exhibit]:
    """Return an exhibit for each study, surprises first.

    Raises
    ------
    InputError
        If a study does not have its main figure.
    """
    own = {s.study.name: [row for row in rows if row.study == s.study.name] for s in sections}
    found = [_exhibit(section, own[section.study.name]) for section in sections]
    return sorted(found, key=lambda one: _ORDER.index(one.verdict))


def headlines(exhibits: Sequence[Exhibit]) -> list[Exhibit]:
    """Return the ten findings most worth knowing, surprises first, as ``exhibits`` are.

    They have a figure, and an answer that their verdicts bear out; where these are open, nothing is
    found. Studies marked as a headline come before others, and surprises before what was expected.
    """
    worth = [
        one
        for one in exhibits
        if one.picture and one.answer == one.study.answer and one.verdict not in (STALE, UNDECIDED)
    ]
    first = sorted(worth, key=lambda one: not one.study.headline)[:_MOST_HEADLINES]
    return [one for one in worth if one in first]


def by_topic(exhibits: Sequence[Exhibit]) -> dict[str, list[Exhibit]]:
    """Return the exhibits under the question of each topic that has some."""
    groups = {question(topic): [e for e in exhibits if e.study.topic == topic] for topic in TOPICS}
    return {words: own for words, own in groups.items() if own}


def _exhibit(section: Section, rows: list[Row]) -> Exhibit:
    study = section.study
    verdicts = [one.verdict for row in rows for one in row.checks[MAIN]]
    # The stated answer is about the expected verdicts: it must not stand beside others.
    expected = all(one.verdict == one.expected for one in section.judgements)
    answer = study.answer if expected and study.answer else _counted(section, verdicts)
    stale = any(row.verdict == STALE for row in rows)
    verdict = STALE if stale else combined(verdicts) if verdicts else ""
    return Exhibit(study, verdict, answer, rows, _main(section))


def _counted(section: Section, main: Sequence[str]) -> str:
    every = main or [one.verdict for one in section.judgements]
    counts = ", ".join(counted(verdict, n) for verdict, n in Counter(every).most_common())
    if main:
        return tr("Main checks: {counts}.", counts=counts)
    return tr("Checks: {counts}.", counts=counts)


def _main(section: Section) -> Shown | None:
    """Return the main figure of a study.

    There is none where it shows stale claims, or columns that the runs lack.
    """
    name = section.study.figure
    pictures = {picture.name: picture for picture in section.pictures}
    if name in pictures or not name:
        return pictures.get(name)
    if name in section.study.figures or any(one.verdict == STALE for one in section.judgements):
        return None
    raise unknown(f"figure of study {section.study.name!r}", name, pictures)
