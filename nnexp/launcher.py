"""Hydra's side of a sweep: from overrides to checked jobs, and from records to a folder.

Composition is Hydra's own, done once for every distinct set of group choices; the value overrides
of a point are then applied to a copy, which is ten times cheaper and gives the same.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.defaults_list import create_defaults_list
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from nnexp.config import RunConfig
from nnexp.display import Display, conclude
from nnexp.errors import InputError, unknown
from nnexp.records import Record, Store, tables, tidy, to_csv, write_whole
from nnexp.sweep import Job, Options, Watcher, run_all

# Keys of the configuration that say where and how, and so are the same for a whole sweep.
PLACES = ("store", "force", "save_weights", "on_error", "arms")


@dataclass
class Composer:
    """Composes the settings of many points, quickly."""

    loader: ConfigLoader
    bases: dict[tuple[str, ...], DictConfig] = field(default_factory=dict)

    def compose(self, overrides: Sequence[str]) -> dict[str, Any]:
        """Return the resolved configuration of one point, without Hydra's own part."""
        parsed = OverridesParser.create(self.loader).parse_overrides(list(overrides))
        groups = [o for o in parsed if self.is_group(o)]
        values = [o for o in parsed if not self.is_group(o)]
        key = tuple(str(o.input_line) for o in groups)
        if key not in self.bases:
            self.bases[key] = self.base(groups)
        config = copy.deepcopy(self.bases[key])
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]

    def base(self, groups: list[Override]) -> DictConfig:
        """Return the configuration of ``run.yaml`` under these group choices."""
        repository = CachingConfigRepository(self.loader.repository)  # type: ignore[attr-defined]
        defaults = create_defaults_list(repository, "run", groups, False, False).defaults
        base: DictConfig = self.loader._compose_config_from_defaults_list(  # type: ignore[attr-defined]
            defaults, repository
        )
        OmegaConf.set_struct(base, False)
        base.pop("hydra", None)
        OmegaConf.set_struct(base, True)
        return base

    def is_group(self, override: Override) -> bool:
        """Tell whether an override chooses from a group of ``conf/`` (as Hydra decides it)."""
        repository = self.loader.repository  # type: ignore[attr-defined]
        return bool(repository.group_exists(override.key_or_group)) and not isinstance(
            override.value(), dict
        )


def check_overrides(loader: ConfigLoader, arguments: Sequence[str]) -> None:
    """Refuse what Hydra would take without a word.

    Raises
    ------
    InputError
        For a key given twice, a key that cannot be swept, or a list where one choice belongs.
    """
    composer = Composer(loader)
    seen: set[str] = set()
    for override in OverridesParser.create(loader).parse_overrides(list(arguments)):
        key = str(override.key_or_group)
        if key in seen:
            raise InputError(f"{key!r} is given twice: give it once, with commas to sweep it")
        seen.add(key)
        if override.is_sweep_override():
            if key in PLACES:
                raise InputError(
                    f"{key!r} cannot be swept: it is no setting of a run; give one value"
                )
        elif override.is_delete():
            raise InputError(f"{override.input_line!r} takes a setting away: give {key}=… instead")
        elif composer.is_group(override) and not isinstance(override.value(), str):
            value = override.get_value_element_as_str()
            raise InputError(f"{key}={value} is no choice: give one name (with -m, several: a,b)")


def parse_sweep(
    loader: ConfigLoader, params: Mapping[str, str], arguments: Sequence[str], arms: Iterable[str]
) -> list[list[str]]:
    """Return the points of a sweep, each a list of overrides; ``arguments`` beat ``params``."""
    parser = OverridesParser.create(loader)
    given = parser.parse_overrides(list(arguments))
    overrides = [
        parser.parse_override(f"arm={','.join(arms)}") if o.input_line == "arm=all" else o
        for o in [*parser.parse_overrides([f"{k}={v}" for k, v in params.items()]), *given]
    ]
    (points,) = BasicSweeper.split_arguments(overrides, None)
    return points


