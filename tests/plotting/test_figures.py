"""The structure of the figures: lines, bands, crosses, legends, labels, scales, colours."""

from __future__ import annotations

import functools
import io
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from nnexp.analysis.arms import Comparison, compare, curves, spreads
from nnexp.analysis.effects import effects
from nnexp.analysis.grids import Grid, grid_cells
from nnexp.analysis.outcomes import Outcome
from nnexp.analysis.tuning import Tuned
from nnexp.errors import InputError
from nnexp.nn.initializers import INITIALIZERS
from nnexp.plotting import layout, panels
from nnexp.plotting.factor_figures import heat_map
from nnexp.plotting.picture import Picture
from nnexp.plotting.styles import KNOWN, Style, arm_styles
from nnexp.plotting.sweep_figures import figures, pictures
from tests.synthetic import assert_within, contrast, grid, make_tables

INITS = grid(init=["xavier", "randn", "zero"])
_INITS_BY_RATE = grid(init=["xavier", "he"], lr=[0.1, 1])[:-1]


def axes():
    return Figure().subplots()


def comparison(points=INITS, seeds=(0, 1, 2), **mishaps) -> Comparison:
    return compare(*make_tables(points, seeds, **mishaps))


class Drawn(Mapping[str, Picture]):
    """The figures of a comparison by their names; each is drawn when it is first looked up."""

    def __init__(self, compared: Comparison) -> None:
        self._draw = {name: functools.cache(draw) for name, draw in figures(compared).items()}

    def __getitem__(self, name: str) -> Picture:
        return self._draw[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._draw)

    def __len__(self) -> int:
        return len(self._draw)


def entries(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def header(figure: Figure) -> str:
    return " ".join(" ".join(text.get_text().split()) for text in figure.texts)


def test_curves_have_a_line_and_a_band_for_each_arm():
    compared = comparison()
    table, styles = curves(compared.metrics, "test_loss"), arm_styles(compared)
    ax = panels.draw_curves(axes(), table, styles)
    assert ax.get_xlabel() == "epochs"
    assert [line.get_color() for line in ax.lines] == [style.colour for style in styles.values()]
    randn = table[table["arm"] == "randn"]
    np.testing.assert_allclose(ax.lines[1].get_xydata(), randn[["x", "mean"]])
    corners = ax.collections[1].get_paths()[0].vertices
    for x, low, high in randn[["x", "low", "high"]].to_numpy():
        assert {low, high} <= set(corners[corners[:, 0] == x, 1])


def test_one_seed_has_no_band():
    compared = comparison(seeds=[0])
    table = curves(compared.metrics, "test_loss")
    assert not panels.draw_curves(axes(), table, arm_styles(compared)).collections


def test_a_diverged_run_ends_the_mean_with_a_cross_and_opens_the_band_upwards():
    compared = comparison([{}], diverged={(0, 0): 700})
    table = curves(compared.metrics, "test_loss")
    ax = panels.draw_curves(axes(), table, arm_styles(compared))
    line, cross = ax.lines
    assert np.isfinite(line.get_ydata()).sum() == 2
    assert cross.get_marker() == "x"
    assert cross.get_xdata() == [1.0]
    assert ax.collections[0].get_paths()[0].vertices[:, 1].max() > 1e6
    assert ax.get_ylim()[1] < 10


def test_thin_curves_are_means_alone():
    compared = comparison()
    table = curves(compared.metrics, "train_loss")
    ax = panels.draw_curves(axes(), table, arm_styles(compared), thin="training set")
    assert len(ax.lines) == 3
    assert not ax.collections
    assert all(line.get_linewidth() < 1 for line in ax.lines)


def test_a_gradient_of_exactly_zero_is_marked_at_the_edge():
    compared = comparison()
    table = curves(compared.layers, "gradient_norm")
    ax = panels.draw_zeros(axes(), table[table["layer"] == 1], arm_styles(compared))
    (line,) = ax.lines
    assert line.get_xdata().tolist() == [0.0]
    assert line.get_color() == arm_styles(compared)["zero"].colour


def test_every_seed_is_a_dot_and_a_diverged_one_a_cross():
    compared = comparison(diverged={(1, 0): 700}, failed=[(2, 1)])
    styles = arm_styles(compared)
    ax = panels.draw_final(axes(), compared.runs, compared.summary, styles)
    marks = {"o": 0, "s": 0, "^": 0, "x": 0}
    for line in ax.lines:
        if line.get_linestyle() == "None":
            marks[line.get_marker()] += len(line.get_xdata())
    assert marks == {"o": 3, "s": 2, "^": 2, "x": 1}
    labels = [" ".join(label.get_text().split()) for label in ax.get_yticklabels()]
    assert labels == ["xavier", "randn (1 of 3 diverged)", "zero (1 of 3 failed)"]
    assert [text.get_text() for text in ax.texts] == ["0.910", "0.617", "0.830"]
    assert ax.get_xlabel() == "final test accuracy"


def test_spreads_have_a_hollow_and_a_filled_box_for_each_layer():
    compared = comparison(grid(hidden=["100x50"]))
    table = spreads(compared.layers)
    ax = panels.draw_spread(axes(), table, Style("#0072B2", "-", "o"))
    assert len(ax.patches) == 6
    faces = [to_hex(box.get_facecolor()) for box in ax.patches]
    assert faces == ["#ffffff"] * 3 + ["#0072b2"] * 3
    box = ax.patches[0]
    first = table[(table["layer"] == 1) & (table["moment"] == "before")].iloc[0]
    assert (box.get_y(), box.get_y() + box.get_height()) == pytest.approx(
        (first["p25"], first["p75"])
    )
    low, high = ax.get_xlim()
    assert [tick for tick in ax.get_xticks() if low < tick < high] == [1, 2, 3]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("layer", "activation")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "names"),
    [*zip(["init", "activation", "loss", "optimizer", "sampling", "data"], KNOWN, strict=True)],
)
def test_a_choice_has_a_colour_of_its_own_that_it_keeps(setting, names):
    everyone = arm_styles(comparison(grid(**{setting: names}), seeds=[0]))
    assert len({style.colour for style in everyone.values()}) == len(names)
    for name in names:
        other = next(n for n in names if n != name)
        pair = arm_styles(comparison(grid(**{setting: [other, name]}), seeds=[0]))
        assert pair[name] == everyone[name]


