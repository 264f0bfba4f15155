"""Studies, judgements and pictures → one HTML page that needs no other file and no network."""

from __future__ import annotations

import base64
import math
import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from nnexp.analysis import verdicts
from nnexp.analysis.doubts import by_chance, sampled
from nnexp.analysis.labels import signs
from nnexp.errors import InputError, unknown
from nnexp.reports.inline_svg import inline_svg, theme
from nnexp.reports.jinja import environment
from nnexp.reports.prose import phrase, prose
from nnexp.studies import confirmation
from nnexp.studies.gallery import Exhibit
from nnexp.studies.judgement import PARTS, Judgement
from nnexp.studies.kinds import KINDS
from nnexp.studies.lock_section import POWER_HEADS
from nnexp.studies.marks import MARKS, ROW_MARKS
from nnexp.studies.rows import RULE, Row, by_analysis, by_part, place, summary
from nnexp.studies.section import Section, Shown
from nnexp.studies.study import PAPERS, Claim, Study, short

# The longest text of published figures in the table, in characters; the details have all of it.
_LONGEST = 90
_TIMES = ((3600, "h"), (60, "min"), (0, "s"))


# What no verdict covers, for MNIST's test images at an accuracy as of many runs here.
SAMPLED = sampled(10_000, 0.97)
# Explains the codes of rows where they first appear.
LEDGER = (
    "D0 to D4 are five tutorials, listed with the studies; D0.1 is the first checkable statement "
    "of D0."
)


def render(
    sections: Sequence[Section],
    facts: Mapping[str, str],
    found: Sequence[Row] = (),
    exhibits: Sequence[Exhibit] = (),
) -> str:
    """Return the HTML page of the studies in ``sections``.

    ``found`` are the rows of their sources, with their verdicts, and ``exhibits`` stand in the
    gallery. ``facts`` stand at its head, a
    line each, by name. As in the texts of a study, ``**bold**`` and code in backticks are set as
    such.

    Raises
    ------
    InputError
        If there is no section, a study appears twice, a judgement or a picture is of a claim that
        its study does not have, a verdict is not one of `nnexp.analysis.verdicts`, or a picture is
        empty.
    """
    if not sections:
        raise InputError("a report needs a study: give at least one section")
    names = [section.study.name for section in sections]
    for name, count in Counter(names).items():
        if count > 1:
            raise InputError(f"study {name!r} appears {count} times: give each one section")
    studies = [_study(section, found) for section in sections]
    rows = [row for study in studies for row in study["rows"]]
    rows.sort(key=lambda row: place(row["judgement"].row))
    checks = by_analysis([row["judgement"] for row in rows])
    counts = {name: _in_order(own) for name, own in checks.items()}
    claims = by_analysis(found)
    documents = {row["document"]: row["source"] for row in rows}
    pages = environment()
    pages.filters |= {
        "prose": prose,
        "phrase": phrase,
        "figures": _figures,
        "tongue": _tongue,
    }
    return pages.get_template("report.html").render(
        theme=theme(picture["svg"] for study in studies for picture in study["pictures"]),
        facts=facts,
        marks=MARKS,
        rules=[kind.RULE for kind in dict.fromkeys(KINDS.values())],
        by_chance={
            name: words
            for name, own in checks.items()
            if (words := by_chance(one.verdict for one in own))
        },
        sampled=SAMPLED,
        exhibits=[_exhibit(one, studies) for one in exhibits],
        claims={name: [_claim_row(row) for row in own] for name, own in claims.items()},
        row_marks=ROW_MARKS,
        row_rule=RULE,
        analysis_rule=confirmation.RULE,
        summary=summary(found),
        roles=PARTS,
        power_heads=POWER_HEADS,
        by_role={
            name: {p: n for p, c in by_part(own, found).items() if (n := _counted(c))}
            for name, own in checks.items()
        },
        counts=counts,
        shares=sorted({n for own in counts.values() for n in own.values()}),
        stale=sum(row["judgement"].verdict == verdicts.STALE for row in rows),
        unexpected=sum(not row["judgement"].as_expected for row in rows),
        documents=documents,
        ledger=LEDGER if any(re.match(r"D\d", d) for d in documents) else "",
        sources=len({row["source"] or row["document"] for row in rows}),
        rows=rows,
        studies=studies,
        runs=sum(section.runs for section in sections),
        cost=_duration(sum(section.seconds for section in sections)),
    )


