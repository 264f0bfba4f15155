"""Claims of a study → judgements, from the tables of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nnexp.analysis import verdicts
from nnexp.analysis.outcomes import divergences, failures
from nnexp.errors import InputError
from nnexp.messages.language import tr
from nnexp.store.tables import Tables
from nnexp.studies.judgement import Judgement
from nnexp.studies.study import Claim, Study


def judge(study: Study, tables: Tables | None, looks: int = 1) -> list[Judgement]:
    """Return the judgement of every claim of ``study`` from the ``tables`` of its runs.

    ``looks`` is how often the study may be judged in all (see ``--top-up``). If runs of a claim's
    arms failed, or tuning is not finished, its verdict is withheld.

    Raises
    ------
    InputError
        If a claim asks for runs, settings or columns that do not exist.
    """
    return [_judge(study, claim, tables, looks) for claim in study.claims]


def _judge(study: Study, claim: Claim, tables: Tables | None, looks: int) -> Judgement:
    test = claim.test
    try:
        if test.arms and (tables is None or tables.runs.empty):
            raise InputError("there are no runs")
        found = test.judge(study, claim, tables, looks)
        if tables is None:
            return found
        lost = [failures(arm, tables, test.where) for arm in dict.fromkeys(test.arms)]
        settings = {arm: test.settings_of(arm, tables) for arm in test.arms}
        if words := settings and divergences(settings, tables):
            found = replace(found, measured=f"{found.measured}; {words}")
    except InputError as error:
        raise study.error(claim, error) from None
    if not any(lost):
        return found
    measured = "; ".join([found.measured, *filter(None, lost)])
    return replace(found, measured=measured, verdict=verdicts.WITHHELD)


def current(judgements: Sequence[Judgement], study: Study) -> list[Judgement]:
    """Return earlier ``judgements`` of the claims that ``study`` still has.

    They take the current wording and expected verdicts. The judgement of a claim that has changed
    is stale: it loses its verdict and its numbers. Judgements of an older nnexp, which recorded no
    digest, stay as they are.
    """
    claims = {claim.id: claim for claim in study.claims}
    found = []
    for one in judgements:
        claim = claims.get(one.claim)
        if claim is None:
            continue
        one = replace(one, study=study.name, role=claim.role)
        if one.digest == study.digest(claim):
            one = replace(one, **repeated(study, claim))
        elif one.digest:
            again = tr("stale: judge again with {command}", command=study.command())
            words = repeated(study, claim) | {"digest": one.digest, "protocol": ""}
            one = Judgement(**words, measured=again, verdict=verdicts.STALE)
        found.append(one)
    return found


def repeated(study: Study, claim: Claim) -> dict[str, Any]:
    """Return the fields that a judgement repeats from its claim."""
    return {
        "study": study.name,
        "claim": claim.id,
        "document": claim.document,
        "row": claim.row,
        "statement": claim.statement,
        "test": claim.test.name,
        "published": claim.test.printed(claim),
        "outcome": claim.test.measures,
        "expected": claim.expected,
        "note": claim.note,
        "digest": study.digest(claim),
        "role": claim.role,
    }