def test_styles_differ_without_colour_too():
    everyone = arm_styles(comparison(grid(init=list(INITIALIZERS)), seeds=[0])).values()
    assert len({(str(style.line), style.marker) for style in everyone}) == len(everyone)


def test_of_two_factors_one_is_the_colour_and_the_other_the_line():
    styles = arm_styles(comparison(grid(lr=[0.1, 1], init=["xavier", "he"]), seeds=[0]))
    slow, fast = styles["xavier, lr 0.1"], styles["xavier, lr 1"]
    assert slow.colour == fast.colour != styles["he, lr 1"].colour
    assert slow.line != fast.line
    assert fast.line == styles["he, lr 1"].line
    assert slow.marker != fast.marker


def test_numbers_run_from_dark_to_light_in_their_order():
    styles = arm_styles(comparison(grid(lr=[1, 0.01, 10, 0.1]), seeds=[0]))
    brightness = [sum(to_rgb(styles[f"lr {lr}"].colour)) for lr in ("0.01", "0.1", "1", "10")]
    assert brightness == sorted(brightness)


def test_unknown_names_take_colours_that_no_other_has():
    names = ["mine.py:first", "xavier", "mine.py:second", "he"]
    styles = arm_styles(comparison(grid(init=names), seeds=[0]))
    assert len({style.colour for style in styles.values()}) == 4
    assert styles["xavier"] == arm_styles(comparison(seeds=[0]))["xavier"]


@pytest.mark.slow
def test_the_pictures_of_a_sweep():
    found = Drawn(comparison())
    assert list(found) == [
        "loss",
        "accuracy",
        "final",
        "differences",
        "activations",
        "gradients",
        "saturation",
        "symmetry",
    ]
    for name, picture in found.items():
        assert picture.name == name
        told = header(picture.figure)
        assert picture.title in told
        assert picture.title in [text.get_text() for text in picture.figure.texts]  # on one line
        assert picture.title.endswith("by init") or picture.name == "differences"
        assert "Held fixed: mnist, 784-50-10 sigmoid" in told
        assert "n = 3" in picture.caption
        assert picture.alt.startswith(picture.caption)
        assert len(picture.alt) > len(picture.caption)


def test_the_distance_from_the_start_is_drawn_where_it_was_measured():
    tables = make_tables(INITS, (0, 1, 2))
    moved = tables.layers.assign(distance=tables.layers["step"] / 100)
    found = Drawn(compare(tables.runs, tables.metrics, moved))
    assert "distance" in found
    picture = found["distance"]
    assert [ax.get_title() for ax in picture.figure.axes] == [
        ax.get_title() for ax in found["gradients"].figure.axes
    ]
    assert all(ax.get_ylim()[0] == 0 for ax in picture.figure.axes)
    assert "initial values" in picture.caption
    assert "distance" not in Drawn(comparison())


