"""Marks: what a page reads of a figure is what was drawn."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from nnexp.analysis.arms import compare
from nnexp.plotting import layout, marks
from nnexp.plotting.marks import mark
from nnexp.plotting.sweep_figures import figures
from tests.synthetic import grid, make_tables


def symlog(place: float) -> float:
    """Invert Matplotlib's symmetrical logarithm with a linear part up to 1."""
    least = 1 / 0.9
    if abs(place) <= least:
        return place / least
    return math.copysign(10 ** (abs(place) - least), place)


INVERSES = {"linear": (lambda v: v, lambda p: p), "log": (math.log10, lambda p: 10**p)}
INVERSES["symlog"] = (
    lambda v: v / 0.9 if abs(v) <= 1 else math.copysign(1 / 0.9 + math.log10(abs(v)), v),
    symlog,
)


@pytest.mark.parametrize("scale", INVERSES)
def test_a_value_is_found_again_from_its_place_in_the_drawing(scale: str) -> None:
    x, y = np.array([0.0, 1, 2, 3]), np.array([0.5, 37.25, 2.125, 900.0])
    if scale == "symlog":
        y[1] *= -1
    figure = Figure(layout="constrained")
    ax = figure.subplots()
    ax.plot(x, y, gid=mark("mean", ["he"], ["run-1"]))
    ax.set_yscale(scale, **({"linthresh": 1} if scale == "symlog" else {}))
    ax.set(xlabel="epochs", ylabel="loss")
    assert marks.number(figure) == [["mean", ["he"], ["run-1"]]]
    drawn = layout.svg(figure).decode()
    ((left, top, right, bottom, across, up),) = marks.axes(figure)
    assert (across[0], across[3]) == ("linear", "epochs")
    assert (up[0], up[3], up[4:]) == (scale, "loss", [1] if scale == "symlog" else [])
    root = ElementTree.fromstring(drawn)
    (curve,) = root.findall(".//*[@id='mark-0']/{*}path")
    places = np.array(re.findall(r"[ML] (\S+) (\S+)", str(curve.get("d"))), float)
    to, back = INVERSES[scale]
    low, high = to(up[1]), to(up[2])
    found = [back(low + (high - low) * (p - bottom) / (top - bottom)) for p in places[:, 1]]
    np.testing.assert_allclose(found, y, rtol=1e-5)
    shares = (places[:, 0] - left) / (right - left)
    np.testing.assert_allclose(across[1] + shares * (across[2] - across[1]), x, atol=1e-5)


def test_every_curve_of_an_arm_and_its_entry_in_the_legend_are_marked() -> None:
    comparison = compare(*make_tables(grid(init=["xavier", "zero"]), (0, 1)))
    figure = figures(comparison)["accuracy"]().figure
    found = marks.number(figure)
    kinds = {arm: [kind for kind, own, _ in found if own == [arm]] for arm in ("xavier", "zero")}
    # The mean is there twice: over epochs and over seconds.
    each = sorted(["key", "key", "mean", "mean", "band", "train accuracy", "seed", "seed"])
    assert {arm: sorted(own) for arm, own in kinds.items()} == {"xavier": each, "zero": each}
    runs = [runs for kind, own, runs in found if kind == "seed" and own == ["zero"]]
    assert runs == [["run-1-0"], ["run-1-1"]]
    drawn = layout.svg(figure).decode()
    ids = re.findall(r' id="(mark-\d+)"', drawn)
    assert sorted(ids) == sorted(f"mark-{place}" for place in range(len(found)))
    assert marks.number(figure) == []


def test_a_legend_of_panels_names_all_arms_of_an_entry() -> None:
    points = grid(init=["xavier", "zero", "he"], lr=[0.1, 0.2, 0.3])
    figure = figures(compare(*make_tables(points)))["accuracy"]().figure
    entries = {tuple(own) for kind, own, _ in marks.number(figure) if kind == "key"}
    assert len(entries) == 3
    assert all(len(own) == 3 for own in entries)
    assert len({arm for own in entries for arm in own}) == 9


def test_the_points_of_runs_are_in_the_order_of_their_marks() -> None:
    comparison = compare(
        *make_tables(grid(init=["xavier", "zero"]), range(4), diverged={(0, 1): 9})
    )
    found = marks.number(figures(comparison)["final"]().figure)
    runs = [runs for kind, own, runs in found if kind == "runs" and own == ["xavier"]]
    assert runs == [["run-0-0", "run-0-2", "run-0-3"], ["run-0-1"]]
