"""Locks on runs, so that no two processes train, write or remove the same one at a time."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

# Seconds between two looks at whether the guard is free; it is held for far less.
_POLL = 0.002


class RunLock:
    """A run that this process holds, as a locked file; freed by its end, however that comes about.

    The file goes when the run is freed, which by itself would be a race: a second process may have
    opened it before and lock it only when it is gone, while a third makes and locks the next one.
    So lock files are opened and locked, or freed and removed, by whoever holds the ``guard``: a
    file beside them that stays, held for a moment, for which everybody waits.
    """

    def __init__(self, lock: BaseFileLock, guard: BaseFileLock) -> None:
        self._lock = lock
        self._guard = guard

    def release(self) -> None:
        """Free the run, and remove the file unless the folder has become unwritable."""
        try:
            with self._guard.acquire(poll_interval=_POLL):
                self._lock.release()
                os.unlink(self._lock.lock_file)
        except OSError:
            self._lock.release()


def take(folder: Path, run_id: str) -> RunLock | None:
    """Return the lock of a run, its file in ``folder``; ``None`` if another process has it.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / f"{run_id}.lock", thread_local=False)
    guard = FileLock(folder / "guard", thread_local=False)
    try:
        with guard.acquire(poll_interval=_POLL):
            lock.acquire(blocking=False)
    except Timeout:
        return None
    return RunLock(lock, guard)
