"""What trains: this process, or worker processes beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol

from nnexp.store.record import Record
from nnexp.sweeps.jobs import Job, Options, Watcher
from nnexp.sweeps.processes import Workers
from nnexp.training.trainer import Evaluation

# A run whose worker process died is tried again, so often in all.
TRIES = 3


class Crew(Protocol):
    """Whoever trains: this process, processes beside it, or a cluster."""

    @property
    def workers(self) -> int:
        """How many runs it trains at a time."""

    @property
    def size(self) -> int:
        """How many runs it takes at a time: some may wait."""

    @property
    def tries(self) -> int:
        """How many lost workers a run is to blame for."""

    def submit(self, job: Job, options: Options) -> Future[Record]:
        """Have a run trained.

        The future fails with `SweepStopped` if there is no going on, and with `WorkerDied` if the
        run's worker died.
        """

    def check(self) -> None:
        """Take note of workers that came or went; `SweepStopped` if there is no going on."""

    def dismiss(self) -> None:
        """Let go of all workers."""


# Hires who is to train some jobs; it may refuse, with an InputError.
Hire = Callable[[Sequence[Job], Watcher], Crew]


class _Alone:
    """One run at a time, in this process, whose ``threads`` share its batches."""

    size = workers = 1
    tries = TRIES

    def __init__(self, watcher: Watcher, threads: int) -> None:
        self.watcher = watcher
        self.threads = threads

    def submit(self, job: Job, options: Options) -> Future[Record]:
        future: Future[Record] = Future()

        def report(evaluation: Evaluation) -> None:
            self.watcher.evaluated(job, evaluation)

        try:
            future.set_result(job.task(options)(report=report, threads=self.threads))
        except Exception as error:
            future.set_exception(error)
        return future

    def check(self) -> None:
        pass

    def dismiss(self) -> None:
        pass


class _Crew:
    """Worker processes beside this one."""

    tries = TRIES

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.size = 2 * workers  # one under way and one waiting for each worker
        self.processes = Workers(workers)

    def submit(self, job: Job, options: Options) -> Future[Record]:
        return self.processes.submit(job.task(options))

    def check(self) -> None:
        pass

    def dismiss(self) -> None:
        self.processes.dismiss()
