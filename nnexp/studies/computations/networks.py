"""Networks of computations, in float64, and their gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnexp import validation
from nnexp.errors import InputError
from nnexp.nn.activations import Activation
from nnexp.nn.losses import Loss
from nnexp.nn.network import Network
from nnexp.nn.numerical_gradient import numerical_gradient
from nnexp.studies.computations.arguments import Array, made


def check_chain(features: int, matrices: Sequence[Array], vectors: Sequence[Array]) -> None:
    """Refuse layers whose inputs do not fit the outputs of the layer below."""
    if len(matrices) != len(vectors):
        raise InputError(f"give a bias vector for each of the {len(matrices)} weight matrices")
    for layer, (matrix, vector) in enumerate(zip(matrices, vectors, strict=True), 1):
        if matrix.shape != (features, len(vector)):
            raise InputError(
                f"layer {layer} takes {features} inputs and has {len(vector)} biases, and its "
                f"weights have the shape {matrix.shape} as (in, out): correct them, or the layout"
            )
        features = len(vector)


def network_of(
    activation: Activation, loss: Loss, weights: Sequence[Array], biases: Sequence[Array], rows: int
) -> Network:
    """Return the float64 network with these ``weights``, each (in, out), and ``biases``."""
    sizes = [len(weights[0]), *(len(vector) for vector in biases)]
    network = Network(sizes, activation, loss, rows, np.float64)
    for own, given in zip((*network.weights, *network.biases), (*weights, *biases), strict=True):
        own[...] = given
    return network


def drawn(
    sizes: Sequence[int],
    activation: object,
    loss: object,
    init: object,
    rows: int,
    seed: int,
    biases: str = "zero",
) -> Network:
    """Return a float64 network of these layer sizes, drawn from ``seed``."""
    network = Network(sizes, made("activation", activation), made("loss", loss), rows, np.float64)
    seed = validation.whole("seed", seed, 0)
    network.initialize(made("init", init), made("bias_init", biases), seed)
    return network


def fill_gradient(network: Network, x: Array, targets: Array, method: str, h: float) -> float:
    """Return the loss and fill the network's gradient by ``method``, backprop or numerical."""
    if method == "numerical":
        return numerical_gradient(network, x, targets, h)
    network.forward(x)
    loss = network.compute_loss(targets)
    network.backward(x)
    return loss
