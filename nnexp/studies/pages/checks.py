"""The checks of claims as the pages' tables show them."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nnexp.analysis import verdicts
from nnexp.errors import unknown
from nnexp.messages.language import tr
from nnexp.studies.judgement import Judgement
from nnexp.studies.marks import MARKS
from nnexp.studies.pages.anchors import anchor
from nnexp.studies.pages.sources import source_of
from nnexp.studies.rows import by_analysis
from nnexp.studies.study import Claim, Study
from nnexp.studies.words import verdict_words

# The longest text of published figures in a table, in characters; the details have all of it.
_LONGEST = 90


@dataclass(frozen=True)
class Check:
    """A judgement in a table, and the ``study`` that it is of.

    ``source`` is its source in few words and ``title`` the whole; ``order`` the place of its
    verdict, ``scale`` where its interval lies on a line, ``numbers`` what it is based on.
    """

    study: Study
    judgement: Judgement
    anchor: str
    source: str
    title: str
    published: str
    order: int
    scale: dict[str, float] | None
    numbers: list[tuple[str, str]]


def checks(study: Study, judgements: Sequence[Judgement]) -> list[Check]:
    """Return the checks of a study.

    Raises
    ------
    InputError
        If a judgement is of a claim that the study does not have, or its verdict is not one of
        `nnexp.analysis.verdicts`.
    """
    claims = {claim.id: claim for claim in study.claims}
    found = []
    for one in judgements:
        if one.claim not in claims:
            raise unknown(f"claim of study {study.name!r}", one.claim, claims)
        if one.verdict not in MARKS:
            raise unknown("verdict", one.verdict, MARKS)
        found.append(_check(study, claims[one.claim], one))
    return found


def counted(judgements: Sequence[Judgement]) -> Counter[str]:
    """Count the verdicts, without stale ones."""
    return Counter(one.verdict for one in judgements if one.verdict != verdicts.STALE)


def counted_by_analysis(judgements: Sequence[Judgement]) -> dict[str, dict[str, int]]:
    """Return the counts of the verdicts by analysis, in the order of the pages."""
    groups = {name: counted(own) for name, own in by_analysis(judgements).items()}
    return {name: {v: own[v] for v in MARKS if own[v]} for name, own in groups.items()}


def _check(study: Study, claim: Claim, judgement: Judgement) -> Check:
    source, title = source_of(study, judgement.row)
    return Check(
        study=study,
        judgement=judgement,
        anchor=anchor("claim", study.name, claim.id),
        source=source,
        title=title,
        published=textwrap.shorten(judgement.published, _LONGEST, placeholder=" …"),
        order=list(MARKS).index(judgement.verdict),
        scale=_scale(judgement),
        numbers=list(_numbers(judgement, claim)),
    )


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
        yield tr("Published"), judgement.published
    if judgement.outcome:
        yield tr("Outcome"), judgement.outcome
    if judgement.protocol:
        yield tr("Settings"), judgement.protocol
    if judgement.note:
        yield tr("Note"), judgement.note
    if judgement.reason:
        yield tr("Exploratory"), tr("as {reason}", reason=judgement.reason)
    if not judgement.as_expected:
        yield (
            tr("Expected"),
            tr(
                "{verdict}, as in earlier runs: a check against regression",
                verdict=verdict_words(judgement.expected),
            ),
        )
