"""Delayed updates: stochastic gradient descent in another order, equal but for rounding."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest

from nnexp.config.run_config import RunConfig
from nnexp.data import load
from nnexp.nn.activations import ACTIVATIONS
from nnexp.training.checkpoint import restore, state
from nnexp.training.trainer import Evaluation, Trainer, train
from tests.settings import RUN

DEFAULTS: dict[str, Any] = {
    **RUN,
    "data": {"name": "blobs", "n": 230, "classes": 4, "features": 20, "std": 0.5},
    "bias_init": "randn",
    "hidden": [12],
    "batch_size": 1,
    "lr": 0.05,
    "evaluate_every": 0.5,
}
# Plain SGD by another name, which takes the plain form.
PLAIN = {"optimizer": {"name": "momentum", "momentum": 0.0}}
# With weights and a rate that let the order of the backward pass matter.
UPDATED = {"quirk": "updated_weights", "init": "randn", "lr": 0.3}


def trainer(**settings: Any) -> Trainer:
    config = RunConfig.from_mapping({**DEFAULTS, **settings})
    return Trainer(config, load(config.data, config.dtype))


def filled(row: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of a row, nan for the empty ones: what pytest.approx compares."""
    numbers = {key: value for key, value in row.items() if not isinstance(value, str)}
    return {key: math.nan if value is None else value for key, value in numbers.items()}


def close(row: dict[str, Any], relative: float, absolute: float) -> Any:
    return pytest.approx(filled(row), rel=relative, abs=absolute, nan_ok=True)


def numbers(evaluations: list[Evaluation]) -> list[dict[str, Any]]:
    return [
        {**e.metrics, "layers": e.layers, "step": e.step, "samples": e.samples} for e in evaluations
    ]


@pytest.mark.parametrize(
    ("settings", "form"),
    [
        ({}, "delayed"),
        ({"batch_size": 16}, "delayed"),
        ({"batch_size": 17}, "plain"),
        ({"hidden": "none"}, "delayed"),
        ({"dtype": "float64"}, "plain"),
        ({"weight_decay": 0.1}, "plain"),
        ({"optimizer": "adam"}, "plain"),
        ({"gradient": "numerical"}, "plain"),
        ({"quirk": "underived_bias"}, "plain"),
        ({"quirk": "updated_weights"}, "delayed"),
        ({"quirk": "underived_bias+updated_weights"}, "plain"),
        ({"quirk": "updated_weights", "optimizer": "adam"}, "plain"),
        (PLAIN, "plain"),
    ],
    ids=str,
)
def test_the_settings_decide_the_form_of_a_step(settings: dict[str, Any], form: str) -> None:
    assert trainer(**settings).form == form


@pytest.mark.parametrize(
    "settings",
    [
        *({"activation": name, "hidden": [12, 9], "batch_size": 3} for name in ACTIVATIONS),
        *({"batch_size": size, "hidden": [12, 9, 7]} for size in (1, 2, 7, 16)),
        *({"batch_size": size, "hidden": "none"} for size in (1, 5)),
        *({"batch_size": size, "hidden": [12, 9, 7], **UPDATED} for size in (1, 2, 7, 16)),
        *({"loss": {"name": "mse", "output": o}} for o in ("sigmoid", "softmax", "identity")),
        {"loss": {"name": "mse", "reduction": "sum"}},
        {"loss": {"name": "binary_cross_entropy", "reduction": "sum"}, "batch_size": 4},
        {"sampling": "replacement", "batch_size": 4},
        {"evaluate_every": "1 steps", "epochs": None, "steps": 40},
        {"evaluate_at": [1, 30, 97], "batch_size": 2},
    ],
    ids=str,
)
def test_delayed_updates_are_the_plain_ones_but_for_rounding(settings: dict[str, Any]) -> None:
    fast, slow = trainer(**settings), trainer(**settings, **PLAIN)
    start = fast.network.theta.copy()
    for evaluation, wanted in zip(train(fast), train(slow), strict=True):
        assert (evaluation.step, evaluation.samples) == (wanted.step, wanted.samples)
        assert filled(evaluation.metrics) == close(wanted.metrics, 1e-4, 1e-6)
        for layer, row in zip(evaluation.layers, wanted.layers, strict=True):
            assert filled(layer) == close(row, 2e-3, 1e-5)
    assert (fast.form, slow.form) == ("delayed", "plain")
    moved = np.abs(slow.network.theta - start).max()
    assert np.abs(fast.network.theta - slow.network.theta).max() < 1e-5 * max(moved, 1)


def test_the_gradient_holds_the_last_update_as_in_the_plain_form() -> None:
    fast, slow = (trainer(hidden=[12, 9], batch_size=3, **own) for own in ({}, PLAIN))
    for until in (10, 21):  # in mid-block, and at the end of one
        fast.advance(until)
        slow.advance(until)
        update = slow.network.grad
        assert np.abs(fast.network.grad - update).max() < 1e-4 * np.abs(update).max()


@pytest.mark.parametrize("batch_size", [1, 9])
@pytest.mark.parametrize("moment", [1, 3])
def test_a_longer_run_is_a_shorter_one_gone_on_with(batch_size: int, moment: int) -> None:
    settings = {"batch_size": batch_size, "evaluate_every": 0.3}
    whole = list(train(trainer(**settings, epochs=3)))
    short, long = trainer(**settings, epochs=1), trainer(**settings, epochs=3)
    evaluations = train(short)
    begun = [next(evaluations) for _ in range(moment + 1)]
    restore(long, state(short))
    assert numbers(begun + list(train(long))) == numbers(whole)


def test_the_order_of_the_backward_pass_matters_there() -> None:
    first, last = (
        list(train(trainer(**{**UPDATED, **more})))[-1] for more in ({}, {"quirk": None})
    )
    assert abs(first.metrics["train_loss"] / last.metrics["train_loss"] - 1) > 0.01  # type: ignore[operator]


def test_a_run_that_diverges_ends_at_the_step_at_which_the_plain_form_ends_it() -> None:
    settings = {
        "activation": "relu",
        "loss": {"name": "mse", "output": "identity"},
        "lr": 30.0,
        "evaluate_every": None,
    }
    fast, slow = (list(train(trainer(**settings, **more))) for more in ({}, PLAIN))
    assert fast[-1].diverged
    assert 1 < fast[-1].step < 200
    assert (fast[-1].step, fast[-1].samples) == (slow[-1].step, slow[-1].samples)
    assert fast[-1].metrics["running_loss"] == fast[-1].metrics["test_loss"] == math.inf


def test_a_block_allocates_nothing_of_its_examples_or_of_the_weights() -> None:
    data = {"name": "blobs", "n": 2000, "features": 1000, "classes": 3}
    t = trainer(data=data, hidden=[200], lr=0.001)
    t.advance(64)
    tracemalloc.start()
    try:
        t.advance(640)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 200 * 4  # the deltas of a block, the smallest of them
