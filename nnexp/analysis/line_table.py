"""The losses of a sweep's runs along the lines from their initial to their final weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from nnexp.store.record import SCORES, Record, line_from_csv

COLUMNS = ("arm", "run_id", "fraction", *SCORES)


def line_table(records: Sequence[Record], arms: Mapping[str, str]) -> pd.DataFrame:
    """Return a row for each run and point of its line: `COLUMNS`, with ten digits of the scores.

    ``arms`` maps the ids of eligible runs to their arms. The table is empty if no run that finished
    has the setting ``evaluate_line``.
    """
    rows = [
        {"arm": arms[record.run_id], "run_id": record.run_id}
        | {name: float(f"{value:.10g}") for name, value in point.items()}
        for record in records
        if record.run_id in arms
        for point in line_from_csv(record.line)
    ]
    table: pd.DataFrame = pd.DataFrame(rows, columns=COLUMNS)
    return table
