"""Escaping of text in CSV cells, so that spreadsheets do not run it as a formula.

A spreadsheet treats a cell that begins with ``= + - @``, a tab or a line break as a formula, which
may run a program. Such text gets a leading ``'``, which spreadsheets hide. Numbers are unchanged,
and reading removes the escape.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_STARTS = "=+-@\t\r\n"
# Text that already begins with apostrophes before such a character gets one more, so that
# `unguarded` is an exact inverse.
_RISKY = re.compile(f"'*[{re.escape(_STARTS)}]")
_GUARDED = re.compile(f"'+[{re.escape(_STARTS)}]")
_FIRST = frozenset(f"'{_STARTS}")


def guarded(value: Any) -> Any:
    """Return a value with a leading ``'`` if it is text that a spreadsheet would run."""
    if not isinstance(value, str) or value[:1] not in _FIRST or not _RISKY.match(value):
        return value
    return value if _is_number(value) else f"'{value}"


def unguarded(value: Any) -> Any:
    """Undo `guarded`."""
    return value[1:] if isinstance(value, str) and _GUARDED.match(value) else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()


def frame_to_csv(table: pd.DataFrame, **how: Any) -> str:
    """Return a table as CSV with its text `guarded`; ``how`` is passed to ``DataFrame.to_csv``."""
    text: str = _mapped(table, guarded).to_csv(index=False, lineterminator="\n", **how)
    return text


def unguarded_frame(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table read from CSV with its text `unguarded`."""
    return _mapped(table, unguarded)


def _mapped(table: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    """Return ``table`` with ``change`` applied to its text; unaffected columns keep their dtype."""
    from pandas.api.types import is_numeric_dtype

    changed = {}
    for name, column in table.items():
        if not is_numeric_dtype(column) and any(change(v) is not v for v in column.unique()):
            changed[str(name)] = [change(value) for value in column]
    mapped: pd.DataFrame = table.assign(**changed)
    return mapped
