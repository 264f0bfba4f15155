"""Curves over training whose first steps are measured densely."""

from __future__ import annotations

import pandas as pd
import pytest

from nnexp.analysis.arms import compare, curves, seeds
from nnexp.analysis.clock import starts_densely
from nnexp.plotting.sweep_figures import figures
from nnexp.store.tables import Tables
from tests.synthetic import grid, make_tables

EPOCHS = [600 * epoch for epoch in range(6)]


@pytest.mark.parametrize(
    ("times", "dense"),
    [
        ([0, 1, 2, 5, 10, 20, 50, 100, *EPOCHS[1:]], True),
        ([0, 1, 2, 5, 10, 20, 50, 100, 200], True),
        (EPOCHS, False),
        ([0, 1, *EPOCHS[1:]], False),  # one step is not a start
        ([0], False),
        ([], False),
    ],
)
def test_a_dense_start(times: list[int], dense: bool) -> None:
    assert starts_densely(pd.Series(times, dtype=float)) is dense


def started(tables: Tables) -> Tables:
    """Return the tables with the first epoch squeezed into 0 to 5 steps of 600."""
    moved = [
        table.assign(step=step, epoch=step / 600)
        for table in tables[1:]
        for step in [table["step"].replace({600: 1, 1200: 2, 1800: 5})]
    ]
    return Tables(tables.runs, *moved)


@pytest.mark.slow
def test_the_first_steps_are_drawn_by_updates_on_a_logarithmic_axis() -> None:
    comparison = compare(*started(make_tables(grid(lr=[0.1, 0.5]), seeds=[0, 1])))
    table = curves(comparison.metrics, "test_loss")
    assert (*table["unit"].unique(),) == ("updates",)
    assert list(table["x"][:6]) == [0, 1, 2, 5, 2400, 3000]
    assert list(seeds(comparison.metrics, "test_loss")["x"][:6]) == [0, 1, 2, 5, 2400, 3000]
    for name in ("loss", "accuracy", "gradients", "saturation"):
        axes = figures(comparison)[name]().figure.axes
        assert axes[0].get_xscale() == "symlog"
    picture = figures(comparison)["loss"]()
    assert "The axis of updates is logarithmic" in picture.caption


def test_epochs_stay_where_networks_differ_in_their_steps() -> None:
    tables = started(make_tables(grid(batch_size=[100, 50])))
    halved = tables.metrics["batch_size"] == 50
    metrics = tables.metrics.assign(epoch=tables.metrics["epoch"].where(~halved, lambda e: e / 2))
    table = curves(compare(tables.runs, metrics, tables.layers).metrics, "test_loss")
    assert (*table["unit"].unique(),) == ("epochs",)
