"""The sources of claims as a reader knows them: authors and year, or what kind of text it is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from markupsafe import Markup, escape

from nnexp.studies.study import PAPERS, Study, document_of

# "a blog post on … (2020, in Korean: …)": its description in English, and its year.
_DESCRIBED = re.compile(r"(?:an? |the )?(.+?) \((\d{4}|undated)(?:,.*)?\)")


def short_source(key: str, title: str) -> str:
    """Return a source in few words: the key of a paper, the description and year of a document."""
    match = _DESCRIBED.fullmatch(title)
    if document_of(f"{key}.1") == PAPERS or match is None:
        return key
    return f"{match[1][0].upper()}{match[1][1:]} ({match[2]})"


def source_of(study: Study, row: str) -> tuple[str, str]:
    """Return the source of a row in few words, and its whole title."""
    document = document_of(row)
    keys = [key for key in study.source if key == document or row.startswith(key)]
    if not keys:
        return row, ""
    title = study.source[keys[0]]
    return row if document == PAPERS else short_source(document, title), title


def sources(source: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return each source of a study in few words, with its whole title."""
    return [(short_source(key, title), title) for key, title in source.items()]


def tongue(title: str) -> Markup:
    """Return a title as HTML, its Korean part marked as such."""
    hangul = "[\uac00-\ud7a3]"
    # Digits and names between Korean words belong to them.
    parts = re.split(rf"({hangul}(?:.*{hangul})?)", title, maxsplit=1)
    if len(parts) == 1:
        return escape(title)
    before, korean, after = parts
    return Markup('{}<span lang="ko">{}</span>{}').format(before, korean, after)
