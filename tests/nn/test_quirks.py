"""Every quirk against its textbook form, at every size of a batch."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.initializers import INITIALIZERS
from nnexp.nn.losses import cross_entropy, mse
from nnexp.nn.network import Network
from nnexp.nn.optimizers import OPTIMIZERS, SGD, Optimizer
from nnexp.nn.quirks import QUIRKS, UpdatedWeights, network_class

SIZES = [4, 5, 6, 3]
LOSSES = {"cross_entropy": cross_entropy(), "mse": mse("sum", "sigmoid")}
LR = 0.7
# Every quirk, and every combination that makes sense.
COMBINATIONS = [
    "+".join(names)
    for count in range(1, 4)
    for names in itertools.combinations(sorted(QUIRKS), count)
    if not {"position_bias", "underived_bias"} <= set(names)
]


def quirky(
    quirk: str, loss: str = "mse", rows: int = 6, dtype: npt.DTypeLike = np.float64
) -> Network:
    net = network_class(quirk)(SIZES, ACTIVATIONS["sigmoid"](), LOSSES[loss], rows, dtype)
    if isinstance(net, UpdatedWeights):
        net.optimizer = SGD(net.theta.size, dtype, LR)
    net.initialize(INITIALIZERS["xavier"], INITIALIZERS["randn"], seed=1)
    return net


def right(net: Network) -> Network:
    """Return a network without quirks that starts from the same weights and biases."""
    plain = Network(SIZES, net.activation, net.loss, net.rows, net.theta.dtype)
    plain.initialize(INITIALIZERS["xavier"], INITIALIZERS["randn"], seed=1)
    return plain


def labelled(n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (n, 4) and one-hot targets (n, 3)."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 4)), np.eye(3)[rng.integers(3, size=n)]


def backprop(net: Network, x: np.ndarray, targets: np.ndarray) -> float:
    net.forward(x)
    loss = net.compute_loss(targets)
    net.backward(x)
    return loss


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def descended(weights: np.ndarray, gradient: np.ndarray, layer: int) -> np.ndarray:
    return weights - LR * gradient


def textbook(
    quirk: str,
    net: Any,
    x: np.ndarray,
    t: np.ndarray,
    after: Callable[[np.ndarray, np.ndarray, int], np.ndarray] = descended,
) -> list[np.ndarray]:
    """Return the gradients of a network with two hidden sigmoid layers, in float64.

    Weights are W1 W2 W3, errors d1 d2 d3 by the pre-activations and e1 e2 by the activations; rows
    are examples. ``after`` returns the weights of layer 2 or 3 after the step.
    """
    quirks, n = quirk.split("+"), len(x)
    w1, w2, w3 = (w.astype(np.float64) for w in net.weights)
    b1, b2, b3 = (b[:n].astype(np.float64) if b.ndim == 2 else b for b in net.biases)
    a1 = sigmoid(x @ w1 + b1)
    a2 = sigmoid(a1 @ w2 + b2)
    if net.loss.output == "softmax":
        d3 = (softmax(a2 @ w3 + b3) - t) / n
    else:
        o = sigmoid(a2 @ w3 + b3)
        d3 = (o - t) * o * (1 - o) / n
    passed = d3
    if "plain_hidden_error" in quirks:  # D2.2: without O(1 - O)
        passed = (o - t) / n
    updated = "updated_weights" in quirks  # D0.7: each W before the error goes through it
    e2 = passed @ (after(w3, a2.T @ d3, 3) if updated else w3).T
    d2 = e2 * a2 * (1 - a2)
    e1 = d2 @ (after(w2, a1.T @ d2, 2) if updated else w2).T
    d1 = e1 * a1 * (1 - a1)
    weights = [x.T @ d1, a1.T @ d2, a2.T @ d3]
    if "position_bias" in quirks:  # D3.3: a vector for each position in the batch
        unused = ((0, net.biases[0].shape[0] - n), (0, 0))
        return [*weights, *(np.pad(d, unused) for d in (d1, d2, d3))]
    if "underived_bias" in quirks:  # D1.7: from before the sigmoid's derivative
        return [*weights, e1.sum(0), e2.sum(0), d3.sum(0)]
    return [*weights, d1.sum(0), d2.sum(0), d3.sum(0)]


def compare(quirk: str, net: Network, x: np.ndarray, targets: np.ndarray) -> None:
    """Check the gradients of a batch against the textbook's, from before the pass."""
    dtype, rtol = net.theta.dtype, 1e-4 if net.theta.dtype == np.float32 else 1e-11
    expected = textbook(quirk, net, x, targets)
    backprop(net, x.astype(dtype), targets.astype(dtype))
    for gradient, wanted in zip([*net.weight_grads, *net.bias_grads], expected, strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=rtol, atol=rtol * np.abs(wanted).max())


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("quirk", COMBINATIONS)
def test_quirks_compute_their_textbook_form(quirk: str, loss: str) -> None:
    if "plain_hidden_error" in quirk and loss != "mse":
        return  # the configuration refuses it
    compare(quirk, quirky(quirk, loss), *labelled())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("quirk", QUIRKS)
