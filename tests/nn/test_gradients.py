"""Backpropagation against central differences, and every quirk against its textbook form."""

from __future__ import annotations

import inspect
import itertools
from typing import Any

import numpy as np
import pytest

from nnexp.errors import InputError
from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.initializers import INITIALIZERS
from nnexp.nn.losses import LOSSES, OUTPUTS, Loss, cross_entropy, mse
from nnexp.nn.network import Network
from nnexp.nn.numerical_gradient import numerical_gradient
from nnexp.nn.optimizers import add_decay
from nnexp.nn.quirks import QUIRKS, UpdatedWeights

RANGES = {"reduction": ("mean", "sum"), "output": tuple(OUTPUTS)}
H = 1e-5  # error of the difference itself about h² = 1e-10, of rounding about 1e-16 / h = 1e-11


def losses() -> dict[str, Loss]:
    """Return every registered loss with all its reductions and outputs."""
    found = {}
    for name, factory in LOSSES.items():
        keys = list(inspect.signature(factory).parameters)
        for values in itertools.product(*(RANGES[key] for key in keys)):
            found["-".join([name, *values])] = factory(**dict(zip(keys, values, strict=True)))
    return found


def network(
    sizes: list[int], activation: str, loss: Loss, kind: type[Network] = Network, rows: int = 6
) -> Network:
    net = kind(sizes, ACTIVATIONS[activation](), loss, rows, np.float64)
    net.initialize(INITIALIZERS["xavier"], INITIALIZERS["randn"], seed=1)
    return net


def batch(inputs: int, outputs: int, n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs, and soft targets whose rows do not even sum to 1."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, inputs)), rng.random((n, outputs))


def backprop(net: Network, x: np.ndarray, targets: np.ndarray) -> float:
    net.forward(x)
    loss = net.compute_loss(targets)
    net.backward(x)
    return loss


# Every activation with every loss, and each of them at every depth.
PAIRS = [
    pytest.param(activation, loss, (i + j) % 5, id=f"{activation}-{name}-{(i + j) % 5}")
    for i, activation in enumerate(ACTIVATIONS)
    for j, (name, loss) in enumerate(losses().items())
]


def test_the_pairs_are_complete() -> None:
    depths = {(p.values[0], p.values[2]) for p in PAIRS}
    depths |= {(p.id.split("-", 1)[1].rsplit("-", 1)[0], p.values[2]) for p in PAIRS}
    assert len(depths) == 5 * (len(ACTIVATIONS) + len(losses()))


@pytest.mark.parametrize(("activation", "loss", "depth"), PAIRS)
def test_backpropagation_gives_the_numerical_gradient(
    activation: str, loss: Loss, depth: int
) -> None:
    for outputs in (3, 1):
        if outputs == 1 and loss.output == "softmax":
            continue  # always 1: the configuration refuses it
        net = network([4, *[5] * depth, outputs], activation, loss)
        x, targets = batch(4, outputs)
        value = backprop(net, x, targets)
        analytic = net.grad.copy()
        assert numerical_gradient(net, x, targets, H) == value
        error = net.grad - analytic
        start = 0
        for part in [*net.weight_grads, *net.bias_grads]:  # each layer on its own, however faint
            stop = start + part.size
            assert np.linalg.norm(error[start:stop]) <= 1e-6 * np.linalg.norm(part)
            start = stop
        assert start == net.grad.size


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS.keys() - {"step"}))
def test_wide_networks_along_random_directions(activation: str, loss: str) -> None:
    # Two losses a direction, whatever the size; a step's loss jumps, and has its own test.
    net = network([300, 120, 60, 10], activation, LOSSES[loss](), rows=32)
    x, targets = batch(300, 10, n=32)
    backprop(net, x, targets)
    gradient, theta, length = net.grad.copy(), net.theta.copy(), 1e-4
    for seed in range(3):
        direction = np.random.default_rng(seed).standard_normal(theta.size)
        direction /= np.linalg.norm(direction)
        net.theta[:] = theta + length * direction
        ahead = backprop(net, x, targets)
        net.theta[:] = theta - length * direction
        slope = (ahead - backprop(net, x, targets)) / (2 * length)
        assert slope == pytest.approx(gradient @ direction, rel=1e-6)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_nothing_below_a_step_learns(depth: int) -> None:
    # A step's slope is 0 wherever it has one, so only the output layer gets a gradient.
    net = network([4, *[5] * depth, 3], "step", cross_entropy())
    backprop(net, *batch(4, 3))
    for below in [*net.weight_grads[:-1], *net.bias_grads[:-1]]:
        assert not below.any()
    assert net.weight_grads[-1].any()
    assert net.bias_grads[-1].all()


