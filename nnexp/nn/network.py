"""The multi-layer perceptron: forward, backward, and nothing else.

Symbols: ``n`` rows of a batch, ``i`` fan-in, ``o`` fan-out of a layer, ``k`` outputs. Rows are
examples: ``z (n, o) = x (n, i) @ W (i, o) + b (o,)``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.errors import InputError
from nnexp.nn.activations import Activation
from nnexp.nn.initializers import Initializer
from nnexp.nn.losses import Loss
from nnexp.rng import stream

Array = npt.NDArray[Any]


class Network:
    """A fully connected network with one flat parameter vector and buffers made once.

    ``theta`` holds all weights and then all biases, ``grad`` their gradients in the same order;
    ``weights[l] (i, o)``, ``biases[l] (o,)``, ``weight_grads`` and ``bias_grads`` are views of
    them. ``sizes`` runs from the inputs to the outputs; ``rows`` is the largest batch. Activations
    and deltas live in buffers of that many rows, so that a step allocates nothing of its size;
    there is room for ``evaluation_rows`` at least, the rows at a time of an evaluation. The output
    layer's lie column after column: a loss sums over its few columns.
    """

    evaluation_rows = 1000

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Activation,
        loss: Loss,
        rows: int,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self.sizes = tuple(sizes)
        self.activation = activation
        self.loss = loss
        widths = self.sizes[1:]
        shapes = list(zip(self.sizes[:-1], widths, strict=True))
        bias_shapes = [self.bias_shape(o) for o in widths]
        self.weight_count = sum(i * o for i, o in shapes)
        size = self.weight_count + sum(math.prod(shape) for shape in bias_shapes)
        self.theta: Array = np.zeros(size, dtype)
        self.grad: Array = np.zeros(size, dtype)
        self.weights, self.biases = _views(self.theta, [*shapes, *bias_shapes])
        self.weight_grads, self.bias_grads = _views(self.grad, [*shapes, *bias_shapes])
        self.make_buffers(max(rows, self.evaluation_rows))

    def make_buffers(self, rows: int) -> None:
        """Make the buffers that hold what becomes of ``rows`` examples at most."""
        self.rows = rows
        dtype, hidden, outputs = self.theta.dtype, self.sizes[1:-1], self.sizes[-1]

        def buffers() -> list[Array]:
            inner: list[Array] = [np.empty((rows, o), dtype) for o in hidden]
            return [*inner, np.empty((rows, outputs), dtype, "F")]

        self.activations, self.deltas = buffers(), buffers()
        self.inputs = buffers() if self.activation.needs_input else self.deltas
        self.row: Array = np.empty((rows, 1), dtype)
        self.ones: Array = np.ones(rows, dtype)

    def twin(self, rows: int) -> Network:
        """Return this network, its parameters and gradients shared, with buffers of its own."""
        twin = copy.copy(self)
        twin.make_buffers(rows)
        return twin

    def initialize(self, weights: Initializer, biases: Initializer, seed: int) -> None:
        """Draw all parameters; every layer from a stream of its own, weights apart from biases.

        Numbers are drawn in float64 and rounded, so float32 and float64 networks start alike.

        Raises
        ------
        InputError
            If an initialiser returns another shape than it was asked for.
        """
        for layer, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            w[...] = _draw(weights, stream(seed, "weights", layer), *w.shape)
            rows, units = math.prod(b.shape[:-1]), b.shape[-1]
            b[...] = _draw(biases, stream(seed, "biases", layer), rows, units)

    def arrays(self) -> dict[str, Array]:
        """Return copies of the parameters: ``W1 (i, o)``, ``b1 (o,)``, ``W2``, …."""
        return {name: own.copy() for name, own in self._named()}

    def load_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Take over the parameters that `arrays` returned; other keys are passed over.

        Raises
        ------
        ValueError
            If one is missing, or has another shape or dtype.
        """
        for name, own in self._named():
            stored = arrays.get(name)
            if stored is None or stored.shape != own.shape or stored.dtype != own.dtype:
                raise ValueError(f"{name} is not an array {own.shape} of {own.dtype}")
            own[...] = stored

    def forward(self, x: Array) -> Array:
        """Return the logits (n, k) of ``x (n, i)``: a view of a buffer, until the next call."""
        n, below, last = len(x), x, len(self.weights) - 1
        for layer, weights in enumerate(self.weights):
            z = np.matmul(below, weights, out=self.activations[layer][:n])
            self.add_bias(layer, z)
            if layer < last:
                if self.activation.needs_input:
                    np.copyto(self.inputs[layer][:n], z)
                self.activation.forward(z, self.deltas[layer][:n])
            below = z
        return below

    def backward(self, x: Array, targets: Array) -> float:
        """Return the mean loss of the batch just sent ``forward``; fill ``grad`` with its gradient.

        ``x (n, i)`` and ``targets (n, k)`` are that batch's. The logits and activations are spent.
        """
        n = len(x)
        loss = self.output_gradient(targets, n)
        delta = self.activations[-1][:n]
        for layer in reversed(range(len(self.weights))):
            below = self.activations[layer - 1][:n] if layer else x
            np.matmul(below.T, delta, out=self.weight_grads[layer])
            self.bias_gradient(layer, delta)
            if layer:
                upstream = self.deltas[layer - 1][:n]
                self.propagate(layer, delta, upstream)
                self.activation.backward(upstream, below, self.inputs[layer - 1][:n])
                delta = upstream
        return loss

    def _named(self) -> Iterator[tuple[str, Array]]:
        for layer, (w, b) in enumerate(zip(self.weights, self.biases, strict=True), start=1):
            yield f"W{layer}", w
            yield f"b{layer}", b

    def output_gradient(self, targets: Array, n: int) -> float:
        """Return Σ losses / ``n`` of the rows just sent ``forward``, given ``targets (rows, k)``.

        Their logits become its gradient, in place.
        """
        rows = len(targets)
        logits, scratch = self.activations[-1][:rows], self.deltas[-1][:rows]
        return self.loss(logits, targets, n, scratch, self.row[:rows])

    def bias_shape(self, units: int) -> tuple[int, ...]:
        """Return the shape of the biases of a layer of ``units``."""
        return (units,)

    def add_bias(self, layer: int, z: Array) -> None:
        """Add a layer's biases to ``z (n, o)`` in place."""
        z += self.biases[layer]

    def bias_gradient(self, layer: int, delta: Array) -> None:
        """Fill the gradient of a layer's biases from its ``delta (n, o)``: the sum of its rows."""
        np.matmul(self.ones[: len(delta)], delta, out=self.bias_grads[layer])

    def propagate(self, layer: int, delta: Array, out: Array) -> None:
        """Write the gradient by a layer's inputs into ``out (n, i)``, given ``delta (n, o)``."""
        np.matmul(delta, self.weights[layer].T, out=out)


def _draw(initializer: Initializer, rng: np.random.Generator, rows: int, units: int) -> Array:
    drawn = initializer(rng, rows, units)
    if np.shape(drawn) != (rows, units):
        asked = f"initialiser asked for shape {(rows, units)}"
        raise InputError(f"an {asked} returned {np.shape(drawn)}: return (fan_in, fan_out)")
    return drawn


def _views(flat: Array, shapes: Sequence[tuple[int, ...]]) -> tuple[list[Array], list[Array]]:
    """Cut ``flat`` into views of ``shapes``; return its two halves, weights and biases."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = np.split(flat, ends[:-1])
    views = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    half = len(views) // 2
    return views[:half], views[half:]
