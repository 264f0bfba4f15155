"""Trials: the best values of an arm, what is passed over, ties, and edges of the range."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from nnexp.analysis.arms import compare
from nnexp.analysis.doubts import tuning
from nnexp.analysis.effects import effects
from nnexp.analysis.findings import findings
from nnexp.analysis.trials import Trials, arm_of
from tests.synthetic import grid, make_tables, make_tuned

RATES = (0.03, 0.1, 0.3, 1.0)


def trials(
    scores: dict[Any, float], setting: str = "lr", lost: dict[Any, str] | None = None
) -> Trials:
    """Return trials of two seeds whose mean score at each value is in ``scores``.

    ``lost`` has the status of the first seed at some values.
    """
    rows = [
        {
            setting: value,
            "seed": 1000 + i,
            "status": (lost or {}).get(value, "finished") if i == 0 else "finished",
            "validation_accuracy": score + 0.02 * i - 0.01,
        }
        for value, score in scores.items()
        for i in range(2)
    ]
    return Trials((setting,), pd.DataFrame(rows))


@pytest.mark.parametrize(
    ("scores", "best", "edge"),
    [
        ((0.5, 0.8, 0.9, 0.7), 0.3, ""),
        ((0.9, 0.8, 0.7, 0.6), 0.03, "smallest"),
        ((0.5, 0.6, 0.7, 0.8), 1.0, "largest"),
        ((0.9, 0.9, 0.5, 0.9), 0.1, ""),  # of equal ones, that inside the range
        ((0.5, 0.9, 0.9, 0.5), 0.1, ""),  # then the smallest
        ((0.1, 0.1, 0.1, 0.1), 0.1, ""),  # a dead network
    ],
)
def test_the_best_value_and_whether_it_is_at_an_edge(
    scores: tuple[float, ...], best: float, edge: str
) -> None:
    found = trials(dict(zip(RATES, scores, strict=True)))
    assert (found.best, found.edge("lr"), found.sound) == ({"lr": best}, edge, True)
    assert found.table["score"].tolist() == pytest.approx(scores)
    assert found.table["runs"].tolist() == [2] * 4


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_values_at_which_a_trial_was_lost_are_passed_over(status: str) -> None:
    scores = dict(zip(RATES, (0.5, 0.8, 0.7, 0.9), strict=True))
    found = trials(scores, lost={1.0: status, 0.1: status})
    assert found.best == {"lr": 0.3}
    assert found.edge("lr") == ""  # larger rates were tried
    assert found.sound
    assert found.table[status].tolist() == [0, 1, 0, 1]


def test_where_every_value_lost_a_trial_the_best_of_all_is_taken() -> None:
    scores = dict(zip(RATES, (0.5, 0.8, 0.7, 0.6), strict=True))
    found = trials(scores, lost=dict.fromkeys(RATES, "diverged"))
    assert (found.best, found.sound, found.scored) == ({"lr": 0.1}, False, True)


def test_where_every_trial_failed_the_first_value_is_taken() -> None:
    found = trials(dict.fromkeys(reversed(RATES), math.nan))
    failed = Trials(("lr",), found.runs.assign(status="failed"))
    assert (failed.best, failed.sound, failed.scored) == ({"lr": 0.03}, False, False)
    assert failed.edge("lr") == ""
    without = failed.runs.drop(columns="validation_accuracy")
    assert Trials(("lr",), without).best == {"lr": 0.03}


def test_names_have_an_order_but_no_edge() -> None:
    found = trials({"sgd": 0.9, "adam": 0.95, "rmsprop": 0.95}, "optimizer")
    assert (found.best, found.edge("optimizer")) == ({"optimizer": "adam"}, "")
    batches = trials({"1000": 0.5, "full": 0.9}, "batch_size")
    assert (batches.best, batches.edge("batch_size")) == ({"batch_size": "full"}, "")


@pytest.mark.parametrize(
    ("setting", "lowest"), [("weight_decay", 0.0), ("batch_size", 1), ("optimizer.momentum", 0.0)]
)
def test_the_lowest_possible_value_is_no_edge(setting: str, lowest: float) -> None:
    assert trials({lowest: 0.9, 2: 0.8, 4: 0.7}, setting).edge(setting) == ""
    assert trials({2: 0.9, 4: 0.8, 8: 0.7}, setting).edge(setting) == "smallest"


def test_equal_scores_are_no_edge() -> None:
    assert trials({0.1: 0.5, 1.0: 0.5}).edge("lr") == ""
    assert trials({0.1: 0.5, 1.0: 0.6}).edge("lr") == "largest"


def test_several_settings_are_chosen_together() -> None:
    score = {(0.1, 10): 0.5, (0.1, 100): 0.6, (1.0, 10): 0.7, (1.0, 100): 0.9, (0.3, 10): 0.8}
    score[0.3, 100] = 0.85
    rows = [
        {"lr": lr, "batch_size": b, "seed": 1, "status": "finished", "validation_accuracy": s}
        for (lr, b), s in score.items()
    ]
    found = Trials(("lr", "batch_size"), pd.DataFrame(rows))
    assert found.best == {"lr": 1.0, "batch_size": 100}
    assert found.profile("lr")["score"].tolist() == [0.6, 0.85, 0.9]  # by lr, at batches of 100
    assert (found.edge("lr"), found.edge("batch_size")) == ("largest", "largest")


def test_an_arm_is_what_is_neither_seed_nor_tuned() -> None:
    row = {
        "init": "he",
        "optimizer": "momentum",
        "optimizer.momentum": 0.9,
        "seed": 3,
        "steps": None,
    }
    assert arm_of(row, ["optimizer"]) == {("init", "he")}
    assert arm_of(row, ["optimizer.momentum"]) == {("init", "he"), ("optimizer", "momentum")}


ARMS = grid(activation=["sigmoid", "relu"])
RATE = grid(lr=[0.1, 0.3, 1.0])


def test_arms_are_compared_each_at_its_own_value() -> None:
    tables, own = make_tuned(ARMS, RATE, [2, 1], seeds=range(6))
    compared = compare(*tables, own)
    assert compared.arms == ("sigmoid, lr 1", "relu, lr 0.3")
    assert (compared.varied, compared.tuned) == (("activation",), ("lr",))
    assert compared.held.endswith("5 epochs, lr tuned, seeds 0 to 5")
    assert "lr" not in compared.held_settings
    assert compared.summary["lr"].tolist() == [1.0, 0.3]
    assert [trials.best for trials in compared.trials.values()] == [{"lr": 1.0}, {"lr": 0.3}]
    found = effects(compared)
    assert [f.name for f in found.factors] == ["activation"]
    assert found.doubts == (
        "Tuning: sigmoid is best at lr 1, the largest that was tried: try larger learning rates.",
    )
    (sentence,) = findings(found.table, compared.at_best)
    assert "relu is 4.0 points below sigmoid, each at its best lr (" in sentence


def test_without_the_trials_the_settings_change_together() -> None:
    tables, _ = make_tuned(ARMS, RATE, [2, 1])
    assert any("change together" in doubt for doubt in effects(compare(*tables)).doubts)


def test_a_value_that_all_arms_have_is_in_their_labels() -> None:
    tables, own = make_tuned(ARMS, RATE, [1, 1])
    compared = compare(*tables, own)
    assert compared.arms == ("sigmoid, lr 0.3", "relu, lr 0.3")
    assert effects(compared).doubts == ()
    alone, own = make_tuned([{}], grid(init=["normal"], init__std=[0.1, 1]), [0])
    own = own.assign(tuned="init.std")
    assert compare(*alone, own).arms == ("std 0.1",)


def test_lost_trials_are_said() -> None:
    lost = {(0, i): "diverged" for i in range(3)}
    tables, own = make_tuned(ARMS, RATE, [1, 1], lost=lost)
    assert tuning(compare(*tables, own)) == [
        "Trials of sigmoid diverged or failed at every lr; it is compared at 0.3, the best of "
        "these."
    ]
    tables, own = make_tuned(ARMS, RATE, [1, 1], lost={(0, 1): "failed"})
    assert tuning(compare(*tables, own)) == [
        "Tuning: sigmoid is best at lr 0.1, the smallest that was tried: try smaller learning "
        "rates."
    ]


def test_a_table_that_was_not_tuned_has_no_trials() -> None:
    compared = compare(*make_tables(ARMS), pd.DataFrame())
    assert (compared.tuned, compared.trials, compared.at_best) == ((), {}, "")
    assert compared.short("relu") == "relu"
