"""Running many runs: each once, on all cores, losing nothing.

The driver alone touches the store. It hands runs to worker processes, stores each record as it
comes back, and holds a lock on every run under way, so that two sweeps over one store share the
work instead of doing it twice.
"""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field

from nnexp.errors import SweepStopped
from nnexp.interrupts import held_back
from nnexp.store import versions
from nnexp.store.locks import RunLock
from nnexp.store.record import FAILED, Record
from nnexp.store.store import DamagedRecord, Store
from nnexp.sweeps.executors import Crew, Hire, _Alone, _Crew
from nnexp.sweeps.jobs import Job, Options, Watcher
from nnexp.sweeps.processes import WorkerDied
from nnexp.threads import available_cores
from nnexp.training.trainer import evaluation_steps

_POLL = 0.1
# Seconds that a record waits for others to be synced with.
_SETTLE = 0.5
# Looks at runs that other processes train before the user is told: two seconds.
_PATIENCE = 20


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
        _Work(deque(left), crew, store, options, watcher, records).do()
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
class _Work:
    """A sweep under way: what is left to do, and what is being done, under locks."""

    left: deque[Job]
    crew: Crew
    store: Store
    options: Options
    watcher: Watcher
    records: dict[str, Record]
    held: dict[Future[Record], Job] = field(default_factory=dict)
    locks: dict[str, RunLock] = field(default_factory=dict)
    elsewhere: deque[Job] = field(default_factory=deque)
    waits: int = 0
    # In the store, and not yet known to be on disk.
    unsettled: list[str] = field(default_factory=list)
    settled_at: float = field(default_factory=time.monotonic)

    def do(self) -> None:
        """Do all of it."""
        try:
            while self.left or self.elsewhere or self.held:
                self.crew.check()
                if time.monotonic() - self.settled_at > _SETTLE:
                    self._settle()
                while self.left and len(self.held) < self.crew.size and not self._must_wait():
                    self._begin(self.left.popleft())
                self._finish()
                self._look_elsewhere()
                self.watcher.tick(min(len(self.held), self.crew.workers))
        finally:
            self._free(*(self.locks.keys() - self.unsettled))
            self._settle()

    def _must_wait(self) -> bool:
        """Tell whether the next run must not be begun yet.

        A run that lost its worker goes on alone: if it loses another, it is to blame.
        """
        lost = self.left[0].tries or any(job.tries for job in self.held.values())
        return bool(self.held and lost)

    def _begin(self, job: Job) -> None:
        """Lock a run and hand it to the crew, unless another process has it or had it."""
        with held_back():
            lock = self.store.lock(job.run_id)
            if lock is not None:
                self.locks[job.run_id] = lock
        if lock is None:
            self.elsewhere.append(job)
            return
        try:
            # It may have been finished by another sweep since we looked.
            record = self._known(job)
            if record is None:
                self.held[self.crew.submit(job, self.options)] = job
        except BaseException:
            self._free(job.run_id)
            raise
        if record is not None:
            self.unsettled.append(job.run_id)
            self.records[job.run_id] = record
            self.watcher.recorded(record)

    def _known(self, job: Job) -> Record | None:
        """Return the run's record, if it may be used; else see how much of it has been trained."""
        if self.options.force:
            return None
        record = _stored(self.store, job, self.options, self.watcher)
        if record is None:
            steps = evaluation_steps(job.config)
            job.shorter = self.store.shorter(job.run_id, job.blank.identity, steps)
        return record

    def _finish(self) -> None:
        """Wait a moment for runs to end, and keep the records of those that do."""
        done = wait(self.held, _POLL, FIRST_COMPLETED).done if self.held else set()
        for future in done:
            job = self.held[future]
            record = _outcome(future, job, self.crew, self.watcher)
            if record is None:
                self.left.appendleft(job)
                self._free(job.run_id)
            else:
                self.unsettled.append(job.run_id)
                _keep(record, self.store, self.watcher)
                self.records[record.run_id] = record
                self.watcher.recorded(record)
                if record.status == FAILED and self.options.stop_on_error:
                    self.left.clear()
                    self.elsewhere.clear()
            del self.held[future]

    def _look_elsewhere(self) -> None:
        """Once nothing else is to do, look again at the runs that other processes train."""
        if self.held or self.left or not self.elsewhere:
            return
        self.left, self.elsewhere = self.elsewhere, deque()
        self.waits += 1
        if self.waits == _PATIENCE:
            others = ", ".join(job.run_id for job in self.left)
            self.watcher.noted(f"waiting for another process, which is training {others}")
        time.sleep(_POLL)

    def _settle(self) -> None:
        """See that the records of runs that have ended are on disk, and let go of the runs."""
        try:
            self.store.settle(self.unsettled)
        finally:
            self._free(*self.unsettled)
            self.unsettled.clear()
            self.settled_at = time.monotonic()

    def _free(self, *run_ids: str) -> None:
        """Let go of the locks on runs."""
        with held_back():
            for run_id in run_ids:
                self.locks.pop(run_id).release()


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


def _outcome(future: Future[Record], job: Job, crew: Crew, watcher: Watcher) -> Record | None:
    """Return the record, or ``None`` if the worker died and the run deserves another try."""
    try:
        record = future.result()
    except WorkerDied as error:
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
