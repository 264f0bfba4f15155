"""Figures of many arms: small multiples, selections, and an axis for each loss."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnexp.analysis.arms import compare
from nnexp.plotting import layout
from nnexp.plotting.facets import MOST_LINES, MOST_PANELS
from nnexp.plotting.picture import Picture
from nnexp.plotting.styles import CONTEXT
from nnexp.plotting.sweep_figures import figures, looks
from tests.synthetic import assert_within, grid, make_tables

INITS = ["xavier", "he", "randn"]
RATES = [0.01, 0.03, 0.1, 0.3, 1]
ACTIVATIONS = ["sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "softplus", "gelu", "silu"]
LOSSES = ["cross_entropy", "mse"]
MANY = {
    "6 arms": grid(init=INITS, lr=[0.1, 1]),
    "2x3x5": grid(data=["mnist", "kmnist"], init=INITS, lr=RATES),
    "2x3x5 with two losses": grid(loss=LOSSES, init=INITS, lr=RATES),
    "12 activations": grid(activation=[*ACTIVATIONS, "identity", "step", "mine.py:swish"]),
    "30 named arms": [{"arm": f"arm {i}", "lr": 0.01 * (i + 1)} for i in range(30)],
    "20 x 9": grid(lr=[0.01 * i for i in range(1, 21)], activation=ACTIVATIONS),
}


def draw(points: list[dict[str, object]], name: str, seeds: tuple[int, ...] = (0,)) -> Picture:
    return figures(compare(*make_tables(points, seeds, evaluations=3)))[name]()


def titles(figure: Figure) -> list[str]:
    return [" ".join(ax.get_title(loc="left").split()) for ax in figure.axes]


def lines(ax: Axes) -> int:
    """Return the number of arms that have a colour in ``ax``: those with markers."""
    return sum(line.get_marker() not in ("None", "x") for line in ax.lines)


def entries(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def assert_apart(figure: Figure) -> None:
    """Hold that no legend overlaps axes with their labels, and that axes do not overlap."""
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    frames = [ax.get_window_extent() for ax in figure.axes]
    others = [*figure.legends, *figure.texts]
    for one in (part.get_window_extent() for part in others):
        assert not any(box.overlaps(one) for box in boxes)
    for i, j in itertools.permutations(range(len(boxes)), 2):
        assert not frames[i].overlaps(boxes[j])


def test_arms_that_do_not_fit_one_frame_have_a_panel_for_each_level_of_a_factor() -> None:
    picture = draw(MANY["2x3x5"], "accuracy")
    assert titles(picture.figure) == [f"lr {rate:g}" for rate in RATES]
    assert [lines(ax) for ax in picture.figure.axes] == [6] * 5
    assert len({ax.get_ylim() for ax in picture.figure.axes}) == 1
    assert len({ax.get_xlim() for ax in picture.figure.axes}) == 1
    shown = [f"{data}, {init}" for data in ("mnist", "kmnist") for init in INITS]
    assert entries(picture.figure) == shown
    assert "One panel for each lr." in picture.caption


def test_arms_of_one_panel_and_another_that_differ_only_in_it_look_alike() -> None:
    compared = compare(*make_tables(MANY["2x3x5"]))
    styles = looks(compared)
    assert len(set(map(str, styles.values()))) == 6
    alike = {str(style) for arm, style in styles.items() if arm.startswith("mnist, he")}
    assert len(alike) == 1


def test_eight_arms_share_a_frame_and_nine_do_not() -> None:
    eight = draw(grid(init=[*INITS, "zero"], lr=[0.1, 1]), "loss")
    assert titles(eight.figure) == [""]
    assert lines(eight.figure.axes[0]) == MOST_LINES == 8
    nine = draw(grid(init=INITS, lr=[0.01, 0.1, 1]), "loss")
    assert titles(nine.figure) == ["lr 0.01", "lr 0.1", "lr 1"]


def test_one_factor_of_many_levels_has_a_panel_for_each_before_the_others_in_grey() -> None:
    points = MANY["12 activations"]
    picture = draw(points, "accuracy")
    assert titles(picture.figure) == [str(point["activation"]) for point in points]
    for ax in picture.figure.axes:
        assert lines(ax) == 1
        (grey,) = [line for line in ax.lines if line.get_color() == CONTEXT]
        assert np.isnan(grey.get_xdata()).sum() == 11  # a gap after each of the others
    assert entries(picture.figure) == ["other arms"]


@pytest.mark.slow
def test_two_factors_may_divide_the_arms() -> None:
    names = [f"mine.py:f{i}" for i in range(4)]
    picture = draw(grid(init=names, activation=ACTIVATIONS[:4], lr=[0.1, 1, 2, 3]), "accuracy")
    assert len(picture.figure.axes) == MOST_PANELS == 16
    assert titles(picture.figure)[0] == "sigmoid, lr 0.1"
    assert "One panel for each activation and lr." in picture.caption


@pytest.mark.slow
def test_of_very_many_arms_the_highest_and_the_lowest_have_a_colour() -> None:
    picture = draw(MANY["30 named arms"], "accuracy")
    assert lines(picture.figure.axes[0]) == 8
    best_to_worst = [f"arm {i}" for i in (0, 1, 2, 3, 26, 27, 28, 29)]
    assert entries(picture.figure) == [*best_to_worst, "22 others"]
    assert (
        "8 of 30 arms have a colour: the 4 with the highest and the 4 with the lowest final test "
        "accuracy." in picture.caption
    )
    picture = draw(MANY["20 x 9"], "accuracy")
    assert "Grey: 100 of the others, evenly spaced by rank." in picture.caption
    assert len(picture.table["arm"].unique()) == 108


def test_every_loss_has_its_own_axis() -> None:
    picture = draw(grid(loss=LOSSES, init=INITS[:2]), "loss")
    assert titles(picture.figure) == LOSSES
    one, other = picture.figure.axes
    assert not one.get_shared_y_axes().joined(one, other)
    assert one.get_shared_x_axes().joined(one, other)
    assert [lines(ax) for ax in (one, other)] == [2, 2]
    assert "Different losses are not comparable: each has its own axis." in picture.caption


def test_facets_of_different_losses_share_the_axis_of_their_loss() -> None:
    picture = draw(MANY["2x3x5 with two losses"], "loss")
    names = titles(picture.figure)
    assert names == [f"{loss}, lr {rate:g}" for loss in LOSSES for rate in RATES]
    axes = picture.figure.axes
    shared = axes[0].get_shared_y_axes()
    for a, b in itertools.combinations(range(len(axes)), 2):
        assert shared.joined(axes[a], axes[b]) == (a // 5 == b // 5)


def test_a_panel_for_each_loss_is_not_divided_again() -> None:
    points = grid(loss=LOSSES, activation=ACTIVATIONS[:8])
    assert titles(draw(points, "loss").figure) == LOSSES


def test_gradients_of_different_losses_are_said_to_differ_in_size() -> None:
    two = draw(grid(loss=LOSSES), "gradients")
    assert "different losses, which are not comparable in size" in two.caption


@pytest.mark.slow
def test_layers_are_the_columns_and_levels_the_rows() -> None:
    picture = draw(MANY["2x3x5"], "gradients")
    assert titles(picture.figure)[:3] == [
        "lr 0.01, layer 1",
        "lr 0.01, layer 2",
        "lr 0.03, layer 1",
    ]
    assert [lines(ax) for ax in picture.figure.axes] == [6] * 10
    deep = draw(grid(hidden=["9x9x9x9"], init=INITS, lr=[0.1, 1, 2]), "gradients")
    assert titles(deep.figure)[:3] == ["lr 0.1, layer 1", "lr 0.1, layer 4", "lr 0.1, layer 5"]
    assert "2 of 4 hidden layers are shown." in deep.caption
    depths = draw(grid(init=INITS, hidden=["9", "9x9x9", "none"]), "gradients")
    assert "hidden 9, layer 3" not in titles(depths.figure)
    assert "hidden 9x9x9, layer 3" in titles(depths.figure)
    few = draw(MANY["12 activations"], "gradients")
    assert "8 of 12 arms have a colour" in few.caption


@pytest.mark.slow
def test_rows_boxes_and_differences_have_a_limit() -> None:
    names = [f"mine.py:f{i}" for i in range(35)]
    drawn = figures(compare(*make_tables(grid(init=names), (0, 1), evaluations=2)))
    final = drawn["final"]()
    labels = [label.get_text() for label in final.figure.axes[0].get_yticklabels()]
    assert (len(labels), labels[0], labels[15], labels[-1]) == (31, names[0], "5 others", names[-1])
    assert "30 of 35 arms have a row" in final.caption
    differences = drawn["differences"]()
    assert len(differences.figure.axes[0].get_yticks()) == 20
    assert "Of more than 20 levels" in differences.caption
    activations = drawn["activations"]()
    assert len(activations.figure.axes) == 12
    assert "12 of 35 arms are shown" in activations.caption


@pytest.mark.slow
def test_a_map_of_many_columns_keeps_its_means_and_a_larger_one_its_colours() -> None:
    wide = draw(grid(activation=ACTIVATIONS, init=[f"mine.py:f{i}" for i in range(12)]), "cells")
    assert len(wide.figure.axes[0].texts) == 9 * 12
    assert "in per cent" in wide.caption
    rates = [round(0.01 * i, 2) for i in range(1, 21)]
    large = draw(grid(lr=rates, weight_decay=[r / 100 for r in rates]), "cells").figure
    assert not large.axes[0].texts
    assert large.axes[0].child_axes[0].get_ylabel() == "final test accuracy"
    assert len(large.axes[0].get_xticks()) <= 16


def test_curves_over_numbers_are_divided_as_well() -> None:
    picture = draw(grid(activation=ACTIVATIONS, init=INITS[:2], lr=[0.01, 0.1, 1]), "response")
    assert titles(picture.figure) == ACTIVATIONS
    assert [len(ax.lines) for ax in picture.figure.axes] == [2 * 3] * 9  # means, runs and crosses
    assert "One panel for each activation." in picture.caption


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MANY if name != "2x3x5"])  # as with two losses
def test_nothing_overlaps_in_figures_of_many_arms(name: str) -> None:
    drawn = figures(compare(*make_tables(MANY[name], (0, 1), evaluations=3)))
    for draw_one in drawn.values():
        figure = draw_one().figure
        assert_within(figure)  # draws it
        assert_apart(figure)


@pytest.mark.slow
def test_thousands_of_arms_are_drawn() -> None:
    rates = [round(0.001 * i, 3) for i in range(1, 401)]
    points = grid(lr=rates, init=[*INITS, "zero", "lecun"])[:-3]
    drawn = figures(compare(*make_tables(points, evaluations=2)))
    for draw_one in drawn.values():
        assert len(layout.svg(draw_one().figure)) < 2_000_000
