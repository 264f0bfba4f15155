"""The store: every run once, whole or not at all, and never trusted blindly."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnexp.config.run_config import RunConfig
from nnexp.errors import InputError
from nnexp.files import write_whole
from nnexp.nn.optimizers import OPTIMIZERS
from nnexp.process.threads import ONE_THREAD
from nnexp.store import versions
from nnexp.store.record import DIVERGED, FAILED, FINISHED, Record, line_from_csv
from nnexp.store.record_files import DamagedRecord
from nnexp.store.store import Store
from nnexp.store.tables import load
from nnexp.sweeps.executors import SerialExecutor
from nnexp.sweeps.jobs import Job, Options
from nnexp.sweeps.processes import WorkerDied
from nnexp.sweeps.scheduler import run_all
from nnexp.training.builder import form
from nnexp.training.execute import execute
from nnexp.training.steps import PlainSteps
from nnexp.training.trainer import Evaluation
from tests import ROOT
from tests.conftest import Command
from tests.settings import RUN

BLOBS = {"name": "blobs", "n": 60, "classes": 3, "std": 0.5}
DEFAULTS: dict[str, Any] = {
    **RUN,
    "data": BLOBS,
    "hidden": [5],
}


class Notes:
    """A watcher that only keeps what it is told."""

    def __init__(self) -> None:
        self.reused: list[str] = []
        self.notes: list[str] = []

    def started(self, total: int, reused: Sequence[Record]) -> None:
        """Keep which runs the store held."""
        self.reused = [record.run_id for record in reused]

    def evaluated(self, job: Job, evaluation: Evaluation) -> None:
        """Let it pass."""

    def recorded(self, record: Record) -> None:
        """Let it pass."""

    def noted(self, message: str) -> None:
        """Keep the message."""
        self.notes.append(message)

    def tick(self, running: int) -> None:
        """Let it pass."""


def config(**settings: Any) -> RunConfig:
    return RunConfig.from_mapping({**DEFAULTS, **settings})


def train(store: Store, watcher: Notes | None = None, /, **settings: Any) -> Record:
    """Have a run from the store, or train it in this process."""
    weights = settings.pop("save_weights", False)
    store.folder.mkdir(exist_ok=True)
    options = Options(workers=1, save_weights=weights)
    (record,) = run_all([Job(config(**settings))], store, options, watcher or Notes())
    return record


def untimed(record: Record) -> list[dict[str, Any]]:
    """Return all that a run measured, but for the time it took."""
    timeless = [{k: v for k, v in row.items() if k != "seconds"} for row in record.metrics]
    return timeless + record.layers


def plain(record: Record) -> str:
    """Return all of a record but its weights as text, every float exact, nan equal to nan."""
    return json.dumps(asdict(replace(record, weights=None, reused=False)), sort_keys=True)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


# Writing and reading.


@pytest.mark.parametrize(
    "settings",
    [
        {"data": {**BLOBS, "validation": 9}, "evaluate_at": [1, 2]},
        {"lr": 1e30, "activation": "relu", "hidden": "5x5", "evaluate_line": 3},
        {"evaluate_line": 3},
        {"hidden": "none", "steps": 3, "epochs": None, "dtype": "float64"},
    ],
    ids=["validation", "diverged", "line", "no hidden layer"],
)
def test_a_record_is_read_as_it_was_written(store: Store, settings: dict[str, Any]) -> None:
    record = execute(config(**settings).to_mapping(), save_weights=True)
    assert record.status == (DIVERGED if "lr" in settings else FINISHED), record.error
    assert any(row["batch_loss"] is None for row in record.metrics)
    if record.status == DIVERGED:
        assert record.metrics[-1]["test_loss"] == math.inf
    store.write(record)
    back = store.read(record.run_id)
    assert back is not None
    assert back.weights is not None
    assert record.weights is not None
    assert back.weights.keys() == record.weights.keys()
    for name, array in record.weights.items():
        assert back.weights[name].dtype == array.dtype
        assert back.weights[name].tobytes() == np.asarray(array).tobytes()
    assert back.reused
    assert plain(back) == plain(record)


def test_numbers_keep_every_bit(store: Store) -> None:
    record = execute(config().to_mapping())
    odd = [math.inf, 5e-324, 0.1 + 0.2, 1 / 3, 1.7976931348623157e308, 1e22, None, 0.0]
    first = record.metrics[0]
    record.metrics = [{**first, "step": i, "batch_loss": x} for i, x in enumerate(odd)]
    store.write(record)
    back = store.read(record.run_id)
    assert back is not None
    assert [row["batch_loss"] for row in back.metrics] == odd
    assert [type(row["step"]) for row in back.metrics] == [int] * len(odd)


def test_the_names_of_the_files_and_what_they_hold(store: Store) -> None:
    record = train(store)
    folder = store.path(record.run_id)
    assert sorted(p.name for p in folder.iterdir()) == [
        *("config.yaml", "decision_regions.csv", "layers.csv", "metrics.csv", "run.json")
    ]
    assert folder.name.startswith("blobs-xavier-sigmoid-5-lr0.5-s3-")
    metrics = pd.read_csv(folder / "metrics.csv")
    assert metrics.columns[0] == "run_id"
    assert metrics["step"].tolist() == [0, 3, 6]
    assert set(metrics["init"]) == {"xavier"}
    run = json.loads((folder / "run.json").read_text())
    assert run["status"] == FINISHED
    versions = run["environment"]
    assert versions["numpy"] == np.__version__
    assert versions["blas_threads"] == 1
    assert {"nnexp", "python", "blas", "commit", "dirty"} <= versions.keys()


def test_where_milestones_are_first_reached() -> None:
    record = execute(config().to_mapping())
    first = record.metrics[0]
    scores = [0.1, 0.9, 0.8999, 0.96, 0.9]
    record.metrics = [{**first, "step": i, "test_accuracy": a} for i, a in enumerate(scores)]
    row = record.summary_row()
    assert row["steps_to_90"] == 1
    assert row["steps_to_95"] == 3
    assert row["steps_to_97"] is None
    assert row["step"] == 4
    assert row["test_accuracy"] == 0.9


# Whole or not at all.

CRASHES = """
import os, sys
from pathlib import Path
from dataclasses import replace
from nnexp.store.store import Store
from nnexp.sweeps.executors import SerialExecutor
from nnexp.training.execute import execute
from tests.store.test_store import config

