"""Studies, judgements and pictures → one HTML page that needs no other file and no network."""

from __future__ import annotations

import base64
import math
import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeGuard

from markupsafe import Markup, escape

from nnexp.analysis import verdicts
from nnexp.errors import InputError, unknown
from nnexp.reports.inline_svg import inline_svg, theme
from nnexp.reports.jinja import environment, unbroken
from nnexp.studies.judging import Judgement
from nnexp.studies.study import ORDERS, Claim, Study

_PAPERS = "papers"
# The longest text of published figures in the table, in characters; all of it stands below.
_LONGEST = 90
_TIMES = ((3600, "h"), (60, "min"), (0, "s"))


class _Mark(NamedTuple):
    """How a verdict looks: the id of its symbol, its tone, and what it says in a sentence."""

    symbol: str
    tone: str
    meaning: str


# In the order of the page.
_MARKS = {
    verdicts.REPRODUCED: _Mark("tick", "good", "The measurement agrees with the claim."),
    verdicts.DIRECTION: _Mark(
        "half", "good", "The sign agrees with the claim; the difference may be too small to matter."
    ),
    verdicts.CONTRADICTED: _Mark("cross", "bad", "The measurement shows the reverse of the claim."),
    verdicts.NO_DIFFERENCE: _Mark(
        "same", "calm", "Any difference is smaller than the smallest one that matters."
    ),
    verdicts.INCONCLUSIVE: _Mark(
        "question", "doubt", "The interval is too wide for a conclusion: more seeds are needed."
    ),
    verdicts.UNDERPOWERED: _Mark(
        "few", "doubt", "Too few seeds for the study's number of claims: described, not judged."
    ),
    verdicts.CONSISTENT: _Mark(
        "inside", "good", "The runs are consistent with the published figure."
    ),
    verdicts.EXCEEDED: _Mark("up", "calm", "The runs are better than the published figure."),
    verdicts.SHORT_OF: _Mark("down", "bad", "The runs are worse than the published figure."),
    verdicts.TOO_NOISY: _Mark(
        "waves", "doubt", "The runs vary too much to judge the published figure."
    ),
    verdicts.WITHHELD: _Mark(
        "gap", "doubt", "Some runs failed, and the others may not be representative: run it again."
    ),
    verdicts.STALE: _Mark(
        "clock", "doubt", "Not a verdict: the study has changed since the claim was judged."
    ),
}
# What the codes of rows are, where they first stand.
LEDGER = (
    "D0 to D4 are five tutorials, listed with the studies; D0.1 is the first checkable statement "
    "of D0."
)
_RELATIONS = {"greater": "is greater than", "less": "is less than", "equal": "equals"}


@dataclass(frozen=True)
class Shown:
    """A picture and its words: a ``caption`` for all, and ``alt`` for who cannot see it.

    ``svg`` is a whole SVG document and ``png`` a PNG file, one of them may be empty: the one that
    takes fewer bytes in the page is shown. ``claims`` holds the ids of the claims it belongs to.
    ``csv`` is what ``<name>.csv`` beside its study's tables holds: its numbers.
    """

    name: str
    caption: str
    alt: str
    claims: tuple[str, ...] = ()
    svg: bytes = b""
    png: bytes = b""
    csv: str = ""


@dataclass(frozen=True)
class Section:
    """What the page says of a study. ``seconds`` is the training time of its ``runs`` in all."""

    study: Study
    judgements: list[Judgement]
    pictures: list[Shown]
    seconds: float
    runs: int


def render(sections: Sequence[Section], facts: Mapping[str, str]) -> str:
    """Return the page of the studies in ``sections``, whole.

    ``facts`` are told at its head, a line each: name to text, in which ``**bold**`` and code in
    backticks are set as such, as they are in the texts of a study.

    Raises
    ------
        InputError If there is no section, a study is there twice, a judgement or a picture is of a
        claim that its study does not have, a verdict is no word of `nnexp.analysis.verdicts`, or a
        picture is empty.
    """
    if not sections:
        raise InputError("a report needs a study: give one section at least")
    names = [section.study.name for section in sections]
    for name, count in Counter(names).items():
        if count > 1:
            raise InputError(f"study {name!r} is there {count} times: give each one section")
    studies = [_study(section) for section in sections]
    rows = sorted((row for study in studies for row in study["rows"]), key=_by_document)
    counts = _counted(rows)
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
        marks=_MARKS,
        counts={verdict: counts[verdict] for verdict in _MARKS if counts[verdict]},
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


