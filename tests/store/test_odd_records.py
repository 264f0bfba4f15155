"""Records that no run leaves, signed as if one had: refused or read, never a crash or a hang.

``ODD_RECORDS=1000 python -m pytest tests/test_odd_records.py`` tries more of each kind.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnexp
from nnexp.cli import report, runs
from nnexp.config.identity import fingerprint
from nnexp.config.run_config import RunConfig
from nnexp.errors import InputError
from nnexp.store.record import FINISHED
from nnexp.store.record_files import DamagedRecord
from nnexp.store.store import Store
from nnexp.sweeps.jobs import Job, Options
from nnexp.sweeps.scheduler import run_all
from nnexp.training.execute import execute
from tests.settings import RUN
from tests.store.test_store import Notes

SETTINGS: dict[str, Any] = {**RUN, "data": "xor", "hidden": 3, "batch_size": "full"}
SETTINGS |= {"data": {"name": "xor"}, "epochs": None, "steps": 2, "evaluate_every": None}
SETTINGS |= {"evaluate_line": 3}
FILES = ("config.yaml", "metrics.csv", "layers.csv", "weights.npz")


def deep(depth: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    return nested


ODD: list[Any] = [
    *(
        None,
        True,
        -1,
        0,
        10**400,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x",
        "../../x",
        "nnexp.py:f",
    ),
    *("\x1b[2J", "a\nb", "=1+1", [], [[]], [None], {}, {"name": {}}, {"": {"": []}}, deep(300)),
]
TEXTS = ["", "nan", "inf", "-1", "1e999", "9" * 5000, "1_0", "x", '"', "\x00", "0.5", "3"]


def home(tmp_path: Path) -> Store:
    """Return a store with two runs, their weights kept."""
    store = Store(tmp_path / "results" / "runs")
    store.folder.mkdir(parents=True)
    for seed in (0, 1):
        record = execute({**SETTINGS, "seed": seed}, save_weights=True)
        assert record.status == FINISHED, record.error
        store.write(record)
        store.commit([record.run_id])
    return store


def sign(folder: Path, run: dict[str, Any]) -> None:
    """Write ``run.json`` with digests that are right."""
    for name in run["files"] if isinstance(run.get("files"), dict) else ():
        with contextlib.suppress(OSError, ValueError):
            if (folder / name).is_file():
                run["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    run.pop("digest", None)
    digest = hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()
    (folder / "run.json").write_text(json.dumps({**run, "digest": digest}))


def named(folder: Path, run: dict[str, Any]) -> Path:
    """Give a record the name that its identity asks for."""
    run["run_id"] = f"{folder.name.rpartition('-')[0]}-{fingerprint(run['identity'])}"
    return folder.rename(folder.with_name(run["run_id"]))


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places in nested JSON."""
    inner = value.items() if isinstance(value, dict) else ()
    return [path, *(spot for key, part in inner for spot in spots(part, (*path, key)))]


def mutated_json(folder: Path, rng: np.random.Generator) -> Path:
    """Put something odd, or nothing, somewhere into ``run.json``."""
    run = json.loads((folder / "run.json").read_text())
    places = [spot for spot in spots(run) if spot]
    *way, last = places[rng.integers(len(places))]
    place = run
    for key in way:
        place = place[key]
    if rng.random() < 0.2:
        del place[last]
    else:
        place[last] = ODD[rng.integers(len(ODD))]
    if way[:1] == ["config"] and rng.random() < 0.7:  # so that it agrees with the identity
        with contextlib.suppress(KeyError, TypeError):
            part = run["identity"]["settings"]
            for key in way[1:]:
                part = part[key]
            part[last] = place.get(last)
    if isinstance(run.get("identity"), dict) and rng.random() < 0.7:
        folder = named(folder, run)
    sign(folder, run)
    return folder


