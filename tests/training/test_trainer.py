"""Runs: what a step is, which batches it sees, when it is measured, and how it ends."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.config.run_config import RunConfig
from nnexp.data import Split, load
from nnexp.data.sampling import SAMPLINGS
from nnexp.errors import InputError
from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.optimizers import OPTIMIZERS
from nnexp.nn.quirks import QUIRKS
from nnexp.rng import stream
from nnexp.training.checkpoint import restore, state
from nnexp.training.trainer import Evaluation, Trainer, evaluation_steps, train
from tests.settings import RUN

BLOBS = {"name": "blobs", "n": 230, "classes": 4, "features": 6, "std": 0.5}
MSE = {"name": "mse", "reduction": "sum", "output": "sigmoid"}
DEFAULTS: dict[str, Any] = {
    **RUN,
    "data": BLOBS,
    "batch_size": 20,  # 12 steps an epoch, the last of 10 examples
    "dtype": "float64",
}


def trainer(**settings: Any) -> Trainer:
    config = RunConfig.from_mapping({**DEFAULTS, **settings})
    return Trainer(config, load(config.data, config.dtype))


def run(**settings: Any) -> list[Evaluation]:
    return list(train(trainer(**settings)))


def numbers(evaluations: list[Evaluation]) -> list[dict[str, Any]]:
    """Return all that two equal runs share: everything but the time."""
    return [
        {**e.metrics, "layers": e.layers, "step": e.step, "samples": e.samples} for e in evaluations
    ]


def filled(row: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of a row, nan for the empty ones: what pytest.approx compares."""
    empty = {key: math.nan for key, value in row.items() if value is None}
    return {key: value for key, value in row.items() if not isinstance(value, str)} | empty


def close(row: dict[str, Any], tolerance: float) -> Any:
    return pytest.approx(filled(row), rel=tolerance, abs=1e-12, nan_ok=True)


# What a step is.


