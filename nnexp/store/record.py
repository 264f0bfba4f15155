"""Records of runs, and their rows as CSV text."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from nnexp.config.identity import with_later
from nnexp.store.csv_cells import guarded

if TYPE_CHECKING:
    import numpy.typing as npt

Row = dict[str, Any]

FINISHED, DIVERGED, FAILED = "finished", "diverged", "failed"
# Test accuracies, in percent; a run's row has the first step that reaches each.
MILESTONES = (90, 95, 97)
# Prefixes of the columns with scores.
SPLITS = ("train_", "test_", "validation_")
SCORES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
# The columns of `Record.provenance`, which are empty in the tables of an older nnexp.
PROVENANCE = ("started", "code", "numerics", "data_sha256")
# The columns of a run's row that are not settings.
_OUTCOME = re.compile(
    r"run_id|arm|tuned|chosen|status|step|seconds|reused|steps_to_\d+|"
    rf"(train|test|validation)_(loss|accuracy)|{'|'.join(PROVENANCE)}"
)
# Digits of a commit or digest that messages show.
_DIGITS = 7
# The largest number of cells along a side of the plane of decision regions.
_MOST_CELLS = 1000


@dataclass
class Record:
    """One run: its settings, how it ended, and its tables.

    ``config`` is the nested mapping of its settings and ``columns`` the same flattened for tables.
    ``metrics`` has a row per evaluation, ``layers`` one per evaluation and layer. ``error`` is the
    traceback of a failed run, ``weights`` the final parameters if they were saved, ``snapshots``
    those at evaluations (see `nnexp.training.snapshots`), and ``parent`` the ``run_id`` and
    ``step`` of the stored run that it continued, if any. ``started`` is when its training began,
    in UTC (``2026-01-31T12:00:00Z``): for a continued run, when the first one's did. It is ``None``
    if it was not recorded. ``regions`` are those of `nnexp.training.decision_regions` at the end of
    a run on two features, as CSV, which takes least memory; records of earlier versions have none.
    ``line`` are the scores along the line of a finished run with ``evaluate_line`` (see
    `nnexp.training.trainer.Evaluation`), as CSV.

    The other fields are not stored. ``arm`` is the run's name in the current sweep, if any, and
    ``asked`` is whether the user's command names this run. Only then are the user's own functions
    imported, since a record may name any file. ``tuned`` are the settings of which the run is a
    trial, none if it is compared, and ``chosen`` is whether a trial has the values chosen for its
    arm.
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
    snapshots: dict[str, npt.NDArray[Any]] | None = None
    started: str | None = None
    regions: str = ""
    line: str = ""
    reused: bool = False
    arm: str | None = None
    asked: bool = False
    tuned: tuple[str, ...] = ()
    chosen: bool = False

    def summary_row(self) -> Row:
        """Return the run's row of ``runs.csv``, or of ``tuning.csv`` if it is a trial."""
        named: Row = {"run_id": self.run_id} | ({"arm": self.arm} if self.arm else {})
        if self.tuned:
            named |= {"tuned": " ".join(self.tuned), "chosen": self.chosen}
        row = {**named, **self.columns, "status": self.status, **self.outcome()}
        return row | {"seconds": self.seconds, "reused": self.reused, **self.provenance()}

    def provenance(self) -> Row:
        """Return when the run began, and by which code and on which data its numbers were made."""
        return {
            "started": self.started,
            "code": made_by(self.environment) if self.environment else None,
            "numerics": self.identity.get("numerics"),
            "data_sha256": self.identity.get("data"),
        }

    def outcome(self) -> Row:
        """Return the last step, the scores there, and the first steps at the milestones."""
        last = self.metrics[-1] if self.metrics and self.status != FAILED else {}
        outcome = {"step": last.get("step"), **dict.fromkeys(SCORES)}
        outcome |= {key: value for key, value in last.items() if key.startswith(SPLITS)}
        for percent in MILESTONES:
            reached = (m["step"] for m in self.metrics if m["test_accuracy"] >= percent / 100)
            outcome[f"steps_to_{percent}"] = next(reached, None)
        return outcome