def mutated_table(folder: Path, rng: np.random.Generator) -> Path:
    """Change a cell, a row or a column of a table."""
    names = ("metrics.csv", "layers.csv", "decision_regions.csv", "loss_line.csv")
    file = folder / names[rng.integers(len(names))]
    rows = list(csv.reader(io.StringIO(file.read_text())))
    i, j = rng.integers(len(rows)), rng.integers(len(rows[0]))
    kind = rng.integers(6)
    if kind < 2:
        rows[i][j] = TEXTS[rng.integers(len(TEXTS))]
    elif kind == 2:
        del rows[i]
    elif kind == 3:
        rows.append(rows[i])
    elif kind == 4:
        rows = [[*row[:j], *row[j + 1 :]] for row in rows]
    else:
        rows = rows[: rng.integers(2)]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    file.write_text(text.getvalue())
    sign(folder, json.loads((folder / "run.json").read_text()))
    return folder


def mutated_weights(folder: Path, rng: np.random.Generator) -> Path:
    """Put other arrays, or no archive at all, in the place of the weights."""
    with np.load(folder / "weights.npz") as archive:
        arrays: dict[str, Any] = dict(archive)
    name = list(arrays)[rng.integers(len(arrays))]
    others = [np.zeros(0), np.zeros((2, 2)), np.array(["x"]), np.array(np.nan), np.array([{}])]
    arrays[name] = others[rng.integers(len(others))]
    if rng.random() < 0.3:
        del arrays[name]
    save = np.savez if rng.random() < 0.7 else np.savez_compressed
    with (folder / "weights.npz").open("wb") as file:
        save(file, **arrays)
    if rng.random() < 0.2:
        content = bytearray((folder / "weights.npz").read_bytes())
        content[rng.integers(len(content))] ^= 0xFF
        (folder / "weights.npz").write_bytes(content)
    sign(folder, json.loads((folder / "run.json").read_text()))
    return folder


def survive(store: Store, run_id: str, capfd: pytest.CaptureFixture[str]) -> bool:
    """Check that all that reads a store ends well or in one sentence; return whether it read."""
    other = next(name for name in store.run_ids() if name != run_id)
    for words in (
        ["list"],
        ["show", run_id],
        ["diff", other, run_id],
        ["verify", run_id],
        ["prune"],
    ):
        capfd.readouterr()
        status = runs.main(words)
        out, err = capfd.readouterr()
        assert status in (0, 1, 2)
        assert "Traceback" not in out + err
        if status == 2:
            assert out == ""
            assert err.count("\n") == 1
            assert err.startswith("nnexp: ")
    assert runs.main(["export", "--force", "all.csv"]) in (0, 1)
    try:
        nnexp.load(store.path(run_id))
        readable = True
    except InputError:
        readable = False
    store.longest_prefix(f"{run_id[:-1]}_", store.load(other).identity, [0, 2, 5])
    job = Job(RunConfig.from_mapping({**SETTINGS, "steps": 3, "seed": 0, "evaluate_at": [2]}))
    assert run_all([job], store, Options(workers=1), Notes())[0].status == FINISHED
    shutil.rmtree(store.path(job.run_id))
    return readable


MUTATIONS = {"json": mutated_json, "table": mutated_table, "weights": mutated_weights}


@pytest.mark.slow
@pytest.mark.parametrize("kind", MUTATIONS)
def test_whatever_a_signed_record_says(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    store, rng = home(tmp_path), np.random.default_rng(5)
    run_id = store.run_ids()[0]
    shutil.copytree(store.path(run_id), tmp_path / run_id)
    read = 0
    for _ in range(int(os.environ.get("ODD_RECORDS", "12"))):
        folder = MUTATIONS[kind](store.path(run_id), rng)
        read += survive(store, folder.name, capfd)
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / run_id, store.path(run_id))
    assert read  # some oddities are harmless


def linked(folder: Path, file: Path) -> None:
    """Put a file outside in the place of ``metrics.csv``, by a link."""
    shutil.move(folder / "metrics.csv", file)
    (folder / "metrics.csv").symlink_to(file)


