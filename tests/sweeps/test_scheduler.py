"""Sweeps: every run once, on all cores, failing softly, and gone on with after any end."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp import __version__
from nnexp.analysis.arms import compare
from nnexp.config.run_config import RunConfig
from nnexp.store.locks import RunLock
from nnexp.store.store import Store
from nnexp.store.tables import load
from nnexp.training.trainer import Trainer
from tests import ROOT
from tests.conftest import Command, Outcome, first_of_each_kind

TINY = ("data=blobs", "data.n=100", "batch_size=20", "epochs=2")
BLOBS = (*TINY, "hidden=4")
ALONE, PAIR = "hydra.launcher.workers=1", "hydra.launcher.workers=2"
STORE = Path("results/runs")


def table(name: str, *untold: str) -> list[dict[str, str]]:
    """Return a table of the last sweep, without the columns ``untold``."""
    folder = max(Path("results/sweeps").iterdir(), key=lambda p: p.stat().st_mtime_ns)
    with (folder / name).open(newline="") as file:
        return [{k: v for k, v in r.items() if k not in untold} for r in csv.DictReader(file)]


def records(store: Path = STORE) -> dict[str, int]:
    """Return the records in a store, and when each was written, in nanoseconds."""
    return {p.parent.name: p.stat().st_mtime_ns for p in store.glob("[!.]*/run.json")}


def metrics(store: Path) -> dict[str, str]:
    """Return the text of every run's metrics, the timing column taken out."""
    texts = {}
    for file in store.glob("[!.]*/metrics.csv"):
        rows = [line.split(",") for line in file.read_text().splitlines()]
        timing = rows[0].index("seconds")
        texts[file.parent.name] = "\n".join(",".join(r[:timing] + r[timing + 1 :]) for r in rows)
    return texts


def own(text: str, name: str = "mine.py") -> None:
    """Write a file of the user's own functions."""
    Path(name).write_text("import os, sys, time\nfrom pathlib import Path\n\n" + text)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note the seed of every run that begins training in this process."""
    seeds: list[int] = []
    begin = Trainer.__init__

    def noted(self: Trainer, config: RunConfig, *rest: Any) -> None:
        seeds.append(config.seed)
        begin(self, config, *rest)

    monkeypatch.setattr(Trainer, "__init__", noted)
    return seeds


# The store.


@pytest.mark.slow
def test_the_same_line_again_trains_nothing(quick: Command, trained: list[int]) -> None:
    line = ("-m", *BLOBS, "seed=range(3)", "init=he,zero", ALONE)
    first = quick(*line)
    assert first.status == 0, first.err
    assert "in the store" not in first.err
    assert sorted(trained) == [0, 0, 1, 1, 2, 2]
    before, told = records(), table("runs.csv", "reused")
    assert len(before) == 6
    again = quick(*line)
    assert again.status == 0
    assert "6 of 6 already in the store" in again.err
    assert len(trained) == 6
    assert records() == before
    assert table("runs.csv", "reused") == told
    assert {row["reused"] for row in table("runs.csv")} == {"True"}


@pytest.mark.slow
def test_more_seeds_train_only_the_new(quick: Command, trained: list[int]) -> None:
    assert quick("-m", *BLOBS, "seed=range(2)", ALONE).status == 0
    outcome = quick("-m", *BLOBS, "seed=range(4)", ALONE)
    assert "2 of 4 already in the store" in outcome.err
    assert trained == [0, 1, 2, 3]
    assert [row["seed"] for row in table("runs.csv")] == ["0", "1", "2", "3"]
    assert [row["reused"] for row in table("runs.csv")] == ["True", "True", "False", "False"]


@pytest.mark.slow
def test_a_single_run_and_a_sweep_share_their_runs(quick: Command, trained: list[int]) -> None:
    assert quick(*BLOBS, "seed=1").status == 0
    assert quick("-m", *BLOBS, "seed=1,2", ALONE).status == 0
    assert trained == [1, 2]
    outcome = quick(*BLOBS, "seed=2")
    assert "1 of 1 already in the store" in outcome.err
    assert trained == [1, 2]


@pytest.mark.slow
def test_what_is_no_setting_of_a_run_is_no_part_of_its_identity(quick: Command) -> None:
    for words in (
        ("store=a",),
        ("store=b", "force=true", "hydra.run.dir=elsewhere"),
        ("store=c", "save_weights=true", "on_error=stop", ALONE),
        ("-m", "store=d", "hydra.sweep.dir=there", PAIR),
    ):
        assert quick(*BLOBS, *words).status == 0
    stores = [set(records(Path(name))) for name in "abcd"]
    assert stores == [stores[0]] * 4
    assert len(stores[0]) == 1
    assert Path("elsewhere/runs.csv").is_file()
    assert Path("there/runs.csv").is_file()


@pytest.mark.slow
def test_force_trains_again(quick: Command, trained: list[int]) -> None:
    assert quick(*BLOBS).status == 0
    before = records()
    outcome = quick(*BLOBS, "force=true")
    assert "already in the store" not in outcome.err
    assert trained == [0, 0]
    after = records()
    assert after.keys() == before.keys()
    assert after != before


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        (*BLOBS, "optimizer=adam", "lr=0.01"),
        ("data.train_size=600", "hidden=20", "epochs=2", "batch_size=10"),
        ("data.train_size=1000", "hidden=90", "epochs=3", "batch_size=full"),
    ],
    ids=["plain", "delayed", "lanes"],
)
def test_the_numbers_do_not_depend_on_the_number_of_workers(
    quick: Command, data: tuple[str, ...]
) -> None:
    line = (*data, "activation=sigmoid,relu")
    for workers in (1, 3):
        words = ("-m", *line, "seed=0,1", f"store=w{workers}", f"hydra.launcher.workers={workers}")
        assert quick(*words).status == 0
    for choice in (("activation=sigmoid", "seed=1"), ("activation=relu", "seed=0")):
        assert quick(*data, *choice, "store=single").status == 0
    one, three, single = (metrics(Path(name)) for name in ("w1", "w3", "single"))
    assert len(one) == 4
    assert one == three
    assert len(single) == 2
    assert single.items() <= one.items()
    one_layers, three_layers, single_layers = (
        {p.parent.name: p.read_bytes() for p in Path(name).glob("[!.]*/layers.csv")}
        for name in ("w1", "w3", "single")
    )
    assert one_layers == three_layers
    assert single_layers.items() <= one_layers.items()


# Failing softly.

BROKEN = """
def init(rng, fan_in, fan_out):
    raise RuntimeError("a leaking tap")
