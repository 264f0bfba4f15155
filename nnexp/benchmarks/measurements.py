"""Measure the speed of nnexp compared with other libraries and with the machine's peak."""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import ThreadpoolController

from nnexp.benchmarks import sweeps
from nnexp.benchmarks.contestants import OWN, Contestant, Layers, contestants
from nnexp.benchmarks.page import draw_race, draw_scaling, draw_sweeps, page
from nnexp.benchmarks.workloads import WORKLOADS, Workload
from nnexp.data import load
from nnexp.nn.numerical_gradient import numerical_gradient
from nnexp.plotting import layout
from nnexp.process.threads import available_cores
from nnexp.store.folders import check_folder, fill
from nnexp.training.builder import build_network
from nnexp.training.execute import environment
from nnexp.training.trainer import Trainer, train

Array = npt.NDArray[Any]
Row = dict[str, Any]

# The number of steps after which the results of contestants are compared, and the largest allowed
# difference of a parameter as a fraction of the largest change of any parameter.
CHECKED = {"W1": 256, "W2": 60, "W3": 20, "W4": 2, "W5": 60}
ROUNDING = 1e-3
REFERENCE = "textbook NumPy"


def blas_threads(number: int) -> Any:
    """Return a context in which NumPy's BLAS has this number of threads."""
    return ThreadpoolController().limit(limits=number, user_api="blas")


def seconds(work: Callable[[], object]) -> float:
    """Return the wall time of one call, in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def others_busy(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall time of one call, and the share of the cores that other processes used.

    The share is nan on systems without ``/proc/stat``.
    """

    def busy() -> float:
        try:
            ticks = [
                int(t) for t in Path("/proc/stat").read_text("ascii").split("\n")[0].split()[1:]
            ]
        except OSError:
            return float("nan")
        return (sum(ticks[:8]) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")

    before, own = busy(), time.process_time()
    wall = seconds(work)
    taken = busy() - before - (time.process_time() - own)
    return wall, max(0.0, taken) / wall / available_cores()


def sgemm_peak(cores: int) -> float:
    """Return the operations per second of float32 matrix products, with one thread per core."""
    size, repeats = 1024, 8

    def work(_: int) -> None:
        a = np.ones((size, size), np.float32)
        out = np.empty_like(a)
        for _ in range(repeats):
            np.matmul(a, a, out=out)

    with blas_threads(1), ThreadPoolExecutor(cores) as pool:
        best = min(seconds(lambda: list(pool.map(work, range(cores)))) for _ in range(5))
    return cores * repeats * 2 * size**3 / best


def disagreement(found: Layers, wanted: Layers, start: Layers) -> float:
    """Return the largest difference of a parameter relative to the largest change of any."""

    def flat(layers: Layers) -> Array:
        return np.concatenate([part.ravel() for pair in layers for part in pair])

    moved = np.abs(flat(wanted) - flat(start)).max()
    return float(np.abs(flat(found) - flat(wanted)).max() / moved)


def race(workload: Workload, repeats: int, cores: int) -> list[Row]:
    """Return a row with the median, shortest and longest time of each contestant of ``workload``.

    First, all contestants take the same few steps and their results are compared with `Textbook`.
    Then they are timed in turns.

    Raises
    ------
    RuntimeError
        If the results of a contestant differ.
    """
    makers = contestants(workload, cores)
    threads = {name: 1 if name.startswith(OWN) else cores for name in makers}
    checked, found = CHECKED[workload.name], {}
    start: Layers = []
    for name, make in list(makers.items()):
        try:
            contestant = make()
        except ModuleNotFoundError as missing:
            print(f"{workload.name}: skipping {name} ({missing})", flush=True)
            del makers[name]
            continue
        start = start or [(w.copy(), b.copy()) for w, b in contestant.layers()]
        contestant.advance(checked)
        found[name] = contestant.layers()
    errors = {name: disagreement(found[name], found[REFERENCE], start) for name in makers}
    for name, error in errors.items():
        if not error <= ROUNDING:
            raise RuntimeError(f"{workload.name}: {name} differs from {REFERENCE} by {error:.2g}")
    del contestant, found
    gc.collect()

    racing: dict[str, Contestant] = {name: make() for name, make in makers.items()}
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in makers}
    peaks = [sgemm_peak(cores)]
    for turn in range(repeats + 1):
        for name, contestant in racing.items():
            with blas_threads(threads[name]):
                sample = others_busy(lambda one=contestant: one.advance(workload.steps))  # type: ignore[misc]
            if turn:  # the first turn is for warming up
                samples[name].append(sample)
    peaks.append(sgemm_peak(cores))
    rows = []
    for name, taken in samples.items():
        times = [wall for wall, _ in taken]
        median = statistics.median(times)
        rows.append(
            {
                "workload": workload.name,
                "network": workload.title,
                "unit": workload.unit,
                "contestant": name,
                "form": racing[name].trainer.form if name.startswith(OWN) else "",  # type: ignore[attr-defined]
                "median": median,
                "min": min(times),
                "max": max(times),
                "repeats": repeats,
                "ratio": median / statistics.median([wall for wall, _ in samples[OWN]]),
                "peak_share": workload.flops() / median / max(peaks),
                "difference": errors[name],
                "others_busy": statistics.median([share for _, share in taken]),
            }
        )
        print(f"{workload.name}  {name:16} {median:8.4f} s  {rows[-1]['ratio']:6.2f}x", flush=True)
    return rows


