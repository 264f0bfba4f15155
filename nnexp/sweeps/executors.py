"""Executors that train runs in this process or in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol

from nnexp.store.record import Record
from nnexp.sweeps.jobs import Job, Options, Reporter
from nnexp.sweeps.processes import WorkerPool
from nnexp.training.trainer import Evaluation

# Attempts at a run whose worker process dies.
TRIES = 3


class Executor(Protocol):
    """Trains runs in this process, in worker processes or on a cluster."""

    @property
    def workers(self) -> int:
        """Number of runs trained at a time."""

    @property
    def size(self) -> int:
        """Number of runs accepted at a time, including waiting ones."""

    @property
    def tries(self) -> int:
        """Number of worker deaths after which a run is recorded as failed."""

    def submit(self, job: Job, options: Options) -> Future[Record]:
        """Train a run.

        The future fails with `SweepStopped` if the sweep cannot continue, and with `WorkerDied` if
        the run's worker died.
        """

    def check(self) -> None:
        """Update the list of workers; raise `SweepStopped` if the sweep cannot continue."""

    def shutdown(self) -> None:
        """Stop all workers."""


# Makes an executor for some jobs; raises InputError if they cannot run there.
ExecutorFactory = Callable[[Sequence[Job], Reporter], Executor]


class SerialExecutor:
    """Trains one run at a time in this process, with one or two ``threads``."""

    size = workers = 1
    tries = TRIES

    def __init__(self, reporter: Reporter, threads: int) -> None:
        self.reporter = reporter
        self.threads = threads

    def submit(self, job: Job, options: Options) -> Future[Record]:
        """Train a run."""
        future: Future[Record] = Future()

        def report(evaluation: Evaluation) -> None:
            self.reporter.evaluated(job, evaluation)

        try:
            future.set_result(job.task(options)(report=report, threads=self.threads))
        except Exception as error:
            future.set_exception(error)
        return future

    def check(self) -> None:
        """Do nothing, as the workers do not change."""

    def shutdown(self) -> None:
        """Do nothing, as there are no workers."""


class ProcessExecutor:
    """Trains runs in worker processes on this machine."""

    tries = TRIES

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.size = 2 * workers  # one in training and one waiting per worker
        self.processes = WorkerPool(workers)

    def submit(self, job: Job, options: Options) -> Future[Record]:
        """Train a run."""
        return self.processes.submit(job.task(options))

    def check(self) -> None:
        """Do nothing: the workers do not change."""

    def shutdown(self) -> None:
        """Kill the workers; results of unfinished runs are discarded."""
        self.processes.shutdown()
