"""Selection of stored runs by name or by settings."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nnexp.cli.run_tables import cell
from nnexp.config.function_source import without_copies
from nnexp.errors import InputError, suggestion, unknown
from nnexp.store.record import FAILED, Record, Row
from nnexp.store.record_files import DamagedRecord, NewerRecord
from nnexp.store.store import Store

DAMAGED, NEWER = "damaged", "newer"
# The maximum number of runs listed in a message.
_NAMED = 5


def find(store: Store, text: str) -> str:
    """Return the name of the run whose name or hash begins with ``text``.

    Raises
    ------
    InputError
        If no run or more than one matches.
    """
    prefix = Path(text).name  # a shell completes paths
    names = store.run_ids()
    if prefix in names:
        return prefix
    matches = [n for n in names if n.startswith(prefix) or hash_of(n).startswith(prefix)]
    if not prefix or not matches:
        hint = suggestion(prefix, names)
        raise InputError(
            f"no run in {store.folder} begins with {text!r}"
            f"{hint or ': python -m nnexp.runs list shows all'}"
        )
    if len(matches) > 1:
        more = f" and {len(matches) - _NAMED} more" if len(matches) > _NAMED else ""
        raise InputError(
            f"{text!r} matches {len(matches)} runs, {', '.join(matches[:_NAMED])}{more}: "
            "give a longer prefix, or a prefix of the hash at the end of the name"
        )
    return matches[0]


def hash_of(run_id: str) -> str:
    """Return the hash at the end of a run's name."""
    return run_id.rpartition("-")[2]


def select(store: Store, filters: Sequence[str]) -> list[Row]:
    """Return the headers of the runs that match all ``filters``, each ``key=value,value…``."""
    wanted = {key: values.split(",") for key, values in pairs(filters).items()}
    rows = [_header(store, run_id) for run_id in store.run_ids()]
    keys = ["status", *names_in(row["columns"] for row in rows)]
    for key in wanted:
        if rows and key not in keys:
            raise unknown("column", key, keys)
    return [
        row
        for row in rows
        if all(
            any(_matches({**row["columns"], "status": row["status"]}.get(key), v) for v in values)
            for key, values in wanted.items()
        )
    ]


def finished(folder: Path, filters: Sequence[str]) -> list[Record]:
    """Return the records of finished runs in a store that match all ``filters``.

    Damaged records are left out, with a note on standard error.

    Raises
    ------
    InputError
        If there are none.
    """
    if not folder.is_dir():
        raise InputError(f"there is no store {str(folder)!r}: give --store FOLDER")
    store = Store(folder)
    rows = [row for row in select(store, filters) if row["status"] not in (DAMAGED, NEWER, FAILED)]
    if not rows:
        matching = f" matches {' '.join(filters)}" if filters else ""
        raise InputError(f"there is no finished run in {folder}{matching}")
    records = []
    for row in rows:
        try:
            records.append(store.load(row["run_id"]))
        except DamagedRecord as error:
            print(f"left out, damaged: {error}", file=sys.stderr)
    if not records:
        raise InputError(f"all matching runs in {folder} are damaged: train them again")
    return records


def pairs(words: Sequence[str]) -> dict[str, str]:
    """Return ``key=value`` words as a mapping; raise `InputError` for other words."""
    for word in words:
        if "=" not in word:
            raise InputError(f"{word!r} is not of the form key=value, as in init=he")
    return {key: value for key, _, value in (word.partition("=") for word in words)}


def _header(store: Store, run_id: str) -> Row:
    blank: Row = {"run_id": run_id, "columns": {}, "outcome": {}, "seconds": None}
    try:
        return store.header(run_id)
    except DamagedRecord:
        return {**blank, "status": DAMAGED}
    except NewerRecord:
        return {**blank, "status": NEWER}


def _matches(value: Any, text: str) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(text) == value
        except ValueError:
            return False
    shown = cell(value).lower()
    return text.lower() in (shown, without_copies(shown)) or (
        value is None and text in ("", "null", "none")
    )


def names_in(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the columns of ``rows``, in order of first use."""
    return list(dict.fromkeys(name for row in rows for name in row))