"""


@pytest.mark.parametrize("workers", [ALONE, pytest.param(PAIR, marks=pytest.mark.slow)])
def test_a_run_that_raises_is_recorded_and_the_rest_go_on(quick: Command, workers: str) -> None:
    own(BROKEN)
    outcome = quick("-m", *BLOBS, "init=he,mine.py:init,zero", "seed=0,1", workers)
    assert outcome.status == 1
    assert "Traceback" not in outcome.err
    statuses = Counter((row["init"], row["status"]) for row in table("runs.csv"))
    assert statuses == {
        ("he", "finished"): 2,
        ("mine.py:init", "failed"): 2,
        ("zero", "finished"): 2,
    }
    failed = [row for row in table("runs.csv") if row["status"] == "failed"]
    assert {row["test_accuracy"] for row in failed} == {""}
    for row in failed:
        run = json.loads((STORE / row["run_id"] / "run.json").read_text())
        assert run["error"].rstrip().endswith("RuntimeError: a leaking tap")
        assert "mine.py" in run["error"]
        named, remedy = (line for line in outcome.out.splitlines() if row["run_id"] in line)
        assert "failed" in named
        assert "RuntimeError: a leaking tap" in named
        assert f"python -m nnexp.runs show {row['run_id']}" in remedy


@pytest.mark.slow
def test_a_failed_run_is_tried_again_by_the_same_line(quick: Command) -> None:
    own("def init(rng, i, o):\n    assert Path('mended').exists()\n    return rng.random((i, o))\n")
    line = ("-m", *BLOBS, "init=mine.py:init", "seed=0,1", ALONE)
    assert quick(*line).status == 1
    Path("mended").touch()
    outcome = quick(*line)
    assert outcome.status == 0
    assert "already in the store" not in outcome.err
    assert {row["status"] for row in table("runs.csv")} == {"finished"}


def test_a_wrong_derivative_is_told_before_anything_trains(quick: Command) -> None:
    own(
        "import numpy as np\n"
        "def wrong(z):\n    return np.sin(z), z\n"
        "def right(z):\n    return np.sin(z), np.cos(z)\n"
        "def kinked(z):\n    return np.abs(z), np.sign(z)\n"
    )
    names = "activation=relu,mine.py:wrong,mine.py:right,mine.py:kinked"
    outcome = quick("-m", *BLOBS, names, ALONE)
    assert outcome.status == 0
    (told,) = (line for line in outcome.err.splitlines() if line.startswith("note: "))
    assert told.startswith("note: mine.py:wrong returns the derivative 4.01 at z = 4.01, where the")
    assert "slope of its values is -0.643" in told


@pytest.mark.slow
def test_a_finished_record_outlives_a_training_that_fails(quick: Command) -> None:
    own("def init(rng, i, o):\n    assert Path('sound').exists()\n    return rng.random((i, o))\n")
    Path("sound").touch()
    line = ("-m", *BLOBS, "init=mine.py:init", "seed=0,1", ALONE)
    assert quick(*line).status == 0
    before = records()
    Path("sound").unlink()
    outcome = quick(*line, "save_weights=true")
    assert outcome.status == 1
    assert "the old record is kept" in outcome.err
    assert {row["status"] for row in table("runs.csv")} == {"failed"}
    assert records() == before


@pytest.mark.slow
def test_runs_on_other_data_or_functions_are_other_arms(quick: Command) -> None:
    rng = np.random.default_rng(0)
    for name, noise in (("easy", 0.1), ("hard", 9.0)):
        y = rng.integers(0, 2, 60)
        x = y[:, None] + noise * rng.random((60, 2))
        lines = [f"{label},{a:.4f},{b:.4f}" for (a, b), label in zip(x, y, strict=True)]
        Path(f"{name}.csv").write_text("label,a,b\n" + "\n".join(lines) + "\n")
    data = ("data=csv", "data.scale=raw", "data.test_fraction=0.3", "hidden=3", "epochs=1")
    sweep = ("data.train=easy.csv,hard.csv", "batch_size=10", "seed=0,1", ALONE)
    outcome = quick("-m", *data, *sweep)
    assert outcome.status == 0, outcome.err
    assert len({row["data.digest"] for row in table("runs.csv")}) == 2
    runs = compare(*load(max(Path("results/sweeps").iterdir()))).runs
    assert runs["arm"].value_counts().tolist() == [2, 2]
    own("def init(rng, i, o):\n    return rng.random((i, o))\n")
    assert quick("-m", *BLOBS, "init=he,mine.py:init", ALONE).status == 0
    named = [(row["init"], len(row["init.source"])) for row in table("runs.csv")]
    assert named == [("he", 0), ("mine.py:init", 8)]


@pytest.mark.slow
def test_on_error_stop_begins_nothing_more(quick: Command, trained: list[int]) -> None:
    own(BROKEN)
    line = ("-m", *BLOBS, "init=he,mine.py:init,zero,randn", ALONE)
    outcome = quick(*line, "on_error=stop")
    assert outcome.status == 1
    assert len(trained) == 2
    assert [row["status"] for row in table("runs.csv")] == ["finished", "failed"]
    assert quick(*line).status == 1
    assert len(trained) == 5


@pytest.mark.slow
def test_a_diverged_run_is_a_result(quick: Command) -> None:
    line = ("-m", *TINY, "activation=relu", "hidden=4x4", "lr=0.1,1e30", ALONE)
    outcome = quick(*line)
    assert outcome.status == 0
    rows = {row["lr"]: row for row in table("runs.csv")}
    assert rows["0.1"]["status"] == "finished"
    assert rows["1e+30"]["status"] == "diverged"
    assert rows["1e+30"]["test_loss"] == "inf"
    assert float(rows["1e+30"]["test_accuracy"]) < 1
    assert re.search("1 diverged|diverged", outcome.out)
    assert "2 of 2 already in the store" in quick(*line).err


@pytest.mark.slow
@pytest.mark.parametrize("way", ["sys.exit(3)", "raise SystemExit", "raise MemoryError"])
def test_a_function_cannot_end_the_sweep(quick: Command, way: str) -> None:
    own(f"def init(rng, fan_in, fan_out):\n    {way}\n")
    outcome = quick("-m", *BLOBS, "init=mine.py:init,he", ALONE)
    assert outcome.status == 1
    assert [row["status"] for row in table("runs.csv")] == ["failed", "finished"]


@pytest.mark.parametrize(
    ("deed", "reason"),
    [("unlink()", "there is no file"), ("write_text(text + '#')", "changed while the sweep")],
)
def test_a_function_that_changes_in_mid_sweep_is_not_taken_for_what_it_was(
    quick: Command, deed: str, reason: str
) -> None:
    own(
        "def init(rng, fan_in, fan_out):\n"
        "    text = Path('mine.py').read_text()\n"
        f"    Path('mine.py').{deed}\n"
        "    return rng.random((fan_in, fan_out))\n"
    )
    outcome = quick("-m", *TINY, "hidden=none", "init=mine.py:init", "seed=0,1", ALONE)
    assert outcome.status == 1
    assert [row["status"] for row in table("runs.csv")] == ["finished", "failed"]
    assert reason in outcome.out


# Workers that die.


@pytest.mark.slow
def test_a_worker_killed_once_costs_another_try(quick: Command) -> None:
    own(
        "def init(rng, fan_in, fan_out):\n"
        "    if not Path('killed').exists():\n"
        "        Path('killed').touch()\n"
        "        os.kill(os.getpid(), 9)\n"
        "    return rng.random((fan_in, fan_out))\n"
    )
    outcome = quick("-m", *BLOBS, "init=mine.py:init,he", "seed=range(3)", PAIR)
    assert outcome.status == 0, outcome.out
    assert "a worker died" in outcome.err
    assert Counter(row["status"] for row in table("runs.csv")) == {"finished": 6}


POISON = """
def init(rng, fan_in, fan_out):
    with open('tries', 'a') as file:
        print(rng.random(), file=file)
    os.kill(os.getpid(), 9)