def evaluation_share(cores: int) -> list[Row]:
    """Return the share of time spent outside training steps in W2, evaluated after each epoch."""
    settings = {**WORKLOADS[1].settings, "epochs": 5, "steps": None, "evaluate_every": 1}
    config = Workload("", "", "", settings, 1).config()
    data = load(config.data, config.dtype, ordered=True)
    rows = []
    for threads in sorted({1, cores}):
        shares = []
        for _ in range(5):
            trainer = Trainer(config, data, threads)
            with blas_threads(1):
                wall = seconds(lambda one=trainer: list(train(one)))  # type: ignore[misc]
            shares.append(1 - trainer.seconds / wall)
        measure = f"share of five epochs of W2 that is evaluation, {threads} threads"
        rows.append({"measure": measure, "unit": "share", "value": statistics.median(shares)})
    return rows


def step_cost(settings: Row, cores: int) -> tuple[float, float, str]:
    """Return the seconds and operations per step, and the form of steps, for ``settings``."""
    workload = Workload("", "", "", settings, 1)
    config = workload.config()
    trainer = Trainer(config, load(config.data, config.dtype, ordered=True), cores)
    many = 1

    def advance() -> None:
        trainer.advance(trainer.progress.step + many)

    with blas_threads(1):
        advance()
        while seconds(advance) < 0.2:
            many *= 2
        walls = [seconds(advance) for _ in range(5)]
    return statistics.median(walls) / many, workload.flops(), trainer.form


def scaling(cores: int) -> list[Row]:
    """Return a row with the time and operations of a step for each width, depth and batch size."""
    points: list[tuple[str, int, Row]] = []
    for width in (64, 128, 256, 512, 1024, 2048, 4096):
        points.append(("width", width, {"hidden": [width], "batch_size": 128}))
    for depth in (0, 1, 2, 4, 8, 16):
        points.append(("depth", depth, {"hidden": [100] * depth, "batch_size": 100}))
    for batch in (1, 2, 4, 8, 16, 32, 64, 256, 1024, 4096, 16384, 60000):
        points.append(("batch", batch, {"hidden": [100], "batch_size": batch, "lr": 0.01}))
    rows = []
    for what, size, settings in points:
        step, flops, form = step_cost(settings, cores)
        row = {"varied": what, "size": size, "form": form, "seconds_a_step": step, "flops": flops}
        rows.append({**row, "gflops_a_second": flops / step / 1e9})
        print(f"{what} {size}: {step * 1e6:.0f} us per step, {form}", flush=True)
    return rows


def gradients() -> list[Row]:
    """Return a row with the times of numerical gradient and backpropagation for each size."""
    rows = []
    for hidden in ([5], [20], [50]):
        settings = {"hidden": hidden, "gradient": "numerical"}
        config = Workload("", "", "", settings, 1).config()
        data = load(config.data, config.dtype)
        network = build_network(config)
        x, targets = data.train.x[:100], np.eye(10)[data.train.labels[:100]]

        def backpropagate(network: Any = network, x: Array = x, targets: Array = targets) -> None:
            network.forward(x)
            network.compute_loss(targets)
            network.backward(x)

        with blas_threads(1):
            backpropagate()
            analytic = network.grad.copy()
            fast = statistics.median([seconds(backpropagate) for _ in range(50)])
            slow = seconds(lambda: numerical_gradient(network, x, targets))  # noqa: B023
        error = np.linalg.norm(network.grad - analytic) / np.linalg.norm(analytic)
        row = {"parameters": network.theta.size, "numerical": slow, "backpropagation": fast}
        rows.append({**row, "ratio": slow / fast, "relative_difference": float(error)})
        print(f"{network.theta.size} parameters: {slow / fast:.0f} times", flush=True)
    return rows