def _figures(text: str) -> Markup:
    """Return ``text`` as HTML, an interval never broken over two lines."""
    interval = r"\[[^\[\],]{1,9}, [^\[\],]{1,9}\]"
    return Markup(re.sub(interval, r'<span class="whole">\g<0></span>', str(escape(signs(text)))))


def _study(section: Section, found: Sequence[Row]) -> dict[str, Any]:
    """Return what the page shows of a study."""
    study = section.study
    claims = {claim.id: claim for claim in study.claims}
    for picture in section.pictures:
        for claim in picture.claims:
            if claim not in claims:
                raise unknown(f"claim of picture {picture.name!r}", claim, claims)
    pictures = [_picture(study, picture) for picture in section.pictures]
    rows = []
    for judgement in section.judgements:
        if judgement.claim not in claims:
            raise unknown(f"claim of study {study.name!r}", judgement.claim, claims)
        if judgement.verdict not in MARKS:
            raise unknown("verdict", judgement.verdict, MARKS)
        own = [picture for picture in pictures if judgement.claim in picture["claims"]]
        rows.append(_row(study, claims[judgement.claim], judgement, own))
    return {
        "anchor": _anchor("study", study.name),
        "study": study,
        "claims": [row for row in found if row.study == study.name],
        "rows": rows,
        "counts": _by_analysis(section.judgements),
        "lock": section.lock,
        "pictures": pictures,
        "runs": section.runs,
        "cost": _duration(section.seconds),
    }


