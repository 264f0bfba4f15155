"""Formatting of values and tables of runs in aligned columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from nnexp.store.compare_runs import Agreement

# The text of an empty cell, and the number of spaces between columns.
EMPTY, _GAP = "-", 2


def cell(value: Any, style: str = "") -> str:
    """Return a value as non-empty text, so that other programs can split the columns."""
    if value is None or value == "":
        return EMPTY
    if isinstance(value, list):
        return plain(", ".join(map(str, value)))
    if isinstance(value, bool):
        return str(value).lower()
    return format(value, style) if isinstance(value, float) else plain(str(value))


def plain(text: str) -> str:
    """Return ``text`` with control characters written as escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def print_columns(rows: Sequence[Sequence[str]], indent: str = "") -> None:
    """Print ``rows`` in aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(indent + (" " * _GAP).join(cells).rstrip())


def fits_in(width: int, rows: Sequence[Sequence[str]]) -> bool:
    """Return whether ``rows`` need at most ``width`` characters."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return sum(widths) + _GAP * (len(widths) - 1) <= width


def wrapped(rows: Sequence[Sequence[str]]) -> Table:
    """Return ``rows`` as a table that fits the terminal by wrapping its second column."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
    header, *body = rows
    for place, name in enumerate(header):
        table.add_column(name, no_wrap=place != 1, overflow="fold")
    for row in body:
        table.add_row(*row)
    return table


def print_deviations(agreement: Agreement) -> None:
    """Print the columns in which the numbers of two runs differ."""
    for table, deviations in (("metrics", agreement.metrics), ("layers", agreement.layers)):
        if deviations:
            print(f"\n{table} that differ")
            rows = [[d.name, f"{d.largest:.2g}", str(d.step)] for d in deviations]
            print_columns([["", "by up to", "from step"], *rows], "  ")
    if agreement.weights is False:
        print("\nthe trained weights differ")


def print_pairs(title: str, pairs: Mapping[str, tuple[Any, Any]]) -> None:
    """Print one line per difference, with the values of both runs."""
    if pairs:
        print(f"\n{title}")
        rows = [[plain(name), cell(a), cell(b)] for name, (a, b) in pairs.items()]
        print_columns(rows, "  ")
