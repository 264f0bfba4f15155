"""Worker processes: fresh interpreters that make calls, one at a time each.

They communicate through pipes alone. A call travels to a worker pickled over its standard
input, and the answer comes back over its standard output. A worker ends when its input does, so
none outlives its driver. Ctrl-C and SIGTERM are handled by the driver alone.
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
_BOOTSTRAP = """
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
    """A worker ended before it answered; only its own call is lost."""


class WorkerPool:
    """A number of worker processes, started on demand and replaced when they die.

    Every worker has one BLAS thread. Use as a context manager, or call `shutdown`.
    """

    def __init__(self, count: int) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], bytes] | None] = SimpleQueue()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._shut_down = False
        # Daemons, so that the interpreter does not wait for them at exit.
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
        """Make ``call`` in a worker; the call and what it returns must be picklable.

        The future fails with `WorkerDied` if the worker dies before it answers.
        """
        future: Future[T] = Future()
        self._calls.put((future, pickle.dumps(call)))
        return future

    def shutdown(self) -> None:
        """Kill all workers and wait until they are gone; calls without an answer are dropped."""
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
        """Pass calls on to one worker, and to another after its death, until shut down."""
        if hasattr(signal, "pthread_sigmask"):  # the worker inherits it
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
            with suppress(OSError):  # what could not be sent
                pipe.close()  # type: ignore[union-attr]


def _request(process: subprocess.Popen[bytes], call: bytes) -> Any:
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
    """Answer ``calls`` in a worker process, until its input ends."""
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
    """Pass calls on; end the process at once when the driver has gone."""
    with suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            waiting.put(pickle.load(calls))
    os._exit(0)


def _answer(call: bytes) -> bytes:
    """Make a call; return its value, its error and the traceback, pickled."""
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
            summary = RuntimeError(trace.strip().splitlines()[-1])
            return pickle.dumps((None, summary, trace))
        return answer
