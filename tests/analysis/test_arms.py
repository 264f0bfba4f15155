"""Which runs make an arm, what the arms differ in, and how each came out."""

from __future__ import annotations

import io
import math

import numpy as np
import pandas as pd
import pytest

from nnexp.analysis.arms import Comparison, compare, curves, spreads
from nnexp.data import KINDS
from nnexp.errors import InputError
from nnexp.store.tables import Tables
from tests.synthetic import grid, make_tables

INITS = grid(init=["xavier", "randn", "zero"])


def reread(tables: Tables) -> Tables:
    """Return the tables as they come back from CSV files."""
    return Tables(*(pd.read_csv(io.StringIO(t.to_csv(index=False))) for t in tables))


def arm(comparison: Comparison, label: str) -> pd.Series:
    return comparison.summary.set_index("arm").loc[label]


def test_a_seed_is_a_replication_and_not_a_factor():
    comparison = compare(*make_tables(INITS, seeds=[0, 1, 2]))
    assert comparison.varied == ("init",)
    assert comparison.arms == ("xavier", "randn", "zero")
    assert comparison.seeds == "n = 3"
    assert list(comparison.summary["runs"]) == [3, 3, 3]


def test_runs_of_sweeps_that_were_evaluated_at_other_steps_differ_in_what_they_compare():
    points = [*grid(lr=[0.1]), *grid(lr=[0.5], evaluate_at=["1 2 5"])]
    assert compare(*make_tables(points)).varied == ("lr",)
    same = grid(evaluate_at=[None, "1 2 5"])  # nothing else tells them apart
    assert compare(*make_tables(same)).varied == ("evaluate_at",)


@pytest.mark.parametrize(
    ("rates", "shown"),
    [
        ([0.178264971514, 0.0114314382205], ["0.1783", "0.01143"]),
        ([0.178264971514, 0.178261, 1.0], ["0.178265", "0.178261", "1"]),
        ([0.05, 123456789.0], ["0.05", "123456789"]),  # a whole number
    ],
)
def test_long_numbers_are_rounded_as_far_as_they_differ(rates, shown):
    comparison = compare(*make_tables(grid(lr=rates)))
    assert comparison.arms == tuple(f"lr {rate}" for rate in shown)
    assert comparison.levels == {"lr": tuple(shown)}


def test_arms_keep_the_order_in_which_the_runs_came():
    points = [*grid(lr=[0.5]), *grid(lr=[0.01]), *grid(lr=[0.1])]
    tables = make_tables(points)
    assert compare(*tables).arms == ("lr 0.5", "lr 0.01", "lr 0.1")
    shuffled = compare(tables.runs, tables.metrics.sample(frac=1, random_state=0), tables.layers)
    assert list(shuffled.summary["arm"]) == ["lr 0.5", "lr 0.01", "lr 0.1"]
    assert list(curves(shuffled.metrics, "test_loss")["arm"].unique()) == list(shuffled.arms)


def test_several_factors_are_all_in_the_label():
    comparison = compare(
        *make_tables(grid(init=["xavier", "he"], lr=[0.1, 1], batch_size=[10, 100]))
    )
    assert comparison.varied == ("init", "batch_size", "lr")
    assert comparison.factors == "init, batch size and lr"
    assert "xavier, batch 10, lr 0.1" in comparison.arms
    assert len(comparison.arms) == 8
    assert comparison.levels == {
        "init": ("xavier", "he"),
        "batch_size": ("10", "100"),
        "lr": ("0.1", "1"),
    }


def test_a_parameter_that_only_one_choice_has_is_no_factor_of_its_own():
    points = [{"init": "xavier"}, {"init": "normal", "init.std": 0.01}]
    comparison = compare(*make_tables(points))
    assert comparison.varied == ("init",)
    assert comparison.arms == ("xavier", "normal (std 0.01)")


def test_a_parameter_that_varies_within_a_choice_is_a_factor():
    points = [{"init": "xavier"}, *grid(init=["normal"], init__std=[0.01, 0.1])]
    comparison = compare(*make_tables(points))
    assert comparison.varied == ("init", "init.std")
    assert comparison.arms == ("xavier", "normal (std 0.01)", "normal (std 0.1)")