def test_weight_decay_is_the_gradient_of_half_the_squared_weights() -> None:
    decay = 0.3
    net = network([4, 5, 3], "tanh", cross_entropy())
    x, targets = batch(4, 3)
    backprop(net, x, targets)
    gradient = net.grad.copy()
    weights = net.theta[: net.weight_count]
    add_decay(gradient, weights, decay, np.empty(net.theta.size))

    def penalised() -> float:
        return backprop(net, x, targets) + decay / 2 * float(weights @ weights)

    for j, parameter in enumerate(net.theta.copy()):
        net.theta[j] = parameter + H
        above = penalised()
        net.theta[j] = parameter - H
        slope = (above - penalised()) / (2 * H)
        net.theta[j] = parameter
        assert slope == pytest.approx(gradient[j], rel=1e-6, abs=1e-9)


def test_numerical_gradient_leaves_the_network_as_it_was_and_refuses_float32() -> None:
    net = network([4, 5, 3], "gelu", cross_entropy())
    theta = net.theta.copy()
    numerical_gradient(net, *batch(4, 3))
    assert np.array_equal(net.theta, theta)
    small = Network([4, 3], ACTIVATIONS["tanh"](), cross_entropy(), 6, np.float32)
    with pytest.raises(InputError, match="float64"):
        numerical_gradient(small, *batch(4, 3))


# The documents' slips. Each oracle is the textbook's own form of a network with two hidden sigmoid
# layers: weights W1 W2 W3, errors d1 d2 d3 (by the pre-activations), rows are examples.


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def updated_weights(net: Any, x: np.ndarray, t: np.ndarray) -> list[np.ndarray]:
    """D0.7: each W is updated before the error goes through it."""
    (w1, w2, w3), (b1, b2, b3) = net.weights, net.biases
    a1 = sigmoid(x @ w1 + b1)
    a2 = sigmoid(a1 @ w2 + b2)
    d3 = (softmax(a2 @ w3 + b3) - t) / len(x)
    w3 = w3 - net.lr * a2.T @ d3
    d2 = a2 * (1 - a2) * (d3 @ w3.T)
    w2 = w2 - net.lr * a1.T @ d2
    d1 = a1 * (1 - a1) * (d2 @ w2.T)
    return [x.T @ d1, a1.T @ d2, a2.T @ d3, d1.sum(0), d2.sum(0), d3.sum(0)]


def underived_bias(net: Any, x: np.ndarray, t: np.ndarray) -> list[np.ndarray]:
    """D1.7: a hidden bias descends the error from before the sigmoid's derivative."""
    (w1, w2, w3), (b1, b2, b3) = net.weights, net.biases
    a1 = sigmoid(x @ w1 + b1)
    a2 = sigmoid(a1 @ w2 + b2)
    d3 = (softmax(a2 @ w3 + b3) - t) / len(x)
    e2 = d3 @ w3.T
    d2 = a2 * (1 - a2) * e2
    e1 = d2 @ w2.T
    d1 = a1 * (1 - a1) * e1
    return [x.T @ d1, a1.T @ d2, a2.T @ d3, e1.sum(0), e2.sum(0), d3.sum(0)]


def plain_hidden_error(net: Any, x: np.ndarray, t: np.ndarray) -> list[np.ndarray]:
    """D2.2: the hidden error is (O - y)·W3ᵀ; W3's own update keeps the derivative O(1 - O)."""
    (w1, w2, w3), (b1, b2, b3) = net.weights, net.biases
    a1 = sigmoid(x @ w1 + b1)
    a2 = sigmoid(a1 @ w2 + b2)
    o = sigmoid(a2 @ w3 + b3)
    d3 = (o - t) * o * (1 - o) / len(x)
    d2 = a2 * (1 - a2) * ((o - t) / len(x) @ w3.T)
    d1 = a1 * (1 - a1) * (d2 @ w2.T)
    return [x.T @ d1, a1.T @ d2, a2.T @ d3, d1.sum(0), d2.sum(0), d3.sum(0)]


