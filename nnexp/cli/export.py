"""Export stored runs as tables: all their numbers, or the scores of arms for a paper."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from nnexp.cli.selection import select
from nnexp.errors import InputError
from nnexp.files import write_whole
from nnexp.store.record import Record
from nnexp.store.record_files import DamagedRecord, NewerRecord
from nnexp.store.store import Store
from nnexp.store.table_files import TABLES, write_tables

_DATA, _PAPER = (".csv", ".parquet"), (".md", ".tex")
MEANING = (
    "The ending decides what is written. For all.csv: one row per run, with one row per evaluation "
    "in all-metrics.csv and one per evaluation and layer in all-layers.csv. For all.parquet: the "
    "same with typed columns (needs pip install 'nnexp[parquet]'). For arms.md and arms.tex: a "
    "table for a paper, with the mean and 95 % interval of each arm's final scores."
)


def export(store: Store, arguments: argparse.Namespace) -> int:
    """Write the matching runs to files; report damaged records on standard error."""
    file, ending = arguments.file, arguments.file.suffix.lower()
    if ending not in (*_DATA, *_PAPER):
        raise InputError(
            f"{file} has no known ending: give a name that ends in {' or '.join(_DATA)}, for all "
            f"numbers of the runs, or in {' or '.join(_PAPER)}, for a table of the arms"
        )
    files = {name: file.with_stem(f"{file.stem}-{name}") for name in TABLES} | {"runs": file}
    for path in files.values() if ending in _DATA else [file]:
        if path.exists() and not arguments.force:
            raise InputError(f"{path} exists: give another file, or --force to overwrite it")
    chosen = [row["run_id"] for row in select(store, arguments.filters)]
    if not chosen:
        matching = f" matches {' '.join(arguments.filters)}" if arguments.filters else ""
        raise InputError(f"no run in {store.folder}{matching}")
    damaged: set[str] = set()
    if ending in _PAPER:
        _write_arms(file, [*_sound(store, chosen, damaged)])
    else:
        try:
            counts = write_tables(files, lambda: _sound(store, chosen, damaged))
        except ImportError:
            raise InputError(
                f"{file} needs the package pyarrow: pip install 'nnexp[parquet]', or give a name "
                f"that ends in .csv"
            ) from None
        for name, count in counts.items():
            print(f"{files[name]}: {count} {'runs' if name == 'runs' else 'rows'}")
    return int(bool(damaged))


def _sound(store: Store, run_ids: Sequence[str], damaged: set[str]) -> Iterator[Record]:
    """Yield the records that are not ``damaged``; add those that are, with a note on each."""
    for run_id in run_ids:
        if run_id in damaged:
            continue
        try:
            record = store.load(run_id)
        except (DamagedRecord, NewerRecord) as error:
            damaged.add(run_id)
            why = "" if isinstance(error, NewerRecord) else ", damaged"
            print(f"left out{why}: {error}", file=sys.stderr)
        else:
            yield record


def _write_arms(file: Path, records: list[Record]) -> None:
    from nnexp.analysis.arms import compare
    from nnexp.reports.results_table import results_table
    from nnexp.store.tables import tables

    comparison = compare(*tables(records))
    write_whole(file, results_table(comparison, file.suffix.lower().removeprefix(".")))
    print(f"{file}: {len(comparison.arms)} arms, {len(comparison.runs)} runs")
