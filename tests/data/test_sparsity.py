"""Zeros last: training leaves out the columns in which a batch is zero, and computes the same."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp import MLP
from nnexp.config.run_config import RunConfig
from nnexp.data import DataSettings, load, zeros_last
from nnexp.rng import stream
from nnexp.training.builder import build_network
from nnexp.training.checkpoint import restore, state
from nnexp.training.execute import execute
from nnexp.training.trainer import Trainer, train
from tests.settings import RUN

N, FEATURES, CLASSES = 150, 70, 3


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a CSV file of pixels, most of them blank, some columns wholly."""
    rng = np.random.default_rng(0)
    labels = rng.integers(CLASSES, size=(N, 1))
    inked = rng.random((N, FEATURES)) < rng.permutation(np.linspace(-0.2, 0.6, FEATURES) ** 2)
    pixels = inked * (rng.integers(1, 200, (N, FEATURES)) + 20 * labels)
    path: Path = tmp_path_factory.mktemp("sparse") / "pixels.csv"
    np.savetxt(path, np.hstack([labels, pixels]), "%d", ",")
    return path


def configured(table: Path, **settings: Any) -> RunConfig:
    data = {"name": "csv", "train": str(table), "test_fraction": 0.2, "scale": "unit"}
    data |= settings.pop("data", {})
    fixed: dict[str, Any] = {"dtype": "float64", "batch_size": 10, "bias_init": "randn"}
    return RunConfig.from_mapping({**RUN, **fixed, **settings, "data": data})


def test_zeros_are_last_in_a_set_that_is_otherwise_the_same(table: Path) -> None:
    settings = configured(table, data={"validation": 12}).data
    file, moved = load(settings), load(settings, ordered=True)
    assert moved.columns is not None
    counts = (moved.train.x != 0).sum(axis=0)
    assert np.all(np.diff(counts) <= 0)
    for split, stored in (
        (moved.train, file.train),
        (moved.test, file.test),
        (moved.validation, file.validation),
    ):
        rows = split.rows(np.arange(len(stored.labels)))
        assert np.array_equal(split.x[rows], stored.x[:, moved.columns])
        assert np.array_equal(split.labels[rows], stored.labels)
        widths = [split.width(np.array([row])) for row in rows]
        assert all(not x[width:].any() for x, width in zip(split.x[rows], widths, strict=True))
        assert np.all(np.diff(split.extents) >= 0)
    assert np.mean(moved.train.extents) < 0.9 * FEATURES
    again = zeros_last(file)
    assert np.array_equal(again.train.x, moved.train.x)
    assert zeros_last(moved) is moved


def test_data_with_few_zeros_are_not_moved() -> None:
    data = load(DataSettings.from_mapping({"name": "blobs", "features": 20}))
    assert zeros_last(data).train is data.train


@pytest.mark.parametrize(
    "settings",
    [{}, {"optimizer": "momentum", "weight_decay": 0.01}, {"optimizer": "adam", "lr": 0.01}],
    ids=str,
)
def test_fifty_steps_are_the_textbooks(table: Path, settings: dict[str, Any]) -> None:
    config = configured(table, epochs=None, steps=50, **settings)
    t = Trainer(config, load(config.data, config.dtype, ordered=True))
    data, start = load(config.data, config.dtype).train, build_network(config).arrays()
    assert all(np.array_equal(start[name], drawn) for name, drawn in t.network.arrays().items())
    w1, b1, w2, b2 = (start[name] for name in ("W1", "b1", "W2", "b2"))
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in (w1, b1, w2, b2)]
    decay = config.weight_decay
    for step in range(50):
        epoch, index = divmod(step, 12)
        order = stream(config.seed, "order", epoch).permutation(120)
        rows = order[index * 10 : (index + 1) * 10]
        a = 1 / (1 + np.exp(-(data.x[rows] @ w1 + b1)))
        e = np.exp(a @ w2 + b2)
        d2 = (e / e.sum(axis=1, keepdims=True) - np.eye(CLASSES)[data.labels[rows]]) / 10
        d1 = d2 @ w2.T * a * (1 - a)
        grads = (data.x[rows].T @ d1 + decay * w1, d1.sum(0), a.T @ d2 + decay * w2, d2.sum(0))
        for p, g, (m, v) in zip((w1, b1, w2, b2), grads, moments, strict=True):
            if config.optimizer.name == "adam":
                m += 0.1 * (g - m)
                v += 0.001 * (g * g - v)
                rate = config.lr / (1 - 0.9 ** (step + 1))
                p -= rate * m / (np.sqrt(v / (1 - 0.999 ** (step + 1))) + 1e-8)
            else:
                m *= 0.9 if config.optimizer.name == "momentum" else 0
                m -= config.lr * g
                p += m
    t.advance(50)
    for name, wanted in zip(("W1", "b1", "W2", "b2"), (w1, b1, w2, b2), strict=True):
        np.testing.assert_allclose(t.network.arrays()[name], wanted, rtol=0, atol=1e-10)