def prose(text: str) -> Markup:
    """Return ``text`` as HTML: paragraphs between empty lines, lists of lines that begin with -."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        said, *items = re.split(r"(?:^|\n)\s*[-*] +", block)
        if said.strip():
            blocks.append(Markup("<p>{}</p>").format(phrase(said.strip())))
        if items:
            entries = (Markup("<li>{}</li>").format(phrase(item.strip())) for item in items)
            blocks.append(Markup("<ul>{}</ul>").format(Markup("").join(entries)))
    return Markup("\n").join(blocks)


def phrase(text: str) -> Markup:
    """Return ``text`` as HTML, ``**bold**`` and code in backticks set as such."""
    return Markup(_set(str(escape(unbroken(text)))))


def _set(escaped: str) -> str:
    return re.sub(
        r"`([^`]+)`|\*\*(?=\S)(.+?)(?<=\S)\*\*",
        lambda m: f"<code>{m[1]}</code>" if m[1] else f"<strong>{_set(m[2])}</strong>",
        escaped,
        flags=re.DOTALL,
    )


def _figures(text: str) -> Markup:
    """Return ``text`` as HTML, an interval never broken over two lines."""
    interval = r"\[[^\[\],]{1,9}, [^\[\],]{1,9}\]"
    return Markup(re.sub(interval, r'<span class="whole">\g<0></span>', str(escape(text))))


def _study(section: Section) -> dict[str, Any]:
    """Return what the page says of a study."""
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
        if judgement.verdict not in _MARKS:
            raise unknown("verdict", judgement.verdict, _MARKS)
        own = [picture for picture in pictures if judgement.claim in picture["claims"]]
        rows.append(_row(study, claims[judgement.claim], judgement, own))
    return {
        "anchor": _anchor("study", study.name),
        "study": study,
        "rows": rows,
        "counts": _counted(rows),
        "pictures": pictures,
        "runs": section.runs,
        "cost": _duration(section.seconds),
    }


def _counted(rows: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """Count the verdicts; a stale one is none."""
    told = (row["judgement"].verdict for row in rows)
    return Counter(verdict for verdict in told if verdict != verdicts.STALE)


def _row(
    study: Study, claim: Claim, judgement: Judgement, pictures: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what the table says of a claim."""
    document, source = _source(study, judgement)
    return {
        "anchor": _anchor("claim", study.name, claim.id),
        "home": _anchor("study", study.name),
        "document": document,
        "source": source,
        "judgement": judgement,
        "published": textwrap.shorten(judgement.published, _LONGEST, placeholder=" …"),
        "order": list(_MARKS).index(judgement.verdict),
        "scale": _scale(judgement, claim),
        "numbers": list(_numbers(judgement, claim)),
        "pictures": pictures,
        "study": study,
    }


def _source(study: Study, judgement: Judgement) -> tuple[str, str]:
    """Return the key of the document a claim is from, and the document's title."""
    document = judgement.document
    if document != _PAPERS:
        return document, study.source.get(document, "")
    cited = [key for key in study.source if judgement.row.startswith(key)]
    return document, study.source[cited[0]] if cited else ""


def _by_document(row: Mapping[str, Any]) -> tuple[bool, list[tuple[str, int]]]:
    """Return where a claim stands in the table: the papers last, D0.2 before D0.10."""
    parts = re.findall(r"(\D*)(\d*)", row["judgement"].row)
    return row["document"] == _PAPERS, [(word, int(number or 0)) for word, number in parts]


def _anchor(*parts: str) -> str:
    """Return an id of its own for the thing of these names, of letters, digits and ``_.-``."""
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
    """Return a picture for the page, as an SVG element whichever of its files is shown."""
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


