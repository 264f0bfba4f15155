"""Output folders, with a marker file that lists nnexp's files and whether all were written."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from nnexp.errors import InputError
from nnexp.files import sync_all, write_whole, writing

MARKER = ".nnexp"
_ABOUT = "nnexp wrote the files listed here; it replaces these and no others"
# Pages are removed first and written last: a page never lies next to tables of another sweep.
_PAGES = (".html", ".md")
# Contents that identify a folder filled by a version that did not write markers.
_SIGNS = {
    "index.html": "<footer>Made by nnexp from the records of these runs",
    "report.html": "<footer>Made by nnexp from the records of these runs",
    "claims.csv": "study,claim,document,row,",
}
# A link from a page to a file of the same folder, in HTML or Markdown.
_LINK = re.compile(r'(?:href="|\]\()(\w[\w.+-]*)["\)]')


class Marker(NamedTuple):
    """The content of a marker: nnexp's files, and whether all of them were written."""

    files: frozenset[str]
    finished: bool = True


def read_marker(folder: Path) -> Marker | None:
    """Return the marker of a folder that nnexp filled, ``None`` for any other folder.

    For a folder without a marker that an older version filled, the files are its pages and
    those they link to.
    """
    try:
        content = json.loads((folder / MARKER).read_text("utf-8"))
        names = [name for name in content["files"] if Path(name).name == name and name != MARKER]
        return Marker(frozenset(names), content["finished"] is True)
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError):
        return Marker(frozenset(), finished=False)
    signed = [name for name, sign in _SIGNS.items() if sign in _text(folder / name)]
    if not signed:
        return None
    pages = [name for name in ("index.html", "report.html", "README.md") if _text(folder / name)]
    linked = [link for page in pages for link in _LINK.findall(_text(folder / page))]
    return Marker(frozenset(name for name in (*pages, *linked) if (folder / name).is_file()))


def _text(file: Path) -> str:
    return file.read_text("utf-8", "replace") if file.is_file() else ""


def check_folder(folder: Path, option: str = "") -> None:
    """Refuse a folder with visible files that nnexp did not write.

    ``option`` is the command-line option that sets the folder, such as ``--out FOLDER``.

    Raises
    ------
    InputError
        If it is such a folder, or a file.
    """
    remedy = f"give another folder{option and f' with {option}'}"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{str(folder)!r} is a file: {remedy}")
    if not folder.is_dir() or read_marker(folder) is not None:
        return
    with os.scandir(folder) as entries:
        others = sorted(e.name for e in entries if not e.name.startswith(".") and not e.is_dir())
    if others:
        raise InputError(
            f"{str(folder)!r} holds files that nnexp did not write, such as {others[0]!r}: {remedy}"
        )


def check_finished(folder: Path) -> None:
    """Refuse to read a folder that nnexp had not finished writing when it was stopped.

    Raises
    ------
    InputError
        If the folder is marked as unfinished.
    """
    marker = read_marker(folder)
    if marker is not None and not marker.finished:
        raise InputError(
            f"{str(folder)!r} is incomplete because nnexp was stopped while writing it: "
            f"run the command that writes it again"
        )


def fill(folder: Path, files: Mapping[str, str | bytes], keep: Collection[str] = ()) -> list[Path]:
    """Write ``files`` into ``folder`` and remove what nnexp wrote there before, except ``keep``.

    All files are first written to a temporary folder, so a full disk leaves ``folder`` unchanged.
    While they are moved into place, the folder is marked as unfinished and has no pages.

    Returns
    -------
    list of Path
        The files written, in the order given.

    Raises
    ------
    InputError
        If the folder holds files that nnexp did not write, or cannot be written.
    """
    check_folder(folder)
    marker = read_marker(folder) or Marker(frozenset())
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _temporary_folder(folder) as temporary:
            for name, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                (temporary / name).write_bytes(data)
            sync_all([*(temporary / name for name in files), temporary])
            _mark(folder, marker.files | set(files), finished=False)
            for name in sorted(marker.files - set(keep), key=_is_page, reverse=True):
                if _is_page(name) or name not in files:
                    (folder / name).unlink(missing_ok=True)
            for name in sorted(files, key=_is_page):
                os.replace(temporary / name, folder / name)
            _mark(folder, marker.files & set(keep) | set(files), finished=True)
    return [folder / name for name in files]


def _is_page(name: str) -> bool:
    return name.endswith(_PAGES)


def _mark(folder: Path, files: Collection[str], finished: bool) -> None:
    content = {"about": _ABOUT, "finished": finished, "files": sorted(files)}
    write_whole(folder / MARKER, json.dumps(content, indent=1) + "\n")


@contextmanager
def _temporary_folder(folder: Path) -> Iterator[Path]:
    """Make a hidden folder inside ``folder``; at the end remove it and any left by killed runs."""
    try:
        yield Path(tempfile.mkdtemp(prefix=f"{MARKER}-", dir=folder))
    finally:
        for left in folder.glob(f"{MARKER}-*"):
            shutil.rmtree(left, ignore_errors=True)
