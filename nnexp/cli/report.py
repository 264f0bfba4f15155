"""Write tables, figures and pages again from records, without training."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from nnexp.cli.arguments import Parser, language_of, with_store
from nnexp.cli.guard import guarded
from nnexp.cli.reproduce import relevant, sound
from nnexp.cli.selection import finished
from nnexp.errors import InputError
from nnexp.messages.language import language
from nnexp.plotting import record_figures
from nnexp.plotting.frame import ANIMATION, Film
from nnexp.reports.sweep_page import write_sweep
from nnexp.store.folders import check_folder
from nnexp.store.tables import Tables, load, load_trials, tables, trials
from nnexp.studies import markdown_report

_STORE = Path("results/runs")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0: success; 2: invalid input; 130: interrupted; 143: terminated.
    """
    return guarded(_main, list(sys.argv[1:] if argv is None else argv))


def _main(arguments: list[str]) -> int:
    words, lang = language_of(arguments)
    options = _parser().parse_args(with_store(words))
    folders = [word for word in options.what if "=" not in word]
    filters = [word for word in options.what if "=" in word]
    if not options.what:
        if options.out or options.store:
            raise InputError(
                "--out and --store are for pages of sweeps or stored runs: "
                "give folders of sweeps, or settings as in init=he"
            )
        studies = relevant(sound(), options.results)
        with language(lang):
            report = markdown_report.write_report(studies, options.results)
        print(f"report  {report}")
        return 0
    if folders and filters:
        raise InputError(
            f"{folders[0]} is a folder and {filters[0]} selects stored runs: give one or the other"
        )
    if options.out is None:
        raise InputError("--out is missing: give --out FOLDER for the tables, plots and page")
    check_folder(options.out, "--out FOLDER")
    records = [] if folders else finished(options.store or _STORE, filters)
    found = _of_folders(folders) if folders else tables(records)
    # Several sweeps are compared as they are, since each may have been tuned in its own way.
    tuning = load_trials(folders[0]) if len(folders) == 1 else trials(records)
    command = shlex.join(["python", "-m", "nnexp.report", *arguments])
    kept = record_figures.read([Path(folder) for folder in folders]) if folders else None
    with language(lang):
        written = write_sweep(
            options.out,
            *found,
            tuning,
            command=command,
            records=records,
            kept=kept,
            film=_film(folders),
        )
    print(f"page    {written[-1]}")
    return 0


def _parser() -> Parser:
    parser = Parser(prog="python -m nnexp.report", description=__doc__)
    parser.add_argument(
        "what",
        nargs="*",
        metavar="FOLDER | key=value",
        help="folders of sweeps, or settings that select runs in the store (--store FOLDER or "
        "store=FOLDER); without any, write the report of the studies; lang=ko: in Korean",
    )
    parser.add_argument("--out", type=Path, help="output folder for the tables, plots and page")
    parser.add_argument(
        "--store", type=Path, help=f"the store of finished runs (default: {_STORE})"
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="the folder of the studies' tables"
    )
    return parser


def _film(folders: Sequence[str]) -> Film | None:
    """Return the film of a single sweep, whose networks its tables do not have."""
    if len(folders) != 1 or not (Path(folders[0]) / ANIMATION).exists():
        return None
    from nnexp.plotting import film

    return film.read(Path(folders[0]))


def _of_folders(folders: Sequence[str]) -> Tables:
    """Return the combined tables of sweeps or records, without duplicate runs."""
    parts = [load(folder) for folder in folders]
    runs = pd.concat([part.runs for part in parts]).drop_duplicates("run_id")
    metrics = pd.concat([part.metrics for part in parts])
    layers = pd.concat([part.layers for part in parts])
    return Tables(
        runs.reset_index(drop=True),
        metrics.drop_duplicates(["run_id", "step"]).reset_index(drop=True),
        layers.drop_duplicates(["run_id", "step", "layer"]).reset_index(drop=True),
    )
