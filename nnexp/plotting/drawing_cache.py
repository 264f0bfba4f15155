"""Drawings of earlier reports in the user's cache, by a digest of all that they depend on."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nnexp.data import cache
from nnexp.files import replace
from nnexp.messages.language import ENGLISH, current, messages
from nnexp.plotting.fonts import font
from nnexp.plotting.rendering import Drawing, Rendered
from nnexp.store import versions
from nnexp.store.record import Record

# The libraries that a drawing's bytes depend on.
_LIBRARIES = ("matplotlib", "numpy", "pandas", "pillow")
# Bytes of all drawings that are kept; those used longest ago are removed.
_MOST_BYTES = 100_000_000


def kept(records: Sequence[Record], draw: Callable[[], Rendered]) -> Rendered:
    """Return the drawings of ``records`` that are kept, or else those of ``draw``, which it keeps.

    They are in the current language. Drawings of saved weights and snapshots are always made anew.
    Several processes may do this at once: each writes a temporary file and renames it. If the cache
    cannot be written, nothing is kept.
    """
    if any(record.weights is not None or record.snapshots is not None for record in records):
        return draw()
    try:
        path = cache.drawings() / f"{_digest(records)}.json"
    except PackageNotFoundError:  # a library was installed without its metadata
        return draw()
    rendered = _read(path)
    if rendered is None:
        rendered = draw()
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace(path, _to_json(rendered))
            _trim(path.parent)
    return rendered


def _digest(records: Sequence[Record]) -> str:
    """Return the SHA-256 of the records, of nnexp's code, the libraries' versions, the language."""
    code = [versions.digest(), *map(version, _LIBRARIES)]
    if current() != ENGLISH:
        code += [json.dumps(messages(current())), str(font())]
    digest = hashlib.sha256(json.dumps(code).encode())
    for record in records:
        row = record.summary_row() | {"reused": None, "started": None}
        texts = (record.regions, record.line)
        content = (row, record.identity, record.metrics, record.layers, texts)
        digest.update(json.dumps(content, default=repr).encode())
    return digest.hexdigest()


def _read(path: Path) -> Rendered | None:
    try:
        content = json.loads(path.read_bytes())
        os.utime(path)
        drawings = [
            Drawing(name, caption, alt, svg.encode(), base64.b64decode(png), csv, readings)
            for name, caption, alt, svg, png, csv, readings in content["drawings"]
        ]
        return Rendered(drawings, content["looks"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # missing or damaged


def _to_json(rendered: Rendered) -> bytes:
    drawings = [
        (*d[:3], d.svg.decode(), base64.b64encode(d.png).decode(), d.csv, d.readings)
        for d in rendered.drawings
    ]
    return json.dumps({"drawings": drawings, "looks": rendered.looks}).encode()


def _trim(folder: Path) -> None:
    """Remove the files used longest ago until the others have at most `_MOST_BYTES`.

    These include temporary files of processes that were killed.
    """
    states = {path: path.stat() for path in folder.iterdir()}
    total = 0
    for path in sorted(states, key=lambda p: states[p].st_mtime_ns, reverse=True):
        total += states[path].st_size
        if total > _MOST_BYTES:
            path.unlink(missing_ok=True)
