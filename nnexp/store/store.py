"""The store of finished runs.

A record is a folder ``<store>/<run_id>/`` with ``config.yaml``, ``metrics.csv``, ``layers.csv``,
``run.json`` and, if requested, ``weights.npz``. It is written to a temporary folder and then
renamed. ``run.json`` holds the digests of the other files, which reveal damage. Records are checked
before use, since a store may come from anywhere.
"""

from __future__ import annotations

import glob
import hashlib
import io
import json
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from nnexp import validation
from nnexp.config.identity import columns as config_columns
from nnexp.config.identity import fingerprint, own_functions, without_places
from nnexp.errors import InputError
from nnexp.files import sync, sync_all, writing
from nnexp.store import versions
from nnexp.store.locks import RunLock, take
from nnexp.store.record import (
    DIVERGED,
    FAILED,
    FINISHED,
    SCORES,
    Record,
    Row,
    from_csv,
    tidy,
    to_csv,
)

if TYPE_CHECKING:
    import numpy.typing as npt

# The C dumper, where available, is ten times faster.
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

# The name of a record's folder: its slug and its hash.
_RUN_ID = re.compile(r"\w[\w.+-]*-[0-9a-f]{12}", re.ASCII)
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
_WEIGHTS = "weights.npz"
# A file is not read if this multiple of its size exceeds the machine's memory.
_SHARE = 4


class DamagedRecord(Exception):
    """A record that was changed or damaged after it was written."""


class NewerRecord(InputError):
    """A record in the format of a newer version of nnexp."""


class Store:
    """The finished runs in one folder, by ``run_id``; safe for concurrent sweeps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, run_id: str) -> Path:
        """Return the folder of a run's record."""
        return self.folder / run_id

    def lock(self, run_id: str) -> RunLock | None:
        """Acquire and return the lock of a run, or ``None`` if another process has it."""
        with writing(self.folder):
            lock = take(self.folder / ".locks", run_id)
            if lock is not None:
                self._recover(run_id)
        return lock

    def _recover(self, run_id: str) -> None:
        """Clean up after an interrupted write, restoring the old record if there is no new one."""
        old, target = self._temporary("old", run_id), self.path(run_id)
        if os.path.lexists(old):
            if os.path.lexists(target):
                sync(self.folder)  # the new record was synced before it was renamed
            else:
                os.rename(old, target)
        for folder in (self._temporary("new", run_id), old):
            _clear(folder)

    def _temporary(self, kind: str, run_id: str) -> Path:
        return self.folder / f".{kind}-{run_id}"

    def read(self, run_id: str) -> Record | None:
        """Return the record of a run, or ``None`` if it failed or is not stored.

        Raises
        ------
        DamagedRecord
            If one of its files is missing, altered or unreadable.
        NewerRecord
            If a newer nnexp wrote it.
        """
        if not os.path.lexists(self.path(run_id)):
            return None
        record = self.load(run_id)
        return None if record.status == FAILED else record

    def header(self, run_id: str) -> Row:
        """Return the content of ``run.json`` of a stored run, failed or not.

        Raises
        ------
        DamagedRecord
            If it is missing, altered, unreadable, or belongs to another run.
        NewerRecord
            If a newer nnexp wrote it.
        """
        file = self.path(run_id) / "run.json"
        try:
            run: Row = json.loads(_read_file(file))
            schema = run.get("schema", SCHEMA)
            if isinstance(schema, int) and schema > SCHEMA:
                raise NewerRecord(
                    f"{file.parent} was written by a newer nnexp (schema {schema}, this version "
                    f"reads up to {SCHEMA}): update nnexp, or give another store"
                )
            if run.pop("digest") != _digest(run):
                raise DamagedRecord(f"{file} was altered after it was written")
            _check_header(run, run_id)
        except (DamagedRecord, NewerRecord):
            raise
        except Exception as error:  # any content may have been altered
            raise _incomplete(file, error) from None
        return run

    def load(self, run_id: str) -> Record:
        """Return the record of a stored run, failed or not.

        Raises
        ------
        DamagedRecord
            If one of its files is missing, altered or unreadable.
        NewerRecord
            If a newer nnexp wrote it.
        """
        folder, run = self.path(run_id), self.header(run_id)
        try:
            files = {name: _read_file(folder / name) for name in run["files"]}
            for name, content in files.items():
                if hashlib.sha256(content).hexdigest() != run["files"][name]:
                    raise DamagedRecord(f"{folder / name} was altered after it was written")
            record = Record(
                run_id=run_id,
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
                weights=_weights(files[_WEIGHTS]) if _WEIGHTS in files else None,
                reused=True,
            )
            _check_rows(record, run["outcome"])
        except DamagedRecord:
            raise
        except Exception as error:  # any content may have been altered
            raise _incomplete(folder, error) from None
        return record

    def run_ids(self) -> list[str]:
        """Return the run IDs of all records, including damaged ones; ignore other folders."""
        with os.scandir(self.folder) as entries:
            return sorted(e.name for e in entries if _RUN_ID.fullmatch(e.name) and e.is_dir())

    def remove(self, run_id: str) -> None:
        """Remove a record from the store at once; its lock must be held."""
        with writing(self.folder):
            os.rename(self.path(run_id), self._temporary("new", run_id))
            self._recover(run_id)

    def interrupted_writes(self) -> list[str]:
        """Return the runs with an interrupted write; acquiring their lock cleans it up."""
        folders = [*self.folder.glob(".new-*"), *self.folder.glob(".old-*")]
        return sorted({path.name.split("-", 1)[1] for path in folders})

    def locked(self) -> list[str]:
        """Return the runs with a lock file: locked, or left by a sweep that was killed."""
        return sorted(path.stem for path in (self.folder / ".locks").glob("*.lock"))

    def longest_prefix(self, run_id: str, identity: Row, steps: Sequence[int]) -> Record | None:
        """Return the longest stored run that this run can continue, if any.

        Its weights are saved, its identity is the same except for the length, it was evaluated at
        exactly the first few ``steps``, and its code was not edited.
        """
        longest: Record | None = None
        for folder in self.folder.glob(f"{glob.escape(run_id.rpartition('-')[0])}-*"):
            if folder.name == run_id or not (folder / _WEIGHTS).is_file():
                continue
            try:
                record = self.read(folder.name)
            except (DamagedRecord, NewerRecord):
                continue
            if record is None or record.status != FINISHED or versions.edited(record):
                continue
            done = [row["step"] for row in record.metrics]
            continued = len(done) < len(steps) and done == list(steps[: len(done)])
            if continued and _without_length(record.identity) == _without_length(identity):
                longest = max(longest or record, record, key=lambda r: len(r.metrics))
        return longest

    def write(self, record: Record) -> None:
        """Write a record to the store atomically.

        An existing record (failed, damaged, or retrained by ``force``) is replaced, but kept until
        `commit`. The caller must hold the lock of the run.

        Raises
        ------
        InputError
            If the store cannot be written.
        """
        run_id, files = record.run_id, _files(record)
        new, target = self._temporary("new", run_id), self.path(run_id)
        with writing(self.folder):
            self._recover(run_id)
            try:
                new.mkdir(parents=True)
                for name, content in files.items():
                    (new / name).write_bytes(content)
                if os.path.lexists(target):
                    sync_all([*(new / name for name in files), new])
                    os.rename(target, self._temporary("old", run_id))
                os.rename(new, target)
            except BaseException:
                self._recover(run_id)
                raise

    def commit(self, run_ids: Iterable[str]) -> None:
        """Sync written records to disk, then remove the records that they replaced.

        Committing many at once takes little longer than one. The caller must hold their locks.

        Raises
        ------
        InputError
            If the store cannot be written.
        """
        run_ids = list(run_ids)
        self.sync(run_ids)
        with writing(self.folder):
            for run_id in run_ids:
                _clear(self._temporary("old", run_id))

    def sync(self, run_ids: Iterable[str]) -> None:
        """Wait until records are on disk; raise `InputError` if they cannot be written."""
        folders = [folder for folder in map(self.path, run_ids) if folder.is_dir()]
        if folders:
            with writing(self.folder):
                sync_all(p for folder in folders for p in folder.iterdir() if p.is_file())
                sync_all([*folders, self.folder])


