"""Run studies and judge their claims."""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from rich.text import Text

from nnexp.analysis.line_table import line_table
from nnexp.analysis.outcomes import fitting
from nnexp.analysis.verdicts import INCONCLUSIVE, UNDERPOWERED
from nnexp.cli import app
from nnexp.cli.arguments import Parser, language_of
from nnexp.cli.guard import RESUMABLE, guarded, sentence
from nnexp.cli.lock import lock_study
from nnexp.cli.terminal import terminal
from nnexp.cli.verdicts import print_verdicts
from nnexp.config.composition import quoted, set_up
from nnexp.config.experiment_file import located
from nnexp.config.folders import experiment_files, experiment_name, is_own
from nnexp.errors import InputError, unknown
from nnexp.messages.language import ENGLISH, language
from nnexp.plotting import record_figures, weight_images
from nnexp.plotting.training_figures import LOSS_LINE
from nnexp.store.record import FAILED, Record
from nnexp.store.tables import Tables, load, nine_digits, tables
from nnexp.studies import markdown_report
from nnexp.studies.confirmation import registered
from nnexp.studies.judgement import Judgement
from nnexp.studies.judging import judge
from nnexp.studies.reader import read_study
from nnexp.studies.rows import check_mains
from nnexp.studies.study import Study
from nnexp.studies.study_tables import write_tables
from nnexp.studies.trials import Trial, announced, trials

