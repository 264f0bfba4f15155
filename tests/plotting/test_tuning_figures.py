"""The figures of a sweep's tuning: curves, the best values, edges, and lost trials."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from nnexp.analysis.arms import compare
from nnexp.plotting.picture import Picture
from nnexp.plotting.sweep_figures import figures
from tests.synthetic import assert_within, grid, make_tuned

ARMS = grid(activation=["sigmoid", "tanh", "relu"])
RATES = grid(lr=[0.1, 0.3, 1.0])
ORANGE = "#D55E00"


def drawn(*args: Any, **how: Any) -> dict[str, Picture]:
    """Return the figures of tuning, by name."""
    tables, trials = make_tuned(*args, **how)
    found = figures(compare(*tables, trials))
    return {name: draw() for name, draw in found.items() if name.startswith("tuning-")}


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_each_arm_has_a_panel_with_its_curve_trials_and_best_value() -> None:
    found = drawn(ARMS, RATES, [1, 1, 2])
    picture = found["tuning-lr"]
    panels = picture.figure.axes
    assert [ax.get_title("left") for ax in panels] == [
        "sigmoid: lr 0.3",
        "tanh: lr 0.3",
        "relu: lr 1",
    ]
    assert panels[0].get_xscale() == "log"
    assert [text.get_text() for text in panels[2].get_xticklabels()] == ["0.1", "0.3", "1"]
    mean, runs, *_ = panels[0].lines
    np.testing.assert_allclose(mean.get_xydata(), [[0.1, 0.8], [0.3, 0.9], [1, 0.8]])
    assert len(runs.get_xdata()) == 9
    best = [next(line for line in ax.lines if line.get_marker() == "D") for ax in panels]
    assert [line.get_xdata()[0] for line in best] == [0.3, 0.3, 1]
    assert [line.get_color() == ORANGE for line in best] == [False, False, True]
    assert legend(picture.figure) == ["one run", "mean", "best", "best, at the edge"]
    assert "Orange: no value beyond the best was tried" in picture.caption
    assert picture.alt.endswith("Best: sigmoid at 0.3, tanh at 0.3, relu at 1.")
    assert_within(picture.figure)
    table = picture.table
    assert table.loc[table["best"], "lr"].tolist() == [0.3, 0.3, 1]
    assert table["edge"].unique().tolist() == ["", "largest"]


def test_values_with_lost_trials_are_crossed_out() -> None:
    picture = drawn(ARMS[:1], RATES, [1], lost={(0, 2): "diverged"})["tuning-lr"]
    (ax,) = picture.figure.axes
    (cross,) = (line for line in ax.lines if line.get_marker() == "x" and len(line.get_xdata()))
    assert cross.get_xdata().tolist() == [1.0]
    assert legend(picture.figure)[-1] == "some diverged or failed"
    assert "so the value is not chosen" in picture.caption
    assert_within(picture.figure)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (grid(optimizer=["sgd", "adam", "rmsprop"]), ["sgd", "adam", "rmsprop"]),
        (grid(weight_decay=[0.0, 0.01, 0.001]), ["0", "0.001", "0.01"]),
        (grid(batch_size=["10", "100", "full"]), ["10", "100", "full"]),
    ],
)
def test_names_and_zero_are_equally_far_apart(
    values: list[dict[str, Any]], labels: list[str]
) -> None:
    (picture,) = drawn(ARMS[:2], values, [1, 2]).values()
    ax = picture.figure.axes[1]
    assert [text.get_text() for text in ax.get_xticklabels()] == labels
    assert ax.get_xticks().tolist() == [0, 1, 2]
    assert ax.get_xscale() == "linear"
    assert_within(picture.figure)


def test_of_several_settings_each_is_drawn_at_the_best_of_the_others() -> None:
    found = drawn(ARMS[:2], grid(lr=[0.1, 1.0], batch_size=[10, 100, 1000]), [4, 4])
    assert list(found) == ["tuning-lr", "tuning-batch_size"]
    by_rate, by_batch = (picture.figure.axes[0] for picture in found.values())
    assert " ".join(by_rate.get_title("left").split()) == "sigmoid: lr 1 (batch size 100)"
    np.testing.assert_allclose(by_rate.lines[0].get_xydata(), [[0.1, 0.6], [1, 0.9]])
    np.testing.assert_allclose(by_batch.lines[0].get_xdata(), [10, 100, 1000])
    assert "Other tuned settings have their best values" in found["tuning-lr"].caption


def test_the_figure_shows_a_dozen_of_many_arms_and_says_so() -> None:
    arms = grid(
        init=["xavier", "he", "zero", "randn"], activation=["sigmoid", "tanh", "relu", "elu"]
    )
    picture = drawn(arms, RATES[:2], [0] * 16, seeds=[0])["tuning-lr"]
    assert len(picture.figure.axes) == 12
    assert picture.caption.endswith("The first 12 of 16 arms are drawn.")
    assert picture.table["arm"].nunique() == 16
    assert "one run" not in legend(picture.figure)  # the mean of one seed is that seed


def test_an_arm_whose_trials_all_failed_has_an_empty_panel() -> None:
    lost = {(0, value): "failed" for value in range(3)}
    picture = drawn(ARMS[:2], RATES, [0, 1], seeds=[0], lost=lost)["tuning-lr"]
    assert picture.figure.axes[0].get_title("left") == "sigmoid: lr 0.1"
    assert_within(picture.figure)