def now() -> str:
    """Return the time in UTC as text, to the second; such texts sort by time."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def made_by(environment: Mapping[str, Any]) -> str:
    """Return the version of nnexp in a record's environment as text: ``0.1.0 at 4c44bec``."""
    version = str(environment.get("nnexp"))
    if environment.get("commit"):
        version += f" at {str(environment['commit'])[:_DIGITS]}"
    if environment.get("dirty"):
        version += f", edited ({str(environment.get('code'))[:_DIGITS]})"
    return version


def is_setting(column: str) -> bool:
    """Return whether a column of the table of runs holds a setting."""
    return _OUTCOME.fullmatch(column) is None


def tidy(record: Record, rows: Iterable[Row]) -> list[Row]:
    """Return ``rows`` with the run's ID and settings as the first columns."""
    return [{"run_id": record.run_id, **record.columns, **row} for row in rows]


def table_rows(record: Record) -> dict[str, list[Row]]:
    """Return the rows of a record in the tables ``runs``, ``metrics`` and ``layers``."""
    return {
        "runs": [record.summary_row()],
        "metrics": tidy(record, record.metrics),
        "layers": tidy(record, record.layers),
    }


def rows(records: Sequence[Record]) -> tuple[list[Row], list[Row], list[Row]]:
    """Return the rows of the tables of ``records``: of runs, evaluations and layers."""
    found = [table_rows(record) for record in records]
    runs, metrics, layers = (
        with_later([row for tables in found for row in tables[name]])
        for name in ("runs", "metrics", "layers")
    )
    return runs, metrics, layers


def csv_files(records: Sequence[Record]) -> dict[str, str]:
    """Return the tables of ``records`` as CSV: ``runs.csv``, ``metrics.csv`` and ``layers.csv``.

    If some are trials, these have a table of their own, ``tuning.csv``.
    """
    trials = with_later([record.summary_row() for record in records if record.tuned])
    compared = rows([record for record in records if not record.tuned])
    files = {
        f"{name}.csv": to_csv(table)
        for name, table in zip(("runs", "metrics", "layers"), compared, strict=True)
    }
    return files | ({"tuning.csv": to_csv(trials)} if trials else {})


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return ``rows`` as CSV: floats in their shortest exact form, ``None`` as an empty cell.

    Text is escaped by `nnexp.store.csv_cells.guarded`.
    """
    names: dict[str, Any] = {}
    for row in rows:
        names.update(row)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([guarded(row.get(name)) for name in names] for row in rows)
    return buffer.getvalue()


def regions_from_csv(text: str) -> list[Row]:
    """Return decision regions, see `nnexp.training.decision_regions`.

    Raises
    ------
    ValueError
        If a region is invalid.
    """
    rows = []
    for row in csv.DictReader(io.StringIO(text)):
        place = {name: float(row[name]) for name in ("y", "x", "until")}
        if not all(map(math.isfinite, place.values())) or place["x"] >= place["until"]:
            raise ValueError(f"there is an invalid region: {', '.join(row.values())}")
        rows.append({**place, "class": int(row["class"])})
    if len({row["y"] for row in rows}) > _MOST_CELLS:
        raise ValueError(f"there are more than {_MOST_CELLS} rows of cells")
    return rows


def line_from_csv(text: str) -> list[Row]:
    """Return the scores along a line by their names, with the ``fraction`` of the way of each.

    Raises
    ------
    ValueError
        If they are not those of a line: fractions from 0 to 1 in order, each with all scores.
    """
    names = ("fraction", *SCORES)
    line = [{n: float(row[n]) for n in names} for row in csv.DictReader(io.StringIO(text))]
    fractions = [point["fraction"] for point in line]
    if line and (fractions != sorted({*fractions}) or (fractions[0], fractions[-1]) != (0, 1)):
        raise ValueError("its points are not in order from 0 to 1")
    if any(math.isnan(value) for point in line for value in point.values()):
        raise ValueError("a point of the line has no loss")
    return line


# Columns of a record's tables that hold integers.
_WHOLE = frozenset({"step", "samples", "layer", "units", "distinct_units"})


def from_csv(content: bytes) -> list[Row]:
    """Return the measured columns of a record's table, without those that ``tidy`` added."""
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