def test_a_run_is_the_textbook_loop() -> None:
    """Every column of the metrics against a plain loop: one sigmoid layer, softmax, SGD."""
    t = trainer(evaluate_every="7 steps", weight_decay=0.01, bias_init="rand")
    (w1, w2), (b1, b2) = ([a.copy() for a in p] for p in (t.network.weights, t.network.biases))
    train_set, test_set = t.data.train, t.data.test

    def forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a = 1 / (1 + np.exp(-(x @ w1 + b1)))
        e = np.exp(a @ w2 + b2)
        return a, e / e.sum(axis=1, keepdims=True)

    def score(x: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        p = forward(x)[1]
        return -np.log(p[np.arange(len(x)), labels]).mean(), (p.argmax(axis=1) == labels).mean()

    evaluations = iter(train(t))
    step, samples, batches = 0, 0, []

    def compare(evaluation: Evaluation) -> None:
        expected = {"batch_loss": None, "running_loss": None, "running_accuracy": None}
        if batches:
            sizes, losses, accuracies = zip(*batches, strict=True)
            expected["batch_loss"] = losses[-1]
            expected["running_loss"] = np.average(losses, weights=sizes)
            expected["running_accuracy"] = np.average(accuracies, weights=sizes)
            batches.clear()
        for name, split in (("train", train_set), ("test", test_set)):
            expected[f"{name}_loss"], expected[f"{name}_accuracy"] = score(split.x, split.labels)
        assert filled(evaluation.metrics) == close(expected, 1e-10)
        assert (evaluation.step, evaluation.samples) == (step, samples)
        assert evaluation.epoch == pytest.approx(step / 12)

    compare(next(evaluations))
    for epoch in range(2):
        order = SAMPLINGS["shuffle"](stream(3, "order", epoch), 230, 20)
        for start in range(0, 230, 20):
            rows = order[start : start + 20]
            x, labels = train_set.x[rows], train_set.labels[rows]
            batches.append((len(rows), *score(x, labels)))
            a, p = forward(x)
            d2 = (p - np.eye(4)[labels]) / len(rows)
            d1 = a * (1 - a) * (d2 @ w2.T)
            w2 -= 0.5 * (a.T @ d2 + 0.01 * w2)
            b2 -= 0.5 * d2.sum(axis=0)
            w1 -= 0.5 * (x.T @ d1 + 0.01 * w1)
            b1 -= 0.5 * d1.sum(axis=0)
            step, samples = step + 1, samples + len(rows)
            if step % 7 == 0 or step == 24:
                compare(next(evaluations))
    assert next(evaluations, None) is None


def test_the_first_test_examples_alone_are_scored() -> None:
    whole, part = trainer(evaluate_every=None), trainer(evaluate_every=None, evaluate_first=57)
    evaluations = list(zip(train(whole), train(part), strict=True))
    for full, first in evaluations:
        differing = {key for key, value in full.metrics.items() if first.metrics[key] != value}
        assert differing == {"test_loss", "test_accuracy"}
        assert first.layers == full.layers
    test = whole.data.test
    logits = whole.network.forward(test.x[:57]).copy()
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    metrics = evaluations[-1][1].metrics
    assert metrics["test_accuracy"] == np.mean(p.argmax(axis=1) == test.labels[:57])
    losses = -np.log(p[np.arange(57), test.labels[:57]])
    assert metrics["test_loss"] == pytest.approx(losses.mean(), rel=1e-12)


SIGMOID = {"name": "binary_cross_entropy", "reduction": "sum"}


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", SIGMOID], ids=str)
def test_an_epsilon_is_added_to_each_probability_of_a_logged_loss(loss: Any) -> None:
    settings = {"loss": loss, "init": "randn", "lr": 3.0, "evaluate_every": None}
    plain, added = trainer(**settings), trainer(**settings, evaluate_epsilon=0.03)
    evaluations = list(zip(train(plain), train(added), strict=True))
    for without, with_epsilon in evaluations:
        differing = {k for k, v in without.metrics.items() if with_epsilon.metrics[k] != v}
        assert differing == {"train_loss", "test_loss"}
        assert with_epsilon.layers == without.layers
    assert np.array_equal(plain.network.theta, added.network.theta)
    for name, split in (("train", plain.data.train), ("test", plain.data.test)):
        logits = plain.network.forward(split.x).copy()
        t = np.eye(4)[split.labels]
        if loss == "cross_entropy":
            p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            losses = -(t * np.log(p + 0.03)).sum(axis=1)
        else:
            p = 1 / (1 + np.exp(-logits))
            losses = -(t * np.log(p + 0.03) + (1 - t) * np.log(1 - p + 0.03)).sum(axis=1)
            losses /= 1 if loss is SIGMOID else 4
        wanted = pytest.approx(losses.mean(), rel=1e-10)
        assert evaluations[-1][1].metrics[f"{name}_loss"] == wanted


def test_an_epsilon_keeps_the_loss_of_a_sure_mistake_finite() -> None:
    far = {"init": {"name": "normal", "std": 1e4}, "dtype": "float32", "evaluate_every": None}
    losses = [run(**far, evaluate_epsilon=epsilon)[0].metrics for epsilon in (None, 1e-7)]
    assert losses[0]["train_loss"] > -math.log(1e-7) >= losses[1]["train_loss"] > 1  # type: ignore[operator]


def test_numerical_gradients_train_as_backpropagation_does() -> None:
    # D4.4; numerical is float64 whatever dtype says.
    exact = run(epochs=None, steps=10, dtype="float64")
    numerical = run(epochs=None, steps=10, dtype="float32", gradient="numerical")
    assert numerical[-1].metrics == pytest.approx(exact[-1].metrics, rel=1e-7)
    assert numerical[-1].metrics != exact[-1].metrics


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [1, 20, 230])
def test_a_run_in_the_order_of_d2_is_its_loop(optimizer: str, batch_size: int) -> None:
    """D2: W2 and b2 are updated, then the hidden error is computed with the new W2."""
    settings = {"loss": MSE, "optimizer": optimizer, "lr": 0.02, "epochs": None, "steps": 30}
    quirk = "plain_hidden_error+updated_weights"
    t = trainer(**settings, quirk=quirk, batch_size=batch_size, weight_decay=0.01)
    (w1, w2), (b1, b2) = ([a.copy() for a in p] for p in (t.network.weights, t.network.biases))
    build = OPTIMIZERS[optimizer]
    own = {
        name: build(a.size, a.dtype, 0.02) for name, a in zip("WVbc", (w1, w2, b1, b2), strict=True)
    }

    def update(name: str, parameter: np.ndarray, gradient: np.ndarray) -> None:
        change = (gradient + (0.01 * parameter if name in "WV" else 0)).ravel()
        own[name].update(change)
        parameter += change.reshape(parameter.shape)

    x_all, targets = t.data.train.x, np.eye(4)[t.data.train.labels]
    for step in range(30):
        rows = t.batches.rows(step)
        x, y = x_all[rows], targets[rows]
        a = 1 / (1 + np.exp(-(x @ w1 + b1)))
        o = 1 / (1 + np.exp(-(a @ w2 + b2)))
        d2 = (o - y) * o * (1 - o) / len(x)
        update("V", w2, a.T @ d2)
        update("c", b2, d2.sum(axis=0))
        d1 = (o - y) / len(x) @ w2.T * a * (1 - a)
        update("W", w1, x.T @ d1)
        update("b", b1, d1.sum(axis=0))
    t.advance(30)
    for mine, wanted in zip([*t.network.weights, *t.network.biases], (w1, w2, b1, b2), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("quirk", [*QUIRKS, "plain_hidden_error+updated_weights"])
def test_a_run_with_a_quirk_learns_in_its_own_way(quirk: str) -> None:
    settings = {"loss": MSE, "epochs": 20, "evaluate_every": None}
    with_quirk, without = run(quirk=quirk, **settings), run(**settings)
    assert with_quirk[-1].metrics["train_loss"] < with_quirk[0].metrics["train_loss"]
    assert with_quirk[-1].metrics["train_loss"] != without[-1].metrics["train_loss"]
    if quirk != "position_bias":  # its biases are drawn for every position
        assert with_quirk[0].metrics == without[0].metrics


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "mse"])
def test_float32_and_float64_agree_over_20_steps(loss: str, activation: str) -> None:
    settings = {"loss": loss, "activation": activation, "hidden": [10, 8], "lr": 0.1}
    settings |= {"epochs": None, "steps": 20, "batch_size": 50}
    single, double = trainer(dtype="float32", **settings), trainer(dtype="float64", **settings)
    for evaluation, exact in zip(train(single), train(double), strict=True):
        assert evaluation.metrics == pytest.approx(exact.metrics, abs=1e-4)
    np.testing.assert_allclose(single.network.theta, double.network.theta, rtol=0, atol=1e-4)
    assert single.network.theta.dtype == np.float32


