"""Run a sweep and write a folder with tables, figures and a page."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from nnexp.cli.jobs import compose_jobs, overridden, read_arms
from nnexp.cli.progress import Display, conclude
from nnexp.cli.tuning import (
    best_words,
    check_arms,
    chosen,
    holding_out,
    read_tuned,
    trial_jobs,
    tuning_notes,
)
from nnexp.cli.wrong_guesses import plain_widths
from nnexp.config.composition import Composer, composing, parse_sweep
from nnexp.config.pairs import read_pairs
from nnexp.config.registry import build
from nnexp.config.user_functions import is_custom
from nnexp.data import describe
from nnexp.errors import InputError, unknown
from nnexp.files import sync
from nnexp.messages.language import tr
from nnexp.nn.activations import wrong_slope
from nnexp.reports.sweep_report import ReportProcess, sweep_report
from nnexp.store.folders import check_folder, fill
from nnexp.store.record import Record
from nnexp.store.store import Store
from nnexp.sweeps.executors import ExecutorFactory
from nnexp.sweeps.jobs import Job, Options, Reporter
from nnexp.sweeps.scheduler import run_all
from nnexp.validation import real

OWN_LAUNCHER = "nnexp needs its own launcher: give hydra/launcher=local or dask"


class Output(NamedTuple):
    """The output folder, and the key that sets it."""

    folder: Path
    key: str


def output_folder(out: object, hydra: DictConfig, *, single: bool) -> Output:
    """Return the folder set by ``out`` or, if that is ``None``, by Hydra's key.

    Raises
    ------
    InputError
        If the value is not the name of a folder.
    """
    key, folder = "out", out
    if out is None:
        kind = "run" if single else "sweep"
        given = any(w.lstrip("+").startswith(f"hydra.{kind}.dir=") for w in hydra.overrides.hydra)
        key, folder = f"hydra.{kind}.dir" if given else "out", hydra[kind].dir
    return Output(Path(_folder(key, folder)), key)


def _folder(key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{key}={value} is not a folder: give {key}=FOLDER")
    return value


def options(config: Mapping[str, Any], workers: int) -> Options:
    """Return the checked run options.

    Raises
    ------
    InputError
        If an option has an invalid value.
    """
    for key in ("force", "save_weights"):
        if not isinstance(config[key], bool):
            raise unknown(key, config[key], ("true", "false"))
    if config["on_error"] not in ("continue", "stop"):
        raise unknown("on_error", config["on_error"], ("continue", "stop"))
    _folder("store", config["store"])
    if isinstance(workers, bool) or not isinstance(workers, int) or not 0 <= workers <= 1024:
        raise InputError(
            f"hydra.launcher.workers={workers} is invalid: give a whole number from 1 to 1024, "
            f"or 0 for all cores"
        )
    return Options(
        force=config["force"],
        save_weights=config["save_weights"],
        snapshots=_snapshots(config["snapshots"]),
        stop_on_error=config["on_error"] == "stop",
        workers=workers,
    )


def _snapshots(value: object) -> int:
    """Return the largest number of snapshots of a run."""
    if isinstance(value, bool):
        return sys.maxsize if value else 0
    if not isinstance(value, int) or value < 2:
        raise InputError(
            f"snapshots={value} is invalid: give true for all evaluations, false for none, or a "
            f"whole number of them from 2 on"
        )
    return value


def check_launcher(launcher: Any, settings: Mapping[str, Any]) -> None:
    """Refuse launchers of other packages and invalid run options.

    Raises
    ------
    InputError
        If the launcher is not nnexp's, or an option has an invalid value.
    """
    if not hasattr(launcher, "check"):
        raise InputError(OWN_LAUNCHER)
    launcher.check(settings)


def on_dask(scheduler: Any, wait: Any) -> ExecutorFactory:
    """Return a factory of executors for a Dask cluster.

    Raises
    ------
    InputError
        If Dask is not installed, or an argument is invalid.
    """
    try:
        from nnexp.sweeps.dask import DaskExecutor
    except ImportError as error:
        raise InputError(
            f"hydra/launcher=dask needs the package distributed ({error}): "
            f"pip install 'nnexp[dask]'"
        ) from None
    if not isinstance(scheduler, str) or not scheduler.strip():
        raise InputError(
            f"hydra.launcher.scheduler={scheduler} is not an address: give the address of a "
            f"running Dask scheduler, as in hydra.launcher.scheduler=tcp://HOST:8786"
        )
    patience = real("hydra.launcher.wait", wait, low=0)
    return lambda jobs, reporter: DaskExecutor(scheduler, patience, jobs, reporter)


def prepare(folders: Mapping[str, str | Path]) -> list[Path]:
    """Create the ``folders``, given by key, and return the new ones, parents before children.

    If any folder cannot be written, the new ones are removed again.

    Raises
    ------
    InputError
        If a folder cannot be created or written to.
    """
    made: list[Path] = []
    for key, folder in folders.items():
        try:
            path = Path(folder).absolute()
            for part in [*reversed(path.parents), path]:
                if not part.exists():
                    part.mkdir(exist_ok=True)
                    sync(part.parent)
                    made.append(part)
            tempfile.TemporaryFile(dir=path).close()
        except (OSError, ValueError) as error:
            unmake(made)
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"cannot write to {key}={folder} ({reason}): give another folder with {key}=FOLDER"
            ) from None
    return made


def unmake(folders: Sequence[Path]) -> None:
    """Remove the folders that `prepare` created, if they are empty."""
    for folder in reversed(folders):
        with suppress(OSError):
            folder.rmdir()


def launch(
    jobs: Sequence[Job],
    config: Mapping[str, Any],
    workers: int = 0,
    make_executor: ExecutorFactory | None = None,
) -> list[Record]:
    """Run ``jobs``, by default on the local cores, and return their records."""
    chosen = options(config, workers)
    prepare({"store": config["store"]})
    store = Store(Path(config["store"]))
    with Display(jobs) as display:
        reporter: Reporter = display
        return run_all(jobs, store, chosen, reporter, make_executor)


def _notes(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield notes on the data and the user's own functions, to print before training."""
    data = dict.fromkeys(job.config.data for job in jobs)
    remarks = dict.fromkeys(remark for own in data for remark in describe(own).remarks)
    yield from (tr("note: {remark}", remark=remark) for remark in remarks)
    for choice in {str(job.config.activation): job.config.activation for job in jobs}.values():
        wrong = None
        if is_custom(choice.name):
            with suppress(Exception):  # the run will report it
                wrong = wrong_slope(build("activation", choice))
        if wrong is not None:
            z, given, slope = wrong
            yield tr(
                "note: {name} returns the derivative {given} at z = {z}, where the slope of its "
                "values is {slope}; training uses the returned derivative",
                name=choice.name,
                given=f"{given:.3g}",
                z=f"{z:.3g}",
                slope=f"{slope:.3g}",
            )