def test_learning_curves_show_test_and_training_set_with_their_key():
    found = Drawn(comparison())
    (ax,) = found["loss"].figure.axes
    hairlines = [line for line in ax.lines if line.get_linewidth() == 0.5]
    assert len(hairlines) == 9
    assert len(ax.lines) == 6 + 9
    assert len(ax.collections) == 3
    assert "Hairlines: single seeds." in found["loss"].caption
    assert entries(found["loss"].figure) == ["xavier", "randn", "zero", "thin: training set"]
    assert ax.get_ylabel() == "loss (mean per example)"
    assert ax.get_yscale() == "log"
    ax, timed = found["accuracy"].figure.axes
    assert ax.get_ylabel() == "accuracy (share correct)"
    assert ax.get_yscale() == "linear"
    assert (ax.get_xlabel(), timed.get_xlabel()) == ("epochs", "seconds")
    assert len(timed.lines) == 3
    assert not timed.collections
    np.testing.assert_allclose(timed.lines[0].get_ydata(), ax.lines[0].get_ydata())
    assert timed.lines[0].get_xdata().tolist() == [0, 0.6, 1.2, 1.8, 2.4, 3.0]
    assert "do not support claims about speed" in found["accuracy"].caption
    assert "seconds" not in found["loss"].caption
    assert "lowest to the highest seed (n = 3)" in found["loss"].caption
    assert "xavier 0.21, randn 0.31, zero 0.41" in found["loss"].alt


def test_a_loss_that_falls_little_stays_on_a_linear_axis():
    points = [{}]
    tables = make_tables(points)
    metrics = tables.metrics.assign(test_loss=tables.metrics["test_loss"].clip(1, 2))
    (ax,) = Drawn(compare(tables.runs, metrics, tables.layers))["loss"].figure.axes
    assert ax.get_yscale() == "linear"


def test_losses_of_different_kinds_are_said_to_differ_in_scale():
    points = [{"loss": "cross_entropy"}, {"loss": "mse", "loss.output": "sigmoid"}]
    assert "Different losses are not comparable" in Drawn(comparison(points))["loss"].caption
    assert "scale" not in Drawn(comparison())["loss"].caption


def test_one_seed_is_said_to_have_no_band():
    found = Drawn(comparison(seeds=[0]))
    assert "one seed each (n = 1), so no band" in found["loss"].caption
    assert not found["loss"].figure.axes[0].collections


def test_gradients_have_a_panel_a_layer_on_one_logarithmic_axis():
    figure = Drawn(comparison(grid(init=["xavier", "zero"], hidden=["100x50"])))["gradients"].figure
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "layer 1 (hidden, 100 units)",
        "layer 2 (hidden, 50 units)",
        "layer 3 (output, 10 units)",
    ]
    assert {ax.get_yscale() for ax in figure.axes} == {"log"}
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    assert figure.get_supylabel() == "gradient norm of the weights"
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "", "epochs"]
    assert entries(figure) == ["xavier", "zero"]


def test_a_deep_network_is_shown_by_six_of_its_layers():
    figure = Drawn(comparison(grid(hidden=["x".join(["10"] * 11)])))["gradients"].figure
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert len(titles) == 6
    assert titles[0].startswith("layer 1 ")
    assert titles[-1].startswith("layer 12 (output")


def test_saturation_shows_shares_of_hidden_layers_and_dead_units_thin():
    figure = Drawn(comparison())["saturation"].figure
    (ax,) = figure.axes
    assert len(ax.lines) == 6
    assert ax.get_ylim()[0] < 0 < 1 < ax.get_ylim()[1]
    assert "thin: dead units" in entries(figure)


def test_a_rectifier_at_zero_is_inactive_and_not_saturated():
    bounded = Drawn(comparison(grid(activation=["sigmoid", "tanh"])))["saturation"]
    assert bounded.title == "Saturated hidden units by activation"
    rectifier = Drawn(comparison(grid(activation=["relu"], init=["xavier", "he"])))["saturation"]
    assert rectifier.title == "Inactive hidden units by init"
    assert rectifier.figure.get_supylabel() == "share inactive"
    assert "aturated" not in rectifier.caption
    own = Drawn(comparison(grid(activation=["mine.py:f"], init=["xavier", "he"])))["saturation"]
    assert own.title == "Flat hidden units by init"


