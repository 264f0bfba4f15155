"""Runs of a store, chosen by name or by their settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nnexp.cli.run_tables import cell
from nnexp.errors import InputError, suggestion, unknown
from nnexp.store.record import Row
from nnexp.store.store import DamagedRecord, NewerRecord, Store

DAMAGED, NEWER = "damaged", "newer"
# Ambiguous runs named at most.
_NAMED = 5


def find(store: Store, text: str) -> str:
    """Return the name of the one run that ``text`` fits: a beginning of its name or of its hash.

    Raises
    ------
    InputError
        If it fits no run, or several.
    """
    beginning = Path(text).name  # of a path too, as a shell completes it
    names = store.run_ids()
    if beginning in names:
        return beginning
    fits = [n for n in names if n.startswith(beginning) or hash_of(n).startswith(beginning)]
    if not beginning or not fits:
        hint = suggestion(beginning, names)
        raise InputError(f"no run in {store.folder} begins with {text!r}{hint or ': see list'}")
    if len(fits) > 1:
        more = f" and {len(fits) - _NAMED} more" if len(fits) > _NAMED else ""
        raise InputError(
            f"{text!r} fits {len(fits)} runs, {', '.join(fits[:_NAMED])}{more}: "
            "give more of the name, or a beginning of the hash at its end"
        )
    return fits[0]


def hash_of(run_id: str) -> str:
    """Return the hash at the end of a run's name."""
    return run_id.rpartition("-")[2]


def select(store: Store, filters: Sequence[str]) -> list[Row]:
    """Return the outlines of the runs that fit all ``filters``, each ``key=value,value…``."""
    wanted = {key: values.split(",") for key, values in pairs(filters).items()}
    rows = [_outline(store, run_id) for run_id in store.run_ids()]
    keys = ["status", *names_in(row["columns"] for row in rows)]
    for key in wanted:
        if rows and key not in keys:
            raise unknown("column", key, keys)
    return [
        row
        for row in rows
        if all(
            any(_fits({**row["columns"], "status": row["status"]}.get(key), v) for v in values)
            for key, values in wanted.items()
        )
    ]


def pairs(words: Sequence[str]) -> dict[str, str]:
    """Return what ``key=value`` words say."""
    for word in words:
        if "=" not in word:
            raise InputError(f"{word!r} is not of the form key=value, as in init=he")
    return {key: value for key, _, value in (word.partition("=") for word in words)}


def _outline(store: Store, run_id: str) -> Row:
    blank: Row = {"run_id": run_id, "columns": {}, "outcome": {}, "seconds": None}
    try:
        return store.outline(run_id)
    except DamagedRecord:
        return {**blank, "status": DAMAGED}
    except NewerRecord:
        return {**blank, "status": NEWER}


def _fits(value: Any, text: str) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(text) == value
        except ValueError:
            return False
    return cell(value).lower() == text.lower() or (value is None and text in ("", "null", "none"))


def names_in(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the columns of ``rows``, in the order of first use."""
    return list(dict.fromkeys(name for row in rows for name in row))
