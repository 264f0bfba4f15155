"""Locks on runs: only one process at a time trains, writes or removes a run."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

# Seconds between attempts to acquire the guard, which is held for much less.
_POLL = 0.002


class RunLock:
    """A lock on a run, held as a locked file; the operating system frees it if the process dies.

    Releasing the lock removes its file. On its own this would be a race: a second process may
    open the file before it is removed and lock it afterwards, while a third creates and locks a
    new file. So a process acquires a permanent ``guard`` file for a moment whenever it opens and
    locks, or frees and removes, a lock file.
    """

    def __init__(self, lock: BaseFileLock, guard: BaseFileLock) -> None:
        self._lock = lock
        self._guard = guard

    def release(self) -> None:
        """Release the lock and remove its file, unless the folder has become read-only."""
        try:
            with self._guard.acquire(poll_interval=_POLL):
                self._lock.release()
                os.unlink(self._lock.lock_file)
        except OSError:
            self._lock.release()


def take(folder: Path, run_id: str) -> RunLock | None:
    """Return the lock of a run, with its file in ``folder``; ``None`` if another process has it.

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