def test_saturated_and_inactive_units_have_panels_of_their_own():
    picture = Drawn(comparison(grid(activation=["sigmoid", "relu", "tanh"])))["saturation"]
    assert picture.title == "Saturated and inactive hidden units by activation"
    names = [ax.get_title(loc="left") for ax in picture.figure.axes]
    assert names == ["saturated", "inactive"]
    lines = [len(ax.lines) for ax in picture.figure.axes]
    assert lines == [4, 2]  # the dead units thin
    assert set(picture.table["measure"]) == {"saturated", "dead"}
    deep = grid(activation=["sigmoid", "relu"], hidden=["10x10x10"])
    names = [ax.get_title(loc="left") for ax in Drawn(comparison(deep))["saturation"].figure.axes]
    assert names == [
        "saturated, layer 1",
        "saturated, layer 3",
        "inactive, layer 1",
        "inactive, layer 3",
    ]


def test_gradients_that_are_all_exactly_zero_are_marked_so():
    tables = make_tables([{"init": "zero"}])
    nothing = compare(tables.runs, tables.metrics, tables.layers.assign(gradient_norm=0.0))
    picture = Drawn(nothing)["gradients"]
    assert all(ax.lines[-1].get_marker() == "v" for ax in picture.figure.axes)
    assert "exactly 0" in picture.caption


def test_symmetry_is_shown_where_there_is_some():
    assert "symmetry" not in Drawn(comparison(grid(init=["xavier", "randn"])))
    (ax,) = Drawn(comparison())["symmetry"].figure.axes
    assert ax.lines[2].get_ydata().tolist() == [1] * 6


def test_without_a_hidden_layer_nothing_hidden_is_shown():
    assert [picture.name for picture in Drawn(comparison(grid(hidden=["none"]))).values()] == [
        "loss",
        "accuracy",
        "final",
        "activations",
        "gradients",
    ]


def test_large_activations_make_the_axis_logarithmic_beyond_one():
    tables = make_tables(INITS)
    layers = tables.layers.assign(activation_p95=lambda t: t["activation_p95"] * 100)
    figure = Drawn(compare(tables.runs, tables.metrics, layers))["activations"].figure
    assert {ax.get_yscale() for ax in figure.axes} == {"symlog"}
    assert figure.axes[0].get_ylim()[1] > layers["activation_p95"].max()
    assert {ax.get_yscale() for ax in Drawn(comparison())["activations"].figure.axes} == {"linear"}


@pytest.mark.slow
def test_mishaps_are_in_the_legend_and_the_captions():
    found = Drawn(comparison(diverged={(0, 0): 700}, failed=[(1, 1)]))
    assert entries(found["loss"].figure)[:2] == [
        "xavier (1 of 3 diverged)",
        "randn (1 of 3 failed)",
    ]
    assert "A cross ends an arm if a run of it diverged" in found["loss"].caption
    assert "n = 2 to 3" in found["final"].caption
    assert "Failed runs have no accuracy" in found["final"].caption
    for name in ("activations", "gradients", "saturation"):
        assert "Diverged runs are omitted where others finished." in found[name].caption
    shown = found["gradients"].table
    assert shown.loc[shown["arm"] == "xavier", "step"].max() == 3000
    assert set(shown.loc[shown["arm"] == "xavier", "n"]) == {2}
    lost = Drawn(comparison(seeds=[0], diverged={(0, 0): 700}))
    assert "Arms whose runs all diverged have no box after" in lost["activations"].caption
    assert "A cross ends an arm whose runs diverged" in lost["gradients"].caption


def test_a_sweep_of_failures_has_no_picture():
    assert not Drawn(comparison(seeds=[0], failed=[(0, 0), (1, 0), (2, 0)]))


@pytest.mark.slow
def test_a_sweep_that_diverged_at_once_is_drawn():
    found = Drawn(comparison(seeds=[0, 1], diverged={(k, s): 1 for k in range(3) for s in (0, 1)}))
    assert len(list(found.values())) == 8
    assert [line.get_marker() for line in found["loss"].figure.axes[0].lines].count("x") == 3


@pytest.mark.slow
def test_eight_arms_have_a_legend_in_two_columns_within_the_figure():
    points = grid(init=["xavier", "randn", "he", "lecun"], lr=[0.01, 0.1])
    compared = comparison(points, seeds=[0, 1], diverged={(7, 0): 700})
    figure = Drawn(compared)["loss"].figure
    assert len({(s.colour, str(s.line)) for s in arm_styles(compared).values()}) == 8
    assert "thin: training set" not in entries(figure)
    assert len(entries(figure)) == 8
    layout.png(figure)
    (legend,) = figure.legends
    box = legend.get_window_extent().transformed(figure.transFigure.inverted())
    assert box.x0 >= 0
    assert box.x1 <= 1
    assert box.y0 >= 0
    label = figure.axes[0].xaxis.label.get_window_extent()
    assert box.y1 <= label.transformed(figure.transFigure.inverted()).y0


