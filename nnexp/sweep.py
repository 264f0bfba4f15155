"""Running many runs: each once, on all cores, losing nothing.

The driver alone touches the store. It hands runs to worker processes, stores each record as it
comes back, and holds a lock on every run under way, so that two sweeps over one store share the
work instead of doing it twice.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import resource_tracker
from typing import Any, Protocol, cast

from nnexp import versions
from nnexp.config import RunConfig
from nnexp.errors import SweepStopped
from nnexp.locks import RunLock
from nnexp.records import FAILED, Record
from nnexp.store import DamagedRecord, Store
from nnexp.threads import ONE_THREAD, available_cores
from nnexp.training import Evaluation, evaluation_steps
from nnexp.worker import blank, execute

# A run whose worker process died is tried again, so often in all.
TRIES = 3
_POLL = 0.1
# Seconds that a record waits for others to be synced with.
_PATIENCE = 0.5


@dataclass
class Job:
    """A run to be had: from the store, or by training."""

    config: RunConfig
    label: str = ""
    arm: str | None = None
    tries: int = 0
    damage: str = ""
    edited: bool = False
    shorter: Record | None = None
    blank: Record = field(init=False)
    run_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.blank = blank(self.config)
        self.run_id = self.blank.run_id

    def task(self, options: Options) -> Callable[..., Record]:
        """Return the call that trains it, in whatever process; from a ``shorter`` run, if any."""
        return functools.partial(
            execute,
            self.config.to_mapping(),
            save_weights=options.save_weights,
            shorter=self.shorter,
        )

    def failed(self, error: str) -> Record:
        """Return the record of a failure that the run itself could not record."""
        return replace(self.blank, error=error)


@dataclass(frozen=True)
class Options:
    """How runs are obtained, whatever their numbers."""

    force: bool = False
    save_weights: bool = False
    stop_on_error: bool = False
    workers: int = 0


class Watcher(Protocol):
    """What is told of a sweep's progress."""

    def started(self, total: int, reused: Sequence[Record]) -> None:
        """``reused`` of the ``total`` runs are in the store."""

    def evaluated(self, job: Job, evaluation: Evaluation) -> None:
        """A run under way in this process has been evaluated."""

    def recorded(self, record: Record) -> None:
        """A run has ended and is in the store."""

    def noted(self, message: str) -> None:
        """Something that the user should know has happened."""

    def tick(self, running: int) -> None:
        """Time has passed; so many runs are being trained."""


class Crew(Protocol):
    """Whoever trains: this process, processes beside it, or a cluster."""

    @property
    def workers(self) -> int:
        """How many runs it trains at a time."""

    @property
    def size(self) -> int:
        """How many runs it takes at a time: some may wait."""

    @property
    def executor(self) -> Any:
        """Whoever a run is handed to now, to be named to `renew` if that run is lost."""

    @property
    def tries(self) -> int:
        """How many lost workers a run is to blame for."""

    def submit(self, job: Job, options: Options) -> Future[Record]:
        """Have a run trained.

        The future fails with `SweepStopped` if there is no going on, and with `BrokenProcessPool`
        if the run's worker died.
        """

    def renew(self, executor: Any) -> None:
        """Replace ``executor``, which has lost a worker and all its runs, unless that is done."""

    def check(self) -> None:
        """Take note of workers that came or went; `SweepStopped` if there is no going on."""

    def dismiss(self) -> None:
        """Let go of all workers."""


# Hires who is to train some jobs; it may refuse, with an InputError.
Hire = Callable[[Sequence[Job], Watcher], Crew]


def run_all(
    jobs: Sequence[Job],
    store: Store,
    options: Options,
    watcher: Watcher,
    hire: Hire | None = None,
) -> list[Record]:
    """Return the records of ``jobs``, in their order, training what the store does not hold.

    A run that fails is recorded so, and the rest go on; with ``stop_on_error`` what has not begun
    is left out of the result. Without ``hire`` this machine's cores do the work.

    Raises
    ------
    InputError
        If the store cannot be written, or a newer nnexp has written one of the runs.
    SweepStopped
        If the workers are lost; what was finished is in the store.
    """
    records: dict[str, Record] = {}
    unsettled = {*store.locked()}  # by another sweep, or by one that was killed
    for job in jobs:
        record = _stored(store, job, options, watcher)
        if record is not None:
            records[job.run_id] = record
    if edited := sum(job.edited for job in jobs):
        runs, are = ("run", "is") if edited == 1 else ("runs", "are")
        watcher.noted(f"{edited} {runs} made by edited code of nnexp {are} trained again")
    store.sync(run_id for run_id in records if run_id in unsettled)
    left = [job for job in jobs if job.run_id not in records]
    watcher.started(len(jobs), list(records.values()))
    if not left:
        return [records[job.run_id] for job in jobs]
    crew: Crew
    if hire is not None:
        crew = hire(left, watcher)
    elif len(jobs) == 1 or options.workers == 1:
        crew = _Alone(watcher, threads=available_cores() if len(jobs) == 1 else 1)
    else:
        # A worker trains a sweep's run even if it is the last: it may bring down its process.
        crew = _Crew(min(options.workers or available_cores(), len(left)))
    try:
        _work(deque(left), crew, store, options, watcher, records)
    finally:
        crew.dismiss()
    return [records[job.run_id] for job in jobs if job.run_id in records]


def _stored(store: Store, job: Job, options: Options, watcher: Watcher) -> Record | None:
    """Return the record in the store if it makes training the run needless."""
    try:
        record = store.read(job.run_id)
    except DamagedRecord as error:
        if not job.damage:
            job.damage = str(error)
            watcher.noted(f"damaged record, trained again: {error}")
        return None
    if record is None or options.force or (options.save_weights and record.weights is None):
        return None
    job.edited = versions.edited(record)
    return None if job.edited else record


