"""The user's cache folder: raw files unpacked once, verified, then memory-mapped."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import platformdirs

from nnexp import validation
from nnexp.errors import InputError
from nnexp.files import replace


class Content(NamedTuple):
    """The bytes of one raw file, read-only, and their SHA-256."""

    data: npt.NDArray[np.uint8]  # (bytes,)
    sha256: str
    name: str  # for messages


def folder() -> Path:
    """Return nnexp's cache folder: ``NNEXP_CACHE``, else the platform's own place for caches."""
    chosen = os.environ.get("NNEXP_CACHE")
    if chosen:
        return Path(os.path.expanduser(chosen))
    return Path(platformdirs.user_cache_dir("nnexp", appauthor=False))


def mapped(path: Path, sha256: str) -> Content:
    """Return the file ``path`` memory-mapped; ``sha256`` is already known to be its digest."""
    return Content(np.memmap(path, np.uint8, "r"), sha256, str(path))


def lookup(path: Path, sha256: str | None) -> Content | None:
    """Return the unpacked file ``path`` if it is there and whole, else None.

    The seal beside it records the digest of the file with its size and time of change, so that
    only a file that was touched since is read through again. Without a known digest
    (``sha256=None``) only a file with an unbroken seal is whole.
    """
    try:
        sealed = _seal(path).read_text().split()
    except OSError:
        sealed = []
    try:
        if sealed[1:] == _state(path) and sha256 in (None, sealed[0]):
            return mapped(path, sealed[0])
        if sha256 is not None and _digest(path) == sha256:
            replace(_seal(path), " ".join([sha256, *_state(path)]).encode())
            return mapped(path, sha256)
    except (OSError, ValueError):
        pass  # missing, empty or unreadable: it is unpacked again
    return None


def files() -> list[Path]:
    """Return the files of the cache: unpacked ones, their seals and the archives beside them."""
    found = []
    for seal in sorted(folder().glob("*/*.seal")):
        path = seal.with_name(seal.name.removesuffix(".seal"))
        found += [path, seal, path.with_name(f"{path.name}.gz")]
    return [path for path in found if path.is_file()]


def clear() -> None:
    """Remove the files of the cache, and the folders that this leaves empty."""
    for path in files():
        path.unlink(missing_ok=True)
    for place in folder().glob("*"):
        with suppress(OSError):  # not a folder, or not empty
            place.rmdir()


def recheck() -> list[Path]:
    """Read every unpacked file of the cache again; return those that differ from their seal.

    `lookup` believes a seal as long as size and time of change agree. This function does not: it
    breaks the seals of the files it returns, so that they are unpacked again when they are next
    needed. Call it before this process loads any data.

    Raises
    ------
    InputError
        If an altered file cannot be dealt with, because the cache is read-only.
    """
    altered = []
    for seal in sorted(folder().glob("*/*.seal")):
        path = seal.with_name(seal.name.removesuffix(".seal"))
        try:
            whole = seal.read_text().split()[:1] == [_digest(path)]
        except FileNotFoundError:
            continue
        except (OSError, ValueError):
            whole = False
        if whole:
            continue
        try:
            seal.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(
                f"{path} was altered, and nnexp cannot write to its folder to unpack it again "
                f"({error.strerror}): delete the file, or set NNEXP_CACHE to another folder"
            ) from error
        altered.append(path)
    return altered


def keep(content: Content, path: Path, sha256: str | None) -> Content:
    """Write ``content`` to ``path`` and return it from there, verified.

    Any number of processes may do this at once: each writes aside, and the last rename leaves
    the same bytes. Where nothing can be written the content stays in memory.

    Raises
    ------
    InputError
        If it is not the content that ``sha256`` promises.
    """
    if sha256 not in (None, content.sha256):
        raise InputError(
            f"{content.name} is not the published file (the SHA-256 of its content is "
            f"{content.sha256}, not {sha256}): install nnexp again or copy the file again"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, content.data.data)
        replace(_seal(path), " ".join([content.sha256, *_state(path)]).encode())
        return mapped(path, content.sha256)
    except OSError:
        return content


def inflate(archive: Path, most: int) -> npt.NDArray[np.uint8]:
    """Return the beginning of what a gzip file holds, ``most`` bytes or less.

    A small file may hold terabytes, so the caller says how many bytes it expects.

    Raises
    ------
    InputError
        If the file cannot be unpacked, or this machine has no memory for ``most`` bytes.
    """
    validation.memory(str(archive), most)
    data, filled = np.empty(most, np.uint8), 0
    try:
        with gzip.open(archive) as stream:
            while count := stream.readinto(data[filled:].data):
                filled += count
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{archive} is missing or damaged ({error}): install nnexp again or copy the file again"
        ) from error
    return data[:filled]


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _seal(path: Path) -> Path:
    return path.with_name(path.name + ".seal")


def _state(path: Path) -> list[str]:
    status = path.stat()
    return [str(status.st_size), str(status.st_mtime_ns)]
