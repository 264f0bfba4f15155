"""Backpropagation against central differences."""

from __future__ import annotations

import inspect
import itertools

import numpy as np
import pytest

from nnexp.errors import InputError
from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.initializers import INITIALIZERS
from nnexp.nn.losses import LOSSES, OUTPUTS, Loss, cross_entropy
from nnexp.nn.network import Network
from nnexp.nn.numerical_gradient import numerical_gradient
from nnexp.nn.optimizers import add_decay

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
