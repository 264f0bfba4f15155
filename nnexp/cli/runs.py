"""Looking after finished runs: list, show, compare, verify, export and prune them."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from nnexp.cli.run_tables import (
    EMPTY,
    cell,
    fits_in,
    plain,
    print_columns,
    print_deviations,
    print_pairs,
    wrapped,
)
from nnexp.cli.selection import DAMAGED, NEWER, find, hash_of, names_in, pairs, select
from nnexp.cli.terminal import terminal
from nnexp.config.run_config import NUMERICS, RunConfig
from nnexp.data import cache
from nnexp.errors import InputError
from nnexp.files import write_whole
from nnexp.store.compare_runs import (
    DIFFERENT,
    IDENTICAL,
    TOLERANCES,
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

OBSOLETE, ASIDE = "obsolete", "left aside"
# What a list shows of how a run ended, and how.
_OUTCOME = {
    "status": "",
    "step": "",
    "test_accuracy": ".4f",
    "test_loss": ".4g",
    "seconds": ".2f",
}


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
    varied = [k for k in names_in(told) if len({str(columns.get(k)) for columns in told}) > 1]
    cells, narrow = [["run", *varied, *_OUTCOME]], [["run", "settings", *_OUTCOME]]
    for row in rows:
        outcome = {**row["outcome"], "status": row["status"], "seconds": row["seconds"]}
        ending = [cell(outcome.get(name), style) for name, style in _OUTCOME.items()]
        own = {k: cell(row["columns"].get(k)) for k in varied}
        cells.append([row["run_id"], *own.values(), *ending])
        words = " ".join(f"{k}={v}" for k, v in own.items() if v != EMPTY)
        narrow.append([hash_of(row["run_id"]), words, *ending])
    console = terminal()
    if not sys.stdout.isatty() or fits_in(console.width, cells):
        print_columns(cells)
    else:
        console.print(wrapped(narrow))
    return 0


def show(store: Store, arguments: argparse.Namespace) -> int:
    """Print all that a run's record says."""
    record = store.recall(find(store, arguments.run))
    print(record.run_id)
    for title, mapping in (
        ("settings", record.columns),
        ("outcome", _outcome(record)),
        ("continued from", record.parent or {}),
        ("environment", record.environment),
    ):
        if mapping:
            print(f"\n{title}")
            print_columns([[plain(name), cell(value)] for name, value in mapping.items()], "  ")
    if record.metrics:
        print("\nevaluations")
        names = names_in(record.metrics)
        rows = [[cell(row.get(name), ".4g") for name in names] for row in record.metrics]
        print_columns([names, *rows], "  ")
    if record.error:
        print("\ntraceback", *map(plain, record.error.rstrip().splitlines()), sep="\n")
    return 0


def diff(store: Store, arguments: argparse.Namespace) -> int:
    """Print in what two runs differ."""
    a, b = (store.recall(find(store, name)) for name in arguments.runs)
    print(f"{a.run_id}\n{b.run_id}")
    print_pairs("settings", differences(a.columns, b.columns))
    print_pairs("outcome", differences(_outcome(a), _outcome(b)))
    print_pairs("environment", differences(a.environment, b.environment))
    agreement = compare(a, b, TOLERANCES["float64"])
    if agreement.verdict == IDENTICAL:
        print(f"\nall numbers identical to the bit: {len(a.metrics)} evaluations")
    print_deviations(agreement)
    return 0


def verify(store: Store, arguments: argparse.Namespace) -> int:
    """Train a run again and print how well it agrees with its record.

    Nothing is written to the store, and the data are read and hashed anew.
    """
    then = store.recall(find(store, arguments.run))
    if then.status == FAILED:
        raise InputError(f"{then.run_id} failed: it has no numbers to verify")
    if then.identity["numerics"] > NUMERICS:
        raise InputError(
            f"{then.run_id} was trained by a newer nnexp, whose numerics have version "
            f"{then.identity['numerics']} and here {NUMERICS}: update nnexp"
        )
    mapping = with_own_functions(then, pairs(arguments.functions))
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
    print_deviations(agreement)
    if now.error:
        print(f"it fails now:\n{now.error.rstrip()}")
    print_pairs("what is not as it was then", causes(then, now))
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
            rows.append({**store.recall(row["run_id"]).summary_row(), "reused": True})
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
    found += [(ASIDE, run_id) for run_id in store.leftovers()]
    locks = len(store.locked())
    if arguments.yes:
        found = [pair for pair in found if _removed(store, *pair, arguments.obsolete)]
        locks = sum(_unlocked(store, run_id) for run_id in store.locked())
    print_columns(found)
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


def _useless(store: Store, run_id: str, obsolete: bool) -> str:
    """Return why a record is of no use to anyone, or nothing if it is of use."""
    try:
        record = store.recall(run_id)
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