def _exhibit(exhibit: Exhibit, studies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the gallery shows of a study."""
    (own,) = (one for one in studies if one["study"].name == exhibit.study.name)
    main = exhibit.picture.name if exhibit.picture else ""
    return {
        "found": exhibit,
        "home": own["anchor"],
        "picture": next((one for one in own["pictures"] if one["file"] == main), None),
    }


def _claim_row(row: Row) -> dict[str, Any]:
    """Return what the table of the sources' claims shows of a row."""
    return {
        "row": row,
        "home": _anchor("study", row.study) if row.study else "",
        "checks": {role: _tallies(own, row.analysis) for role, own in row.checks.items()},
    }


def _tallies(judgements: Sequence[Judgement], analysis: str) -> list[tuple[str, str, Counter[str]]]:
    """Return the anchor and the name of each study with its verdicts, counted.

    Verdicts of another ``analysis`` are counted apart, and marked.
    """
    found = []
    for name in sorted({one.study for one in judgements}):
        own = [one for one in judgements if one.study == name]
        for kind, checks in by_analysis(own).items():
            words = short(name) if kind == analysis else f"{short(name)} ({kind})"
            found.append((_anchor("study", name), words, _counted(checks)))
    return found


def _counted(judgements: Sequence[Judgement]) -> Counter[str]:
    """Count the verdicts, without stale ones."""
    return Counter(one.verdict for one in judgements if one.verdict != verdicts.STALE)


def _in_order(judgements: Sequence[Judgement]) -> dict[str, int]:
    """Return the counts of the verdicts in the order of the page."""
    counts = _counted(judgements)
    return {verdict: counts[verdict] for verdict in MARKS if counts[verdict]}


def _by_analysis(judgements: Sequence[Judgement]) -> dict[str, Counter[str]]:
    return {name: _counted(own) for name, own in by_analysis(judgements).items()}


def _row(
    study: Study, claim: Claim, judgement: Judgement, pictures: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what the table shows of a claim."""
    document, source = _source(study, judgement)
    return {
        "anchor": _anchor("claim", study.name, claim.id),
        "home": _anchor("study", study.name),
        "document": document,
        "source": source,
        "judgement": judgement,
        "published": textwrap.shorten(judgement.published, _LONGEST, placeholder=" …"),
        "order": list(MARKS).index(judgement.verdict),
        "scale": _scale(judgement),
        "numbers": list(_numbers(judgement, claim)),
        "pictures": pictures,
        "study": study,
    }


def _source(study: Study, judgement: Judgement) -> tuple[str, str]:
    """Return the key of the document a claim is from, and the document's title."""
    document = judgement.document
    if document != PAPERS:
        return document, study.source.get(document, "")
    cited = [key for key in study.source if judgement.row.startswith(key)]
    return document, study.source[cited[0]] if cited else ""


def _anchor(*parts: str) -> str:
    """Return a unique id for these names, made of letters, digits and ``_.-``."""
    return "-".join(
        re.sub(r"[^0-9A-Za-z_]", lambda match: f".{ord(match[0]):x}.", part) for part in parts
    )


def _tongue(title: str) -> Markup:
    """Return a title as HTML, its Korean part marked as such."""
    hangul = "[\uac00-\ud7a3]"
    # Digits and names between Korean words belong to them.
    parts = re.split(rf"({hangul}(?:.*{hangul})?)", title, maxsplit=1)
    if len(parts) == 1:
        return escape(title)
    before, korean, after = parts
    return Markup('{}<span lang="ko">{}</span>{}').format(before, korean, after)


def _picture(study: Study, picture: Shown) -> dict[str, Any]:
    """Return a picture for the page: an SVG element, whichever of its files is shown."""
    if not picture.svg and not picture.png:
        raise InputError(f"picture {picture.name!r} is empty: give its svg or its png")
    name = _anchor("figure", study.name, picture.name)
    forms = []
    if picture.svg:
        forms.append(inline_svg(picture.svg.decode(), name, picture.alt))
    if picture.png:
        forms.append(_wrapped(picture.png, name, picture.alt))
    svg = min(forms, key=_size)
    box = re.search(r'viewBox="([^"]*)"', svg)
    if box is None:
        raise InputError(f"picture {picture.name!r} has no viewBox: give an SVG that has one")
    return {
        "name": name,
        "file": picture.name,
        "svg": svg,
        "box": box[1],
        "alt": picture.alt,
        "caption": picture.caption,
        "claims": picture.claims,
    }


def _size(markup: Markup) -> int:
    return len(markup.encode())


def _wrapped(png: bytes, name: str, alt: str) -> Markup:
    """Return a PNG file within an SVG element, so that the page can show it in two places."""
    # The header's width and height in pixels (PNG specification, 11.2.2).
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    return Markup(
        '<svg id="{}" role="img" aria-label="{}" viewBox="0 0 {} {}">'
        '<image width="{}" height="{}" href="data:image/png;base64,{}"/></svg>'
    ).format(name, alt, width, height, width, height, base64.b64encode(png).decode())


def _scale(judgement: Judgement) -> dict[str, float] | None:
    """Return where the interval lies on a line, in per cent of its length; ``None`` for none.

    An interval of differences is drawn about 0 with those too small to matter, a prediction
    interval about the published figure.
    """
    low, high = judgement.low, judgement.high
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return None
    band = judgement.matters
    middle, at = (judgement.first, judgement.second) if band is None else (judgement.difference, 0)
    if middle is None or at is None:
        return None
    start, end = at - (band or 0), at + (band or 0)
    first, length = min(low, start), (max(high, end) - min(low, start)) or 1.0
    places = {"low": low, "high": high, "mean": middle, "at": at, "from": start, "to": end}
    return {name: 4 + 92 * (value - first) / length for name, value in places.items()}


def _numbers(judgement: Judgement, claim: Claim) -> Iterator[tuple[str, str]]:
    """Yield what a verdict is based on, term and text; what a claim does not have is left out."""
    yield from claim.test.explain(judgement)
    if len(judgement.published) > _LONGEST:
        yield "Published", judgement.published
    if judgement.outcome:
        yield "Outcome", judgement.outcome
    if judgement.protocol:
        yield "Settings", judgement.protocol
    if judgement.note:
        yield "Note", judgement.note
    if judgement.reason:
        yield "Exploratory", f"as {judgement.reason}"
    if not judgement.as_expected:
        yield "Expected", f"{judgement.expected}, as in earlier runs: a check against regression"


def _duration(seconds: float) -> str:
    """Return a time in a unit that suits its size."""
    length, unit = next((size, unit) for size, unit in _TIMES if seconds >= size)
    return f"{seconds / (length or 1):.1f} {unit}"
