"""Writing, reading and checking the files of a record.

They are ``config.yaml``, ``metrics.csv``, ``layers.csv``, ``run.json``, if requested
``weights.npz``, ``snapshots.npz`` and ``loss_line.csv``, and of a run on two features
``decision_regions.csv``.
``run.json`` holds the digests of the other files, which reveal damage. Everything is checked before
use, since a record may come from anywhere.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from nnexp import validation
from nnexp.config.identity import columns as config_columns
from nnexp.config.identity import fingerprint, own_functions, without_places
from nnexp.errors import InputError
from nnexp.store.record import (
    DIVERGED,
    FAILED,
    FINISHED,
    SCORES,
    Record,
    Row,
    from_csv,
    line_from_csv,
    regions_from_csv,
    tidy,
    to_csv,
)

if TYPE_CHECKING:
    import numpy.typing as npt

# The C dumper, where available, is ten times faster.
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

# The version of the record format; records without a version have version 1.
SCHEMA = 1
# Required entries of ``run.json`` and their types.
_HEADER: dict[str, Any] = {
    "status": str,
    "seconds": float,
    "error": str | None,
    "outcome": dict,
    "environment": dict,
    "identity": dict,
    "config": dict,
    "columns": dict,
    "files": dict,
}
_TABLES = {"config.yaml", "metrics.csv", "layers.csv"}
WEIGHTS, SNAPSHOTS = "weights.npz", "snapshots.npz"
REGIONS, LINE = "decision_regions.csv", "loss_line.csv"
# A moment in UTC; such texts are in the order of time.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
# A file is not read if this multiple of its size exceeds the machine's memory.
_SHARE = 4


class DamagedRecord(Exception):
    """A record that was changed or damaged after it was written."""


class NewerRecord(InputError):
    """A record in the format of a newer version of nnexp."""


def read_header(folder: Path) -> Row:
    """Return the content of ``run.json`` in the ``folder`` of a record.

    Raises
    ------
    DamagedRecord
        If it is missing, altered, unreadable, or belongs to another run.
    NewerRecord
        If a newer nnexp wrote it.
    """
    file = folder / "run.json"
    try:
        run: Row = json.loads(_read_file(file))
        schema = run.get("schema", SCHEMA)
        if isinstance(schema, int) and schema > SCHEMA:
            raise NewerRecord(
                f"{folder} was written by a newer nnexp (schema {schema}, this version "
                f"reads up to {SCHEMA}): update nnexp, or give another store"
            )
        if run.pop("digest") != _digest(run):
            raise DamagedRecord(f"{file} was altered after it was written")
        _check_header(run, folder.name)
    except (DamagedRecord, NewerRecord):
        raise
    except Exception as error:  # any content may have been altered
        raise _incomplete(file, error) from None
    return run


def read_record(folder: Path) -> Record:
    """Return the record in ``folder``, whose name is the ID of the run.

    Raises
    ------
    DamagedRecord
        If one of its files is missing, altered or unreadable.
    NewerRecord
        If a newer nnexp wrote it.
    """
    run = read_header(folder)
    try:
        files = {name: _read_file(folder / name) for name in run["files"]}
        for name, content in files.items():
            if hashlib.sha256(content).hexdigest() != run["files"][name]:
                raise DamagedRecord(f"{folder / name} was altered after it was written")
        record = Record(
            run_id=folder.name,
            config=run["config"],
            columns=run["columns"],
            status=run["status"],
            metrics=from_csv(files["metrics.csv"]),
            layers=from_csv(files["layers.csv"]),
            seconds=run["seconds"],
            error=run["error"],
            environment=run["environment"],
            identity=run["identity"],
            parent=run.get("parent"),
            started=run.get("started"),
            weights=_arrays(files[WEIGHTS]) if WEIGHTS in files else None,
            snapshots=_arrays(files[SNAPSHOTS]) if SNAPSHOTS in files else None,
            regions=files[REGIONS].decode() if REGIONS in files else "",
            line=files[LINE].decode() if LINE in files else "",
            reused=True,
        )
        _check_rows(record, run["outcome"])
        for read, text in ((regions_from_csv, record.regions), (line_from_csv, record.line)):
            read(text)  # raises an error if it is invalid
    except DamagedRecord:
        raise
    except Exception as error:  # any content may have been altered
        raise _incomplete(folder, error) from None
    return record


def to_files(record: Record) -> dict[str, bytes]:
    """Return the content of a record's files by name, ``run.json`` last."""
    files = {
        "config.yaml": yaml.dump(record.config, Dumper=_Dumper, sort_keys=False).encode(),
        "metrics.csv": to_csv(tidy(record, record.metrics)).encode(),
        "layers.csv": to_csv(tidy(record, record.layers)).encode(),
    }
    for name, arrays in ((WEIGHTS, record.weights), (SNAPSHOTS, record.snapshots)):
        if arrays is not None:
            buffer = io.BytesIO()
            np.savez(buffer, **arrays)  # type: ignore[arg-type]
            files[name] = buffer.getvalue()
    for name, text in ((REGIONS, record.regions), (LINE, record.line)):
        if text:
            files[name] = text.encode()
    run = {
        "schema": SCHEMA,
        "run_id": record.run_id,
        "status": record.status,
        "started": record.started,
        "seconds": record.seconds,
        "error": record.error,
        "outcome": record.outcome(),
        "environment": record.environment,
        "identity": record.identity,
        "parent": record.parent,
        "config": record.config,
        "columns": record.columns,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    text = json.dumps({**run, "digest": _digest(run)}, indent=1)
    return {**files, "run.json": f"{text}\n".encode()}


def _digest(run: Row) -> str:
    """Return the SHA-256 of the content of ``run.json``, which includes the other digests."""
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()


def _incomplete(place: Path, error: Exception) -> DamagedRecord:
    return DamagedRecord(f"{place} is incomplete ({type(error).__name__}: {error})")


def _read_file(file: Path) -> bytes:
    """Return the bytes of a record's file; refuse links, which may point elsewhere."""
    for path, right in ((file.parent, stat.S_ISDIR), (file, stat.S_ISREG)):
        if not right(os.lstat(path).st_mode):
            raise ValueError(f"{path.name} is a link or a special file")
    validation.memory(str(file), _SHARE * os.lstat(file).st_size)
    return file.read_bytes()


def _check_header(run: Row, run_id: str) -> None:
    """Raise an error if ``run.json`` is inconsistent although its digest is correct."""
    if run["run_id"] != run_id:
        raise DamagedRecord(f"the folder {run_id} holds the record of {run['run_id']}")
    for key, kind in _HEADER.items():
        if not isinstance(run[key], kind):
            raise TypeError(f"{key} in run.json is of type {type(run[key]).__name__}")
    if run["status"] not in (FINISHED, DIVERGED, FAILED):
        raise ValueError(f"the status is {run['status']!r}")
    if not _TABLES <= run["files"].keys() <= {*_TABLES, WEIGHTS, SNAPSHOTS, REGIONS, LINE}:
        raise ValueError(f"the files are {', '.join(run['files'])}")
    for key in ("environment", "columns", "outcome"):
        for name, value in run[key].items():
            values = value if isinstance(value, list) else [value]
            if not all(isinstance(v, str | int | float | None) for v in values):
                raise TypeError(f"{key}.{name} in run.json is of type {type(value).__name__}")
    parent = run.get("parent")
    if not (parent is None or (type(parent["run_id"]), type(parent["step"])) == (str, int)):
        raise TypeError("parent in run.json does not name a run and a step")
    started = run.get("started")
    if not (started is None or (isinstance(started, str) and _MOMENT.fullmatch(started))):
        raise ValueError(f"the run started at {started!r}")
    identity, config = run["identity"], run["config"]
    if fingerprint(identity) != run_id.rpartition("-")[2]:
        raise DamagedRecord(f"{run_id} does not end with the hash of the identity in run.json")
    kinds = {key: type(value) for key, value in identity.items()}
    if kinds != {"numerics": int, "settings": dict, "data": str, "sources": dict}:
        raise TypeError(f"the identity in run.json has unexpected entries: {', '.join(identity)}")
    columns = config_columns(config, identity)
    if (
        without_places(config) != identity["settings"]
        or own_functions(config).keys() != identity["sources"].keys()
        or any(columns.get(name) != value for name, value in run["columns"].items())
        or not all(isinstance(digest, str) for digest in identity["sources"].values())
    ):
        raise DamagedRecord(f"the settings in run.json of {run_id} contradict its identity")


def _check_rows(record: Record, outcome: Row) -> None:
    """Raise an error if the tables are inconsistent."""
    steps = [row["step"] for row in record.metrics]
    if steps != sorted({*steps}) or not (steps or record.status == FAILED):
        raise ValueError(f"its evaluations are at invalid steps: {steps[:9]}")
    if any(outcome.get(name) != value for name, value in record.outcome().items()):
        raise ValueError("the outcome in run.json does not match its evaluations")
    numbers = ("epoch", "step", "samples", "seconds", *SCORES)
    for row in record.metrics:
        if not all(isinstance(row[name], int | float) for name in numbers):
            raise ValueError(f"the evaluation at step {row['step']} lacks a measure")
    known = {*steps}
    for row in record.layers:
        if row["step"] not in known or not isinstance(row["layer"], int):
            raise ValueError(f"layers.csv has step {row['step']}, layer {row['layer']}")


def _arrays(content: bytes) -> dict[str, npt.NDArray[Any]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(member.file_size for member in archive.infolist()) > len(content):
            raise ValueError("its arrays are compressed")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)