def _clear(path: Path) -> None:
    """Remove the file, link or folder at ``path``, if it exists."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def _files(record: Record) -> dict[str, bytes]:
    """Return the content of a record's files by name, ``run.json`` last."""
    files = {
        "config.yaml": yaml.dump(record.config, Dumper=_Dumper, sort_keys=False).encode(),
        "metrics.csv": to_csv(tidy(record, record.metrics)).encode(),
        "layers.csv": to_csv(tidy(record, record.layers)).encode(),
    }
    if record.weights is not None:
        buffer = io.BytesIO()
        np.savez(buffer, **record.weights)  # type: ignore[arg-type]
        files[_WEIGHTS] = buffer.getvalue()
    run = {
        "schema": SCHEMA,
        "run_id": record.run_id,
        "status": record.status,
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


def _without_length(identity: Row) -> Row:
    """Return an identity without the run's length and evaluation steps."""
    length = ("epochs", "steps", "evaluate_every", "evaluate_at")
    settings = {k: v for k, v in identity["settings"].items() if k not in length}
    shortened: Row = json.loads(json.dumps({**identity, "settings": settings}))
    return shortened


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
    if not _TABLES <= run["files"].keys() <= {*_TABLES, _WEIGHTS}:
        raise ValueError(f"the files are {', '.join(run['files'])}")
    for key in ("environment", "columns", "outcome"):
        for name, value in run[key].items():
            values = value if isinstance(value, list) else [value]
            if not all(isinstance(v, str | int | float | None) for v in values):
                raise TypeError(f"{key}.{name} in run.json is of type {type(value).__name__}")
    parent = run.get("parent")
    if not (parent is None or (type(parent["run_id"]), type(parent["step"])) == (str, int)):
        raise TypeError("parent in run.json does not name a run and a step")
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


def _weights(content: bytes) -> dict[str, npt.NDArray[Any]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(member.file_size for member in archive.infolist()) > len(content):
            raise ValueError(f"{_WEIGHTS} is compressed")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)