"""


@pytest.mark.slow
def test_a_run_that_always_kills_its_worker_fails_and_harms_nobody(quick: Command) -> None:
    own(POISON)
    line = ("-m", *BLOBS, "init=he,mine.py:init,zero", "seed=0,1", PAIR)
    outcome = quick(*line)
    assert outcome.status == 1
    statuses = Counter((row["init"], row["status"]) for row in table("runs.csv"))
    assert statuses[("he", "finished")] == statuses[("zero", "finished")] == 2
    assert statuses[("mine.py:init", "failed")] == 2
    tries = Counter(Path("tries").read_text().split())
    assert len(tries) == 2
    assert set(tries.values()) <= {2, 3}  # one may have been lost while it waited its turn
    assert outcome.out.count("its worker process died 3 times") == 2


# Real processes: interrupted, and two at once.

SLOW = ("data=blobs", "data.n=3000", "hidden=50", "batch_size=5")
COUNTED = """
def init(rng, fan_in, fan_out):
    if fan_in == 2:
        with open('trainings', 'a') as file:
            file.write(f'{rng.bit_generator.state["state"]["state"]}\\n')
    return rng.standard_normal((fan_in, fan_out))
"""


def start(folder: Path, *words: str, module: str = "nnexp") -> subprocess.Popen[str]:
    """Start ``python -m nnexp`` as a process with a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, *words: str) -> Outcome:
    """Run ``python -m nnexp`` as a process of its own, but without a page."""
    process = start(folder, *words, module="tests.without_page")
    out, err = process.communicate(timeout=120)
    return Outcome(process.returncode, out, err)