def test_a_parameter_given_to_some_runs_alone_is_a_factor():
    comparison = compare(*make_tables([{"data.train_size": 1000}, {}]))
    assert comparison.varied == ("data.train_size",)
    assert comparison.arms == ("mnist (train_size 1000)", "mnist")


def test_a_choice_with_many_parameters_is_named_without_those_that_are_fixed():
    adam = {"optimizer.beta1": 0.9, "optimizer.beta2": 0.999, "optimizer.epsilon": 1e-8}
    points = [
        {"optimizer": "sgd"},
        {"optimizer": "adam", **adam},
        {"optimizer": "adam", **adam, "optimizer.beta1": 0.5},
    ]
    comparison = compare(*make_tables(points))
    assert comparison.arms == ("sgd", "adam (beta1 0.9)", "adam (beta1 0.5)")
    assert comparison.levels["optimizer"] == (
        "sgd",
        "adam (beta1 0.9, beta2 0.999, epsilon 1e-08)",
        "adam (beta1 0.5, beta2 0.999, epsilon 1e-08)",
    )


def test_labels_name_what_is_absent_and_how_long_a_run_took():
    quirks = compare(*make_tables(grid(quirk=[None, "updated_weights"])))
    assert quirks.arms == ("no quirk", "quirk updated_weights")
    lengths = [{"epochs": 1}, {"epochs": 2}, {"epochs": None, "steps": 500}]
    assert compare(*make_tables(lengths)).arms == ("1 epoch", "2 epochs", "500 steps")


@pytest.mark.parametrize(("seeds", "label"), [([0], "this run"), ([0, 1], "all runs")])
def test_runs_that_differ_in_nothing_make_one_arm(seeds, label):
    comparison = compare(*make_tables([{}], seeds=seeds))
    assert comparison.varied == ()
    assert comparison.arms == (label,)


def test_csv_files_give_the_same_comparison_as_the_tables_in_memory():
    tables = make_tables(grid(init=["xavier", "zero"], hidden=["50", "none"]), seeds=[0, 1])
    ours, theirs = compare(*tables), compare(*reread(tables))
    assert ours.arms == theirs.arms
    assert ours.held == theirs.held
    pd.testing.assert_frame_equal(ours.summary, theirs.summary, check_dtype=False)


def test_what_is_held_fixed_is_said_in_a_line():
    comparison = compare(*make_tables(INITS, seeds=[0, 1, 2]))
    assert comparison.held == (
        "mnist, 784-50-10 sigmoid, cross_entropy, sgd lr 0.1, batch 100, 5 epochs, seeds 0 to 2"
    )
    assert comparison.held_settings["weight_decay"] == "0"
    assert "init" not in comparison.held_settings


def test_what_is_held_fixed_names_every_unusual_setting():
    point = {
        "init": "normal",
        "init.std": 0.01,
        "optimizer": "momentum",
        "optimizer.momentum": 0.9,
        "weight_decay": 0.001,
        "data.train_size": 1000,
        "dtype": "float64",
        "quirk": "updated_weights",
    }
    held = compare(*make_tables([point], seeds=[3, 5])).held
    for phrase in (
        "mnist (train_size 1000)",
        "normal (std 0.01)",
        "momentum (momentum 0.9) lr 0.1",
        "weight decay 0.001",
        "dtype float64",
        "quirk updated_weights",
        "seeds 3, 5",
    ):
        assert phrase in held


def test_what_varies_is_not_said_to_be_held():
    points = grid(hidden=["50", "100x50"], lr=[0.1, 1], data=["spirals"])
    assert compare(*make_tables(points)).held == (
        "spirals, sigmoid, xavier, cross_entropy, sgd, batch 100, 5 epochs, seed 0"
    )


def test_without_a_hidden_layer_the_activation_goes_unsaid():
    held = compare(*make_tables([{"hidden": "none"}])).held
    assert held.startswith("mnist, 784-10, xavier")


def test_the_inputs_of_any_set_of_images_are_counted(monkeypatch):
    kind = KINDS["mnist"]._replace(image_shape=(4, 6))
    monkeypatch.setitem(KINDS, "small", kind)
    held = compare(*make_tables([{"data": "small"}])).held
    assert held.startswith("small, 24-50-10 sigmoid")


