"""Looking after finished runs: list, show, compare, verify, export and prune them."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from rich.table import Table

from nnexp.cli.terminal import terminal
from nnexp.config.run_config import NUMERICS, RunConfig
from nnexp.data import cache
from nnexp.errors import InputError, suggestion, unknown
from nnexp.files import write_whole
from nnexp.store.compare_runs import (
    DIFFERENT,
    IDENTICAL,
    TOLERANCES,
    Agreement,
    alike,
    causes,
    compare,
    differences,
    untold,
    with_own_functions,
)
from nnexp.store.record import FAILED, Record, Row, to_csv
from nnexp.store.store import DamagedRecord, NewerRecord, Store
from nnexp.training.execute import execute

DAMAGED, NEWER, OBSOLETE, ASIDE = "damaged", "newer", "obsolete", "left aside"
# What a list shows of how a run ended, and how.
_OUTCOME = {
    "status": "",
    "step": "",
    "test_accuracy": ".4f",
    "test_loss": ".4g",
    "seconds": ".2f",
}
# A cell of nothing, and the spaces between columns.
_EMPTY, _GAP = "-", 2
# Ambiguous runs named at most.
_NAMED = 5


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` and return its exit status.

    0 all well, 1 a run could not be verified or a record is damaged, 2 bad input, 130 interrupted.
    """
    try:
        arguments = _parser().parse_args(argv)
        store = Store(Path(arguments.store))
        if not store.folder.is_dir():
            raise InputError(f"there is no store {arguments.store!r}: give --store FOLDER")
        status: int = arguments.command(store, arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has had enough, as in "… list | head".
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (InputError, DamagedRecord, OSError) as error:
        print(f"nnexp.runs: {error}", file=sys.stderr)
        return 2
    return status


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are ours: one sentence."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}: see python -m nnexp.runs --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m nnexp.runs",
        description="Look after the store of finished runs.",
        epilog="RUN: a run's name, or any beginning of it or of its hash that fits one run alone.",
    )
    parser.add_argument("--store", default="results/runs", metavar="FOLDER")
    common = _Parser(add_help=False)
    common.add_argument("--store", default=argparse.SUPPRESS, metavar="FOLDER")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, function: Any, meaning: str) -> argparse.ArgumentParser:
        entry = commands.add_parser(name, help=meaning, description=meaning, parents=[common])
        entry.set_defaults(command=function)
        return entry

    chosen = "only those runs, as in init=xavier,he lr=0.5 status=diverged"
    entry = command("list", list_runs, "a line a run: name, settings that vary, outcome")
    entry.add_argument("filters", nargs="*", metavar="key=value", help=chosen)
    entry = command("show", show, "settings, outcome, evaluations, environment, traceback")
    entry.add_argument("run", metavar="RUN")
    entry = command("diff", diff, "in what two runs differ: settings, outcome, numbers")
    entry.add_argument("runs", nargs=2, metavar="RUN")
    entry = command("verify", verify, "train a run again and compare; status 1 if it is different")
    entry.add_argument("run", metavar="RUN")
    meaning = "functions of your own that it was trained with, as in init=mine.py:f"
    entry.add_argument("functions", nargs="*", metavar="key=FILE.py:NAME", help=meaning)
    entry = command("export", export, "one CSV file with a row a run, as runs.csv")
    entry.add_argument("file", metavar="FILE.csv", type=Path)
    entry.add_argument("filters", nargs="*", metavar="key=value", help=chosen)
    entry.add_argument("--force", action="store_true", help="overwrite the file")
    entry = command("prune", prune, "remove failed and damaged records and what killed runs left")
    entry.add_argument("--yes", action="store_true", help="do it; without, only say what")
    meaning = "remove records of another version of the core's numerics too"
    entry.add_argument("--obsolete", action="store_true", help=meaning)
    return parser


def list_runs(store: Store, arguments: argparse.Namespace) -> int:
    """Print a line a run: its name, the settings in which the runs differ, and its outcome.

    On a terminal too narrow for that, runs go by their hashes, and a column holds all settings.
    """
    rows = select(store, arguments.filters)
    if not rows:
        print(f"no run in {store.folder}" + (" fits" if arguments.filters else ""))
        return 0
    told = [row["columns"] for row in rows if row["status"] not in (DAMAGED, NEWER)]
    varied = [k for k in _names(told) if len({str(columns.get(k)) for columns in told}) > 1]
    cells, narrow = [["run", *varied, *_OUTCOME]], [["run", "settings", *_OUTCOME]]
    for row in rows:
        outcome = {**row["outcome"], "status": row["status"], "seconds": row["seconds"]}
        ending = [_text(outcome.get(name), style) for name, style in _OUTCOME.items()]
        own = {k: _text(row["columns"].get(k)) for k in varied}
        cells.append([row["run_id"], *own.values(), *ending])
        words = " ".join(f"{k}={v}" for k, v in own.items() if v != _EMPTY)
        narrow.append([_hash(row["run_id"]), words, *ending])
    console = terminal()
    if not sys.stdout.isatty() or _fits_in(console.width, cells):
        _print_columns(cells)
    else:
        console.print(_wrapped(narrow))
    return 0


