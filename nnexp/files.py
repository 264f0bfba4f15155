"""Atomic and durable writing of files."""

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

# Concurrent syncs, which a file system commits together.
_SYNCS = 16


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file atomically, as a temporary file that is then renamed.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    with writing(path):
        replace(path, content.encode() if isinstance(content, str) else content)


def replace(path: Path, content: bytes | memoryview) -> None:
    """Replace the file ``path`` atomically; the new content is synced before the old one is lost.

    Raises
    ------
    OSError
        If the file cannot be written; ``path`` is then unchanged.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file, which replaces ``path`` when the ``with`` block ends without error.

    Raises
    ------
    OSError
        If the file cannot be written; ``path`` is then unchanged.
    """
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until the content of a file, or the entries of a folder, are on disk.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    folder = path.is_dir()
    if folder and os.name == "nt":  # Windows cannot open folders, and does not need this
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
    """Call `sync` for many files and folders at once, which takes little longer than for one."""
    with ThreadPoolExecutor(_SYNCS) as pool:
        for _ in pool.map(sync, paths):
            pass


def _flush(handle: int) -> None:
    if sys.platform == "darwin":
        try:
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)  # fsync may leave data in the drive's cache
            return
        except OSError:
            pass  # not supported by the file system
    os.fsync(handle)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` within a ``with`` block into an `InputError` that names ``path``."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot write {path} ({error.strerror or error}): make it writable or free some "
            f"space, and run the same command again; finished work is kept"
        ) from error
