"""Sweeps on a real Dask cluster: scheduler and workers are processes, each in an empty folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import nnexp
from nnexp.process.threads import ONE_THREAD
from nnexp.store.compare_runs import IDENTICAL, TOLERANCES, compare
from nnexp.store.record import FAILED, FINISHED
from nnexp.store.store import Store
from nnexp.training.execute import environment, execute
from tests import ROOT
from tests.cli.conftest import STUDY, define
from tests.conftest import Outcome

if find_spec("distributed") is None:
    pytest.skip("distributed is not installed", allow_module_level=True)

ROOT = str(ROOT)
PLAIN = {k: v for k, v in os.environ.items() if k not in (*ONE_THREAD, "PYTHONPATH")}
PATIENCE = 60.0
# Seconds that a machine with other things to do may take longer.
BUSY = 2.0
TINY = ("steps=3", "hidden=4", "data=blobs", "data.n=60", "batch_size=10")
# A sweep of eight runs that take little time, and one of eight that take a few tenths of a second,
# most of which they sleep.
LITTLE = ("init=xavier,he", "seed=0,1,2,3", "steps=30", "data.train_size=500", "hidden=20")
LONG = ("init=tests.sweeps.naps.narrow,tests.sweeps.naps.wide", "seed=0,1,2,3", *TINY)
# Makes a Python find no nnexp, though it is installed.
HIDE = """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "nnexp":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hide())
"""
# Drawing a page takes longer than the runs of these sweeps.
WITHOUT_PAGE = ("-m", "tests.without_page")


class Cluster:
    """A scheduler and workers on this machine's loopback, each a process in a folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self.start("scheduler", "--host", "127.0.0.1", "--port", "0", path="")
        self.file = home / "scheduler.json"
        self.address = self.wait_for_address()

    def start(
        self, kind: str, *options: str, path: str = ROOT, **env: str
    ) -> subprocess.Popen[bytes]:
        """Start a scheduler or a worker; ``path`` is its PYTHONPATH."""
        folder = self.home / f"{kind}-{len(list(self.home.glob('*.log')))}"
        folder.mkdir()
        words = ["--scheduler-file", str(self.home / "scheduler.json"), "--no-dashboard", *options]
        with (self.home / f"{folder.name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{kind}", *words],
                cwd=folder,
                env={**PLAIN, "PYTHONPATH": path, **env},
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def work(self, *options: str, path: str = ROOT, **env: str) -> subprocess.Popen[bytes]:
        """Start a worker of one thread and no nanny, unless ``options`` say otherwise."""
        chosen = options or ("--no-nanny", "--nthreads", "1")
        return self.start("worker", *chosen, path=path, **env)

    def wait_for_address(self) -> str:
        """Wait until the scheduler is there and return its address."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.file.exists() and (text := self.file.read_text()):
                return str(json.loads(text)["address"])
            time.sleep(0.05)
        raise TimeoutError("the scheduler does not start")

    def folders(self, kind: str) -> list[Path]:
        """Return the folders in which the schedulers, or the workers, were started."""
        return [path for path in self.home.glob(f"{kind}-*") if path.is_dir()]

    def stop(self, keep: int = 0) -> None:
        """Kill every process but the first ``keep``."""
        for process in reversed(self.processes[keep:]):
            process.kill()
        for process in self.processes[keep:]:
            process.wait()
        del self.processes[keep:]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler that has no nnexp, and two workers: one under a nanny, one with two threads."""
    home = tmp_path_factory.mktemp("cluster")
    (home / "hide").mkdir()
    (home / "hide" / "sitecustomize.py").write_text(HIDE)
    made = Cluster(home)
    try:
        made.work("--nthreads", "1")
        made.work("--no-nanny", "--nthreads", "2")
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def lone_scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster without a worker."""
    made = Cluster(tmp_path_factory.mktemp("lone"))
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def own_cluster(lone_scheduler: Cluster) -> Iterator[Cluster]:
    """That cluster, whose workers are this test's own to do harm to."""
    try:
        yield lone_scheduler
    finally:
        lone_scheduler.stop(keep=1)


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, ...]]:
    """What the records of the long sweep say when it runs on this machine."""
    home = tmp_path_factory.mktemp("near")
    assert run(home, *LONG, "store=near").status == 0
    return numbers(home / "near")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The driver's folder."""
    (tmp_path / "driver").mkdir()
    return tmp_path / "driver"


