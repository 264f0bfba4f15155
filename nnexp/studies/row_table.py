"""The table of the rows of the sources, in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nnexp.analysis.verdicts import STALE
from nnexp.messages.language import tr
from nnexp.reports.jinja import cell, link
from nnexp.studies.judgement import MAIN, RIVAL, SUPPORT, Judgement
from nnexp.studies.rows import Row
from nnexp.studies.study import short
from nnexp.studies.words import analysis_words, counted, verdict_words


def row_table(found: Sequence[Row]) -> str:
    """Return the table of rows: what each claims, the verdict, and its checks, as Markdown.

    The rows are of one analysis; checks of the other one are marked.
    """
    heads = (tr("row"), tr("claim"), tr("verdict"), tr("main checks"), tr("supporting checks"))
    lines = [f"| {' | '.join((*heads, tr('rival readings')))} |", "|---|---|---|---|---|---|"]
    for row in found:
        verdict = f"**{verdict_words(row.verdict)}**" if row.verdict else ""
        cells = [cell(row.name), cell(row.statement), verdict]
        cells += [_by_study(row.checks[role], row.analysis) for role in (MAIN, SUPPORT, RIVAL)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _by_study(judgements: Sequence[Judgement], analysis: str) -> str:
    """Return how often each study gave which verdict, as a cell of a table in Markdown."""
    studies: dict[str, list[Judgement]] = {}
    for one in judgements:
        studies.setdefault(one.study, []).append(one)
    return "; ".join(
        f"[{cell(short(name))}]({link(name)}/README.md): {verdict_counts(own, analysis)}"
        for name, own in sorted(studies.items())
    )


def verdict_counts(judgements: Sequence[Judgement], analysis: str) -> str:
    """Return how often each verdict was given, in words, without stale ones.

    Those of another ``analysis`` are marked.
    """
    counts = Counter((one.verdict, one.analysis) for one in judgements if one.verdict != STALE)
    words = (
        counted(verdict, count) + ("" if kind == analysis else f" ({analysis_words(kind)})")
        for (verdict, kind), count in counts.most_common()
    )
    return ", ".join(words) or verdict_words(STALE)
