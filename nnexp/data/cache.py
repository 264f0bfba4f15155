"""The user's cache of data files, which are unpacked and verified once, then memory-mapped.

It also has a folder of drawings, see `nnexp.plotting.drawing_cache`.
"""

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
    """Return nnexp's cache folder: ``NNEXP_CACHE``, or else the platform's default."""
    chosen = os.environ.get("NNEXP_CACHE")
    if chosen:
        return Path(os.path.expanduser(chosen))
    try:
        return Path(platformdirs.user_cache_dir("nnexp", appauthor=False))
    except RuntimeError:  # no home: an unknown user, as in containers with another user ID
        return Path("/.cache/nnexp")


def drawings() -> Path:
    """Return the folder of the cached drawings."""
    return folder() / "drawings"


def mapped(path: Path, sha256: str) -> Content:
    """Return the file ``path`` memory-mapped; ``sha256`` is its digest, already verified."""
    return Content(np.memmap(path, np.uint8, "r"), sha256, str(path))


def lookup(path: Path, sha256: str | None) -> Content | None:
    """Return the unpacked file ``path`` if it exists and is intact, else ``None``.

    A ``.seal`` file next to it records its digest, size and modification time. The digest is only
    computed again if the size or time changed. If the expected digest is unknown
    (``sha256=None``), the file must match its seal.
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
        pass  # missing, empty or unreadable: unpack it again
    return None


def files() -> list[Path]:
    """Return the files of the cache: unpacked files, their seals and archives, and drawings."""
    found = [*drawings().glob("*")]
    for seal in sorted(folder().glob("*/*.seal")):
        path = seal.with_name(seal.name.removesuffix(".seal"))
        found += [path, seal, path.with_name(f"{path.name}.gz")]
    return [path for path in found if path.is_file()]


def clear() -> None:
    """Remove the files of the cache and any folders left empty."""
    for path in files():
        path.unlink(missing_ok=True)
    for place in folder().glob("*"):
        with suppress(OSError):  # not a folder, or not empty
            place.rmdir()


def recheck() -> list[Path]:
    """Compute the digests of all unpacked files; return the files that do not match their seal.

    Unlike `lookup`, this does not rely on size and modification time. It removes the seals of the
    files that it returns, so they are unpacked again when next needed. Call it before loading
    any data.

    Raises
    ------
    InputError
        If the seal of an altered file cannot be removed because the cache is read-only.
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
    """Verify ``content``, write it to ``path`` and return it memory-mapped.

    Several processes may do this at once: each writes a temporary file and renames it. If the
    cache cannot be written, the content stays in memory.

    Raises
    ------
    InputError
        If the digest of the content is not ``sha256``.
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
    """Return up to ``most`` bytes of the content of a gzip file.

    The limit protects against small files that unpack to terabytes.

    Raises
    ------
    InputError
        If the file cannot be unpacked, or ``most`` bytes do not fit into memory.
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
