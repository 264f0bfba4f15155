"""Tuning finds a planted optimum, whatever values a study begins with."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from nnexp.analysis.outcomes import Outcome
from nnexp.analysis.tuning import BEYOND, Choice, Tuned, Tuning, tune, unfinished
from nnexp.errors import InputError

GRID = (0.5, 1.5, 4.0)


def of(score: Callable[[float], float], values: tuple[float, ...], by: str) -> Tuning:
    """Return the tuning of three seeds that score ``score(value)`` on average."""
    rows = [{"lr": v, by: score(v) + 0.001 * s} for v in values for s in (-1, 0, 1)]
    return only(tune(pd.DataFrame(rows), by_column(by)))


def by_column(by: str, *over: str) -> Tuned:
    return Tuned(over or ("lr",), Outcome("metric", by))


def only(choice: Choice) -> Tuning:
    (tuning,) = choice.tunings.values()
    return tuning


def tuned(
    score: Callable[[float], float], own: tuple[float, ...], by: str = "validation_accuracy"
) -> Tuning:
    """Try what tuning asks for, until nothing is left."""
    values = own
    while more := (found := of(score, values, by)).further(own):
        assert not set(more) & set(values)
        values += more
    return found


@pytest.mark.parametrize("optimum", [0.1, 1.1, 2.5, 20])
@pytest.mark.parametrize("own", [GRID, (1.0, 3.0), (0.01, 100.0)])
def test_a_planted_optimum_is_found_between_close_neighbours(
    own: tuple[float, ...], optimum: float
) -> None:
    distance = lambda v: abs(math.log(v / optimum))  # noqa: E731
    found = tuned(lambda v: 0.9 - 0.1 * distance(v), own)
    assert found.edge == ""
    assert found.flaw(own) == ""
    values = found.means.index
    place = list(values).index(found.best)
    gaps = values[place] / values[place - 1], values[place + 1] / values[place]
    assert max(gaps) <= 2.1
    assert distance(found.best) == min(map(distance, values))
    assert tuned(distance, own, "validation_loss").best == found.best


def test_tuning_goes_on_to_a_bound_and_says_so() -> None:
    found = tuned(lambda v: v, GRID)
    assert found.edge == "largest"
    assert found.best == found.means.index.max() == 130  # 32 times 4, to two digits
    assert found.best <= 1.05 * BEYOND * max(GRID)
    assert found.flaw(GRID) == (
        "best at lr 130, the largest of 8 values from 0.5 to 130 and as far as tuning goes"
    )
    assert tuned(lambda v: -v, GRID).best == pytest.approx(0.5 / 32, rel=0.05)


@pytest.mark.parametrize(
    ("score", "said"),
    [
        ({0.5: 3, 1.5: 2, 4: 1}, "best at lr 0.5, the smallest of 3 values from 0.5 to 4"),
        (
            {0.5: 1, 1.5: 2, 4: 1},
            "best at lr 1.5, more than a factor of 2 from the next of 3 values from 0.5 to 4",
        ),
    ],
)
def test_what_is_left_to_try_is_said(score: dict[float, float], said: str) -> None:
    assert of(score.__getitem__, GRID, "train_accuracy").flaw(GRID) == said


def test_the_arms_that_are_not_finished_are_named_with_a_remedy() -> None:
    edge, done = (of(lambda v: v, own, "train_accuracy") for own in (GRID, (64.0, 130.0)))
    more = "values from 0.5 to 4: run R, which tries more"
    beyond = "far as tuning goes: give the study values of lr beyond these"
    for tuning, words in ((edge, more), (done, beyond)):
        deciding = [("a", {}, Choice({"lr": tuning}))]
        assert unfinished(deciding, {"lr": GRID}, "R").endswith(words)


def test_values_between_are_geometric_means_to_two_digits() -> None:
    assert of({0.5: 1, 1.5: 2, 4: 1}.__getitem__, GRID, "train_accuracy").further(GRID) == (
        0.87,
        2.4,
    )


@pytest.mark.parametrize(
    ("scores", "best", "edge"),
    [
        ((0.1, 0.1, 0.1), 1.5, ""),  # a dead network: nothing to tune
        ((0.2, 0.2, 0.1), 1.5, ""),  # of equal ones, that between others
        ((0.1, 0.2, 0.2), 1.5, ""),
        ((0.2, 0.1, 0.2), 0.5, "smallest"),
        ((0.1, math.nan, 0.2), 4, "largest"),  # all runs at a value failed
    ],
)
def test_equal_scores_are_no_edge(scores: tuple[float, ...], best: float, edge: str) -> None:
    found = Tuning("lr", Outcome("metric", "train_accuracy"), pd.Series(scores, index=GRID))
    assert (found.best, found.edge) == (best, edge)
    assert (found.further(GRID) == ()) == (len(set(scores)) == 1)


def test_two_equal_scores_may_be_chance_so_more_is_tried() -> None:
    assert of(lambda _: 0.9, (1.0, 3.0), "train_accuracy").further((1.0, 3.0)) == (0.5,)
    assert list(tuned(lambda _: 0.9, (1.0, 3.0)).means.index) == [0.5, 1, 3]


def test_a_value_that_has_no_score_is_not_tried_again() -> None:
    means = pd.Series([0.1, 0.2, np.nan], index=[1.0, 4.0, 8.0])
    assert Tuning("lr", Outcome("metric", "train_accuracy"), means).further((1.0, 4.0)) == ()


def test_runs_without_a_score_are_refused() -> None:
    runs = pd.DataFrame({"lr": [1.0, 2.0], "validation_loss": [np.nan, np.nan]})
    with pytest.raises(InputError, match="no run has a number for 'validation_loss'"):
        tune(runs, by_column("validation_loss"))
    with pytest.raises(InputError, match="no validation_accuracy: hold out examples"):
        tune(runs, by_column("validation_accuracy"))
    with pytest.raises(InputError, match="unknown column to tune by 'lrr': did you mean 'lr'"):
        tune(runs, by_column("validation_loss", "lrr"))


def test_two_settings_are_tuned_to_a_planted_optimum_off_the_grid() -> None:
    own = {"lr": (0.5, 1.5, 4.0), "weight_decay": (0.01, 0.1)}
    tuned_by = Tuned(tuple(own), Outcome("metric", "train_loss"))

    def loss(lr: float, decay: float) -> float:
        # The best rate moves with the decay: neither can be tuned alone.
        return abs(math.log(lr / 9) + math.log(decay / 0.3) / 2) + abs(math.log(decay / 0.3))

    tried = {(lr, decay) for lr in own["lr"] for decay in own["weight_decay"]}
    while True:
        rows = [{"lr": a, "weight_decay": b, "train_loss": loss(a, b)} for a, b in tried]
        choice = tune(pd.DataFrame(rows), tuned_by)
        more = list(choice.further(own))
        if not more:
            break
        for setting, value in more:
            place = tuple(({**choice.best, setting: value}).values())
            assert place not in tried
            tried.add(place)
    assert choice.flaw(own) == ""
    assert loss(*choice.best.values()) == min(loss(*place) for place in tried)
    for setting, optimum in (("lr", 9), ("weight_decay", 0.3)):
        tuning = choice.tunings[setting]
        assert tuning.edge == ""
        assert 10**-0.35 < choice.best[setting] / optimum < 10**0.35
        assert tuning.rounding <= 0.5 * math.log10(2.1)


def test_runs_that_never_reach_the_goal_are_worst_and_fewer_steps_are_better() -> None:
    steps = pd.Series({"a": 50.0, "b": 90.0, "c": 70.0, "d": 20.0, "e": math.inf, "f": 10.0})
    runs = pd.DataFrame({"run_id": list("abcdef"), "lr": [1, 1, 2, 2, 4, 4]})
    goal = Tuned(("lr",), Outcome("steps_to", "validation_accuracy", level=0.9))
    found = only(tune(runs, goal, steps))
    assert found.means.tolist() == [70, 45, math.inf]
    assert (found.best, found.edge, found.rounding) == (2, "", math.log10(2) / 2)
    assert str(goal.by) == "updates to a validation accuracy of 0.9"
