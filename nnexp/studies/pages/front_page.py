"""The report's front page: the findings most worth knowing, then every study by its question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from nnexp.errors import InputError
from nnexp.messages.language import ENGLISH, language
from nnexp.studies.gallery import Exhibit, by_topic, headlines
from nnexp.studies.pages.anchors import CLAIMS, anchor, page_of
from nnexp.studies.pages.inline_pictures import inline_pictures
from nnexp.studies.pages.rendering import duration, rendered
from nnexp.studies.pages.sources import sources
from nnexp.studies.rows import Row, summary
from nnexp.studies.section import Section
from nnexp.studies.topics import question


def front_page(
    sections: Sequence[Section],
    exhibits: Sequence[Exhibit],
    found: Sequence[Row],
    facts: Mapping[str, str],
) -> str:
    """Return the HTML of the report's front page, which needs no other file and no network.

    ``exhibits`` are those of the ``sections``, ``found`` the rows of their sources, with their
    verdicts. ``facts`` stand at its end, a line each, by name.

    Raises
    ------
    InputError
        If there is no section, or a study appears twice.
    """
    if not sections:
        raise InputError("a report needs a study: give at least one section")
    for name, count in Counter(section.study.name for section in sections).items():
        if count > 1:
            raise InputError(f"study {name!r} appears {count} times: give each one section")
    first = headlines(exhibits)
    drawn = inline_pictures([(one.study.name, one.picture) for one in first if one.picture])
    titles = {title: short for s in sections for short, title in sources(s.study.source)}
    return rendered(
        "report.html",
        theme=drawn.rules,
        readings=drawn.readings,
        headlines=list(zip(first, drawn.pictures, strict=True)),
        topics={_id(own): (words, own) for words, own in by_topic(exhibits).items()},
        anchors={s.study.name: anchor("study", s.study.name) for s in sections},
        pages={s.study.name: page_of(s.study.name) for s in sections},
        sources={s.study.name: [short for short, _ in sources(s.study.source)] for s in sections},
        titles=sorted(titles.items(), key=lambda pair: pair[1]),
        summary=summary(found),
        claims_page=CLAIMS,
        checks=sum(len(section.judgements) for section in sections),
        runs=sum(section.runs for section in sections),
        cost=duration(sum(section.seconds for section in sections)),
        facts=facts,
    )


def _id(exhibits: Sequence[Exhibit]) -> str:
    """Return the id of the topic of ``exhibits``, the same in every language."""
    with language(ENGLISH):
        return anchor("topic", question(exhibits[0].study.topic))
