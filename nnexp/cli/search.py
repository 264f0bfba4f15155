"""Sweeps by the sweepers of other packages, which choose new points by the results of others."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper
from hydra.types import RunMode
from omegaconf import DictConfig

from nnexp.cli.guard import is_refusal
from nnexp.cli.jobs import composed, read_arms
from nnexp.cli.sweep import (
    OWN_LAUNCHER,
    check_launcher,
    collect,
    options,
    output_folder,
    prepare,
    unmake,
)
from nnexp.config.composition import Composer, composing
from nnexp.errors import InputError, SweepStopped
from nnexp.messages.language import tr
from nnexp.reports.sweep_report import ReportProcess
from nnexp.store.folders import MARKER, check_folder, fill, read_marker
from nnexp.store.record import DIVERGED, FAILED, Record

OBJECTIVE = "validation_loss"


class TrialFailed(RuntimeError):
    """The run of a trial failed; its traceback is in its record."""


class Trials:
    """The runs that another sweeper has asked for; Hydra passes it to the launcher as its task.

    ``records`` has each run once, by ``run_id``.
    """

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.composer: Composer | None = None

    def __call__(self, config: DictConfig) -> None:
        """Refuse to be called, as launchers of other packages do."""
        raise InputError(OWN_LAUNCHER)

    def run(
        self,
        points: Sequence[Sequence[str]],
        launcher: Any,
        loader: ConfigLoader,
        settings: Mapping[str, Any],
    ) -> list[JobReturn]:
        """Run points given as overrides and return the objective of each; points may be equal.

        Raises
        ------
        InputError
            For the first invalid point, before any is run.
        TrialFailed
            If a run failed and ``on_error`` is ``stop``.
        """
        with composing():
            check_launcher(launcher, settings)
            arms = read_arms(loader, settings["arms"])
            self.composer = self.composer or Composer(loader)
            jobs = [*composed(self.composer, points, arms, whole=False)]
        found = launcher.run([*{job.run_id: job for job in jobs}.values()], settings)
        names = {job.run_id: job.arm for job in jobs}
        for record in found:
            record.arm, record.asked = names[record.run_id], True
            self.records.setdefault(record.run_id, record)
        failed = [record for record in found if record.status == FAILED]
        if failed and settings["on_error"] == "stop":
            raise _failure(failed[0])
        return [
            _outcome(point, self.records[job.run_id])
            for point, job in zip(points, jobs, strict=True)
        ]

    def best(self) -> Record | None:
        """Return the run with the lowest objective, or ``None`` if all failed or diverged."""
        scored = [r for r in self.records.values() if math.isfinite(objective(r))]
        return min(scored, key=objective, default=None)


def objective(record: Record) -> float:
    """Return the final validation loss: inf for a diverged run, nan for a failed one."""
    if record.status == FAILED:
        return math.nan
    return math.inf if record.status == DIVERGED else float(record.metrics[-1][OBJECTIVE])


def _outcome(point: Sequence[str], record: Record) -> JobReturn:
    if record.status == FAILED:
        return JobReturn(point, status=JobStatus.FAILED, _return_value=_failure(record))
    return JobReturn(point, status=JobStatus.COMPLETED, _return_value=objective(record))


def _failure(record: Record) -> TrialFailed:
    last = (record.error or "").strip().splitlines()[-1]
    return TrialFailed(f"{record.run_id} failed with {last}")


def search(
    sweeper: Sweeper,
    trials: Trials,
    config: DictConfig,
    *,
    collects: bool,
    command: str = "",
    process: ReportProcess | None = None,
) -> list[Record]:
    """Run the sweeper of another package, and write its runs to a folder if ``collects``.

    The files of the sweeper itself go to the same folder.

    Raises
    ------
    InputError
        If nothing is held out for the objective, or the sweeper refuses its settings.
    SweepStopped
        If the sweeper ends with an error after some runs; their folder is written.
    """
    name = f"hydra/sweeper={config.hydra.runtime.choices['hydra/sweeper']}"
    _check(name, config)
    output = output_folder(config.out, config.hydra, single=False)
    check_folder(output.folder, f"{output.key}=FOLDER")
    made = prepare({"store": config.store, output.key: output.folder})
    if read_marker(output.folder) is None:
        fill(output.folder, {})  # it may hold files of the sweeper now
    stopped = ""
    try:
        sweeper.sweep(list(config.hydra.overrides.task))
    except (SweepStopped, KeyboardInterrupt):
        _leave(output.folder, made)
        raise
    except Exception as error:
        if is_refusal(error):
            _leave(output.folder, made)
            raise
        kind = "" if isinstance(error, TrialFailed) else f"{type(error).__name__}: "
        stopped = f"{name} stopped: {kind}{error}"
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        if not trials.records:
            _leave(output.folder, made)
            raise InputError(
                f"{stopped}; set HYDRA_FULL_ERROR=1 in the environment for a traceback"
            ) from error
    records = [*trials.records.values()]
    if collects and records:
        collect(records, output.folder, Path(config.store), command, process, name)
        if (best := trials.best()) is not None:
            loss = f"{objective(best):.4g}"
            print(tr("best    validation loss {loss}: {run}", loss=loss, run=best.run_id))
    if stopped:
        raise SweepStopped(stopped)
    return records


def _check(name: str, config: DictConfig) -> None:
    if config.hydra.mode != RunMode.MULTIRUN:
        raise InputError(f"{name} is for sweeps: add -m")
    if not str(config.hydra.launcher._target_).startswith("hydra_plugins.nnexp."):
        raise InputError(OWN_LAUNCHER)
    for key in ("tune", "pair"):
        if config[key] is not None:
            raise InputError(
                f"{key}={config[key]} needs nnexp's sweeper: leave out {name} or {key}"
            )
    options(
        {key: config[key] for key in ("force", "save_weights", "snapshots", "on_error", "store")}, 0
    )
    if not (config.data.validation or config.data.validation_last):
        raise InputError(
            f"{name} chooses points by their validation loss, but no examples are held out: give "
            f"data.validation=N, as in data.validation=5000 for MNIST"
        )


def _leave(folder: Path, made: Sequence[Path]) -> None:
    """Remove the marker of a folder that holds nothing else, and the new folders that are empty."""
    with suppress(OSError):
        if [path.name for path in folder.iterdir()] == [MARKER]:
            (folder / MARKER).unlink()
    unmake(made)