def position_bias(net: Any, x: np.ndarray, t: np.ndarray) -> list[np.ndarray]:
    """D3.3: biases of shape (batch, units), one vector for each position in the batch."""
    (w1, w2, w3), (b1, b2, b3) = net.weights, net.biases
    a1 = sigmoid(x @ w1 + b1)
    a2 = sigmoid(a1 @ w2 + b2)
    d3 = (softmax(a2 @ w3 + b3) - t) / len(x)
    d2 = a2 * (1 - a2) * (d3 @ w3.T)
    d1 = a1 * (1 - a1) * (d2 @ w2.T)
    return [x.T @ d1, a1.T @ d2, a2.T @ d3, d1, d2, d3]


SIZES = [4, 5, 6, 3]
CLASSES = [2, 0, 1, 1, 0, 2]
TEXTBOOK = {
    "updated_weights": updated_weights,
    "underived_bias": underived_bias,
    "plain_hidden_error": plain_hidden_error,
    "position_bias": position_bias,
}


def labelled() -> tuple[np.ndarray, np.ndarray]:
    return batch(4, 3)[0], np.eye(3)[CLASSES]


def quirky(name: str) -> Network:
    loss = mse("sum", "sigmoid") if name == "plain_hidden_error" else cross_entropy()
    net = network(SIZES, "sigmoid", loss, QUIRKS[name])
    if isinstance(net, UpdatedWeights):
        net.lr = 0.7
    return net


@pytest.mark.parametrize("name", QUIRKS)
def test_a_quirk_computes_its_textbook_form(name: str) -> None:
    net, (x, targets) = quirky(name), labelled()
    expected = TEXTBOOK[name](net, x, targets)
    backprop(net, x, targets)
    for gradient, wanted in zip([*net.weight_grads, *net.bias_grads], expected, strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("updated_weights", {"weights 1", "weights 2", "biases 1", "biases 2"}),
        ("underived_bias", {"biases 1", "biases 2"}),
        ("plain_hidden_error", {"weights 1", "weights 2", "biases 1", "biases 2"}),
    ],
)
def test_a_quirk_changes_nothing_else(name: str, changed: set[str]) -> None:
    net, (x, targets) = quirky(name), labelled()
    right = network(SIZES, "sigmoid", net.loss)
    assert backprop(net, x, targets) == backprop(right, x, targets)
    names = [f"{kind} {layer}" for kind in ("weights", "biases") for layer in (1, 2, 3)]
    pairs = zip(
        [*net.weight_grads, *net.bias_grads],
        [*right.weight_grads, *right.bias_grads],
        strict=True,
    )
    differing = {n for n, (a, b) in zip(names, pairs, strict=True) if not np.array_equal(a, b)}
    assert differing == changed


def test_updated_weights_is_backpropagation_in_the_limit_of_a_small_rate() -> None:
    net, (x, targets) = quirky("updated_weights"), labelled()
    net.lr = 0.0  # type: ignore[attr-defined]
    right = network(SIZES, "sigmoid", net.loss)
    backprop(net, x, targets)
    backprop(right, x, targets)
    assert np.array_equal(net.grad, right.grad)


def test_position_biases_are_ordinary_ones_when_all_positions_agree() -> None:
    net, (x, targets) = quirky("position_bias"), labelled()
    right = network(SIZES, "sigmoid", net.loss)
    for mine, ordinary in zip(net.biases, right.biases, strict=True):
        assert mine.shape == (6, *ordinary.shape)
        mine[...] = ordinary
    assert backprop(net, x, targets) == backprop(right, x, targets)
    for mine, ordinary in zip(net.weight_grads, right.weight_grads, strict=True):
        np.testing.assert_allclose(mine, ordinary, rtol=1e-13, atol=1e-16)
    for mine, ordinary in zip(net.bias_grads, right.bias_grads, strict=True):
        np.testing.assert_allclose(mine.sum(axis=0), ordinary, rtol=1e-13, atol=1e-16)


def test_position_biases_beyond_a_short_batch_get_no_gradient() -> None:
    net, (x, targets) = quirky("position_bias"), labelled()
    backprop(net, x, targets)
    backprop(net, x[:2], targets[:2])
    for gradient in net.bias_grads:
        assert gradient[:2].any()
        assert not gradient[2:].any()