def test_batches_of_every_size_with_a_shorter_last_one(quirk: str, dtype: str) -> None:
    for rows in range(1, 21):
        net, (x, targets) = quirky(quirk, rows=rows, dtype=dtype), labelled(rows)
        for n in (rows, *range(1, rows)):
            compare(quirk, net, x[:n], targets[:n])


@pytest.mark.parametrize(
    ("quirk", "changed"),
    [
        ("updated_weights", {"weights 1", "weights 2", "biases 1", "biases 2"}),
        ("underived_bias", {"biases 1", "biases 2"}),
        ("plain_hidden_error", {"weights 1", "weights 2", "biases 1", "biases 2"}),
    ],
)
def test_a_quirk_changes_nothing_else(quirk: str, changed: set[str]) -> None:
    net, (x, targets) = quirky(quirk), labelled()
    plain = right(net)
    assert backprop(net, x, targets) == backprop(plain, x, targets)
    names = [f"{kind} {layer}" for kind in ("weights", "biases") for layer in (1, 2, 3)]
    pairs = zip(
        [*net.weight_grads, *net.bias_grads],
        [*plain.weight_grads, *plain.bias_grads],
        strict=True,
    )
    differing = {n for n, (a, b) in zip(names, pairs, strict=True) if not np.array_equal(a, b)}
    assert differing == changed


def test_updated_weights_is_backpropagation_in_the_limit_of_a_small_rate() -> None:
    net, (x, targets) = quirky("updated_weights"), labelled()
    net.optimizer = SGD(net.theta.size, net.theta.dtype, 0.0)  # type: ignore[attr-defined]
    plain = right(net)
    backprop(net, x, targets)
    backprop(plain, x, targets)
    assert np.array_equal(net.grad, plain.grad)


def states(optimizer: Optimizer) -> dict[str, Any]:
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(optimizer).items()}


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updated_weights_are_those_of_any_optimizer(name: str, decay: float) -> None:
    net = quirky("updated_weights")
    assert isinstance(net, UpdatedWeights)
    net.optimizer, net.weight_decay = OPTIMIZERS[name](net.theta.size, net.theta.dtype, LR), decay
    bounds = np.cumsum([0, *(w.size for w in net.weights)])
    twin = OPTIMIZERS[name](net.theta.size, net.theta.dtype, LR)

    def after(weights: np.ndarray, gradient: np.ndarray, layer: int) -> np.ndarray:
        """Update all parameters by a twin of the optimiser, and keep one layer's weights."""
        full, trial = np.zeros(net.theta.size), copy.deepcopy(twin)
        own = slice(*bounds[layer - 1 : layer + 1])
        full[own] = (gradient + decay * weights).ravel()
        trial.update(full)
        return weights + full[own].reshape(weights.shape)

    x, targets = labelled()
    for _ in range(3):  # from the second step on, most optimisers have a state
        expected = textbook("updated_weights", net, x, targets, after)
        theta, state = net.theta.copy(), states(net.optimizer)
        backprop(net, x, targets)
        assert np.array_equal(net.theta, theta)
        assert states(net.optimizer) == state
        for gradient, wanted in zip([*net.weight_grads, *net.bias_grads], expected, strict=True):
            np.testing.assert_allclose(gradient, wanted, rtol=1e-9, atol=1e-12)
        net.grad[: net.weight_count] += decay * net.theta[: net.weight_count]
        twin.update(net.grad.copy())
        net.optimizer.update(net.grad)
        net.theta += net.grad


def test_position_biases_are_ordinary_ones_when_all_positions_agree() -> None:
    net, (x, targets) = quirky("position_bias", "cross_entropy"), labelled()
    plain = right(net)
    for mine, ordinary in zip(net.biases, plain.biases, strict=True):
        assert mine.shape == (6, *ordinary.shape)
        mine[...] = ordinary
    assert backprop(net, x, targets) == backprop(plain, x, targets)
    for mine, ordinary in zip(net.weight_grads, plain.weight_grads, strict=True):
        np.testing.assert_allclose(mine, ordinary, rtol=1e-13, atol=1e-16)
    for mine, ordinary in zip(net.bias_grads, plain.bias_grads, strict=True):
        np.testing.assert_allclose(mine.sum(axis=0), ordinary, rtol=1e-13, atol=1e-16)


def test_position_biases_beyond_a_short_batch_get_no_gradient() -> None:
    net, (x, targets) = quirky("position_bias"), labelled()
    backprop(net, x, targets)
    backprop(net, x[:2], targets[:2])
    for gradient in net.bias_grads:
        assert gradient[:2].any()
        assert not gradient[2:].any()
