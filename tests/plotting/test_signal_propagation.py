"""The picture of depth: its table, its lines, and theory laid over what was measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nnexp.analysis.arms import Comparison, compare
from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.initializers import INITIALIZERS
from nnexp.nn.mean_field import moments, propagate
from nnexp.plotting import signal_propagation
from nnexp.store.tables import tables
from nnexp.training.execute import execute
from tests.settings import RUN
from tests.synthetic import grid, make_tables

X = np.random.default_rng(0).standard_normal((60, 30))
DEEP = grid(init=["xavier", "randn", "zero"], hidden=["40x30x20"])


def comparison(points=DEEP, seeds=(0, 1, 2), **mishaps) -> Comparison:
    return compare(*make_tables(points, seeds, **mishaps))


def known(compared: Comparison) -> dict[str, np.ndarray]:
    """Return the same inputs for every arm."""
    return dict.fromkeys(compared.arms, X)


def cut(table: pd.DataFrame, arm: str, moment: str, measure: str) -> pd.DataFrame:
    rows = table[(table["arm"] == arm) & (table["moment"] == moment)]
    return rows[rows["measure"] == measure].set_index("layer")


def dashed(ax) -> list:
    return [line for line in ax.lines if line.get_color() == "#000000" and line.get_zorder() == 6]


def names(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_table_has_every_layer_before_and_after():
    table = signal_propagation.table(comparison())
    assert set(table["moment"]) == {"before", "after"}
    for moment in ("before", "after"):
        assert list(cut(table, "randn", moment, "activation").index) == [1, 2, 3]
        assert list(cut(table, "randn", moment, "error").index) == [1, 2, 3, 4]
    # The synthetic gradients fall by half a layer, and by 1 + 3000/600 over training.
    before, after = (cut(table, "randn", m, "error")["mean"] for m in ("before", "after"))
    assert before.tolist() == pytest.approx([0.5, 0.25, 0.125, 0.0625])
    assert (before / after).tolist() == pytest.approx([6] * 4)
    assert table["n"].eq(3).all()
    assert table["theory"].isna().all()


def test_the_error_is_the_root_mean_square():
    tables_ = make_tables(DEEP[:1], [0, 1])
    layers = tables_.layers.assign(gradient_mean=3.0, gradient_std=4.0)
    layers.loc[layers["run_id"] == "run-0-1", "gradient_mean"] = 0.0
    table = signal_propagation.table(compare(tables_.runs, tables_.metrics, layers))
    errors = table[table["measure"] == "error"]
    assert errors[["low", "mean", "high"]].drop_duplicates().to_numpy().tolist() == [[4, 4.5, 5]]


def test_theory_starts_at_the_outputs_measured_error():
    table = signal_propagation.table(comparison(), known(comparison()))
    said = propagate(
        (30, 40, 30, 20, 10), ACTIVATIONS["sigmoid"](), moments("randn"), moments("zero"),
        (X**2).mean(axis=1),
    )  # fmt: skip
    errors = cut(table, "randn", "before", "error")["theory"]
    assert errors[4] == pytest.approx(0.0625)
    for layer in (3, 2, 1):
        # Inputs are grouped by size, which moves the means of the slopes a little.
        factor = np.sqrt(said[layer - 1].backward)
        assert errors[layer] / errors[layer + 1] == pytest.approx(factor, rel=0.01)
    spreads = cut(table, "randn", "before", "activation")["theory"]
    assert spreads.tolist() == pytest.approx([s.activation_std for s in said[:3]], rel=0.01)
    assert table.loc[table["moment"] == "after", "theory"].isna().all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"init": ["rand"]},
        {"quirk": ["updated_weights"]},
        {"activation": ["own.py:f"]},
        {"pruning": ["rewind"]},
    ],
)
def test_what_theory_does_not_cover_has_no_line(change):
    compared = comparison(grid(hidden=["40x30"], **change))
    assert signal_propagation.table(compared, known(compared))["theory"].isna().all()
    picture = signal_propagation.picture(compared, known(compared))
    assert "theory" not in names(picture.figure)
    assert "theory" not in picture.caption


def test_an_initialiser_without_known_moments_has_no_line(monkeypatch):
    monkeypatch.setitem(INITIALIZERS, "signs", INITIALIZERS["randn"])
    compared = comparison(grid(init=["xavier", "signs"], hidden=["40x30"]))
    table = signal_propagation.table(compared, known(compared))
    assert set(table.loc[table["theory"].notna(), "arm"]) == {"xavier"}


def test_an_arm_without_inputs_has_no_line():
    compared = comparison()
    table = signal_propagation.table(compared, {"xavier": X})
    assert set(table.loc[table["theory"].notna(), "arm"]) == {"xavier"}


def test_parameters_of_the_choices_reach_the_theory():
    narrow, wide = (
        cut(
            signal_propagation.table(compared, known(compared)), "all runs", "before", "activation"
        )["theory"]
        for compared in (
            comparison(grid(init=["normal"], init__std=[std], hidden=["40x30"]))
            for std in (0.01, 1)
        )
    )
    # About 0 a sigmoid is a quarter of its input: 0.01·sqrt(30)/4, and 0.01·sqrt(40)/2/4 above.
    assert narrow.tolist() == pytest.approx([0.0137, 0.0079], rel=0.02)
    assert (wide > 10 * narrow).all()


def test_the_picture_has_a_line_an_arm_and_theory_over_the_start_alone():
    compared = comparison()
    picture = signal_propagation.picture(compared, known(compared))
    axes = picture.figure.axes
    assert [len(dashed(ax)) for ax in axes] == [3, 0, 3, 0]
    assert [ax.get_title(loc="left") for ax in axes] == [
        "before training",
        "after training",
        "",
        "",
    ]
    assert axes[0].get_ylabel() == "activation (std)"
    assert axes[2].get_ylabel() == "error (rms)"
    assert [ax.get_xlabel() for ax in axes] == ["", "", "layer", "layer"]
    assert all(len(ax.collections) == 3 for ax in axes)
    assert names(picture.figure) == [*compared.arms, "theory"]
    assert axes[2].get_yscale() == "log"
    assert axes[2].get_ylim() == axes[3].get_ylim()
    assert "(n = 3)" in picture.caption
    assert "Dashed: mean-field theory" in picture.caption


def test_without_inputs_there_is_no_theory():
    picture = signal_propagation.picture(comparison())
    assert not any(dashed(ax) for ax in picture.figure.axes)
    assert "theory" not in picture.caption + picture.alt


def test_one_seed_has_no_band():
    picture = signal_propagation.picture(comparison(seeds=[0]))
    assert not any(ax.collections for ax in picture.figure.axes)
    assert "no band" in picture.caption


def test_a_small_spread_is_not_taken_for_rounding_because_another_arms_is_huge():
    tables = make_tables(DEEP[:2], [0])
    first = tables.layers["run_id"] == tables.layers["run_id"].iloc[0]
    layers = tables.layers.assign(
        activation_std=np.where(first, 1e9, 0.2), activation_mean=np.where(first, 1e9, 0.5)
    )
    small = signal_propagation.table(compare(tables.runs, tables.metrics, layers))
    assert set(small.loc[small["measure"] == "activation", "mean"]) == {1e9, 0.2}
    noise = layers.assign(activation_std=np.where(first, 1e9, 1e-8))
    rounded = signal_propagation.table(compare(tables.runs, tables.metrics, noise))
    assert set(rounded.loc[rounded["measure"] == "activation", "mean"]) == {1e9, 0.0}


def test_an_error_of_exactly_zero_is_a_triangle():
    picture = signal_propagation.picture(comparison())
    triangles = [line for line in picture.figure.axes[2].lines if line.get_marker() == "v"]
    assert [line.get_xdata().tolist() for line in triangles] == [[1, 2, 3]]
    assert "A triangle" in picture.caption


def test_arms_of_unlike_depth_end_where_their_layers_do():
    compared = comparison(grid(hidden=["20", "40x30x20"]))
    assert signal_propagation.has_depth(compared)
    ends = [
        line.get_xdata().max() for line in signal_propagation.picture(compared).figure.axes[2].lines
    ]
    assert ends == [2, 4]


@pytest.mark.parametrize("hidden", ["none", "50"])
def test_nothing_is_to_be_drawn_of_a_shallow_network(hidden):
    assert not signal_propagation.has_depth(comparison(grid(hidden=[hidden])))


def test_nothing_is_to_be_drawn_where_every_run_failed():
    assert not signal_propagation.has_depth(comparison(DEEP[:1], [0], failed=[(0, 0)]))


def test_of_an_arm_of_which_a_run_diverged_the_others_are_shown():
    compared = comparison(diverged={(1, 0): 700})
    table = signal_propagation.table(compared)
    whole = signal_propagation.table(comparison())
    assert set(cut(table, "randn", "after", "error")["n"]) == {2}
    assert set(cut(whole, "randn", "after", "error")["n"]) == {3}
    assert (
        "Diverged runs are omitted where others finished."
        in signal_propagation.picture(compared).caption
    )


def test_after_training_a_diverged_arm_has_no_line():
    compared = comparison(diverged={(1, seed): 700 for seed in range(3)})
    table = signal_propagation.table(compared)
    assert cut(table, "randn", "after", "error")["mean"].isna().all()
    assert cut(table, "randn", "before", "error")["mean"].notna().all()
    assert "no line after training" in signal_propagation.picture(compared).caption


def test_theory_lies_on_a_network_that_was_trained():
    """Two seeds of 150 units lie within 10 % of theory at each layer, which differ by far more."""
    blobs = {"name": "blobs", "n": 200, "features": 40, "std": 1}
    mapping = RUN | {
        "data": blobs, "hidden": "150x150x150", "lr": 0.1, "epochs": 1, "evaluate_every": None,
    }  # fmt: skip
    records = [execute(mapping | {"seed": seed}) for seed in (0, 1)]
    compared = compare(*tables(records))
    x = signal_propagation.inputs(compared)
    assert {arm: probe.shape for arm, probe in x.items()} == {"all runs": (200, 40)}
    table = signal_propagation.table(compared, x)
    before = table[table["moment"] == "before"]
    np.testing.assert_allclose(before["mean"], before["theory"], rtol=0.1)
    errors = cut(table, "all runs", "before", "error")["mean"]
    assert errors[4] > 10 * errors[2] > 30 * errors[1]
    assert "(theory 0.2" in signal_propagation.picture(compared, x).alt