def test_float32_and_float64_agree_over_20_steps_on_mnist() -> None:
    data = {"name": "mnist", "train_size": 2000}
    settings = {"data": data, "hidden": 100, "batch_size": 100, "epochs": None, "steps": 20}
    single, double = run(dtype="float32", **settings), run(dtype="float64", **settings)
    for evaluation, exact in zip(single, double, strict=True):
        assert evaluation.metrics == pytest.approx(exact.metrics, abs=1e-4)


# Reproducible, and paired.


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_equal_settings_give_equal_numbers(sampling: str) -> None:
    settings = {"sampling": sampling, "dtype": "float32"}
    once = numbers(run(**settings))
    assert numbers(run(**settings)) == once
    assert numbers(run(**settings, seed=4)) != once


def batches(**settings: Any) -> list[list[int]]:
    """Return the rows of every batch of a run."""
    t = trainer(**settings)
    return [t.batches.rows(step).tolist() for step in range(t.config.total_steps())]


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_runs_of_equal_seed_see_the_same_batches(sampling: str) -> None:
    seen = batches(sampling=sampling)
    assert [len(rows) for rows in seen] == 2 * (11 * [20] + [10])
    others = {"init": "zero", "hidden": [5, 5], "lr": 0.1, "loss": "mse", "optimizer": "adam"}
    for key, value in others.items():
        assert batches(sampling=sampling, **{key: value}) == seen


