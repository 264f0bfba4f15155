"""Run studies and judge their claims."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from rich.table import Table
from rich.text import Text

from nnexp.analysis.outcomes import fitting
from nnexp.analysis.verdicts import INCONCLUSIVE
from nnexp.cli import app
from nnexp.cli.arguments import Parser
from nnexp.cli.terminal import terminal
from nnexp.config.composition import set_up
from nnexp.config.experiment_file import located
from nnexp.config.hydra_source import experiment_folders
from nnexp.errors import InputError, unknown
from nnexp.plotting import weight_images
from nnexp.store.record import FAILED, Record
from nnexp.store.tables import Tables, tables
from nnexp.studies import markdown_report
from nnexp.studies.judging import Judgement, judge
from nnexp.studies.reader import read_study
from nnexp.studies.study import ORDERS, Study

# How many seeds an arm has at each look of --top-up.
LOOKS = (10, 20, 40)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0 all well, 1 a run failed or a verdict differs from the study's expectation, 2 bad input, 130
    interrupted.
    """
    return app.guarded(_main, list(sys.argv[1:] if argv is None else argv))


def _main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    if options.seeds is not None and options.seeds < 1:
        raise InputError(f"--seeds {options.seeds}: give 1 or more")
    if options.seeds is not None and options.top_up:
        raise InputError("--seeds and --top-up exclude each other: the looks say how many seeds")
    studies = chosen(options.names)
    if options.list:
        for study in studies:
            print(f"{study.name:20} {len(study.claims):2} claims  {study.question}")
        return 0
    markdown_report.check_places(studies, options.results)
    set_up()
    well, wrong, judged = True, "", 0
    for study in studies:
        try:
            judgements, found, sitting = reproduce(study, options)
            markdown_report.write_tables(study, found, judgements, options.results, sitting)
        except InputError as error:  # of this study: its runs are kept, and the others go on
            print(f"{study.name} cannot be judged: {error}", file=sys.stderr)
            wrong = wrong or f"{study.name} could not be judged, see above"
            continue
        judged += 1
        _tell(study, judgements)
        failed = found is not None and bool((found.runs["status"] == FAILED).any())
        well = well and not failed and all(j.as_expected for j in judgements)
    if judged:
        print(f"report  {markdown_report.write_report(sound(), options.results)}")
    if wrong:
        raise InputError(wrong)
    return 0 if well else 1


def _parser() -> Parser:
    parser = Parser(prog="python -m nnexp.reproduce", description=__doc__)
    parser.add_argument("names", nargs="*", help="studies; none means all of experiments/")
    parser.add_argument("--seeds", type=int, help="seeds an arm, instead of the study's own")
    looks = ", ".join(map(str, LOOKS))
    parser.add_argument(
        "--top-up",
        action="store_true",
        help=f"add seeds while a comparison is inconclusive, looking at n = {looks}",
    )
    parser.add_argument("--store", default="results/runs", help="where finished runs are kept")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where it is written")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0 means all cores")
    parser.add_argument("--list", action="store_true", help="name the studies and run nothing")
    return parser


def study_files() -> dict[str, Path]:
    """Return the files of experiments by name; one in the working directory comes first."""
    files: dict[str, Path] = {}
    for folder in experiment_folders():
        for file in sorted(filter(Path.is_file, folder.glob("*.yaml"))):
            files.setdefault(file.stem, file)
    return dict(sorted(files.items()))


def chosen(names: Sequence[str]) -> list[Study]:
    """Return the studies of these names, all for none.

    Raises
    ------
    InputError
        If a name is of no study, or a study's file is malformed.
    """
    files = study_files()
    for name in names:
        if name not in files:
            raise unknown("study", name, [study.name for study in sound()])
    read = [read_study(files[name]) for name in names or files]
    for name, study in zip(names, read, strict=False):
        if study is None:
            raise InputError(f"{files[name]} is an experiment without claims: give it a 'study'")
    return [study for study in read if study is not None]


def sound() -> list[Study]:
    """Return all studies whose files are in order; of each other one it is said what is wrong."""
    studies = []
    for file in study_files().values():
        try:
            studies.append(read_study(file))
        except InputError as error:
            print(f"left out: {error}", file=sys.stderr)
    return [study for study in studies if study is not None]


class Reproduction(NamedTuple):
    """A study's judgements, the tables of its runs if it has any, and those of its portraits."""

    judgements: list[Judgement]
    found: Tables | None
    sitting: dict[str, pd.DataFrame]


def reproduce(study: Study, options: argparse.Namespace) -> Reproduction:
    """Return what a study's runs give, from the store where it can."""
    if not study.has_runs:
        return Reproduction(judge(study, None), None, {})
    looks = LOOKS if options.top_up else (options.seeds,)
    for seeds in looks:
        records = _run(study, seeds, options)
        found = tables(records)
        judgements = judge(study, found, looks=len(looks))
        if not any(j.test in ORDERS and j.verdict == INCONCLUSIVE for j in judgements):
            break
    shown = fitting(found.runs, study.show)
    arms = dict(zip(shown["run_id"], shown["arm"], strict=True))
    return Reproduction(judgements, found, weight_images.tabulate(records, arms))


def _run(study: Study, seeds: int | None, options: argparse.Namespace) -> list[Record]:
    terminal(stderr=True).print(Text.assemble("\n", (study.name, "bold"), f": {study.question}"))
    overrides = [f"+experiments={study.name}", f"store={options.store}"]
    overrides.append(f"hydra.launcher.workers={options.workers}")
    overrides += [f"seed=range({seeds})"] if seeds is not None else []
    try:
        return app.run(overrides, multirun=True, collect=False)
    except (InputError, HydraException, OmegaConfBaseException) as error:
        raise located(study.file, app.sentence(error)) from error


def _tell(study: Study, judgements: Sequence[Judgement]) -> None:
    console = terminal(width=None if sys.stdout.isatty() else 160)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("row", "claim", "verdict", "n", "measured"):
        table.add_column(name, overflow="fold")
    for judgement in judgements:
        mark = "" if judgement.as_expected else f" (expected: {judgement.expected})"
        n = "" if judgement.n is None else str(judgement.n)
        cells = (judgement.row, judgement.claim, judgement.verdict + mark, n, judgement.measured)
        table.add_row(*cells)
    console.print(table)
    counts = Counter(judgement.verdict for judgement in judgements)
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    console.print(f"{study.name}: {told}")
