"""The multi-layer perceptron: forward, loss, backward.

Symbols: ``n`` examples of a batch, ``i`` fan-in and ``o`` fan-out of a layer, ``k`` outputs. Each
row is one example. A layer computes ``z (n, o) = x (n, i) @ W (i, o) + b (o,)`` and the activation
``a = f(z)``; its ``delta (n, o)`` is the gradient of the loss with respect to ``z``.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.errors import InputError
from nnexp.nn.activations import Activation
from nnexp.nn.dropout import Dropout
from nnexp.nn.initializers import Initializer
from nnexp.nn.losses import Loss
from nnexp.rng import stream

Array = npt.NDArray[Any]


class Network:
    """A fully connected network.

    One step of gradient descent is

    >>> logits = network.forward(x)
    >>> loss = network.compute_loss(targets)
    >>> network.backward(x)
    >>> network.theta -= lr * network.grad

    ``theta`` is one flat vector of all parameters, first the weights and then the biases, and
    ``grad`` their gradients in the same order. ``weights[l] (i, o)`` and ``biases[l] (o,)`` are
    views of ``theta``, ``weight_grads[l]`` and ``bias_grads[l]`` views of ``grad``.

    ``sizes`` runs from the inputs to the outputs. ``rows`` is the largest batch: activations and
    deltas are written into buffers of that many rows, so that a step allocates no memory. There
    are at least ``evaluation_rows`` rows, the batch of an evaluation.

    Inputs ``x (n, p)`` may have fewer columns than the first layer has weights: the inputs left out
    are zero, and their weights take no part in the products. ``columns (i,)`` are the features in
    the columns of the inputs, in the order of `nnexp.data.sparsity`; all of them in order by
    default. Parameters are drawn, saved and loaded in the order of the features.

    While ``dropout`` is set, its masks take part in ``forward`` and ``backward``.
    """

    evaluation_rows = 1000
    columns: Array | slice = slice(None)
    dropout: Dropout | None = None

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
        shapes = list(itertools.pairwise(self.sizes))
        bias_shapes = [self.bias_shape(o) for o in self.sizes[1:]]
        self.weight_count = sum(i * o for i, o in shapes)
        size = self.weight_count + sum(math.prod(shape) for shape in bias_shapes)
        self.theta: Array = np.zeros(size, dtype)
        self.grad: Array = np.zeros(size, dtype)
        self.weights, self.biases = _views(self.theta, [*shapes, *bias_shapes])
        self.weight_grads, self.bias_grads = _views(self.grad, [*shapes, *bias_shapes])
        self._allocate(max(rows, self.evaluation_rows))

    def forward(self, x: Array) -> Array:
        """Return the logits (n, k) of ``x (n, p)``: a view of a buffer, valid until the next call.

        The last layer has no activation here: its non-linearity, such as softmax, is the loss's.
        """
        n, a, last = len(x), x, len(self.weights) - 1
        for layer, weights in enumerate(self.weights):
            if self.dropout is not None:
                a = self.dropout.forward(layer, a)
            z = np.matmul(a, weights[: a.shape[1]], out=self.activations[layer][:n])
            self.add_bias(layer, z)
            if layer < last:
                if self.activation.needs_input:
                    np.copyto(self.preactivations[layer][:n], z)
                self.activation.forward(z, self.deltas[layer][:n])  # in place; deltas is scratch
            a = z
        return a

    def compute_loss(self, targets: Array, n: int | None = None) -> float:
        """Return the mean loss of the batch just sent ``forward``, given its ``targets (rows, k)``.

        The logits are overwritten with the gradient of the loss with respect to them, which is
        where ``backward`` starts. ``n`` replaces the number of rows as the divisor of the sum, for
        a batch that is computed in parts.
        """
        rows = len(targets)
        scratch, row_scratch = self._loss_scratch
        logits = self.activations[-1][:rows]
        return self.loss(logits, targets, n or rows, scratch[:rows], row_scratch[:rows])

    def backward(self, x: Array) -> None:
        """Fill ``grad`` with the gradient of the loss just computed for the inputs ``x (n, p)``.

        The activations are overwritten: they serve as scratch for the derivatives.
        """
        n = len(x)
        delta = self.activations[-1][:n]  # by `compute_loss`
        for layer in reversed(range(len(self.weights))):
            a = self.activations[layer - 1][:n] if layer else x  # the layer's input
            kept = a if self.dropout is None else self.dropout.inputs(layer, a)
            self.weight_gradient(layer, kept, delta)
            self.bias_gradient(layer, delta)
            if layer:
                delta_below = self.deltas[layer - 1][:n]
                self.input_gradient(layer, delta, delta_below)
                if self.dropout is not None:
                    self.dropout.backward(layer, delta_below)
                self.activation.backward(delta_below, a, self.preactivations[layer - 1][:n])
                delta = delta_below

    # The rules of a layer, which the variants in `nnexp.nn.quirks` change.

    def bias_shape(self, units: int) -> tuple[int, ...]:
        """Return the shape of the biases of a layer of ``units``."""
        return (units,)

    def add_bias(self, layer: int, z: Array) -> None:
        """Add a layer's biases to ``z (n, o)`` in place."""
        z += self.biases[layer]

    def weight_gradient(self, layer: int, a: Array, delta: Array) -> None:
        """Fill the gradient of a layer's weights, a.T @ delta; it is zero where inputs are."""
        gradient, width = self.weight_grads[layer], a.shape[1]
        np.matmul(a.T, delta, out=gradient[:width])
        if width < len(gradient):
            gradient[width:] = 0

    def bias_gradient(self, layer: int, delta: Array) -> None:
        """Fill the gradient of a layer's biases: the sum of the rows of its ``delta (n, o)``."""
        np.matmul(self.ones[: len(delta)], delta, out=self.bias_grads[layer])

    def input_gradient(self, layer: int, delta: Array, out: Array) -> None:
        """Write the gradient of the loss by a layer's inputs into ``out (n, i)``: delta @ W.T."""
        np.matmul(delta, self.weights[layer].T, out=out)

    # Parameters: drawn, saved, loaded.

    def initialize(
        self, weights: Initializer, biases: Initializer, seed: int, redrawn: bool = False
    ) -> None:
        """Draw all parameters: each layer's weights and biases from a random stream of their own.

        Numbers are drawn in float64 and rounded, so float32 and float64 networks start alike. With
        ``redrawn``, they are others of the same seed.

        Raises
        ------
        InputError
            If an initialiser returns an array of the wrong shape.
        """
        prefix = "redrawn_" if redrawn else ""
        for layer, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            w[...] = _draw(weights, stream(seed, f"{prefix}weights", layer), *w.shape)
            rows, units = math.prod(b.shape[:-1]), b.shape[-1]
            b[...] = _draw(biases, stream(seed, f"{prefix}biases", layer), rows, units)
        self.theta[...] = self.by_column(self.theta)

    def arrays(self) -> dict[str, Array]:
        """Return copies of the parameters: ``W1 (i, o)``, ``b1 (o,)``, ``W2``, …."""
        return dict(self._named(self.by_feature(self.theta)))

    def load_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Set the parameters to those that `arrays` returned; other keys are ignored.

        Raises
        ------
        ValueError
            If one is missing, or has another shape or dtype.
        """
        loaded = np.empty_like(self.theta)
        for name, parameter in self._named(loaded):
            stored = arrays.get(name)
            if stored is None or stored.shape != parameter.shape or stored.dtype != parameter.dtype:
                raise ValueError(f"{name} is not an array {parameter.shape} of {parameter.dtype}")
            parameter[...] = stored
        self.theta[...] = self.by_column(loaded)

    def by_feature(self, flat: Array) -> Array:
        """Return a copy of ``flat``, laid out like ``theta``, in the order of the features."""
        ordered: Array = flat.copy()
        self._first_layer(ordered)[self.columns] = self._first_layer(flat)
        return ordered

    def by_column(self, flat: Array) -> Array:
        """Return a copy of ``flat (size,)`` in the order of the columns: undoes `by_feature`."""
        ordered: Array = flat.copy()
        self._first_layer(ordered)[...] = self._first_layer(flat)[self.columns]
        return ordered

    def _first_layer(self, flat: Array) -> Array:
        first = self.weights[0]
        return flat[: first.size].reshape(first.shape)

    def _named(self, flat: Array) -> Iterator[tuple[str, Array]]:
        weights, biases = _views(flat, [part.shape for part in (*self.weights, *self.biases)])
        for layer, (w, b) in enumerate(zip(weights, biases, strict=True), start=1):
            yield f"W{layer}", w
            yield f"b{layer}", b

    # Buffers.

    def with_own_buffers(self, rows: int) -> Network:
        """Return a network that shares ``theta`` and ``grad`` with this one, but no buffers.

        Two threads can then send batches of at most ``rows`` through the same parameters.
        """
        other = copy.copy(self)
        other._allocate(rows)
        return other

    def _allocate(self, rows: int) -> None:
        """Allocate the buffers for batches of at most ``rows`` examples.

        ``activations[l]`` are those of each layer, the last one's being the logits, in Fortran
        order as a loss sums over its few columns. ``deltas`` and ``preactivations`` have hidden
        layers alone; the latter are kept only if the activation's derivative needs them.
        """
        self.rows = rows
        dtype, outputs = self.theta.dtype, self.sizes[-1]

        def hidden() -> list[Array]:
            return [np.empty((rows, o), dtype) for o in self.sizes[1:-1]]

        self.activations: list[Array] = [*hidden(), np.empty((rows, outputs), dtype, "F")]
        self.deltas: list[Array] = hidden()
        self.preactivations = hidden() if self.activation.needs_input else self.deltas
        self._loss_scratch: tuple[Array, Array] = (
            np.empty((rows, outputs), dtype, "F"),
            np.empty((rows, 1), dtype),
        )
        self.ones: Array = np.ones(rows, dtype)


def _draw(initializer: Initializer, rng: np.random.Generator, rows: int, units: int) -> Array:
    drawn = initializer(rng, rows, units)
    if np.shape(drawn) != (rows, units):
        raise InputError(
            f"an initialiser asked for shape {(rows, units)} returned {np.shape(drawn)}: "
            f"return (fan_in, fan_out)"
        )
    return drawn


def _views(flat: Array, shapes: Sequence[tuple[int, ...]]) -> tuple[list[Array], list[Array]]:
    """Cut ``flat`` into views of ``shapes``; return its two halves, weights and biases."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = np.split(flat, ends[:-1])
    views = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    half = len(views) // 2
    return views[:half], views[half:]