folder = Path(sys.argv[1])
first = replace(execute(config().to_mapping(), save_weights=True), seconds=1.0)
second = replace(first, seconds=2.0)
EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir")


def crash_at(count):
    left = iter(range(count))

    def audit(event, arguments):
        if event in EVENTS and next(left, None) is None:
            os._exit(9)

    sys.addaudithook(audit)


for earlier in (None, first):
    crashes = 0
    while True:
        store = Store(folder / f"{earlier is None}-{crashes}")
        if earlier:
            store.write(earlier)
            store.commit([earlier.run_id])
        pid = os.fork()
        if pid == 0:
            crash_at(crashes)
            store.write(second)
            store.commit([second.run_id])
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        store.folder.mkdir(exist_ok=True)
        seen = store.read(first.run_id)
        lock = store.lock(first.run_id)
        found = store.read(first.run_id)
        lock.release()
        seconds = found and found.seconds
        assert seconds in ((1.0, 2.0) if earlier else (None, 2.0)), (crashes, seconds)
        assert seen is None or seen.seconds == seconds
        assert sorted(os.listdir(store.folder)) == [".locks", first.run_id][: 2 if found else 1]
        store.write(second)
        assert store.read(first.run_id).seconds == 2.0
        if code == 0:
            break
        assert code == 9
        crashes += 1
    print(crashes)
"""


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_the_old_record_or_the_new(tmp_path: Path) -> None:
    """Kill it before each thing it does to the disk; the next who takes the lock clears up."""
    root = ROOT
    outcome = subprocess.run(
        [sys.executable, "-c", CRASHES, str(tmp_path)],
        env={**os.environ, **ONE_THREAD, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert outcome.returncode == 0, outcome.stderr
    alone, replacing = map(int, outcome.stdout.split())
    assert 8 <= alone < replacing


def test_a_full_disk_leaves_the_earlier_record(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = train(store)

    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left") as error:
        store.write(replace(record, seconds=1.0))
    assert str(store.folder) in str(error.value)
    assert store.read(record.run_id) == replace(record, reused=True)
    assert sorted(p.name for p in store.folder.iterdir()) == [".locks", record.run_id]


# On disk before it counts.


def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Note, in their order, syncs, renames and removals: what was done and to which name."""
    seen: list[tuple[str, str]] = []
    opened: dict[int, str] = {}
    os_open, os_fsync, os_rename, os_replace = os.open, os.fsync, os.rename, os.replace
    rmtree = shutil.rmtree

    def noted(action: str, path: Any) -> None:
        seen.append((action, Path(path).name))

    def opening(path: Any, *rest: Any, **more: Any) -> int:
        handle = os_open(path, *rest, **more)
        opened[handle] = str(path)
        return handle

    def syncing(handle: int) -> None:
        os_fsync(handle)
        noted("sync", opened[handle])

    def renaming(old: Any, new: Any) -> None:
        noted("rename", new)
        os_rename(old, new)

    def replacing(old: Any, new: Any) -> None:
        noted("rename", new)
        os_replace(old, new)

    def removing(path: Any, **more: Any) -> None:
        if Path(path).exists():
            noted("remove", path)
        rmtree(path, **more)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(os, "rename", renaming)
    monkeypatch.setattr(os, "replace", replacing)
    monkeypatch.setattr(shutil, "rmtree", removing)
    monkeypatch.setattr("nnexp.files.sys.platform", "linux")  # macOS has another call
    return seen


RECORD = ("config.yaml", "metrics.csv", "layers.csv", "decision_regions.csv", "run.json")


