"""The store of finished runs.

A record is a folder ``<store>/<run_id>/`` (see `nnexp.store.record_files`). It is written to a
temporary folder and then renamed.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from nnexp.files import sync, sync_all, writing
from nnexp.store import versions
from nnexp.store.locks import RunLock, take
from nnexp.store.record import FAILED, FINISHED, Record, Row
from nnexp.store.record_files import (
    WEIGHTS,
    DamagedRecord,
    NewerRecord,
    read_header,
    read_record,
    to_files,
)

# The name of a record's folder: its slug and its hash.
_RUN_ID = re.compile(r"\w[\w.+-]*-[0-9a-f]{12}", re.ASCII)


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
        """Return ``run.json`` of a stored run, failed or not; errors as in `read`."""
        return read_header(self.path(run_id))

    def load(self, run_id: str) -> Record:
        """Return the record of a stored run, failed or not; errors as in `read`."""
        return read_record(self.path(run_id))

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
        exactly the first few ``steps``, and its code was not edited. Runs that other processes
        store after the first call are not considered.
        """
        longest: Record | None = None
        for stored in self._continuable[_slug(run_id)]:
            if stored == run_id:
                continue
            try:
                record = self.read(stored)
            except (DamagedRecord, NewerRecord):
                continue
            if record is None or record.status != FINISHED or versions.edited(record):
                continue
            done = [row["step"] for row in record.metrics]
            continued = len(done) < len(steps) and done == list(steps[: len(done)])
            if continued and _without_length(record.identity) == _without_length(identity):
                longest = max(longest or record, record, key=lambda r: len(r.metrics))
        return longest

    @functools.cached_property
    def _continuable(self) -> defaultdict[str, set[str]]:
        """The runs with saved weights by their slug, listed once: the store may have many runs."""
        found = defaultdict(set)
        for run_id in self.run_ids():
            if (self.path(run_id) / WEIGHTS).is_file():
                found[_slug(run_id)].add(run_id)
        return found

    def write(self, record: Record) -> None:
        """Write a record to the store atomically.

        An existing record (failed, damaged, or retrained by ``force``) is replaced, but kept until
        `commit`. The caller must hold the lock of the run.

        Raises
        ------
        InputError
            If the store cannot be written.
        """
        run_id, files = record.run_id, to_files(record)
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
        if record.weights is not None:
            self._continuable[_slug(run_id)].add(run_id)

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


def _slug(run_id: str) -> str:
    return run_id.rpartition("-")[0]


def _clear(path: Path) -> None:
    """Remove the file, link or folder at ``path``, if it exists."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def _without_length(identity: Row) -> Row:
    """Return an identity without the run's evaluation steps and its length.

    The length stays if the steps depend on it, as those of a cosine schedule do, and those of a
    pruned run, whose rounds are as long.
    """
    left_out = ["evaluate_every", "evaluate_at"]
    given = identity["settings"]
    if given.get("schedule", {}).get("name") != "cosine" and "pruning" not in given:
        left_out += ["epochs", "steps"]
    settings = {k: v for k, v in given.items() if k not in left_out}
    shortened: Row = json.loads(json.dumps({**identity, "settings": settings}))
    return shortened
