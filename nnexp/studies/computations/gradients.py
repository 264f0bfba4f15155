"""Gradients by backpropagation and by central differences: their difference and their cost."""

from __future__ import annotations

import math
import time

import numpy as np

from nnexp import validation
from nnexp.config.hidden_layers import parse_hidden
from nnexp.data import arrays, target_codes
from nnexp.errors import InputError
from nnexp.nn.numerical_gradient import numerical_gradient
from nnexp.studies.computations.arguments import (
    Quantities,
    counts,
    made,
    numbers,
    rows_of,
    sequence,
)
from nnexp.studies.computations.networks import drawn, fill_gradient, network_of

_METHODS = ("backprop", "numerical")
# Rounds of timing, whose median is taken, and backpropagations in each.
_ROUNDS, _REPEATS = 10, 20


def loss_gradient(
    x: object,
    target: object,
    weights: object,
    loss: object = "cross_entropy",
    method: str = "backprop",
    h: float = 1e-4,
) -> Quantities:
    """Return the loss of one layer without biases, its gradient ``dW`` (i, o), and ``rise`` (i, o).

    ``x`` is (i,) or (n, i), ``target`` (o,) or (n, o), ``weights`` (i, o). ``method=numerical``
    takes central differences of width ``h``; ``rise`` is how much the loss changes when one weight
    alone is larger by ``h``.
    """
    batch, targets, matrix = (
        rows_of("x", x),
        rows_of("target", target),
        numbers("weights", weights, 2),
    )
    h = validation.real("h", h, 0, open_=True)
    if batch.shape[1] != len(matrix) or targets.shape != (len(batch), matrix.shape[1]):
        raise InputError(
            f"x {batch.shape}, weights {matrix.shape} and target {targets.shape} do not fit: "
            "give (n, i), (i, o) and (n, o)"
        )
    none, bias = made("activation", "identity"), np.zeros(matrix.shape[1])
    network = network_of(none, made("loss", loss), [matrix], [bias], len(batch))
    value = fill_gradient(network, batch, targets, validation.choice("method", method, _METHODS), h)
    gradient = network.weight_grads[0].copy()
    rise = np.empty_like(matrix)
    for place in np.ndindex(*matrix.shape):
        network.weights[0][place] += h
        rise[place] = fill_gradient(network, batch, targets, "backprop", h) - value
        network.weights[0][place] = matrix[place]
    return {"loss": value, "dW": gradient, "rise": rise}


def gradient_agreement(
    hidden: object,
    features: int = 20,
    outputs: int = 10,
    batch: int = 10,
    activation: object = "sigmoid",
    loss: object = "cross_entropy",
    init: object = "xavier",
    seed: int = 0,
    h: float = 1e-4,
) -> Quantities:
    """Return the largest ``difference`` between backpropagation and central differences.

    ``hidden`` lists networks by their hidden layers, as in ``[none, 15, 9x8x7]``. The distance is
    that of a layer's two gradients, of its weights or its biases, relative to their norm; the
    largest over layers and networks counts. Inputs are standard normal, labels uniform, all in
    float64. Also ``parameters``, how many derivatives were compared.
    """
    features, outputs, batch = counts(features=features, outputs=outputs, batch=batch)
    rng = np.random.default_rng(validation.whole("seed", seed, 0))
    classes = max(outputs, 2)
    codes = target_codes("one_hot", classes, outputs, np.float64)
    worst, compared = 0.0, 0
    h = validation.real("h", h, 0, open_=True)
    for widths in map(parse_hidden, sequence("hidden", hidden)):
        network = drawn((features, *widths, outputs), activation, loss, init, batch, seed)
        x = rng.standard_normal((batch, features))
        targets = codes[rng.integers(0, classes, batch)]
        fill_gradient(network, x, targets, "backprop", h)
        exact = [part.copy() for part in (*network.weight_grads, *network.bias_grads)]
        fill_gradient(network, x, targets, "numerical", h)
        for one, other in zip(exact, (*network.weight_grads, *network.bias_grads), strict=True):
            size, apart = (float(np.linalg.norm(v)) for v in (one, one - other))
            worst = max(worst, apart / size if size else math.inf if apart else 0.0)
        compared += network.theta.size
    return {"difference": worst, "parameters": float(compared)}


def gradient_cost(
    hidden: object = 50, batch: int = 100, timed: int = 2000, iterations: int = 100
) -> Quantities:
    """Return the cost of a numerical gradient of every parameter, and of backpropagation (D4.3).

    On MNIST's first ``batch`` images, sigmoid, cross-entropy, float64. The derivatives by
    ``timed`` parameters, spread over the network, are timed in ten rounds that alternate with
    backpropagation, and the time for all ``parameters`` is extrapolated: ``numerical_seconds``.
    ``ratio`` is that by ``backprop_seconds``, ``orders`` its decimal logarithm, ``hours`` the time
    of ``iterations`` numerical gradients, and ``passes`` how many forward passes one of them takes.
    """
    batch, iterations = counts(batch=batch, iterations=iterations)
    images, labels, *_ = arrays("mnist", first=batch)
    x, targets = images.astype(np.float64), np.eye(10)[labels]
    sizes = (x.shape[1], *parse_hidden(hidden), 10)
    network = drawn(sizes, "sigmoid", "cross_entropy", "normal", len(x), seed=0)
    parameters = network.theta.size
    size = validation.whole("timed", timed, _ROUNDS, parameters) // _ROUNDS
    starts = np.linspace(0, parameters - size, _ROUNDS).astype(int)
    by_pass, by_backprop = [], []
    for first in starts:
        begin = time.perf_counter()
        for _ in range(_REPEATS):
            fill_gradient(network, x, targets, "backprop", 1e-4)
        by_backprop.append((time.perf_counter() - begin) / _REPEATS)
        # A stand-in that knows some of the parameters alone, which it shares with the network.
        part = network.with_own_buffers(network.rows)
        part.theta, part.grad = (v[first : first + size] for v in (network.theta, network.grad))
        begin = time.perf_counter()
        numerical_gradient(part, x, targets)
        by_pass.append((time.perf_counter() - begin) / (1 + 2 * size))
    passes = 1 + 2 * parameters
    numerical, backprop = passes * float(np.median(by_pass)), float(np.median(by_backprop))
    return {
        "parameters": float(parameters),
        "timed": float(size * _ROUNDS),
        "passes": float(passes),
        "numerical_seconds": numerical,
        "backprop_seconds": backprop,
        "ratio": numerical / backprop,
        "orders": math.log10(numerical / backprop),
        "hours": iterations * numerical / 3600,
    }
