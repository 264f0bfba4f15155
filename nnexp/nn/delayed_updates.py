"""SGD with small batches, updating the first layer's weights once per block of batches.

After batches 0 … t-1 the first layer's weights are W + Σ_s x_sᵀ·d_s, where x_s (b, i) are the
examples of batch s and d_s (b, o) its deltas times -lr. So the next batch has the pre-activations

    z_t = x_t·W + bias + Σ_{s<t} (x_t·x_sᵀ + 1)·d_s,

where the 1 is the update of the bias. Within a block the large matrix W is only read; it is written
once at the end. Three products over the whole block, X·W, X·Xᵀ and Xᵀ·D, replace two products and
an update of W per batch. This is stochastic gradient descent with another order of summation, so
the results are equal up to rounding. The layers above are small and are updated at every batch,
after the error has passed through them, or before with the quirk ``updated_weights``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.nn.activations import ONE
from nnexp.nn.network import Network
from nnexp.nn.quirks import UpdatedWeights

Array = npt.NDArray[Any]

# Examples per block: enough for efficient products, few enough for cheap sums over past batches.
BLOCK = 64
# The largest batch size for which this form is faster.
BATCH = 16


def suits(batch: int) -> bool:
    """Return whether this form is faster for batches of ``batch`` examples."""
    return batch <= BATCH


class Block:
    """Trains a network in blocks of up to ``steps`` batches of ``batch`` examples.

    Each layer above the first is stored as one matrix (o, i + 1) with the biases in the last
    column; its inputs (b, i + 1) have a last column of ones.
    """

    def __init__(self, network: Network, batch: int, lr: float) -> None:
        self.network = network
        self.batch = batch
        self.steps = BLOCK // batch
        rows, dtype = self.steps * batch, network.theta.dtype
        inputs, *widths = network.sizes
        hidden, outputs = widths[:-1], widths[-1]
        self.factor = network.loss.factor(outputs)
        self.updated_first = isinstance(network, UpdatedWeights)
        self.scale: Array = np.array(-lr * self.factor / batch, dtype)

        # Buffers of a block. z_t = gram_t·terms. For a batch s before t, gram_t is x_t·x_sᵀ + 1
        # and terms d_s; for t itself they are the identity and x_t·W + bias.
        self.x: Array = np.empty((rows, inputs), dtype)
        self.width = inputs
        self.gram: Array = np.empty((rows, rows), dtype)
        self.terms: Array = np.empty((rows, widths[0]), dtype)
        self.targets: Array = np.empty((rows, outputs), dtype)
        self.logits: Array = np.empty((rows, outputs), dtype)
        self.scratch: Array = np.empty((2, rows, outputs), dtype)
        self.row_scratch: Array = np.empty((rows, 1), dtype)
        down, across = self.gram.strides
        self.diagonal = np.lib.stride_tricks.as_strided(
            self.gram, (self.steps, batch, batch), (batch * (down + across), down, across)
        )
        self.identity: Array = np.eye(batch, dtype=dtype)

        # Buffers of a batch.
        self.layer_inputs: list[Array] = [np.ones((batch, o + 1), dtype) for o in hidden]
        self.activations = [inputs[:, :-1] for inputs in self.layer_inputs]
        self.preactivations: list[Array] = [np.empty((batch, o), dtype) for o in hidden]
        self.deltas: list[Array] = [np.empty((batch, o), dtype) for o in widths]
        self.matrices: list[Array] = [
            np.empty((w.shape[1], len(w) + 1), dtype) for w in network.weights[1:]
        ]
        self.updates = [np.empty_like(matrix) for matrix in self.matrices]

        # Views are made once, as making one takes half as long as a product of this size.
        batches = [slice(t * batch, (t + 1) * batch) for t in range(self.steps)]
        self.first_layer = [(self.gram[b, : b.stop], self.terms[: b.stop]) for b in batches]
        self.outputs = [(self.logits[b], self.targets[b]) for b in batches]
        self.first_deltas = [self.terms[b] for b in batches]
        self.transposed = [matrix.T for matrix in self.matrices]
        self.weights = [matrix[:, :-1] for matrix in self.matrices]
        self.loss_scratch = self.scratch[0, :batch], self.row_scratch[:batch]
        # np.dot has less overhead, but for several rows it needs a contiguous output.
        self.product: Any = np.ndarray.dot if batch == 1 else np.matmul

    def train(
        self, examples: Array, labels: Array, codes: Array, rows: Array, width: int
    ) -> tuple[float, int]:
        """Take a step for each batch; return the sum of losses and number of correct predictions.

        ``rows (n,)`` are indices of ``examples (…, i)`` and ``labels (…,)``; n is a multiple of the
        batch size. ``codes (classes, k)`` are the targets of each class. The examples are zero from
        column ``width`` on. If the sum of the losses is not finite, the network is not changed.
        """
        network, loss, n, self.width = self.network, self.network.loss, len(rows), width
        x, terms, logits, targets = self.x[:n], self.terms[:n], self.logits[:n], self.targets[:n]
        block_labels = np.take(labels, rows)
        np.take(examples, rows, axis=0, out=x, mode="clip")
        np.take(codes, block_labels, axis=0, out=targets, mode="clip")
        x, weights = x[:, :width], network.weights[0][:width]
        np.matmul(x, weights, out=terms)
        terms += network.biases[0]
        np.matmul(x, x.T, out=self.gram[:n, :n])
        self.gram += ONE
        self.diagonal[...] = self.identity
        for matrix, w, b in zip(
            self.matrices, network.weights[1:], network.biases[1:], strict=True
        ):
            matrix[:, :-1], matrix[:, -1] = w.T, b

        for step in range(n // self.batch):
            self.step(step)

        np.copyto(self.scratch[1, :n], logits)
        total = loss.evaluate(
            self.scratch[1, :n], targets, 1.0, (self.scratch[0, :n], self.row_scratch[:n]), True
        )
        if math.isfinite(total):
            weights += np.matmul(x.T, terms, out=network.weight_grads[0][:width])
            network.biases[0] += np.matmul(network.ones[:n], terms)
            for matrix, w, b in zip(
                self.matrices, network.weights[1:], network.biases[1:], strict=True
            ):
                w[...], b[...] = matrix[:, :-1].T, matrix[:, -1]
        return total * self.factor, int(np.count_nonzero(loss.predict(logits) == block_labels))

    def step(self, step: int) -> None:
        """Take step ``step`` of the block, except for the update of the first layer."""
        network, product, activation = self.network, self.product, self.network.activation
        inputs, matrix = self.first_layer[step]
        for layer, transposed in enumerate(self.transposed):
            a = self.activations[layer]
            product(inputs, matrix, out=a)
            if activation.needs_input:
                np.copyto(self.preactivations[layer], a)
            activation.forward(a, self.deltas[layer])
            inputs, matrix = self.layer_inputs[layer], transposed
        logits, targets = self.outputs[step]
        product(inputs, matrix, out=logits)
        delta = self.deltas[-1] if self.matrices else self.first_deltas[step]
        np.copyto(delta, logits)
        network.loss.evaluate(delta, targets, self.scale, self.loss_scratch, False)
        for layer in range(len(self.matrices) - 1, -1, -1):
            upstream = self.deltas[layer] if layer else self.first_deltas[step]
            update = product(delta.T, self.layer_inputs[layer], out=self.updates[layer])
            if not self.updated_first:
                product(delta, self.weights[layer], out=upstream)
            matrix = self.matrices[layer]
            matrix += update
            if self.updated_first:
                product(delta, self.weights[layer], out=upstream)
            activation.backward(upstream, self.activations[layer], self.preactivations[layer])
            delta = upstream

    def last_update(self, steps: int) -> float:
        """Write the update of the last step to ``network.grad`` and return its mean loss."""
        network, batch = self.network, self.batch
        last = slice((steps - 1) * batch, steps * batch)
        network.weight_gradient(0, self.x[last, : self.width], self.terms[last])
        np.sum(self.terms[last], axis=0, out=network.bias_grads[0])
        for update, w, b in zip(
            self.updates, network.weight_grads[1:], network.bias_grads[1:], strict=True
        ):
            w[...], b[...] = update[:, :-1].T, update[:, -1]
        logits, targets = self.outputs[steps - 1]
        return network.loss(logits.copy(), targets, batch, *self.loss_scratch)
