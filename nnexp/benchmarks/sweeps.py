"""Whole sweeps, as nnexp's command and as the fastest programs of other libraries.

Each program is a process of its own: start-up, compilation, training, and the loss and accuracy of
the whole training and test sets before the first step and on schedule. nnexp also measures its
layers, stores records, and writes tables, figures and a page.
"""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnexp.benchmarks.contestants import OWN
from nnexp.benchmarks.workloads import DEFAULTS, WORKLOADS, Workload
from nnexp.config.run_config import RunConfig
from nnexp.data import load

Row = dict[str, Any]
INITS = ("xavier", "he", "lecun", "normal")
# Largest difference from nnexp of the mean final test loss, as a fraction of it, and of the mean
# accuracy. The libraries round differently, which training amplifies.
LOSS, ACCURACY = 0.02, 0.005


@dataclass(frozen=True)
class Sweep:
    """Runs of one workload: each of ``inits`` with each of ``seeds``, for ``steps`` steps.

    They are evaluated before the first step and every ``every`` steps.
    """

    name: str
    workload: Workload
    steps: int
    every: int
    inits: tuple[str, ...] = INITS
    seeds: int = 4

    def configs(self) -> list[RunConfig]:
        """Return the settings of the runs, all initialisations of a seed one after another."""
        every = f"{self.every} steps"
        return [
            self.workload.config(steps=self.steps, evaluate_every=every, init=init, seed=seed)
            for seed in range(self.seeds)
            for init in self.inits
        ]

    def words(self) -> list[str]:
        """Return the words of nnexp's command."""
        usual = {key: DEFAULTS[key] for key in ("hidden", "batch_size", "lr")}
        words = [f"{key}={value}" for key, value in _flat({**usual, **self.workload.settings})]
        own = (f"init={','.join(self.inits)}", f"seed=range({self.seeds})", f"steps={self.steps}")
        return ["-m", *words, *own, f"evaluate_every='{self.every} steps'"]


def _flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            for inner, own in value.items():
                yield (key if inner == "name" else f"{key}.{inner}"), own
        else:
            yield key, value


_W1, _W2, _W3, _W4, _W5 = WORKLOADS
_FORTY = Workload("W2", "784-128-10, batch 100", "epoch", {"hidden": "128"}, 600)
SWEEPS = {
    sweep.name: sweep
    for sweep in (
        Sweep("S1", _W1, steps=8192, every=4096),
        Sweep("S2", _W2, steps=3000, every=600),
        Sweep("S3", _W3, steps=200, every=100),
        Sweep("S4", _W4, steps=5, every=5, seeds=1),
        Sweep("S5", _W5, steps=938, every=469),
        Sweep("forty", _FORTY, steps=3000, every=600, seeds=10),
    )
}


@dataclass(frozen=True)
class Arrangement:
    """How a library uses the cores: processes of ``rival``, each with a share of the runs."""

    library: str
    form: str
    processes: int = 1

    @property
    def name(self) -> str:
        """The name on the page."""
        return f"{self.library}, {self.form}"


def arrangements(cores: int) -> list[Arrangement]:
    """Return the ways in which other libraries run a sweep."""
    return [
        Arrangement("JAX", "one after another"),
        Arrangement("JAX", "a process per core", cores),
        Arrangement("JAX", "vmap"),
        Arrangement("PyTorch", "one after another"),
        Arrangement("PyTorch", "a process per core", cores),
        Arrangement("PyTorch", "a thread per run"),
        Arrangement("scikit-learn", "joblib"),
    ]


def operations(sweep: Sweep) -> float:
    """Return the operations in the dense matrix products of all training and evaluation."""
    config, training = sweep.workload.config(), sweep.workload.flops() / sweep.workload.steps
    weights = sum(i * o for i, o in zip(config.sizes()[:-1], config.sizes()[1:], strict=True))
    described = load(config.data, config.dtype).description
    examples = described.train_size + described.test_size
    evaluations = 1 + sweep.steps // sweep.every
    return len(sweep.configs()) * (training * sweep.steps + 2 * weights * examples * evaluations)


