"""Files with the tables of many records, as CSV or Parquet, written a few records at a time."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from nnexp.config.identity import with_later
from nnexp.errors import InputError
from nnexp.files import replacing, writing
from nnexp.store.csv_cells import guarded
from nnexp.store.record import Record, Row, table_rows

# The names of the columns of a table, and their types.
Columns = dict[str, type]
Write = Callable[[Sequence[Row]], None]

TABLES = ("runs", "metrics", "layers")
# Rows per group of a Parquet file, which are held in memory.
_ROWS = 20_000
# Parquet's whole numbers have 64 bits.
_WHOLE = range(-(2**63), 2**63)


def write_tables(
    files: Mapping[str, Path], records: Callable[[], Iterable[Record]]
) -> dict[str, int]:
    """Write the `TABLES` of ``records`` to ``files`` by name, and return their numbers of rows.

    ``records`` is called twice, first for the columns. Files named ``.parquet`` have typed columns
    (text, whole numbers, numbers, booleans); a column with values of several types is text. In
    others, which are CSV, numbers are in their shortest exact form. The files appear when all are
    complete.

    Raises
    ------
    InputError
        If a file cannot be written, or the records have changed meanwhile.
    ImportError
        If pyarrow is missing, for Parquet.
    """
    columns: dict[str, Columns] = {name: {"run_id": str} for name in TABLES}
    for record in records():
        for name, rows in table_rows(record).items():
            _survey(rows, columns[name])
    counts = dict.fromkeys(TABLES, 0)
    with ExitStack() as stack:
        temporary: dict[str, Path] = {}
        for name in TABLES:
            stack.enter_context(writing(files[name]))
            temporary[name] = stack.enter_context(replacing(files[name]))
        writers: dict[str, Write] = {}
        for name in TABLES:
            kind = _parquet if files[name].suffix.lower() == ".parquet" else _csv
            writers[name] = stack.enter_context(kind(temporary[name], columns[name]))
        for record in records():
            for name, rows in table_rows(record).items():
                if any(row.keys() - columns[name].keys() for row in rows):
                    raise InputError(
                        f"{record.run_id} was replaced during the export: run it again"
                    )
                writers[name](with_later(rows, columns[name]))
                counts[name] += len(rows)
    return counts


def _survey(rows: Iterable[Row], columns: Columns) -> None:
    """Add the columns of ``rows`` to ``columns``."""
    for row in rows:
        for name, value in row.items():
            known = columns.setdefault(name, type(None))
            columns[name] = _joined(known, _type(value))


def _type(value: Any) -> type:
    if isinstance(value, int) and value not in _WHOLE:
        return str
    return type(value)


def _joined(first: type, second: type) -> type:
    """Return the type of a column with values of both types."""
    if first is second or second is type(None):
        return first
    if first is type(None):
        return second
    return float if {first, second} == {int, float} else str


@contextmanager
def _csv(path: Path, columns: Columns) -> Iterator[Write]:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [*columns], lineterminator="\n", restval="")
        writer.writeheader()

        def write(rows: Sequence[Row]) -> None:
            writer.writerows({k: guarded(v) for k, v in row.items()} for row in rows)

        yield write


@contextmanager
def _parquet(path: Path, columns: Columns) -> Iterator[Write]:
    import pyarrow
    from pyarrow import parquet

    types = {
        str: pyarrow.string(),
        int: pyarrow.int64(),
        float: pyarrow.float64(),
        bool: pyarrow.bool_(),
        type(None): pyarrow.null(),
    }
    schema = pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])
    text = [name for name, kind in columns.items() if kind is str]
    waiting: list[Row] = []
    writer: AbstractContextManager[Any] = parquet.ParquetWriter(path, schema)
    with writer as file:

        def write(rows: Sequence[Row], most: int = _ROWS) -> None:
            waiting.extend(rows)
            if len(waiting) > most:
                worded = [{**row, **{n: _text(row.get(n)) for n in text}} for row in waiting]
                file.write_table(pyarrow.Table.from_pylist(worded, schema=schema))
                waiting.clear()

        yield write
        write((), most=0)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
