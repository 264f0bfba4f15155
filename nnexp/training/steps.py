"""The steps of training: forward, loss, backward, update.

`PlainSteps` is the textbook form and supports every setting. `DelayedSteps` is faster for small
batches and `ThreadedSteps` for large ones; both compute the same up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nnexp.data import Split
from nnexp.nn import delayed_updates, threaded_batches
from nnexp.nn.dropout import Dropout
from nnexp.nn.network import Network
from nnexp.nn.numerical_gradient import numerical_gradient
from nnexp.nn.optimizers import Optimizer, add_decay, blocks
from nnexp.nn.pruning import Mask
from nnexp.rng import stream
from nnexp.training.progress import Batches, Progress

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]


class Steps(Protocol):
    """A way to take training steps."""

    def advance(self, until: int) -> None:
        """Train up to step ``until``, or until the loss of a batch is not finite."""


class PlainSteps:
    """One batch at a time, as in a textbook."""

    def __init__(
        self,
        network: Network,
        train: Split,
        codes: Array,
        batches: Batches,
        update: Update,
        numerical: bool,
        dropout: Dropout | None = None,
    ) -> None:
        self.network, self.train, self.codes, self.batches = network, train, codes, batches
        self.update, self.progress, self.numerical = update, update.progress, numerical
        self.dropout = dropout
        dtype, rows = network.theta.dtype, batches.size
        self.x: Array = np.empty((rows, network.sizes[0]), dtype)
        self.targets: Array = np.empty((rows, network.sizes[-1]), dtype, "F")

    def advance(self, until: int) -> None:
        """Train up to step ``until``, or until the loss of a batch is not finite."""
        while self.progress.step < until and not self.progress.diverged:
            self.step()

    def step(self) -> None:
        """Take one step: forward, loss, backward, update."""
        network, step = self.network, self.progress.step
        x, labels, targets = self.batch(self.batches.rows(step), self.batches.labels(step))
        if self.dropout is not None:
            self.dropout.draw(stream(self.batches.seed, "dropout", step), len(x))
            network.dropout = self.dropout
        logits = network.forward(x)
        correct = int(np.count_nonzero(network.loss.predict(logits) == labels))
        if self.numerical:
            loss = numerical_gradient(network, x, targets)
        else:
            loss = network.compute_loss(targets)
            network.backward(x)
        network.dropout = None  # evaluations use the whole network
        self.update.apply(loss, correct, len(x))

    def batch(self, rows: Indices, labels: Indices) -> tuple[Array, Indices, Array]:
        """Return inputs (n, p), labels (n,) and targets (n, k) of ``rows``, in reused buffers.

        ``labels`` are those of all rows. The columns of the inputs from p on are zero and left out.
        """
        labels = labels[rows]
        x = np.take(self.train.x, rows, axis=0, out=self.x[: len(rows)], mode="clip")
        targets = self.targets[: len(rows)]
        np.take(self.codes.T, labels, axis=1, out=targets.T, mode="clip")
        return x[:, : self.train.width(rows)], labels, targets


class Update:
    """The last part of a step: weight decay, the optimiser and the counts in `Progress`."""

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        weight_decay: float,
        progress: Progress,
        rate: Callable[[int], float] | None = None,
        left: Mask | None = None,
    ) -> None:
        # ``rate(step)`` is the learning rate of each step, if it is not constant, and ``left``
        # (size,) are the parameters of a pruned network: the others never change.
        self.network, self.optimizer, self.progress = network, optimizer, progress
        self.weight_decay, self.rate = weight_decay, rate
        self._pruned = None if left is None else ~left
        size = blocks(network.theta.size)[0].stop
        self._scratch: Array = np.empty(size, network.theta.dtype)

    def set_rate(self) -> None:
        """Set the learning rate of the next step."""
        if self.rate is not None:
            self.optimizer.lr = self.rate(self.progress.step)

    def apply(self, loss: float, correct: int, n: int) -> None:
        """Update the parameters from ``network.grad``, unless the mean ``loss`` is not finite.

        ``correct`` is the number of the batch's ``n`` examples that were classified correctly.
        """
        network, progress = self.network, self.progress
        progress.batch_loss = loss
        progress.count(loss * n, correct, n)
        if progress.diverged:
            return
        if self.weight_decay:
            weights = network.theta[: network.weight_count]
            add_decay(network.grad, weights, self.weight_decay, self._scratch)
        self.optimizer.update(network.grad)  # replaces the gradient by the change of parameters
        if self._pruned is not None:
            np.copyto(network.grad, 0, where=self._pruned)
        network.theta += network.grad
        self.set_rate()


class DelayedSteps:
    """Blocks of small batches, by `nnexp.nn.delayed_updates`, and plain steps between them.

    Blocks are counted from the start of an epoch and end at evaluations. The shorter last batch of
    an epoch takes a plain step. If the loss of a block is not finite, the block is repeated in
    plain steps to find the step at which it diverged.
    """

    def __init__(self, plain: PlainSteps, lr: float) -> None:
        self.plain, self.progress = plain, plain.progress
        self.block = delayed_updates.Block(plain.network, plain.batches.size, lr)
        self._plain_until = 0

    def advance(self, until: int) -> None:
        """Train up to step ``until``, or until the loss of a batch is not finite."""
        while self.progress.step < until and not self.progress.diverged:
            steps = self._block_steps(until)
            if not steps or not self._take_block(steps, until):
                self.plain.step()

    def _block_steps(self, until: int) -> int:
        """Return the number of steps of the next block, or 0 to take a plain step."""
        step, batches = self.progress.step, self.plain.batches
        index = step % batches.per_epoch
        left = batches.examples // batches.size - index
        steps = min(until - step, left, self.block.steps - index % self.block.steps)
        return steps if step >= self._plain_until else 0

    def _take_block(self, steps: int, until: int) -> bool:
        """Take a block of ``steps``; if its loss is not finite, change nothing and return False."""
        progress, plain = self.progress, self.plain
        rows = plain.batches.rows(progress.step, steps)
        train, labels = plain.train, plain.batches.labels(progress.step)
        loss, correct = self.block.train(train.x, labels, plain.codes, rows, train.width(rows))
        if not math.isfinite(loss):
            self._plain_until = progress.step + steps
            return False
        progress.count(loss, correct, len(rows), steps)
        if progress.step == until:
            progress.batch_loss = self.block.last_update(steps)
        return True


class ThreadedSteps:
    """Large batches, each split between two threads, by `nnexp.nn.threaded_batches`."""

    def __init__(
        self,
        train: Split,
        codes: Array,
        batches: Batches,
        update: Update,
        threads: threaded_batches.Threads,
        in_order: bool,
    ) -> None:
        self.train, self.codes, self.batches = train, codes, batches
        self.update, self.progress = update, update.progress
        self.threaded = threaded_batches.ThreadedGradient(update.network, batches.size, threads)
        # A batch of all examples needs no particular order.
        self.whole = in_order and batches.size >= batches.examples

    def advance(self, until: int) -> None:
        """Train up to step ``until``, or until the loss of a batch is not finite."""
        while self.progress.step < until and not self.progress.diverged:
            step = self.progress.step
            rows, labels = self.batches.rows(step), self.batches.labels(step)
            train, which = self.train, None if self.whole else rows
            loss, correct = self.threaded.gradient(train.x, labels, self.codes, which, train.width)
            self.update.apply(loss, correct, len(rows))
