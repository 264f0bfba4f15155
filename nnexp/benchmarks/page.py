"""The page of the benchmarks and its figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from nnexp.benchmarks.contestants import OWN
from nnexp.plotting import layout

Row = dict[str, Any]


def draw_sweeps(table: pd.DataFrame) -> Figure:
    """Return a figure of the sweeps: seconds per run, and how many times nnexp's."""
    with layout.style():
        figure, panels = _bars(table, "sweep", "seconds_a_run", "center")
        for name, (ax, rows) in panels.items():
            first = rows.iloc[0]
            ax.set_title(f"{name}, {first['runs']} runs of {first['network']}: seconds per run")
    return figure


def draw_race(table: pd.DataFrame) -> Figure:
    """Return a figure of the workloads: median seconds, with whiskers from minimum to maximum."""
    with layout.style():
        figure, panels = _bars(table, "workload", "median", "bottom")
        for name, (ax, rows) in panels.items():
            spread = [rows["median"] - rows["min"], rows["max"] - rows["median"]]
            ax.errorbar(
                rows["median"], rows["contestant"], xerr=spread, fmt="none", color="#333333"
            )
            first = rows.iloc[0]
            ax.set_title(f"{name}, {first['network']}: seconds per {first['unit']}")
    return figure


def _bars(
    table: pd.DataFrame, by: str, column: str, place: str
) -> tuple[Figure, dict[str, tuple[Axes, pd.DataFrame]]]:
    """Return a figure with a panel of bars for each value of ``by``, and its axes and rows.

    A bar shows the ``column`` of a contestant, with the ratio at its end (``place``: vertically).
    """
    names = list(table[by].unique())
    room = ConstrainedLayoutEngine(w_pad=0.12)  # for the longest name
    figure = Figure(figsize=(9, 1.9 * len(names)), layout=room)
    panels = {}
    for ax, name in zip(figure.subplots(len(names), 1, squeeze=False).flat, names, strict=True):
        rows = table[table[by] == name].iloc[::-1]
        own = rows["contestant"].str.startswith(OWN)
        ax.barh(rows["contestant"], rows[column], color=np.where(own, "#0072B2", "#B8B8B8"))
        for row, (value, ratio) in enumerate(zip(rows[column], rows["ratio"], strict=True)):
            ax.annotate(f" {ratio:.2f}x", (value, row), va=place, fontsize=9)
        ax.grid(visible=False, axis="y")
        ax.margins(x=0.12)
        panels[str(name)] = ax, rows
    return figure, panels


def draw_scaling(table: pd.DataFrame, peak: float) -> Figure:
    """Return a figure of the time per step, and of its limit by the machine's peak rate."""
    with layout.style():
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        for ax, (what, rows) in zip(
            figure.subplots(1, 3), table.groupby("varied", sort=False), strict=True
        ):
            ax.plot(rows["size"], rows["seconds_a_step"] * 1e3, "o-", color="#0072B2")
            ax.plot(rows["size"], rows["flops"] / peak * 1e3, "--", color="#7F7F7F")
            if what != "depth":
                ax.set_xscale("log", base=2)
            ax.set_yscale("log")
            ax.set_xlabel(
                {"width": "units of one hidden layer", "depth": "hidden layers"}.get(
                    str(what), "examples in a batch"
                )
            )
            ax.set_ylabel("ms per step")
            ax.set_title("measured (dots), and the matrix\nproducts at the peak rate (dashes)")
    return figure


def page(facts: Row, tables: dict[str, pd.DataFrame]) -> str:
    """Return the page with the tables, their explanation and the limits of the benchmark."""
    listed = "\n".join(f"- {key}: {value}" for key, value in facts.items())
    parts = [
        "# Benchmarks",
        "Made by `make bench`.",
        "## Whole sweeps",
        "Each is a whole process or several: start-up, compilation, training, and the loss and "
        "accuracy of the full training and test sets on the same schedule. nnexp is its command as "
        "users run it, which also measures layers, stores records and draws a page. All took part "
        "in the first turn, and the fastest arrangement of each library in all `turns`; seconds "
        "are medians. Their mean final scores were compared with nnexp's. `ratio` is a time "
        "divided by nnexp's: above 1, nnexp is faster.",
        "![Seconds per run of each sweep](sweeps.svg)",
        _table(tables["sweeps"].drop(columns=["network", "operations"])),
        "The limit that the machine sets: `products` are the seconds that the matrix products of "
        "all training and evaluation take at its peak rate, if no input is zero. nnexp leaves out "
        "columns of zeros, so it can fall below.",
        _table(_limits(tables["sweeps"], facts)),
        "## Training steps",
        "Times are medians of wall times, measured in turns. They include "
        "drawing the order of the examples and gathering the batches, but not evaluation. "
        "`ratio` is a contestant's time divided by nnexp's: above 1, nnexp is faster. "
        "`peak_share` is the rate of the matrix products relative to large float32 products on "
        "all cores, measured in the same run. `difference` is the largest difference of a "
        "parameter from the float64 textbook implementation before the timing, relative to the "
        "largest change of a parameter. `others_busy` is the share of the cores that other "
        "processes used. If it is not close to 0, only the ratios are meaningful, and "
        "differences below 20 % are not.",
        "![Seconds of each contestant on each workload](workloads.svg)",
        _table(tables["workloads"].drop(columns=["network", "repeats"])),
        "## Fixed costs and sweeps",
        _table(tables["costs"]),
        "## Time per step by size",
        "![Time per step by width, depth and batch size](scaling.svg)",
        _table(tables["scaling"]),
        "## Numerical gradient and backpropagation",
        "One gradient of a batch of 100, float64, 784 inputs and 10 outputs, one thread.",
        _table(tables["gradients"]),
        "## The machine",
        listed,
        "## What this does not show",
        "The results hold for a few cores of one machine, not for GPUs or many cores, for which "
        "PyTorch and JAX are made. The networks are small, dense and trained on MNIST. The other "
        "libraries are used as in their tutorials; JAX's compilation is timed in whole sweeps "
        "alone. The ratios differ between processors, depending on the matrix products of each "
        "library.",
    ]
    return "\n\n".join(parts) + "\n"


def _limits(sweeps: pd.DataFrame, facts: Row) -> pd.DataFrame:
    """Return a row for each sweep: nnexp's seconds, and those of the matrix products alone."""
    own = sweeps[sweeps["contestant"] == OWN]
    peak = 1e9 * facts[f"sgemm_gflops_{facts['cores']}"]
    limits = own.assign(products=own["operations"] / peak)
    limits["share"] = limits["products"] / limits["seconds"]
    table: pd.DataFrame = limits[["sweep", "seconds", "products", "share"]]
    return table


def _table(table: pd.DataFrame) -> str:
    def cell(value: object) -> str:
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    lines = ["| " + " | ".join(table.columns) + " |", "|---" * len(table.columns) + "|"]
    lines += ["| " + " | ".join(map(cell, row)) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines)