@pytest.mark.skipif(os.name == "nt", reason="Windows syncs no folder")
def test_a_new_record_is_on_disk_when_its_sweep_ends(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = calls(monkeypatch)
    record = train(store)
    renamed = seen.index(("rename", record.run_id))
    after = [name for action, name in seen[renamed:] if action == "sync"]
    assert sorted(after) == sorted([*RECORD, record.run_id, store.folder.name])
    assert {*after[: len(RECORD)]} == {*RECORD}  # the files before the folders that name them


@pytest.mark.skipif(os.name == "nt", reason="Windows syncs no folder")
def test_an_old_record_goes_when_the_new_one_is_on_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = train(store).run_id
    seen = calls(monkeypatch)
    run_all([Job(config())], store, Options(force=True, workers=1), Notes())
    aside = seen.index(("rename", f".old-{run_id}"))
    placed = seen.index(("rename", run_id))
    removed = seen.index(("remove", f".old-{run_id}"))
    assert aside < placed < removed
    before = {name for action, name in seen[:aside] if action == "sync"}
    assert {*RECORD, f".new-{run_id}"} <= before
    assert ("sync", store.folder.name) in seen[placed:removed]
    assert seen.count(("remove", f".old-{run_id}")) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows syncs no folder")
def test_an_old_record_that_a_killed_writer_left_goes_when_the_new_one_is_on_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = train(store).run_id
    shutil.copytree(store.path(run_id), store.folder / f".old-{run_id}")
    seen = calls(monkeypatch)
    lock = store.lock(run_id)
    assert lock is not None
    lock.release()
    removed = seen.index(("remove", f".old-{run_id}"))
    assert ("sync", store.folder.name) in seen[:removed]
    assert store.read(run_id) is not None


@pytest.mark.skipif(os.name == "nt", reason="Windows syncs no folder")
def test_a_file_is_on_disk_before_it_replaces_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "runs.csv"
    write_whole(file, "old\n")
    seen = calls(monkeypatch)
    write_whole(file, "new\n")
    (_, aside), *rest = seen
    assert aside.startswith(".runs.csv-")
    assert rest == [("rename", "runs.csv"), ("sync", tmp_path.name)]
    assert file.read_text() == "new\n"


def test_many_records_are_synced_together(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    settled: list[list[str]] = []
    commit = Store.commit

    def noted(self: Store, run_ids: Any) -> None:
        settled.append(list(run_ids))
        assert set(settled[-1]) <= set(store.locked())  # nobody else replaces them meanwhile
        commit(self, run_ids)

    monkeypatch.setattr(Store, "commit", noted)
    monkeypatch.setattr("nnexp.sweeps.scheduler._COMMIT_INTERVAL", 3600)
    store.folder.mkdir()
    jobs = [Job(config(seed=seed)) for seed in range(6)]
    run_all(jobs, store, Options(workers=1), Notes())
    assert settled == [[job.run_id for job in jobs]]
    assert store.locked() == []


def test_a_record_of_a_sweep_that_was_killed_is_synced_before_it_is_reused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, settled = train(store, seed=1), train(store, seed=2)
    (store.folder / ".locks" / f"{killed.run_id}.lock").touch()  # as its driver left it
    seen = calls(monkeypatch)
    for seed in (1, 2):
        assert train(store, seed=seed).reused
    synced = {name for action, name in seen if action == "sync"}
    assert killed.run_id in synced
    assert settled.run_id not in synced


def test_a_failed_sync_is_one_sentence_and_keeps_the_old_record(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = train(store)

    def broken(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    monkeypatch.setattr("nnexp.files.sys.platform", "linux")
    with pytest.raises(InputError, match=r"cannot write .* \(Input/output error\)"):
        run_all([Job(config())], store, Options(force=True, workers=1), Notes())
    assert store.read(record.run_id) == replace(record, reused=True)
    assert sorted(p.name for p in store.folder.iterdir()) == [".locks", record.run_id]
    assert store.locked() == []


# Locks.

RIVALS = """
import os, sys
from pathlib import Path

from nnexp.store.store import Store
from nnexp.sweeps.executors import SerialExecutor

store, marker, taken = Store(Path(sys.argv[1])), Path(sys.argv[1], "held"), 0
while taken < 200:
    lock = store.lock("a-0123456789ab")
    if lock is not None:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))  # fails if another holds the lock too
        marker.unlink()
        lock.release()
        taken += 1
"""


@pytest.mark.slow
def test_rivals_never_hold_a_lock_at_once_though_its_file_comes_and_goes(tmp_path: Path) -> None:
    root = ROOT
    command = [sys.executable, "-c", RIVALS, str(tmp_path)]
    env = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(root)}
    rivals = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE) for _ in range(3)]
    for rival in rivals:
        _, err = rival.communicate(timeout=60)
        assert rival.returncode == 0, err.decode()
    assert os.listdir(tmp_path / ".locks") == ["guard"]


def test_the_lock_of_a_run_that_ended_leaves_no_file(store: Store) -> None:
    record = train(store)
    assert os.listdir(store.folder / ".locks") == ["guard"]
    lock = store.lock(record.run_id)
    assert lock is not None
    assert store.lock(record.run_id) is None
    assert store.locked() == [record.run_id]
    lock.release()
    assert store.locked() == []


def test_a_run_that_another_process_trains_is_waited_for(store: Store) -> None:
    record = execute(config().to_mapping())
    store.folder.mkdir(exist_ok=True)
    lock = store.lock(record.run_id)
    assert lock is not None
    with ThreadPoolExecutor(1) as second:
        waiting = second.submit(train, store)
        time.sleep(0.3)
        assert not waiting.done()
        store.write(record)
        store.commit([record.run_id])
        lock.release()
        assert waiting.result().seconds == record.seconds
    assert store.load(record.run_id).seconds == record.seconds


def test_a_lock_is_freed_where_its_file_cannot_be_removed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.folder.mkdir(exist_ok=True)
    lock = store.lock("a-0123456789ab")
    assert lock is not None

    def refuse(path: str) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as read_only:
        read_only.setattr(os, "unlink", refuse)
        lock.release()
    assert store.locked() == ["a-0123456789ab"]
    again = store.lock("a-0123456789ab")
    assert again is not None
    again.release()
    assert store.locked() == []


# Damage.


def altered(path: Path) -> None:
    content = bytearray(path.read_bytes())
    place = max(content.rfind(digit) for digit in b"0123456789")
    content[place] = ord("1") + (content[place] - ord("0") + 1) % 9
    path.write_bytes(content)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def scrambled(path: Path) -> None:
    path.write_bytes(b"\xff\x00[[{")


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


TABLES = ("metrics.csv", "layers.csv", "decision_regions.csv", "loss_line.csv")
DAMAGES = (altered, truncated, emptied, scrambled, Path.unlink, replaced_by_a_folder)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record]:
    """Return a store with one record in it, and the record."""
    folder = tmp_path_factory.mktemp("healthy") / "runs"
    return folder, train(Store(folder), save_weights=True, evaluate_line=3)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", ["config.yaml", *TABLES, "run.json", "weights.npz"])
