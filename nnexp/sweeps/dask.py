"""A crew on a Dask cluster that is already running: the engine is Dask's own.

Workers share no disk with the driver. A run travels as a pickled call, its record comes back, and
the driver stores it. What a run reads (a data set's files, a user's own functions) must lie on the
worker too, under the same path; that it does, with the same content, is checked before any trains.
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
from nnexp.sweeps.jobs import Job, Options, Watcher
from nnexp.sweeps.processes import WorkerDied
from nnexp.training.execute import environment

# Seconds for the scheduler to be reached, for workers to say what they are, for them to check the
# runs' files (some of which they may have to fetch), for a farewell, and between two looks at who
# is there.
_CONNECT, _ANSWER, _CHECK, _FAREWELL, _LOOK = 3.0, 10.0, 300.0, 1.0, 1.0
# Expressions for `eval`: they need nothing of nnexp where they are unpacked, be it a scheduler or a
# worker that lacks it, nor the driver's version of Python.
_VERSION = "__import__('nnexp').__version__"
_TRAIN = "__import__('nnexp.sweeps.dask', fromlist=['train']).train(task)"
# Who would tell at length what we say in a sentence.
_LOGGERS = ("distributed", "distributed.client", "tornado.application")
_SCHEMES = ("tcp", "tls")
# What of a worker's environment moves the last digits of its results.
_DIGITS = ("numpy", "blas", "machine")

_KEPT = "what was finished is in the store: the same command goes on from there"

# A run's settings and identity.
Sample = tuple[dict[str, Any], dict[str, Any]]


class DaskCrew:
    """The workers of the Dask cluster whose scheduler is at an address, ``tcp://HOST:8786``.

    ``patience`` is how many seconds to wait for a worker while there is none.

    Raises
    ------
    InputError
        If the scheduler does not answer, no worker comes, or one could not train the ``jobs``.
    """

    # Dask has given a run to several workers, which all died, before it says that one did.
    tries = 2

    def __init__(
        self, scheduler: str, patience: float, jobs: Sequence[Job], watcher: Watcher
    ) -> None:
        self.scheduler, self.patience, self.watcher = scheduler, patience, watcher
        self.samples = _samples(jobs)
        self.workers = 0
        self.fit: set[str] = set()
        self.warned = False
        self.client = _connect(scheduler)
        self.executor = self.client.get_executor(pure=False)
        self.looked_at = self.manned_at = time.monotonic()
        try:
            self._await_worker()
        except BaseException:
            self.dismiss()
            raise

    @property
    def size(self) -> int:
        """How many runs it takes at a time: one under way and one waiting for each thread."""
        return 2 * self.workers

    def submit(self, job: Job, options: Options) -> Future[Record]:
        """Have a run trained; the future fails with `SweepStopped` if the cluster is lost."""
        task = pickle.dumps(job.task(options))
        key = f"{job.run_id}-{uuid.uuid4().hex}"
        sent = self.executor.submit(eval, _TRAIN, {"task": task}, key=key)
        future: Future[Record] = Future()
        sent.add_done_callback(functools.partial(self._pass_on, future))
        return future

    def check(self) -> None:
        """Look now and then who is there.

        Raises
        ------
        SweepStopped
            If the scheduler is lost, no worker has been there for long, or a new one is unfit.
        """
        now = time.monotonic()
        if now - self.looked_at < _LOOK:
            return
        self.looked_at = now
        try:
            self._look()
        except InputError as error:
            raise SweepStopped(f"{error}; {_KEPT}") from None
        if self.workers:
            self.manned_at = now
        elif now - self.manned_at > self.patience:
            raise SweepStopped(f"no Dask worker has been left for {self.patience:g} s; {_KEPT}")

    def dismiss(self) -> None:
        """Leave the cluster; runs under way there end unheard, those that wait are dropped."""
        with suppress(OSError, asyncio.TimeoutError):
            self.client.close(timeout=_FAREWELL)

    def _pass_on(self, future: Future[Record], sent: Future[Record]) -> None:
        """Give ``future`` the outcome of what was ``sent``."""
        if sent.cancelled():
            future.set_exception(self._lost())
        elif (error := sent.exception()) is None:
            future.set_result(sent.result())
        elif isinstance(error, KilledWorker):  # by this run, or by another that stood beside it
            future.set_exception(WorkerDied(str(error)))
        elif isinstance(error, ImportError):
            future.set_exception(SweepStopped(f"a Dask worker cannot run nnexp: {error}; {_KEPT}"))
        else:
            future.set_exception(error)

    def _await_worker(self) -> None:
        while True:
            self._look()
            if self.workers:
                return
            if time.monotonic() - self.manned_at > self.patience:
                raise InputError(
                    f"no worker has come to the Dask scheduler at {self.scheduler} in "
                    f"{self.patience:g} s: start some with 'dask worker {self.scheduler}', or wait "
                    f"longer with hydra.launcher.wait=SECONDS"
                )
            time.sleep(0.1)

    def _look(self) -> None:
        """Count the threads of the workers, and examine those that are new."""
        if self.client.status != "running":
            raise self._lost()
        try:
            threads = self._call(_ANSWER, self.client.nthreads)
            self._examine(sorted(set(threads) - self.fit))
        except (OSError, asyncio.TimeoutError):
            raise self._lost() from None
        self.fit &= set(threads)
        self.workers = sum(threads[address] for address in self.fit)

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
            self.fit.add(address)
            own = environment()
            unlike = [f"{key} {answer[key]}" for key in _DIGITS if answer[key] != own[key]]
            if unlike and not self.warned:
                self.warned = True
                self.watcher.noted(
                    f"the Dask worker {address} has another {' and '.join(unlike)}: last digits "
                    f"may differ from this machine's; every run.json says what computed it"
                )

    def _ask(
        self, addresses: list[str], limit: float, function: Callable[..., Any], *args: Any
    ) -> dict[str, Any]:
        """Return what each worker answers, an exception among the answers; the gone are left out.

        Raises
        ------
        InputError
            If one is there and does not answer within ``limit`` seconds.
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
    """Return, on a worker, the environment there, if it would train the very same runs.

    Raises
    ------
    InputError
        If a file that a run reads is missing, or is another.
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
    """Shake hands: a `Client` would wait for ever for one who listens and never answers."""
    arguments = Security().get_connection_args("client")
    if scheduler.startswith("tls://") and arguments.get("ssl_context") is None:
        raise InputError(
            f"hydra.launcher.scheduler={scheduler} needs certificates: name them in Dask's "
            f"configuration, at distributed.comm.tls, or give a scheduler at tcp://HOST:8786"
        )
    comm = await connect(scheduler, timeout=_CONNECT, **arguments)
    await comm.close()
