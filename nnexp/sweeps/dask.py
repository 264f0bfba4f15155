"""An executor for an existing Dask cluster.

Workers need not share a disk with the driver. The driver sends each run as a pickled call, receives
its record and stores it. The files that a run reads (a data set, the user's own functions) must
exist on the worker under the same path and with the same content, which is checked before training.
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

# Seconds to connect, to wait for a worker's answer, to wait while it checks the files of the runs
# (which it may have to download), to disconnect, and between updates of the list of workers.
_CONNECT, _ANSWER, _CHECK, _CLOSE, _REFRESH = 3.0, 10.0, 300.0, 1.0, 1.0
# Expressions for `eval`. Unpickling them needs neither nnexp, which a scheduler or worker may lack,
# nor the driver's version of Python.
_VERSION = "__import__('nnexp').__version__"
_TRAIN = "__import__('nnexp.sweeps.dask', fromlist=['train']).train(task)"
# Loggers that would repeat nnexp's messages at length.
_LOGGERS = ("distributed", "distributed.client", "tornado.application")
_SCHEMES = ("tcp", "tls")
# Entries of a worker's environment that affect the last digits of its results.
_DIGITS = ("numpy", "blas", "machine")

_KEPT = "finished runs are saved: run the same command again to continue"

# A run's settings and identity.
Sample = tuple[dict[str, Any], dict[str, Any]]


class DaskExecutor:
    """The workers of the Dask cluster with a scheduler at an address ``tcp://HOST:8786``.

    ``patience`` is the time to wait for a worker if there is none, in seconds.

    Raises
    ------
    InputError
        If the scheduler does not answer, no worker connects, or a worker cannot train the
        ``jobs``.
    """

    # Dask reports a death only after several workers died of a run.
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
        """Number of runs accepted at a time: per thread, one in training and one waiting."""
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
            If the scheduler is lost, there was no worker for ``patience`` seconds, or a new
            worker cannot train the runs.
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
            raise SweepStopped(f"there was no Dask worker for {self.patience:g} s; {_KEPT}")

    def shutdown(self) -> None:
        """Disconnect, discarding the results of unfinished and waiting runs."""
        with suppress(OSError, asyncio.TimeoutError):
            self.client.close(timeout=_CLOSE)

    def _pass_on(self, future: Future[Record], sent: Future[Record]) -> None:
        """Copy the outcome of ``sent`` to ``future``."""
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
                    f"no worker has connected to the Dask scheduler at {self.scheduler} in "
                    f"{self.patience:g} s: start one with 'dask worker {self.scheduler}', or wait "
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
                    f"the Dask worker {address} has {has}, but this is nnexp {__version__}: "
                    f"install the same version there"
                )
        answers = self._ask(list(versions), _CHECK, examine, self.samples)
        for address, answer in answers.items():
            if isinstance(answer, Exception):
                raise InputError(
                    f"the Dask worker {address} cannot train these runs ({answer}): put the files "
                    f"that they read there too, under the same path as seen from the worker's "
                    f"working directory; if an installed package has changed, restart the worker"
                )
            self.accepted.add(address)
            own = environment()
            unlike = [f"{key} {answer[key]}" for key in _DIGITS if answer[key] != own[key]]
            if unlike and not self.warned:
                self.warned = True
                self.reporter.noted(
                    f"the Dask worker {address} has another {' and '.join(unlike)}: results may "
                    f"differ from this machine's in the last digits; run.json has the environment "
                    f"of each run"
                )

    def _ask(
        self, addresses: list[str], limit: float, function: Callable[..., Any], *args: Any
    ) -> dict[str, Any]:
        """Return the answer or exception of each worker, except disconnected ones.

        Raises
        ------
        InputError
            If a connected worker does not answer within ``limit`` seconds.
        """
        if not addresses:
            return {}
        run = functools.partial(self.client.run, workers=addresses, on_error="return")
        try:
            found = self._call(limit, run, function, *args)
        except asyncio.TimeoutError:
            raise InputError(
                f"no answer in {limit:g} s from a Dask worker among {', '.join(addresses)}: "
                f"stop or restart it"
            ) from None
        return {a: answer for a, answer in found.items() if not isinstance(answer, OSError)}

    def _call(self, limit: float, method: Callable[..., Any], *args: Any) -> Any:
        """Call a method of the client, with a time limit of ``limit`` seconds."""

        async def call() -> Any:
            return await method(*args)

        return self.client.sync(call, callback_timeout=limit)

    def _lost(self) -> SweepStopped:
        return SweepStopped(
            f"the Dask scheduler at {self.scheduler} was lost or restarted; {_KEPT}"
        )


def examine(samples: Iterable[Sample]) -> dict[str, Any]:
    """Return the environment of a worker if it would train the same runs.

    This function runs on the worker.

    Raises
    ------
    InputError
        If a file that a run reads is missing or differs.
    """
    for mapping, identity in samples:
        found = RunConfig.from_mapping(mapping, trusted=False).identity()
        for name in differences(identity, found):
            group = name.removeprefix("sources.")  # data, or the group of the user's own function
            choice = mapping[group]["name"] if group in mapping else NUMERICS
            raise InputError(f"{group}: {choice} differs from this machine's")
        RunConfig.from_mapping(mapping)  # checks that the user's own functions can be imported
    return environment()


def train(task: bytes) -> Record:
    """Train a run on a worker; ``task`` is the pickled call."""
    _one_thread()
    record: Record = pickle.loads(task)()
    return record


@functools.cache
def _one_thread() -> None:
    """Limit BLAS to one thread for the lifetime of the worker.

    The limit that each run sets is not enough if a worker trains several in threads: the first run
    to end would lift it for the others.
    """
    threadpool_limits(limits=1, user_api="blas")


def _samples(jobs: Sequence[Job]) -> list[Sample]:
    """Return one job for each combination of data set and own functions that the jobs use."""
    kinds: dict[Any, Job] = {}
    for job in jobs:
        named = [getattr(job.config, key).name for key in CUSTOM]
        kinds.setdefault((job.config.data.source, *filter(is_custom, named)), job)
    return [(job.config.to_mapping(), job.config.identity()) for job in kinds.values()]


def _connect(scheduler: str) -> Client:
    scheme, given, _ = scheduler.partition("://")
    if given and scheme not in _SCHEMES:
        raise InputError(
            f"hydra.launcher.scheduler={scheduler} is not the address of a Dask scheduler: give "
            f"tcp://HOST:8786 or tls://HOST:8786"
        )
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        asyncio.run(asyncio.wait_for(_reach(scheduler), _CONNECT + 1))
        return Client(scheduler, timeout=_CONNECT, set_as_default=False)
    except InputError:
        raise
    except Exception as error:  # its type depends on the kind of address
        raise InputError(
            f"no Dask scheduler at hydra.launcher.scheduler={scheduler} "
            f"({error or 'it does not answer'}): start one with 'dask scheduler', or give its "
            f"address as tcp://HOST:8786"
        ) from None


async def _reach(scheduler: str) -> None:
    """Connect once, as a `Client` would wait forever for a listener that never answers."""
    arguments = Security().get_connection_args("client")
    if scheduler.startswith("tls://") and arguments.get("ssl_context") is None:
        raise InputError(
            f"hydra.launcher.scheduler={scheduler} needs certificates: set them in Dask's "
            f"configuration, at distributed.comm.tls, or give a scheduler at tcp://HOST:8786"
        )
    comm = await connect(scheduler, timeout=_CONNECT, **arguments)
    await comm.close()
