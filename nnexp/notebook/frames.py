"""The tables of a sweep as DataFrames with types and an index."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from nnexp.store.record import DIVERGED, FAILED, FINISHED

# Columns of whole numbers, of which some may be missing.
_WHOLE = re.compile(
    r"step|steps|epochs|samples|seed|batch_size|evaluate_first|evaluate_sharpness|evaluate_line|units|layer|distinct_units"
    r"|steps_to_\d+|data\.(train_size|validation|first|outputs|seed|n|classes|features)|pruning\.rounds"
)
_STATUS = (FINISHED, DIVERGED, FAILED)
# Columns of text, even where all of it looks like numbers, or is missing.
_TEXT = ("hidden", "evaluate_every", "evaluate_at", "quirk")


def typed(table: pd.DataFrame, index: list[str]) -> pd.DataFrame:
    """Return ``table`` with ``arm``, ``run_id`` and measures first, typed columns, and an index.

    Text is categorical, except ``run_id``. Whole numbers are ``int64``, or ``Int64`` if some are
    missing; other numbers are ``float64``.
    """
    names = [str(name) for name in table if name not in ("arm", "run_id")]
    first = names.index("epoch") if "epoch" in names else 0  # before it are the settings
    ordered = ["arm", "run_id", *names[first:], *names[:first]]
    columns = {name: _typed(name, table[name]) for name in ordered}
    missing = [name for name in index if name not in ordered]  # where every run failed
    whole = pd.DataFrame(columns).reindex(columns=[*ordered, *missing])
    indexed: pd.DataFrame = whole.set_index(index)
    return indexed


def _typed(name: str, column: pd.Series[Any]) -> pd.Series[Any]:
    if name == "run_id" or column.dtype == bool or isinstance(column.dtype, pd.CategoricalDtype):
        return column
    if name == "status":
        return column.astype(pd.CategoricalDtype(list(_STATUS)))
    given = column.dropna()
    if len(given) and {*map(type, given)} == {bool}:
        return column.astype("boolean")
    numbers: pd.Series[Any] = pd.to_numeric(column, errors="coerce")
    if name in _TEXT or numbers.notna().sum() < len(given):
        categories = list(dict.fromkeys(map(str, given)))
        text = column.where(column.isna(), column.astype(str))
        categorical: pd.Series[Any] = text.astype(pd.CategoricalDtype(categories))
        return categorical
    if _WHOLE.fullmatch(name):
        return numbers.astype("Int64" if numbers.isna().any() else "int64")
    return numbers.astype("int64" if pd.api.types.is_integer_dtype(numbers) else "float64")
