"""Large batches in lanes: the plain form's gradient, for as many as two threads.

A batch is taken in rounds, whose activations stay in the cache. In each round the two lanes share
out every large piece of work: half the examples each going forward and backward, half of every
weight matrix when its gradient is summed over the round. All bounds follow from the sizes alone, no
two lanes write the same number, and rounds are summed in their order: so whether two threads take a
lane each, or one takes both, the bits are the same. BLAS itself has one thread (`nnexp.threads`).
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

LANES = 2
# Examples of a round.
ROUND = 2048
# Multiplications of a product, and elements of an activation, that are worth two lanes: for less,
# waking a thread takes longer.
PRODUCT = 2**23
ELEMENTS = 2**16
# Rows of a gradient that are added up over the rounds at a time: they fit the cache.
_PART = 256


def suits(batch: int, weights: int) -> bool:
    """Tell whether a step on ``batch`` examples with so many ``weights`` is worth two lanes."""
    return batch * weights >= 8 * PRODUCT


class Team:
    """The threads that take the lanes: one, or two."""

    def __init__(self, threads: int) -> None:
        quiet = functools.partial(np.seterr, over="ignore", invalid="ignore", divide="ignore")
        self._helper = ThreadPoolExecutor(1, initializer=quiet) if threads > 1 else None

    def run(self, work: Work, size: int) -> None:
        """Call ``work(lane, part)`` for both lanes, each with its half of ``size`` things."""
        half = size // 2
        first, second = slice(0, half), slice(half, size)
        if self._helper is None:
            work(0, first)
            work(1, second)
        else:
            other = self._helper.submit(work, 1, second)
            work(0, first)
            other.result()


class Lanes:
    """The gradient of a batch of ``network``'s, by the lanes of ``team``."""

    def __init__(self, network: Network, batch: int, team: Team) -> None:
        self.network = network.twin(min(batch, ROUND))
        self.team = team
        rows, dtype, sizes = self.network.rows, network.theta.dtype, network.sizes
        self.x: Array = np.empty((rows, sizes[0]), dtype)
        self.targets: Array = np.empty((rows, sizes[-1]), dtype, "F")
        # The hidden activations once more, as backpropagation spends them.
        self.kept: list[Array] = [np.empty((rows, o), dtype) for o in sizes[1:-1]]
        self.spare: Array = np.empty((LANES, _PART * max(sizes[1:])), dtype)

    def gradient(
        self, examples: Array, labels: Array, codes: Array, rows: Array | None
    ) -> tuple[float, int]:
        """Return the batch's mean loss and number of hits; fill the network's gradient.

        ``rows (n,)`` are indices into ``examples (…, i)`` and ``labels (…,)``, ``None`` means all;
        ``codes (classes, k)`` are the targets of each class.
        """
        network = self.network
        n = len(labels) if rows is None else len(rows)
        rounds = -(-n // ROUND)
        loss, right = 0.0, 0
        for index in range(rounds):
            part = slice(n * index // rounds, n * (index + 1) // rounds)
            size = part.stop - part.start
            x = examples[part] if rows is None else self.x[:size]
            own = labels[part] if rows is None else np.take(labels, rows[part])
            self.forward(x, None if rows is None else (examples, rows[part]))
            logits = network.activations[-1][:size]
            right += int(np.count_nonzero(network.loss.predict(logits) == own))
            targets = self.targets[:size]
            np.take(codes.T, own, axis=1, out=targets.T, mode="clip")
            loss += network.output_gradient(targets, n)
            self.propagate(size)
            self.sum_up(x, index == 0)
        return loss, right

    def forward(self, x: Array, source: tuple[Array, Array] | None) -> None:
        """Send ``x (n, i)`` through the network; copy it from examples and indices, if given."""
        network, n, below = self.network, len(x), x
        for layer, weights in enumerate(network.weights):
            z = network.activations[layer][:n]

            def work(_: int, rows: slice, layer: int = layer, below: Array = below) -> None:
                if source is not None and layer == 0:
                    examples, indices = source
                    np.take(examples, indices[rows], axis=0, out=below[rows], mode="clip")
                np.matmul(below[rows], network.weights[layer], out=network.activations[layer][rows])
                if self.large(layer, n):
                    self.activate(layer, rows)

            self.share(n * weights.size, n, work)
            if not self.large(layer, n):
                self.activate(layer, slice(0, n))
            below = z

    def large(self, layer: int, n: int) -> bool:
        """Tell whether a layer's activations for ``n`` examples are worth two lanes."""
        return n * self.network.sizes[layer + 1] >= ELEMENTS

    def activate(self, layer: int, rows: slice) -> None:
        """Add the layer's biases, and apply the activation below the output layer."""
        network = self.network
        z = network.activations[layer][rows]
        z += network.biases[layer]
        if layer < len(self.kept):
            if network.activation.needs_input:
                np.copyto(network.inputs[layer][rows], z)
            network.activation.forward(z, network.deltas[layer][rows])

    def propagate(self, n: int) -> None:
        """Fill the hidden layers' deltas for the round's ``n`` examples."""
        network, delta = self.network, self.network.activations[-1]
        for layer in reversed(range(len(self.kept))):
            weights = network.weights[layer + 1]

            def work(_: int, rows: slice, layer: int = layer, delta: Array = delta) -> None:
                upward = network.weights[layer + 1].T
                np.matmul(delta[rows], upward, out=network.deltas[layer][rows])
                if self.large(layer, n):
                    self.differentiate(layer, rows)

            self.share(n * weights.size, n, work)
            if not self.large(layer, n):
                self.differentiate(layer, slice(0, n))
            delta = network.deltas[layer]

    def differentiate(self, layer: int, rows: slice) -> None:
        """Multiply the layer's deltas by the activation's derivative; keep the activations."""
        network = self.network
        a = network.activations[layer][rows]
        np.copyto(self.kept[layer][rows], a)
        network.activation.backward(network.deltas[layer][rows], a, network.inputs[layer][rows])

    def sum_up(self, x: Array, first: bool) -> None:
        """Fill the gradients from the round's ``x (n, i)`` and deltas, or add to them."""
        network, n = self.network, len(x)
        below = [x, *self.kept]
        deltas = [*network.deltas[:-1], network.activations[-1]]

        def add(layer: int, lane: int, rows: slice) -> None:
            gradient, inputs, delta = network.weight_grads[layer], below[layer], deltas[layer]
            if first:
                np.matmul(inputs[:n, rows].T, delta[:n], out=gradient[rows])
                return
            for start in range(rows.start, rows.stop, _PART):
                some = slice(start, min(start + _PART, rows.stop))
                total = gradient[some]
                more = self.spare[lane, : total.size].reshape(total.shape)
                total += np.matmul(inputs[:n, some].T, delta[:n], out=more)

        for layer, gradient in enumerate(network.weight_grads):
            self.share(n * gradient.size, len(gradient), functools.partial(add, layer))
        for gradient, delta in zip(network.bias_grads, deltas, strict=True):
            more = np.matmul(network.ones[:n], delta[:n])
            np.copyto(gradient, more if first else gradient + more)

    def share(self, multiplications: int, size: int, work: Work) -> None:
        """Do ``work`` on ``size`` things in lanes, or at once where it is little."""
        if multiplications < PRODUCT:
            work(0, slice(0, size))
        else:
            self.team.run(work, size)