def test_damage_is_noticed_named_and_mended(
    store: Store, healthy: tuple[Path, Record], name: str, damage: Callable[[Path], None]
) -> None:
    folder, record = healthy
    shutil.copytree(folder, store.folder)
    damage(store.path(record.run_id) / name)
    with pytest.raises(DamagedRecord) as error:
        store.read(record.run_id)
    assert record.run_id in str(error.value)
    assert name in str(error.value)
    watcher = Notes()
    again = train(store, watcher, save_weights=True, evaluate_line=3)
    assert watcher.reused == []
    assert any("damaged" in note and record.run_id in note for note in watcher.notes)
    assert untimed(again) == untimed(record)
    assert not again.reused
    whole = store.read(record.run_id)
    assert whole is not None
    assert untimed(whole) == untimed(record)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("status", DIVERGED),
        ("status", FAILED),
        ("seconds", 0.001),
        ("columns", {"init": "he"}),
        ("config", {}),
        ("outcome", {"test_accuracy": 1.0}),
        ("files", {}),
    ],
)
def test_a_word_changed_in_run_json_is_noticed(
    store: Store, healthy: tuple[Path, Record], key: str, value: object
) -> None:
    folder, record = healthy
    shutil.copytree(folder, store.folder)
    file = store.path(record.run_id) / "run.json"
    run = json.loads(file.read_text())
    assert run[key] != value
    file.write_text(json.dumps({**run, key: value}))
    with pytest.raises(DamagedRecord, match=r"run\.json was altered"):
        store.read(record.run_id)


def test_the_record_of_another_run_is_not_taken_for_this_one(store: Store) -> None:
    one, other = train(store, seed=1), train(store, seed=2)
    for name in ("run.json", "metrics.csv", "layers.csv", "config.yaml"):
        shutil.copy(store.path(other.run_id) / name, store.path(one.run_id) / name)
    with pytest.raises(DamagedRecord, match=f"holds the record of {other.run_id}"):
        store.read(one.run_id)
    assert untimed(train(store, seed=1)) == untimed(one)


def test_a_file_where_a_record_belongs_gives_way(store: Store) -> None:
    run_id = config().run_id()
    store.folder.mkdir()
    store.path(run_id).write_text("in the way")
    watcher = Notes()
    assert train(store, watcher).status == FINISHED
    assert run_id in watcher.notes[0]
    assert sorted(p.name for p in store.folder.iterdir()) == [".locks", run_id]


