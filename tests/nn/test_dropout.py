"""Dropout: its masks, its gradient, and what it leaves as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnexp.config.run_config import RunConfig
from nnexp.data import load
from nnexp.errors import InputError
from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.dropout import Dropout
from nnexp.nn.initializers import INITIALIZERS
from nnexp.nn.losses import cross_entropy
from nnexp.nn.network import Network
from nnexp.nn.numerical_gradient import numerical_gradient
from nnexp.rng import stream
from nnexp.training.checkpoint import restore, state
from nnexp.training.trainer import Trainer, train
from tests.settings import RUN

BLOBS = {"name": "blobs", "n": 230, "classes": 4, "features": 6, "std": 0.5}
SETTINGS: dict[str, Any] = {**RUN, "data": BLOBS, "dtype": "float64", "activation": "relu"}


def trainer(**settings: Any) -> Trainer:
    config = RunConfig.from_mapping({**SETTINGS, **settings})
    return Trainer(config, load(config.data, config.dtype))


def numbers(run: Trainer) -> list[dict[str, Any]]:
    return [{**e.metrics, "layers": e.layers} for e in train(run)]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_with_its_masks_held_fixed_backpropagation_gives_the_numerical_gradient(
    activation: str,
) -> None:
    net = Network([7, 9, 8, 3], ACTIVATIONS[activation](), cross_entropy(), 6, np.float64)
    net.initialize(INITIALIZERS["xavier"], INITIALIZERS["randn"], seed=1)
    rng = np.random.default_rng(0)
    x, targets = rng.standard_normal((6, 7)), np.asfortranarray(rng.random((6, 3)))
    net.dropout = Dropout(net.sizes, 6, np.float64, hidden=0.5, inputs=0.2)
    net.dropout.draw(rng, 6)
    net.forward(x)
    value = net.compute_loss(targets)
    net.backward(x)
    analytic = net.grad.copy()
    assert numerical_gradient(net, x, targets, 1e-5) == value
    assert np.linalg.norm(analytic - net.grad) <= 1e-6 * np.linalg.norm(net.grad)
    net.dropout = None
    net.forward(x)
    assert net.compute_loss(targets) != value


def test_masks_keep_each_unit_with_its_rate_and_the_mean_of_all() -> None:
    dropout = Dropout((30, 40, 50, 3), 2000, np.float64, hidden=0.5, inputs=0.2)
    dropout.draw(np.random.default_rng(0), 2000)
    for layer, (units, rate) in enumerate([(30, 0.2), (40, 0.5), (50, 0.5)]):
        mask = dropout.forward(layer, np.ones((2000, units)))
        np.testing.assert_allclose(np.unique(mask), [0, 1 / (1 - rate)])
        assert mask.mean() == pytest.approx(1, abs=0.02)  # four standard errors
        assert np.abs((mask == 0).mean(axis=0) - rate).max() < 0.05  # of every unit


def test_a_step_is_the_textbook_one_with_its_masks() -> None:
    run = trainer(dropout=0.5, input_dropout=0.2, optimizer="sgd", epochs=None, steps=5)
    (w1, w2), (b1, b2) = ([a.copy() for a in p] for p in (run.network.weights, run.network.biases))
    twin = trainer(dropout=0.5, input_dropout=0.2)
    dropout = twin.steps.dropout  # type: ignore[attr-defined]
    for step in range(5):
        rows = run.batches.rows(step)
        x, y = run.data.train.x[rows], np.eye(4)[run.data.train.labels[rows]]
        dropout.draw(stream(3, "dropout", step), len(rows))
        m0, m1 = dropout.forward(0, np.ones_like(x)), dropout.forward(1, np.ones((len(x), 8)))
        z = (x * m0) @ w1 + b1
        a = np.maximum(z, 0) * m1
        e = np.exp(a @ w2 + b2)
        d2 = (e / e.sum(axis=1, keepdims=True) - y) / len(x)
        d1 = d2 @ w2.T * m1 * (z > 0)
        w2 -= 0.5 * a.T @ d2
        b2 -= 0.5 * d2.sum(axis=0)
        w1 -= 0.5 * (x * m0).T @ d1
        b1 -= 0.5 * d1.sum(axis=0)
    run.advance(5)
    parts = [*run.network.weights, *run.network.biases]
    for mine, wanted in zip(parts, (w1, w2, b1, b2), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-9, atol=1e-12)


def test_evaluations_use_the_whole_network_and_do_not_change_the_masks() -> None:
    often = trainer(dropout=0.5, evaluate_every="1 steps")
    seldom = trainer(dropout=0.5, evaluate_every=None)
    last = [numbers(run)[-1] for run in (often, seldom)]
    assert np.array_equal(often.network.theta, seldom.network.theta)
    assert last[0]["test_loss"] == last[1]["test_loss"]
    plain = trainer()
    plain.network.theta[...] = often.network.theta
    assert plain.evaluate().metrics["train_loss"] == last[0]["train_loss"]
    assert last[1]["running_loss"] > last[1]["train_loss"]  # of networks with units left out


def test_a_continued_run_has_the_same_masks() -> None:
    whole = trainer(dropout=0.3, input_dropout=0.1, optimizer="adam", lr=0.01)
    part = trainer(dropout=0.3, input_dropout=0.1, optimizer="adam", lr=0.01)
    whole.advance(20)
    part.advance(9)
    arrays = state(part)
    rest = trainer(dropout=0.3, input_dropout=0.1, optimizer="adam", lr=0.01)
    restore(rest, arrays)
    rest.advance(20)
    assert np.array_equal(whole.network.theta, rest.network.theta)


def test_an_input_has_its_mask_in_whatever_order_the_columns_are() -> None:
    given = {"data": {"name": "mnist", "train_size": 200}, "input_dropout": 0.2, "dropout": 0.5}
    config = RunConfig.from_mapping({**SETTINGS, **given, "steps": 4, "epochs": None})
    runs = [
        Trainer(config, load(config.data, config.dtype, ordered=ordered))
        for ordered in (False, True)
    ]
    sorted_columns = Dropout((6, 2), 5, np.float64, inputs=0.5, columns=np.arange(6)[::-1])
    plain = Dropout((6, 2), 5, np.float64, inputs=0.5)
    masks = []
    for dropout in (plain, sorted_columns):
        dropout.draw(np.random.default_rng(4), 5)
        masks.append(dropout.forward(0, np.ones((5, 6))).copy())
    assert np.array_equal(masks[0], masks[1][:, ::-1])
    for run in runs:
        run.advance(4)
    first, second = (run.network.arrays()["W1"] for run in runs)
    np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-12)


def test_without_it_a_run_is_what_it_was() -> None:
    plain = RunConfig.from_mapping(SETTINGS)
    for off in ({"dropout": 0}, {"dropout": 0.0, "input_dropout": 0}, {"dropout": None}):
        config = RunConfig.from_mapping({**SETTINGS, **off})
        assert config.run_id() == plain.run_id()
        assert config.columns() == plain.columns()
    assert numbers(trainer(dropout=0.0)) == numbers(trainer())
    assert numbers(trainer(dropout=0.5))[0] == numbers(trainer())[0]  # before any update


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dropout": 1}, "dropout=1 would leave out everything: give a number from 0 to below 1"),
        ({"dropout": -0.1}, "dropout=-0.1 is invalid: give a number from 0 to 1"),
        ({"input_dropout": "half"}, "input_dropout=half is invalid"),
        ({"dropout": 0.5, "hidden": "none"}, "hidden=none has none: leave it out, or give input_d"),
        ({"dropout": 0.5, "quirk": "position_bias"}, "dropout=0.5 does not fit quirk=position_bi"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        RunConfig.from_mapping({**SETTINGS, **settings})
