"""Rows of the sources, as documents have claims: the verdict on each, from its main claims."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from nnexp.analysis.labels import listed
from nnexp.analysis.verdicts import FAILS, HOLDS, PARTLY, STALE, UNDECIDED, combined
from nnexp.errors import InputError
from nnexp.messages.language import tr
from nnexp.studies.judgement import (
    ANALYSES,
    CONFIRMATORY,
    EXPLORATORY,
    MAIN,
    PARTS,
    RIVAL,
    ROLES,
    Judgement,
)
from nnexp.studies.study import PAPERS, Study, document_of
from nnexp.studies.words import analysis_words

Analysed = TypeVar("Analysed", "Row", Judgement)
# The verdicts on rows, in the order in which they are counted.
_ORDER = (HOLDS, PARTLY, FAILS, UNDECIDED, STALE)


@dataclass(frozen=True)
class Row:
    """A row of a source, by ``name``: its ``statement`` in a sentence, and the verdict on it.

    ``checks`` has the judgements of its claims by role. A row without a main claim has no verdict:
    ``verdict`` is empty. ``study`` has its main claims.
    """

    name: str
    document: str
    statement: str
    verdict: str
    study: str
    checks: Mapping[str, list[Judgement]]

    @property
    def analysis(self) -> str:
        """Confirmatory if every main check is; without main checks, if every check is."""
        every = self.checks[MAIN] or [one for own in self.checks.values() for one in own]
        confirmed = all(one.analysis == CONFIRMATORY for one in every)
        return CONFIRMATORY if confirmed else EXPLORATORY


def rule() -> str:
    """Return how the verdict on a row follows from its checks, as Markdown."""
    return tr(
        "A claim **holds** if every main check of it is reproduced or consistent. It **holds in "
        "part** if some are, or if one has its direction only. It **does not hold** if none is, "
        "and a main check is contradicted, shows no difference that matters, or has a published "
        "figure that our runs exceed or fall short of. It is **undecided** if every main check is "
        "inconclusive, underpowered, borderline, too noisy or withheld. The main checks test what "
        "the source states or prints, in its own protocol where it gives one. Supporting checks "
        "explain or extend them, and rival readings stand beside them; neither changes the verdict "
        "on the claim."
    )


def check_mains(studies: Sequence[Study]) -> None:
    """Refuse a row whose main claims stand in several ``studies``.

    Raises
    ------
    InputError
        If there is one: its name, both studies and the remedy.
    """
    found: dict[str, Study] = {}
    for study in studies:
        for claim in study.claims:
            if claim.role == MAIN and found.setdefault(claim.row, study) is not study:
                raise InputError(
                    f"{study.file}, line {claim.line}: claim {claim.id!r}: study "
                    f"{found[claim.row].name!r} already has main claims of row {claim.row!r}: "
                    f"give those of one study role: support"
                )


def rows(studies: Sequence[Study], judgements: Sequence[Judgement]) -> list[Row]:
    """Return the rows of the ``judgements``, documents first.

    The only claim of a row is its main one, unless it is a rival reading. A main claim of the
    ``studies`` that has not been judged counts as stale.
    """
    by_row: dict[str, list[Judgement]] = {}
    for one in judgements:
        by_row.setdefault(one.row, []).append(one)
    return [_row(name, by_row[name], studies) for name in sorted(by_row, key=place)]


def _row(name: str, judgements: Sequence[Judgement], studies: Sequence[Study]) -> Row:
    checks = {role: [one for one in judgements if one.role == role] for role in ROLES}
    claims = [(study, c) for study in studies for c in study.claims if c.row == name]
    if len(claims) == len(judgements) == 1 and not checks[RIVAL]:
        checks = {role: [] for role in ROLES} | {MAIN: list(judgements)}
    main = checks[MAIN]
    if not main:
        statement = " ".join(dict.fromkeys(one.statement for one in judgements))
        return Row(name, document_of(name), statement, "", "", checks)
    of = {one.claim for one in main}
    missing = [c.id for study, c in claims if c.role == MAIN and c.id not in of]
    (own,) = (study for study in studies if study.name == main[0].study)
    return Row(
        name,
        document_of(name),
        own.rows.get(name) or " ".join(one.statement for one in main),
        STALE if missing else combined([one.verdict for one in main]),
        own.name,
        checks,
    )


def by_analysis(found: Sequence[Analysed]) -> dict[str, list[Analysed]]:
    """Return rows or judgements by their analysis, confirmatory ones first."""
    groups = {name: [one for one in found if one.analysis == name] for name in ANALYSES}
    return {name: own for name, own in groups.items() if own}


def by_part(judgements: Sequence[Judgement], found: Sequence[Row]) -> dict[str, list[Judgement]]:
    """Return judgements by the `PARTS` of the report; those that decide a row are main checks."""
    deciding = {(one.study, one.claim) for row in found for one in row.checks[MAIN]}
    parts: dict[str, list[Judgement]] = {part: [] for part in PARTS}
    for one in judgements:
        parts[MAIN if (one.study, one.claim) in deciding else one.part].append(one)
    return {part: own for part, own in parts.items() if own}


def summary(found: Sequence[Row]) -> str:
    """Say how many rows hold, confirmatory and exploratory verdicts apart; empty without rows."""
    groups = by_analysis([row for row in found if row.verdict])
    if len(groups) > 1:
        return " ".join(
            f"{analysis_words(name).capitalize()}: {counted(own)}" for name, own in groups.items()
        )
    all_of_one = {
        CONFIRMATORY: tr("All of these are confirmatory."),
        EXPLORATORY: tr("All of these are exploratory."),
    }
    return "".join(f"{counted(own)} {all_of_one[name]}" for name, own in groups.items())


def counted(found: Sequence[Row]) -> str:
    """Say how many rows hold, do not hold and so on: those of documents and those of papers."""
    sentences = []
    for whose in ("documents", PAPERS):
        own = [
            r.verdict for r in found if r.verdict and (r.document == PAPERS) == (whose == PAPERS)
        ]
        if own:
            parts = listed([_held(v, n) for v in _ORDER if (n := own.count(v))])
            sentences.append(_of_claims(whose, len(own), parts))
    return " ".join(sentences)


def _held(verdict: str, n: int) -> str:
    """Return how many claims have a verdict: ``1 holds``, ``2 hold``."""
    one, several = {
        HOLDS: (tr("{n} holds", n=n), tr("{n} hold", n=n)),
        PARTLY: (tr("{n} holds in part", n=n), tr("{n} hold in part", n=n)),
        FAILS: (tr("{n} does not hold", n=n), tr("{n} do not hold", n=n)),
        UNDECIDED: (tr("{n} is undecided", n=n), tr("{n} are undecided", n=n)),
        STALE: (tr("{n} is stale", n=n), tr("{n} are stale", n=n)),
    }[verdict]
    return several if n > 1 else one


def _of_claims(whose: str, n: int, parts: str) -> str:
    if whose == PAPERS:
        if n > 1:
            return tr("Of the papers' {n} claims, {parts}.", n=n, parts=parts)
        return tr("Of the papers' {n} claim, {parts}.", n=n, parts=parts)
    if n > 1:
        return tr("Of the documents' {n} claims, {parts}.", n=n, parts=parts)
    return tr("Of the documents' {n} claim, {parts}.", n=n, parts=parts)


def place(row: str) -> tuple[bool, list[tuple[str, int]]]:
    """Return the sort key of a row by its name: papers last, D0.2 before D0.10."""
    parts = re.findall(r"(\D*)(\d*)", row)
    return document_of(row) == PAPERS, [(word, int(number or 0)) for word, number in parts]