def living(session: int) -> list[str]:
    """Return the command lines of a session's living processes."""
    listing = subprocess.run(["ps", "-ewwo", "sess=,stat=,args="], capture_output=True, text=True)
    rows = (line.split(None, 2) for line in listing.stdout.splitlines())
    return [row[2] for row in rows if row[0] == str(session) and not row[1].startswith("Z")]


def all_end(session: int) -> bool:
    """Wait for a session's processes, not for long; tell whether all have ended."""
    begin = time.monotonic()
    while living(session) and time.monotonic() - begin < 5:
        time.sleep(0.05)
    return living(session) == []


def only_progress(lines: list[str]) -> bool:
    return all(re.search(r"runs to train$| done, ", line) for line in lines)


needs_ps = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("ps") is None, reason="lists processes with Linux's ps"
)


@pytest.mark.serial
@needs_ps
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kill", "number", "expected"),
    [(os.kill, signal.SIGTERM, 143), (os.killpg, signal.SIGINT, 130)],
    ids=["kill", "Ctrl-C"],
)
def test_an_interrupted_sweep_ends_at_once_and_is_gone_on_with(
    tmp_path: Path, kill: Callable[[int, int], None], number: int, expected: int
) -> None:
    """A terminal sends Ctrl-C to every process of the group, ``kill`` a SIGTERM to the driver."""
    line = ("-m", *SLOW, "epochs=2", "seed=range(8)", PAIR)
    process = start(tmp_path, *line)
    store = tmp_path / STORE
    while process.poll() is None and not records(store):
        time.sleep(0.01)
    begin = time.monotonic()
    kill(process.pid, number)
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - begin < 2
    assert process.returncode == expected
    *progress, last = err.splitlines()
    assert only_progress(progress)
    assert last.startswith("Interrupted. ")
    assert "rerun to resume" in last
    assert out == ""
    assert all_end(process.pid)
    kept = records(store)
    assert 1 <= len(kept) < 8
    outcome = run(tmp_path, *line)
    assert outcome.status == 0, outcome.err
    assert f"{len(kept)} of 8 already in the store" in outcome.err
    assert kept.items() <= records(store).items()
    assert len(records(store)) == 8


