"""The gradient of a large batch, computed by one or two threads with identical results.

The batch is split into rounds whose activations fit into the cache. Large operations in a round are
split in half: by examples in the forward and backward pass, and by rows of the weight matrix when
its gradient is summed over the round. The split depends only on the sizes, the halves write to
different memory, and rounds are summed in order. So the results are identical whether two threads
compute one half each or one thread computes both. BLAS itself uses one thread (see
`nnexp.process.threads`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.nn.network import Network

Array = npt.NDArray[Any]
Work = Callable[[int, slice], None]
Width = Callable[[Array | slice], int]

HALVES = 2
# Examples per round.
ROUND = 2048
# The smallest number of multiplications in a product, and of elements in an activation, for which
# two threads are faster: below, waking the second thread takes longer than the work.
PRODUCT = 2**23
ELEMENTS = 2**16
# Rows of a weight gradient added at a time, which fit into the cache.
_PART = 256


def suits(batch: int, weights: int) -> bool:
    """Return whether this form is faster for ``batch`` examples and this number of weights."""
    return batch * weights >= 8 * PRODUCT


class Threads:
    """One or two threads that share work in two halves."""

    def __init__(self, threads: int) -> None:
        quiet = functools.partial(np.seterr, over="ignore", invalid="ignore", divide="ignore")
        self._second = ThreadPoolExecutor(1, initializer=quiet) if threads > 1 else None

    def run(self, work: Work, size: int) -> None:
        """Call ``work(half, part)`` for half 0 and 1, each with its part of ``size`` items."""
        first, second = slice(0, size // 2), slice(size // 2, size)
        if self._second is None:
            work(0, first)
            work(1, second)
        else:
            future = self._second.submit(work, 1, second)
            work(0, first)
            future.result()


class ThreadedGradient:
    """Computes the gradient of ``network`` for batches of up to ``batch`` examples."""

    def __init__(self, network: Network, batch: int, threads: Threads) -> None:
        self.network = network.with_own_buffers(min(batch, ROUND))
        self.threads = threads
        rows, dtype, sizes = self.network.rows, network.theta.dtype, network.sizes
        self.x: Array = np.empty((rows, sizes[0]), dtype)
        self.targets: Array = np.empty((rows, sizes[-1]), dtype, "F")
        # A copy of the hidden activations, as backpropagation overwrites them.
        self.kept: list[Array] = [np.empty((rows, o), dtype) for o in sizes[1:-1]]
        self.scratch: Array = np.empty((HALVES, _PART * max(sizes[1:])), dtype)

    def gradient(
        self, examples: Array, labels: Array, codes: Array, rows: Array | None, width_of: Width
    ) -> tuple[float, int]:
        """Return the mean loss and number of correct predictions; write ``network.grad``.

        ``rows (n,)`` are indices of ``examples (…, i)`` and ``labels (…,)``, or ``None`` for all.
        ``codes (classes, k)`` are the targets of each class. From column ``width_of(rows)`` on, the
        examples ``rows`` are zero.
        """
        network = self.network
        n = len(labels) if rows is None else len(rows)
        rounds = -(-n // ROUND)
        loss, correct = 0.0, 0
        for index in range(rounds):
            part = slice(n * index // rounds, n * (index + 1) // rounds)
            size = part.stop - part.start
            which: Array | slice = part if rows is None else rows[part]
            x = examples[part] if rows is None else self.x[:size]
            part_labels, width = labels[which], width_of(which)
            self.forward(x, width, None if rows is None else (examples, rows[part]))
            logits = network.activations[-1][:size]
            correct += int(np.count_nonzero(network.loss.predict(logits) == part_labels))
            targets = self.targets[:size]
            np.take(codes.T, part_labels, axis=1, out=targets.T, mode="clip")
            loss += network.compute_loss(targets, n)
            self.backward(size)
            self.add_gradients(x[:, :width], index == 0)
        return loss, correct

    def forward(self, x: Array, width: int, source: tuple[Array, Array] | None) -> None:
        """Compute the activations for ``x (n, i)``, first copied from a given ``source``.

        ``source`` is a pair (examples, indices). From column ``width`` on, ``x`` is zero.
        """
        network, n, below = self.network, len(x), x[:, :width]
        for layer in range(len(network.weights)):
            z = network.activations[layer][:n]
            weights = network.weights[layer][: below.shape[1]]

            def work(
                _: int,
                rows: slice,
                layer: int = layer,
                below: Array = below,
                weights: Array = weights,
            ) -> None:
                if source is not None and layer == 0:
                    examples, indices = source
                    np.take(examples, indices[rows], axis=0, out=x[rows], mode="clip")
                np.matmul(below[rows], weights, out=network.activations[layer][rows])
                if self.large(layer, n):
                    self.activate(layer, rows)

            self.share(n * weights.size, n, work)
            if not self.large(layer, n):
                self.activate(layer, slice(0, n))
            below = z

    def large(self, layer: int, n: int) -> bool:
        """Return whether the activations of a layer for ``n`` examples are worth splitting."""
        return n * self.network.sizes[layer + 1] >= ELEMENTS

    def activate(self, layer: int, rows: slice) -> None:
        """Add the layer's biases and, in a hidden layer, apply the activation."""
        network = self.network
        z = network.activations[layer][rows]
        z += network.biases[layer]
        if layer < len(self.kept):
            if network.activation.needs_input:
                np.copyto(network.preactivations[layer][rows], z)
            network.activation.forward(z, network.deltas[layer][rows])

    def backward(self, n: int) -> None:
        """Compute the deltas of the hidden layers for the ``n`` examples of the round."""
        network, delta = self.network, self.network.activations[-1]
        for layer in reversed(range(len(self.kept))):
            weights = network.weights[layer + 1]

            def work(_: int, rows: slice, layer: int = layer, delta: Array = delta) -> None:
                transposed = network.weights[layer + 1].T
                np.matmul(delta[rows], transposed, out=network.deltas[layer][rows])
                if self.large(layer, n):
                    self.differentiate(layer, rows)

            self.share(n * weights.size, n, work)
            if not self.large(layer, n):
                self.differentiate(layer, slice(0, n))
            delta = network.deltas[layer]

    def differentiate(self, layer: int, rows: slice) -> None:
        """Multiply the layer's deltas by the activation's derivative; copy the activations."""
        network = self.network
        a = network.activations[layer][rows]
        np.copyto(self.kept[layer][rows], a)
        network.activation.backward(
            network.deltas[layer][rows], a, network.preactivations[layer][rows]
        )

    def add_gradients(self, x: Array, first: bool) -> None:
        """Add the gradients of a round with inputs ``x (n, p)``; the first overwrites them."""
        network, n = self.network, len(x)
        below = [x, *self.kept]
        deltas = [*network.deltas, network.activations[-1]]

        def add(layer: int, half: int, rows: slice) -> None:
            gradient, inputs, delta = network.weight_grads[layer], below[layer], deltas[layer]
            if first:
                np.matmul(inputs[:n, rows].T, delta[:n], out=gradient[rows])
                return
            for start in range(rows.start, rows.stop, _PART):
                block = slice(start, min(start + _PART, rows.stop))
                target = gradient[block]
                more = self.scratch[half, : target.size].reshape(target.shape)
                target += np.matmul(inputs[:n, block].T, delta[:n], out=more)

        if first:
            network.weight_grads[0][x.shape[1] :] = 0
        for layer, inputs in enumerate(below):
            width = inputs.shape[1]
            size = n * width * deltas[layer].shape[1]
            self.share(size, width, functools.partial(add, layer))
        for gradient, delta in zip(network.bias_grads, deltas, strict=True):
            more = np.matmul(network.ones[:n], delta[:n])
            np.copyto(gradient, more if first else gradient + more)

    def share(self, multiplications: int, size: int, work: Work) -> None:
        """Do ``work`` on ``size`` items, in two halves if it has enough ``multiplications``."""
        if multiplications < PRODUCT:
            work(0, slice(0, size))
        else:
            self.threads.run(work, size)