def test_a_failed_record_is_replaced(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "from pathlib import Path\n\n"
        "def init(rng, fan_in, fan_out):\n"
        "    assert Path('ready').exists(), 'not yet'\n"
        "    return rng.standard_normal((fan_in, fan_out))\n"
    )
    failed = train(store, init="mine.py:init")
    assert failed.status == FAILED
    assert failed.error is not None
    assert "not yet" in failed.error
    kept = json.loads((store.path(failed.run_id) / "run.json").read_text())
    assert kept["error"] == failed.error
    assert failed.summary_row()["test_accuracy"] is None
    assert store.read(failed.run_id) is None
    Path("ready").touch()
    finished = train(store, init="mine.py:init")
    assert finished.status == FINISHED
    assert finished.run_id == failed.run_id
    assert train(store, init="mine.py:init").reused


# Identity.

CHANGES: list[dict[str, Any]] = [
    {},
    {"data": {**BLOBS, "n": 61}},
    {"data": {**BLOBS, "seed": 1}},
    {"data": {**BLOBS, "std": 0.6}},
    {"data": {**BLOBS, "scale": "standardize"}},
    {"data": {**BLOBS, "targets": "soft"}},
    {"data": {**BLOBS, "validation": 3}},
    {"data": {**BLOBS, "train_size": 30}},
    {"data": {**BLOBS, "label_noise": 0.1}},
    {"data": {"name": "spirals", "n": 60, "classes": 3}},
    {"init": "he"},
    {"init": {"name": "normal", "std": 0.01}},
    {"init": {"name": "normal", "std": 0.02}},
    {"bias_init": "rand"},
    {"activation": "tanh"},
    {"activation": {"name": "leaky_relu", "slope": 0.1}},
    {"activation": {"name": "leaky_relu", "slope": 0.2}},
    {"loss": "mse"},
    {"loss": {"name": "mse", "reduction": "sum"}},
    {"loss": {"name": "mse", "output": "softmax"}},
    {"hidden": [6]},
    {"hidden": [5, 5]},
    {"hidden": "none"},
    {"batch_size": 30},
    {"batch_size": "full"},
    {"optimizer": "momentum"},
    {"optimizer": {"name": "momentum", "momentum": 0.8}},
    {"lr": 0.4},
    {"weight_decay": 0.1},
    {"epochs": 3},
    {"epochs": None, "steps": 6},
    {"sampling": "sequential"},
    {"evaluate_every": "2 steps"},
    {"evaluate_every": None},
    {"evaluate_at": [1]},
    {"gradient": "numerical"},
    {"quirk": "updated_weights"},
    {"quirk": "updated_weights+position_bias"},
    {"dtype": "float64"},
    {"seed": 4},
    {"evaluate_first": 5},
    {"evaluate_epsilon": 1e-7},
    {"evaluate_sharpness": 7},
    {"schedule": "cosine"},
    {"dropout": 0.5},
    {"input_dropout": 0.2},
    {"label_dilution": 3},
    {"pruning": "rewind"},
    {"evaluate_distance": True},
    {"evaluate_line": 4},
]


def test_every_setting_makes_another_run() -> None:
    run_ids = {config(**change).run_id(): change for change in CHANGES}
    assert len(run_ids) == len(CHANGES)
    changed = {key for change in CHANGES for key in change}
    assert changed == set(RunConfig.__dataclass_fields__)


@pytest.mark.parametrize(
    "same",
    [
        {"hidden": 5},
        {"hidden": "5"},
        {"lr": 5e-1},
        {"batch_size": 20.0},
        {"init": {"name": "xavier"}},
        {"evaluate_every": "1 epochs"},
        {"evaluate_every": 1.0},
        {"evaluate_at": None},
        {"weight_decay": 0},
        {"quirk": []},
        {"evaluate_first": None},
        {"evaluate_epsilon": "none"},
        {"evaluate_sharpness": None},
        {"schedule": "constant"},
        {"dropout": 0},
        {"input_dropout": 0.0},
        {"label_dilution": None},
        {"pruning": "none"},
        {"evaluate_distance": False},
        {"evaluate_line": None},
    ],
    ids=str,
)
def test_another_way_to_write_a_setting_is_the_same_run(same: dict[str, Any]) -> None:
    assert config(**same).run_id() == config().run_id()


def test_the_order_of_quirks_does_not_matter() -> None:
    ways = ("updated_weights+position_bias", ["updated_weights", "position_bias"])
    runs = [config(quirk=quirk) for quirk in (*ways, ways[0].split("+")[::-1])]
    assert {run.quirk for run in runs} == {"position_bias+updated_weights"}
    assert len({run.run_id() for run in runs}) == 1
    assert config(quirk=["updated_weights"]).identity()["settings"]["quirk"] == "updated_weights"


def test_a_setting_read_back_is_the_same_run() -> None:
    for change in CHANGES:
        run = config(**change)
        assert RunConfig.from_mapping(run.to_mapping()) == run
        again = RunConfig.from_mapping(json.loads(json.dumps(run.to_mapping())))
        assert again.run_id() == run.run_id()


def test_other_numerics_make_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    before = config().run_id()
    monkeypatch.setattr("nnexp.config.run_config.NUMERICS", -1)
    assert config().run_id() != before


