"""An executor for a Dask cluster that is already running.

Workers share no disk with the driver. A run is sent as a pickled call, its record comes back, and
the driver stores it. The files that a run reads (a data set, a user's own functions) must exist on
the worker under the same path. That they do, with equal content, is checked before training.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import pickle
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from distributed import Client, KilledWorker, Security
from distributed.comm.core import connect
from threadpoolctl import threadpool_limits

from nnexp import __version__
from nnexp.config.registry import CUSTOM
from nnexp.config.run_config import NUMERICS, RunConfig
from nnexp.config.user_functions import is_custom
from nnexp.errors import InputError, SweepStopped
from nnexp.store.compare_runs import differences
from nnexp.store.record import Record
from nnexp.sweeps.jobs import Job, Options, Reporter
from nnexp.sweeps.processes import WorkerDied
from nnexp.training.execute import environment

# Seconds: to connect, to wait for a worker's answer, to wait while it checks the runs' files (which
# it may have to download), to disconnect, and between two updates of the list of workers.
_CONNECT, _ANSWER, _CHECK, _CLOSE, _REFRESH = 3.0, 10.0, 300.0, 1.0, 1.0
# Expressions for `eval`: they need nothing of nnexp where they are unpacked, be it a scheduler or a
# worker that lacks it, nor the driver's version of Python.
_VERSION = "__import__('nnexp').__version__"
_TRAIN = "__import__('nnexp.sweeps.dask', fromlist=['train']).train(task)"
# Loggers that would repeat our messages at length.
_LOGGERS = ("distributed", "distributed.client", "tornado.application")
_SCHEMES = ("tcp", "tls")
# Entries of a worker's environment that affect the last digits of its results.
_DIGITS = ("numpy", "blas", "machine")

_KEPT = "finished runs are saved: give the same command again to continue"

# A run's settings and identity.
Sample = tuple[dict[str, Any], dict[str, Any]]


class DaskExecutor:
    """The workers of the Dask cluster whose scheduler is at an address, ``tcp://HOST:8786``.

    ``patience`` is how many seconds to wait for a worker while there is none.

    Raises
    ------
    InputError
        If the scheduler does not answer, no worker comes, or one could not train the ``jobs``.
    """

    # Dask has tried a run on several workers, which all died, before it reports a death.
    tries = 2

    def __init__(
        self, scheduler: str, patience: float, jobs: Sequence[Job], reporter: Reporter
    ) -> None:
        self.scheduler, self.patience, self.reporter = scheduler, patience, reporter
        self.samples = _samples(jobs)
        self.workers = 0
        self.accepted: set[str] = set()
        self.warned = False
        self.client = _connect(scheduler)
        self.executor = self.client.get_executor(pure=False)
        self.refreshed_at = self.last_worker_at = time.monotonic()
        try:
            self._await_worker()
        except BaseException:
            self.shutdown()
            raise

    @property
    def size(self) -> int:
        """Number of runs accepted at a time: one in training and one waiting per thread."""
        return 2 * self.workers

    def submit(self, job: Job, options: Options) -> Future[Record]:
        """Train a run; the future fails with `SweepStopped` if the cluster is lost."""
        task = pickle.dumps(job.task(options))
        key = f"{job.run_id}-{uuid.uuid4().hex}"
        sent = self.executor.submit(eval, _TRAIN, {"task": task}, key=key)
        future: Future[Record] = Future()
        sent.add_done_callback(functools.partial(self._pass_on, future))
        return future

    def check(self) -> None:
        """Update the list of workers once a second.

        Raises
        ------
        SweepStopped
            If the scheduler is lost, there was no worker for ``patience`` s, or a new one is unfit.
        """
        now = time.monotonic()
        if now - self.refreshed_at < _REFRESH:
            return
        self.refreshed_at = now
        try:
            self._refresh()
        except InputError as error:
            raise SweepStopped(f"{error}; {_KEPT}") from None
        if self.workers:
            self.last_worker_at = now
        elif now - self.last_worker_at > self.patience:
            raise SweepStopped(f"no Dask worker has been left for {self.patience:g} s; {_KEPT}")

    def shutdown(self) -> None:
        """Disconnect; results of unfinished runs are discarded and waiting ones dropped."""
        with suppress(OSError, asyncio.TimeoutError):
            self.client.close(timeout=_CLOSE)

    def _pass_on(self, future: Future[Record], sent: Future[Record]) -> None:
        """Set the outcome of ``sent`` on ``future``."""
        if sent.cancelled():
            future.set_exception(self._lost())
        elif (error := sent.exception()) is None:
            future.set_result(sent.result())
        elif isinstance(error, KilledWorker):  # by this run, or by another one on that worker
            future.set_exception(WorkerDied(str(error)))
        elif isinstance(error, ImportError):
            future.set_exception(SweepStopped(f"a Dask worker cannot run nnexp: {error}; {_KEPT}"))
        else:
            future.set_exception(error)

    def _await_worker(self) -> None:
        while True:
            self._refresh()
            if self.workers:
                return
            if time.monotonic() - self.last_worker_at > self.patience:
                raise InputError(
                    f"no worker has come to the Dask scheduler at {self.scheduler} in "
                    f"{self.patience:g} s: start some with 'dask worker {self.scheduler}', or wait "
                    f"longer with hydra.launcher.wait=SECONDS"
                )
            time.sleep(0.1)

    def _refresh(self) -> None:
        """Count the workers' threads and check new workers."""
        if self.client.status != "running":
            raise self._lost()
        try:
            threads = self._call(_ANSWER, self.client.nthreads)
            self._examine(sorted(set(threads) - self.accepted))
        except (OSError, asyncio.TimeoutError):
            raise self._lost() from None
        self.accepted &= set(threads)
        self.workers = sum(threads[address] for address in self.accepted)

    def _examine(self, addresses: list[str]) -> None:
        versions = self._ask(addresses, _ANSWER, eval, _VERSION)
        for address, version in versions.items():
            if version != __version__:
                has = "no nnexp" if isinstance(version, ImportError) else f"nnexp {version}"
                raise InputError(
                    f"the Dask worker {address} has {has}, and this is nnexp {__version__}: "
                    f"install the same version there"
                )
        answers = self._ask(list(versions), _CHECK, examine, self.samples)
        for address, answer in answers.items():
            if isinstance(answer, Exception):
                raise InputError(
                    f"the Dask worker {address} cannot train these runs ({answer}): the files that "
                    f"they read must lie there too, under the same path, seen from the folder in "
                    f"which the worker was started; after a change of an installed package, start "
                    f"the worker again"
                )
            self.accepted.add(address)
            own = environment()
            unlike = [f"{key} {answer[key]}" for key in _DIGITS if answer[key] != own[key]]
            if unlike and not self.warned:
                self.warned = True
                self.reporter.noted(
                    f"the Dask worker {address} has another {' and '.join(unlike)}: last digits "
                    f"may differ from this machine's; every run.json says what computed it"
                )

    def _ask(
        self, addresses: list[str], limit: float, function: Callable[..., Any], *args: Any
    ) -> dict[str, Any]:
        """Return the answer or exception of each worker; disconnected ones are left out.

        Raises
        ------
        InputError
            If a connected one does not answer within ``limit`` seconds.
        """
        if not addresses:
            return {}
        run = functools.partial(self.client.run, workers=addresses, on_error="return")
        try:
            found = self._call(limit, run, function, *args)
        except asyncio.TimeoutError:
            raise InputError(
                f"no answer in {limit:g} s from a Dask worker among {', '.join(addresses)}: "
                f"end it, or start it again"
            ) from None
        return {a: answer for a, answer in found.items() if not isinstance(answer, OSError)}

    def _call(self, limit: float, method: Callable[..., Any], *args: Any) -> Any:
        """Call a method of the client, which may take ``limit`` seconds."""

        async def call() -> Any:
            return await method(*args)

        return self.client.sync(call, callback_timeout=limit)

    def _lost(self) -> SweepStopped:
        return SweepStopped(
            f"the Dask scheduler at {self.scheduler} is lost, or was restarted; {_KEPT}"
        )


