"""Hydra's side of a sweep: from overrides to checked jobs, and from records to a folder."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus

from nnexp.cli.progress import Display, conclude, followed
from nnexp.config.composition import Composer, composing, parse_sweep, unquoted
from nnexp.config.experiment_file import NO_NAMES, PLACES, STUDY
from nnexp.config.registry import build
from nnexp.config.run_config import RunConfig
from nnexp.config.user_functions import is_custom
from nnexp.data import describe
from nnexp.errors import InputError, unknown
from nnexp.files import sync
from nnexp.nn.activations import wrong_slope
from nnexp.plotting.rendering import Studio
from nnexp.store.folders import check_folder
from nnexp.store.record import Record, tidy, to_csv
from nnexp.store.store import Store
from nnexp.store.tables import tables
from nnexp.sweeps.executors import ExecutorFactory
from nnexp.sweeps.jobs import Job, Options, Reporter
from nnexp.sweeps.scheduler import run_all
from nnexp.validation import real


def read_arms(loader: ConfigLoader, arms: object) -> dict[str, list[str]]:
    """Return an experiment's arms, checked: every name with its overrides.

    Raises
    ------
    InputError
        If they are none, or an override is a sweep or no setting of a run.
    """
    if not isinstance(arms, Mapping):
        raise InputError(f"arms={arms} is no mapping: give every arm a name and its overrides")
    parser = OverridesParser.create(loader)
    for name, overrides in arms.items():
        if not isinstance(name, str) or not name.isprintable() or not name.strip():
            raise InputError(f"the arm {name!r}: give it a name of letters that can be printed")
        if name.lower() in NO_NAMES:
            raise InputError(f"{name!r} cannot name an arm: give another")
        whole = isinstance(overrides, list) and all(isinstance(o, str) for o in overrides)
        if not whole:
            raise InputError(
                f"the arm {name!r} is {overrides}: give a list of overrides, as in [init=he, lr=1]"
            )
        for override in parser.parse_overrides(overrides):
            key = str(override.key_or_group)
            if key in (*PLACES, *STUDY) or key.startswith("hydra"):
                raise InputError(f"the arm {name!r} gives {key!r}, which is no setting of a run")
            if override.is_sweep_override():
                raise InputError(
                    f"the arm {name!r} sweeps {override.input_line!r}: give one value, or more arms"
                )
    return dict(arms)


def compose_jobs(
    composer: Composer, points: Sequence[Sequence[str]], arms: Mapping[str, Sequence[str]]
) -> list[Job]:
    """Return the checked job of every point; an arm's overrides go before the point's own.

    Where the points overrule what arms set, the jobs bear no arm's name: it would no longer tell
    what they are.

    Raises
    ------
    InputError
        For the first invalid point, or two points that are the same run.
    """
    jobs: dict[str, Job] = {}
    named = not overruled(points, arms)
    shared = set.intersection(*map(set, points)) if len(points) > 1 else set()
    for point in followed(points, "runs composed"):
        settings = composer.compose(expand(point, arms))
        label = " ".join(o for o in point if o not in shared and not o.startswith("seed="))
        arm = arm_of(point) if named else None
        job = Job(RunConfig.from_mapping(scientific(settings)), label, arm)
        twin = jobs.get(job.run_id)
        if twin is not None:
            raise InputError(
                f"{' '.join(point) or 'no override'} names a run the sweep has already: drop it"
            )
        jobs[job.run_id] = job
    return list(jobs.values())


def expand(point: Sequence[str], arms: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the overrides of a point, its ``arm=NAME`` replaced by the arm's own overrides."""
    own = [o for o in point if not o.startswith("arm=")]
    name = arm_of(point)
    if name is None:
        return own
    if not arms:
        raise InputError(f"arm={name}: no arms are defined; choose an experiment that does")
    if name not in arms:
        raise unknown("arm", name, arms)
    keys = set(map(_key, own))
    return [o for o in arms[name] if _key(o) not in keys] + own


