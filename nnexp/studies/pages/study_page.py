"""The page of a study: the answer and its figure first, then why, then everything behind it."""

from __future__ import annotations

from collections.abc import Sequence

from nnexp.errors import unknown
from nnexp.studies.gallery import Exhibit
from nnexp.studies.lock_section import power_heads
from nnexp.studies.pages.anchors import CLAIMS, FRONT, anchor, home_of, row_anchor
from nnexp.studies.pages.checks import checks, counted_by_analysis
from nnexp.studies.pages.inline_pictures import inline_pictures
from nnexp.studies.pages.rendering import duration, rendered
from nnexp.studies.section import Section


def study_page(section: Section, exhibit: Exhibit, tables: Sequence[str] = ()) -> str:
    """Return the HTML of a study's page, which needs no other file and no network.

    ``exhibit`` is that of the study. ``tables`` are the names of the files beside the page that it
    links to.

    Raises
    ------
    InputError
        If a judgement or a picture is of a claim that the study does not have, a verdict is not one
        of `nnexp.analysis.verdicts`, or a picture is empty.
    """
    study, home = section.study, home_of(section.study.name)
    claims = {claim.id: claim for claim in study.claims}
    for picture in section.pictures:
        for claim in picture.claims:
            if claim not in claims:
                raise unknown(f"claim of picture {picture.name!r}", claim, claims)
    drawn = inline_pictures([(study.name, one) for one in section.pictures])
    main = exhibit.picture.name if exhibit.picture else ""
    return rendered(
        "study.html",
        theme=drawn.rules,
        readings=drawn.readings,
        study=study,
        exhibit=exhibit,
        sources=list(study.source.items()),
        main=next((one for one in drawn.pictures if one.file == main), None),
        others=[one for one in drawn.pictures if one.file != main],
        claims=[(row, f"{home}{CLAIMS}#{row_anchor(row.name)}") for row in exhibit.rows],
        checks=checks(study, section.judgements),
        counts=counted_by_analysis(section.judgements),
        lock=section.lock,
        power_heads=power_heads(),
        runs=section.runs,
        cost=duration(section.seconds),
        tables=tables,
        front=f"{home}{FRONT}#{anchor('study', study.name)}",
        claims_page=f"{home}{CLAIMS}",
    )