@pytest.mark.slow
def test_nothing_is_cut_off_at_the_edges():
    points = grid(init=["xavier_uniform", "mine.py:my_long_function_name"], lr=[1e-05, 100000])
    for picture in pictures(comparison(points, seeds=[0, 1], diverged={(3, 1): 700})):
        assert_within(picture.figure)
    counted = comparison(grid(epochs=[None], steps=[15000]), seeds=[0], evaluations=26)
    figure = Drawn(counted)["loss"].figure
    assert_within(figure)
    assert "15000" in [label.get_text() for label in figure.axes[0].get_xticklabels()]


@pytest.mark.parametrize("name", ["Blues", "PuOr_r", "YlOrRd", "Greys"])
def test_words_on_a_cell_can_be_read_whatever_its_shade(name):
    for shade in map(to_hex, mpl.colormaps[name](np.linspace(0, 1, 50))):
        assert contrast(layout.words_on(shade), shade) > 4.2


@pytest.mark.slow
def test_the_same_tables_give_the_same_bytes():
    first, second = Drawn(comparison()), Drawn(comparison())
    for name in first:
        assert layout.svg(first[name].figure) == layout.svg(second[name].figure)
    assert layout.png(first["loss"].figure) == layout.png(second["loss"].figure)
    assert b"<dc:date>" not in layout.svg(first["loss"].figure)


@pytest.mark.slow
def test_the_user_s_own_style_is_neither_used_nor_touched():
    expected = layout.svg(Drawn(comparison())["loss"].figure)
    with mpl.rc_context({"font.size": 33, "axes.facecolor": "red", "lines.linewidth": 9}):
        assert layout.svg(Drawn(comparison())["loss"].figure) == expected
        assert mpl.rcParams["font.size"] == 33


def scattered(points, seeds=range(5), **mishaps) -> Comparison:
    """Return a comparison whose accuracies scatter, so that intervals have a width."""
    tables = make_tables(points, seeds, **mishaps)
    noise = np.random.default_rng(0).normal(0, 0.004, len(tables.runs))
    accuracy = tables.runs["test_accuracy"].astype(float) + noise
    return compare(tables.runs.assign(test_accuracy=accuracy), tables.metrics, tables.layers)


def test_one_factor_has_every_pair_with_its_interval_and_what_does_not_matter():
    compared = scattered(INITS, range(8))
    found = effects(compared)
    picture = Drawn(compared)["differences"]
    (ax,) = picture.figure.axes
    dots = [line for line in ax.lines if len(line.get_xdata()) == 8]
    bars = [line for line in ax.lines if line.get_linestyle() == "-" and line not in dots][:2]
    diamonds = [line for line in ax.lines if line.get_marker() == "D"]
    styles = arm_styles(compared)
    assert [line.get_color() for line in dots] == [styles[a].colour for a in ("randn", "zero")]
    pairs = found.pairs[found.pairs["level"] == "zero"]
    np.testing.assert_allclose(dots[1].get_xdata(), 100 * pairs["difference"])
    for line, row in zip(bars, found.table.to_dict("records"), strict=True):
        assert line.get_xdata() == pytest.approx([100 * row["low"], 100 * row["high"]])
    assert [line.get_xdata()[0] for line in diamonds] == pytest.approx(
        100 * found.table["difference"]
    )
    for area in ax.collections:
        edges = area.get_paths()[0].vertices[:, 0]
        assert (edges.min(), edges.max()) == pytest.approx((-0.3, 0.3))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["randn", "zero"]
    assert ax.get_xlabel() == "difference in percentage points"
    assert picture.title == "Final test accuracy: difference from xavier"
    assert "(n = 8)" in picture.caption
    assert "the 95 % intervals hold simultaneously" in picture.caption


def test_differences_of_all_sizes_are_stretched_about_zero():
    tables = make_tables(INITS, range(7))
    factor = {"xavier": 0.9, "randn": 0.895, "zero": 0.1}
    noise = np.random.default_rng(0).normal(0, 0.001, len(tables.runs))
    runs = tables.runs.assign(test_accuracy=tables.runs["init"].map(factor) + noise)
    (ax,) = Drawn(compare(runs, *tables[1:]))["differences"].figure.axes
    assert ax.get_xscale() == "symlog"
    low, high = ax.get_xlim()
    assert low < min(line.get_xdata()[0] for line in ax.lines) < 0 < high