@dataclass
class _Held:
    """A run under way, the lock on it, and the executor it was given to."""

    job: Job
    lock: RunLock
    executor: Any


def _work(
    left: deque[Job],
    crew: Crew,
    store: Store,
    options: Options,
    watcher: Watcher,
    records: dict[str, Record],
) -> None:
    held: dict[Future[Record], _Held] = {}
    ended: dict[str, RunLock] = {}  # in the store, but not yet settled
    settled_at = time.monotonic()
    elsewhere: deque[Job] = deque()
    try:
        while left or elsewhere or held:
            crew.check()
            if ended and time.monotonic() - settled_at > _PATIENCE:
                _settle(ended, store)
                settled_at = time.monotonic()
            while left and len(held) < crew.size:
                # A run that lost its worker goes on alone: if it loses another, it is to blame.
                if held and (left[0].tries or any(h.job.tries for h in held.values())):
                    break
                job = left.popleft()
                lock = store.lock(job.run_id)
                if lock is None:
                    elsewhere.append(job)
                    continue
                # It may have been finished by another sweep since we looked.
                record = None if options.force else _stored(store, job, options, watcher)
                if record is not None:
                    ended[job.run_id] = lock
                    records[job.run_id] = record
                    watcher.recorded(record)
                    continue
                if not options.force:
                    steps = evaluation_steps(job.config)
                    job.shorter = store.shorter(job.run_id, job.blank.identity, steps)
                future = crew.submit(job, options)
                held[future] = _Held(job, lock, crew.executor)
            done = wait(held, timeout=_POLL, return_when=FIRST_COMPLETED).done if held else set()
            for future in done:
                under_way = held.pop(future)
                record = _outcome(future, under_way, crew, watcher)
                if record is None:
                    under_way.lock.release()
                    left.appendleft(under_way.job)
                else:
                    ended[record.run_id] = under_way.lock
                    _keep(record, store, watcher)
                    records[record.run_id] = record
                    watcher.recorded(record)
                    if record.status == FAILED and options.stop_on_error:
                        left.clear()
                        elsewhere.clear()
            if not held and not left and elsewhere:
                left, elsewhere = elsewhere, deque()
                time.sleep(_POLL)
            watcher.tick(min(len(held), crew.workers))
    finally:
        for under_way in held.values():
            under_way.lock.release()
        _settle(ended, store)


def _settle(ended: dict[str, RunLock], store: Store) -> None:
    """See that the records of runs that have ended are on disk, and free the runs."""
    try:
        store.settle(ended)
    finally:
        for lock in ended.values():
            lock.release()
        ended.clear()


def _keep(record: Record, store: Store, watcher: Watcher) -> None:
    """Write a record, but for a failed one where a sound one of the run is."""
    try:
        sound = record.status == FAILED and store.read(record.run_id) is not None
    except DamagedRecord:
        sound = False
    if sound:
        watcher.noted(f"{record.run_id} failed when trained again: its record is kept as it was")
    else:
        store.write(record)


def _outcome(future: Future[Record], held: _Held, crew: Crew, watcher: Watcher) -> Record | None:
    """Return the record, or ``None`` if the worker died and the run deserves another try."""
    job = held.job
    try:
        record = future.result()
    except BrokenProcessPool as error:
        crew.renew(held.executor)
        job.tries += 1
        if job.tries < crew.tries:
            watcher.noted(f"a worker died; {job.run_id} is tried again")
            return None
        reason = " ".join(str(error).split())
        died = f"its worker process died {crew.tries} times, the last time with: {reason}"
        return job.failed(died)
    except SweepStopped:
        raise
    except Exception:
        return job.failed(traceback.format_exc())
    if record.run_id != job.run_id:
        return job.failed("its data, or a function of its own, changed while the sweep was running")
    return record


class _Alone:
    """One run at a time, in this process, whose ``threads`` share its batches."""

    size = workers = 1
    tries = TRIES
    executor = None

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

    def renew(self, executor: Any) -> None:
        pass

    def check(self) -> None:
        pass

    def dismiss(self) -> None:
        pass


class _Crew:
    """Worker processes of loky, each with one BLAS thread, replaced when one dies."""

    tries = TRIES

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.size = 2 * workers  # one under way and one waiting for each worker
        self.executor = self._hire()

    def _hire(self) -> Any:
        import loky

        return loky.ProcessPoolExecutor(
            max_workers=self.workers,
            env=ONE_THREAD,
            initializer=_serve,
            initargs=(os.getpid(),),
        )

    def submit(self, job: Job, options: Options) -> Future[Record]:
        executor = self.executor
        try:
            with _interrupts_held():
                future = executor.submit(job.task(options))
        except BrokenProcessPool:
            self.renew(executor)
            return self.submit(job, options)
        return cast("Future[Record]", future)

    def renew(self, executor: Any) -> None:
        """Dismiss the crew of ``executor``, of which a worker has died, and hire another, once."""
        if executor is self.executor:
            self.dismiss()
            self.executor = self._hire()

    def check(self) -> None:
        pass

    def dismiss(self) -> None:
        self.executor.shutdown(wait=True, kill_workers=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back for a moment; processes born meanwhile never hear of it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # whose start, on the way to a worker's, would let go
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(driver: int) -> None:
    """Begin a worker: leave Ctrl-C to the driver, and end when that ends, however it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == driver:
            time.sleep(_POLL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
