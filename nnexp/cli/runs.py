"""Manage finished runs: list, show, compare, verify, export and prune them."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from nnexp.cli.arguments import Parser, with_store
from nnexp.cli.export import MEANING, export
from nnexp.cli.guard import guarded
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
from nnexp.config.function_source import FOLDER, without_copies
from nnexp.config.identity import own_functions
from nnexp.config.run_config import NUMERICS, RunConfig
from nnexp.data import cache
from nnexp.errors import InputError
from nnexp.files import writing
from nnexp.store.compare_runs import (
    DIFFERENT,
    IDENTICAL,
    TOLERANCES,
    causes,
    compare,
    differences,
    unchanged,
    unrecorded,
    with_own_functions,
)
from nnexp.store.record import FAILED, Record, Row
from nnexp.store.record_files import DamagedRecord, NewerRecord
from nnexp.store.store import Store
from nnexp.training.execute import execute

OBSOLETE, INTERRUPTED, COPY = "obsolete", "interrupted", "unused function"
# Seconds for which a copied function is new.
_NEW = 3600
# The columns of an outcome in a list, and their formats.
_OUTCOME = {
    "status": "",
    "step": "",
    "test_accuracy": ".4f",
    "test_loss": ".4g",
    "seconds": ".2f",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` and return its exit status.

    0: success; 1: a run could not be verified or a record is damaged; 2: invalid input;
    130: interrupted; 143: terminated.
    """
    return guarded(_main, list(sys.argv[1:] if argv is None else argv))


def _main(arguments: list[str]) -> int:
    options = _parser().parse_args(with_store(arguments))
    store = Store(Path(options.store))
    if options.command is not show_cache and not store.folder.is_dir():
        raise InputError(f"there is no store {options.store!r}: give --store FOLDER")
    status: int = options.command(store, options)
    return status


def _parser() -> Parser:
    parser = Parser(
        prog="python -m nnexp.runs",
        description="Manage the store of finished runs.",
        epilog="RUN: a run's name, or any unique prefix of its name or of its hash. "
        "store=FOLDER is the same as --store FOLDER.",
    )
    parser.add_argument("--store", default="results/runs", metavar="FOLDER")
    common = Parser(add_help=False)
    common.add_argument("--store", default=argparse.SUPPRESS, metavar="FOLDER")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    def command(name: str, function: Any, meaning: str) -> Parser:
        entry: Parser = commands.add_parser(
            name, help=meaning, description=meaning, parents=[common]
        )
        entry.set_defaults(command=function)
        return entry

    chosen = "only matching runs, as in init=xavier,he lr=0.5 status=diverged"
    entry = command("list", list_runs, "one line per run: name, varying settings, outcome")
    entry.add_argument("filters", nargs="*", metavar="key=value", help=chosen)
    entry = command("show", show, "settings, outcome, evaluations, environment, traceback")
    entry.add_argument("run", metavar="RUN")
    entry = command("diff", diff, "differences between two runs: settings, outcome, numbers")
    entry.add_argument("runs", nargs=2, metavar="RUN")
    entry = command(
        "verify", verify, "train a run again and compare; exit status 1 if the numbers differ"
    )
    entry.add_argument("run", metavar="RUN")
    meaning = (
        "your own functions that the run was trained with, as in init=mine.py:f, or init=f for a "
        "function that was given to nnexp.sweep"
    )
    entry.add_argument("functions", nargs="*", metavar="key=FILE.py:NAME", help=meaning)
    entry = command("export", export, "tables of runs: CSV, Parquet, Markdown or LaTeX")
    entry.description = MEANING
    entry.add_argument("file", metavar="FILE", type=Path, help="as in all.csv or arms.tex")
    entry.add_argument("filters", nargs="*", metavar="key=value", help=chosen)
    entry.add_argument("--force", action="store_true", help="overwrite existing files")
    entry = command(
        "prune",
        prune,
        "remove failed and damaged records, files left by killed runs, unused copied functions",
    )
    entry.add_argument(
        "--yes", action="store_true", help="remove them; by default they are only listed"
    )
    meaning = "also remove records with an older version of the numerics"
    entry.add_argument("--obsolete", action="store_true", help=meaning)
    entry = command("cache", show_cache, "folder and size of the cached data sets and figures")
    entry.add_argument("--clear", action="store_true", help="remove the cached files")
    return parser