def examine(samples: Iterable[Sample]) -> dict[str, Any]:
    """Return the environment of a worker if it would train the same runs; runs on the worker.

    Raises
    ------
    InputError
        If a file that a run reads is missing or differs.
    """
    for mapping, identity in samples:
        found = RunConfig.from_mapping(mapping, trusted=False).identity()
        for name in differences(identity, found):
            group = name.removeprefix("sources.")  # data, or the group of a user's function
            choice = mapping[group]["name"] if group in mapping else NUMERICS
            raise InputError(f"{group}: {choice} is not the same there as here")
        RunConfig.from_mapping(mapping)  # a user's functions must import there too
    return environment()


def train(task: bytes) -> Record:
    """Train a run on a worker: ``task`` is the pickled call that does it."""
    _one_thread()
    record: Record = pickle.loads(task)()
    return record


@functools.cache
def _one_thread() -> None:
    """Give BLAS one thread for as long as the worker lives.

    A run's own limit lasts as long as the run, which is too short where a worker trains several at
    once in threads: the first to end would lift it for the others.
    """
    threadpool_limits(limits=1, user_api="blas")


def _samples(jobs: Sequence[Job]) -> list[Sample]:
    """Return one of the jobs for each data set's files and user's functions that they read."""
    kinds: dict[Any, Job] = {}
    for job in jobs:
        named = [getattr(job.config, key).name for key in CUSTOM]
        kinds.setdefault((job.config.data.source, *filter(is_custom, named)), job)
    return [(job.config.to_mapping(), job.config.identity()) for job in kinds.values()]


def _connect(scheduler: str) -> Client:
    scheme, given, _ = scheduler.partition("://")
    if given and scheme not in _SCHEMES:
        raise InputError(
            f"hydra.launcher.scheduler={scheduler} is not a Dask scheduler's address: give it as "
            f"tcp://HOST:8786, or tls://HOST:8786"
        )
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        asyncio.run(asyncio.wait_for(_reach(scheduler), _CONNECT + 1))
        return Client(scheduler, timeout=_CONNECT, set_as_default=False)
    except InputError:
        raise
    except Exception as error:  # each kind of address has its own ways to fail
        raise InputError(
            f"no Dask scheduler at hydra.launcher.scheduler={scheduler} "
            f"({error or 'it does not answer'}): start one with 'dask scheduler', or give its "
            f"address as tcp://HOST:8786"
        ) from None


async def _reach(scheduler: str) -> None:
    """Shake hands: a `Client` would wait forever for a listener that never answers."""
    arguments = Security().get_connection_args("client")
    if scheduler.startswith("tls://") and arguments.get("ssl_context") is None:
        raise InputError(
            f"hydra.launcher.scheduler={scheduler} needs certificates: name them in Dask's "
            f"configuration, at distributed.comm.tls, or give a scheduler at tcp://HOST:8786"
        )
    comm = await connect(scheduler, timeout=_CONNECT, **arguments)
    await comm.close()
