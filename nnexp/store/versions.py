"""The version of the code that made a record, and whether it is the current one."""

from __future__ import annotations

import functools
import hashlib
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nnexp import __version__
from nnexp.messages.language import tr
from nnexp.store.record import Record, made_by

_PACKAGE = Path(__file__).resolve().parents[1]


@functools.cache
def code() -> dict[str, Any]:
    """Return the version of this code as a record stores it.

    ``commit`` is the commit of the checkout and ``dirty`` whether its files were edited since;
    both are ``None`` without a checkout or git. ``code`` is the SHA-256 of nnexp's source files.
    """
    commit, dirty = _commit()
    return {"nnexp": __version__, "commit": commit, "dirty": dirty, "code": digest()}


@functools.cache
def digest() -> str:
    """Return the SHA-256 of the names and contents of nnexp's source files."""
    total = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*.py")):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        total.update(f"{file.relative_to(_PACKAGE).as_posix()} {content}\n".encode())
    return total.hexdigest()


def edited(record: Record) -> bool:
    """Return whether a record was made by an edited checkout that differs from this code."""
    made = record.environment
    return bool(made.get("dirty")) and made.get("code") != digest()


def mixed(records: Iterable[Record]) -> list[str]:
    """Return a sentence for a page if ``records`` were made by different versions of nnexp."""
    counts = Counter(made_by(record.environment) for record in records)
    if len(counts) < 2:
        return []
    named = ", ".join(f"{version} ({count})" for version, count in sorted(counts.items()))
    return [tr("Runs were made by different versions of nnexp: {versions}.", versions=named)]


def commit_of(folder: Path) -> str | None:
    """Return the current commit of the repository that holds ``folder``, ``None`` without one."""
    try:
        return _git(folder, "rev-parse", "HEAD")
    except (OSError, subprocess.SubprocessError):
        return None


def _commit() -> tuple[str | None, bool | None]:
    root = _PACKAGE.parent
    if not (root / ".git").exists():
        return None, None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changes = _git(root, "status", "--porcelain", "--untracked-files=no", "nnexp")
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit, bool(changes)


def _git(root: Path, *words: str) -> str:
    command = ["git", "-C", str(root), *words]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    return answer.stdout.strip()
