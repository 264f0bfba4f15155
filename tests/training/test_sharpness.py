"""The sharpness is the largest eigenvalue of the Hessian, and the edge of stability is there."""

from __future__ import annotations

import itertools
from importlib import util
from typing import Any

import numpy as np
import pytest

from nnexp.config.registry import build, read
from nnexp.config.run_config import RunConfig
from nnexp.data import load
from nnexp.errors import InputError
from nnexp.nn.network import Network
from nnexp.training.sharpness import Sharpness
from nnexp.training.trainer import Trainer, train
from tests.settings import RUN

BLOBS = {"name": "blobs", "n": 60, "classes": 3, "features": 4, "std": 1.0}
SETTINGS: dict[str, Any] = {**RUN, "data": BLOBS, "batch_size": "full", "hidden": "5"}
IDENTITY = {"name": "mse", "reduction": "sum", "output": "identity"}


def trainer(**settings: Any) -> Trainer:
    config = RunConfig.from_mapping({**SETTINGS, **settings})
    return Trainer(config, load(config.data, config.dtype))


def network(activation: str, loss: Any, hidden: int = 5) -> Network:
    made = Network(
        (4, hidden, 3),
        build("activation", read("activation", activation)),
        build("loss", read("loss", loss)),
        20,
        np.float64,
    )
    made.theta[...] = np.random.default_rng(1).normal(0, 0.7, made.theta.size)
    return made


def examples() -> tuple[Any, Any]:
    rng = np.random.default_rng(2)
    return rng.standard_normal((20, 4)), np.eye(3)[rng.integers(0, 3, 20)]


@pytest.mark.parametrize(
    ("activation", "loss"),
    [
        *itertools.product(
            ("tanh", "sigmoid", "relu", "identity"), ("cross_entropy", {"name": "mse"}, IDENTITY)
        )
    ],
)
def test_it_is_the_largest_eigenvalue_of_the_hessian(activation: str, loss: Any) -> None:
    one = network(activation, loss)
    x, targets = examples()

    def gradient(theta: Any) -> Any:
        one.theta[...] = theta
        one.forward(x)
        one.compute_loss(np.asfortranarray(targets))
        one.backward(x)
        return one.grad.copy()

    theta, h = one.theta.copy(), 1e-5
    shifts = h * np.eye(theta.size)
    hessian = np.array([gradient(theta + s) - gradient(theta - s) for s in shifts]) / (2 * h)
    largest = np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1]
    assert Sharpness(one, x, targets).measure(theta) == pytest.approx(largest, rel=1e-3, abs=1e-6)


def test_of_a_linear_model_it_is_that_of_its_inputs() -> None:
    measured = trainer(hidden="none", loss=IDENTITY, evaluate_sharpness=60, lr=0.01, epochs=3)
    x = measured.data.train.x.astype(float)
    inputs = np.hstack([x, np.ones((len(x), 1))])
    exact = np.linalg.eigvalsh(inputs.T @ inputs / len(x))[-1]
    for evaluation in train(measured):  # the Hessian of a quadratic loss is the same everywhere
        assert evaluation.metrics["sharpness"] == pytest.approx(exact, rel=1e-5)


def test_gradient_descent_is_stable_below_two_by_the_rate() -> None:
    linear = {"hidden": "none", "loss": IDENTITY, "dtype": "float64", "epochs": None}
    first = next(train(trainer(**linear, steps=1, evaluate_sharpness=60)))
    sharpness = first.metrics["sharpness"]
    assert sharpness is not None
    for factor, stable in ((0.95, True), (1.05, False)):
        rate = factor * 2 / sharpness
        losses = [
            e.metrics["train_loss"]
            for e in train(trainer(**linear, steps=300, lr=rate, evaluate_every=None))
        ]
        assert (losses[-1] < losses[0]) == stable  # type: ignore[operator]


def test_it_changes_nothing_else_and_is_the_same_again() -> None:
    def numbers(**settings: Any) -> list[Any]:
        found = [e.metrics for e in train(trainer(epochs=2, **settings))]
        return [{k: v for k, v in metrics.items() if k != "sharpness"} for metrics in found]

    plain = numbers()
    assert numbers(evaluate_sharpness=30) == plain
    curves = [
        [e.metrics["sharpness"] for e in train(trainer(epochs=2, evaluate_sharpness=30))]
        for _ in range(2)
    ]
    assert curves[0] == curves[1]
    assert len(curves[0]) == 3


def test_without_curvature_it_is_zero_and_of_lost_parameters_there_is_none() -> None:
    flat = network("relu", "cross_entropy")
    x, targets = examples()
    measured = Sharpness(flat, x, np.zeros_like(targets))
    assert measured.measure(np.zeros(flat.theta.size)) >= 0
    assert np.isnan(measured.measure(np.full(flat.theta.size, np.inf)))
    evaluations = list(train(trainer(lr=1e30, activation="relu", evaluate_sharpness=60, epochs=4)))
    assert evaluations[-1].diverged
    assert evaluations[-1].metrics["sharpness"] is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"evaluate_sharpness": 61}, "larger than the 60 training examples of blobs"),
        ({"evaluate_sharpness": 0}, "evaluate_sharpness=0"),
        (
            {"evaluate_sharpness": 5, "quirk": "updated_weights"},
            "does not fit quirk=updated_weights",
        ),
    ],
)
def test_what_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        RunConfig.from_mapping({**SETTINGS, **settings})


def test_without_scipy_it_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    there = util.find_spec
    monkeypatch.setattr(
        "nnexp.config.run_config.find_spec", lambda name: None if name == "scipy" else there(name)
    )
    with pytest.raises(InputError, match=r"needs the package scipy: pip install 'nnexp\[sharpn"):
        RunConfig.from_mapping({**SETTINGS, "evaluate_sharpness": 5})


@pytest.mark.parametrize("near", [2e-6, 1e-9])  # beyond the step between gradients, and within
def test_the_kink_of_a_relu_unit_is_not_curvature(near: float) -> None:
    """A unit whose pre-activation is above 0 on the only example is as good as linear there.

    With the output w₂ h + b₂ and h = w₁ x + b₁, the Hessian of ½(output − target)² is g gᵀ plus the
    residual where w₂ meets w₁ and b₁.
    """
    one = Network(
        (1, 1, 1),
        build("activation", read("activation", "relu")),
        build("loss", read("loss", IDENTITY)),
        1,
        np.float64,
    )
    one.weights[0][...], one.weights[1][...] = near, 1.0
    x, targets, residual = np.ones((1, 1)), np.full((1, 1), -1.0), 1 + near
    g = np.array([1.0, near, 1.0, 1.0])  # by w₁, w₂, b₁, b₂
    hessian = np.outer(g, g)
    for i in (0, 2):
        hessian[1, i] += residual
        hessian[i, 1] += residual
    expected = np.linalg.eigvalsh(hessian)[-1]
    assert Sharpness(one, x, targets).measure(one.theta) == pytest.approx(expected, rel=1e-4)
