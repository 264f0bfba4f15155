"""The page of all claims: what the sources claim, and every check of it, to filter and search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from nnexp.analysis import verdicts
from nnexp.analysis.doubts import by_chance, sampled
from nnexp.messages.language import tr
from nnexp.studies import confirmation
from nnexp.studies.changes import changes, what_changed
from nnexp.studies.judgement import Judgement
from nnexp.studies.kinds import KINDS
from nnexp.studies.pages.anchors import FRONT, page_of, row_anchor
from nnexp.studies.pages.checks import checks, counted, counted_by_analysis
from nnexp.studies.pages.rendering import rendered
from nnexp.studies.pages.sources import short_source, source_of
from nnexp.studies.planning import WANTED
from nnexp.studies.power_summary import weak_checks, what_power
from nnexp.studies.rows import Row, by_analysis, by_part, place, rule
from nnexp.studies.section import Section
from nnexp.studies.study import PAPERS, Study
from nnexp.studies.words import analysis_words, meanings


def what_no_verdict_covers() -> str:
    """Say so of MNIST's test images, at an accuracy as of many runs here."""
    return sampled(10_000, 0.97)


def claims_page(sections: Sequence[Section], found: Sequence[Row]) -> str:
    """Return the HTML of all claims of the studies in ``sections``, self-contained.

    ``found`` are the rows of their sources, with their verdicts.

    Raises
    ------
    InputError
        As for `nnexp.studies.pages.study_page.study_page`.
    """
    every = [one for section in sections for one in checks(section.study, section.judgements)]
    every.sort(key=lambda one: place(one.judgement.row))
    judgements = [one.judgement for one in every]
    groups = by_analysis(judgements)
    expected = {(one.study, one.claim): verdict for one, verdict in changes(sections)}
    weak = {(one.judgement.study, one.judgement.claim): one for one in weak_checks(sections)}
    counts = counted_by_analysis(judgements)
    studies = {section.study.name: section.study for section in sections}
    documents = {one.judgement.document: one.study.source for one in every}
    return rendered(
        "claims.html",
        theme="",
        checks=every,
        claims={
            name: [_claim(row, studies) for row in own] for name, own in by_analysis(found).items()
        },
        counts=counts,
        shares=sorted({n for own in counts.values() for n in own.values()}),
        by_role={
            name: {p: n for p, c in by_part(own, found).items() if (n := counted(c))}
            for name, own in groups.items()
        },
        documents={
            key: tr("Papers") if key == PAPERS else short_source(key, source.get(key, key))
            for key, source in documents.items()
        },
        pages={name: page_of(name) for name in studies},
        what_changed=what_changed(sections, found),
        changes=[
            (one, expected[one.study.name, one.judgement.claim])
            for one in every
            if (one.study.name, one.judgement.claim) in expected
        ],
        what_power=what_power(sections, found),
        wanted=f"{WANTED:.0%}",
        weak=[
            (one, weak[one.study.name, one.judgement.claim])
            for one in every
            if (one.study.name, one.judgement.claim) in weak
        ],
        stale=sum(one.verdict == verdicts.STALE for one in judgements),
        unexpected=sum(not one.as_expected for one in judgements),
        rules=[kind.rule() for kind in dict.fromkeys(KINDS.values())],
        by_chance={
            name: words
            for name, own in groups.items()
            if (words := by_chance(one.verdict for one in own))
        },
        sampled=what_no_verdict_covers(),
        meanings=meanings(),
        row_rule=rule(),
        analysis_rule=confirmation.rule(),
        front=FRONT,
    )


def _claim(row: Row, studies: dict[str, Study]) -> dict[str, Any]:
    """Return what the table of the sources' claims shows of a row."""
    every = [one for own in row.checks.values() for one in own]
    source, title = source_of(studies[row.study or every[0].study], row.name)
    return {
        "row": row,
        "anchor": row_anchor(row.name),
        "page": page_of(row.study) if row.study else "",
        "source": source,
        "title": title,
        "checks": {r: _tallies(own, row.analysis, studies) for r, own in row.checks.items()},
    }


def _tallies(
    judgements: Sequence[Judgement], analysis: str, studies: dict[str, Study]
) -> list[tuple[str, str, Counter[str]]]:
    """Return the page and the title of each study with its verdicts, counted.

    Verdicts of another ``analysis`` are counted apart, and marked.
    """
    tallies = []
    for name in sorted({one.study for one in judgements}):
        own = [one for one in judgements if one.study == name]
        for kind, group in by_analysis(own).items():
            title = studies[name].title
            words = title if kind == analysis else f"{title} ({analysis_words(kind)})"
            tallies.append((page_of(name), words, counted(group)))
    return tallies