def compose_jobs(
    composer: Composer, points: Sequence[Sequence[str]], arms: Mapping[str, Sequence[str]]
) -> list[Job]:
    """Return the checked job of every point; an arm's overrides go before the point's own.

    Raises
    ------
    InputError
        For the first invalid point, or two points that are the same run.
    """
    jobs: dict[str, Job] = {}
    shared = set.intersection(*map(set, points)) if len(points) > 1 else set()
    for point in points:
        settings = composer.compose(expand(point, arms))
        label = " ".join(o for o in point if o not in shared and not o.startswith("seed="))
        job = Job(RunConfig.from_mapping(scientific(settings)), label)
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
    named = [o.removeprefix("arm=") for o in point if o.startswith("arm=") and o != "arm=null"]
    for name in named:
        if name not in arms:
            if not arms:
                raise InputError(f"arm={name}: no arms are defined; choose an experiment that does")
            raise unknown("arm", name, arms)
        keys = {o.split("=")[0].lstrip("+") for o in own}
        return [o for o in arms[name] if o.split("=")[0].lstrip("+") not in keys] + own
    return own


def scientific(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a configuration that decides a run's numbers."""
    return {k: v for k, v in settings.items() if k not in (*PLACES, "arm", "study")}


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


def prepare(folders: Mapping[str, str | Path]) -> None:
    """Make the folders that the keys name; if one cannot be written, leave none behind.

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
                    made.append(part)
            write_whole(path / ".writable", "")
            (path / ".writable").unlink(missing_ok=True)
        except (OSError, ValueError) as error:
            for part in reversed(made):
                part.rmdir()
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"cannot write to {key}={folder} ({reason}): give another folder with {key}=FOLDER"
            ) from None


def launch(jobs: Sequence[Job], config: Mapping[str, Any], workers: int) -> list[Record]:
    """Run ``jobs`` on this machine's cores and return their records."""
    chosen = options(config, workers)
    prepare({"store": config["store"]})
    store = Store(Path(config["store"]))
    with Display(jobs) as display:
        watcher: Watcher = display
        return run_all(jobs, store, chosen, watcher)


def job_returns(records: Sequence[Record]) -> list[JobReturn]:
    """Return Hydra's view of the records: the final test loss, inf for a run that failed."""
    return [
        JobReturn(
            status=JobStatus.COMPLETED,
            _return_value=record.metrics[-1]["test_loss"] if record.metrics else float("inf"),
        )
        for record in records
    ]


def collect(records: Sequence[Record], folder: Path, store: Path) -> None:
    """Write the tables, the plots and the page of a sweep into ``folder``; print the outcome."""
    from nnexp.comparison import compare
    from nnexp.report import write_sweep

    rows = {
        "runs.csv": [record.summary_row() for record in records],
        "metrics.csv": [row for r in records for row in tidy(r, r.metrics)],
        "layers.csv": [row for r in records for row in tidy(r, r.layers)],
    }
    for name, content in rows.items():
        write_whole(folder / name, to_csv(content))
    written = [folder / name for name in rows]
    runs, metrics, layers = tables(records)
    written += write_sweep(folder, runs, metrics, layers, command=command())
    conclude(compare(runs, metrics, layers).summary, records, store, written)


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
    arms: Mapping[str, Sequence[str]],
    folder: Path,
    single: bool,
) -> list[Record]:
    """Check all points, run them with ``launcher``, collect the results in ``folder``.

    Raises
    ------
    InputError
        For any invalid point or place, before anything is written.
    """
    points = parse_sweep(loader, params, arguments, arms)
    if single and len(points) > 1:
        raise InputError(
            f"{len(points)} values to sweep, but no sweep was asked for: add -m to run them all"
        )
    composer = Composer(loader)
    jobs = compose_jobs(composer, points, arms)
    if not hasattr(launcher, "check"):
        raise InputError("nnexp's sweeps need a launcher of its own: give hydra/launcher=local")
    launcher.check(settings)
    prepare(
        {"hydra.sweep.dir" if not single else "hydra.run.dir": folder, "store": settings["store"]}
    )
    records = launcher.run(jobs, settings)
    if records:
        collect(records, folder, Path(settings["store"]))
    return list(records)
