"""Errors found in the documents, as variants of the network, which itself knows none of them.

Each is a ``Network`` with one rule changed. They combine by inheriting from several of them, in
alphabetical order: the error that `PlainHiddenError` chooses passes through the weights that
`UpdatedWeights` chooses. Two errors need no variant, as settings express them: the plain output
error (O - y) everywhere is ``loss=binary_cross_entropy loss.reduction=sum``, and a gradient summed
over the batch is a larger ``lr``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.nn.activations import Activation
from nnexp.nn.losses import OUTPUTS, Loss
from nnexp.nn.network import Network
from nnexp.nn.optimizers import Optimizer, preview

Array = npt.NDArray[Any]


class PlainHiddenError(Network):
    """D2.2: the hidden error is (O - y)·W2ᵀ without the output's derivative.

    The output layer's own update keeps the derivative. The error is averaged over the batch.
    """

    def compute_loss(self, targets: Array, n: int | None = None) -> float:
        """Return the mean loss, and keep O - y for `backward`."""
        error = self.activations[-1][: len(targets)].copy()
        OUTPUTS[self.loss.output](error)
        error -= targets
        error /= n or len(targets)
        self.output_error = error
        return super().compute_loss(targets, n)

    def input_gradient(self, layer: int, delta: Array, out: Array) -> None:
        """Pass O - y down from the output layer, and delta from every other."""
        is_output = layer == len(self.weights) - 1
        super().input_gradient(layer, self.output_error if is_output else delta, out)


class UpdatedWeights(Network):
    """D0.7, D2.1: a layer's weights are updated before the error is passed through them.

    ``optimizer`` and ``weight_decay`` are those of the steps. `backward` needs them, as they decide
    what the weights will be, but changes neither the weights nor the optimiser.
    """

    optimizer: Optimizer
    weight_decay = 0.0

    def input_gradient(self, layer: int, delta: Array, out: Array) -> None:
        """Pass the error down through the weights after this step, W - lr·dW in plain SGD."""
        weights = self.weights[layer]
        start = sum(w.size for w in self.weights[:layer])
        gradient = self.weight_grads[layer].reshape(-1).copy()
        if self.weight_decay:
            gradient += weights.reshape(-1) * self.weight_decay
        change = preview(self.optimizer, gradient, slice(start, start + weights.size))
        np.matmul(delta, (weights + change.reshape(weights.shape)).T, out=out)


class UnderivedBias(Network):
    """D1.7: hidden biases descend the error from before the activation's derivative."""

    def input_gradient(self, layer: int, delta: Array, out: Array) -> None:
        """Pass the error down, and sum the bias gradient of the layer below too early."""
        super().input_gradient(layer, delta, out)
        np.sum(out, axis=0, out=self.bias_grads[layer - 1])

    def bias_gradient(self, layer: int, delta: Array) -> None:
        """Fill the output layer's gradient; a hidden layer's is already filled."""
        if layer == len(self.weights) - 1:
            super().bias_gradient(layer, delta)


class PositionBias(Network):
    """D3.3: a bias vector for every position in the batch, ``biases[l] (batch_size, o)``."""

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Activation,
        loss: Loss,
        rows: int,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.evaluation_rows = rows
        super().__init__(sizes, activation, loss, rows, dtype)

    def bias_shape(self, units: int) -> tuple[int, ...]:
        """Return (batch_size, units)."""
        return (self.evaluation_rows, units)

    def add_bias(self, layer: int, z: Array) -> None:
        """Add its position's biases to each row of ``z (n, o)``."""
        z += self.biases[layer][: len(z)]

    def bias_gradient(self, layer: int, delta: Array) -> None:
        """Fill each position's gradient: its own row of ``delta``."""
        self.bias_grads[layer].fill(0)
        self.bias_grads[layer][: len(delta)] = delta


QUIRKS: dict[str, type[Network]] = {
    "plain_hidden_error": PlainHiddenError,
    "updated_weights": UpdatedWeights,
    "underived_bias": UnderivedBias,
    "position_bias": PositionBias,
}


def network_class(quirk: str | None) -> type[Network]:
    """Return the class of a network with ``quirk``: a name, or sorted names joined by ``+``."""
    if quirk is None:
        return Network
    return type(quirk, tuple(QUIRKS[name] for name in quirk.split("+")), {})