def overruled(points: Iterable[Sequence[str]], arms: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the settings of arms to which points of these arms give other values."""
    found = {
        _key(own)
        for point in points
        for own in arms.get(arm_of(point) or "", ())
        if any(_key(given) == _key(own) and _value(given) != _value(own) for given in point)
    }
    return sorted(found)


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+")


def _value(override: str) -> str:
    return override.partition("=")[2].strip("'\"")


def arm_of(point: Sequence[str]) -> str | None:
    """Return the name of the arm that a point is of, if any."""
    given = [o for o in point if o.startswith("arm=")]
    if not given or given[-1] == "arm=null":
        return None
    name = given[-1].removeprefix("arm=")
    return unquoted(given[-1]) if name[:1] in ("'", '"') else name


def scientific(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a configuration that decides a run's numbers."""
    return {k: v for k, v in settings.items() if k not in (*PLACES, *STUDY)}


def options(config: Mapping[str, Any], workers: int) -> Options:
    """Return how the runs are to be had.

    Raises
    ------
    InputError
        For a value that is not one of the choices.
    """
    for key in ("force", "save_weights"):
        if not isinstance(config[key], bool):
            raise unknown(key, config[key], ("true", "false"))
    if config["on_error"] not in ("continue", "stop"):
        raise unknown("on_error", config["on_error"], ("continue", "stop"))
    if not isinstance(config["store"], str) or not config["store"].strip():
        raise InputError(f"store={config['store']} is no folder: give store=FOLDER")
    if isinstance(workers, bool) or not isinstance(workers, int) or not 0 <= workers <= 1024:
        raise InputError(
            f"hydra.launcher.workers={workers} is invalid: give a whole number from 1 to 1024, "
            f"or 0 for all cores"
        )
    return Options(
        force=config["force"],
        save_weights=config["save_weights"],
        stop_on_error=config["on_error"] == "stop",
        workers=workers,
    )


def on_dask(scheduler: Any, wait: Any) -> ExecutorFactory:
    """Return a factory of executors for a Dask cluster.

    Raises
    ------
    InputError
        If Dask is not installed, or an argument is none of its kind.
    """
    try:
        from nnexp.sweeps.dask import DaskExecutor
    except ImportError as error:
        raise InputError(
            f"hydra/launcher=dask needs Dask's distributed ({error}): pip install 'nnexp[dask]'"
        ) from None
    if not isinstance(scheduler, str) or not scheduler.strip():
        raise InputError(
            f"hydra.launcher.scheduler={scheduler} is no address: give that of a Dask scheduler "
            f"that is running, as in hydra.launcher.scheduler=tcp://HOST:8786"
        )
    patience = real("hydra.launcher.wait", wait, low=0)
    return lambda jobs, reporter: DaskExecutor(scheduler, patience, jobs, reporter)


def prepare(folders: Mapping[str, str | Path]) -> list[Path]:
    """Make the folders that the keys name and return what was made, parents before children.

    If one cannot be written, none is left behind.

    Raises
    ------
    InputError
        If one cannot be made or written.
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
    """Remove the folders that `prepare` made, but for those in which something lies by now."""
    for folder in reversed(folders):
        with suppress(OSError):
            folder.rmdir()


def launch(
    jobs: Sequence[Job],
    config: Mapping[str, Any],
    workers: int = 0,
    make_executor: ExecutorFactory | None = None,
) -> list[Record]:
    """Run ``jobs``, by default on this machine's cores, and return their records."""
    chosen = options(config, workers)
    prepare({"store": config["store"]})
    store = Store(Path(config["store"]))
    with Display(jobs) as display:
        reporter: Reporter = display
        return run_all(jobs, store, chosen, reporter, make_executor)


def _doubts(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield what should be known of the data, and of a user's own functions, before training."""
    data = dict.fromkeys(job.config.data for job in jobs)
    remarks = dict.fromkeys(remark for own in data for remark in describe(own).remarks)
    yield from (f"note: {remark}" for remark in remarks)
    for choice in {str(job.config.activation): job.config.activation for job in jobs}.values():
        wrong = None
        if is_custom(choice.name):
            with suppress(Exception):  # which its run will tell
                wrong = wrong_slope(build("activation", choice))
        if wrong is not None:
            z, given, slope = wrong
            yield (
                f"note: {choice.name} gives the derivative {given:.3g} at z = {z:.3g}, where the "
                f"slope of its values is {slope:.3g}; training takes what it gives"
            )


def job_returns(records: Sequence[Record]) -> list[JobReturn]:
    """Return Hydra's view of the records: the final test loss, inf for a run that failed."""
    return [
        JobReturn(
            status=JobStatus.COMPLETED,
            _return_value=record.metrics[-1]["test_loss"] if record.metrics else float("inf"),
        )
        for record in records
    ]


def collect(
    records: Sequence[Record], folder: Path, store: Path, artist: Studio | None = None
) -> None:
    """Write the tables, the plots and the page of a sweep into ``folder``; print the outcome."""
    if artist is not None:
        artist.order(records)
    from nnexp.analysis.arms import compare
    from nnexp.analysis.effects import effects, findings
    from nnexp.reports.sweep_page import write_page

    rows = {
        "runs.csv": [record.summary_row() for record in records],
        "metrics.csv": [row for r in records for row in tidy(r, r.metrics)],
        "layers.csv": [row for r in records for row in tidy(r, r.layers)],
    }
    comparison = compare(*tables(records))
    csv = {name: to_csv(content) for name, content in rows.items()}
    written = write_page(folder, comparison, csv, command=command(), artist=artist, records=records)
    found = findings(effects(comparison).table)
    conclude(comparison.summary, found, records, store, written)


def command() -> str:
    """Return the command line that is running, as one would type it again."""
    import shlex

    return " ".join(["python -m nnexp", *map(shlex.quote, sys.argv[1:])])


def sweep(
    launcher: Any,
    *,
    loader: ConfigLoader,
    settings: Mapping[str, Any],
    params: Mapping[str, str],
    arguments: Sequence[str],
    arms: object,
    folder: Path | None,
    single: bool,
    artist: Studio | None = None,
) -> list[Record]:
    """Check all points, run them with ``launcher``, collect the results in ``folder``, if any.

    An ``artist``, if there is one, draws the figures.

    Raises
    ------
    InputError
        For any invalid point or place, before anything is written.
    """
    with composing():
        named = read_arms(loader, arms)
        points = parse_sweep(loader, params, arguments, named)
        if single and len(points) > 1:
            raise InputError(
                f"{len(points)} values to sweep, but no sweep was asked for: add -m to run them all"
            )
        jobs = compose_jobs(Composer(loader), points, named)
        if not hasattr(launcher, "check"):
            raise InputError("nnexp's sweeps need a launcher of its own: give hydra/launcher=local")
        launcher.check(settings)
    places = {"store": settings["store"]}
    if folder is not None:
        key = "hydra.run.dir" if single else "hydra.sweep.dir"
        check_folder(folder, f"{key}=FOLDER")
        places[key] = str(folder)
    if keys := overruled(points, named):
        print(f"note: {', '.join(keys)} overrules what arms set: they go unnamed", file=sys.stderr)
    for doubt in _doubts(jobs):
        print(doubt, file=sys.stderr)
    made = prepare(places)
    try:
        records = launcher.run(jobs, settings)
    except BaseException:
        unmake(made)
        raise
    names = {job.run_id: job.arm for job in jobs}
    for record in records:
        record.arm, record.asked = names[record.run_id], True
    if records and folder is not None:
        collect(records, folder, Path(settings["store"]), artist)
    return list(records)
