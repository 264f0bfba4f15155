"""Files that appear whole or not at all, and that a power cut does not take back."""

from __future__ import annotations

import errno
import os
import sys
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from nnexp.errors import InputError

if sys.platform == "darwin":
    import fcntl

# Syncs at once: a file system commits those that wait together.
_SYNCS = 16


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file aside and rename it: it appears whole or not at all.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    with writing(path):
        replace(path, content.encode() if isinstance(content, str) else content)


def replace(path: Path, content: bytes | memoryview) -> None:
    """Put a file in the place of ``path``, on disk before the one that was there is gone.

    Raises
    ------
    OSError
        If it cannot be written; ``path`` is then as it was.
    """
    aside = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        aside.write_bytes(content)
        sync(aside)
        os.replace(aside, path)
        sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on disk.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    folder = path.is_dir()
    if folder and os.name == "nt":  # Windows keeps names by itself, and opens no folder
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        _flush(handle)
    except OSError as error:
        # Some network file systems cannot sync a folder.
        if not (folder and error.errno in (errno.EINVAL, errno.ENOTSUP)):
            raise
    finally:
        os.close(handle)


def sync_all(paths: Iterable[Path]) -> None:
    """`sync` many files and folders at once, which takes little longer than one."""
    with ThreadPoolExecutor(_SYNCS) as pool:
        for _ in pool.map(sync, paths):
            pass


def _flush(handle: int) -> None:
    if sys.platform == "darwin":
        try:
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)  # fsync leaves data in the drive's own memory
            return
        except OSError:
            pass  # not every file system has it
    os.fsync(handle)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one sentence which file or folder could not be written: a full disk, say."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot write {path} ({error.strerror or error}): what was finished before is kept; "
            f"make it writable, or make room, and give the same command again"
        ) from error