def show(store: Store, arguments: argparse.Namespace) -> int:
    """Print all that a run's record says."""
    record = store.load(find(store, arguments.run))
    print(record.run_id)
    for title, mapping in (
        ("settings", record.columns),
        ("outcome", _outcome(record)),
        ("continued from", record.parent or {}),
        ("environment", record.environment),
    ):
        if mapping:
            print(f"\n{title}")
            _print_columns([[_plain(name), _text(value)] for name, value in mapping.items()], "  ")
    if record.metrics:
        print("\nevaluations")
        names = _names(record.metrics)
        rows = [[_text(row.get(name), ".4g") for name in names] for row in record.metrics]
        _print_columns([names, *rows], "  ")
    if record.error:
        print("\ntraceback", *map(_plain, record.error.rstrip().splitlines()), sep="\n")
    return 0


def diff(store: Store, arguments: argparse.Namespace) -> int:
    """Print in what two runs differ."""
    a, b = (store.load(find(store, name)) for name in arguments.runs)
    print(f"{a.run_id}\n{b.run_id}")
    _print_pairs("settings", differences(a.columns, b.columns))
    _print_pairs("outcome", differences(_outcome(a), _outcome(b)))
    _print_pairs("environment", differences(a.environment, b.environment))
    agreement = compare(a, b, TOLERANCES["float64"])
    if agreement.verdict == IDENTICAL:
        print(f"\nall numbers identical to the bit: {len(a.metrics)} evaluations")
    _print_deviations(agreement)
    return 0


def verify(store: Store, arguments: argparse.Namespace) -> int:
    """Train a run again and print how well it agrees with its record.

    Nothing is written to the store, and the data are read and hashed anew.
    """
    then = store.load(find(store, arguments.run))
    if then.status == FAILED:
        raise InputError(f"{then.run_id} failed: it has no numbers to verify")
    if then.identity["numerics"] > NUMERICS:
        raise InputError(
            f"{then.run_id} was trained by a newer nnexp, whose numerics have version "
            f"{then.identity['numerics']} and here {NUMERICS}: update nnexp"
        )
    mapping = with_own_functions(then, _pairs(arguments.functions))
    for file in cache.recheck():
        print(f"{file} was altered since it was unpacked: it is unpacked again")
    config = RunConfig.from_mapping(mapping)
    print(f"{then.run_id}: training again what took {then.seconds:.2f} s", flush=True)
    now = execute(mapping, save_weights=then.weights is not None)
    tolerance = TOLERANCES[config.dtype]
    agreement = compare(then, now, tolerance)
    if agreement.verdict == IDENTICAL:
        weights = ", and the weights" if then.weights is not None else ""
        measures = f"{len(then.metrics)} evaluations, {len(then.layers)} rows of layers"
        print(f"{IDENTICAL}: {measures}{weights}")
    else:
        print(f"{agreement.verdict}; tolerance: {tolerance}")
    _print_deviations(agreement)
    if now.error:
        print(f"it fails now:\n{now.error.rstrip()}")
    _print_pairs("what is not as it was then", causes(then, now))
    print(f"\nas it was then: {', '.join(alike(then, now))}")
    if unknown_then := untold(then, now):
        print(f"not told by the record: {', '.join(unknown_then)}")
    return int(agreement.verdict == DIFFERENT)


def export(store: Store, arguments: argparse.Namespace) -> int:
    """Write the rows that the runs have in ``runs.csv`` to one file; damaged records are named."""
    if arguments.file.exists() and not arguments.force:
        raise InputError(f"{arguments.file} exists: give another file, or --force to overwrite it")
    rows, damaged = [], 0
    for row in select(store, arguments.filters):
        try:
            rows.append({**store.load(row["run_id"]).summary_row(), "reused": True})
        except DamagedRecord as error:
            damaged += 1
            print(f"left out, damaged: {error}", file=sys.stderr)
        except NewerRecord as error:
            damaged += 1
            print(f"left out: {error}", file=sys.stderr)
    write_whole(arguments.file, to_csv(rows))
    print(f"{arguments.file}: {len(rows)} runs")
    return int(damaged > 0)


