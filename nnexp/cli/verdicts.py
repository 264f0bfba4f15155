"""Verdicts on the terminal."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from nnexp.analysis.labels import listed
from nnexp.cli.terminal import terminal
from nnexp.messages.language import tr
from nnexp.studies.judgement import ANALYSES, Judgement
from nnexp.studies.lock import lock_file
from nnexp.studies.study import Study
from nnexp.studies.words import analysis_words, counted, verdict_words


def print_verdicts(study: Study, judgements: Sequence[Judgement]) -> None:
    """Print the verdicts of a study, how many there are of each, and why some are exploratory."""
    console = terminal(width=None if sys.stdout.isatty() else 160)
    table = Table(box=None, header_style="bold", pad_edge=False)
    heads = (tr("row"), tr("claim"), tr("verdict"), "n", tr("analysis"), tr("measured"))
    for name in heads:
        table.add_column(name, overflow="fold")
    for one in judgements:
        verdict = verdict_words(one.verdict)
        if not one.as_expected:
            expected = verdict_words(one.expected)
            verdict += f" ({tr('expected: {verdict}', verdict=expected)})"
        n = "" if one.n is None else str(one.n)
        table.add_row(one.row, one.claim, verdict, n, analysis_words(one.analysis), one.measured)
    console.print(table)
    for analysis in ANALYSES:
        counts = Counter(one.verdict for one in judgements if one.analysis == analysis)
        if counts:
            summary = ", ".join(counted(verdict, n) for verdict, n in counts.most_common())
            console.print(f"{study.name}: {analysis_words(analysis)}: {summary}")
    if lock_file(study).is_file():
        for reason in dict.fromkeys(one.reason for one in judgements if one.reason):
            claims = listed([one.claim for one in judgements if one.reason == reason])
            words = tr("exploratory, as {reason}: {claims}", reason=reason, claims=claims)
            console.print(f"{study.name}: {words}")