def driver(
    home: Path, words: Sequence[str], command: Sequence[str] = (*WITHOUT_PAGE, "-m")
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command, *words],
        cwd=home,
        env={**PLAIN, "PYTHONPATH": ROOT},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str], timeout: float = PATIENCE) -> Outcome:
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return Outcome(process.returncode, out, err)


def run(home: Path, *words: str) -> Outcome:
    return ended(driver(home, words))


def on(address: str) -> tuple[str, ...]:
    return ("hydra/launcher=dask", f"hydra.launcher.scheduler={address}")


def numbers(store: Path) -> dict[str, tuple[Any, ...]]:
    """Return what every record of a store says, ignoring elapsed time."""
    found: dict[str, tuple[Any, ...]] = {}
    for run_id in Store(store).run_ids():
        record = Store(store).load(run_id)
        metrics = [{k: v for k, v in row.items() if k != "seconds"} for row in record.metrics]
        found[run_id] = (record.status, record.config, record.columns, metrics, record.layers)
    return found


def wait_for_runs(store: Path, count: int) -> None:
    """Wait until a store holds so many runs."""
    deadline = time.monotonic() + PATIENCE
    while not (store.is_dir() and len(Store(store).run_ids()) >= count):
        assert time.monotonic() < deadline, "no run ends"
        time.sleep(0.02)


def refused(outcome: Outcome, home: Path) -> str:
    """Check for status 2, one sentence and nothing written; return the sentence."""
    assert outcome.status == 2, outcome.err
    assert outcome.out == ""
    assert outcome.err.startswith("nnexp: ")
    assert outcome.err.count("\n") == 1, outcome.err
    assert not (home / "results").exists()
    return outcome.err


def stopped(outcome: Outcome) -> str:
    """Check for status 1 and one sentence at the end, without a traceback; return it."""
    assert outcome.status == 1, outcome.err
    assert "Traceback" not in outcome.err
    sentence = outcome.err.splitlines()[-1]
    assert sentence.startswith("nnexp: ")
    assert sentence.endswith("run the same command again to continue")
    return sentence


@pytest.mark.slow
def test_all_runs_arrive_equal_to_the_bit_to_local_ones(cluster: Cluster, home: Path) -> None:
    words = (*LITTLE, "save_weights=true", "store=far", *on(cluster.address))
    status, _, err = run(home, *words)
    assert status == 0, err
    store = Store(home / "far")
    assert len(store.run_ids()) == 8
    for run_id in store.run_ids():
        far = store.load(run_id)
        Store(home / "near").write(execute(far.config, save_weights=True))
        near = Store(home / "near").load(run_id)
        assert compare(near, far, TOLERANCES["float64"]).verdict == IDENTICAL
        assert near.weights is not None
    assert numbers(home / "far") == numbers(home / "near")
    # No record was left where the workers were started.
    for folder in cluster.folders("worker"):
        assert not list(folder.rglob("*.csv"))


