"""Claims over runs with planted truths: each gives its verdict, and what it rests on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnexp.analysis.outcomes import fitting
from nnexp.errors import InputError
from nnexp.store.tables import Tables
from nnexp.studies.judgement import from_table, to_table
from nnexp.studies.judging import judge
from nnexp.studies.kinds.comparison import maps
from nnexp.studies.kinds.curve import band
from nnexp.studies.reader import read_study
from nnexp.studies.study import Study
from tests.synthetic import grid, make_tables

SEEDS = range(10)
HEAD = """\
study:
  title: t
  source: {{D1: t}}
  question: q
  protocol: p
  unstated: u
  explanation: e
  claims:
    - {claim}
arms: {{a: [lr=0.1], b: [], c: []}}
"""


@pytest.fixture
def study(tmp_path: Path) -> Any:
    """Return what reads a study of the claims given as YAML flow mappings."""

    def make(*claims: str) -> Study:
        common = "row: D1.1, statement: s"
        entries = [f"{{id: c{i}, {common}, {claim}}}" for i, claim in enumerate(claims)]
        (tmp_path / "s.yaml").write_text(HEAD.format(claim="\n    - ".join(entries)))
        read = read_study(tmp_path / "s.yaml")
        assert read is not None
        return read

    return make


def planted(noise: float, *ends: float, lr: tuple[float, ...] = (0.1,)) -> Tables:
    """Return runs of the arms a, b, c …, whose accuracies end at ``ends``, pairs apart by noise."""
    points = [point | {"arm": arm} for arm in "abc"[: len(ends)] for point in grid(lr=lr)]
    tables = make_tables(points, SEEDS)
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 0.01, len(SEEDS))
    for table in (tables.runs, tables.metrics):
        del table["test_accuracy"]
    runs = tables.runs
    level = runs["arm"].map(dict(zip("abc", ends, strict=False)))
    runs["test_accuracy"] = (
        level + shared[runs["seed"].to_numpy(int)] + rng.normal(0, noise, len(runs))
    )
    final = runs.set_index("run_id")["test_accuracy"]
    share = tables.metrics["step"] / tables.metrics.groupby("run_id")["step"].transform("max")
    ends_at = tables.metrics["run_id"].map(final)
    tables.metrics["test_accuracy"] = 0.1 + (ends_at - 0.1) * share
    return tables


@pytest.mark.parametrize(
    ("ends", "noise", "test", "verdict"),
    [
        ((0.95, 0.93), 0.002, "greater", "reproduced"),
        ((0.93, 0.95), 0.002, "greater", "contradicted"),
        ((0.93, 0.95), 0.002, "less", "reproduced"),
        ((0.95, 0.95), 0.0005, "greater", "no difference that matters"),
        ((0.95, 0.95), 0.0005, "equal", "reproduced"),
        ((0.95, 0.93), 0.002, "equal", "contradicted"),
        ((0.95, 0.949), 0.01, "greater", "inconclusive"),
    ],
)
def test_a_planted_truth_gets_its_verdict(
    study: Any, ends: tuple[float, ...], noise: float, test: str, verdict: str
) -> None:
    tables = planted(noise, *ends)
    (found,) = judge(study(f"test: {test}, arms: [a, b], expected: reproduced"), tables)
    assert found.verdict == verdict
    assert found.n == 10
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.difference < found.high  # type: ignore[operator]
    assert found.as_expected == (verdict == "reproduced")


def test_pairs_are_by_seed_so_what_seeds_share_cancels(study: Any) -> None:
    # The seeds differ by a standard deviation of a point, the pairs by nothing but a half point.
    one = study("test: greater, arms: [a, b], expected: reproduced")
    pairs = one.claims[0].test.differences(planted(0, 0.95, 0.945))
    assert list(pairs["seed"]) == list(SEEDS)
    assert pairs["difference"].to_numpy() == pytest.approx(0.005)
    assert pairs["first"].std() > 0.005


def test_a_seed_that_one_arm_lacks_is_left_out_of_the_pairs(study: Any) -> None:
    """The runs of an arm may also be in another order than those of the other."""
    one = study("test: greater, arms: [a, b], expected: reproduced")
    tables = planted(0, 0.95, 0.945)
    runs = tables.runs[(tables.runs["arm"] != "b") | (tables.runs["seed"] != 3)]
    mixed = pd.concat([runs[runs["arm"] == "a"], runs[runs["arm"] == "b"].iloc[::-1]])
    pairs = one.claims[0].test.differences(tables._replace(runs=mixed))
    assert list(pairs["seed"]) == [seed for seed in SEEDS if seed != 3]
    assert pairs["difference"].to_numpy() == pytest.approx(0.005)


def test_the_family_is_the_comparisons_of_the_file(study: Any) -> None:
    compare = "test: greater, arms: [a, b], expected: reproduced"
    figure = "test: published, arm: a, value: 0.95, rounding: 0.005, expected: consistent"
    tables = planted(0.002, 0.95, 0.93)
    alone = judge(study(compare), tables)[0]
    four = judge(study(compare, compare, compare, compare, figure), tables)
    looked = judge(study(compare), tables, looks=3)[0]
    assert alone.level == pytest.approx(0.95)
    assert four[0].level == pytest.approx(1 - 0.05 / 4)
    assert looked.level == pytest.approx(1 - 0.05 / 3)
    assert four[0].high - four[0].low > alone.high - alone.low  # type: ignore[operator]


def test_fewer_than_five_seeds_decide_nothing(study: Any) -> None:
    tables = planted(0.0001, 0.95, 0.5)
    few = Tables(tables.runs[tables.runs["seed"] < 4], tables.metrics, tables.layers)
    claim = study("test: greater, arms: [a, b], expected: underpowered")
    assert judge(claim, few)[0].verdict == "underpowered"


@pytest.mark.parametrize(
    "claim",
    [
        "test: greater, arms: [a, b], expected: reproduced",
        "test: published, arm: a, value: 0.95, rounding: 0.005, expected: consistent",
        "test: curve, arm: a, by: epoch, points: {5: 0.95}, rounding: 0.005, expected: consistent",
    ],
)
def test_a_verdict_on_survivors_alone_is_withheld(study: Any, claim: str) -> None:
    tables = planted(0.002, 0.95, 0.93)
    whole = judge(study(claim), tables)[0]
    assert whole.verdict != "withheld"
    second = (tables.runs["seed"] == 1) & (tables.runs["arm"] == "a")
    diverged = tables.runs.assign(status=tables.runs["status"].mask(second, "diverged"))
    assert judge(study(claim), tables._replace(runs=diverged))[0].verdict == whole.verdict
    failed = tables.runs.assign(status=tables.runs["status"].mask(second, "failed"))
    found = judge(study(claim), tables._replace(runs=failed))[0]
    assert found.verdict == "withheld"
    assert found.n == 9
    assert found.measured.endswith("; 1 of 10 runs of arm a failed")
    assert not found.as_expected
    other = study("test: greater, arms: [b, b], expected: reproduced")
    assert judge(other, tables._replace(runs=failed))[0].verdict != "withheld"


def test_the_choice_of_runs_by_setting_and_moment(study: Any) -> None:
    tables = planted(0.001, 0.95, 0.93, lr=(0.1, 0.5))
    with pytest.raises(InputError, match=r"'c0': arm 'a' has several runs of seed 0: give .*where"):
        judge(study("test: greater, arms: [a, b], expected: reproduced"), tables)
    early = "test: greater, arms: [a, b], where: {lr: 0.5}, at: {epoch: 1}, expected: reproduced"
    found = judge(study(early), tables)[0]
    # After one epoch of five, a fifth of the way from 0.1.
    assert found.first == pytest.approx(0.1 + 0.85 / 5, abs=0.01)
    assert found.protocol == "lr 0.5, epoch 1"
    with pytest.raises(InputError, match=r"there are no runs with arm a, lr 0.2"):
        judge(study(early.replace("0.5", "0.2")), tables)
    with pytest.raises(InputError, match=r"not evaluated at epoch 1.5: add it to evaluate_at"):
        judge(study(early.replace("epoch: 1", "epoch: 1.5")), tables)
    with pytest.raises(InputError, match=r"unknown outcome 'test_acuracy': did you mean"):
        judge(study(early.replace("test: g", "outcome: test_acuracy, matters: 1, test: g")), tables)


def test_a_moment_is_exact_to_the_step(study: Any) -> None:
    tables = planted(0.001, 0.95, 0.93)
    for table in (tables.metrics, tables.layers):  # as if an epoch had a million steps
        table["step"] = table["step"] // 600 * 1_000_000 + table["step"] % 600 * 1_001
        table["epoch"] = table["step"] / 1_000_000
    text = "test: greater, arms: [a, b], at: {}, expected: reproduced"
    last = int(tables.metrics["step"].max())
    for near in ({"step": last}, {"epoch": last / 1e6}, {"epoch": float(f"{last / 1e6:.8f}")}):
        assert judge(study(text.format(near)), tables)[0].first == pytest.approx(0.95, abs=0.01)
    for off in ({"step": last - 1}, {"epoch": (last - 1) / 1e6}, {"step": last - 0.5}):
        with pytest.raises(InputError, match="were not evaluated at"):
            judge(study(text.format(off)), tables)
    curve = "test: curve, arm: a, by: step, points: {}, rounding: 0.1, expected: consistent"
    with pytest.raises(InputError, match="were not evaluated at"):
        judge(study(curve.format({last - 1: 0.9})), tables)


def test_settings_are_matched_exactly(study: Any) -> None:
    tables = planted(0.001, 0.95, 0.93)
    tables.runs["data.train_size"] = 999_999_999
    with pytest.raises(InputError, match=r"no runs with arm a, data\.train_size 1000000000"):
        fitting(tables.runs, {"arm": "a", "data.train_size": 1_000_000_000})


def test_a_change_and_a_fall_are_measured_up_to_the_moment(study: Any) -> None:
    tables = planted(0.001, 0.95, 0.93)
    step = tables.metrics["step"].to_numpy()
    tables.metrics["test_loss"] = np.where(step <= 600, 2 - step / 600, step / 600)
    common = "test: less, arm: a, threshold: 0, matters: 0.1, expected: reproduced"
    for outcome, early, late in (("change", -1, 3), ("smallest_fall", 1, -1)):
        text = f"outcome: {{{outcome}: test_loss}}, {common}"
        assert judge(study(f"{text}, at: {{epoch: 1}}"), tables)[0].first == early
        assert judge(study(text), tables)[0].first == late
        cells = maps(study(f"{text}, map: [epoch]"), tables).set_index("epoch")["difference"]
        assert -cells[1] == early
        assert -cells[5] == late


def test_a_negative_value_has_no_logarithm_and_is_not_left_out(study: Any) -> None:
    tables = planted(0.001, 0.95, 0.93)
    tables.metrics["test_loss"] = np.where(tables.metrics["step"] == 0, 1.0, 0.5)
    text = "test: greater, arms: [a, b], outcome: {change: test_loss}, scale: log10, matters: 1"
    with pytest.raises(InputError, match="change of the test loss is below 0 in a run"):
        judge(study(f"{text}, expected: reproduced"), tables)


def test_a_small_setting_is_told_from_none_and_none_from_a_name(study: Any) -> None:
    tables = planted(0.001, 0.95, 0.93, lr=(1e-9, 2e-9))
    text = "test: greater, arms: [a, b], where: {lr: 1.0e-9}, expected: reproduced"
    assert judge(study(text), tables)[0].n == len(SEEDS)
    tables.runs["quirk"] = np.where(tables.runs["lr"] == 1e-9, None, "plain_hidden_error")
    assert len(fitting(tables.runs, {"quirk": "none", "arm": "a"})) == len(SEEDS)


def test_seeds_needed_are_as_many_as_a_verdict_takes(study: Any) -> None:
    tables = planted(0.00001, 0.95, 0.5)
    few = Tables(tables.runs[tables.runs["seed"] < 3], tables.metrics, tables.layers)
    claim = study("test: greater, arms: [a, b], expected: underpowered")
    assert judge(claim, few)[0].seeds_needed == 6


@pytest.mark.slow
def test_a_map_says_where_a_claim_holds(study: Any) -> None:
    tables = planted(0.001, 0.95, 0.93, lr=(0.1, 0.5))
    swapped = (tables.runs["lr"] == 0.5).to_numpy()
    runs = tables.runs.set_index("run_id")
    worse = tables.metrics["run_id"].map(runs["lr"] == 0.5) & tables.metrics["arm"].eq("a")
    tables.metrics.loc[worse, "test_accuracy"] = 0.2
    assert swapped.any()
    text = "test: greater, arms: [a, b], where: {lr: 0.1}, map: [lr, epoch], expected: reproduced"
    cells = maps(study(text), tables).set_index(["lr", "epoch"])
    assert set(cells.index.get_level_values("epoch")) == {1, 2, 3, 4, 5}
    assert set(cells.loc[0.1]["holds"]) == {"yes"}
    assert set(cells.loc[0.5]["holds"]) - {"yes", "unclear"} == {"no"}
    assert judge(study(text), tables)[0].holds_in.startswith("5 of 10 cells, reversed in")


@pytest.mark.parametrize(
    ("value", "noise", "verdict"),
    [
        (0.95, 0.001, "consistent"),
        (0.90, 0.001, "exceeded"),
        (0.99, 0.001, "short of"),
        (0.95, 0.02, "too noisy to tell"),
    ],
)
def test_a_published_figure_is_held_against_one_further_run(
    study: Any, value: float, noise: float, verdict: str
) -> None:
    tables = planted(noise, 0.95)
    tables.metrics["test_accuracy"] -= tables.metrics["seed"].map(
        pd.Series(np.random.default_rng(0).normal(0, 0.01, len(SEEDS)))
    ) * (tables.metrics["step"] / 3000)  # without what the seeds share
    text = f"test: published, arm: a, value: {value}, rounding: 0.0005, expected: consistent"
    assert judge(study(text), tables)[0].verdict == verdict


def test_the_figures_of_a_study_share_the_error_rate_of_disagreeing(study: Any) -> None:
    tables = planted(0.001, 0.95)
    tables.metrics["test_accuracy"] = tables.metrics["seed"].map(lambda seed: 0.95 + 0.001 * seed)
    # Mean 0.9545 and standard deviation 0.00303: 95 % interval ±0.0072, 99 % interval ±0.0103.
    text = "test: published, arm: a, value: {}, rounding: 0, cap: 0.02, expected: consistent"
    for value, alone, of_five in (
        (0.961, "consistent", "consistent"),
        (0.963, "short of", "borderline"),
        (0.946, "exceeded", "borderline"),
        (0.966, "short of", "short of"),
    ):
        one, five = text.format(value), [text.format(0.95)] * 4
        assert judge(study(one), tables)[0].verdict == alone
        found = judge(study(one, *five), tables)[0]
        assert found.verdict == of_five
        assert (found.low, found.high) == pytest.approx((0.9473, 0.9617), abs=1e-4)
        assert ("; 99 % prediction interval 0.9" in found.measured) == (value != 0.961)


def test_several_figures_of_one_quantity_are_one_claim(study: Any) -> None:
    tables = planted(0.001, 0.95)
    tables.metrics["test_accuracy"] = tables.metrics["seed"].map(lambda seed: 0.95 + 0.001 * seed)
    text = "test: published, arm: a, value: {}, rounding: 0, cap: 0.02, expected: consistent"
    inside = judge(study(text.format([0.963, 0.95, 0.954])), tables)[0]
    assert inside.verdict == "consistent"  # alone, 0.963 is not
    assert inside.second == 0.963
    assert "joint 95 % prediction interval" in inside.measured
    assert judge(study(text.format([0.966, 0.95, 0.954])), tables)[0].verdict == "short of"


def test_a_published_curve_is_judged_by_one_band(study: Any) -> None:
    tables = planted(0.001, 0.95)
    ours = tables.metrics.groupby("step")["test_accuracy"].mean()
    points = {int(step): round(float(ours[step]), 4) for step in (600, 1200, 3000)}
    text = "test: curve, arm: a, by: step, points: {}, rounding: 0.00005, cap: 0.1, expected: {}"
    on = study(text.format(points, "consistent"))
    assert judge(on, tables)[0].verdict == "consistent"
    assert list(band(on.claims[0].test, tables)["at"]) == [600, 1200, 3000]
    off = points | {1200: points[1200] + 0.2}
    found = judge(study(text.format(off, "short of")), tables)[0]
    assert found.verdict == "short of"
    assert "2 of 3 points within the joint band" in found.measured
    two = study(text.format(off, "short of"), text.format(points, "consistent"))
    assert "joint band (2 within that of 97.5 %); farthest" in judge(two, tables)[0].measured
    assert "at step 1200" in found.measured


def test_outcomes_of_layers_and_of_the_course_of_training(study: Any) -> None:
    points = [{"arm": arm, "hidden": "50x50x50"} for arm in "ab"]
    tables = make_tables(points, SEEDS)
    rest = "matters: 0.01, expected: reproduced"

    def first(outcome: str) -> float | None:
        text = f"test: greater, arm: a, threshold: 0, outcome: {outcome}, {rest}"
        return judge(study(text), tables)[0].first

    assert (
        judge(
            study(f"test: less, arm: a, threshold: 1, outcome: {{layer: 1, value: dead}}, {rest}"),
            tables,
        )[0].outcome
        == "share of dead units of layer 1"
    )
    # Synthetic layers: the norm halves from layer to layer, and is divided by 6 over training.
    assert first("{layer: 1, value: gradient_norm}") == pytest.approx(0.5 / 6)
    assert first("{layer: -1, value: gradient_norm}") == pytest.approx(0.5**4 / 6)
    assert first("{factor_per_layer: gradient_norm}") == pytest.approx(2)
    assert first("{change: test_accuracy}") == pytest.approx(0.945 - 0.1)
    # The loss falls least in the last of five epochs: by a 25th of the whole way.
    assert first("{smallest_fall: test_loss}") == pytest.approx((2.3 - 0.245) / 25)
    assert first("{steps_to: 0.85}") == 2400
    assert first("{steps_to: 0.85, of: train_accuracy}") == 2400
    assert first("{steps_to: 0.6, of: test_loss}") == 1800  # 0.245 + 2.055 · 0.4² = 0.57
    # The same from the whole curve of a layer: the norm is largest at the start.
    assert first("{highest: gradient_norm, layer: 2}") == pytest.approx(0.25)
    assert first("{lowest: gradient_norm, layer: -1}") == pytest.approx(0.5**4 / 6)
    assert first("{step_of_highest: gradient_norm, layer: 1}") == 0
    assert first("{step_of_lowest: gradient_norm, layer: 1}") == 3000


def test_what_a_curve_is_measured_by(study: Any) -> None:
    tables = planted(0.0, 0.95, 0.93)
    curve = dict(
        zip((0, 600, 1200, 1800, 2400, 3000), (2, 0.5, 0.25, 0.75, np.inf, 1), strict=True)
    )
    tables.metrics["test_loss"] = tables.metrics["step"].map(curve)

    def first(outcome: str, at: str = "") -> float | None:
        text = f"test: greater, arm: a, threshold: 0, outcome: {outcome}, matters: 0.01{at}"
        return judge(study(f"{text}, expected: reproduced"), tables)[0].first

    early = ", at: {epoch: 3}"
    measured = {
        "highest": (2, np.inf),
        "lowest": (0.25, 0.25),
        "step_of_highest": (0, 2400),
        "step_of_lowest": (1200, 1200),
        "drop_from_highest": (1.25, np.inf),
        "largest_rise": (0.5, np.inf),
    }
    for kind, (by_then, in_all) in measured.items():
        assert first(f"{{{kind}: test_loss}}", early) == by_then, kind
        assert first(f"{{{kind}: test_loss}}") == in_all, kind
    tables.metrics["batch_loss"] = tables.metrics["test_loss"].where(tables.metrics["step"] > 0)
    assert first("{highest: batch_loss}", early) == 0.75  # there is none before the first update


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("{highest: gradient_norm}", "unknown outcome of highest 'gradient_norm'"),
        ("{highest: test_loss, layer: 1}", "unknown outcome of highest 'test_loss'"),
        ("{steps_to: 0.9, of: step}", "unknown outcome of steps_to 'step'"),
        ("{factor_per_layer: dead, layer: 1}", "unknown key 'layer'"),
        ("{lowest: dead, layer: 0}", "layer=0: give 1, 2, … or -1 for the output"),
    ],
)
def test_outcomes_that_are_refused(outcome: str, words: str, study: Any) -> None:
    with pytest.raises(InputError, match=words):
        study(f"test: less, arm: a, threshold: 0, outcome: {outcome}, expected: reproduced")


def test_a_run_that_never_gets_there_ties_with_another_that_does_not(study: Any) -> None:
    tables = planted(0.001, 0.95, 0.5)
    text = "test: less, arms: [a, b], outcome: {steps_to: 0.9}, matters: 10, expected: reproduced"
    found = judge(study(text), tables)[0]
    assert found.verdict == "reproduced"  # a gets there, b never
    assert (found.low, found.high, found.superiority) == (-np.inf, -np.inf, 0)
    assert found.detectable is None
    same = judge(study(text.replace("[a, b]", "[b, b]")), tables)[0]
    assert same.difference == 0


def test_a_computation_is_held_to_the_printed_figures(study: Any) -> None:
    text = (
        "test: computed, compute: softmax, given: {{logits: [0, 0]}}, "
        "published: {{probabilities: [0.5, {}]}}, rounding: 0.005, expected: reproduced"
    )
    right, wrong = study(text.format(0.5)), study(text.format(0.6))
    assert judge(right, None)[0].verdict == "reproduced"
    assert judge(wrong, None)[0].verdict == "contradicted"
    assert not right.has_runs


def test_judgements_survive_their_table(study: Any, tmp_path: Path) -> None:
    one = study(
        "test: greater, arms: [a, b], expected: reproduced",
        "test: published, arm: a, value: 0.95, rounding: 0.005, expected: consistent",
        "test: computed, compute: softmax, given: {logits: [0, 0]}, "
        "published: {probabilities: [0.5, 0.5]}, rounding: 0.005, expected: reproduced",
    )
    judgements = judge(one, planted(0.001, 0.95, 0.93))
    to_table(judgements).to_csv(tmp_path / "claims.csv", index=False)
    read = pd.read_csv(tmp_path / "claims.csv", dtype=str, keep_default_na=False)
    assert from_table(read) == judgements


def test_how_many_runs_diverged_is_said_and_whether_the_rates_differ(study: Any) -> None:
    tables = planted(0.001, 0.95, 0.5)
    claim = study("test: greater, arms: [a, b], expected: reproduced")
    lost = (tables.runs["arm"] == "b") & (tables.runs["seed"] < 7)
    diverged = tables.runs.assign(status=tables.runs["status"].mask(lost, "diverged"))
    found = judge(claim, tables._replace(runs=diverged))[0]
    assert found.verdict == "reproduced"
    # Seven pairs in which only b diverged: 2/2⁷.
    words = (
        "; diverged: 0 of 10 runs of arm a and 7 of 10 runs of arm b (p = 0.016 for equal rates)"
    )
    assert found.measured.endswith(words)
    assert "diverged" not in judge(claim, tables)[0].measured
    alone = study("test: published, arm: b, value: 0.5, rounding: 0.1, expected: consistent")
    found = judge(alone, tables._replace(runs=diverged))[0]
    assert found.measured.endswith("; diverged: 7 of 10 runs of arm b")


def test_a_difference_equal_in_every_pair_has_no_interval(study: Any) -> None:
    tables = planted(0, 0.95, 0.9)
    tables.metrics["test_accuracy"] = tables.metrics["arm"].map({"a": 0.7, "b": 0.6})
    # Equal up to rounding: 0.7 - 0.6 of some pairs is 0.2 - 0.1 of others, to the last bit not.
    some = tables.metrics["seed"] < 4
    tables.metrics.loc[some, "test_accuracy"] = tables.metrics["arm"].map({"a": 0.2, "b": 0.1})
    claim = study("test: greater, arms: [a, b], expected: reproduced")
    found = judge(claim, tables)[0]
    assert found.measured == "0.7000 against 0.6000: +10 points in every pair"
    assert found.verdict == "reproduced"
    terms = dict(claim.claims[0].test.explain(found))
    assert terms["Difference in every pair"] == "+10 points"
    assert not any("interval" in term or "Detectable" in term for term in terms)


def test_most_pairs_equal_are_not_every_pair(study: Any) -> None:
    tables = planted(0, 0.95, 0.9)
    tables.metrics["test_accuracy"] = tables.metrics["arm"].map({"a": 0.75, "b": 0.5})
    far = tables.metrics["arm"].eq("b") & tables.metrics["seed"].eq(3)
    tables.metrics.loc[far, "test_accuracy"] = 0.25
    claim = study("test: greater, arms: [a, b], expected: reproduced")
    found = judge(claim, tables)[0]
    assert found.measured.startswith("0.7500 against 0.5000: +25 points in 9 of 10 pairs (mean")
    assert "95 % interval" in dict(claim.claims[0].test.explain(found))


def test_one_run_far_off_decides_no_direction_and_is_said_to_be(study: Any) -> None:
    tables = planted(0.002, 0.95, 0.95)
    lost = tables.metrics["arm"].eq("b") & tables.metrics["seed"].eq(3)
    tables.metrics.loc[lost, "test_accuracy"] = 0.1
    found = judge(study("test: greater, arms: [a, b], expected: inconclusive"), tables)[0]
    assert found.verdict in ("inconclusive", "no difference that matters")
    assert found.difference == pytest.approx(0, abs=0.003)
    assert re.search(r"\] \(mean \+8\.\d+ points: a few pairs are far off\)$", found.measured)