def list_runs(store: Store, arguments: argparse.Namespace) -> int:
    """Print one line per run: its name, the settings that vary and its outcome.

    If the terminal is too narrow, print hashes instead of names and all settings in one column.
    """
    rows = select(store, arguments.filters)
    if not rows:
        print(f"no run in {store.folder}" + (" matches" if arguments.filters else ""))
        return 0
    known = [row["columns"] for row in rows if row["status"] not in (DAMAGED, NEWER)]
    varied = [k for k in names_in(known) if len({str(columns.get(k)) for columns in known}) > 1]
    cells, narrow = [["run", *varied, *_OUTCOME]], [["run", "settings", *_OUTCOME]]
    for row in rows:
        outcome = {**row["outcome"], "status": row["status"], "seconds": row["seconds"]}
        ending = [cell(outcome.get(name), style) for name, style in _OUTCOME.items()]
        own = {k: without_copies(cell(row["columns"].get(k))) for k in varied}
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
    """Print a run's record."""
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
    """Print the differences between two runs."""
    a, b = (store.load(find(store, name)) for name in arguments.runs)
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

    The data are read and hashed again. The store is not changed.
    """
    then = store.load(find(store, arguments.run))
    if then.status == FAILED:
        raise InputError(f"{then.run_id} failed: it has no numbers to verify")
    if then.identity["numerics"] > NUMERICS:
        raise InputError(
            f"{then.run_id} was trained by a newer nnexp (version {then.identity['numerics']} of "
            f"the numerics, this one has {NUMERICS}): update nnexp"
        )
    mapping = with_own_functions(then, pairs(arguments.functions), store.folder)
    for file in cache.recheck():
        print(f"{file} was altered since it was unpacked and will be unpacked again")
    config = RunConfig.from_mapping(mapping)
    print(f"{then.run_id}: training again (it took {then.seconds:.2f} s)", flush=True)
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
        print(f"the run now fails:\n{now.error.rstrip()}")
    print_pairs("changed since then", causes(then, now))
    print(f"\nunchanged: {', '.join(unchanged(then, now))}")
    if missing := unrecorded(then, now):
        print(f"not recorded: {', '.join(missing)}")
    return int(agreement.verdict == DIFFERENT)


def prune(store: Store, arguments: argparse.Namespace) -> int:
    """Remove useless records that no sweep is using; without ``--yes``, only list them."""
    found = [(_reason(store, run_id, arguments.obsolete), run_id) for run_id in store.run_ids()]
    newer = sum(reason == NEWER for reason, _ in found)
    found = [(reason, run_id) for reason, run_id in found if reason not in ("", NEWER)]
    found += [(INTERRUPTED, run_id) for run_id in store.interrupted_writes()]
    locks = len(store.locked())
    if arguments.yes:
        found = [pair for pair in found if _removed(store, *pair, arguments.obsolete)]
        locks = sum(_unlocked(store, run_id) for run_id in store.locked())
    in_use = arguments.yes and bool(store.locked())
    if not newer and not in_use:
        copies = _unused_copies(store, {run_id for _, run_id in found})
        found += [(COPY, file.name) for file in copies]
        for file in copies if arguments.yes else ():
            with writing(store.folder):
                file.unlink()
    print_columns(found)
    counts = [f"{n} {kind}" for kind, n in Counter(reason for reason, _ in found).items()]
    counts += [f"{locks} lock files"] if locks else []
    if not counts:
        print("nothing to prune")
    elif arguments.yes:
        print(f"removed: {', '.join(counts)}")
    else:
        print(
            f"would remove, unless a sweep is using them: {', '.join(counts)}; add --yes to remove"
        )
    if newer:
        print(f"kept: {newer} written by a newer nnexp")
    return 0


def show_cache(store: Store, arguments: argparse.Namespace) -> int:
    """Print the folder and size of the cache; with ``--clear``, remove its files."""
    size = sum(path.stat().st_size for path in cache.files()) / 1e6
    if arguments.clear:
        cache.clear()
        print(f"{cache.folder()}: removed {size:.1f} MB")
    else:
        print(f"{cache.folder()}: {size:.1f} MB")
    return 0


def _reason(store: Store, run_id: str, obsolete: bool) -> str:
    """Return why a record is useless, or ``""`` if it is not."""
    try:
        record = store.load(run_id)
    except DamagedRecord:
        return DAMAGED
    except NewerRecord:
        return NEWER
    if record.status == FAILED:
        return FAILED
    return OBSOLETE if obsolete and record.identity["numerics"] < NUMERICS else ""


def _removed(store: Store, reason: str, run_id: str, obsolete: bool) -> bool:
    """Remove a useless record; return false if a sweep is using it or has replaced it."""
    lock = store.lock(run_id)  # this also removes the files of interrupted writes
    if lock is None:
        return False
    try:
        if reason == INTERRUPTED:
            return True
        useless = _reason(store, run_id, obsolete) == reason
        if useless:
            store.remove(run_id)
        return useless
    finally:
        lock.release()


def _unused_copies(store: Store, removed: Collection[str]) -> list[Path]:
    """Return the copies of functions that no run uses, except ``removed`` ones.

    A sweep writes its copies shortly before it locks its runs, so new ones count as used.
    """
    copies = sorted((store.folder / FOLDER).glob("*.py"))
    old = [file for file in copies if time.time() - file.stat().st_mtime > _NEW]
    if not old:
        return []
    used = {
        Path(name.rpartition(":")[0]).name
        for run_id in set(store.run_ids()).difference(removed)
        for name in own_functions(store.header(run_id)["config"]).values()
    }
    return [file for file in old if file.name not in used]


def _unlocked(store: Store, run_id: str) -> bool:
    """Remove a lock file; return false if another process holds the lock."""
    lock = store.lock(run_id)
    if lock is not None:
        lock.release()
    return lock is not None


def _outcome(record: Record) -> Row:
    return {"status": record.status, **record.outcome(), "seconds": record.seconds}
