"""The main loop of a sweep, which trains every run once and stores its record.

Only the driver writes to the store. It passes runs to an executor and stores the records that come
back. Runs are locked during training, so two sweeps with one store share the work.
"""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field

from nnexp.errors import SweepStopped
from nnexp.process.interrupts import held_back
from nnexp.process.threads import available_cores
from nnexp.store import versions
from nnexp.store.locks import RunLock
from nnexp.store.record import FAILED, Record
from nnexp.store.record_files import DamagedRecord
from nnexp.store.store import Store
from nnexp.sweeps.executors import Executor, ExecutorFactory, ProcessExecutor, SerialExecutor
from nnexp.sweeps.jobs import Job, Options, Reporter
from nnexp.sweeps.processes import WorkerDied
from nnexp.training.snapshots import complete, snapshot_steps
from nnexp.training.trainer import evaluation_steps

_POLL = 0.1
# Seconds between commits; syncing records to disk in batches takes less time.
_COMMIT_INTERVAL = 0.5
# Polls of runs that other processes train (two seconds) before a note is printed.
_PATIENCE = 20


def run_all(
    jobs: Sequence[Job],
    store: Store,
    options: Options,
    reporter: Reporter,
    make_executor: ExecutorFactory | None = None,
) -> list[Record]:
    """Return the records of ``jobs``, in order, training those that are not in the store.

    A run that fails is recorded as failed, and the others continue. With ``stop_on_error``, runs
    that have not started are omitted from the result. By default, runs train on this machine.

    Raises
    ------
    InputError
        If the store cannot be written, or has a run written by a newer nnexp.
    SweepStopped
        If the workers are lost. Finished runs are in the store.
    """
    records: dict[str, Record] = {}
    # Locked runs may be unsynced, if their sweep is running or was killed.
    uncommitted = {*store.locked()}
    for job in jobs:
        record = _stored(store, job, options, reporter)
        if record is not None:
            records[job.run_id] = record
    if edited := sum(job.edited for job in jobs):
        runs, are = ("run", "is") if edited == 1 else ("runs", "are")
        reporter.noted(f"{edited} {runs} made by edited code of nnexp {are} trained again")
    store.sync(run_id for run_id in records if run_id in uncommitted)
    missing = [job for job in jobs if job.run_id not in records]
    reporter.started(len(jobs), list(records.values()))
    if not missing:
        return [records[job.run_id] for job in jobs]
    executor: Executor
    if make_executor is not None:
        executor = make_executor(missing, reporter)
    elif len(jobs) == 1 or options.workers == 1:
        executor = SerialExecutor(reporter, threads=available_cores() if len(jobs) == 1 else 1)
    else:
        # Even a single missing run trains in a worker, as it might kill its process.
        executor = ProcessExecutor(min(options.workers or available_cores(), len(missing)))
    try:
        _Sweep(deque(missing), executor, store, options, reporter, records).do()
    finally:
        executor.shutdown()
    return [records[job.run_id] for job in jobs if job.run_id in records]


def _stored(store: Store, job: Job, options: Options, reporter: Reporter) -> Record | None:
    """Return the stored record of a job, or ``None`` if the run has to be trained."""
    try:
        record = store.read(job.run_id)
    except DamagedRecord as error:
        if not job.damage:
            job.damage = str(error)
            reporter.noted(f"damaged record, training again: {error}")
        return None
    if record is None or options.force or (options.save_weights and record.weights is None):
        return None
    wanted = snapshot_steps(evaluation_steps(job.config), options.snapshots)
    reached = record.metrics[-1]["step"]  # fewer than all steps if the run diverged
    if wanted and not complete(record.snapshots, [s for s in wanted if s <= reached]):
        return None
    job.edited = versions.edited(record)
    return None if job.edited else record


