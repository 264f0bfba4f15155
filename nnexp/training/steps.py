"""The steps of training: forward, loss, backward, update.

`PlainSteps` is the textbook's form and takes every setting. The other two compute the same but for
rounding, sooner: `DelayedSteps` for small batches, `ThreadedSteps` for large ones. Each has one
method that counts, ``advance``.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nnexp.data import Split
from nnexp.nn import delayed_updates, threaded_batches
from nnexp.nn.network import Network
from nnexp.nn.numerical_gradient import numerical_gradient
from nnexp.nn.optimizers import Optimizer, add_decay, blocks
from nnexp.training.progress import Batches, Progress

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]


class Steps(Protocol):
    """A form of training."""

    def advance(self, until: int) -> None:
        """Take steps until step ``until``, or until a batch's loss is not finite."""


class PlainSteps:
    """One batch at a time, as a textbook has it."""

    def __init__(
        self,
        network: Network,
        train: Split,
        codes: Array,
        batches: Batches,
        update: Update,
        numerical: bool,
    ) -> None:
        self.network, self.train, self.codes, self.batches = network, train, codes, batches
        self.update, self.progress, self.numerical = update, update.progress, numerical
        dtype, rows = network.theta.dtype, batches.size
        self.x: Array = np.empty((rows, network.sizes[0]), dtype)
        self.targets: Array = np.empty((rows, network.sizes[-1]), dtype, "F")

    def advance(self, until: int) -> None:
        """Take steps until step ``until``, or until a batch's loss is not finite."""
        while self.progress.step < until and not self.progress.diverged:
            self.step()

    def step(self) -> None:
        """Take one step."""
        x, labels, targets = self.batch(self.batches.rows(self.progress.step))
        logits = self.network.forward(x)
        correct = int(np.count_nonzero(self.network.loss.predict(logits) == labels))
        if self.numerical:
            loss = numerical_gradient(self.network, x, targets)
        else:
            loss = self.network.backward(x, targets)
        self.update.apply(loss, correct, len(x))

    def batch(self, rows: Indices) -> tuple[Array, Indices, Array]:
        """Return inputs (n, i), labels (n,) and targets (n, k) of ``rows``, in buffers."""
        labels = self.train.labels[rows]
        x = np.take(self.train.x, rows, axis=0, out=self.x[: len(rows)], mode="clip")
        targets = self.targets[: len(rows)]
        np.take(self.codes.T, labels, axis=1, out=targets.T, mode="clip")
        return x, labels, targets


class Update:
    """What a step does with a gradient: weight decay, the optimiser, and the count."""

    def __init__(
        self, network: Network, optimizer: Optimizer, weight_decay: float, progress: Progress
    ) -> None:
        self.network, self.optimizer, self.progress = network, optimizer, progress
        self.weight_decay = weight_decay
        size = blocks(network.theta.size)[0].stop
        self._scratch: Array = np.empty(size, network.theta.dtype)

    def apply(self, loss: float, correct: int, n: int) -> None:
        """Change the parameters by ``network.grad``, unless the mean ``loss`` is not finite.

        ``correct`` of the batch's ``n`` examples were classified correctly.
        """
        network, progress = self.network, self.progress
        progress.batch_loss = loss
        progress.running_loss += loss * n
        progress.running_samples += n
        if progress.diverged:
            return
        progress.running_correct += correct
        if self.weight_decay:
            weights = network.theta[: network.weight_count]
            add_decay(network.grad, weights, self.weight_decay, self._scratch)
        self.optimizer.update(network.grad)  # overwrites the gradient with the change
        network.theta += network.grad
        progress.step += 1
        progress.samples += n


class DelayedSteps:
    """Blocks of small batches, by `nnexp.nn.delayed_updates`; plain steps where no block fits.

    Blocks are counted from the start of the epoch and end at an evaluation. An epoch's short last
    batch takes a plain step, and so does a block whose loss is not finite, to find where it
    diverged.
    """

    def __init__(self, plain: PlainSteps, lr: float) -> None:
        self.plain, self.progress = plain, plain.progress
        self.block = delayed_updates.Delayed(plain.network, plain.batches.size, lr)
        self._plain_until = 0

    def advance(self, until: int) -> None:
        """Take steps until step ``until``, or until a batch's loss is not finite."""
        while self.progress.step < until and not self.progress.diverged:
            steps = self._fitting(until)
            if not steps or not self._take(steps, until):
                self.plain.step()

    def _fitting(self, until: int) -> int:
        """Return how many steps the next block has; 0 where a plain step is due."""
        step, batches = self.progress.step, self.plain.batches
        index = step % batches.per_epoch
        left = batches.examples // batches.size - index
        steps = min(until - step, left, self.block.steps - index % self.block.steps)
        return steps if step >= self._plain_until else 0

    def _take(self, steps: int, until: int) -> bool:
        """Take the ``steps`` of a block; false, and nothing done, if its loss is not finite."""
        progress, plain = self.progress, self.plain
        rows = plain.batches.rows(progress.step, steps)
        loss, correct = self.block.descend(plain.train.x, plain.train.labels, plain.codes, rows)
        if not math.isfinite(loss):
            self._plain_until = progress.step + steps
            return False
        progress.running_loss += loss
        progress.running_samples += len(rows)
        progress.running_correct += correct
        progress.step += steps
        progress.samples += len(rows)
        if progress.step == until:
            progress.batch_loss = self.block.settle(steps)
        return True


class ThreadedSteps:
    """Large batches in rounds that two threads share, by `nnexp.nn.threaded_batches`."""

    def __init__(
        self,
        train: Split,
        codes: Array,
        batches: Batches,
        update: Update,
        team: threaded_batches.Team,
        in_order: bool,
    ) -> None:
        self.train, self.codes, self.batches = train, codes, batches
        self.update, self.progress = update, update.progress
        self.lanes = threaded_batches.Lanes(update.network, batches.size, team)
        # A batch of all examples, each once, needs no order.
        self.whole = in_order and batches.size >= batches.examples

    def advance(self, until: int) -> None:
        """Take steps until step ``until``, or until a batch's loss is not finite."""
        while self.progress.step < until and not self.progress.diverged:
            rows = self.batches.rows(self.progress.step)
            loss, correct = self.lanes.gradient(
                self.train.x, self.train.labels, self.codes, None if self.whole else rows
            )
            self.update.apply(loss, correct, len(rows))