def command_line() -> list[Row]:
    """Return rows with the wall times of whole commands and sweeps."""

    def run(*arguments: str) -> float:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "nnexp", *arguments]
            done = seconds(
                lambda: subprocess.run(command, cwd=folder, check=True, capture_output=True)
            )
        print(f"{' '.join(arguments)}: {done:.2f} s", flush=True)
        return done

    def first_step(*arguments: str) -> float:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-u", "-m", "nnexp", *arguments]
            start = time.perf_counter()
            with subprocess.Popen(
                command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as run:
                assert run.stdout is not None
                for line in run.stdout:
                    if ", step 1:" in line:
                        return time.perf_counter() - start
        raise RuntimeError(f"{' '.join(command)} did not take a step")

    brief = ("evaluate_every=none", "steps=1")
    rows: list[Row] = []

    def add(measure: str, unit: str, value: float) -> None:
        rows.append({"measure": measure, "unit": unit, "value": value})

    run(*brief)  # unpacks MNIST and fills the file cache
    add("a run of one step, the command and its pages in all", "s", run(*brief))
    add(
        "until a run's first step is taken and evaluated",
        "s",
        statistics.median(first_step(*brief) for _ in range(5)),
    )
    tiny = ("-m", "data=xor", *brief, "hydra.launcher.workers=1")
    few, many = (run(*tiny, f"seed=range({n})") for n in (2, 202))
    add("each further job of a sweep of 200, 1 worker, all included", "s", (many - few) / 200)
    for workers in (1, 2):
        wall = run(
            "-m", "hidden=50", "epochs=1", "seed=range(24)", f"hydra.launcher.workers={workers}"
        )
        add(f"runs of an epoch of W2 a minute, {workers} workers", "1/min", 24 * 60 / wall)
    return rows


def machine(cores: int) -> Row:
    """Return the processor, its peak rates and the versions of the software."""
    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), cpu)
    versions: dict[str, str | None] = {}
    for name in ("torch", "jax", "scikit-learn"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    kept = ("nnexp", "commit", "dirty", "python", "numpy", "blas", "platform")
    software = {key: value for key, value in environment().items() if key in kept}
    peaks = {f"sgemm_gflops_{n}": sgemm_peak(n) / 1e9 for n in sorted({1, cores})}
    return {"processor": cpu, "cores": cores, **peaks, **software, **versions}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks and write tables, figures and a page."""
    parser = argparse.ArgumentParser(prog="python -m nnexp.benchmarks", description=__doc__)
    names = [*(workload.name for workload in WORKLOADS), *sweeps.SWEEPS]
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    parser.add_argument("--repeats", type=int, default=9, help="turns of each contestant")
    parser.add_argument("--turns", type=int, default=3, help="turns of each sweep")
    parser.add_argument(
        "--only", nargs="*", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument(
        "--race", action="store_true", help="only time sweeps and workloads, without writing files"
    )
    options = parser.parse_args(arguments)
    check_folder(options.out, "--out FOLDER")
    cores = available_cores()
    swept = [s for name, s in sweeps.SWEEPS.items() if name in options.only]
    raced = [w for w in WORKLOADS if w.name in options.only]
    whole = [row for sweep in swept for row in sweeps.race(sweep, options.turns, cores)]
    rows = [row for workload in raced for row in race(workload, options.repeats, cores)]
    if options.race:
        return 0
    facts = machine(cores)
    measures: dict[str, Callable[[], list[Row]]] = {
        "sweeps": lambda: whole,
        "workloads": lambda: rows,
        "costs": lambda: [*evaluation_share(cores), *command_line()],
        "scaling": lambda: scaling(cores),
        "gradients": gradients,
    }
    tables: dict[str, pd.DataFrame] = {}
    files: dict[str, str | bytes] = {}
    for name, measure in measures.items():  # write each table, in case a later one fails
        tables[name] = pd.DataFrame(measure())
        files[f"{name}.csv"] = tables[name].to_csv(index=False)
        fill(options.out, files)
    figures = {
        "sweeps": draw_sweeps(tables["sweeps"]),
        "workloads": draw_race(tables["workloads"]),
        "scaling": draw_scaling(tables["scaling"], 1e9 * facts[f"sgemm_gflops_{cores}"]),
    }
    for name, figure in figures.items():
        files[f"{name}.svg"] = layout.svg(figure)
    files["machine.json"] = json.dumps(facts, indent=1) + "\n"
    fill(options.out, {**files, "README.md": page(facts, tables)})
    print(f"written to {options.out}")
    return 0