FAST = {"dtype": "float32", "lr": 0.1}
SETTINGS: list[dict[str, Any]] = [
    {"data": {"validation": 12}, "activation": "relu", "hidden": [9, 8]},
    {"hidden": "none", "sampling": "replacement", "evaluate_first": 17},
    {"sampling": "sequential", "batch_size": "full", "evaluate_epsilon": 0.01},
    {"quirk": "position_bias", "bias_init": "randn", "batch_size": 7},
    {"gradient": "numerical", "hidden": [2], "epochs": None, "steps": 2},
    {"batch_size": 1, **FAST},
    {"batch_size": 12, "quirk": "updated_weights", "hidden": [9, 8], **FAST},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_run_is_the_same_up_to_rounding_wherever_the_zeros_are(
    table: Path, settings: dict[str, Any]
) -> None:
    config = configured(table, **settings)
    stored = load(config.data, config.dtype)
    as_stored = replace(stored, columns=np.arange(FEATURES))
    moved, wanted = Trainer(config, stored), Trainer(config, as_stored)
    assert moved.network.columns is not None
    exact = config.dtype == "float64"
    accuracy = {"rel": 1e-9, "abs": 1e-10} if exact else {"rel": 2e-4, "abs": 1e-5}
    for one, other in zip(train(moved), train(wanted), strict=True):
        rows = zip([one.metrics, *one.layers], [other.metrics, *other.layers], strict=True)
        for mine, theirs in rows:
            assert filled(mine) == pytest.approx(filled(theirs), nan_ok=True, **accuracy)
    for name, array in moved.network.arrays().items():
        expected = wanted.network.arrays()[name]
        np.testing.assert_allclose(array, expected, rtol=0, atol=accuracy["abs"])


def filled(row: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of a row, nan for the empty ones."""
    return {k: math.nan if v is None else v for k, v in row.items() if not isinstance(v, str)}


def test_a_restored_run_continues_to_the_same_bits(table: Path) -> None:
    config = configured(table, optimizer="adam", lr=0.01)
    first, second = (Trainer(config, load(config.data, "float64")) for _ in range(2))
    first.advance(15)
    saved = state(first)
    assert saved["W1"].shape == (FEATURES, RUN["hidden"][0])
    restore(second, saved)
    for t in (first, second):
        t.advance(30)
    assert np.array_equal(first.network.theta, second.network.theta)


def test_a_model_in_memory_is_the_stored_run(table: Path) -> None:
    """The same weights to the bit, which take the features in the order of the data."""
    config = configured(table, dtype="float32")
    record = execute(config.to_mapping(), save_weights=True)
    data = load(config.data)
    shared = {key: RUN[key] for key in ("hidden", "lr", "seed", "epochs")}
    model = MLP(**shared, bias_init="randn", batch_size=10)
    model.fit(data.train.x, data.train.labels, test=(data.test.x, data.test.labels))
    for name, array in model.network_.arrays().items():
        assert np.array_equal(array, record.weights[name])
    last = record.metrics[-1]
    assert model.history_[-1]["test_loss"] == last["test_loss"]
    assert model.score(data.test.x, data.test.labels) == last["test_accuracy"]
    a = 1 / (1 + np.exp(-(data.test.x @ model.network_.weights[0] + model.network_.biases[0])))
    logits = a @ model.network_.weights[1] + model.network_.biases[1]
    assert np.array_equal(logits.argmax(axis=1), model.predict(data.test.x))