@pytest.mark.serial
@pytest.mark.slow
def test_an_interrupted_single_run(tmp_path: Path) -> None:
    process = start(tmp_path, *SLOW, "steps=1000000", "evaluate_every='100 steps'")
    assert process.stderr is not None
    assert "step 0" in process.stderr.readline()
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - begin < 2
    assert process.returncode == 130
    assert "rerun to resume" in err.splitlines()[-1]
    assert "Traceback" not in err


@pytest.mark.slow
@needs_ps
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130)],
)
def test_a_signal_at_any_moment_leaves_no_lock_and_no_worker(
    tmp_path: Path, number: int, status: int
) -> None:
    for seeds in ("range(0,100)", "range(100,200)"):
        line = ("-m", *BLOBS, f"seed={seeds}", PAIR)
        before = len(records(tmp_path / STORE))
        process = start(tmp_path, *line)
        while process.poll() is None and len(records(tmp_path / STORE)) <= before:
            time.sleep(0.01)
        os.killpg(process.pid, number)
        _, err = process.communicate(timeout=120)
        assert process.returncode == status
        *progress, last = err.splitlines()
        assert only_progress(progress)
        assert last.startswith("Interrupted. ")
        assert os.listdir(tmp_path / STORE / ".locks") == ["guard"]
        assert all_end(process.pid)