# The number of seeds per arm at each interim analysis ("look") of --top-up.
LOOKS = (10, 20, 40)
LOCK, RELOCK = "--lock", "--relock"
_EPILOG = (
    "Without names, all of nnexp's studies run. In a folder with your own studies in experiments/, "
    "only those run, and others that were judged there before. The report covers the same studies."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0: success; 1: a run failed, or a verdict differs from the one that the study's file records;
    2: invalid input; 130: interrupted; 143: terminated.
    """
    return guarded(_main, list(sys.argv[1:] if argv is None else argv), RESUMABLE)


def _main(arguments: list[str]) -> int:
    arguments, lang = language_of(arguments)
    options = _parser().parse_intermixed_args(arguments)
    names = [word for word in options.words if "=" not in word]
    overrides = _overrides(options)
    if options.seeds is not None and options.seeds < 1:
        raise InputError(f"--seeds {options.seeds}: give 1 or more")
    if options.seeds is not None and options.top_up:
        raise InputError("--seeds and --top-up exclude each other: give one of them")
    if options.from_tables and (overrides or options.seeds is not None or options.top_up):
        raise InputError("--from-tables runs nothing: leave out the options of runs")
    if options.lock and (options.from_tables or options.top_up or options.seeds is not None):
        raise InputError(f"{options.lock} runs nothing: leave out the options of runs")
    if options.lock and not names:
        raise InputError(f"{options.lock} needs the name of a study: give it first")
    studies = chosen(names) if names else known()
    if options.list:
        for study in studies:
            print(f"{study.name:28} {len(study.claims):2} claims  {study.question}")
        return 0
    studies = studies if names else relevant(studies, options.results)
    markdown_report.check_places(studies, options.results)
    check_mains(studies)
    set_up()
    app.check(overrides)
    if options.lock:
        for study in studies:
            lock_study(study, options.results, overrides, again=options.lock == RELOCK)
        return 0
    spoken = [f"lang={lang}"] if lang != ENGLISH else []  # of the progress of runs
    passed, problem, judged = True, "", 0
    for study in studies:
        try:
            if options.from_tables:
                judgements, found, images = judge_again(study, options.results)
            else:
                judgements, found, images = reproduce(study, options, [*overrides, *spoken])
            judgements = registered(study, judgements, found.runs if found is not None else None)
            write_tables(study, found, judgements, options.results, images)
        except InputError as error:  # keep the runs of this study and go on with the others
            print(f"{study.name} cannot be judged: {error}", file=sys.stderr)
            problem = problem or f"{study.name} could not be judged: see above"
            continue
        judged += 1
        with language(lang):
            print_verdicts(study, judgements)
        failed = found is not None and bool((found.runs["status"] == FAILED).any())
        passed = passed and not failed and all(j.as_expected for j in judgements)
    if judged:
        covered = relevant(sound(), options.results)
        with language(lang):
            report = markdown_report.write_report(covered, options.results)
        print(f"report  {report}")
    if problem:
        raise InputError(problem)
    return 0 if passed else 1


def _parser() -> Parser:
    parser = Parser(prog="python -m nnexp.reproduce", description=__doc__, epilog=_EPILOG)
    parser.add_argument(
        "words",
        nargs="*",
        metavar="STUDY | FOLDER | key=value",
        help="studies, as in documents/xor or xor, and folders of studies; "
        "store=, lang=, hydra/launcher= or hydra.launcher.KEY= as in a sweep",
    )
    parser.add_argument(
        "--seeds", type=int, help="seeds 0 to N-1, as for a pilot, instead of the study's"
    )
    looks = ", ".join(map(str, LOOKS))
    parser.add_argument(
        "--top-up",
        action="store_true",
        help=f"add seeds (n = {looks}) while a comparison is inconclusive or underpowered",
    )
    parser.add_argument(
        "--from-tables",
        action="store_true",
        help="judge the claims from the tables of earlier runs in --results, without training",
    )
    locks = parser.add_mutually_exclusive_group()
    locks.add_argument(
        LOCK,
        action="store_const",
        const=LOCK,
        help="write NAME.lock beside the study before its first run: its claims, tests and seeds",
    )
    locks.add_argument(
        RELOCK,
        dest="lock",
        action="store_const",
        const=RELOCK,
        help="replace a lock; the earlier one stays in its history",
    )
    parser.add_argument("--store", help="the store of finished runs (default: results/runs)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="output folder")
    parser.add_argument("--workers", type=int, help="number of processes; 0: one per core")
    parser.add_argument("--list", action="store_true", help="list the studies without running any")
    return parser


def _overrides(options: argparse.Namespace) -> list[str]:
    """Return the options for the store and the launcher as overrides of a sweep."""
    flags = {"store": options.store, "hydra.launcher.workers": options.workers}
    words = [f"{key}={value}" for key, value in flags.items() if value is not None]
    words += [word for word in options.words if "=" in word]
    keys = Counter(word.partition("=")[0] for word in words)
    for key, count in keys.items():
        if key not in ("store", "hydra/launcher") and not key.startswith("hydra.launcher."):
            raise InputError(
                f"{key!r} cannot be set here, as the study's file gives the settings: "
                f"only store=, lang=, hydra/launcher= and hydra.launcher.KEY= are allowed"
            )
        if count > 1:
            raise InputError(f"{key!r} is given twice: give it once")
    return words


def chosen(words: Sequence[str]) -> list[Study]:
    """Return the studies that the words name, each a study or a folder of studies.

    Raises
    ------
    InputError
        If there is no such study, or its file is invalid.
    """
    files = experiment_files()
    studies: dict[str, Study] = {}
    for word in words:
        folder = f"{word.rstrip('/')}/"
        inside = {name: file for name, file in files.items() if name.startswith(folder)}
        found = [] if word in files else _read(inside)
        studies |= {study.name: study for study in found or [_study(word)]}
    return list(studies.values())


def _study(word: str) -> Study:
    name = experiment_name(word)
    if name is None:
        raise unknown("study", word, [study.name for study in sound()])
    file = experiment_files()[name]
    study = read_study(file, name)
    if study is None:
        raise InputError(f"{file} has no claims: add a section 'study'")
    return study


def known() -> list[Study]:
    """Return all studies; raise `InputError` if a file is invalid."""
    return _read(experiment_files())


def _read(files: Mapping[str, Path]) -> list[Study]:
    studies = (read_study(file, name) for name, file in files.items())
    return [study for study in studies if study is not None]


def relevant(studies: Sequence[Study], results: Path) -> list[Study]:
    """Return the ``studies`` that run if no names are given, and that the report covers.

    In a folder with the user's own studies, these are their studies and any others that were
    judged in ``results`` before. In any other folder, these are all studies.
    """
    own = {study.name for study in studies if is_own(study.file)}
    if not own:
        return list(studies)
    return [s for s in studies if s.name in own or (results / s.name / "claims.csv").is_file()]


def sound() -> list[Study]:
    """Return all studies with valid files; print the errors of the others."""
    studies = []
    for name, file in experiment_files().items():
        try:
            studies.append(read_study(file, name))
        except InputError as error:
            print(f"left out: {error}", file=sys.stderr)
    return [study for study in studies if study is not None]


class Reproduction(NamedTuple):
    """A study's judgements, the tables of its runs, if any, and those of figures of its records."""

    judgements: list[Judgement]
    tables: Tables | None
    images: dict[str, pd.DataFrame]


def reproduce(study: Study, options: argparse.Namespace, overrides: Sequence[str]) -> Reproduction:
    """Run a study, reusing finished runs, and judge its claims."""
    if not study.has_runs:
        return Reproduction(judge(study, None), None, {})
    looks = LOOKS if options.top_up else (options.seeds,)
    first = _first_seed(study) if options.top_up else 0
    for n in looks:
        seeds = None if n is None else range(first, first + n)
        records = _run(study, seeds, overrides)
        found = tables(records)
        found = found._replace(layers=nine_digits(found.layers))
        judgements = judge(study, found, looks=len(looks))
        if not any(j.verdict in (INCONCLUSIVE, UNDERPOWERED) for j in judgements):
            break
    shown = fitting(study.own(found.runs), study.show)
    arms = dict(zip(shown["run_id"], shown["arm"], strict=True))
    images = weight_images.tabulate(records, arms)
    if LOSS_LINE in study.figures:
        images[LOSS_LINE] = line_table(records, arms)
    return Reproduction(judgements, found, images)


def judge_again(study: Study, results: Path) -> Reproduction:
    """Judge the claims of a study from the tables of its runs in ``results``, running nothing."""
    if not study.has_runs:
        return Reproduction(judge(study, None), None, {})
    folder = results / study.name
    found = load(folder)
    found = found._replace(layers=nine_digits(found.layers))
    images = weight_images.read(folder) | record_figures.read([folder])
    return Reproduction(judge(study, found), found, images)


def _first_seed(study: Study) -> int:
    """Return the first seed of a study that sweeps a range of them, otherwise 0."""
    match = re.fullmatch(r"\s*range\(\s*(\d+)\s*,.*\)\s*", str(study.settings["swept"].get("seed")))
    return int(match[1]) if match else 0


def _run(study: Study, seeds: range | None, overrides: Sequence[str]) -> list[Record]:
    """Run the sweep of a study, then what its claims need for tuning, and return all records."""
    console = terminal(stderr=True)
    words = [f"+experiments={study.name}", *overrides]
    words += [f"seed=range({seeds.start},{seeds.stop})"] if seeds is not None else []
    console.print(Text.assemble("\n", (study.name, "bold"), f": {study.question}"))
    records = _sweep(study, words)
    while further := trials(study, tables(records)):
        console.print(Text(announced(study, further)), soft_wrap=True)
        for trial in further:
            records += _sweep(study, [*words, *_overrides_of(trial)])
    return records


def _sweep(study: Study, words: Sequence[str]) -> list[Record]:
    try:
        return app.run(words, multirun=True, collect=False)
    except (InputError, HydraException, OmegaConfBaseException) as error:
        raise located(study.file, sentence(error)) from error


def _overrides_of(trial: Trial) -> list[str]:
    """Return the overrides of a sweep over a trial."""
    arms, values = ",".join(map(quoted, trial.arms)), ",".join(f"{v:g}" for v in trial.values)
    others = [f"{key}={quoted(str(value))}" for key, value in trial.where.items()]
    return [f"arm={arms}", f"{trial.over}={values}", *others]