@dataclass
class _Sweep:
    """The state of a sweep: pending, running and deferred jobs, and the locks it holds.

    Deferred jobs are locked by another process. ``uncommitted`` runs are in the store, but may not
    be synced to disk.
    """

    pending: deque[Job]
    executor: Executor
    store: Store
    options: Options
    reporter: Reporter
    records: dict[str, Record]
    running: dict[Future[Record], Job] = field(default_factory=dict)
    locks: dict[str, RunLock] = field(default_factory=dict)
    deferred: deque[Job] = field(default_factory=deque)
    waits: int = 0
    uncommitted: list[str] = field(default_factory=list)
    committed_at: float = field(default_factory=time.monotonic)

    def do(self) -> None:
        """Train all pending jobs."""
        try:
            while self.pending or self.deferred or self.running:
                self.executor.check()
                if time.monotonic() - self.committed_at > _COMMIT_INTERVAL:
                    self._commit()
                while (
                    self.pending
                    and len(self.running) < self.executor.size
                    and not self._must_wait()
                ):
                    self._start_run(self.pending.popleft())
                self._collect()
                self._retry_deferred()
                self.reporter.tick(min(len(self.running), self.executor.workers))
        finally:
            with held_back():  # a second signal must not skip the commit
                self._release(*(self.locks.keys() - self.uncommitted))
                self._commit()

    def _must_wait(self) -> bool:
        """Return whether the next run has to wait.

        After the death of a worker, its run is retried while no other run is in training: if
        another worker dies, the run is the cause.
        """
        lost = self.pending[0].tries or any(job.tries for job in self.running.values())
        return bool(self.running and lost)

    def _start_run(self, job: Job) -> None:
        """Lock a run and submit it, unless another process trains it or has trained it."""
        with held_back():
            lock = self.store.lock(job.run_id)
            if lock is not None:
                self.locks[job.run_id] = lock
        if lock is None:
            self.deferred.append(job)
            return
        try:
            # Another sweep may have finished the run in the meantime.
            record = self._known(job)
            if record is None:
                self.running[self.executor.submit(job, self.options)] = job
        except BaseException:
            self._release(job.run_id)
            raise
        if record is not None:
            self.uncommitted.append(job.run_id)
            self.records[job.run_id] = record
            self.reporter.recorded(record)

    def _known(self, job: Job) -> Record | None:
        """Return the run's stored record; if there is none, find a prefix to continue."""
        if self.options.force:
            return None
        record = _stored(self.store, job, self.options, self.reporter)
        if record is None:
            steps = evaluation_steps(job.config)
            job.prefix = self.store.longest_prefix(job.run_id, job.blank.identity, steps)
        return record

    def _collect(self) -> None:
        """Wait briefly for runs to end, and store the records of those that ended."""
        done = wait(self.running, _POLL, FIRST_COMPLETED).done if self.running else set()
        for future in done:
            job = self.running[future]
            record = _outcome(future, job, self.executor, self.reporter)
            if record is None:
                self.pending.appendleft(job)
                self._release(job.run_id)
            else:
                self.uncommitted.append(job.run_id)
                _keep(record, self.store, self.reporter)
                self.records[record.run_id] = record
                self.reporter.recorded(record)
                if record.status == FAILED and self.options.stop_on_error:
                    self.pending.clear()
                    self.deferred.clear()
            del self.running[future]

    def _retry_deferred(self) -> None:
        """If only runs that other processes train are left, retry them."""
        if self.running or self.pending or not self.deferred:
            return
        self.pending, self.deferred = self.deferred, deque()
        self.waits += 1
        if self.waits == _PATIENCE:
            others = ", ".join(job.run_id for job in self.pending)
            self.reporter.noted(f"waiting for another process, which is training {others}")
        time.sleep(_POLL)

    def _commit(self) -> None:
        """Sync the records of finished runs to disk and release their locks."""
        try:
            self.store.commit(self.uncommitted)
        finally:
            self._release(*self.uncommitted)
            self.uncommitted.clear()
            self.committed_at = time.monotonic()

    def _release(self, *run_ids: str) -> None:
        """Release the locks of runs."""
        with held_back():
            for run_id in run_ids:
                self.locks.pop(run_id).release()


def _keep(record: Record, store: Store, reporter: Reporter) -> None:
    """Write a record, unless it failed and the store has a valid record of the run."""
    try:
        valid = record.status == FAILED and store.read(record.run_id) is not None
    except DamagedRecord:
        valid = False
    if valid:
        reporter.noted(f"{record.run_id} failed when trained again; the old record is kept")
    else:
        store.write(record)


def _outcome(
    future: Future[Record], job: Job, executor: Executor, reporter: Reporter
) -> Record | None:
    """Return the record, or ``None`` if the worker died and the run is to be retried."""
    try:
        record = future.result()
    except WorkerDied as error:
        job.tries += 1
        if job.tries < executor.tries:
            reporter.noted(f"a worker died; retrying {job.run_id}")
            return None
        reason = " ".join(str(error).split())
        died = f"its worker process died {executor.tries} times, the last time with: {reason}"
        return job.failed(died)
    except SweepStopped:
        raise
    except Exception:
        return job.failed(traceback.format_exc())
    if record.run_id != job.run_id:
        return job.failed("its data or own functions changed while the sweep was running")
    return record