def collect(
    records: Sequence[Record],
    folder: Path,
    store: Path,
    command: str,
    process: ReportProcess | None = None,
    chosen_by: str = "",
) -> None:
    """Write the tables, plots and page of a sweep into ``folder``, and print a summary.

    ``command`` is the command line of the sweep, and ``chosen_by`` the sweeper of another package
    that chose its settings, if one did.
    """
    made = process.report(records, command, chosen_by) if process is not None else None
    made = made or sweep_report(records, command, chosen_by)
    written = fill(folder, made.files)
    conclude(made, records, store, written)


def planned(
    loader: ConfigLoader,
    settings: Mapping[str, Any],
    params: Mapping[str, str],
    arguments: Sequence[str],
) -> list[Job]:
    """Return the checked jobs of a sweep without running them; errors as in `sweep`."""
    with composing():
        named, points = _points(loader, settings, params, arguments)
        return compose_jobs(Composer(loader), points, named)


def _points(
    loader: ConfigLoader,
    settings: Mapping[str, Any],
    params: Mapping[str, str],
    arguments: Sequence[str],
) -> tuple[dict[str, list[str]], list[list[str]]]:
    """Return the arms and the points of a sweep."""
    named = read_arms(loader, settings["arms"])
    return named, parse_sweep(loader, params, arguments, named, read_pairs(settings["pair"]))


def sweep(
    launcher: Any,
    *,
    loader: ConfigLoader,
    settings: Mapping[str, Any],
    params: Mapping[str, str],
    arguments: Sequence[str],
    output: Output | None,
    single: bool,
    command: str = "",
    process: ReportProcess | None = None,
) -> list[Record]:
    """Check all points, run them with ``launcher`` and write the results to ``output``, if given.

    The page shows the ``command`` line. A ``process``, if given, makes the report beside this one.

    Raises
    ------
    InputError
        For any invalid point or folder, before anything is written.
    """
    with composing():
        named, points = _points(loader, settings, params, arguments)
        if single and len(points) > 1:
            raise InputError(f"there are {len(points)} values to sweep: add -m to run them all")
        if single and settings["tune"] is not None:
            raise InputError(f"tune={settings['tune']} is for sweeps: add -m and values to try")
        tuned = read_tuned(settings["tune"], points)
        jobs = given = compose_jobs(Composer(loader), points, named)
        if tuned:
            check_arms(jobs, tuned)
            jobs = holding_out(jobs)
        tried = trial_jobs(jobs) if tuned else []
        check_launcher(launcher, settings)
    places = {"store": settings["store"]}
    if output is not None:
        check_folder(output.folder, f"{output.key}=FOLDER")
        places[output.key] = str(output.folder)
    if keys := overridden(points, named):
        note = tr(
            "note: {settings} overrides settings of the arms, so runs are not named after them",
            settings=", ".join(keys),
        )
        print(note, file=sys.stderr)
    if not single and (widths := plain_widths(arguments)):
        note = tr(
            "note: hidden={widths} trains networks with one hidden layer each; hidden={network} is "
            "one network with a layer of each width",
            widths=widths,
            network=widths.replace(",", "x"),
        )
        print(note, file=sys.stderr)
    for note in [*_notes(jobs), *tuning_notes(given, tried, tuned)]:
        print(note, file=sys.stderr)
    made = prepare(places)
    try:
        of_trials = (
            _run(launcher, tried, {**settings, "save_weights": False, "snapshots": False})
            if tuned
            else []
        )
        if tuned:
            jobs = chosen(jobs, of_trials, tuned)
            print(best_words(jobs), file=sys.stderr)
        records = [*_run(launcher, jobs, settings), *of_trials]
    except BaseException:
        unmake(made)
        raise
    if records and output is not None:
        collect(records, output.folder, Path(settings["store"]), command, process)
    return records


def _run(launcher: Any, jobs: Sequence[Job], settings: Mapping[str, Any]) -> list[Record]:
    """Run ``jobs`` and return their records, with the names of their arms."""
    records: list[Record] = launcher.run(jobs, settings)
    names = {job.run_id: job.arm for job in jobs}
    for record in records:
        record.arm, record.asked = names[record.run_id], True
    return records
