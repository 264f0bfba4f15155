"""Small batches under plain SGD: the first layer's updates are delayed, and none is lost.

After batches 0 … t-1 the first layer's weights are W + Σ_s x_sᵀ·d_s, where x_s (b, i) are their
examples and d_s (b, o) their deltas times -lr. So the next batch's input to that layer is

    z_t = x_t·W + bias + Σ_{s<t} (x_t·x_sᵀ + 1)·d_s,

the 1 being the bias's share. Within a block of batches the large W is only read, and it is written
once, at the end: three products of the whole block, X·W, X·Xᵀ and Xᵀ·D, do what takes two products
and an update of all of W a batch. The arithmetic is that of stochastic gradient descent in another
order, so the results are equal but for rounding. The layers above are small, and are updated at
every batch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.nn.activations import ONE
from nnexp.nn.network import Network

Array = npt.NDArray[Any]

# Examples of a block: enough for efficient products, few enough for sums over the block's past.
BLOCK = 64
# The largest batch for which this is the faster form.
BATCH = 16


def suits(batch: int) -> bool:
    """Tell whether delayed updates are the faster form for batches of so many examples."""
    return batch <= BATCH


class Delayed:
    """A network, and what it takes to train it by up to ``steps`` batches of ``batch`` examples.

    A layer above the first is held as one matrix (o, i + 1), the biases its last column; what it
    is fed, (b, i + 1), has a column of ones for them.
    """

    def __init__(self, network: Network, batch: int, lr: float) -> None:
        self.network = network
        self.batch = batch
        self.steps = BLOCK // batch
        rows, dtype = self.steps * batch, network.theta.dtype
        inputs, *widths = network.sizes
        hidden, outputs = widths[:-1], widths[-1]
        self.factor = network.loss.factor(outputs)
        self.scale: Array = np.array(-lr * self.factor / batch, dtype)

        # Of the block: z_t is gram_t·terms, where gram_t is x_t·x_sᵀ + 1 and terms d_s for the
        # batches before t, and for t itself the identity and x_t·W + bias.
        self.x: Array = np.empty((rows, inputs), dtype)
        self.gram: Array = np.empty((rows, rows), dtype)
        self.terms: Array = np.empty((rows, widths[0]), dtype)
        self.targets: Array = np.empty((rows, outputs), dtype)
        self.logits: Array = np.empty((rows, outputs), dtype)
        self.spare: Array = np.empty((2, rows, outputs), dtype)
        self.row: Array = np.empty((rows, 1), dtype)
        down, across = self.gram.strides
        self.own = np.lib.stride_tricks.as_strided(
            self.gram, (self.steps, batch, batch), (batch * (down + across), down, across)
        )
        self.identity: Array = np.eye(batch, dtype=dtype)

        # Of a batch.
        self.fed: list[Array] = [np.ones((batch, o + 1), dtype) for o in hidden]
        self.activations = [fed[:, :-1] for fed in self.fed]
        self.inputs: list[Array] = [np.empty((batch, o), dtype) for o in hidden]
        self.deltas: list[Array] = [np.empty((batch, o), dtype) for o in widths]
        self.matrices: list[Array] = [
            np.empty((w.shape[1], len(w) + 1), dtype) for w in network.weights[1:]
        ]
        self.updates = [np.empty_like(matrix) for matrix in self.matrices]

        # Views, made once: making one takes as long as half a product of this size.
        batches = [slice(t * batch, (t + 1) * batch) for t in range(self.steps)]
        self.sums = [(self.gram[now, : now.stop], self.terms[: now.stop]) for now in batches]
        self.tops = [(self.logits[now], self.targets[now]) for now in batches]
        self.firsts = [self.terms[now] for now in batches]
        self.upward = [matrix.T for matrix in self.matrices]
        self.downward = [matrix[:, :-1] for matrix in self.matrices]
        self.loss_spare = self.spare[0, :batch], self.row[:batch]
        # With one row, np.dot takes less ado; with more, its output could not have gaps.
        self.product: Any = np.ndarray.dot if batch == 1 else np.matmul

    def descend(
        self, examples: Array, labels: Array, codes: Array, rows: Array
    ) -> tuple[float, int]:
        """Take a step for each batch of ``rows``; return the sum of their losses, and the hits.

        ``rows (n,)`` are indices into ``examples (…, i)`` and ``labels (…,)``, and a multiple of a
        batch; ``codes (classes, k)`` are the targets of each class. If the sum is not finite, the
        network is as it was.
        """
        network, loss, n = self.network, self.network.loss, len(rows)
        x, terms, logits, targets = self.x[:n], self.terms[:n], self.logits[:n], self.targets[:n]
        own = np.take(labels, rows)
        np.take(examples, rows, axis=0, out=x, mode="clip")
        np.take(codes, own, axis=0, out=targets, mode="clip")
        np.matmul(x, network.weights[0], out=terms)
        terms += network.biases[0]
        np.matmul(x, x.T, out=self.gram[:n, :n])
        self.gram += ONE
        self.own[...] = self.identity
        for matrix, w, b in zip(
            self.matrices, network.weights[1:], network.biases[1:], strict=True
        ):
            matrix[:, :-1], matrix[:, -1] = w.T, b

        for step in range(n // self.batch):
            self.step(step)

        np.copyto(self.spare[1, :n], logits)
        total = loss.descend(self.spare[1, :n], targets, 1.0, self.spare[0, :n], self.row[:n], True)
        if math.isfinite(total):
            network.weights[0] += np.matmul(x.T, terms, out=network.weight_grads[0])
            network.biases[0] += np.matmul(network.ones[:n], terms)
            for matrix, w, b in zip(
                self.matrices, network.weights[1:], network.biases[1:], strict=True
            ):
                w[...], b[...] = matrix[:, :-1].T, matrix[:, -1]
        return total * self.factor, int(np.count_nonzero(loss.predict(logits) == own))

    def step(self, step: int) -> None:
        """Send the block's batch ``step`` forward and backward; update all layers but the first."""
        network, product, activation = self.network, self.product, self.network.activation
        below, above = self.sums[step]
        for layer, upward in enumerate(self.upward):
            a = self.activations[layer]
            product(below, above, out=a)
            if activation.needs_input:
                np.copyto(self.inputs[layer], a)
            activation.forward(a, self.deltas[layer])
            below, above = self.fed[layer], upward
        logits, targets = self.tops[step]
        product(below, above, out=logits)
        delta = self.deltas[-1] if self.matrices else self.firsts[step]
        np.copyto(delta, logits)
        network.loss.descend(delta, targets, self.scale, *self.loss_spare, False)
        for layer in range(len(self.matrices) - 1, -1, -1):
            upstream = self.deltas[layer] if layer else self.firsts[step]
            product(delta, self.downward[layer], out=upstream)
            matrix = self.matrices[layer]
            matrix += product(delta.T, self.fed[layer], out=self.updates[layer])
            activation.backward(upstream, self.activations[layer], self.inputs[layer])
            delta = upstream

    def settle(self, steps: int) -> float:
        """Fill ``network.grad`` with the update of the last of ``steps``; return its mean loss."""
        network, batch = self.network, self.batch
        now = slice((steps - 1) * batch, steps * batch)
        np.matmul(self.x[now].T, self.terms[now], out=network.weight_grads[0])
        np.sum(self.terms[now], axis=0, out=network.bias_grads[0])
        for update, w, b in zip(
            self.updates, network.weight_grads[1:], network.bias_grads[1:], strict=True
        ):
            w[...], b[...] = update[:, :-1].T, update[:, -1]
        logits, targets = self.tops[steps - 1]
        return network.loss(logits.copy(), targets, batch, *self.loss_spare)