@pytest.mark.slow
def test_a_second_signal_does_not_skip_the_commit(
    quick: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run ends, another sends a signal, and a second one comes when its lock is released."""
    own(
        "def ends(rng, fan_in, fan_out):\n"
        "    while not list(Path('results/runs').glob('blobs*/run.json')):\n"
        "        time.sleep(0.01)\n"
        f"    os.kill({os.getpid()}, {signal.SIGINT:d})\n"
        "    time.sleep(60)\n"
    )
    release = RunLock.release
    impatient = [signal.SIGINT]

    def released(self: RunLock) -> None:
        if impatient:
            signal.raise_signal(impatient.pop())
        release(self)

    monkeypatch.setattr(RunLock, "release", released)
    outcome = quick("-m", *BLOBS, "init=xavier,mine.py:ends", PAIR)
    assert outcome.status == 130
    assert not impatient
    assert len(records()) == 1
    assert Store(STORE).locked() == []


@pytest.mark.slow
def test_a_run_that_waits_for_another_process_says_so(quick: Command, tmp_path: Path) -> None:
    assert quick(*BLOBS).status == 0
    (run_id,) = records()
    shutil.rmtree(STORE / run_id)
    lock = Store(tmp_path / STORE).lock(run_id)
    assert lock is not None
    process = start(tmp_path, *BLOBS)
    assert process.stderr is not None
    begin = time.monotonic()
    told = process.stderr.readline()
    assert told == f"waiting for another process, which is training {run_id}\n"
    assert time.monotonic() - begin > 2
    lock.release()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "waiting" not in err


@pytest.mark.slow
@needs_ps
def test_workers_do_not_outlive_a_killed_driver(tmp_path: Path) -> None:
    process = start(tmp_path, "-m", *SLOW, "epochs=200", "seed=range(4)", PAIR)
    while sum("nnexp-worker" in line for line in living(process.pid)) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert all_end(process.pid)


@pytest.mark.slow
def test_two_sweeps_at_once_share_the_work(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(COUNTED)
    line = ("-m", *SLOW, "epochs=2", "init=mine.py:init", PAIR)
    processes = [
        start(tmp_path, *line, *words, module="tests.without_page")
        for words in (
            ("seed=range(6)", "hydra.sweep.dir=one"),
            ("seed=range(2,8)", "hydra.sweep.dir=two"),
        )
    ]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    trainings = Counter((tmp_path / "trainings").read_text().split())
    assert len(trainings) == 8
    assert set(trainings.values()) == {1}
    assert len(records(tmp_path / STORE)) == 8
    for name, seeds in (("one", range(6)), ("two", range(2, 8))):
        rows = list(csv.DictReader((tmp_path / name / "runs.csv").read_text().splitlines()))
        assert [row["seed"] for row in rows] == [str(seed) for seed in seeds]
        assert {row["status"] for row in rows} == {"finished"}


# Named arms, and files of experiments.

STUDY = """
# @package _global_
# a study of two arms
arms:
  low: [lr=0.1, init=he]
  high: [lr=1, init=zero, bias_init=rand]
defaults:
  - override /data: blobs
data: {n: 100}
batch_size: 20
epochs: 1
hidden: 4
"""


def study(text: str, name: str = "mine") -> None:
    Path("experiments").mkdir(exist_ok=True)
    Path("experiments", f"{name}.yaml").write_text(text.lstrip())


@pytest.mark.parametrize("arm", ["arm=low,high", "arm=all"])
def test_named_arms(quick: Command, arm: str) -> None:
    study(STUDY)
    outcome = quick("-m", "+experiments=mine", arm, "seed=0,1", ALONE)
    assert outcome.status == 0, outcome.err
    told = [(row["lr"], row["init"], row["bias_init"], row["seed"]) for row in table("runs.csv")]
    assert told == [
        ("0.1", "he", "zero", "0"),
        ("0.1", "he", "zero", "1"),
        ("1.0", "zero", "rand", "0"),
        ("1.0", "zero", "rand", "1"),
    ]


@pytest.mark.slow
def test_an_arm_is_the_same_run_as_its_settings_written_out(
    quick: Command, trained: list[int]
) -> None:
    study(STUDY)
    assert quick("+experiments=mine", "arm=high").status == 0
    plain = ("data=blobs", "data.n=100", "batch_size=20", "epochs=1", "hidden=4")
    outcome = quick(*plain, "lr=1", "init=zero", "bias_init=rand")
    assert "1 of 1 already in the store" in outcome.err
    assert trained == [0]


def test_the_command_line_beats_the_arm_and_the_arm_the_file(quick: Command) -> None:
    study(STUDY + "lr: 7\n")
    outcome = quick("-m", "+experiments=mine", "arm=low", "init=randn", ALONE)
    assert outcome.status == 0
    assert "note: init overrides settings of the arms" in outcome.err
    (row,) = table("runs.csv")
    assert (row["lr"], row["init"]) == ("0.1", "randn")


@pytest.mark.slow
def test_an_arm_bears_its_name_only_while_it_is_what_it_sets(quick: Command) -> None:
    study(STUDY)
    line = ("-m", "+experiments=mine", "arm=all", ALONE)
    assert quick(*line, "lr=0.1,0.2").status == 0
    assert not any(row.get("arm") for row in table("runs.csv"))
    outcome = quick(*line, "steps=1", "epochs=null")
    assert "note" not in outcome.err
    assert [row["arm"] for row in table("runs.csv")] == ["low", "high"]
    outcome = quick("-m", "+experiments=mine", "arm=low", "lr=0.1", ALONE)
    assert "note" not in outcome.err
    assert [row["arm"] for row in table("runs.csv")] == ["low"]


@pytest.mark.slow
def test_a_negative_zero_is_a_zero(quick: Command) -> None:
    words = ("init=constant", "bias_init=constant", "activation=leaky_relu")
    zeros = ("init.value=0.0", "bias_init.value=0", "weight_decay=0", "activation.slope=0.0")
    assert quick(*TINY, *words, *zeros).status == 0
    outcome = quick(*TINY, *words, *(zero.replace("=0", "=-0") for zero in zeros))
    assert "1 of 1 already in the store" in outcome.err
    own("def init(rng, i, o, shift=0.0):\n    return rng.random((i, o)) + shift\n")
    assert quick(*TINY, "init=mine.py:init", "init.shift=0.0").status == 0
    outcome = quick(*TINY, "init=mine.py:init", "init.shift=-0.0")
    assert "1 of 1 already in the store" in outcome.err


def test_a_study_may_name_its_own_sweep(quick: Command) -> None:
    params = "hydra: {sweeper: {params: {arm: all, seed: 'range(2)'}}}\n"
    study(STUDY + params)
    assert quick("-m", "+experiments=mine", "seed=5", ALONE).status == 0
    assert [(row["lr"], row["seed"]) for row in table("runs.csv")] == [("0.1", "5"), ("1.0", "5")]


# By kind: a file, the rest of the command, and what its one sentence must say.
WRONG = {
    "arm": [
        (STUDY, "arm=lo", ["unknown arm 'lo'", "did you mean 'low'", "high, low"]),
        (STUDY, "arm=low,none", ["unknown arm 'none'", "high, low"]),
        (STUDY, "arm=high,high", ["already"]),
    ],
    "setting of an arm": [
        (STUDY.replace("lr=1,", "lrr=1,"), "arm=all", ["unknown key 'lrr'"]),
        (STUDY.replace("lr=1,", "lr=-1,"), "arm=all", ["lr=-1"]),
        (STUDY.replace("lr=1,", "'lr=1,2',"), "arm=all", ["high", "lr=1,2"]),
        (STUDY.replace("lr=1,", "store=x,"), "arm=all", ["high", "'store'"]),
    ],
    "form of an arm": [
        (STUDY.replace("[lr=0.1, init=he]", "5"), "arm=all", ["arm 'low'", "list of overrides"]),
        (STUDY.replace("[lr=0.1, init=he]", "[5]"), "arm=all", ["arm 'low'", "list of overrides"]),
    ],
    "name of an arm": [
        (STUDY.replace("low:", "null:"), "", ["line 4", "cannot be called 'null'"]),
        (STUDY.replace("low:", "'null':"), "arm='null'", ["cannot be called 'null'"]),
        (STUDY.replace("low:", "all:"), "arm=all", ["cannot be called 'all'"]),
        (STUDY.replace("low:", "1:"), "arm=all", ["cannot be called '1'"]),
    ],
    "setting": [
        (STUDY + "lr: fast\n", "", ["lr=fast"]),
        (STUDY + "nosuch: 1\n", "", ["mine.yaml", "nosuch"]),
        (STUDY.replace("/data: blobs", "/init: nosuch"), "", ["unknown init 'nosuch'"]),
    ],
    "file": [
        (STUDY + "arm: [unclosed\n", "", ["mine.yaml", "line"]),
        (STUDY + "\tlr: 1\n", "", ["mine.yaml", "line"]),
        ("[1, 2]\n", "", ["mine.yaml"]),
        ("just words\n", "", ["mine.yaml", "just words"]),
    ],
}


@pytest.mark.parametrize(("text", "words", "parts"), first_of_each_kind(WRONG))
def test_a_wrong_experiment_is_refused_with_one_sentence(
    quick: Command, text: str, words: str, parts: list[str]
) -> None:
    study(text)
    outcome = quick("-m", "+experiments=mine", "seed=0,1", *words.split())
    assert outcome.status == 2
    assert len(outcome.err.splitlines()) == 1, outcome.err
    for part in parts:
        assert part in outcome.err
    assert not Path("results").exists()


# What is shown.


def test_progress_is_logged_where_there_is_no_terminal(
    quick: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnexp.cli.progress._LOG_EVERY", 0.0)
    outcome = quick("-m", *BLOBS, "seed=range(4)", ALONE)
    lines = [line for line in outcome.err.splitlines() if "composed" not in line]
    assert re.fullmatch(r"1 of 4 done, .*3 left after \d+ s", lines[0])
    assert re.fullmatch(r"4 of 4 done, 0 left after \d+ s", lines[-1])
    assert "\x1b" not in outcome.err + outcome.out


@pytest.mark.slow
def test_composing_many_runs_shows_how_far_it_is(
    quick: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "composed" not in quick("-m", *BLOBS, "seed=range(4)", ALONE).err
    monkeypatch.setattr("nnexp.cli.progress._LOG_EVERY", 0.0)
    outcome = quick("-m", *BLOBS, "seed=range(4)", ALONE)
    told = [line for line in outcome.err.splitlines() if "composed" in line]
    assert told == [f"{count} of 4 runs composed" for count in (1, 2, 3, 4)]


def test_on_a_terminal_one_line_is_kept_up_to_date(terminal: tuple[int, int]) -> None:
    code = (
        "import nnexp.cli.progress as display\n"
        "display._SHOW_EVERY = 0.0\n"
        "for _ in display.followed([0] * 5, 'runs composed'): pass\n"
    )
    ours, theirs = terminal
    environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], stderr=theirs, env=environment, check=True)
    shown = os.read(ours, 100_000).decode()
    assert "of 5 runs composed" in shown
    assert "\x1b[2K" in shown


def test_a_sweep_of_one(quick: Command) -> None:
    outcome = quick("-m", *BLOBS)
    assert outcome.status == 0
    assert len(table("runs.csv")) == 1
    assert "finished" in outcome.out


def test_the_composed_settings_can_be_shown(nnexp: Command) -> None:
    outcome = nnexp("--cfg", "job", "init=normal", "lr=0.25")
    assert outcome.status == 0
    assert "lr: 0.25" in outcome.out
    assert "name: normal" in outcome.out
    assert "std: 0.01" in outcome.out
    wrong = nnexp("--cfg", "job", "lrr=1")
    assert wrong.status == 2
    assert "did you mean 'lr'" in wrong.err
    assert "Traceback" not in wrong.err


def test_help_lists_every_choice(nnexp: Command) -> None:
    text = nnexp("--help").out
    for file in (ROOT / "conf").rglob("*.yaml"):
        if file.parent.name not in ("conf", "launcher", "sweeper"):
            assert re.search(rf"^ +{file.stem} +\w.*", text, flags=re.M), file.stem
    main = (ROOT / "conf" / "run.yaml").read_text()
    for key in re.findall(r"^(\w+): .* # ", main, flags=re.M):
        assert re.search(rf"^ +{key}=", text, flags=re.M), key
    for experiment in (ROOT / "experiments").rglob("*.yaml"):
        assert experiment.stem in text


@pytest.mark.slow
def test_version_and_the_console_script(nnexp: Command, tmp_path: Path) -> None:
    assert nnexp("--version") == (0, f"nnexp {__version__}\n", "")
    (entry,) = re.findall(r'^nnexp = "([\w.]+):main"$', (ROOT / "pyproject.toml").read_text(), re.M)
    outcome = subprocess.run(
        [sys.executable, "-c", f"import sys; from {entry} import main; sys.exit(main())", "seed=x"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert outcome.returncode == 2
    assert outcome.stderr.startswith("nnexp: seed=x is invalid")


# A user's own functions.

OWN = """
import numpy as np

def init(rng, fan_in, fan_out, spread=0.5):
    return spread * rng.standard_normal((fan_in, fan_out))

def activation(z):
    return np.tanh(z), 1 - np.tanh(z) ** 2

def loss(logits, targets):
    difference = logits - targets
    return (difference**2).sum(axis=1) / 2, difference
"""


@pytest.mark.slow
def test_functions_of_the_users_own_train_alike_in_workers_and_alone(quick: Command) -> None:
    own(OWN)
    words = ("init=mine.py:init", "init.spread=0.1,0.2", "activation=mine.py:activation")
    line = ("-m", *BLOBS, *words, "loss=mine.py:loss")
    for workers in (ALONE, PAIR):
        outcome = quick(*line, workers, f"store=w{workers[-1]}")
        assert outcome.status == 0, outcome.out + outcome.err
    assert len(metrics(Path("w1"))) == 2
    assert metrics(Path("w1")) == metrics(Path("w2"))
    assert {row["init.spread"] for row in table("runs.csv")} == {"0.1", "0.2"}
