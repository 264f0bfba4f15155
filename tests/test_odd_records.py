"""Records that no run leaves, signed as if one had: refused or read, never a crash or a hang."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnexp
from nnexp import upkeep
from nnexp.config import RunConfig, fingerprint
from nnexp.errors import InputError
from nnexp.records import FINISHED
from nnexp.store import Store
from nnexp.sweep import Job, Options, run_all
from nnexp.worker import execute
from tests.settings import RUN
from tests.test_store import Notes

SETTINGS: dict[str, Any] = {**RUN, "data": "xor", "hidden": 3, "batch_size": "full"}
SETTINGS |= {"data": {"name": "xor"}, "epochs": None, "steps": 2, "evaluate_every": None}
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
        store.settle([record.run_id])
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
    file = folder / ("metrics.csv", "layers.csv")[rng.integers(2)]
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
        status = upkeep.main(words)
        out, err = capfd.readouterr()
        assert status in (0, 1, 2)
        assert "Traceback" not in out + err
        if status == 2:
            assert out == ""
            assert err.count("\n") == 1
            assert err.startswith("nnexp.runs: ")
    assert upkeep.main(["export", "--force", "all.csv"]) in (0, 1)
    try:
        nnexp.load(store.path(run_id))
        readable = True
    except InputError:
        readable = False
    store.shorter(f"{run_id[:-1]}_", store.recall(other).identity, [0, 2, 5])
    job = Job(RunConfig.from_mapping({**SETTINGS, "steps": 3, "seed": 0, "evaluate_at": [2]}))
    assert run_all([job], store, Options(workers=1), Notes())[0].status == FINISHED
    shutil.rmtree(store.path(job.run_id))
    return readable


MUTATIONS = {"json": mutated_json, "table": mutated_table, "weights": mutated_weights}


@pytest.mark.parametrize("kind", MUTATIONS)
def test_whatever_a_signed_record_says(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    store, rng = home(tmp_path), np.random.default_rng(5)
    run_id = store.run_ids()[0]
    shutil.copytree(store.path(run_id), tmp_path / run_id)
    read = 0
    for _ in range(int(os.environ.get("ODD_RECORDS", "60"))):
        folder = MUTATIONS[kind](store.path(run_id), rng)
        read += survive(store, folder.name, capfd)
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / run_id, store.path(run_id))
    assert read or kind == "table"