def test_all_batch_sizes_walk_the_same_permutation() -> None:
    def epochs(batch_size: int | str) -> list[int]:
        return [row for rows in batches(batch_size=batch_size) for row in rows]

    order = epochs(20)
    assert sorted(order[:230]) == sorted(order[230:]) == list(range(230))
    assert order[:230] != order[230:]
    for batch_size in (1, 64, 230, "full"):
        assert epochs(batch_size) == order


# When it is measured.


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({}, [0, 12, 24]),
        ({"evaluate_every": 2}, [0, 24]),
        ({"evaluate_every": 0.25}, [0, 3, 6, 9, 12, 15, 18, 21, 24]),
        ({"evaluate_every": "10 steps"}, [0, 10, 20, 24]),
        ({"evaluate_every": "none"}, [0, 24]),
        ({"evaluate_every": None, "evaluate_at": [1, 7]}, [0, 1, 7, 24]),
        ({"evaluate_at": [13, 12]}, [0, 12, 13, 24]),
        ({"epochs": None, "steps": 17}, [0, 12, 17]),
        # 5 steps an epoch: half of it falls between two, and yet each epoch's end is measured.
        ({"batch_size": 50, "evaluate_every": 0.5}, [0, 2, 5, 8, 10]),
        ({"batch_size": "full", "evaluate_every": 0.5}, [0, 1, 2]),
    ],
)
def test_the_schedule_of_evaluations(settings: dict[str, Any], steps: list[int]) -> None:
    assert evaluation_steps(RunConfig.from_mapping({**DEFAULTS, **settings})) == steps
    assert [evaluation.step for evaluation in run(**settings)] == steps


def test_a_run_of_no_steps_is_the_first_evaluation_of_any_other() -> None:
    (only,) = run(steps=0, epochs=None)
    first = run(steps=5, epochs=None)[0]
    assert (only.step, only.samples, only.diverged) == (0, 0, False)
    assert numbers([only]) == numbers([first])


def test_measuring_more_often_changes_no_number() -> None:
    rare, often = run(evaluate_every=None), run(evaluate_every="1 steps")
    for key in ("train_loss", "test_loss", "test_accuracy", "batch_loss"):
        assert rare[-1].metrics[key] == often[-1].metrics[key]
    assert rare[-1].layers == often[-1].layers


@pytest.mark.parametrize(("batch_size", "steps"), [(20, 12), (230, 1), ("full", 1), (1, 230)])
def test_an_epoch_sees_every_example_the_short_last_batch_too(
    batch_size: int | str, steps: int
) -> None:
    last = run(epochs=1, batch_size=batch_size)[-1]
    assert (last.step, last.samples, last.epoch) == (steps, 230, 1)


def test_full_batch_gradient_descent_never_climbs_at_a_small_rate() -> None:
    evaluations = run(batch_size="full", lr=0.05, epochs=30)
    losses = [e.metrics["train_loss"] for e in evaluations]
    assert all(after < before for before, after in pairwise(losses))
    # With one batch an epoch, its loss before the update is the training loss of the last one.
    for before, after in pairwise(evaluations):
        assert after.metrics["batch_loss"] == pytest.approx(before.metrics["train_loss"], rel=1e-12)


def test_validation_adds_its_columns_and_leaves_training() -> None:
    without = run()[0].metrics
    assert not any(key.startswith("validation") for key in without)
    t = trainer(data={**BLOBS, "validation": 30})
    last = list(train(t))[-1]
    assert last.samples == 2 * 200
    assert math.isfinite(last.metrics["validation_loss"])
    held = t.data.validation
    assert held is not None
    right = t.network.loss.predict(t.network.forward(held.x)) == held.labels
    assert last.metrics["validation_accuracy"] == np.mean(right)


