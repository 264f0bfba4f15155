"""The progress of a run, and its batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnexp.data import Split
from nnexp.rng import stream

Indices = npt.NDArray[np.intp]


@dataclass
class Progress:
    """The counts of a run so far.

    ``step`` is the number of updates and ``samples`` the number of examples they used.
    ``batch_loss`` is the mean loss of the last batch, before its update. The ``running_…`` fields
    are sums over the batches since the last evaluation.
    """

    step: int = 0
    samples: int = 0
    batch_loss: float | None = None
    running_loss: float = 0.0
    running_correct: int = 0
    running_samples: int = 0

    @property
    def diverged(self) -> bool:
        """Whether the last batch's loss was not finite."""
        return self.batch_loss is not None and not math.isfinite(self.batch_loss)

    def count(self, losses: float, correct: int, samples: int, steps: int = 1) -> None:
        """Add ``steps`` batches, given the sums of their losses, correct predictions and examples.

        A diverged batch only adds to the running loss, as it makes no update.
        """
        self.running_loss += losses
        self.running_samples += samples
        if not self.diverged:
            self.running_correct += correct
            self.step += steps
            self.samples += samples

    def running_means(self) -> dict[str, float | None]:
        """Return ``running_loss`` and ``running_accuracy``, and reset the sums."""
        loss = _mean(self.running_loss, self.running_samples)
        accuracy = _mean(self.running_correct, self.running_samples)
        self.running_loss, self.running_correct, self.running_samples = 0.0, 0, 0
        return {"running_loss": loss, "running_accuracy": accuracy}


class Batches:
    """The batches of a run, as rows of its ``train`` set, with a new order for each epoch.

    ``order_of`` is a function of `nnexp.data.sampling`. The order depends only on ``seed``, so runs
    with equal seeds use the same batches.

    With a ``dilution`` of α, every example stands for itself and α copies whose labels are uniform
    over the ``classes``, as in Rolnick, Veit, Belongie, Shavit 2017 ("Deep learning is robust to
    massive label noise"). Instead of making copies, each example of an epoch has the label of the
    file with probability 1 / (1 + α), and otherwise a random one, drawn anew in each epoch. So an
    epoch is as long as without, and 1 + α of them have each example about once with its own label.
    """

    def __init__(
        self,
        order_of: Callable[[np.random.Generator, int, int], Indices],
        train: Split,
        size: int,
        seed: int,
        dilution: float = 0.0,
        classes: int = 1,
    ) -> None:
        self.order_of, self.train, self.size, self.seed = order_of, train, size, seed
        self.dilution, self.classes = dilution, classes
        self.examples = len(train.labels)
        self.per_epoch = -(-self.examples // size)
        self._epoch, self._order, self._labels = -1, np.empty(0, np.intp), train.labels

    def rows(self, step: int, steps: int = 1) -> Indices:
        """Return the rows of the batches of ``steps`` consecutive steps of an epoch."""
        epoch, index = divmod(step, self.per_epoch)
        self._begin(epoch)
        return self._order[index * self.size : (index + steps) * self.size]

    def labels(self, step: int) -> Indices:
        """Return the labels of all rows (n,) in the epoch of a step."""
        self._begin(step // self.per_epoch)
        return self._labels

    def _begin(self, epoch: int) -> None:
        """Draw the order and the labels of an epoch."""
        if epoch == self._epoch:
            return
        order = self.order_of(stream(self.seed, "order", epoch), self.examples, self.size)
        self._epoch, self._order = epoch, self.train.rows(order)
        if self.dilution:
            rng = stream(self.seed, "dilution", epoch)
            diluted = rng.random(self.examples) >= 1 / (1 + self.dilution)
            drawn = rng.integers(self.classes, size=self.examples)
            rows = self.train.rows(np.arange(self.examples))
            self._labels = self.train.labels.copy()
            self._labels[rows[diluted]] = drawn[diluted]


def _mean(total: float, count: int) -> float | None:
    if not count:
        return None
    return total / count if math.isfinite(total) else math.inf
