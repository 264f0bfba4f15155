"""Worker processes: what they answer, how they end, and how little of the system they need."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nnexp.process.threads import ONE_THREAD
from nnexp.sweeps.processes import WorkerDied, WorkerPool
from tests import ROOT

needs_signals = pytest.mark.skipif(
    not hasattr(signal, "pthread_sigmask"), reason="this system has no signal masks"
)


def says(text: str) -> Callable[[], object]:
    """Return a call that evaluates ``text`` in a worker."""
    return functools.partial(eval, text, {"__name__": "users"})


@pytest.fixture
def workers() -> Iterator[WorkerPool]:
    with WorkerPool(1) as workers:
        yield workers


def test_calls_are_answered_by_as_many_processes_as_there_are_workers() -> None:
    with WorkerPool(2) as workers:
        text = "(__import__('time').sleep(0.2), __import__('os').getpid())[1]"
        pids = [call.result() for call in [workers.submit(says(text)) for _ in range(6)]]
    assert len(set(pids)) == 2
    assert os.getpid() not in pids


def test_a_worker_has_one_blas_thread_and_the_drivers_search_path(workers: WorkerPool) -> None:
    environment = workers.submit(says("dict(__import__('os').environ)")).result()
    assert isinstance(environment, dict)
    assert {name: environment[name] for name in ONE_THREAD} == ONE_THREAD
    assert workers.submit(says("__import__('sys').path")).result() == sys.path


def test_modules_of_the_working_directory_do_not_stand_in_for_the_standard_librarys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pickle.py").write_text("raise RuntimeError('mine')\n")
    monkeypatch.chdir(tmp_path)
    with WorkerPool(1) as workers:
        assert workers.submit(says("1 + 1")).result() == 2


def test_a_worker_that_dies_fails_one_call_and_is_replaced(workers: WorkerPool) -> None:
    texts = ["1", "__import__('os')._exit(3)", "3"]
    one, died, three = [workers.submit(says(text)) for text in texts]
    with pytest.raises(WorkerDied, match="exit status 3"):
        died.result()
    assert (one.result(), three.result()) == (1, 3)


@needs_signals
def test_how_a_killed_worker_ended_is_told(workers: WorkerPool) -> None:
    with pytest.raises(WorkerDied, match="killed by SIGKILL"):
        workers.submit(says("(os := __import__('os')).kill(os.getpid(), 9)")).result()


def test_errors_travel_with_the_place_where_they_were_raised(workers: WorkerPool) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        workers.submit(says("1 / 0")).result()
    assert "<string>" in str(raised.value.__cause__)
    assert workers.submit(says("2")).result() == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(_ for _ in ()).throw(type('Odd', (Exception,), {})('a leaking tap'))", "a leaking tap"),
        ("__import__('sys').exit(3)", "SystemExit: 3"),
        ("lambda: 0", "lambda"),
        ("__import__('json').JSONDecodeError", None),
    ],
    ids=["local class", "exit", "value", "class"],
)
def test_what_cannot_be_pickled_becomes_an_error_that_can(
    workers: WorkerPool, text: str, said: str | None
) -> None:
    call = workers.submit(says(text))
    if said is None:
        assert isinstance(call.result(), type)
    else:
        with pytest.raises(Exception, match=said):
            call.result()
    assert workers.submit(says("2")).result() == 2


def test_a_call_that_prints_and_reads_does_no_harm(
    workers: WorkerPool, capfd: pytest.CaptureFixture[str]
) -> None:
    text = "(print('hello'), __import__('os').write(1, b'raw'), __import__('sys').stdin.read())[2]"
    assert workers.submit(says(text)).result() == ""
    out, err = capfd.readouterr()
    assert out == ""
    assert "hello" in err
    assert "raw" in err


def test_large_calls_and_answers(workers: WorkerPool) -> None:
    large = bytes(3_000_000)
    assert workers.submit(functools.partial(bytes.__add__, large, b"1")).result() == large + b"1"


def test_dismissing_waits_for_nothing() -> None:
    workers = WorkerPool(2)
    calls = [workers.submit(says("__import__('time').sleep(60)")) for _ in range(4)]
    while not all(call.running() for call in calls[:2]):
        time.sleep(0.01)
    begin = time.monotonic()
    workers.shutdown()
    assert time.monotonic() - begin < 20
    assert all(isinstance(call.exception(), WorkerDied) for call in calls[:2])
    assert all(call.cancelled() for call in calls[2:])


SCRIPT = """
import functools, sys, time
from nnexp.sweeps.processes import WorkerPool
workers = WorkerPool(2)
print(workers.submit(functools.partial(pow, 2, 10)).result(), flush=True)
calls = [workers.submit(functools.partial(time.sleep, 60)) for _ in range(3)]
while not calls[1].running():
    time.sleep(0.01)
"""


def in_a_script(folder: Path, script: str, **environment: str) -> subprocess.Popen[str]:
    """Start a plain script, without a guard around its main part, in a session of its own."""
    (folder / "script.py").write_text(script)
    return subprocess.Popen(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "1 / 0"])
def test_a_script_that_dismisses_nobody_ends_all_the_same(tmp_path: Path, end: str) -> None:
    process = in_a_script(tmp_path, SCRIPT + end, PATH="")
    out, err = process.communicate(timeout=20)
    assert out == "1024\n"
    assert process.returncode == {"": 0, "1 / 0": 1}.get(end, 3), err
    assert err == "" or "ZeroDivisionError" in err.splitlines()[-1]


# A call counts as running before its worker is there.
WATCHED = f"""{SCRIPT}
while len(workers._processes) < 2:
    time.sleep(0.01)
print(*(p.pid for p in workers._processes), flush=True)
time.sleep(60)
"""


@needs_signals
def test_no_worker_outlives_a_killed_driver(tmp_path: Path) -> None:
    process = in_a_script(tmp_path, WATCHED)
    assert process.stdout is not None
    assert process.stdout.readline() == "1024\n"
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 2
    process.kill()
    process.communicate(timeout=20)  # until the last of them has closed its standard error
    begin = time.monotonic()
    while any(map(lives, pids)):
        assert time.monotonic() - begin < 10
        time.sleep(0.01)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


@needs_signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_never_hear_of_ctrl_c_or_sigterm(workers: WorkerPool, number: int) -> None:
    text = f"(os := __import__('os')).kill(os.getpid(), {int(number)}) or os.getpid()"
    pid = workers.submit(says(text)).result()
    assert workers.submit(says("__import__('os').getpid()")).result() == pid