def test_label_noise_is_learnt_from_but_not_tested_on() -> None:
    blobs = {**BLOBS, "std": 0.3}
    clean, noisy = trainer(data=blobs), trainer(data={**blobs, "label_noise": 0.3})
    assert np.mean(noisy.data.train.labels != clean.data.train.labels) == pytest.approx(0.3)
    assert np.array_equal(noisy.data.test.labels, clean.data.test.labels)
    assert list(train(noisy))[-1].metrics["train_accuracy"] < 0.8
    assert list(train(clean))[-1].metrics["train_accuracy"] > 0.8


# How it ends.


def test_a_diverged_run_ends_and_says_so() -> None:
    settings = {"activation": "relu", "loss": {"name": "mse", "output": "identity"}, "lr": 1e4}
    evaluations = run(epochs=50, dtype="float32", **settings)
    last = evaluations[-1]
    assert [e.diverged for e in evaluations] == [False] * (len(evaluations) - 1) + [True]
    assert last.step < 50 * 12
    for split in ("train", "test"):
        assert last.metrics[f"{split}_loss"] == math.inf
    assert last.metrics["running_loss"] == math.inf


def test_every_example_is_scored_once_in_a_shorter_last_part_too() -> None:
    t = trainer(data={**BLOBS, "n": 2345})
    metrics, network = t.evaluate().metrics, t.network
    for name, split in (("train", t.data.train), ("test", t.data.test)):
        assert split is not None
        correct, loss = 0, 0.0
        for row, label in zip(split.x, split.labels, strict=True):
            logits = network.forward(row[None])
            correct += int(network.loss.predict(logits)[0] == label)
            loss += network.compute_loss(t.codes[[label]])
        assert metrics[f"{name}_accuracy"] == correct / len(split.labels)
        assert metrics[f"{name}_loss"] == pytest.approx(loss / len(split.labels))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("form", ["plain", "delayed"])
def test_a_batch_whose_loss_is_not_finite_makes_no_update(form: str, bad: float) -> None:
    t = trainer(**({"dtype": "float32", "batch_size": 10} if form == "delayed" else {}))
    assert t.form == form
    t.advance(3)
    t.network.biases[-1][0] = bad
    t.advance(10)
    ended = t.evaluate()
    assert ended.step == 3
    assert ended.samples == 3 * t.config.rows()
    assert ended.diverged
    assert ended.metrics["batch_loss"] == math.inf


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])  # a sigmoid turns inf into 0 or 1
def test_outputs_that_are_not_finite_are_wrong_one_by_one(loss: str, bad: float) -> None:
    t = trainer(hidden="none", loss=loss)
    whole = t.evaluate()
    right = t.network.loss.predict(t.network.forward(t.data.train.x)) == t.data.train.labels
    x = t.data.train.x.copy()
    x[:50, 0] = bad
    t.data = replace(t.data, train=Split(x, t.data.train.labels))
    evaluation = t.evaluate()
    assert whole.metrics["train_accuracy"] == right.mean()
    assert evaluation.metrics["train_accuracy"] == right[50:].sum() / 230
    assert evaluation.metrics["train_loss"] == math.inf
    assert evaluation.metrics["test_loss"] == whole.metrics["test_loss"]
    assert evaluation.diverged


# Steps in place.