def outside(folder: Path, file: Path) -> None:
    """Name a file outside among those of the record."""
    file.write_text("a secret")
    run = json.loads((folder / "run.json").read_text())
    run["files"]["../../../outside"] = ""
    sign(folder, run)


def fifo(name: str) -> Callable[[Path, Path], None]:
    def make(folder: Path, file: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return make


def sparse(name: str) -> Callable[[Path, Path], None]:
    return lambda folder, file: os.truncate(folder / name, 2**42)


def nested(folder: Path, file: Path) -> None:
    depth = 100_000
    (folder / "run.json").write_text('{"digest": ' + "[" * depth + "]" * depth + "}")


def moved(folder: Path, file: Path) -> None:
    """Put a link to a record elsewhere in its place."""
    shutil.move(folder, file)
    folder.symlink_to(file)


PLACES: dict[str, Callable[[Path, Path], None]] = {
    "a link": linked,
    "a name outside": outside,
    "a record that is a link": moved,
    "run.json that is a FIFO": fifo("run.json"),
    "metrics.csv that is a FIFO": fifo("metrics.csv"),
    "weights.npz that is a FIFO": fifo("weights.npz"),
    "a huge run.json": sparse("run.json"),
    "a huge metrics.csv": sparse("metrics.csv"),
    "deep nesting": nested,
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
@pytest.mark.parametrize("place", PLACES)
def test_only_files_of_the_record_itself_are_read(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    store = home(tmp_path)
    run_id = store.run_ids()[0]
    PLACES[place](store.path(run_id), tmp_path / "outside")
    with pytest.raises(DamagedRecord):
        store.load(run_id)
    assert not survive(store, run_id, capfd)
    runs.main(["prune", "--yes"])
    assert not os.path.lexists(store.path(run_id))
    assert store.interrupted_writes() == []
    if place != "a name outside":
        return
    assert (tmp_path / "outside").read_text() == "a secret"


@pytest.mark.parametrize("recomputed", [False, True], ids=["its name", "its settings"])
def test_a_record_of_other_settings_is_damaged_though_its_digests_are_right(
    recomputed: bool, tmp_path: Path
) -> None:
    store = home(tmp_path)
    folder = store.path(store.run_ids()[0])
    run = json.loads((folder / "run.json").read_text())
    if recomputed:  # the identity stays, what is shown is edited
        run["config"]["lr"] = run["columns"]["lr"] = 0.125
    else:
        run["identity"]["settings"]["lr"] = run["config"]["lr"] = run["columns"]["lr"] = 0.125
    sign(folder, run)
    said = "contradict its identity" if recomputed else "does not end with the hash of the identity"
    with pytest.raises(DamagedRecord, match=said):
        store.read(folder.name)


def test_a_record_of_an_older_nnexp_has_no_start_and_an_odd_start_is_refused(
    tmp_path: Path,
) -> None:
    store = home(tmp_path)
    folder = store.path(store.run_ids()[0])
    run = json.loads((folder / "run.json").read_text())
    del run["started"]
    sign(folder, run)
    assert store.load(folder.name).started is None
    for odd in ("yesterday", "2026-01-01", 5):
        sign(folder, {**run, "started": odd})
        with pytest.raises(DamagedRecord, match="the run started at"):
            store.load(folder.name)


@pytest.mark.slow
def test_a_page_is_drawn_of_odd_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are read at all, however odd their words."""
    monkeypatch.chdir(tmp_path)
    store = home(tmp_path)
    folder = store.path(store.run_ids()[0])
    run = json.loads((folder / "run.json").read_text())
    run["environment"] = {"nnexp": "[/b]<b>", "commit": ["x"], "dirty": "yes", "code": 1e308}
    run["seconds"] = float("nan")
    sign(folder, run)
    shutil.copytree(folder, store.folder / f"{folder.name[:-1]}_")  # no name of a record
    assert report.main(["seed=0,1", "--out", "page"]) == 0
    page = Path("page/index.html").read_text()
    assert "Runs were made by different versions of nnexp" in page
    assert "<b>" not in page.replace("&lt;b&gt;", "")