def _scale(judgement: Judgement, claim: Claim) -> dict[str, float] | None:
    """Return where the interval stands on a line, in per cent of its length; ``None`` for none.

    A comparison is drawn about 0 with the differences too small to matter, a prediction interval
    about the published figure.
    """
    low, high = judgement.low, judgement.high
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return None
    middle: float | None
    at: float | None
    if judgement.test in ORDERS:
        middle, at, band = judgement.difference, 0.0, claim.matters
    else:
        middle, at, band = judgement.first, judgement.second, 0.0
    if middle is None or at is None:
        return None
    ends = (low, high, at - band, at + band)
    start, length = min(ends), (max(ends) - min(ends)) or 1.0
    places = {"low": low, "high": high, "mean": middle, "at": at, "from": at - band}
    places["to"] = at + band
    return {name: 4 + 92 * (value - start) / length for name, value in places.items()}


def _numbers(judgement: Judgement, claim: Claim) -> Iterator[tuple[str, str]]:
    """Yield what stands behind a verdict, term and text; what a claim does not have is left out."""
    j = judgement
    if j.test in ORDERS:
        yield from _comparison(j, claim)
    elif j.test == "computed":
        yield "Test", f"computed again, within {_rounding(claim.rounding)} of the published figure"
    elif j.first is not None and j.n is not None:
        (arm,) = claim.arms
        if j.test == "published":
            yield "Test", f"the figure lies within the prediction interval of a new run of {arm}"
        else:
            yield "Test", f"every point lies within the joint prediction band of a new run of {arm}"
        if j.low is not None and j.high is not None and j.level is not None:
            yield (
                f"{_share(j.level)} prediction interval",
                f"{_number(j.low)} to {_number(j.high)}, rounding included",
            )
        yield "Too noisy above", f"±{_number(claim.cap)}"
        yield "Runs", f"n = {j.n} seeds"
    if len(j.published) > _LONGEST:
        yield "Published", j.published
    if j.outcome:
        yield "Outcome", j.outcome
    if j.protocol:
        yield "Settings", j.protocol
    if j.note:
        yield "Note", j.note
    if not j.as_expected:
        yield "Expected", f"{j.expected}: the study file and the runs disagree"


def _comparison(j: Judgement, claim: Claim) -> Iterator[tuple[str, str]]:
    """Yield what stands behind a difference."""
    points = claim.outcome.is_accuracy and claim.scale == "plain"

    unit = " points" if points else " in log10" if claim.scale == "log10" else ""

    def told(value: float, sign: str = "") -> str:
        return _number(100 * value if points else value, sign)

    other = claim.arms[1] if len(claim.arms) > 1 else _number(claim.threshold or 0)
    yield "Test", f"{claim.arms[0]} {_RELATIONS[j.test]} {other}"
    if j.difference is not None:
        yield "Median difference", told(j.difference, "+") + unit
    if j.low is not None and j.high is not None and j.level is not None:
        yield f"{_share(j.level)} interval", f"{told(j.low, '+')} to {told(j.high, '+')}{unit}"
    if j.n is not None:
        yield "Runs", f"n = {j.n} {'pairs, by seed' if len(claim.arms) > 1 else 'seeds'}"
    if _known(j.effect_size):
        yield "Effect size", f"{_number(j.effect_size, '+')} standard deviations"
    if _known(j.superiority):
        yield f"P({claim.arms[0]} higher)", f"{j.superiority:.2f}"
    if j.matters is not None:
        yield "Smallest difference that matters", told(j.matters) + unit
    if _known(j.detectable):
        yield f"What n = {j.n} could have shown", told(j.detectable) + unit
    if j.seeds_needed is not None and j.verdict in (verdicts.INCONCLUSIVE, verdicts.UNDERPOWERED):
        yield "Seeds needed to show what matters", str(j.seeds_needed)
    if j.holds_in:
        yield "Holds in", j.holds_in


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and not math.isnan(value)


def _share(level: float) -> str:
    return f"{100 * level:.4g} %"


def _number(value: float | None, sign: str = "") -> str:
    if value is None or math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "unbounded" if not sign else f"{'-' if value < 0 else '+'}∞"
    return f"{value:{sign}.4g}"


def _rounding(rounding: Any) -> str:
    if isinstance(rounding, Mapping):
        return ", ".join(f"{value:g} ({name})" for name, value in rounding.items())
    return f"{rounding:g}"


def _duration(seconds: float) -> str:
    """Return a time in its own unit, rounded as one would say it."""
    length, unit = next((size, unit) for size, unit in _TIMES if seconds >= size)
    return f"{seconds / (length or 1):.1f} {unit}"
