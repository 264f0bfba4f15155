"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnexp.errors import InputError


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file aside and rename it: it appears whole or not at all.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    aside = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    with writing(path):
        try:
            aside.write_bytes(content.encode() if isinstance(content, str) else content)
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)


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