def test_data_is_known_by_its_content_not_by_its_path(tmp_path: Path) -> None:
    x, y = np.arange(24.0).reshape(12, 2), np.arange(12) % 3

    def written(name: str, x: np.ndarray) -> str:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        np.savez(file, x_train=x, y_train=y, x_test=x, y_test=y)
        return str(file)

    def run_id(file: str) -> str:
        settings = {"name": "npz", "file": file, "scale": "raw"}
        return config(data=settings, batch_size=4).run_id()

    first = run_id(written("a.npz", x))
    assert run_id(written("elsewhere/b.npz", x)) == first
    x[3, 1] += 1e-9
    assert run_id(written("a.npz", x)) != first


SOURCE = "def mine(*arguments):\n    return arguments[-1]\n"


@pytest.mark.parametrize("key", ["init", "bias_init"])
def test_a_function_is_known_by_its_source_not_by_its_path(tmp_path: Path, key: str) -> None:
    def run_id(name: str, source: str) -> str:
        (tmp_path / name).write_text(source)
        return config(**{key: f"{tmp_path / name}:mine"}).run_id()

    first = run_id("a.py", SOURCE)
    assert run_id("b.py", SOURCE) == first
    changed = SOURCE.replace("return ", "return 2 * ")
    assert run_id("c.py", changed) != first
    assert run_id("a.py", changed) == run_id("c.py", changed)


# Reading tables.


def test_load_gives_the_tables_of_a_sweep_and_of_a_record(quick: Command, tmp_path: Path) -> None:
    outcome = quick(
        *("-m", "data=xor", "steps=2", "seed=4,5", "hydra.sweep.dir=out", "hidden=none,3"),
        *("hydra.launcher.workers=1", "data.targets=soft"),
    )
    assert outcome.status == 0, outcome.err
    sweep = load("out")
    assert len(sweep.runs) == 4
    assert set(sweep.runs["hidden"]) == {"none", "3"}
    assert set(sweep.runs["batch_size"]) == {"full"}
    assert len(sweep.metrics) == 4 * 3
    run_id = sweep.runs["run_id"][0]
    for place in (Path("results/runs") / run_id, tmp_path / "results/runs" / run_id):
        for mine, table in zip(load(place), sweep, strict=True):
            rows = table[table["run_id"] == run_id].reset_index(drop=True)
            assert len(mine) == len(rows) > 0
            for column in mine.columns[mine.notna().any()].drop("reused", errors="ignore"):
                assert mine[column].astype(str).tolist() == rows[column].astype(str).tolist()


