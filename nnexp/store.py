"""The store that keeps each finished run once, whole.

A record is a folder ``<store>/<run_id>/`` with ``config.yaml metrics.csv layers.csv run.json`` (and
``weights.npz`` where asked). It is written aside and appears by one rename; ``run.json`` holds the
digests of the other files, so that damage is noticed.
"""

from __future__ import annotations

import glob
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from nnexp.files import writing
from nnexp.locks import RunLock, take
from nnexp.records import FAILED, FINISHED, Record, Row, from_csv, tidy, to_csv

if TYPE_CHECKING:
    import numpy.typing as npt

# The C library's dumper, where PyYAML has it, is ten times faster.
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

# What the folder of a record is called: its slug and its hash.
_RUN_ID = re.compile(r"\w[\w.+-]*-[0-9a-f]{12}", re.ASCII)
# What ``run.json`` says of every run, whatever became of it.
_OUTLINE = {"status": str, "seconds": float, "columns": dict, "outcome": dict, "files": dict}


class DamagedRecord(Exception):
    """A record in the store that does not hold what it held when it was written."""


class Store:
    """The finished runs below one folder, by ``run_id``; safe for several sweeps at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, run_id: str) -> Path:
        """Return the folder of a run's record."""
        return self.folder / run_id

    def lock(self, run_id: str) -> RunLock | None:
        """Return the lock of a run, taken, or ``None`` where another process has it."""
        with writing(self.folder):
            lock = take(self.folder / ".locks", run_id)
            if lock is not None:
                self._recover(run_id)
        return lock

    def _recover(self, run_id: str) -> None:
        """Clear away what a writer of the run left aside, the old record put back if need be."""
        old, target = self._aside("old", run_id), self.path(run_id)
        if old.exists() and not target.exists():
            os.rename(old, target)
        if old.is_file():
            old.unlink()
        for aside in (self._aside("new", run_id), old):
            shutil.rmtree(aside, ignore_errors=True)

    def _aside(self, kind: str, run_id: str) -> Path:
        return self.folder / f".{kind}-{run_id}"

    def read(self, run_id: str) -> Record | None:
        """Return the record of a run, or ``None`` if there is none that succeeded.

        Raises
        ------
        DamagedRecord
            If a file of it is missing, altered or unreadable.
        """
        if not self.path(run_id).exists():
            return None
        record = self.recall(run_id)
        return None if record.status == FAILED else record

    def outline(self, run_id: str) -> Row:
        """Return what ``run.json`` alone says of a run that is in the store, failed or not.

        Raises
        ------
        DamagedRecord
            If it is missing, altered or unreadable, or belongs to another run.
        """
        folder = self.path(run_id)
        try:
            run: Row = json.loads((folder / "run.json").read_text("utf-8"))
            if run.pop("digest") != _digest(run):
                raise DamagedRecord(f"{folder / 'run.json'} was altered after it was written")
            if run["run_id"] != run_id:
                raise DamagedRecord(f"{folder} holds the record of {run['run_id']}")
            for key, kind in _OUTLINE.items():
                if not isinstance(run[key], kind):
                    raise TypeError(f"{key} in run.json is no {kind.__name__}")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _incomplete(folder / "run.json", error) from None
        return run

    def recall(self, run_id: str) -> Record:
        """Return the record of a run that is in the store, failed or not.

        Raises
        ------
        DamagedRecord
            If a file of it is missing, altered or unreadable.
        """
        folder, run = self.path(run_id), self.outline(run_id)
        try:
            files = {name: (folder / name).read_bytes() for name in run["files"]}
            for name, content in files.items():
                if hashlib.sha256(content).hexdigest() != run["files"][name]:
                    raise DamagedRecord(f"{folder / name} was altered after it was written")
            return Record(
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
                weights=_weights(files),
                reused=True,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _incomplete(folder, error) from None

    def run_ids(self) -> list[str]:
        """Return the names of all records, damaged ones too; other folders are passed over."""
        with os.scandir(self.folder) as entries:
            return sorted(e.name for e in entries if _RUN_ID.fullmatch(e.name) and e.is_dir())

    def remove(self, run_id: str) -> None:
        """Take a record out of the store, all of it at once; its lock must be held."""
        with writing(self.folder):
            os.rename(self.path(run_id), self._aside("new", run_id))
            self._recover(run_id)

    def leftovers(self) -> list[str]:
        """Return the runs of which a writer has left something aside; their locks clear it away."""
        asides = [*self.folder.glob(".new-*"), *self.folder.glob(".old-*")]
        return sorted({path.name.split("-", 1)[1] for path in asides})

    def locked(self) -> list[str]:
        """Return the runs for which there is a lock file: held, or of a sweep that was killed."""
        return sorted(path.stem for path in (self.folder / ".locks").glob("*.lock"))

    def shorter(self, run_id: str, identity: Row, steps: Sequence[int]) -> Record | None:
        """Return the longest stored run that this one only continues, if its weights were kept.

        It has the same identity but for its length, and was evaluated at the first of ``steps``.
        """
        longest: Record | None = None
        for folder in self.folder.glob(f"{glob.escape(run_id.rpartition('-')[0])}-*"):
            if folder.name == run_id or not (folder / "weights.npz").is_file():
                continue
            try:
                record = self.read(folder.name)
            except DamagedRecord:
                continue
            if record is None or record.status != FINISHED:
                continue
            done = [row["step"] for row in record.metrics]
            continued = len(done) < len(steps) and done == list(steps[: len(done)])
            if continued and _endless(record.identity) == _endless(identity):
                longest = max(longest or record, record, key=lambda r: len(r.metrics))
        return longest

    def write(self, record: Record) -> None:
        """Put a record into the store: all of it, or nothing.

        A record that is there already (failed, damaged, or retrained by ``force``) is replaced.
        Two processes may write the same run only in turn: whoever does holds its lock.

        Raises
        ------
        InputError
            If the store cannot be written.
        """
        run_id, files = record.run_id, _files(record)
        new, target = self._aside("new", run_id), self.path(run_id)
        with writing(self.folder):
            self._recover(run_id)
            try:
                new.mkdir(parents=True)
                for name, content in files.items():
                    (new / name).write_bytes(content)
                if target.exists():
                    os.rename(target, self._aside("old", run_id))
                os.rename(new, target)
            finally:
                self._recover(run_id)


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
        files["weights.npz"] = buffer.getvalue()
    run = {
        "run_id": record.run_id,
        "status": record.status,
        "seconds": record.seconds,
        "error": record.error,
        "outcome": record.outcome(),
        "environment": record.environment,
        "identity": record.identity,
        "config": record.config,
        "columns": record.columns,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    text = json.dumps({**run, "digest": _digest(run)}, indent=1)
    return {**files, "run.json": f"{text}\n".encode()}


def _digest(run: Row) -> str:
    """Return the SHA-256 of what ``run.json`` says, that of the other files included."""
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()


def _incomplete(place: Path, error: Exception) -> DamagedRecord:
    return DamagedRecord(f"{place} is incomplete ({type(error).__name__}: {error})")


def _endless(identity: Row) -> Row:
    """Return an identity without what says how long the run is and when it is evaluated."""
    length = ("epochs", "steps", "evaluate_every", "evaluate_at")
    settings = {k: v for k, v in identity["settings"].items() if k not in length}
    endless: Row = json.loads(json.dumps({**identity, "settings": settings}))
    return endless


def _weights(files: Mapping[str, bytes]) -> dict[str, npt.NDArray[Any]] | None:
    if "weights.npz" not in files:
        return None
    with np.load(io.BytesIO(files["weights.npz"]), allow_pickle=False) as archive:
        return dict(archive)