@pytest.mark.slow
def test_studies_run_on_the_cluster_and_are_judged_as_at_home(
    cluster: Cluster, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    Path("experiments").mkdir()
    define(text=STUDY.replace("  launcher: {{workers: 1}}\n", ""))
    found = []
    for place, words in (("far", on(cluster.address)), ("near", ())):
        line = ("tiny", *words, f"store={place}", "--results", f"{place}-results")
        outcome = ended(driver(home, line, ["-m", "nnexp.reproduce"]), timeout=3 * PATIENCE)
        assert outcome.status == 0, outcome.err
        tables = [Path(f"{place}-results/tiny") / name for name in ("claims.csv", "metrics.csv.xz")]
        found.append([pd.read_csv(t).drop(columns="seconds", errors="ignore") for t in tables])
    for far, near in zip(*found, strict=True):
        pd.testing.assert_frame_equal(far, near)
    assert len(numbers(home / "far")) == 12
    assert numbers(home / "far") == numbers(home / "near")


@pytest.mark.serial
@pytest.mark.slow
def test_a_scheduler_that_is_not_there_is_one_sentence_within_five_seconds(home: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    start = time.monotonic()
    sentence = refused(run(home, *TINY, *on(address)), home)
    assert time.monotonic() - start < 5 + BUSY
    assert f"no Dask scheduler at hydra.launcher.scheduler={address}" in sentence


@pytest.mark.slow
def test_something_else_that_listens_there_is_one_sentence_too(home: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        address = f"tcp://127.0.0.1:{deaf.getsockname()[1]}"
        assert "no Dask scheduler at" in refused(run(home, *TINY, *on(address)), home)


ADDRESSES = {
    "null": "hydra.launcher.scheduler=None is not an address",
    "nonsense://there:1": "nonsense://there:1 is not the address of a Dask scheduler",
    "http://there:1": "give tcp://HOST:8786",
    "ucx://127.0.0.1:1": "give tcp://HOST:8786",
    "inproc://127.0.0.1:1": "give tcp://HOST:8786",
    "tls://127.0.0.1:1": "tls://127.0.0.1:1 needs certificates",
    "garbage": "no Dask scheduler at",
    "'tcp://[::1'": "no Dask scheduler at",
    "tcp://127.0.0.1:port": "no Dask scheduler at",
    "12": "hydra.launcher.scheduler=12 is not an address",
    "tcp://h:1 hydra.launcher.wait=-1": "hydra.launcher.wait=-1 is invalid",
}
# Gives several commands, each of which is to end with one sentence, in one process.
SEVERAL = """
import contextlib, io, json, sys
from nnexp.cli.app import main
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(words)
    print(json.dumps([status, out.getvalue(), err.getvalue()]))
"""


@pytest.mark.slow
def test_a_bad_address_is_one_sentence(home: Path) -> None:
    lines = [" ".join(("-m", *TINY, *on(address))).split() for address in ADDRESSES]
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, json.dumps(lines)],
        cwd=home,
        env={**PLAIN, "PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    outcomes = [Outcome(*json.loads(line)) for line in done.stdout.splitlines()]
    for outcome, said in zip(outcomes, ADDRESSES.values(), strict=True):
        assert said in refused(outcome, home)


@pytest.mark.slow
def test_no_worker_at_all_is_one_sentence(own_cluster: Cluster, home: Path) -> None:
    words = (*TINY, *on(own_cluster.address), "hydra.launcher.wait=1")
    sentence = refused(run(home, *words), home)
    assert (
        f"no worker has connected to the Dask scheduler at {own_cluster.address} in 1 s" in sentence
    )


@pytest.mark.slow
@pytest.mark.parametrize("lack", ["no nnexp", "nnexp 0.0.1"])
def test_a_worker_without_this_nnexp_is_one_sentence(
    lack: str, own_cluster: Cluster, home: Path
) -> None:
    other = home.parent / "other"
    (other / "nnexp").mkdir(parents=True)
    if lack == "no nnexp":
        (other / "sitecustomize.py").write_text(HIDE)
    else:
        (other / "nnexp" / "__init__.py").write_text('__version__ = "0.0.1"\n')
    own_cluster.work(path=str(other))
    sentence = refused(run(home, *TINY, *on(own_cluster.address)), home)
    assert f"has {lack}, but this is nnexp {nnexp.__version__}" in sentence
    assert "the Dask worker tcp://127.0.0.1:" in sentence


@pytest.mark.slow
def test_files_that_the_runs_read_must_be_the_same_on_the_workers(
    cluster: Cluster, home: Path
) -> None:
    def save(folder: Path, seed: int) -> None:
        x, y = np.random.default_rng(seed).integers(0, 255, (60, 6)), np.arange(60) % 3
        np.savez(folder / "digits.npz", x_train=x, y_train=y, x_test=x, y_test=y)
        source = f"def mine(rng, i, o):\n    return rng.normal(size=(i, o)) / {seed + 1}\n"
        (folder / "mine.py").write_text(source)

    words = ("init=mine.py:mine", "seed=0,1", "steps=3", "hidden=4", "batch_size=10")
    ours = (*words, "data=npz", "data.file=digits.npz")
    save(home, 0)
    missing = refused(run(home, *ours, *on(cluster.address)), home)
    assert "digits.npz cannot be read" in missing or "there is no file" in missing
    assert "put the files that they read there too, under the same path" in missing
    for folder in cluster.folders("worker"):
        save(folder, 1)
    assert "data: npz differs from this machine's" in refused(
        run(home, *ours, *on(cluster.address)), home
    )
    another = refused(run(home, *words, "data=blobs", *on(cluster.address)), home)
    assert "init: mine.py:mine differs from this machine's" in another
    for folder in cluster.folders("worker"):
        save(folder, 0)
    assert run(home, *ours, "store=far", *on(cluster.address)).status == 0
    assert run(home, *ours, "store=near").status == 0
    assert numbers(home / "far") == numbers(home / "near")


@pytest.mark.slow
def test_a_worker_that_lives_on_trains_an_edited_function_as_it_is_now(
    own_cluster: Cluster, home: Path
) -> None:
    def save(scale: int, width: str) -> None:
        for folder in (home, *own_cluster.folders("worker")):
            source = "import width\ndef g(rng, i, o):\n"
            source += f"    return rng.normal(size=(i, o)) / width.of(i) * {scale}\n"
            (folder / "mymod.py").write_text(source)
            (folder / "width.py").write_text(f"def of(inputs): return {width}\n")
            for file in ("mymod.py", "width.py"):
                os.utime(folder / file, (1e9, 1e9))

    own_cluster.work("--no-nanny", "--nthreads", "2")
    words = ("init=mymod.g", "seed=0,1", *TINY)
    found = []
    for scale, width in ((1, "9"), (2, "9"), (2, "8")):
        save(scale, width)
        far = f"far{scale}{width}"
        status, _, err = run(home, *words, f"store={far}", *on(own_cluster.address))
        assert status == 0, err
        found.append(numbers(home / far))
    assert run(home, *words, "store=near").status == 0
    assert found[-1] == numbers(home / "near")
    assert len({run_id for runs in found for run_id in runs}) == 6
    losses = {repr(run[3]) for runs in found for run in runs.values()}
    assert len(losses) == 6


@pytest.mark.slow
def test_a_run_that_fails_there_is_recorded_here(cluster: Cluster, home: Path) -> None:
    source = "def mine(rng, i, o):\n    raise RuntimeError('no luck')\n"
    for folder in (home, *cluster.folders("worker")):
        (folder / "bad.py").write_text(source)
    words = ("init=xavier,bad.py:mine", *TINY)
    status, out, err = run(home, *words, *on(cluster.address))
    assert status == 1, err
    assert "RuntimeError: no luck" in out
    records = [
        Store(home / "results" / "runs").load(r) for r in Store(home / "results" / "runs").run_ids()
    ]
    assert sorted(record.status for record in records) == [FAILED, FINISHED]


@pytest.mark.serial
@pytest.mark.slow
def test_ctrl_c_ends_within_two_seconds(cluster: Cluster, home: Path) -> None:
    words = (*LONG, "store=far", *on(cluster.address))
    process = driver(home, words)
    wait_for_runs(home / "far", 1)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    status, _, err = ended(process)
    assert time.monotonic() - start < 2 + BUSY
    assert status == 130
    assert "Traceback" not in err
    kept = numbers(home / "far")
    assert run(home, *words).status == 0
    assert len(numbers(home / "far")) == 8
    assert kept.items() <= numbers(home / "far").items()
    # Once more needs no cluster.
    again = run(home, *words[:-1], "hydra.launcher.scheduler=tcp://127.0.0.1:1")
    assert again.status == 0
    assert "8 of 8 already in the store" in again.err


@pytest.mark.slow
@pytest.mark.parametrize("nanny", [False, True])
def test_a_worker_killed_in_mid_sweep_costs_time_alone(
    nanny: bool, own_cluster: Cluster, home: Path, near: dict[str, tuple[Any, ...]]
) -> None:
    for _ in range(2):
        own_cluster.work("--nthreads", "1", *([] if nanny else ["--no-nanny"]))
    process = driver(home, (*LONG, "store=far", *on(own_cluster.address)))
    wait_for_runs(home / "far", 2)
    victim = own_cluster.processes[-1].pid
    if nanny:
        children = Path(f"/proc/{victim}/task/{victim}/children")
        if not children.exists():
            pytest.skip("needs /proc to find the nanny's worker")
        victim = max(map(int, children.read_text().split()))
    os.kill(victim, signal.SIGKILL)
    status, _, err = ended(process)
    assert status == 0, err
    assert len(near) == 8
    assert numbers(home / "far") == near


@pytest.mark.slow
def test_a_run_that_kills_its_workers_fails_and_the_others_go_on(
    own_cluster: Cluster, home: Path
) -> None:
    for _ in range(2):
        own_cluster.work("--nthreads", "1")
    poison = "import os\ndef mine(rng, i, o):\n    os._exit(9)\n"
    for folder in (home, *own_cluster.folders("worker")):
        (folder / "poison.py").write_text(poison)
    words = ("init=poison.py:mine,xavier,he,lecun", *TINY)
    status, out, _ = run(home, *words, *on(own_cluster.address))
    assert status == 1
    assert "all those workers died while running it" in out
    store = Store(home / "results" / "runs")
    ends = {run_id.split("-")[1]: store.header(run_id)["status"] for run_id in store.run_ids()}
    assert ends == {"mine": FAILED, "xavier": FINISHED, "he": FINISHED, "lecun": FINISHED}


@pytest.mark.slow
def test_a_scheduler_that_dies_leaves_what_was_finished(tmp_path: Path, home: Path) -> None:
    (tmp_path / "cluster").mkdir()
    cluster = Cluster(tmp_path / "cluster")
    try:
        cluster.work()
        process = driver(home, (*LONG, "store=far", *on(cluster.address)))
        wait_for_runs(home / "far", 2)
        cluster.scheduler.kill()
        sentence = stopped(ended(process, 20))
    finally:
        cluster.stop()
    assert f"the Dask scheduler at {cluster.address} was lost" in sentence
    kept = numbers(home / "far")
    assert len(kept) >= 2
    assert not (home / "results" / "sweeps").exists() or not any(
        (home / "results" / "sweeps").iterdir()
    )
    assert run(home, *LONG, "store=far").status == 0
    assert kept.items() <= numbers(home / "far").items()


@pytest.mark.slow
def test_workers_that_all_go_stop_the_sweep(own_cluster: Cluster, home: Path) -> None:
    worker = own_cluster.work()
    words = (*LONG, "store=far", *on(own_cluster.address), "hydra.launcher.wait=2")
    process = driver(home, words)
    wait_for_runs(home / "far", 1)
    worker.kill()
    outcome = ended(process)
    assert "there was no Dask worker for 2 s" in stopped(outcome)


@pytest.mark.slow
def test_a_worker_that_joins_late_and_is_unfit_stops_the_sweep(
    own_cluster: Cluster, home: Path
) -> None:
    (home.parent / "hide").mkdir()
    (home.parent / "hide" / "sitecustomize.py").write_text(HIDE)
    own_cluster.work()
    words = (*LONG, "seed=range(40)", "store=far", *on(own_cluster.address))
    process = driver(home, [word for word in words if word != "seed=0,1,2,3"])
    wait_for_runs(home / "far", 1)
    own_cluster.work(path=str(home.parent / "hide"))
    sentence = stopped(ended(process))
    assert "has no nnexp" in sentence or "cannot run nnexp" in sentence
    assert 1 <= len(numbers(home / "far")) < 80


@pytest.mark.slow
def test_a_worker_that_hangs_is_named(own_cluster: Cluster, home: Path) -> None:
    worker = own_cluster.work()
    before = home / "before"
    before.mkdir()
    assert run(before, "init=xavier", *TINY, *on(own_cluster.address)).status == 0
    worker.send_signal(signal.SIGSTOP)
    sentence = refused(run(home, *TINY, *on(own_cluster.address)), home)
    assert "no answer in 10 s from a Dask worker among tcp://127.0.0.1:" in sentence


@pytest.mark.slow
def test_a_worker_that_computes_otherwise_is_mentioned(own_cluster: Cluster, home: Path) -> None:
    blas = environment()["blas"][0]
    if "openblas" not in blas or "x86" not in environment()["machine"] or "(Haswell)" in blas:
        pytest.skip("needs an OpenBLAS that can be told to compute as on an older processor")
    own_cluster.work(OPENBLAS_CORETYPE="Haswell")
    status, _, err = run(home, *LITTLE, *on(own_cluster.address))
    assert status == 0
    assert err.count("has another blas ['openblas") == 1
    assert "(Haswell)" in err
    (run_id, *_) = Store(home / "results" / "runs").run_ids()
    record = Store(home / "results" / "runs").load(run_id)
    assert "(Haswell)" in record.environment["blas"][0]
