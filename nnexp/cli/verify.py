"""Train a run of each arm of a study again and compare it with the study's tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nnexp.cli import app
from nnexp.cli.arguments import Parser
from nnexp.cli.guard import guarded
from nnexp.cli.reproduce import chosen
from nnexp.cli.run_tables import print_columns
from nnexp.config.composition import set_up
from nnexp.config.run_config import NUMERICS, RunConfig
from nnexp.errors import InputError
from nnexp.store.compare_runs import DIFFERENT, IDENTICAL, TOLERANCES
from nnexp.store.record import FAILED
from nnexp.store.table_runs import TableAgreement, compare_with_tables, ids_by_numerics
from nnexp.store.tables import Tables, load, read_exactly
from nnexp.studies.judgement import from_table
from nnexp.studies.judging import judge
from nnexp.studies.study import Study
from nnexp.training.execute import execute


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0: every run agrees with the tables, to the bit or within what rounding explains; 1: one does
    not; 2: invalid input; 130: interrupted; 143: terminated.
    """
    return guarded(_main, list(sys.argv[1:] if argv is None else argv))


def _main(arguments: list[str]) -> int:
    options = _parser().parse_intermixed_args(arguments)
    if options.seed < 0:
        raise InputError(f"--seed {options.seed}: give 0 or more")
    studies = chosen(options.studies)
    set_up()
    passed = [verify(study, options.results / study.name, options.seed) for study in studies]
    return 0 if all(passed) else 1


def _parser() -> Parser:
    parser = Parser(prog="python -m nnexp.verify", description=__doc__)
    parser.add_argument("studies", nargs="+", metavar="STUDY", help="names of studies")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="the folder of all results"
    )
    parser.add_argument("--seed", type=int, default=0, help="chooses the runs (default: 0)")
    return parser


def verify(study: Study, folder: Path, seed: int) -> bool:
    """Train a random run of each arm again, print how well it agrees, and return whether it does.

    ``seed`` chooses the runs among those in the tables in ``folder``. A study without runs is
    judged again.

    Raises
    ------
    InputError
        If there are no tables, or none of their runs are as the study's file now has them.
    """
    if not study.has_runs:
        return _judged_again(study, folder)
    tables = load(folder)
    found, rng = _matching(study, tables), np.random.default_rng(seed)
    rows, verdicts, versions = [["arm", "run", "agreement", "largest difference"]], [], set()
    for arm in dict.fromkeys(tables.runs["arm"]):
        own = tables.runs[(tables.runs["arm"] == arm) & (tables.runs["status"] != FAILED)]
        ids = [run_id for run_id in own["run_id"] if run_id in found]
        if not ids:
            raise InputError(
                f"no run of arm {arm!r} in {folder} is as {study.file} now has it: run the study "
                f"again with {study.command()}"
            )
        run_id = ids[rng.integers(len(ids))]
        config, version = found[run_id]
        print(f"{study.name}: {arm}: training {run_id} again", file=sys.stderr, flush=True)
        run = execute(config.to_mapping())
        if run.error:
            raise InputError(f"{run_id} now fails: {run.error.rstrip().splitlines()[-1]}")
        result = compare_with_tables(run, run_id, tables, TOLERANCES[config.dtype])
        rows.append([str(arm), run_id, *_in_words(result)])
        verdicts.append(result.agreement.verdict)
        versions.add(version)
    print_columns(rows)
    print(f"{study.name}: {verdicts.count(IDENTICAL)} of {len(verdicts)} runs agree to the bit")
    for version in sorted(versions - {NUMERICS}):
        print(
            f"note: the tables were made with version {version} of the numerics and this code has "
            f"{NUMERICS}: the last digits differ, and training amplifies this"
        )
    return DIFFERENT not in verdicts


def _matching(study: Study, tables: Tables) -> dict[str, tuple[RunConfig, int]]:
    """Return the settings of the runs of the study's own sweep, with the version of the numerics.

    The keys are their IDs under this and earlier versions.
    """
    seeds = ",".join(str(seed) for seed in sorted(set(tables.runs["seed"])))
    jobs, _ = app.plan([f"+experiments={study.name}", f"seed={seeds}"])
    return {
        run_id: (job.config, version)
        for job in jobs
        for run_id, version in ids_by_numerics(job.config).items()
    }


def _in_words(result: TableAgreement) -> tuple[str, str]:
    """Return how well a run agrees, and what differs most."""
    verdict = result.agreement.verdict
    if verdict == IDENTICAL:
        return "to the bit", ""
    if result.digits is not None:
        return f"to {result.digits} digit{'s' * (result.digits != 1)}, {verdict}", result.place
    others = [*result.agreement.metrics, *result.agreement.layers]
    least = ", ".join(f"{one.name} by up to {one.largest:.2g}" for one in others)
    return f"scores to the bit, {verdict}", least


def _judged_again(study: Study, folder: Path) -> bool:
    """Judge the claims of a study without runs, and return whether the verdicts are the same.

    Some computations measure times, so their figures may differ.
    """
    file = folder / "claims.csv"
    if not file.is_file():
        raise InputError(f"{str(folder)!r} has no claims.csv: run {study.command()} first")
    table: pd.DataFrame = read_exactly(file, dtype=str, keep_default_na=False, encoding="utf-8")
    then = {one.claim: one for one in from_table(table)}
    pairs = [(then.get(one.claim, one), one) for one in judge(study, None)]
    verdicts = sum(old.verdict == new.verdict for old, new in pairs)
    figures = sum(old.measured == new.measured for old, new in pairs)
    print(
        f"{study.name} has no runs: {verdicts} of {len(pairs)} verdicts and {figures} of "
        f"{len(pairs)} figures are computed again as in the table"
    )
    return verdicts == len(pairs)
