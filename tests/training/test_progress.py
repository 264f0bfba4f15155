"""Diluted labels: how many are those of the file, and what else they leave as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnexp.config.run_config import RunConfig
from nnexp.data import load
from nnexp.errors import InputError
from nnexp.training.checkpoint import restore, state
from nnexp.training.trainer import Trainer
from tests.settings import RUN

BLOBS = {"name": "blobs", "n": 4000, "classes": 5, "features": 4, "std": 0.3}
SETTINGS: dict[str, Any] = {**RUN, "data": BLOBS, "batch_size": 100}


def trainer(**settings: Any) -> Trainer:
    config = RunConfig.from_mapping({**SETTINGS, **settings})
    return Trainer(config, load(config.data, config.dtype))


@pytest.mark.parametrize("copies", [0.5, 1, 4, 100])
def test_an_example_has_its_own_label_as_often_as_among_its_copies(copies: float) -> None:
    run = trainer(label_dilution=copies)
    own = run.data.train.labels
    epochs = [run.batches.labels(40 * epoch).copy() for epoch in range(10)]
    expected = (1 + copies / 5) / (1 + copies)  # a random label is right in one case of five
    share = np.mean([labels == own for labels in epochs])
    assert share == pytest.approx(expected, abs=4 * np.sqrt(0.25 / 40_000))
    wrong = np.concatenate([labels[labels != own] for labels in epochs])
    counts = np.bincount(wrong, minlength=5) / len(wrong)
    np.testing.assert_allclose(counts, 0.2, atol=0.02)
    assert not np.array_equal(epochs[0], epochs[1])  # drawn anew in each epoch
    assert np.array_equal(own, load(run.config.data).train.labels)


def test_the_examples_are_drawn_as_without() -> None:
    plain, diluted = trainer(), trainer(label_dilution=20)
    assert plain.config.steps_per_epoch() == diluted.config.steps_per_epoch() == 40
    for step in (0, 39, 40, 79):
        assert np.array_equal(plain.batches.rows(step), diluted.batches.rows(step))
    more = trainer(label_dilution=40).batches.labels(0)
    own, less = plain.data.train.labels, diluted.batches.labels(0)
    assert (less[more == own] == own[more == own]).mean() > 0.9  # what is kept at 40 is at 20


@pytest.mark.parametrize(
    ("form", "settings"),
    [
        ("plain", {"dtype": "float64"}),
        ("delayed", {"batch_size": 10}),
        ("lanes", {"batch_size": "full", "hidden": "200x100"}),
    ],
)
def test_every_form_of_steps_trains_on_the_drawn_labels(form: str, settings: Any) -> None:
    run = trainer(label_dilution=9, epochs=None, steps=2, **settings)
    assert run.form == form
    rows = np.concatenate([run.batches.rows(step) for step in range(2)])
    labels = np.concatenate([run.batches.labels(s)[run.batches.rows(s)] for s in range(2)])
    wanted = trainer(epochs=None, steps=2, **settings)
    wanted.batches.labels = lambda step: run.batches.labels(step).copy()  # type: ignore[method-assign]
    for one in (run, wanted):
        one.advance(2)
    np.testing.assert_array_equal(run.network.theta, wanted.network.theta)
    assert run.progress.running_samples == len(rows) == len(labels)
    plain = trainer(epochs=None, steps=2, **settings)
    plain.advance(2)
    assert not np.array_equal(run.network.theta, plain.network.theta)


def test_scores_are_of_the_labels_of_the_file() -> None:
    plain, diluted = trainer().evaluate(), trainer(label_dilution=50).evaluate()
    assert diluted.metrics == plain.metrics
    trained = []
    for copies in (0, 2):
        run = trainer(label_dilution=copies, activation="relu", epochs=10, lr=0.1)
        run.advance(run.config.total_steps())
        trained.append(run.evaluate().metrics)
    clean, noisy = (metrics["test_accuracy"] for metrics in trained)
    assert noisy == pytest.approx(clean, abs=0.05)
    # Of the labels drawn, a third and a fifth of the others are right.
    share = 1 / 3 + 2 / 3 / 5
    assert trained[1]["running_accuracy"] < share < trained[0]["running_accuracy"]  # type: ignore[operator]


def test_a_continued_run_has_the_same_labels() -> None:
    whole, part, rest = (trainer(label_dilution=5) for _ in range(3))
    whole.advance(80)
    part.advance(50)
    restore(rest, state(part))
    rest.advance(80)
    assert np.array_equal(whole.network.theta, rest.network.theta)


def test_without_it_a_run_is_what_it_was() -> None:
    plain = RunConfig.from_mapping(SETTINGS)
    for off in (0, 0.0, None):
        config = RunConfig.from_mapping({**SETTINGS, "label_dilution": off})
        assert config.run_id() == plain.run_id()
        assert config.columns() == plain.columns()
    with pytest.raises(InputError, match="label_dilution=-1 is invalid: give a number from 0"):
        RunConfig.from_mapping({**SETTINGS, "label_dilution": -1})