def prune(store: Store, arguments: argparse.Namespace) -> int:
    """Remove what is of no use and no sweep is working on; without ``--yes`` say what there is."""
    found = [(_useless(store, run_id, arguments.obsolete), run_id) for run_id in store.run_ids()]
    newer = sum(kind == NEWER for kind, _ in found)
    found = [(kind, run_id) for kind, run_id in found if kind not in ("", NEWER)]
    found += [(ASIDE, run_id) for run_id in store.interrupted_writes()]
    locks = len(store.locked())
    if arguments.yes:
        found = [pair for pair in found if _removed(store, *pair, arguments.obsolete)]
        locks = sum(_unlocked(store, run_id) for run_id in store.locked())
    _print_columns(found)
    counts = [f"{n} {kind}" for kind, n in Counter(kind for kind, _ in found).items()]
    counts += [f"{locks} lock files"] if locks else []
    if not counts:
        print("nothing to prune")
    elif arguments.yes:
        print(f"removed: {', '.join(counts)}")
    else:
        print(f"would remove: {', '.join(counts)}, but for what a sweep holds; add --yes to do it")
    if newer:
        print(f"left alone: {newer} written by a newer nnexp")
    return 0


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
    fits = [n for n in names if n.startswith(beginning) or _hash(n).startswith(beginning)]
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


def _hash(run_id: str) -> str:
    return run_id.rpartition("-")[2]


def select(store: Store, filters: Sequence[str]) -> list[Row]:
    """Return the outlines of the runs that fit all ``filters``, each ``key=value,value…``."""
    wanted = {key: values.split(",") for key, values in _pairs(filters).items()}
    rows = [_outline(store, run_id) for run_id in store.run_ids()]
    keys = ["status", *_names(row["columns"] for row in rows)]
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


def _pairs(words: Sequence[str]) -> dict[str, str]:
    """Return what ``key=value`` words say."""
    for word in words:
        if "=" not in word:
            raise InputError(f"{word!r} is not of the form key=value, as in init=he")
    return {key: value for key, _, value in (word.partition("=") for word in words)}


def _outline(store: Store, run_id: str) -> Row:
    blank: Row = {"run_id": run_id, "columns": {}, "outcome": {}, "seconds": None}
    try:
        return store.header(run_id)
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
    return _text(value).lower() == text.lower() or (value is None and text in ("", "null", "none"))


def _useless(store: Store, run_id: str, obsolete: bool) -> str:
    """Return why a record is of no use to anyone, or nothing if it is of use."""
    try:
        record = store.load(run_id)
    except DamagedRecord:
        return DAMAGED
    except NewerRecord:
        return NEWER
    if record.status == FAILED:
        return FAILED
    return OBSOLETE if obsolete and record.identity["numerics"] < NUMERICS else ""


def _removed(store: Store, kind: str, run_id: str, obsolete: bool) -> bool:
    """Remove what is of no use; false if a sweep is at work on it, or has replaced it."""
    lock = store.lock(run_id)  # which clears away what was left aside
    if lock is None:
        return False
    try:
        if kind == ASIDE:
            return True
        useless = _useless(store, run_id, obsolete) == kind
        if useless:
            store.remove(run_id)
        return useless
    finally:
        lock.release()


def _unlocked(store: Store, run_id: str) -> bool:
    """Remove the file of a lock; false if somebody holds it."""
    lock = store.lock(run_id)
    if lock is not None:
        lock.release()
    return lock is not None


def _outcome(record: Record) -> Row:
    return {"status": record.status, **record.outcome(), "seconds": record.seconds}


def _names(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _text(value: Any, style: str = "") -> str:
    """Return a value as a cell: never empty, so that columns can be told apart in a pipe."""
    if value is None or value == "":
        return _EMPTY
    if isinstance(value, list):
        return _plain(", ".join(map(str, value)))
    if isinstance(value, bool):
        return str(value).lower()
    return format(value, style) if isinstance(value, float) else _plain(str(value))


def _plain(text: str) -> str:
    """Return ``text`` with characters that could steer a terminal written out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _print_columns(rows: Sequence[Sequence[str]], indent: str = "") -> None:
    """Print ``rows``, their cells aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(indent + (" " * _GAP).join(cells).rstrip())


def _fits_in(width: int, rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether ``rows`` need at most ``width`` characters."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return sum(widths) + _GAP * (len(widths) - 1) <= width


def _wrapped(rows: Sequence[Sequence[str]]) -> Table:
    """Return ``rows`` as a table as wide as the terminal, whose second column wraps."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
    header, *body = rows
    for place, name in enumerate(header):
        table.add_column(name, no_wrap=place != 1, overflow="fold")
    for row in body:
        table.add_row(*row)
    return table


def _print_deviations(agreement: Agreement) -> None:
    """Print where the numbers of two runs part."""
    for table, deviations in (("metrics", agreement.metrics), ("layers", agreement.layers)):
        if deviations:
            print(f"\n{table} that differ")
            rows = [[d.name, f"{d.largest:.2g}", str(d.step)] for d in deviations]
            _print_columns([["", "by up to", "from step"], *rows], "  ")
    if agreement.weights is False:
        print("\nthe trained weights differ")


def _print_pairs(title: str, pairs: Mapping[str, tuple[Any, Any]]) -> None:
    """Print what differs, a line for each, the first value before the second."""
    if pairs:
        print(f"\n{title}")
        rows = [[_plain(name), _text(a), _text(b)] for name, (a, b) in pairs.items()]
        _print_columns(rows, "  ")