def own_time(sweep: Sweep) -> tuple[float, float, float]:
    """Return the seconds of nnexp's command, and its mean final test loss and accuracy."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "nnexp", *sweep.words(), "out=out"]
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        wall = time.perf_counter() - start
        with (Path(folder) / "out" / "runs.csv").open(encoding="utf-8") as file:
            runs = list(csv.DictReader(file))
    if len(runs) != len(sweep.configs()):
        raise RuntimeError(f"{sweep.name}: nnexp made {len(runs)} runs")
    return wall, *_means([(float(r["test_loss"]), float(r["test_accuracy"])) for r in runs])


def rival_time(sweep: Sweep, one: Arrangement) -> tuple[float, float, float] | None:
    """Return the same of another library, or ``None`` if it is missing or lacks the loss."""
    module = "nnexp.benchmarks.rival"
    command = [sys.executable, "-m", module, sweep.name, one.library, one.form, str(one.processes)]
    start = time.perf_counter()
    running = [
        subprocess.Popen([*command, str(share)], stdout=subprocess.PIPE, text=True)
        for share in range(one.processes)
    ]
    printed = [process.communicate()[0] for process in running]
    wall = time.perf_counter() - start
    if any(process.returncode for process in running):
        raise RuntimeError(f"{sweep.name}: {one.name} failed")
    scores = [tuple(score) for text in printed for score in json.loads(text.splitlines()[-1])]
    if not scores:
        return None
    if len(scores) != len(sweep.configs()):
        raise RuntimeError(f"{sweep.name}: {one.name} made {len(scores)} runs")
    return wall, *_means(scores)


def _means(scores: list[Any]) -> tuple[float, float]:
    losses, accuracies = zip(*scores, strict=True)
    return statistics.fmean(losses), statistics.fmean(accuracies)


def race(sweep: Sweep, repeats: int, cores: int) -> list[Row]:
    """Return a row with the median seconds of each arrangement.

    All take the first turn. In further turns, nnexp and the fastest arrangement of each library
    take part.

    Raises
    ------
    RuntimeError
        If the mean final scores of an arrangement differ from nnexp's.
    """
    walls: dict[str, list[float]] = {}
    times = {OWN: lambda: own_time(sweep)} | {
        one.name: lambda one=one: rival_time(sweep, one) for one in arrangements(cores)
    }
    library = {one.name: one.library for one in arrangements(cores)} | {OWN: OWN}
    own: tuple[float, float] = (0.0, 0.0)
    for turn in range(repeats):
        best = {library[name]: name for name in sorted(walls, key=lambda n: -walls[n][0])}
        for name, take in times.items():
            if turn and name not in best.values():
                continue
            taken = take()
            if taken is None:
                continue
            wall, loss, accuracy = taken
            own = (loss, accuracy) if name == OWN else own
            if abs(loss - own[0]) > LOSS * own[0] or abs(accuracy - own[1]) > ACCURACY:
                raise RuntimeError(
                    f"{sweep.name}: {name} reached a mean test loss of {loss:.4f} and an accuracy "
                    f"of {accuracy:.4f}, nnexp {own[0]:.4f} and {own[1]:.4f}"
                )
            walls.setdefault(name, []).append(wall)
            print(f"{sweep.name}  {name:30} {wall:7.2f} s", flush=True)
    runs = len(sweep.configs())
    reference = statistics.median(walls[OWN])
    return [
        {
            "sweep": sweep.name,
            "network": sweep.workload.title,
            "runs": runs,
            "steps": sweep.steps,
            "contestant": name,
            "seconds": statistics.median(taken),
            "seconds_a_run": statistics.median(taken) / runs,
            "ratio": statistics.median(taken) / reference,
            "turns": len(taken),
            "operations": operations(sweep),
        }
        for name, taken in walls.items()
    ]
