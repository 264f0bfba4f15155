"""Worker processes: fresh interpreters, each of which makes one call at a time.

Calls are pickled and sent to a worker's standard input; results come back on its standard output. A
worker ends when its input is closed, so it does not outlive its driver. Only the driver handles
Ctrl-C and SIGTERM.
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

from nnexp.process.interrupts import SIGNALS
from nnexp.process.startup import hush
from nnexp.process.threads import ONE_THREAD

T = TypeVar("T")

# The code of a worker. It sets the driver's search path before importing nnexp, and first removes
# the working directory from its own, where other modules may lie.
_BOOTSTRAP = """
import sys
sys.path = [*filter(None, sys.path)]
import os, pickle
calls = os.fdopen(os.dup(0), "rb")
sys.path = pickle.load(calls)
from nnexp.sweeps.processes import serve
serve(calls)
"""
# Identifies workers in a list of processes.
_NAME = "nnexp-worker"
# Seconds to wait for a thread to notice that its worker was killed.
_MOMENT = 1.0


class WorkerDied(RuntimeError):
    """A worker ended before it returned a result; only its own call is lost."""


class WorkerPool:
    """A pool of worker processes, started on demand and replaced when they die.

    Each worker has one BLAS thread. Use the pool as a context manager, or call `shutdown`.
    """

    def __init__(self, count: int) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], bytes] | None] = SimpleQueue()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._shut_down = False
        # The interpreter does not wait for daemon threads at exit.
        self._threads = [
            threading.Thread(target=self._handle_calls, daemon=True) for _ in range(count)
        ]
        for thread in self._threads:
            thread.start()
        atexit.register(self.shutdown)

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Make ``call`` in a worker; the call and its result must be picklable.

        The future fails with `WorkerDied` if the worker dies before it returns a result.
        """
        future: Future[T] = Future()
        self._calls.put((future, pickle.dumps(call)))
        return future

    def shutdown(self) -> None:
        """Kill all workers and wait until they have ended; unfinished calls are dropped."""
        with self._lock:
            self._shut_down = True
            processes = list(self._processes)
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join(_MOMENT)
        atexit.unregister(self.shutdown)

    def _handle_calls(self) -> None:
        """Send calls to one worker, which is replaced if it dies, until shut down."""
        if hasattr(signal, "pthread_sigmask"):  # the worker inherits the mask
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        process = None
        while (item := self._calls.get()) is not None:
            future, call = item
            if self._shut_down:
                future.cancel()
            if future.set_running_or_notify_cancel():
                try:
                    process = process or self._start()
                    future.set_result(_request(process, call))
                except WorkerDied as error:
                    self._end(process)
                    process = None
                    future.set_exception(error)
                except BaseException as error:
                    future.set_exception(error)
        self._end(process)

    def _start(self) -> subprocess.Popen[bytes]:
        """Start a worker, unless the pool is shut down."""
        with self._lock:
            if self._shut_down:
                raise WorkerDied("it was shut down")
            process = subprocess.Popen(
                [sys.executable, "-c", _BOOTSTRAP, _NAME],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **ONE_THREAD},
                # Windows has no signal masks: a separate group does not receive Ctrl-C.
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
            self._processes.add(process)
        with suppress(OSError):  # already dead; its first call will fail
            _send(process.stdin, sys.path)
        return process

    def _end(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is None:
            return
        process.kill()
        process.wait()
        with self._lock:
            self._processes.discard(process)
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):  # unsent data cannot be flushed
                pipe.close()  # type: ignore[union-attr]


def _request(process: subprocess.Popen[bytes], call: bytes) -> Any:
    """Return the result of a pickled call in a worker, or raise its exception."""
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
    """Return how a process ended, as text."""
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"exit status {status}"


def serve(calls: BinaryIO) -> None:
    """Make ``calls`` in a worker process until its input ends."""
    hush()
    answers = os.fdopen(os.dup(1), "wb")
    # A call may read and print: its input is empty, and its output goes to standard error.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr  # unbuffered
    waiting: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(calls, waiting), daemon=True).start()
    while True:
        pickle.dump(_answer(waiting.get()), answers)
        answers.flush()


def _listen(calls: BinaryIO, waiting: SimpleQueue[bytes]) -> None:
    """Queue calls; end the process at once when the driver has ended."""
    with suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            waiting.put(pickle.load(calls))
    os._exit(0)


def _answer(call: bytes) -> bytes:
    """Make a call and return its value, error and traceback, pickled."""
    try:
        return pickle.dumps((pickle.loads(call)(), None, ""))
    except BaseException as error:
        trace = traceback.format_exc()
        try:
            if not isinstance(error, Exception):
                raise TypeError
            answer = pickle.dumps((None, error, trace))
            pickle.loads(answer)
        except Exception:  # the error cannot be pickled, or is not an Exception
            summary = RuntimeError(trace.strip().splitlines()[-1])
            return pickle.dumps((None, summary, trace))
        return answer
