"""Worker processes: fresh interpreters that make calls, one at a time each.

They need nothing of the system but pipes. A call travels to a worker pickled over its standard
input, and the answer comes back over its standard output. A worker ends when its input does, so
none outlives its driver, however that ends. Ctrl-C and SIGTERM are for the driver alone.
"""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from types import TracebackType
from typing import Any, BinaryIO, TypeVar

from nnexp.interrupts import SIGNALS
from nnexp.startup import hush
from nnexp.threads import ONE_THREAD

T = TypeVar("T")

# What a worker runs. It takes the driver's search path before it imports anything of ours, and none
# of the modules that may lie in its working directory.
_BEGIN = """
import sys
sys.path = [*filter(None, sys.path)]
import os, pickle
calls = os.fdopen(os.dup(0), "rb")
sys.path = pickle.load(calls)
from nnexp.sweeps.processes import serve
serve(calls)
"""
# Shows in a list of processes what the interpreter is for.
_NAME = "nnexp-worker"
# Seconds that a thread may take to notice that its worker was killed.
_MOMENT = 1.0


class WorkerDied(RuntimeError):
    """A worker ended before it answered: its call, and no other, is lost."""


class Workers:
    """So many worker processes, started when there is work, each replaced when it dies.

    Every worker has one BLAS thread. Use as a context manager, or call `dismiss`.
    """

    def __init__(self, count: int) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], bytes] | None] = SimpleQueue()
        self._living: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._dismissed = False
        # Daemons: an interpreter that ends waits for none of them.
        self._threads = [threading.Thread(target=self._employ, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()
        atexit.register(self.dismiss)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.dismiss()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Have a worker make ``call``, which can be pickled, as can what it returns.

        The future fails with `WorkerDied` if the worker does not live to answer.
        """
        future: Future[T] = Future()
        self._calls.put((future, pickle.dumps(call)))
        return future

    def dismiss(self) -> None:
        """Kill all workers and wait until they are gone; calls without an answer are dropped."""
        with self._lock:
            self._dismissed = True
            living = list(self._living)
        for process in living:
            process.kill()
        for process in living:
            process.wait()
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join(_MOMENT)
        atexit.unregister(self.dismiss)

    def _employ(self) -> None:
        """Pass calls on to one worker, and to another after its death, until dismissed."""
        if hasattr(signal, "pthread_sigmask"):  # the worker inherits it
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        process = None
        while (item := self._calls.get()) is not None:
            future, call = item
            if self._dismissed:
                future.cancel()
            if future.set_running_or_notify_cancel():
                try:
                    process = process or self._start()
                    future.set_result(_ask(process, call))
                except WorkerDied as error:
                    self._end(process)
                    process = None
                    future.set_exception(error)
                except BaseException as error:
                    future.set_exception(error)
        self._end(process)

    def _start(self) -> subprocess.Popen[bytes]:
        """Start a worker, unless all have been dismissed."""
        with self._lock:
            if self._dismissed:
                raise WorkerDied("it was dismissed")
            process = subprocess.Popen(
                [sys.executable, "-c", _BEGIN, _NAME],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **ONE_THREAD},
                # Windows has no signal masks: a group of its own hears of no Ctrl-C.
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
            self._living.add(process)
        with suppress(OSError):  # dead already, as its first call will tell
            _send(process.stdin, sys.path)
        return process

    def _end(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is None:
            return
        process.kill()
        process.wait()
        with self._lock:
            self._living.discard(process)
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):  # what could not be sent
                pipe.close()  # type: ignore[union-attr]


def _ask(process: subprocess.Popen[bytes], call: bytes) -> Any:
    """Return what a worker answers to a pickled call, or raise what it raised."""
    try:
        _send(process.stdin, call)
        answer = pickle.load(process.stdout)  # type: ignore[arg-type]
    except (OSError, EOFError, pickle.UnpicklingError):
        process.kill()
        raise WorkerDied(_death(process.wait())) from None
    value, error, trace = pickle.loads(answer)
    if error is not None:
        raise error from RuntimeError(f"in a worker process:\n{trace}")
    return value


def _send(pipe: Any, thing: object) -> None:
    pickle.dump(thing, pipe)
    pipe.flush()


def _death(status: int) -> str:
    """Say how a process ended."""
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"exit status {status}"


def serve(calls: BinaryIO) -> None:
    """Answer ``calls`` in a worker process, until there are no more of them."""
    hush()
    answers = os.fdopen(os.dup(1), "wb")
    # A call may read and print: there is nothing to read, and prints go to standard error.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr  # which keeps no line back
    waiting: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(calls, waiting), daemon=True).start()
    while True:
        pickle.dump(_answer(waiting.get()), answers)
        answers.flush()


def _listen(calls: BinaryIO, waiting: SimpleQueue[bytes]) -> None:
    """Pass calls on; end the process, whatever it is doing, when its driver has gone."""
    with suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            waiting.put(pickle.load(calls))
    os._exit(0)


def _answer(call: bytes) -> bytes:
    """Make a call; return, pickled, its value, its error, and where that was raised."""
    try:
        return pickle.dumps((pickle.loads(call)(), None, ""))
    except BaseException as error:
        trace = traceback.format_exc()
        try:
            if not isinstance(error, Exception):
                raise TypeError
            answer = pickle.dumps((None, error, trace))
            pickle.loads(answer)
        except Exception:  # an error that cannot travel, or is meant to end a process
            said = RuntimeError(trace.strip().splitlines()[-1])
            return pickle.dumps((None, said, trace))
        return answer
