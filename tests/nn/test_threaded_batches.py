"""Lanes: the plain form's gradient, and the same bits from one thread or two."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest

from nnexp.config.run_config import RunConfig
from nnexp.data import load
from nnexp.nn import threaded_batches
from nnexp.nn.threaded_batches import Threads
from nnexp.training.trainer import Trainer, train
from tests.settings import RUN

BLOBS = {"name": "blobs", "n": 1250, "classes": 5, "features": 120, "std": 0.5}
DEFAULTS: dict[str, Any] = {
    **RUN,
    "data": BLOBS,
    "bias_init": "randn",
    "hidden": [150],
    "batch_size": 1225,  # three small rounds, and a short last batch of 25
}
SMALL = {"ROUND": 512, "PRODUCT": 2**19, "ELEMENTS": 2**13}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Split small batches into as many rounds and halves as large ones."""
    for name, value in SMALL.items():
        assert value < getattr(threaded_batches, name)
        monkeypatch.setattr(threaded_batches, name, value)


def trainer(threads: int = 1, **settings: Any) -> Trainer:
    config = RunConfig.from_mapping({**DEFAULTS, **settings})
    return Trainer(config, load(config.data, config.dtype), threads)


def filled(row: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of a row, nan for the empty ones: what pytest.approx compares."""
    numbers = {key: value for key, value in row.items() if not isinstance(value, str)}
    return {key: math.nan if value is None else value for key, value in numbers.items()}


def close(row: dict[str, Any], relative: float, absolute: float) -> Any:
    return pytest.approx(filled(row), rel=relative, abs=absolute, nan_ok=True)


MNIST = {"data": {"name": "mnist", "first": 1250}, "evaluate_first": 500, "hidden": [30]}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"activation": "relu", "hidden": [130, 100], "lr": 0.1},
    {"activation": "gelu", "hidden": [130, 100, 20], "lr": 0.1},
    {"hidden": "none", "data": {**BLOBS, "features": 1200}, "lr": 0.001},
    {"loss": {"name": "mse", "output": "softmax"}},
    {"loss": "binary_cross_entropy", "batch_size": "full"},
    {"batch_size": "full", "sampling": "replacement"},
    {"batch_size": 1250, "sampling": "independent"},
    {"optimizer": "adam", "lr": 0.01, "weight_decay": 0.01},
    {**MNIST, "batch_size": "full"},
    {**MNIST, "batch_size": 750, "hidden": [30, 20]},
]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_lanes_compute_what_the_plain_form_does(settings: dict[str, Any]) -> None:
    # The plain form alone takes float64.
    fast, exact = trainer(**settings), trainer(**settings, dtype="float64")
    assert (fast.form, exact.form) == ("lanes", "plain")
    for evaluation, wanted in zip(train(fast), train(exact), strict=True):
        assert filled(evaluation.metrics) == close(wanted.metrics, 1e-4, 1e-5)
    np.testing.assert_allclose(fast.network.theta, exact.network.theta, rtol=0, atol=2e-5)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_one_thread_and_two_give_the_same_bits(settings: dict[str, Any]) -> None:
    one, two = trainer(1, **settings), trainer(2, **settings)
    assert one.form == "lanes"
    for evaluation, other in zip(train(one), train(two), strict=True):
        assert evaluation.metrics == other.metrics
        assert evaluation.layers == other.layers
    assert np.array_equal(one.network.theta, two.network.theta)


@pytest.mark.parametrize("settings", [{"batch_size": 1}, {"batch_size": 100}], ids=str)
def test_threads_change_no_bit_of_the_other_forms_either(settings: dict[str, Any]) -> None:
    one, two = trainer(1, **settings, epochs=1), trainer(2, **settings, epochs=1)
    assert one.form != "lanes"
    assert [e.metrics for e in train(one)] == [e.metrics for e in train(two)]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("lane", [0, 1])
def test_an_error_in_a_lane_is_raised(threads: int, lane: int) -> None:
    def work(number: int, part: slice) -> None:
        if number == lane:
            raise ArithmeticError(f"{part}")

    with pytest.raises(ArithmeticError, match="slice"):
        Threads(threads).run(work, 10)


@pytest.mark.parametrize(
    ("settings", "form", "threads"),
    [
        ({"batch_size": "full", "hidden": [200, 150]}, "lanes", 1),
        ({"batch_size": "full", "hidden": [200, 150]}, "lanes", 2),
        ({"batch_size": "full", "hidden": [200, 150], "optimizer": "adam"}, "lanes", 2),
        ({"batch_size": "full", "hidden": [200, 150], "quirk": "updated_weights"}, "plain", 2),
        ({"batch_size": 2500, "hidden": [100]}, "plain", 1),
        ({"batch_size": 10, "hidden": [400]}, "delayed", 2),
    ],
    ids=str,
)
def test_a_run_takes_little_memory(settings: dict[str, Any], form: str, threads: int) -> None:
    # The data apart: the parameters four times, two batches of activations (the inputs counted),
    # and what an evaluation takes, 1000 examples at a time and a lane.
    large = {"data": {**BLOBS, "n": 5000}, "epochs": 1}
    config = RunConfig.from_mapping({**DEFAULTS, **large, **settings})
    data = load(config.data, config.dtype)
    tracemalloc.start()
    try:
        t = Trainer(config, data, threads)
        evaluations = list(train(t))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert t.form == form
    assert len(evaluations) == 2
    parameters = 4 * 4 * t.network.theta.size
    batches = 2 * 4 * config.rows() * sum(config.sizes())
    evaluation = 1000 * (sum(config.sizes()) * 4 * (4 + 3 * threads) + 100)
    assert peak < parameters + batches + evaluation
