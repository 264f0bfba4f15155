"""nnexp's launchers and sweeper, in the package where Hydra looks for plugins.

Every Hydra application in the environment imports this file, so it imports nnexp only when used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from nnexp.reports.sweep_report import ReportProcess
    from nnexp.store.record import Record
    from nnexp.sweeps.jobs import Job


class LocalLauncher(Launcher):
    """Runs on this machine's cores; ``workers=0`` means all of them."""

    def __init__(self, workers: int = 0) -> None:
        self.workers = workers

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Store Hydra's context and configuration, and where to keep records."""
        self.context, self.settings, self.trials = hydra_context, config, task_function

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run points given as overrides, for the sweepers of other packages."""
        from nnexp.cli.search import Trials

        assert isinstance(self.trials, Trials)
        loader = self.context.config_loader
        return self.trials.run(job_overrides, self, loader, plain_settings(self.settings))

    def check(self, settings: dict[str, Any]) -> None:
        """Refuse invalid options before anything is written."""
        from nnexp.cli.sweep import options

        options(settings, self.workers)

    def run(self, jobs: Sequence[Job], settings: dict[str, Any]) -> list[Record]:
        """Run checked jobs and return their records."""
        from nnexp.cli.sweep import launch

        return launch(jobs, settings, self.workers)


class DaskLauncher(LocalLauncher):
    """Runs on the Dask cluster at ``scheduler``; waits ``wait`` seconds if it has no worker."""

    def __init__(self, scheduler: Any = None, wait: Any = 10) -> None:
        super().__init__()
        self.scheduler, self.wait = scheduler, wait

    def check(self, settings: dict[str, Any]) -> None:
        """Refuse invalid options before anything is written."""
        from nnexp.cli.sweep import on_dask

        super().check(settings)
        on_dask(self.scheduler, self.wait)

    def run(self, jobs: Sequence[Job], settings: dict[str, Any]) -> list[Record]:
        """Run checked jobs on the cluster and return their records."""
        from nnexp.cli.sweep import launch, on_dask

        return launch(jobs, settings, make_executor=on_dask(self.scheduler, self.wait))


class NnexpSweeper(Sweeper):
    """Checks all points before anything is written, runs them and collects the results.

    If ``collects`` is false, it returns the records without writing a folder. The page shows the
    ``command`` line. A ``process``, if given, makes the report.
    """

    def __init__(self, params: dict[str, str] | None = None) -> None:
        self.params = params or {}
        self.collects = True
        self.command = ""
        self.process: ReportProcess | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Store Hydra's context and configuration, and make the launcher."""
        from hydra.core.plugins import Plugins

        self.context, self.settings = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def check(self) -> None:
        """Refuse an invalid store or launcher before any point is composed."""
        from nnexp.cli.sweep import check_launcher

        check_launcher(self.launcher, plain_settings(self.settings))

    def plan(self, arguments: list[str]) -> list[Job]:
        """Return the jobs of the points given by ``arguments`` without running them."""
        from nnexp.cli.sweep import planned

        settings = plain_settings(self.settings)
        return planned(self.context.config_loader, settings, self.params, arguments)

    def sweep(self, arguments: list[str]) -> list[Record]:
        """Run the points given by ``arguments`` and return their records."""
        from nnexp.cli.sweep import output_folder, sweep

        hydra, settings = self.settings.hydra, plain_settings(self.settings)
        single = hydra.mode == RunMode.RUN
        output = output_folder(settings["out"], hydra, single=single) if self.collects else None
        return sweep(
            self.launcher,
            loader=self.context.config_loader,
            settings=settings,
            params=self.params,
            arguments=arguments,
            output=output,
            single=single,
            command=self.command,
            process=self.process,
        )


def plain_settings(config: DictConfig) -> dict[str, Any]:
    """Return the resolved settings of a configuration, without the key ``hydra``."""
    plain = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    return OmegaConf.to_container(plain, resolve=True)  # type: ignore[return-value]