def test_load_refuses_what_is_no_result(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no runs\.csv"):
        load(tmp_path)
    with pytest.raises(InputError, match="give the folder of a sweep"):
        load(tmp_path / "nowhere")
    record = train(store)
    altered(store.path(record.run_id) / "metrics.csv")
    with pytest.raises(InputError, match=r"damaged record: .*metrics\.csv"):
        load(store.path(record.run_id))
    store.write(replace(record, status=FAILED, error="it rained"))
    with pytest.raises(InputError, match="failed"):
        load(store.path(record.run_id))


# Going on from a shorter run.


@pytest.fixture
def steps_taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note every training step that this process takes."""
    taken: list[int] = []
    step = PlainSteps.step

    def noted(self: PlainSteps) -> None:
        taken.append(self.progress.step)
        step(self)

    monkeypatch.setattr(PlainSteps, "step", noted)
    return taken


def test_a_record_says_when_its_run_began_which_a_longer_run_takes_over(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"])
    monkeypatch.setattr("nnexp.training.execute.now", lambda: next(moments))
    short = train(store, save_weights=True, epochs=5)
    assert short.started == "2026-01-01T00:00:00Z"
    assert train(store, epochs=10).started == short.started
    row = store.load(short.run_id).summary_row()
    assert row["started"] == short.started
    assert row["numerics"] == short.identity["numerics"]
    assert row["data_sha256"] == short.identity["data"]
    assert row["code"].startswith(short.environment["nnexp"])


@pytest.mark.parametrize("sampling", ["shuffle", "replacement"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_longer_run_goes_on_from_kept_weights_to_the_bit(
    store: Store, steps_taken: list[int], optimizer: str, sampling: str
) -> None:
    settings = {"optimizer": optimizer, "lr": 0.01, "sampling": sampling, "weight_decay": 0.01}
    unbroken = execute(config(epochs=10, **settings).to_mapping(), save_weights=True)
    steps_taken.clear()
    short = train(store, save_weights=True, epochs=5, **settings)
    assert steps_taken == list(range(15))
    long = train(store, save_weights=True, epochs=10, **settings)
    assert steps_taken == list(range(30))
    assert untimed(long) == untimed(unbroken)
    assert [row["seconds"] for row in long.metrics[:6]] == [r["seconds"] for r in short.metrics]
    assert long.weights is not None
    assert unbroken.weights is not None
    for name, array in unbroken.weights.items():
        if name != "progress":  # which holds the time
            assert long.weights[name].tobytes() == np.asarray(array).tobytes()


FORMS: dict[str, dict[str, Any]] = {
    "delayed": {"batch_size": 8},
    "lanes": {"data": {**BLOBS, "n": 1200, "features": 300}, "hidden": 200, "batch_size": "full"},
    "plain": {"dtype": "float64"},
    "plain with dropout": {"dropout": 0.5, "input_dropout": 0.2, "label_dilution": 2},
}


@pytest.mark.parametrize("shape", FORMS)
def test_so_it_does_whatever_form_its_steps_have(store: Store, shape: str) -> None:
    settings = {**FORMS[shape], "evaluate_every": "3 steps", "epochs": None}
    assert form(config(steps=9, **settings)) == shape.split()[0]
    unbroken = execute(config(steps=9, **settings).to_mapping())
    short = train(store, save_weights=True, steps=6, **settings)
    long = train(store, steps=9, **settings)
    assert untimed(long) == untimed(unbroken)
    assert [row["seconds"] for row in long.metrics[:3]] == [r["seconds"] for r in short.metrics]


def test_the_line_of_a_longer_run_is_that_from_its_start(
    store: Store, steps_taken: list[int]
) -> None:
    unbroken = execute(config(epochs=10, evaluate_line=4).to_mapping())
    steps_taken.clear()
    short = train(store, save_weights=True, epochs=5, evaluate_line=4)
    long = train(store, epochs=10, evaluate_line=4)
    assert steps_taken == list(range(30))
    assert short.metrics[-1]["line_rise"] is not None
    assert long.line == unbroken.line != short.line
    assert untimed(long) == untimed(unbroken)
    assert [row["line_rise"] for row in long.metrics[:-1]] == [None] * 10
    train(store, save_weights=True, epochs=6)  # it did not measure the line
    assert train(store, epochs=8, evaluate_line=4).parent == long.parent


@pytest.mark.parametrize(
    "lines",
    [
        ["0,1,1,1,1", "0.5,1,1,1,1"],
        ["0,1,1,1,1", "1,1,1,1,1", "0.5,1,1,1,1"],
        ["0,1,1,1,1", "1,nan,1,1,1"],
        ["0,1,1,1,1", "1,,1,1,1"],
        ["0,1,1,1,1", "1,1"],
    ],
)
def test_a_line_is_from_start_to_end_with_all_scores(lines: list[str]) -> None:
    head = "fraction,train_loss,train_accuracy,test_loss,test_accuracy"
    with pytest.raises((ValueError, TypeError)):
        line_from_csv("\n".join([head, *lines]))
    assert len(line_from_csv("\n".join([head, "0,1,1,inf,1", "1,1,1,1,1"]))) == 2


def test_of_a_schedule_only_one_without_an_end_is_continued(
    store: Store, steps_taken: list[int]
) -> None:
    for schedule, taken in (("step", 30), ("cosine", 45)):
        train(store, save_weights=True, epochs=5, schedule={"name": schedule})
        long = train(store, epochs=10, schedule={"name": schedule})
        assert len(steps_taken) == taken
        steps_taken.clear()
        again = execute(config(epochs=10, schedule={"name": schedule}).to_mapping())
        assert untimed(long) == untimed(again)
        steps_taken.clear()


def test_a_pruned_run_is_not_continued(store: Store, steps_taken: list[int]) -> None:
    pruning = {"name": "rewind", "rounds": 1}
    train(store, save_weights=True, epochs=5, pruning=pruning)
    long = train(store, epochs=10, pruning=pruning)
    assert len(steps_taken) == 2 * 15 + 2 * 30  # a longer run is pruned later
    assert untimed(long) == untimed(execute(config(epochs=10, pruning=pruning).to_mapping()))


def test_without_kept_weights_a_longer_run_starts_anew(
    store: Store, steps_taken: list[int]
) -> None:
    train(store, epochs=5)
    long = train(store, epochs=10)
    assert steps_taken == [*range(15), *range(30)]
    assert untimed(long) == untimed(execute(config(epochs=10).to_mapping()))


def test_it_goes_on_from_the_longest_that_fits(store: Store, steps_taken: list[int]) -> None:
    """Not from another run, one measured at other steps, or one damaged since."""
    for settings in ({"epochs": 2}, {"epochs": 3}, {"epochs": 6, "lr": 0.4}):
        train(store, save_weights=True, **settings)
    train(store, save_weights=True, epochs=4, evaluate_at=[1])
    damaged = train(store, save_weights=True, epochs=5)
    altered(store.path(damaged.run_id) / "weights.npz")
    steps_taken.clear()
    long = train(store, epochs=7)
    assert steps_taken == list(range(9, 21))
    assert untimed(long) == untimed(execute(config(epochs=7).to_mapping()))


def test_a_store_is_listed_once_for_the_runs_that_others_continue(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = []
    every = Store.run_ids
    monkeypatch.setattr(Store, "run_ids", lambda self: listed.append(1) or every(self))
    short = train(store, save_weights=True, epochs=1)
    for epochs in (2, 3, 4):
        assert train(store, epochs=epochs).parent == {"run_id": short.run_id, "step": 3}
    assert listed == [1]


def test_weights_asked_for_later_are_had_by_training_again(store: Store) -> None:
    bare = train(store)
    assert not (store.path(bare.run_id) / "weights.npz").exists()
    kept = train(store, save_weights=True)
    assert (store.path(bare.run_id) / "weights.npz").is_file()
    assert untimed(kept) == untimed(bare)
    assert train(store).reused


def test_a_continued_run_names_its_parent(store: Store, steps_taken: list[int]) -> None:
    short = train(store, save_weights=True, epochs=5)
    long = train(store, epochs=10)
    parent = {"run_id": short.run_id, "step": 15}
    assert long.parent == parent
    back = store.read(long.run_id)
    assert back is not None
    assert back.parent == parent
    assert short.parent is None
    assert json.loads((store.path(long.run_id) / "run.json").read_text())["parent"] == parent


# Whose code made it.


def made_by(store: Store, run_id: str, **environment: Any) -> None:
    """Write a record as another version of nnexp would have."""
    record = store.load(run_id)
    record.environment |= environment
    store.write(record)
    store.commit([run_id])


def test_a_record_of_edited_code_is_trained_again_unless_this_is_that_code(store: Store) -> None:
    runs = [train(store, seed=seed).run_id for seed in range(4)]
    for run_id in runs[:2]:
        made_by(store, run_id, dirty=True, code="0" * 64)
    made_by(store, runs[2], dirty=True, code=versions.digest())
    made_by(store, runs[3], dirty=False, code="0" * 64)
    watcher = Notes()
    jobs = [Job(config(seed=seed)) for seed in range(4)]
    run_all(jobs, store, Options(workers=1), watcher)
    assert watcher.notes == ["2 runs made by edited code of nnexp are trained again"]
    assert watcher.reused == runs[2:]
    assert all(store.load(run_id).environment["code"] != "0" * 64 for run_id in runs[:3])
    watcher = Notes()
    run_all(jobs, store, Options(workers=1), watcher)
    assert (watcher.notes, watcher.reused) == ([], runs)


def test_a_record_of_edited_code_is_not_continued(store: Store, steps_taken: list[int]) -> None:
    short = train(store, save_weights=True, epochs=5)
    made_by(store, short.run_id, dirty=True, code=None)
    steps_taken.clear()
    assert train(store, epochs=10).parent is None
    assert steps_taken == list(range(30))


@pytest.mark.parametrize("name", ["W1", "progress", "missing"])
def test_weights_that_do_not_fit_are_not_continued(
    store: Store, steps_taken: list[int], name: str
) -> None:
    short = train(store, save_weights=True, epochs=5)
    assert short.weights is not None
    short.weights[name] = np.full(4, np.nan)
    store.write(short)
    store.commit([short.run_id])
    steps_taken.clear()
    long = train(store, epochs=10)
    assert (long.status, long.parent) == (FINISHED, None)
    assert steps_taken == list(range(30))


def test_mixed_versions_are_told() -> None:
    record = execute(config().to_mapping())

    def made(count: int, **environment: Any) -> list[Record]:
        return [replace(record, environment=environment)] * count

    old = made(3, nnexp="0.1.0", commit="1234abcdef", dirty=False)
    new = made(1, nnexp="0.2.0", commit=None, dirty=None)
    assert versions.mixed(old) == []
    assert versions.mixed([*old, *new]) == [
        "Runs were made by different versions of nnexp: 0.1.0 at 1234abc (3), 0.2.0 (1)."
    ]
    edited = made(2, nnexp="0.1.0", commit="1234abcdef", dirty=True, code="99ff" * 16)
    assert "0.1.0 at 1234abc, edited (99ff99f) (2)" in versions.mixed([*old, *edited])[0]


class Dying(SerialExecutor):
    """Its workers die on the first ``deaths`` runs that they are given."""

    deaths = 1

    def submit(self, job: Job, options: Options) -> Future[Record]:
        """Train a run, unless the worker dies."""
        if not self.deaths:
            return super().submit(job, options)
        self.deaths -= 1
        future: Future[Record] = Future()
        future.set_exception(WorkerDied("killed by SIGKILL"))
        return future


@pytest.mark.parametrize(("deaths", "status"), [(1, FINISHED), (2, FINISHED), (3, FAILED)])
def test_a_run_whose_worker_dies_is_tried_three_times(
    store: Store, deaths: int, status: str
) -> None:
    store.folder.mkdir()
    notes = Notes()

    def executor(jobs: Sequence[Job], reporter: Any) -> Dying:
        made = Dying(reporter, threads=1)
        made.deaths = deaths
        return made

    first, second = run_all(
        [Job(config(seed=seed)) for seed in (1, 2)], store, Options(), notes, executor
    )
    assert (first.status, second.status) == (status, FINISHED)
    assert notes.notes == [f"a worker died; retrying {first.run_id}"] * min(deaths, 2)
    assert store.locked() == []
