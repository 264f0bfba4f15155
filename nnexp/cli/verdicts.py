"""Verdicts on the terminal."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from nnexp.analysis.labels import listed
from nnexp.cli.terminal import terminal
from nnexp.studies.judgement import ANALYSES, Judgement
from nnexp.studies.lock import lock_file
from nnexp.studies.study import Study


def print_verdicts(study: Study, judgements: Sequence[Judgement]) -> None:
    """Print the verdicts of a study, how many there are of each, and why some are exploratory."""
    console = terminal(width=None if sys.stdout.isatty() else 160)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("row", "claim", "verdict", "n", "analysis", "measured"):
        table.add_column(name, overflow="fold")
    for one in judgements:
        verdict = one.verdict if one.as_expected else f"{one.verdict} (expected: {one.expected})"
        n = "" if one.n is None else str(one.n)
        table.add_row(one.row, one.claim, verdict, n, one.analysis, one.measured)
    console.print(table)
    for analysis in ANALYSES:
        counts = Counter(one.verdict for one in judgements if one.analysis == analysis)
        if counts:
            summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
            console.print(f"{study.name}: {analysis}: {summary}")
    if lock_file(study).is_file():
        for reason in dict.fromkeys(one.reason for one in judgements if one.reason):
            claims = listed([one.claim for one in judgements if one.reason == reason])
            console.print(f"{study.name}: exploratory, as {reason}: {claims}")
