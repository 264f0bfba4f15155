"""Text in the cells of a CSV file: never a formula where a spreadsheet opens it, read back exactly.

A spreadsheet takes a cell that begins with one of ``= + - @``, a tab or a line's end for a formula,
which may run a program: such a text gets a ``'`` before it, which a spreadsheet hides. A number
stays a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_STARTS = "=+-@\t\r\n"
# An apostrophe of the text's own is kept apart from ours: both begin what is to be unguarded.
_RISKY = re.compile(f"'*[{re.escape(_STARTS)}]")
_GUARDED = re.compile(f"'+[{re.escape(_STARTS)}]")
_FIRST = frozenset(f"'{_STARTS}")


def guarded(value: Any) -> Any:
    """Return a value as it goes into a cell: a text that a spreadsheet would run is quoted."""
    if not isinstance(value, str) or value[:1] not in _FIRST or not _RISKY.match(value):
        return value
    return value if _is_number(value) else f"'{value}"


def unguarded(value: Any) -> Any:
    """Return what `guarded` was given."""
    return value[1:] if isinstance(value, str) and _GUARDED.match(value) else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()


def frame_to_csv(table: pd.DataFrame, **how: Any) -> str:
    """Return a table as CSV text, its text `guarded`; ``how`` is for ``DataFrame.to_csv``."""
    text: str = _mapped(table, guarded).to_csv(index=False, lineterminator="\n", **how)
    return text


def unguarded_frame(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that was read from CSV text with its text as it was before `guarded`."""
    return _mapped(table, unguarded)


def _mapped(table: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    """Return ``table`` with its text changed: a column without a change stays as it is."""
    from pandas.api.types import is_numeric_dtype

    changed = {}
    for name, column in table.items():
        if not is_numeric_dtype(column) and any(change(v) is not v for v in column.unique()):
            changed[str(name)] = [change(value) for value in column]
    mapped: pd.DataFrame = table.assign(**changed)
    return mapped
