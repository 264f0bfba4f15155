"""The benchmark: everyone trains the same network, or nothing is timed."""

from __future__ import annotations

import json
import math
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnexp.benchmarks import contestants, measurements, sweeps
from nnexp.benchmarks.contestants import NNexp, Textbook
from nnexp.benchmarks.rival import scores
from nnexp.benchmarks.sweeps import Sweep
from nnexp.benchmarks.workloads import WORKLOADS, Workload
from nnexp.data import load

BLOBS = {"name": "blobs", "n": 2100, "features": 30, "classes": 10, "std": 2.0}


def small(name: str) -> Workload:
    """Return a workload as ever but for its data: blobs, and an epoch of them."""
    workload = next(w for w in WORKLOADS if w.name == name)
    return Workload(name, workload.title, "epoch", {**workload.settings, "data": BLOBS}, 5)


@pytest.mark.parametrize("name", [workload.name for workload in WORKLOADS])
def test_nnexp_and_the_textbook_train_the_same_network(name: str) -> None:
    config = small(name).config()
    data = load(config.data, config.dtype)
    own, textbook = NNexp(config, data, 2), Textbook(config, data)
    start = [(w.copy(), b.copy()) for w, b in own.layers()]
    assert (
        measurements.disagreement(own.layers(), textbook.layers(), [(w + 1, b) for w, b in start])
        < 1e-7
    )
    steps = config.steps_per_epoch() + 3
    with measurements.blas_threads(1):  # as in a run: another rounding may switch a ReLU unit
        own.advance(steps)
        textbook.advance(steps)
    assert measurements.disagreement(own.layers(), textbook.layers(), start) < 1e-4
    assert measurements.disagreement(own.layers(), start, textbook.layers()) > 0.5


@pytest.mark.slow
def test_a_race_times_all_that_are_there_and_says_who_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = measurements.race(small("W2"), repeats=3, cores=1)
    said = capsys.readouterr().out
    raced = {row["contestant"] for row in rows}
    assert {"nnexp", "nnexp, 1 thread", "textbook NumPy"} <= raced
    modules = {"PyTorch eager": "torch", "JAX scan": "jax", "scikit-learn": "sklearn"}
    for name, module in modules.items():
        assert (name in raced) == (find_spec(module) is not None)
        assert (f"skipping {name}" in said) == (name not in raced)
    for row in rows:
        assert 0 < row["min"] <= row["median"] <= row["max"]
        assert row["difference"] <= measurements.ROUNDING
        assert 0 < row["peak_share"] < 1
    assert next(row["ratio"] for row in rows if row["contestant"] == "nnexp") == 1
    assert next(row["form"] for row in rows if row["contestant"] == "nnexp") == "plain"


@pytest.mark.slow
def test_a_contestant_that_computes_something_else_stops_the_race(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = Textbook.advance

    def half_as_far(self: Textbook, steps: int) -> None:
        self.lr /= 2
        right(self, steps)

    monkeypatch.setattr(Textbook, "advance", half_as_far)
    with pytest.raises(RuntimeError, match=r"W3: nnexp differs from textbook NumPy by 0\.\d+"):
        measurements.race(small("W3"), repeats=1, cores=1)


def test_operations_are_counted_as_by_hand() -> None:
    flops = {workload.name: workload.flops() for workload in WORKLOADS}
    assert flops["W1"] == 4096 * 2 * (2 * 784 * 100 + 3 * 100 * 10)
    assert flops["W4"] == 60000 * 2 * (2 * 784 * 512 + 3 * 512 * 10)
    assert flops["W5"] == 60000 * 2 * (2 * 784 * 256 + 3 * (256 * 128 + 128 * 10))


@pytest.mark.slow
def test_a_steps_cost_and_the_machines_share_are_measured() -> None:
    step, flops, form = measurements.step_cost({"data": BLOBS, "hidden": [20], "batch_size": 8}, 1)
    assert 1e-6 < step < 0.1
    assert flops == 8 * 2 * (2 * 30 * 20 + 3 * 20 * 10)
    assert form == "delayed"
    wall, busy = measurements.others_busy(lambda: time.sleep(0.3))
    assert wall >= 0.3
    assert math.isnan(busy) or 0 <= busy <= 1.2  # the kernel counts in hundredths of a second


@pytest.mark.slow
def test_the_tables_figures_and_page_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurements, "WORKLOADS", [small("W2"), small("W4")])
    monkeypatch.setattr(sweeps, "SWEEPS", {"S2": Sweep("S2", small("W2"), 10, 5)})
    monkeypatch.setattr(sweeps, "own_time", lambda sweep: (3.0, 0.5, 0.9))
    monkeypatch.setattr(sweeps, "rival_time", lambda sweep, one: (4.5, 0.5, 0.9))
    costs: list[dict[str, Any]] = [{"measure": "a run of one step", "unit": "s", "value": 1.25}]
    scaling = [
        {"varied": what, "size": size, "form": "plain", "seconds_a_step": 1e-3 * (size + 1)}
        | {"flops": 1e6 * (size + 1), "gflops_a_second": 1.0}
        for what in ("width", "depth", "batch")
        for size in (0, 1, 4)
    ]
    monkeypatch.setattr(measurements, "evaluation_share", lambda cores: [])
    monkeypatch.setattr(measurements, "sgemm_peak", lambda cores: cores * 1e11)
    monkeypatch.setattr(measurements, "command_line", lambda: costs)
    monkeypatch.setattr(measurements, "scaling", lambda cores: scaling)
    monkeypatch.setattr(measurements, "gradients", lambda: [{"parameters": 3, "ratio": 1000.0}])
    assert measurements.main(["--out", str(tmp_path / "new"), "--repeats", "1"]) == 0
    written = {path.name for path in (tmp_path / "new").iterdir()}
    names = ("sweeps", "workloads", "costs", "scaling", "gradients")
    assert written == {
        *(f"{name}.csv" for name in names),
        *(f"{name}.svg" for name in ("sweeps", "workloads", "scaling")),
        "machine.json",
        "README.md",
        ".nnexp",
    }
    assert set(pd.read_csv(tmp_path / "new" / "workloads.csv")["workload"]) == {"W2", "W4"}
    assert json.loads((tmp_path / "new" / "machine.json").read_text("utf-8"))["cores"] >= 1
    page = (tmp_path / "new" / "README.md").read_text("utf-8")
    assert "| a run of one step | s | 1.25 |" in page
    assert "| S2 | 16 | 10 | JAX, vmap | 4.5 | 0.2812 | 1.5 | 3 |" in page
    assert "What this does not show" in page