def test_the_inputs_of_an_unknown_set_go_unsaid():
    assert compare(*make_tables([{"data": "csv"}])).held.startswith("csv, hidden 50 sigmoid")


def test_the_summary_describes_the_final_scores_over_seeds():
    row = arm(compare(*make_tables(INITS, seeds=[0, 1, 2])), "randn")
    assert row["test_accuracy_mean"] == pytest.approx(0.87)
    assert row["test_accuracy_std"] == pytest.approx(0.01)
    assert (row["test_accuracy_min"], row["test_accuracy_max"]) == pytest.approx((0.86, 0.88))
    assert row["train_loss_mean"] == pytest.approx(0.31)
    assert row["seconds_median"] == pytest.approx(3.0)
    assert row["init"] == "randn"


def test_validation_is_described_where_it_was_held_out():
    assert "validation_loss_mean" in compare(*make_tables(INITS, validation=True)).summary
    assert "validation_loss_mean" not in compare(*make_tables(INITS)).summary


def test_one_seed_has_a_mean_and_no_deviation():
    row = arm(compare(*make_tables(INITS)), "xavier")
    assert row["test_loss_mean"] == pytest.approx(0.2)
    assert math.isnan(row["test_loss_std"])


def test_a_diverged_run_is_counted_and_stays_in_the_means():
    comparison = compare(*make_tables(INITS, seeds=[0, 1, 2], diverged={(0, 1): 700}))
    row = arm(comparison, "xavier")
    assert (row["runs"], row["finished"], row["diverged"], row["failed"]) == (3, 2, 1, 0)
    assert row["test_loss_mean"] == math.inf
    assert row["test_loss_min"] == pytest.approx(0.2)
    assert math.isnan(row["test_loss_std"])
    assert row["test_accuracy_mean"] == pytest.approx((0.9 + 0.1 + 0.92) / 3)
    assert comparison.seeds == "n = 3"


def test_a_failed_run_is_counted_and_has_no_share_in_the_means():
    comparison = compare(*make_tables(INITS, seeds=[0, 1, 2], failed=[(0, 2)]))
    row = arm(comparison, "xavier")
    assert (row["runs"], row["finished"], row["diverged"], row["failed"]) == (3, 2, 0, 1)
    assert row["test_accuracy_mean"] == pytest.approx(0.905)
    assert row["seconds_median"] == pytest.approx(3.0)
    assert comparison.seeds == "n = 2 to 3"


def test_an_arm_of_failures_keeps_its_row():
    row = arm(compare(*make_tables(INITS, seeds=[0, 1], failed=[(1, 0), (1, 1)])), "randn")
    assert row["failed"] == 2
    assert math.isnan(row["test_accuracy_mean"])
    assert row["steps_to_90_reached"] == 0


def test_a_sweep_of_failures_is_still_a_table():
    summary = compare(*make_tables(INITS, failed=[(0, 0), (1, 0), (2, 0)])).summary
    assert list(summary["failed"]) == [1, 1, 1]
    assert summary["test_loss_mean"].isna().all()


def test_a_run_that_never_gets_there_counts_as_later_than_any_other():
    tables = make_tables([{}], seeds=[0, 1, 2])
    for steps, median, reached in (
        ([600, 1200, None], 1200, 2),
        ([600, None, None], math.nan, 1),
        ([None, None, None], math.nan, 0),
    ):
        runs = tables.runs.assign(steps_to_90=pd.Series(steps, dtype=float))
        row = compare(runs, tables.metrics, tables.layers).summary.iloc[0]
        assert row["steps_to_90_median"] == pytest.approx(median, nan_ok=True)
        assert row["steps_to_90_reached"] == reached


def test_a_run_given_twice_counts_once():
    tables = make_tables(INITS, seeds=[0, 1])
    twice = compare(*(pd.concat([table, table]) for table in tables))
    once = compare(*tables)
    pd.testing.assert_frame_equal(twice.summary, once.summary)
    pd.testing.assert_frame_equal(
        curves(twice.layers, "weight_norm"), curves(once.layers, "weight_norm")
    )


def test_no_run_is_an_error_in_one_sentence():
    empty = make_tables([])
    with pytest.raises(InputError, match="no runs to compare"):
        compare(*empty)


