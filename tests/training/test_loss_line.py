"""The loss along the line from the initial to the final weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nnexp.config.run_config import RunConfig
from nnexp.data import load
from nnexp.errors import InputError
from nnexp.store.record import SCORES, line_from_csv
from nnexp.training.checkpoint import state
from nnexp.training.execute import execute
from nnexp.training.loss_line import line_points, line_rise
from nnexp.training.lottery import prepared
from nnexp.training.trainer import Trainer, train
from tests.settings import RUN

BLOBS = {"name": "blobs", "n": 60, "classes": 3, "features": 4, "std": 1.0}
SETTINGS: dict[str, Any] = {**RUN, "data": BLOBS, "hidden": "5", "evaluate_line": 8}
IDENTITY = {"name": "mse", "reduction": "sum", "output": "identity"}
LINEAR = {"hidden": "none", "loss": IDENTITY, "dtype": "float64", "lr": 0.05}


def trainer(**settings: Any) -> Trainer:
    config = RunConfig.from_mapping({**SETTINGS, **settings})
    return prepared(config, load(config.data, config.dtype))


def test_points_are_at_equal_distances_and_both_ends_are_exact() -> None:
    rng = np.random.default_rng(0)
    start, end = (rng.standard_normal(1000).astype(np.float32) for _ in range(2))
    points = [*line_points(start, end, 3)]
    assert [share for share, _ in points] == [0, 1 / 3, 2 / 3, 1]
    assert (points[0][1] == start).all()
    assert (points[-1][1] == end).all()
    for share, point in points:
        assert point.dtype == np.float32
        np.testing.assert_allclose(point, start + share * (end - start), atol=1e-6)


@pytest.mark.parametrize(
    ("losses", "rise"),
    [
        ([2, 1, 0.5], 0),
        ([2, 2, 2], 0),
        ([2, 3, 2.5, 2.9, 0], 0.5),
        ([2, 1, 1.5, 0.5, 0.75], 0.25),
        ([2, math.inf, math.inf, 1], math.inf),
        ([0, 0], 0),
        ([0, 1], math.inf),
    ],
)
def test_the_rise_is_the_largest_between_neighbours(losses: list[float], rise: float) -> None:
    assert line_rise(losses) == rise


def test_the_loss_of_a_linear_model_is_a_quadratic_in_the_share_of_the_way() -> None:
    *_, last = train(trainer(**LINEAR))
    shares = np.array([point["fraction"] for point in last.line])
    for split in ("train", "test"):
        losses = np.array([point[f"{split}_loss"] for point in last.line])
        quadratic = np.polyfit(shares[:3], losses[:3], 2)
        np.testing.assert_allclose(losses, np.polyval(quadratic, shares), rtol=1e-9)


FORMS: dict[str, dict[str, Any]] = {
    "plain": {"dtype": "float64"},
    "delayed": {"batch_size": 8},
    "lanes": {"data": {**BLOBS, "n": 1200, "features": 300}, "hidden": 200, "batch_size": "full"},
    "an incomplete batch by position": {"quirk": "position_bias", "batch_size": 7},
    "validation": {"data": {**BLOBS, "validation": 9}, "dropout": 0.5},
    "epsilon": {"evaluate_first": 3, "evaluate_epsilon": 1e-3},
    "no step": {"epochs": None, "steps": 0},
}


@pytest.mark.parametrize("form", FORMS)
def test_the_ends_are_the_first_and_the_last_evaluation_to_the_bit(form: str) -> None:
    found = [*train(trainer(**FORMS[form]))]
    line = found[-1].line
    assert [point["fraction"] for point in line] == [i / 8 for i in range(9)]
    for evaluation, point in ((found[0], line[0]), (found[-1], line[-1])):
        assert {name: evaluation.metrics[name] for name in SCORES} == {
            name: point[name] for name in SCORES
        }
    rise = line_rise([point["train_loss"] for point in line])
    assert [e.metrics["line_rise"] for e in found] == [*[None] * (len(found) - 1), rise]
    assert all(evaluation.line == [] for evaluation in found[:-1])


def test_it_changes_nothing_else() -> None:
    runs = [trainer(dropout=0.3, label_dilution=2, evaluate_line=n) for n in (8, None)]
    with_it, without = ([*train(run)] for run in runs)
    for one, plain in zip(with_it, without, strict=True):
        assert one.metrics.items() - plain.metrics.items() == {
            ("line_rise", one.metrics["line_rise"])
        }
        assert "line_rise" not in plain.metrics
        assert one.layers == plain.layers
        assert plain.line == []
    mine, other = map(state, runs)
    assert mine.keys() == other.keys()
    for name, array in mine.items():
        if name != "progress":  # which holds the time
            np.testing.assert_array_equal(array, other[name])


def test_a_run_without_it_keeps_its_identity_and_its_files() -> None:
    plain = {**SETTINGS, "evaluate_line": None}
    old = {key: value for key, value in SETTINGS.items() if key != "evaluate_line"}
    runs = [RunConfig.from_mapping(settings) for settings in (plain, old)]
    assert runs[0].run_id() == runs[1].run_id()
    assert "evaluate_line" not in runs[0].columns()
    assert RunConfig.from_mapping(SETTINGS).run_id() != runs[0].run_id()
    record = execute(plain)
    assert record.line == ""
    assert all("line_rise" not in row for row in record.metrics)


def test_a_pruned_network_starts_with_its_mask() -> None:
    run = trainer(pruning={"name": "rewind", "rounds": 1, "fraction": 0.5})
    found = [*train(run)]
    assert found[-1].line[0]["train_loss"] == found[0].metrics["train_loss"]
    unpruned = next(train(trainer()))
    assert found[0].metrics["train_loss"] != unpruned.metrics["train_loss"]


def test_a_diverged_run_has_no_line() -> None:
    record = execute({**SETTINGS, "lr": 1e30, "activation": "relu", "hidden": "5x5"})
    assert record.status == "diverged"
    assert record.line == ""
    assert {row["line_rise"] for row in record.metrics} == {None}


def test_a_planted_barrier_rises() -> None:
    """Between two networks that are the same up to the order and signs of the units, there is one.

    Halfway from W to −W of a tanh layer and the layer above, all weights are 0 and so the outputs
    are equal.
    """
    run = trainer(activation="tanh", bias_init="zero", dtype="float64")
    run.advance(run.config.total_steps())
    theta = run.network.theta
    run._initial = theta.copy()
    theta[...] = -theta
    run.network.biases[-1][...] *= -1
    line = run.evaluate().line
    losses = [point["train_loss"] for point in line]
    assert losses[0] == pytest.approx(losses[-1])
    assert max(losses) == losses[4] == pytest.approx(math.log(3), abs=0.1)


@pytest.mark.parametrize("value", [0, -1, 1001, 2.5, "far", True])
def test_what_is_refused(value: object) -> None:
    with pytest.raises(InputError, match=f"evaluate_line={value} is invalid: .* from 1 to 1000"):
        RunConfig.from_mapping({**SETTINGS, "evaluate_line": value})


def test_the_record_has_the_line_exactly() -> None:
    record = execute(SETTINGS)
    *_, last = train(trainer())
    assert line_from_csv(record.line) == last.line
    assert record.line.splitlines()[0] == (
        "fraction,train_loss,train_accuracy,test_loss,test_accuracy"
    )
    assert record.metrics[-1]["line_rise"] == last.metrics["line_rise"]