def test_every_workload_has_all_its_contestants() -> None:
    names = {workload.name: set(contestants.contestants(workload, 2)) for workload in WORKLOADS}
    everyone = names["W2"]
    assert len(everyone) == 7
    assert names["W3"] == names["W5"] == everyone
    assert names["W4"] == everyone - {"JAX scan"}
    assert names["W1"] == everyone - {"scikit-learn"}


def timed(walls: dict[str, tuple[float, float, float]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a sweep take these seconds, with these mean losses and accuracies."""
    monkeypatch.setattr(sweeps, "own_time", lambda sweep: walls["nnexp"])
    monkeypatch.setattr(sweeps, "rival_time", lambda sweep, one: walls.get(one.name))


def test_the_fastest_arrangement_of_each_library_takes_every_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    walls = {
        "nnexp": (2.0, 0.5, 0.9),
        "JAX, vmap": (3.0, 0.5, 0.9),
        "JAX, one after another": (4.0, 0.505, 0.903),
    }
    timed(walls, monkeypatch)
    rows = sweeps.race(Sweep("S2", small("W2"), 10, 5), 3, 2)
    found = {row["contestant"]: (row["turns"], row["ratio"], row["seconds_a_run"]) for row in rows}
    assert found == {
        "nnexp": (3, 1.0, 2 / 16),
        "JAX, vmap": (3, 1.5, 3 / 16),
        "JAX, one after another": (1, 2.0, 4 / 16),
    }
    # 30-50-10: ten steps of batches of 100, and three evaluations of 4200 examples.
    steps, evaluations = 10 * 100 * 2 * (2 * 1500 + 3 * 500), 3 * 2 * 2000 * 4200
    assert {row["operations"] for row in rows} == {16 * (steps + evaluations)}


@pytest.mark.parametrize("wrong", [(3.0, 0.52, 0.9), (3.0, 0.5, 0.89)])
def test_an_arrangement_with_other_scores_stops_the_race(
    wrong: tuple[float, float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    timed({"nnexp": (2.0, 0.5, 0.9), "JAX, vmap": wrong}, monkeypatch)
    with pytest.raises(RuntimeError, match="S2: JAX, vmap reached a mean test loss of"):
        sweeps.race(Sweep("S2", small("W2"), 10, 5), 1, 2)


@pytest.mark.slow
def test_a_sweep_and_its_rival_train_the_same_networks() -> None:
    sweep = Sweep("S2", small("W2"), steps=16, every=8, seeds=2)
    wall, loss, accuracy = sweeps.own_time(sweep)
    assert wall > 0
    found = scores(sweep.configs(), "scikit-learn", "joblib", 1)
    assert len(found) == 8
    losses, accuracies = np.mean(found, axis=0)
    assert losses == pytest.approx(loss, rel=1e-4)
    assert accuracies == pytest.approx(accuracy, abs=1e-3)
    untrained = scores([sweep.workload.config(steps=1)], "scikit-learn", "joblib", 1)
    assert untrained[0][0] > loss + 0.1