def test_a_curve_is_the_mean_and_the_range_over_seeds():
    comparison = compare(*make_tables(INITS, seeds=[0, 1, 2]))
    curve = curves(comparison.metrics, "test_loss")
    assert len(curve) == 3 * 6
    last = curve[curve["arm"] == "zero"].iloc[-1]
    assert (last["x"], last["unit"], last["step"], last["n"]) == (5, "epochs", 3000, 3)
    assert (last["low"], last["mean"], last["high"]) == pytest.approx((0.4, 0.41, 0.42))


def test_runs_of_so_many_steps_are_compared_over_updates():
    comparison = compare(*make_tables([{"epochs": None, "steps": 3000}]))
    last = curves(comparison.metrics, "test_loss").iloc[-1]
    assert (last["x"], last["unit"]) == (3000, "updates")


def test_a_curve_has_no_step_without_a_value():
    curve = curves(compare(*make_tables(INITS)).metrics, "running_loss")
    assert curve["step"].min() == 600


def test_a_diverged_run_stays_in_its_arm_s_curve_with_its_last_value():
    comparison = compare(*make_tables([{}], seeds=[0, 1], diverged={(0, 0): 700}))
    loss, accuracy = (curves(comparison.metrics, f"test_{s}") for s in ("loss", "accuracy"))
    assert list(loss["step"]) == [0, 600, 1200, 1800, 2400, 3000]
    assert (loss["n"] == 2).all()
    assert (loss["diverged"] == 1).all()
    assert np.isfinite(loss["mean"]).tolist() == [True, True, False, False, False, False]
    assert np.isfinite(loss["low"]).all()
    assert accuracy["low"].iloc[-1] == pytest.approx(0.1)
    assert accuracy["mean"].iloc[-1] == pytest.approx((0.1 + 0.91) / 2)


def test_an_arm_of_diverged_runs_has_the_steps_at_which_they_did():
    comparison = compare(*make_tables([{}], seeds=[0, 1], diverged={(0, 0): 37, (0, 1): 700}))
    loss = curves(comparison.metrics, "test_loss")
    assert list(loss["step"]) == [0, 37, 600, 700]
    assert loss["mean"].tolist()[1:] == [math.inf] * 3


def test_a_failed_run_is_not_missed_in_its_arm_s_curve():
    comparison = compare(*make_tables(INITS, seeds=[0, 1], failed=[(0, 1)]))
    curve = curves(comparison.metrics, "test_loss")
    assert curve.groupby("arm", observed=True)["n"].first().to_dict() == {
        "xavier": 1,
        "randn": 2,
        "zero": 2,
    }


def test_a_layer_s_curve_ends_where_a_run_diverged():
    comparison = compare(*make_tables(INITS, seeds=[0, 1], diverged={(1, 1): 700}))
    curve = curves(comparison.layers, "gradient_norm")
    steps = curve.groupby(["arm", "layer"], observed=True)["step"].max()
    assert steps["xavier"].tolist() == [3000, 3000]
    assert steps["randn"].tolist() == [600, 600]


def test_spreads_are_each_layer_s_quantiles_before_and_after():
    comparison = compare(*make_tables(INITS, seeds=[0, 1]))
    table = spreads(comparison.layers).set_index(["arm", "moment", "layer"])
    assert len(table) == 3 * 2 * 2
    assert table.loc[("xavier", "before", 1), "p50"] == pytest.approx(0.5)
    assert table.loc[("xavier", "before", 1), "p95"] == pytest.approx(0.5 + 0.1 * 0.9)
    assert table.loc[("xavier", "after", 1), "p95"] == pytest.approx(0.5 + 0.2 * 0.9)


@pytest.mark.parametrize("step", [37, 700])
@pytest.mark.parametrize("last", [math.nan, math.inf, 1.0])
def test_an_arm_with_a_diverged_run_has_no_spread_after_training(step, last):
    tables = make_tables(INITS, seeds=[0, 1], diverged={(0, 1): step})
    comparison = compare(
        tables.runs, tables.metrics, tables.layers.fillna({"activation_p50": last})
    )
    table = spreads(comparison.layers).set_index(["arm", "moment"]).sort_index()
    assert table.loc[("xavier", "after"), "p50"].isna().all()
    assert table.loc[("xavier", "before"), "p50"].notna().all()
    assert table.loc[("randn", "after"), "p50"].notna().all()
