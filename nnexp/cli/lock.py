"""Lock studies: write down what they claim and how they judge, before their runs begin."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from nnexp.analysis.labels import listed
from nnexp.cli import app
from nnexp.cli.terminal import terminal
from nnexp.errors import InputError
from nnexp.store.record import Record
from nnexp.store.record_files import DamagedRecord, NewerRecord
from nnexp.store.store import Store
from nnexp.store.tables import Tables, load, tables
from nnexp.studies.confirmation import spans
from nnexp.studies.kinds.comparison import Comparison
from nnexp.studies.lock import FIRST_SEED, Lock, make_lock, read_lock, write_lock
from nnexp.studies.planning import WANTED, plans
from nnexp.studies.study import Study, of_kind
from nnexp.sweeps.jobs import Job

# The name of a run without its seed, the seed, and its hash.
_RUN_ID = re.compile(r"(.+)-s(\d+)-[0-9a-f]{12}")


def lock_study(study: Study, results: Path, overrides: Sequence[str], *, again: bool) -> Lock:
    """Write the lock of a study and print it; with ``again``, replace an earlier one.

    The power of its comparisons is planned from runs with other seeds, as those of a pilot, in the
    store or, if there are none, in the tables in ``results``. ``overrides`` may set the store.

    Raises
    ------
    InputError
        If the study is locked already, or its seeds are those of pilots or have been run.
    """
    earlier = read_lock(study)
    if earlier is not None and not again:
        raise InputError(
            f"{study.name} has been locked since {earlier.locked}: give --relock to lock it as it "
            f"is now; the earlier lock stays in the history"
        )
    seeds: list[int] = []
    pilot = None
    if study.has_runs:
        words = [f"+experiments={study.name}", *overrides]
        jobs, store = app.plan(words)
        seeds = sorted({job.config.seed for job in jobs})
        past = _tables(results / study.name)
        _check_seeds(study, seeds)
        if earlier is None:
            _check_unseen(study, jobs, seeds, store, past)
        pilot = _pilot(words, jobs, store, past)
    lock = make_lock(study, seeds, plans(study, pilot, len(seeds)) if pilot else {}, earlier)
    _print(study, lock, write_lock(lock, study))
    return lock


def _check_seeds(study: Study, seeds: Collection[int]) -> None:
    """Refuse a study with seeds of pilots."""
    if seeds and min(seeds) < FIRST_SEED:
        last = FIRST_SEED + len(seeds)
        raise InputError(
            f"{study.file}: seeds below {FIRST_SEED} are for pilots, and the study has "
            f"{spans(seeds)}: give it unseen ones, as in seed: range({FIRST_SEED},{last})"
        )


def _check_unseen(
    study: Study, jobs: Sequence[Job], seeds: Collection[int], store: Store, past: Tables | None
) -> None:
    """Refuse a study of which runs exist: their results may have been seen."""
    ran = [job.run_id for job in jobs if store.path(job.run_id).exists()]
    if past is not None:
        ran += map(str, past.runs.loc[past.runs["seed"].isin(seeds), "run_id"])
    if ran:
        first = max(seeds) + 1
        raise InputError(
            f"{study.file}: {ran[0]} has been run already, so its claims cannot be locked before "
            f"their runs: give unseen seeds, as in seed: range({first},{first + len(seeds)})"
        )


def _tables(folder: Path) -> Tables | None:
    """Return the tables of earlier runs of a study, if there are any."""
    with suppress(InputError):
        return load(folder)
    return None


def _pilot(
    words: Sequence[str], jobs: Sequence[Job], store: Store, past: Tables | None
) -> Tables | None:
    """Return the tables of a study's runs with other seeds, ``None`` without any."""
    own = {job.config.seed for job in jobs}
    if records := _stored(words, jobs, store, own):
        return tables(records)
    if past is None or past.runs["seed"].isin(own).all():
        return None
    return past._replace(runs=past.runs[~past.runs["seed"].isin(own)])


def _stored(
    words: Sequence[str], jobs: Sequence[Job], store: Store, own: Collection[int]
) -> list[Record]:
    """Return the runs in the ``store`` that are like ``jobs``, but with seeds not in ``own``."""
    names = set(store.run_ids()) if store.folder.is_dir() else set()
    alike = {match[1] for job in jobs if (match := _RUN_ID.fullmatch(job.run_id))}
    found = (match for name in names if (match := _RUN_ID.fullmatch(name)))
    seeds = sorted({int(m[2]) for m in found if m[1] in alike} - {*own})
    if not seeds:
        return []
    records = []
    for job in app.plan([*words, f"seed={','.join(map(str, seeds))}"])[0]:
        if job.run_id in names:
            with suppress(DamagedRecord, NewerRecord):
                if record := store.read(job.run_id):
                    record.arm = job.arm
                    records.append(record)
    return records


def _print(study: Study, lock: Lock, file: Path) -> None:
    """Print what was locked, and the power of the comparisons."""
    console = terminal()
    compared = of_kind(study, Comparison)
    known = {one.id: one.power for one in lock.claims if one.power}
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("claim", "matters", "spread in the pilot", "n", "power", f"n for {WANTED:.0%}"):
        table.add_column(name, overflow="fold")
    for claim, test in compared:
        table.add_row(claim.id, f"{test.matters:g}", *_cells(known.get(claim.id), lock))
    if compared:
        console.print(table)
    where = f" with seeds {spans(lock.seeds)}" if lock.seeds else ""
    print(f"{study.name}: locked {len(lock.claims)} claims{where} in {file}, digest {lock.digest}")
    if weak := [name for name, plan in known.items() if plan["power"] < WANTED]:
        print(
            f"note: the power is below {WANTED:.0%} for {listed(weak)}: to use more seeds, change "
            f"the study before its first run and give --relock"
        )
    if compared and not known:
        print("note: without a pilot (runs with other seeds), the power is unknown")


def _cells(plan: Mapping[str, Any] | None, lock: Lock) -> list[str | Text]:
    if plan is None:
        return ["unknown", str(len(lock.seeds)), "unknown", "unknown"]
    spread = f"{plan['sd']:.3g} (n = {plan['pilot']})"
    needed = "none" if plan["needed"] is None else str(plan["needed"])
    return [spread, str(plan["n"]), f"{plan['power']:.2f}", needed]
