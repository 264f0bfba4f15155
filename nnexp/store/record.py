"""Records of runs, and their rows as CSV text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nnexp.store.csv_cells import guarded

if TYPE_CHECKING:
    import numpy.typing as npt

Row = dict[str, Any]

FINISHED, DIVERGED, FAILED = "finished", "diverged", "failed"
# Test accuracies whose first step a run's row names.
MILESTONES = (90, 95, 97)
# How the columns of the data sets' scores begin.
SPLITS = ("train_", "test_", "validation_")
SCORES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


@dataclass
class Record:
    """One run: what it was, how it ended, and its rows.

    ``config`` is the nested mapping of its settings, ``columns`` the same flattened for tables;
    ``metrics`` has a row for each evaluation, ``layers`` one for each evaluation and layer;
    ``arm`` is the name that the sweep at hand has for it, if any, and no part of the record;
    ``error`` is the traceback of a failed run; ``weights`` the final parameters, if kept;
    ``parent`` the ``run_id`` and ``step`` of the stored run that it continued, if any.
    ``asked`` is not part of it either: whether the command names this run, so that functions of the
    user's own, which any record may name, may be imported.
    """

    run_id: str
    config: Row
    columns: Row
    status: str
    metrics: list[Row]
    layers: list[Row]
    seconds: float
    error: str | None = None
    environment: Row = field(default_factory=dict)
    identity: Row = field(default_factory=dict)
    parent: Row | None = None
    weights: dict[str, npt.NDArray[Any]] | None = None
    reused: bool = False
    arm: str | None = None
    asked: bool = False

    def summary_row(self) -> Row:
        """Return the run's row of ``runs.csv``."""
        named = {"run_id": self.run_id} | ({"arm": self.arm} if self.arm else {})
        row = {**named, **self.columns, "status": self.status, **self.outcome()}
        return row | {"seconds": self.seconds, "reused": self.reused}

    def outcome(self) -> Row:
        """Return the last step, the scores there, and the first steps at the milestones."""
        last = self.metrics[-1] if self.metrics and self.status != FAILED else {}
        outcome = {"step": last.get("step"), **dict.fromkeys(SCORES)}
        outcome |= {key: value for key, value in last.items() if key.startswith(SPLITS)}
        for percent in MILESTONES:
            reached = (m["step"] for m in self.metrics if m["test_accuracy"] >= percent / 100)
            outcome[f"steps_to_{percent}"] = next(reached, None)
        return outcome


def tidy(record: Record, rows: Iterable[Row]) -> list[Row]:
    """Return ``rows`` with the run's name and every setting in front."""
    return [{"run_id": record.run_id, **record.columns, **row} for row in rows]


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return ``rows`` as CSV text; floats in their shortest exact form, ``None`` empty.

    Text is `nnexp.store.csv_cells.guarded`.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({name: guarded(value) for name, value in row.items()} for row in rows)
    return buffer.getvalue()


# Columns of a record's tables that are neither text nor settings.
_WHOLE = frozenset({"step", "samples", "layer", "units", "distinct_units"})


def from_csv(content: bytes) -> list[Row]:
    """Read back the measured columns of a record's table: what ``tidy`` put in front is dropped."""
    reader = csv.DictReader(io.StringIO(content.decode()))
    names = list(reader.fieldnames or [])
    measured = names[names.index("epoch", names.index("seed")) :] if names else []
    return [{name: _value(name, row[name]) for name in measured} for row in reader]


def _value(name: str, text: str) -> Any:
    if text == "":
        return None
    if name == "kind":
        return text
    return int(text) if name in _WHOLE else float(text)