@pytest.mark.parametrize(
    "settings",
    [
        *({"optimizer": name} for name in OPTIMIZERS),
        *({"activation": name} for name in ACTIVATIONS),
        *({"loss": {"name": "mse", "output": o}} for o in ("sigmoid", "softmax", "identity")),
        {"loss": "binary_cross_entropy"},
        {"weight_decay": 0.1},
        {"quirk": "underived_bias"},
    ],
    ids=str,
)
def test_a_step_allocates_nothing_of_the_batch_or_the_weights(settings: dict[str, Any]) -> None:
    n, features, classes = 2000, 300, 50
    data = {"name": "blobs", "n": 2 * n, "features": features, "classes": classes}
    t = trainer(data=data, hidden=[300], batch_size=n, dtype="float32", **settings)
    t.advance(1)
    tracemalloc.start()
    try:
        t.advance(2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The labels and the predictions, (n,), and an optimiser's blocks are all that it may take.
    smallest_batch_array, smallest_matrix = n * classes * 4, features * 300 * 4
    assert peak < min(smallest_batch_array, smallest_matrix)


# Saved and taken up again.


@pytest.mark.parametrize("moment", [0, 1, 2])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_taken_up_again_ends_as_if_never_left(optimizer: str, moment: int) -> None:
    settings = {"optimizer": optimizer, "lr": 0.01, "dtype": "float32", "epochs": 3}
    whole = run(**settings)
    first, second = trainer(**settings), trainer(**settings)
    evaluations = train(first)
    begun = [next(evaluations) for _ in range(moment + 1)]
    restore(second, state(first))
    assert numbers(begun + list(train(second))) == numbers(whole)


# A user's own functions.

MINE = """
import numpy as np

def my_init(rng, fan_in, fan_out, scale=1.0):
    return scale * rng.standard_normal((fan_in, fan_out)) / np.sqrt(fan_in)

def my_tanh(z):
    return np.tanh(z), 1 - np.tanh(z) ** 2

def my_loss(logits, targets):
    o = 1 / (1 + np.exp(-logits))
    return ((o - targets) ** 2).sum(axis=1) / 2, (o - targets) * o * (1 - o)

my_loss.output = "sigmoid"

def flat(rng, fan_in, fan_out):
    return rng.standard_normal(fan_out)
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of functions, also importable as the module ``mine_module``."""
    (tmp_path / "mine_module.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "mine_module.py"


@pytest.mark.parametrize("form", ["file", "dotted"])
def test_custom_choices_do_what_registered_ones_do(mine: Path, form: str) -> None:
    def my(name: str) -> str:
        return f"{mine}:{name}" if form == "file" else f"mine_module.{name}"

    pairs = [
        ("init", "lecun", my("my_init")),
        ("activation", "tanh", my("my_tanh")),
        ("loss", {"name": "mse", "reduction": "sum"}, my("my_loss")),
    ]
    for key, registered, custom in pairs:
        for evaluation, wanted in zip(run(**{key: custom}), run(**{key: registered}), strict=True):
            assert filled(evaluation.metrics) == close(wanted.metrics, 1e-9)
            for layer, wanted_layer in zip(evaluation.layers, wanted.layers, strict=True):
                assert filled(layer) == close(wanted_layer, 1e-9)


def test_a_custom_choice_takes_parameters_and_its_source_is_part_of_the_run(mine: Path) -> None:
    custom = {"name": f"{mine}:my_init", "scale": 2.0}
    one, two = trainer(init=f"{mine}:my_init"), trainer(init=custom)
    np.testing.assert_allclose(two.network.weights[0], 2 * one.network.weights[0])
    ids = {one.config.run_id(), two.config.run_id()}
    elsewhere = mine.parent / "copy.py"
    elsewhere.write_text(MINE)
    assert trainer(init=f"{elsewhere}:my_init").config.run_id() in ids  # the content, not its place
    elsewhere.write_text(MINE + "\n# changed\n")
    assert trainer(init=f"{elsewhere}:my_init").config.run_id() not in ids
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{folder}/nowhere.py:my_init", "there is no file"),
        ("{folder}/mine_module.py:my_intt", "defines no 'my_intt'"),
        ("mine_module.my_intt", "defines no 'my_intt'"),
        ("no_such_module.my_init", "No module named 'no_such_module'"),
        (".my_init", "FILE.py:NAME"),
        ("{folder}/broken.py:my_init", "cannot be imported: ZeroDivisionError"),
        ("{folder}/mine_module.py:np", "is not a function"),
        ("{folder}/mine_module.py:flat", "shape"),
    ],
)
def test_a_custom_choice_that_cannot_be_used_is_refused(
    mine: Path, name: str, message: str
) -> None:
    (mine.parent / "broken.py").write_text("1 / 0")
    with pytest.raises(InputError, match=message):
        trainer(init=name.format(folder=mine.parent))
