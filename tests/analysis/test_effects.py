"""Planted effects are found with the right sign; where there is none, nothing is found."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnexp.analysis.arms import compare
from nnexp.analysis.effects import Effects, effects
from nnexp.analysis.findings import averaged, findings, undecided
from tests.synthetic import grid, make_tables

INITS = grid(init=["xavier", "he", "zero"])
BOTH = grid(init=["xavier", "he"], lr=[0.01, 0.1, 1])


def planted(
    points: list[dict[str, Any]],
    truth: Callable[[Mapping[str, Any]], float],
    seeds: int = 10,
    *,
    noise: float = 0.002,
    **mishaps: Any,
) -> Effects:
    """Return the effects found where an arm's true accuracy is ``truth`` of its settings.

    The seeds of an arm scatter by ``noise``, and by more that all arms share.
    """
    tables = make_tables(points, range(seeds), evaluations=2, **mishaps)
    generator = np.random.default_rng(0)
    shared = generator.normal(0, 0.02, seeds)
    runs = tables.runs
    own = generator.normal(0, noise, len(runs))
    true = np.array([truth(row) for row in runs.to_dict("records")])
    accuracy = np.where(
        runs["status"] == "failed", np.nan, true + own + shared[runs["seed"].to_numpy()]
    )
    return effects(compare(runs.assign(test_accuracy=accuracy), tables.metrics, tables.layers))


def test_a_planted_difference_is_found_with_its_sign_and_size():
    found = planted(INITS, lambda row: {"xavier": 0.95, "he": 0.93, "zero": 0.85}[row["init"]])
    (factor,) = found.factors
    assert (factor.name, factor.reference, factor.numbers) == ("init", "xavier", {})
    table = found.table.set_index("level")
    assert list(table.index) == ["he", "zero"]
    assert list(table["finding"]) == ["below", "below"]
    assert ((table["low"] < [-0.02, -0.1]) & (table["high"] > [-0.02, -0.1])).all()
    assert list(table["superiority"]) == [0, 0]
    assert (table["effect_size"] < -3).all()
    own = found.pairs[found.pairs["level"] == "he"]["difference"]
    assert table["mean"]["he"] - table["reference_mean"]["he"] == pytest.approx(own.mean())
    first, second = findings(found.table)
    assert re.fullmatch(
        r"Final test accuracy: zero is (9\.\d|10\.\d) points below xavier "
        r"\(95 % interval −1\d\.\d to −9\.\d, n = 10\)\.",
        first,
    )
    assert re.match(r"Final test accuracy: he is (1\.9|2\.\d) points below xavier \(95 % ", second)
    assert undecided(found.table) == []
    assert found.doubts == ()
    own = found.pairs[found.pairs["level"] == "he"]
    assert own["seed"].tolist() == list(range(10))
    assert own["difference"].median() == pytest.approx(table["difference"]["he"])


def test_the_interval_is_for_the_median_over_all_pairs_of_levels():
    # Three levels have three pairs, so alpha is 0.05/3, above 2/128: with seven seeds the interval
    # goes from the lowest to the highest difference, almost: alpha is (0.05/3 - 2/128)/(14/128) =
    # 0.0095238 of the way to the next level, 6·0.0095238/(1 + 5·0.0095238) = 0.054545 of the way
    # to the next values.
    tables = make_tables(INITS, range(7))
    shift = {0: -0.02, 2: 0.01, 3: 0.03, 4: 0.02}
    accuracy = [
        {"xavier": 0.9, "he": 0.86 + shift.get(row["seed"], 0.0), "zero": 0.5}[row["init"]]
        for row in tables.runs.to_dict("records")
    ]
    table = effects(compare(tables.runs.assign(test_accuracy=accuracy), *tables[1:])).table
    assert table["confidence"][0] == pytest.approx(1 - 0.05 / 3)
    assert table["difference"][0] == pytest.approx(-0.04)
    assert table["low"][0] == pytest.approx(-0.06 + 0.054545 * 0.02, abs=1e-6)
    assert table["high"][0] == pytest.approx(-0.01 - 0.054545 * 0.01, abs=1e-6)


@pytest.mark.slow
def test_where_nothing_is_planted_the_sweeps_with_a_finding_are_few():
    # The level with the best mean is the reference, which is the choice that would mislead.
    arms = grid(init=["xavier", "he", "zero", "randn", "lecun"])
    compared = compare(*make_tables(arms, range(5), evaluations=2))
    generator = np.random.default_rng(0)
    wrong = 0
    for _ in range(100):
        accuracy = generator.normal(0.9, 0.02, len(compared.runs))
        chance = replace(compared, runs=compared.runs.assign(test_accuracy=accuracy))
        wrong += bool(effects(chance).table["finding"].isin(["above", "below"]).any())
    # 5 are expected at most; 12 and more would be a chance of 1 in 230.
    assert wrong < 12


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-0.0055, -0.0005, ", possibly less than the 0.3 points that matter (95 % interval −0.55"),
        (-0.0055, -0.0035, " (95 % interval −0.55 to −0.35, n = 10)."),
        (-0.004, -0.004, " (the same in all 10 pairs)."),
    ],
)
def test_a_difference_that_may_be_too_small_to_matter_is_said_to_be(low, high, words):
    row = {"kind": "level", "level": "a", "reference": "b", "over": "", "n": 10}
    row |= {"factor": "init", "difference": -0.004, "low": low, "high": high}
    row |= {"mean": 0.9, "reference_mean": 0.904}
    (told,) = findings(pd.DataFrame([row | {"matters": 0.003, "finding": "below"}]))
    assert told.startswith("Final test accuracy: a is 0.40 points below b" + words)


def test_a_mean_that_a_few_seeds_move_is_said_to_differ():
    row = {"kind": "level", "level": "a", "reference": "b", "over": "", "n": 10, "factor": "init"}
    row |= {"difference": -0.01, "low": -0.02, "high": -0.005, "mean": 0.8, "reference_mean": 0.9}
    (told,) = findings(pd.DataFrame([row | {"matters": 0.003, "finding": "below"}]))
    assert told == (
        "Final test accuracy: a is 1.0 points below b (95 % interval −2.0 to −0.5, n = 10; the "
        "mean difference is −10.0 points, as a few seeds are far off)."
    )


def test_how_often_runs_diverge_is_said_with_its_interval():
    found = planted(INITS[:2], lambda _: 0.9, diverged={(1, 3): 40, (1, 4): 80})
    (doubt,) = found.doubts
    assert doubt == (
        "Some runs diverged: 2 of 10 runs of he (3 to 56 %); in brackets the 95 % interval of the "
        "rate. The median difference describes a typical seed, not how often runs diverge."
    )


def test_a_difference_that_does_not_matter_is_said_to_be_none():
    found = planted(INITS[:2], lambda row: 0.9 - 0.0005 * (row["init"] == "he"), noise=0.0005)
    (sentence,) = findings(found.table)
    assert sentence.startswith(
        "Final test accuracy: he and xavier are equivalent within 0.3 points (95 % interval −0.0"
    )
    assert found.table["finding"].tolist() == ["alike"]


def test_what_is_not_told_apart_says_how_many_seeds_would():
    found = planted(INITS[:2], lambda _: 0.9, noise=0.01)
    assert findings(found.table) == []
    (sentence,) = undecided(found.table)
    needed = int(found.table["seeds_needed"][0])
    assert needed > 10
    assert re.fullmatch(
        r"(he and xavier|xavier and he): no conclusion \(n = 10\); about \d+ seeds would show a "
        rf"difference as large as observed, about {needed} seeds would show a difference of 0\.3 "
        r"points\.",
        sentence,
    )


def test_what_looks_large_and_is_not_told_apart_says_how_few_seeds_would():
    found = planted(INITS[:2], lambda row: 0.9 - 0.03 * (row["init"] == "he"), 8, noise=0.02)
    (sentence,) = undecided(found.table)
    seen, needed = (found.table[f"seeds_{c}"][0] for c in ("seen", "needed"))
    assert 6 <= seen < 40 < needed
    observed = f"about {seen} seeds would show a difference as large as observed"
    assert f"{observed}, about {needed} seeds would show" in sentence


def test_a_single_run_says_nothing_of_the_seeds_that_others_need():
    lost = {(2, seed) for seed in range(1, 4)}
    found = planted(INITS, lambda _: 0.9, 4, noise=0.01, failed=lost)
    (sentence,) = undecided(found.table)
    assert "n = 1 to 4" in sentence
    assert "more than" not in sentence


def test_several_runs_of_a_seed_in_one_arm_are_told():
    tables = make_tables(INITS[:2], range(5))
    again = tables.runs[tables.runs["init"] == "he"].assign(run_id="again")
    twice = pd.concat([tables.runs, again.assign(run_id=[f"again-{i}" for i in range(5)])])
    (doubt,) = effects(compare(twice, tables.metrics, tables.layers)).doubts
    assert doubt.startswith("Some arms have several runs of the same seed (he). The runs differ in")


@pytest.mark.parametrize("seeds", [1, 2, 6])
def test_too_few_seeds_find_nothing_however_large_the_difference(seeds):
    found = planted(INITS, lambda row: 0.9 - 0.5 * (row["init"] == "zero"), seeds)
    assert set(found.table["finding"]) == {"too few seeds"}
    assert findings(found.table) == []
    (sentence,) = undecided(found.table)
    few = f"Too few seeds (n = {seeds}) for 3 comparisons: findings need at least 7."
    assert few in sentence
    assert set(found.table["fewest"]) == {7}
    assert ("would show a difference" in sentence) == (seeds > 1)


def test_two_factors_have_main_effects_and_no_interaction_where_they_add():
    def truth(row):
        return 0.9 - 0.05 * (row["init"] == "he") - 0.02 * np.log10(row["lr"] / 0.01)

    table = planted(BOTH, truth, noise=0.0005).table
    assert table["factor"].tolist() == ["init", "lr", "lr", "init and lr", "init and lr"]
    assert table["difference"].to_numpy() == pytest.approx([-0.05, -0.02, -0.04, 0, 0], abs=1e-3)
    assert table["finding"].tolist() == ["below"] * 3 + ["alike"] * 2
    assert table["over"].tolist() == ["lr", "init", "init", "", ""]
    # One pair of inits, three of rates, and their three differences: seven in all.
    assert table["confidence"][0] == pytest.approx(1 - 0.05 / 7)
    told = findings(table)
    assert told[0].startswith(
        "Final test accuracy: he is 5.0 points below xavier, averaged over lr (95 % interval −5."
    )
    same = "he − xavier at lr 1 is within 0.3 points of that at lr 0.01"
    assert same in told[3] + told[4]


def test_a_planted_interaction_is_found_with_its_sign():
    def truth(row):
        return 0.9 - 0.03 * (row["init"] == "he") - 0.06 * (row["init"] == "he") * (row["lr"] == 1)

    found = planted(BOTH, truth, noise=0.001)
    table = found.table[found.table["kind"] == "interaction"].set_index("level")
    reference = found.factors[1].reference
    assert reference in ("lr 0.01", "lr 0.1")
    row = table.loc["he − xavier at lr 1"]
    assert row["difference"] == pytest.approx(-0.06, abs=0.004)
    assert (row["mean"], row["reference_mean"]) == pytest.approx((-0.09, -0.03), abs=0.004)
    assert row["finding"] == "below"
    (sentence,) = [s for s in findings(found.table) if "interact" in s]
    assert re.fullmatch(
        r"Final test accuracy: he − xavier at lr 1 is [56]\.\d points lower than "
        rf"at {reference} \(95 % interval −\d\.\d to −\d\.\d, n = 10\): init and lr interact\.",
        sentence,
    )


def test_numbers_are_known_as_such():
    found = planted(BOTH, lambda row: 0.9 - 0.01 * row["lr"])
    init, lr = found.grid
    assert init.numbers == {}
    assert lr.numbers == {"lr 0.01": 0.01, "lr 0.1": 0.1, "lr 1": 1.0}
    std = planted(
        [{"init": "normal", "init.std": s} for s in (0.01, 0.1)], lambda row: 0.9 - row["init.std"]
    )
    assert std.grid[0].name == "init.std"
    assert sorted(std.grid[0].numbers.values()) == [0.01, 0.1]


def test_an_incomplete_grid_is_said_to_be_and_gives_no_effect_of_a_setting():
    found = planted(BOTH[:-1], lambda row: 0.9 - 0.02 * (row["init"] == "he"))
    (doubt,) = found.doubts
    assert "grid is incomplete: 1 of 6 combinations have no result (he with lr 1). Each" in doubt
    assert [factor.name for factor in found.factors] == ["arm"]
    assert [factor.name for factor in found.grid] == ["init", "lr"]
    assert set(found.table["factor"]) == {"arm"}
    assert len(found.table) == 4


def test_what_is_no_grid_by_far_is_said_in_short():
    points = [{"init": i, "lr": 0.1 * k, "hidden": f"{k}"} for k, i in enumerate("abcdefgh", 1)]
    points += [{"init": "a", "lr": 0.2, "hidden": "1"}, {"init": "b", "lr": 0.2, "hidden": "1"}]
    (doubt,) = planted(points, lambda _: 0.9, 5).doubts
    assert doubt.startswith("3 settings vary, and only 10 of their 512 combinations have a result.")


def test_settings_that_change_together_are_one_factor_and_said_to_be():
    points = [{"init": "xavier", "lr": 0.1}, {"init": "he", "lr": 0.5}, {"init": "zero", "lr": 0.5}]
    found = planted(points, lambda row: 0.9 - row["lr"] / 10)
    assert [factor.name for factor in found.factors] == ["init with lr"]
    assert found.doubts[0].startswith("init and lr change together")
    assert planted(BOTH, lambda _: 0.9).doubts == ()


def test_pairs_of_settings_are_one_factor_of_a_grid_with_the_others():
    pairs = [("xavier", "tanh"), ("he", "relu"), ("xavier", "relu")]
    points = [
        {"init": init, "activation": activation, "lr": lr}
        for init, activation in pairs
        for lr in (0.1, 1)
    ]
    found = planted(points, lambda row: 0.9 - 0.05 * (row["init"] == "he"))
    pair, lr = found.factors
    assert (pair.name, lr.name) == ("init with activation", "lr")
    assert pair.settings == ("init", "activation")
    assert list(pair.levels) == ["xavier, tanh", "he, relu", "xavier, relu"]
    assert found.doubts == (
        "Not all combinations of init and activation have a result: their combinations are "
        "compared, not the settings by themselves.",
    )
    assert re.search(
        r"he, relu is [45]\.\d points below .*averaged over lr", findings(found.table)[0]
    )
    two = planted(points[:4], lambda _: 0.9)
    assert two.doubts[0].startswith("init and activation change together")
    # A grid with a missing cell is not a pair.
    incomplete = planted(points[:-1], lambda _: 0.9)
    assert [factor.name for factor in incomplete.factors] == ["arm"]


def test_named_arms_are_one_factor_confounded_where_two_settings_differ_at_once():
    arms = [
        {"arm": "plain", "init": "xavier", "lr": 0.1},
        {"arm": "slow", "init": "xavier", "lr": 0.01},
        {"arm": "other", "init": "he", "lr": 0.01},
    ]
    found = planted(arms, lambda row: 0.9 - 0.1 * (row["init"] == "he"))
    assert [factor.name for factor in found.factors] == ["named arm"]
    assert found.doubts[0].startswith("Named arms differ in init and lr at once")
    assert findings(found.table)[0].startswith("Final test accuracy: other is 10.")
    clean = planted([{"arm": "a", "lr": 0.1}, {"arm": "b", "lr": 1}], lambda _: 0.9)
    assert clean.doubts == ()


def test_a_failed_run_costs_its_seed_and_is_told():
    found = planted(INITS, lambda row: 0.9 - 0.1 * (row["init"] == "zero"), failed=[(1, 3)])
    assert found.table.set_index("level")["n"].to_dict() in (
        {"he": 9, "zero": 10},
        {"xavier": 9, "zero": 9},
    )
    assert "result for every seed (incomplete: he)" in found.doubts[0]


def test_arms_without_a_seed_in_common_are_not_compared():
    first, second = make_tables(INITS[:1], range(5)), make_tables(INITS[1:2], range(5, 10))
    tables = [
        pd.concat(
            [one.astype(object), other.assign(run_id="later " + other["run_id"]).astype(object)],
            ignore_index=True,
        )
        for one, other in zip(first, second, strict=True)
    ]
    found = effects(compare(*tables))
    assert found.table.empty
    assert any("No two arms have a seed in common" in doubt for doubt in found.doubts)


def test_one_arm_has_no_effects():
    found = planted([{}], lambda _: 0.9)
    assert found.table.empty
    assert (found.factors, found.doubts, findings(found.table)) == ((), (), [])
    assert undecided(found.table) == []


def test_a_sweep_of_failures_has_no_effects():
    found = planted(INITS[:2], lambda _: 0.9, 1, failed=[(0, 0), (1, 0)])
    assert found.table.empty


def test_effects_that_are_averaged_over_rates_say_so():
    found = planted(BOTH, lambda row: 0.9)
    assert averaged(found) == [
        "Effects are averaged over lr = 0.01, 0.1 and 1; tune=lr compares each arm at its best "
        "learning rate."
    ]
    assert averaged(planted(BOTH, lambda row: 0.9, seeds=1)) == []  # nothing is averaged
    assert averaged(planted(grid(lr=[0.1, 1]), lambda row: 0.9)) == []
    assert averaged(planted(grid(init=["he", "zero"], batch_size=[1, 9]), lambda row: 0.9)) == []