def test_one_seed_has_no_pairs_to_show():
    assert "differences" not in Drawn(comparison(seeds=[0]))


def test_two_factors_have_a_cell_for_each_pair_with_n_and_spread():
    points = grid(init=["xavier", "he", "randn"], lr=[1, 0.1])
    compared = scattered(points, diverged={(5, 0): 700})
    found = Drawn(compared)
    assert "response" not in found
    (ax,) = found["cells"].figure.axes
    assert [label.get_text() for label in ax.get_xticklabels()] == ["lr 0.1", "lr 1"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["xavier", "he", "randn"]
    texts = {text.get_position(): text.get_text().split("\n") for text in ax.texts}
    assert len(texts) == 6
    arm = compared.summary.set_index("arm").loc["he, lr 1"]
    assert texts[1, 1] == [
        f"{arm['test_accuracy_mean']:.3f}",
        f"± {arm['test_accuracy_std']:.2g}",
        "n = 5",
    ]
    assert texts[0, 2][2:] == ["n = 5", "1 diverged"]
    shades = ax.images[0].get_array().reshape(-1, 4)
    assert len(np.unique(shades, axis=0)) == 6
    assert not ax.patches  # no cell is hatched
    assert "(n = 5)" in found["cells"].caption
    assert "standard deviation" in found["cells"].caption


def test_two_factors_have_a_panel_of_differences_each_and_one_of_their_interaction():
    compared = scattered(grid(init=["xavier", "he", "randn"], lr=[1, 0.1]))
    table = effects(compared).table
    picture = Drawn(compared)["differences"]
    axes = picture.figure.axes
    names = [" ".join(ax.get_title(loc="left").split()) for ax in axes]
    best = table.drop_duplicates("factor")["reference"].tolist()
    assert names == [
        f"init: difference from {best[0]}, averaged over lr",
        f"lr: difference from {best[1]}, averaged over init",
        f"init and lr: the difference, minus that {best[2]}",
    ]
    for ax, (_, own) in zip(axes, table.groupby("factor", sort=False), strict=True):
        black = [line for line in ax.lines if line.get_color() == "#000000"]
        diamonds = [line.get_xdata()[0] for line in black if line.get_marker() == "D"]
        assert diamonds == pytest.approx((100 * own["difference"]).tolist())
        assert sum(len(line.get_xdata()) == 5 for line in ax.lines) == len(own)
    assert "Each panel has its own scale." in picture.caption
    assert len(picture.table) == 5 * len(table)


def test_batch_sizes_that_differ_are_compared_over_updates_too():
    points = [{"batch_size": 100}, {"batch_size": 50}]
    tables = make_tables(points, (0, 1))
    faster = tables.metrics["batch_size"] == 50
    steps = tables.metrics["step"].where(~faster, 2 * tables.metrics["step"])
    found = Drawn(compare(tables.runs, tables.metrics.assign(step=steps), tables.layers[:0]))
    _, updates, seconds = found["accuracy"].figure.axes
    assert (updates.get_xlabel(), seconds.get_xlabel()) == ("updates", "seconds")
    assert [line.get_xdata()[-1] for line in updates.lines] == [3000, 6000]


def test_the_seconds_of_training_may_be_left_out() -> None:
    compared = comparison()
    timed, plain = (next(pictures(compared, ["accuracy"], timed=t)) for t in (True, False))
    assert "test_accuracy by seconds" in set(timed.table["measure"])
    assert "seconds" in timed.caption
    assert "test_accuracy by seconds" not in set(plain.table["measure"])
    assert "seconds" not in plain.caption


@pytest.mark.slow
def test_every_figure_has_its_numbers():
    compared = scattered(grid(init=["xavier", "he"], lr=[0.01, 0.1, 1]))
    found = Drawn(compared)
    for picture in found.values():
        assert len(pd.read_csv(io.StringIO(picture.csv))) > 0
    final = found["final"].table
    assert sorted(final["test_accuracy"]) == sorted(compared.runs["test_accuracy"])
    dots = np.concatenate([line.get_xdata() for line in found["final"].figure.axes[0].lines])
    assert set(final["test_accuracy"]) <= set(dots)
    cells = found["cells"].table
    assert len(cells) == 6
    assert found["response"].table["y"].tolist() == compared.runs["test_accuracy"].tolist()
    loss = found["loss"].table.set_index("measure")
    assert set(loss.index) == {"test_loss", "train_loss", "test_loss of a run"}
    assert len(loss.loc["test_loss of a run"]) == 6 * 5 * 6
    saturation = found["saturation"].table
    assert set(saturation["measure"]) == {"saturated", "dead"}


def test_a_heat_map_of_runs_has_a_cell_for_each_pair_of_settings():
    runs = scattered(_INITS_BY_RATE, failed=[(0, 0)]).runs
    picture = heat_map(runs, Grid("init", "lr", {}, None), "held")
    assert picture.name == "grid-init-lr"
    (ax,) = picture.figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["xavier", "he"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.1", "1"]
    counts = picture.table.set_index(["down", "across"])["n"].to_dict()
    assert counts == {("xavier", "0.1"): 4, ("xavier", "1"): 5, ("he", "0.1"): 5}
    assert ax.get_xlabel() == "lr"
    assert "Hatched: not run or failed." in picture.caption
    by_loss = Tuned(("lr",), Outcome("metric", "test_loss"))
    tuned = heat_map(runs, Grid("init", "data", {}, by_loss), "held")
    assert tuned.table["n"].tolist() == [4, 5]
    losses = runs.astype({"test_loss": float}).groupby(["init", "lr"])["test_loss"].mean()
    assert tuned.table["lr"].tolist() == [losses["xavier"].idxmin(), 0.1]
    assert [t.get_text().split("\n")[-1] for t in tuned.figure.axes[0].texts][1] == "lr 0.1"
    assert "lr chosen by test loss" in header(tuned.figure)
    one_rate = heat_map(runs, Grid("init", "data", {"lr": 0.1}, None), "held")
    assert one_rate.name == "grid-init-data-0.1"
    assert one_rate.table["n"].tolist() == [4, 5]


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        (Grid("init", "activation", {}, None), "several runs of a seed at xavier, sigmoid: give"),
        (Grid("inti", "lr", {}, None), "unknown setting of a grid 'inti': did you mean 'init'"),
        (Grid("init", "lr", {"lr": 7}, None), "there are no runs with lr 7"),
        (Grid("init", "seed", {"init": "he"}, None), "all runs failed"),
        (
            Grid("init", "data", {}, Tuned(("lr",), Outcome("metric", "activation"))),
            "no run has a number for",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_heat_map_that_the_runs_do_not_give_is_refused(grid: Grid, said: str):
    runs = comparison(_INITS_BY_RATE, failed=[(2, s) for s in range(3)]).runs
    with pytest.raises(InputError, match=re.escape(said)):
        heat_map(runs, grid, "held")


def test_what_failed_or_has_no_such_setting_keeps_its_place_in_a_heat_map():
    runs = comparison(_INITS_BY_RATE, failed=[(2, s) for s in range(3)]).runs
    picture = heat_map(runs, Grid("init", "lr", {}, None), "held")
    (ax,) = picture.figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["xavier", "he"]
    assert picture.table["down"].tolist() == ["xavier", "xavier"]
    assert "Hatched: not run or failed." in picture.caption
    runs["init.std"] = runs["init"].map({"xavier": 0.5})
    assert grid_cells(runs.assign(status="finished"), Grid("init.std", "lr", {}, None))[
        ["down", "across"]
    ].values.tolist() == [["0.5", "0.1"], ["0.5", "1"], ["none", "0.1"]]


@pytest.mark.slow
def test_many_levels_are_all_drawn_and_many_interactions_are_left_to_the_table():
    rates = [round(0.1 * i, 1) for i in range(1, 19)]
    (ax,) = Drawn(scattered(grid(lr=rates), seeds=range(2)))["differences"].figure.axes
    assert len(ax.get_yticks()) == 17
    picture = Drawn(scattered(grid(init=["xavier", "he"], lr=rates), seeds=range(2)))["differences"]
    assert len(picture.figure.axes) == 2
    assert "Interactions with many levels are not drawn" in picture.caption
    assert set(picture.table["kind"]) == {"level"}
    assert len(picture.table) == 2 * (1 + 17)


def test_a_cell_that_was_not_run_stays_empty_and_every_combination_is_compared():
    points = grid(init=["xavier", "he"], activation=["relu", "tanh"])[:-1]
    found = Drawn(scattered(points))
    assert len(found["cells"].figure.axes[0].texts) == 3
    assert "Hatched: not run or failed." in found["cells"].caption
    assert "difference from xavier, relu" in found["differences"].title


@pytest.mark.slow
def test_a_numeric_factor_has_a_curve_on_the_axis_its_values_ask_for():
    scales = {
        (0.001, 0.01, 0.1, 1): "log",
        (32, 64, 128): "log",
        (10, 20, 30): "linear",
        (0, 0.0001, 0.01, 1): "symlog",
    }
    for values, scale in scales.items():
        (ax,) = Drawn(scattered(grid(lr=values), range(2)))["response"].figure.axes
        assert ax.get_xscale() == scale, values
        assert [float(label.get_text()) for label in ax.get_xticklabels()] == list(values)
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("lr", "final test accuracy")
    assert "response" not in Drawn(scattered(grid(lr=[0.1, 1]), range(2)))


def test_a_curve_over_numbers_has_a_line_for_each_level_of_the_other_factor():
    compared = scattered(grid(init=["he", "xavier"], lr=[0.01, 0.1, 1]), diverged={(0, 0): 700})
    picture = Drawn(compared)["response"]
    (ax,) = picture.figure.axes
    assert entries(picture.figure) == ["he", "xavier"]
    lines = [line for line in ax.lines if line.get_linestyle() != "None"]
    colours = [arm_styles(compared)[f"{init}, lr 1"].colour for init in ("he", "xavier")]
    assert [line.get_color() for line in lines] == colours
    means = compared.summary["test_accuracy_mean"].to_numpy()
    np.testing.assert_allclose(lines[0].get_ydata(), means[:3])
    seen = sum(len(line.get_xdata()) for line in ax.lines if line.get_linestyle() == "None")
    assert seen == len(compared.runs)
    assert [line.get_marker() for line in ax.lines].count("x") >= 1
    assert "n = 5" in picture.caption
    assert "Highest mean: " in picture.alt


def test_validation_is_shown_where_it_was_held_out():
    assert "validation" not in Drawn(comparison())
    found = Drawn(comparison(validation=True))["validation"]
    (ax,) = found.figure.axes
    assert len(ax.lines) == 6
    assert len(ax.collections) == 3
    assert entries(found.figure)[-1] == "thin: test set"
    assert "held out of the training set" in found.caption
    assert "n = 3" in found.caption


def test_only_the_pictures_that_are_asked_for_are_drawn():
    names = [picture.name for picture in pictures(comparison(), ["final", "gradients", "map"])]
    assert names == ["final", "gradients"]


def test_the_output_has_a_panel_of_its_own_where_depths_differ():
    figure = Drawn(comparison(grid(hidden=["none", "50", "100x50"])))["gradients"].figure
    parts = {ax.get_title(loc="left"): ax for ax in figure.axes}
    assert list(parts) == [
        "layer 1 (hidden)",
        "layer 2 (hidden, 50 units)",
        "output layer (10 units)",
    ]
    # Each line's last value: 0.5 to the power of the layer, over 6 after five epochs.
    last = {name: [line.get_ydata()[-1] * 6 for line in ax.lines] for name, ax in parts.items()}
    assert last["output layer (10 units)"] == pytest.approx([0.5, 0.25, 0.125])
    assert last["layer 1 (hidden)"] == pytest.approx([0.5, 0.5])
    assert last["layer 2 (hidden, 50 units)"] == pytest.approx([0.25])


def test_one_arm_of_large_activations_does_not_flatten_the_others():
    tables = make_tables(INITS)
    large = np.where(tables.layers["init"] == "zero", 100, 1)
    columns = {f"activation_p{q}": tables.layers[f"activation_p{q}"] * large for q in ("05", "95")}
    picture = Drawn(compare(tables.runs, tables.metrics, tables.layers.assign(**columns)))
    tall = {
        ax.get_title(loc="left"): np.ptp(ax.get_ylim()) for ax in picture["activations"].figure.axes
    }
    assert tall["zero"] > 20 * tall["xavier"]
    assert "Each arm has its own scale" in picture["activations"].caption
    assert "Each arm has its own scale" not in Drawn(comparison())["activations"].caption


def test_lines_that_coincide_are_named_and_one_with_gaps_lies_on_top():
    tables = make_tables(INITS)
    alike = tables.metrics["init"] != "zero"
    metrics = tables.metrics.assign(
        test_accuracy=tables.metrics["test_accuracy"].where(~alike, tables.metrics["epoch"] / 6)
    )
    picture = Drawn(compare(tables.runs, metrics, tables.layers))["accuracy"]
    assert "Curves that coincide: xavier, randn." in picture.caption
    solid, dashed = picture.figure.axes[0].lines[:2]
    assert solid.get_linestyle() == "-" != dashed.get_linestyle()
    assert solid.get_zorder() < dashed.get_zorder()
    assert "coincide" not in Drawn(comparison())["accuracy"].caption


@pytest.mark.slow
def test_pyplot_and_its_global_state_stay_out():
    code = "import nnexp.plotting.training_figures, sys; print('matplotlib.pyplot' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
