"""Tuning by updates to a goal and over two settings, and the best value itself as an outcome."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnexp.errors import InputError
from nnexp.store.tables import Tables
from nnexp.studies.judging import judge
from nnexp.studies.markdown_report import claim_pictures
from nnexp.studies.reader import read_study
from nnexp.studies.study import Study
from nnexp.studies.trials import announced, trials
from tests.studies.test_judging import HEAD
from tests.synthetic import assert_within, make_tables

RATES = (0.1, 0.2, 0.4, 0.8)
SEEDS = range(10)
GOAL = "{over: lr, by: {steps_to: 0.9}}"
FEWER = f"test: less, arms: [a, b], outcome: {{steps_to: 0.9}}, tuned: {GOAL}, scale: log10"
SLOPE = "test: exponent, arms: [a, b, c], over: depth, values: [4, 8, 16], outcome: {tuned: lr}"


@pytest.fixture
def study(tmp_path: Path) -> Any:
    """Return what reads a study of one claim, given as a YAML flow mapping."""

    def make(claim: str, swept: str = "lr: '0.1,0.2,0.4,0.8'") -> Study:
        given = f"{{id: c, row: D1.1, statement: s, {claim}, expected: reproduced}}"
        text = HEAD.format(claim=given).replace("lr=0.1", "epochs=1")
        (tmp_path / "s.yaml").write_text(f"{text}hydra: {{sweeper: {{params: {{{swept}}}}}}}\n")
        read = read_study(tmp_path / "s.yaml")
        assert read is not None
        return read

    return make


def reaching(
    steps: Callable[[str, float, int], float], rates: Sequence[float] = RATES, arms: str = "abc"
) -> Tables:
    """Return runs that get to an accuracy of 0.9 after ``steps(arm, lr, seed)``, or never (inf)."""
    points = [{"arm": arm, "lr": lr} for arm, lr in itertools.product(arms, rates)]
    tables = make_tables(points, SEEDS, validation=True, evaluations=1)
    runs = tables.runs
    rows = []
    for row in tables.metrics.to_dict("records"):
        reached = steps(row["arm"], row["lr"], row["seed"])
        for step, accuracy in ((0, 0.1), (reached, 0.95), (10_000, 0.95)):
            accuracy = 0.5 if step == 10_000 and math.isinf(reached) else accuracy
            scores = dict.fromkeys(("test_accuracy", "validation_accuracy"), accuracy)
            if math.isfinite(step):
                rows.append(row | {"step": int(step), "epoch": step / 600} | scores)
    return tables._replace(runs=runs, metrics=pd.DataFrame(rows))


def valley(best: dict[str, float], floor: dict[str, float]) -> Callable[[str, float, int], float]:
    """Return steps that are fewest, ``floor``, at the ``best`` rate of an arm."""
    return lambda arm, lr, seed: round(
        (floor[arm] + seed) * (1 + 4 * math.log2(lr / best[arm]) ** 2)
    )


def test_each_arm_is_compared_where_it_gets_to_the_goal_soonest(study: Any) -> None:
    claim = study(f"{FEWER}, matters: 0.1")
    tables = reaching(valley({"a": 0.2, "b": 0.4}, {"a": 100, "b": 200}), arms="ab")
    (found,) = judge(claim, tables)
    assert found.verdict == "reproduced"
    assert found.difference == pytest.approx(
        np.median(np.log10([(100 + s) / (200 + s) for s in SEEDS]))
    )
    assert found.protocol == (
        "each at its best updates to a validation accuracy of 0.9: a at lr 0.2 (4 values from 0.1 "
        "to 0.8), b at lr 0.4 (4 values from 0.1 to 0.8)"
    )
    assert trials(claim, tables) == []


def test_rates_that_do_not_get_there_are_worst_and_have_no_point(study: Any) -> None:
    claim = study(f"{FEWER}, matters: 0.1")
    inner = valley({"a": 0.2, "b": 0.4}, {"a": 100, "b": 200})
    # The highest rate would be best on average, were it not for one seed that never gets there.

    def steps(arm: str, lr: float, seed: int) -> float:
        return (math.inf if seed == 3 else 20) if lr == 0.8 else inner(arm, lr, seed)

    tables = reaching(steps, arms="ab")
    (found,) = judge(claim, tables)
    assert "a at lr 0.2 " in found.protocol
    drawn = {p.name: p for p, _ in claim_pictures(claim, [found], tables)}
    picture = drawn["tuning-lr-steps_to-0.9-validation_accuracy"]
    assert picture.caption.endswith("Values without a point: a run did not reach the goal.")
    assert_within(picture.figure)


def test_further_rates_are_tried_beyond_the_best(study: Any) -> None:
    claim = study(f"{FEWER}, matters: 0.1")
    tables = reaching(valley({"a": 0.05, "b": 0.4}, {"a": 100, "b": 200}), arms="ab")
    assert announced(claim, trials(claim, tables)) == "s: tuning lr: a 0.05"
    (found,) = judge(claim, tables)
    assert found.verdict == "withheld"
    assert "a is best at lr 0.1, the smallest of 4 values" in found.measured


def test_two_settings_are_tuned_together(study: Any) -> None:
    swept = "lr: '0.1,0.2,0.4', weight_decay: '0.01,0.02,0.04'"
    both = "tuned: {over: [lr, weight_decay], by: validation_accuracy}"
    claim = study(f"test: greater, arms: [a, b], {both}", swept)
    points = [
        {"arm": arm, "lr": lr, "weight_decay": decay}
        for arm, lr, decay in itertools.product("ab", (0.1, 0.2, 0.4), (0.01, 0.02, 0.04))
    ]
    tables = make_tables(points, SEEDS, validation=True, evaluations=2)
    best = {"a": (0.2, 0.02), "b": (0.2, 0.04)}
    runs = tables.runs
    runs["validation_accuracy"] = [
        0.9 - 0.1 * abs(math.log2(lr / best[arm][0])) - 0.1 * abs(math.log2(decay / best[arm][1]))
        for arm, lr, decay in zip(runs["arm"], runs["lr"], runs["weight_decay"], strict=True)
    ]
    (trial,) = trials(claim, tables)
    assert str(trial) == "b 0.08, lr 0.2"
    assert (trial.over, trial.where) == ("weight_decay", {"lr": 0.2})
    (found,) = judge(claim, tables)
    assert "a at lr 0.2 (3 values from 0.1 to 0.4), weight_decay 0.02 (3 values" in found.protocol
    assert "b is best at weight_decay 0.04, the largest of 3 values" in found.measured
    names = [picture.name for picture, _ in claim_pictures(claim, [found], tables)]
    assert [name for name in names if name.startswith("tuning")] == [
        "tuning-lr-validation_accuracy-weight_decay",
        "tuning-weight_decay-validation_accuracy-weight_decay",
    ]


def test_the_best_value_of_each_seed_is_an_outcome_known_up_to_half_a_step(study: Any) -> None:
    claim = study(
        f"test: greater, arms: [a, b], outcome: {{tuned: lr}}, tuned: {GOAL}, "
        "scale: log10, matters: 0.05"
    )
    # Seeds 8 and 9 of b are better at 0.4, as a is.
    rate = lambda arm, seed: 0.4 if arm == "a" or seed > 7 else 0.2  # noqa: E731
    tables = reaching(
        lambda arm, lr, seed: 100 + round(100 * math.log2(lr / rate(arm, seed)) ** 2), arms="ab"
    )
    (found,) = judge(claim, tables)
    half = math.log10(2) / 2
    assert (found.first, found.second) == pytest.approx((math.log10(0.4), math.log10(0.2)))
    assert found.outcome == "best lr"
    # At n = 10 the interval reaches from the second to the ninth difference, and further.
    assert found.high == pytest.approx(math.log10(2) + 2 * half)
    assert found.low <= math.log10(2) - 2 * half + 1e-9
    assert found.verdict == "inconclusive"


# In steps of a factor of 1.26.
FINE = tuple(round(0.05 * 1.26**i, 4) for i in range(16))


@functools.cache
def sloped(slope: float) -> Tables:
    """Return runs whose best rate falls or rises with the depth of the arm, 4, 8 and 16."""
    depth = {"a": 4, "b": 8, "c": 16}

    def steps(arm: str, lr: float, seed: int) -> float:
        best = 0.6 * (depth[arm] / 4) ** slope
        return round(1000 * (1 + math.log2(lr / best) ** 2))

    return reaching(steps, FINE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("slope", "expected", "verdict"),
    [
        (-1, "equal_to: -1", "reproduced"),
        (0, "less_than: 0", "no difference that matters"),
        (-1, "equal_to: 0", "contradicted"),
    ],
)
def test_the_best_value_has_an_exponent(
    study: Any, slope: float, expected: str, verdict: str
) -> None:
    claim = study(
        f"{SLOPE}, tuned: {GOAL}, matters: 0.3, {expected}", f"lr: '{','.join(map(str, FINE))}'"
    )
    (found,) = judge(claim, sloped(slope))
    assert found.verdict == verdict
    assert found.first == pytest.approx(slope, abs=0.1)
    # The middle depth has no weight; each end is known up to half a step, of 1.26.
    assert found.high - found.low == pytest.approx(
        2 * 2 * math.log(1.26) / 2 / math.log(4), rel=0.05
    )
    assert found.outcome == "exponent of the best lr by depth"
    assert "16 at lr" in found.protocol


@pytest.mark.slow
def test_arms_take_their_values_in_any_order_and_each_is_tuned(study: Any) -> None:
    depth = {"a": 4, "b": 8, "c": 16}
    best = {"a": 0.2, "b": 0.4, "c": 0.4}
    tables = reaching(valley(best, {arm: 1000 / n for arm, n in depth.items()}))
    for arms, values in (("[a, b, c]", "[4, 8, 16]"), ("[c, a, b]", "[16, 4, 8]")):
        claim = study(
            f"test: exponent, arms: {arms}, over: depth, values: {values}, matters: 0.2, "
            f"outcome: {{steps_to: 0.9}}, tuned: {GOAL}, equal_to: -1"
        )
        (found,) = judge(claim, tables)
        assert found.verdict == "reproduced"
        assert found.protocol.startswith("depth 4, 8, 16; each at its best updates to a validation")
        drawn = [picture.name for picture, _ in claim_pictures(claim, [found], tables)]
        assert drawn == ["exponent-c", "tuning-lr-steps_to-0.9-validation_accuracy"]


def test_each_value_of_a_swept_setting_is_tuned(study: Any) -> None:
    claim = study(
        "test: exponent, arm: a, over: batch_size, values: [8, 16], outcome: test_loss, "
        "tuned: {over: lr, by: validation_loss}, matters: 0.1, equal_to: 0",
        "lr: '0.1,0.2,0.4', batch_size: '8,16'",
    )
    points = [
        {"arm": "a", "batch_size": batch, "lr": lr}
        for batch, lr in itertools.product((8, 16), (0.1, 0.2, 0.4))
    ]
    tables = make_tables(points, SEEDS, validation=True, evaluations=2)
    runs = tables.runs
    runs["validation_loss"] = abs(np.log2(runs["lr"] * 8 / runs["batch_size"] / 0.2))
    (trial,) = trials(claim, tables)
    assert str(trial) == "a 0.8, batch_size 16"
    (found,) = judge(claim, tables)
    assert found.verdict == "withheld"
    assert "8 at lr 0.2 (3 values" in found.protocol


def test_an_exponent_at_tuned_values_is_withheld_until_tuning_ends(study: Any) -> None:
    claim = study(f"{SLOPE}, tuned: {GOAL}, matters: 0.3, equal_to: -1")
    floor = dict.fromkeys("abc", 100.0)
    tables = reaching(valley({"a": 0.2, "b": 0.2, "c": 0.05}, floor))
    assert announced(claim, trials(claim, tables)) == "s: tuning lr: c 0.05"
    (found,) = judge(claim, tables)
    assert found.verdict == "withheld"
    assert "c is best at lr 0.1, the smallest" in found.measured


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (f"{FEWER}, matters: 0.1".replace("0.9}}", "0.9, of: test_loss}}"), "on the test set"),
        (
            f"{FEWER}, matters: 0.1".replace("by: {steps_to", "by: {highest"),
            "unknown outcome of highest",
        ),
        (f"{FEWER}, matters: 0.1".replace("over: lr", "over: [lr, lr]"), "a list of different"),
        (f"{SLOPE}, matters: 0.1, equal_to: 1", "the best lr needs tuned"),
        (
            f"{SLOPE}, tuned: {GOAL}, matters: 0.1, equal_to: 1".replace("tuned: lr", "tuned: lrr"),
            "is not tuned: choose lr",
        ),
        (f"{SLOPE}, tuned: {GOAL}, matters: 0.1, equal_to: 1".replace(", 16", ""), "3 arms and 2"),
        (
            f"{FEWER}, matters: 0.1".replace("steps_to: 0.9}, t", "tuned: lr}, t").replace(
                "log10", "plain"
            ),
            "give scale: log10",
        ),
    ],
)
def test_what_is_refused(study: Any, claim: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        study(claim)


def test_a_seed_that_never_gets_there_has_no_best_value(study: Any) -> None:
    claim = study(f"{SLOPE}, tuned: {GOAL}, matters: 0.3, equal_to: -1")
    tables = reaching(lambda arm, lr, seed: math.inf if seed == 4 else 100 * lr)
    with pytest.raises(InputError, match="seed 4 of arm 'a' has no best lr, as it has no finite"):
        judge(claim, tables)
