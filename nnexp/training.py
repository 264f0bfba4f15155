"""Training: what one step is, and a generator of evaluations along the way."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp import delayed, lanes
from nnexp.assembly import build_network, form
from nnexp.choices import build
from nnexp.config import RunConfig
from nnexp.data import Dataset, Split, target_codes
from nnexp.gradients import numerical_gradient
from nnexp.mechanism import measure
from nnexp.network import Network
from nnexp.optimizers import add_decay, blocks
from nnexp.streams import stream

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Evaluation:
    """The state of a run at one step: losses are means per example, accuracies fractions.

    ``metrics`` has ``train_loss``, ``train_accuracy``, ``test_…``, ``validation_…`` (if held out),
    ``batch_loss`` (of the last batch, before its update), ``running_loss`` and
    ``running_accuracy`` (over the batches since the last evaluation, each before its update);
    ``layers`` a mapping for each layer. ``seconds`` is training alone, evaluation excluded.
    """

    epoch: float
    step: int
    samples: int
    seconds: float
    diverged: bool
    metrics: dict[str, float | None]
    layers: list[dict[str, Any]]


def train(trainer: Trainer) -> Iterator[Evaluation]:
    """Train; yield an evaluation before any update, on schedule, and at the end.

    A run whose loss ceases to be finite ends there, its last evaluation saying ``diverged``.
    A trainer that was restored goes on after the evaluation at which it was saved.
    """
    for step in evaluation_steps(trainer.config):
        if trainer.saved_at is not None and step <= trainer.saved_at:
            continue
        trainer.advance(step)
        evaluation = trainer.evaluate()
        yield evaluation
        if evaluation.diverged:
            return


def evaluation_steps(config: RunConfig) -> list[int]:
    """Return the steps after which the run is evaluated, from 0 to its last."""
    last = config.total_steps()
    steps = {0, last, *config.evaluate_at}
    if config.evaluate_every is not None:
        distance = config.evaluate_every.steps(config.steps_per_epoch())
        steps.update(round(i * distance) for i in range(1, math.ceil(last / distance)))
    return sorted(steps)


def score(network: Network, split: Split, part: slice, codes: Array) -> tuple[float, int]:
    """Return the sum of the losses over the rows ``part`` of ``split``, and the hits among them.

    An example with an output that is not finite counts as wrong, and makes the loss inf.
    """
    labels = split.labels[part]
    logits, n = network.forward(split.x[part]), len(labels)
    finite = np.isfinite(logits).all(axis=1)
    right = int(np.count_nonzero((network.loss.predict(logits) == labels) & finite))
    targets = codes.T[:, labels].T  # column after column, as the logits are
    loss = network.loss(logits, targets, 1, network.deltas[-1][:n], network.row[:n])
    return loss if finite.all() else math.inf, right


@dataclass
class Running:
    """Sums over the batches since the last evaluation."""

    loss: float = 0.0
    correct: int = 0
    samples: int = 0


@dataclass
class Trainer:
    """A network on its way through the data: ``advance`` to a step, ``evaluate`` there.

    ``threads`` (1 or 2) changes no number, and ``form`` says which `form` its steps have.
    """

    config: RunConfig
    data: Dataset
    threads: int = 1
    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    batch_loss: float | None = None
    saved_at: int | None = None
    plain_until: int = 0
    running: Running = field(default_factory=Running)

    def __post_init__(self) -> None:
        config = self.config
        self.form = form(config)
        self.team = lanes.Team(self.threads)
        self.batch_size = config.rows()
        self.steps_per_epoch = config.steps_per_epoch()
        self.network = build_network(config, rows=1 if self.form == "lanes" else None)
        theta = self.network.theta
        self.codes = target_codes(
            config.data.targets, self.data.description.classes, config.outputs(), theta.dtype
        )
        self.optimizer = build("optimizer", config.optimizer)(theta.size, theta.dtype, config.lr)
        self.order_of = build("sampling", config.sampling)
        self.order = np.empty(0, np.intp)
        network, batch = self.network, self.batch_size
        second = network.twin(network.evaluation_rows) if self.threads > 1 else network
        self.readers = [network, second]
        if self.form == "lanes":
            self.lanes = lanes.Lanes(network, batch, self.team)
        else:
            self.x: Array = np.empty((batch, config.sizes()[0]), theta.dtype)
            self.targets: Array = np.empty((batch, config.outputs()), theta.dtype, "F")
        if self.form == "delayed":
            self.delayed = delayed.Delayed(network, batch, config.lr)
        self.scratch: Array = np.empty(blocks(theta.size)[0].stop, theta.dtype)

    def advance(self, until: int) -> None:
        """Take steps until step ``until``, or until the loss is no longer finite."""
        start = time.perf_counter()
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            while self.step < until and not self.diverged:
                if self.form != "delayed" or not self.take_block(until):
                    self.take_step()
        self.seconds += time.perf_counter() - start

    def take_step(self) -> None:
        """Take one step: a batch, its gradient, the optimiser's change."""
        network, rows = self.network, self.next_rows()
        n = len(rows)
        self.batch_loss, right = self.gradient(rows)
        self.running.loss += self.batch_loss * n
        self.running.samples += n
        if self.diverged:
            return  # and none of its predictions counts as right
        self.running.correct += right
        if self.config.weight_decay:
            weights = network.theta[: network.weight_count]
            add_decay(network.grad, weights, self.config.weight_decay, self.scratch)
        self.optimizer.update(network.grad)  # which makes of the gradient the change
        network.theta += network.grad
        self.step += 1
        self.samples += n

    def gradient(self, rows: Indices) -> tuple[float, int]:
        """Return mean loss and hits of the batch ``rows (n,)``; fill the network's gradient."""
        network, train, n = self.network, self.data.train, len(rows)
        if self.form == "lanes":
            # A batch of all examples needs no order.
            whole = n == len(train.labels) and self.config.sampling.name != "replacement"
            return self.lanes.gradient(train.x, train.labels, self.codes, None if whole else rows)
        labels = train.labels[rows]
        x = np.take(train.x, rows, axis=0, out=self.x[:n], mode="clip")
        targets = self.targets[:n]
        np.take(self.codes.T, labels, axis=1, out=targets.T, mode="clip")

        logits = network.forward(x)
        right = int(np.count_nonzero(network.loss.predict(logits) == labels))
        if self.config.gradient == "numerical":
            return numerical_gradient(network, x, targets), right
        return network.backward(x, targets), right

    def take_block(self, until: int) -> bool:
        """Take the steps of a block at once; return whether that was possible.

        Blocks are counted from the start of the epoch and end at an evaluation. Neither an epoch's
        short last batch nor a batch that may diverge is for them.
        """
        train, index = self.data.train, self.step % self.steps_per_epoch
        left = len(train.labels) // self.batch_size - index
        steps = min(until - self.step, left, self.delayed.steps - index % self.delayed.steps)
        if not steps or self.step < self.plain_until:
            return False
        rows = self.next_rows(steps)
        loss, right = self.delayed.descend(train.x, train.labels, self.codes, rows)
        if not math.isfinite(loss):
            self.plain_until = self.step + steps
            return False
        self.running.loss += loss
        self.running.samples += len(rows)
        self.running.correct += right
        self.step += steps
        self.samples += len(rows)
        if self.step == until:
            self.batch_loss = self.delayed.settle(steps)
        return True

    def next_rows(self, steps: int = 1) -> Indices:
        """Return the indices of the next batch, or of several: a slice of the epoch's order."""
        epoch, index = divmod(self.step, self.steps_per_epoch)
        if index == 0 or not self.order.size:
            rng = stream(self.config.seed, "order", epoch)
            self.order = self.order_of(rng, len(self.data.train.labels), self.batch_size)
        return self.order[index * self.batch_size : (index + steps) * self.batch_size]

    @property
    def diverged(self) -> bool:
        """Whether the last batch's loss was not finite."""
        return self.batch_loss is not None and not math.isfinite(self.batch_loss)

    def evaluate(self) -> Evaluation:
        """Score every split, measure the layers, and start the running means afresh."""
        network, running, data = self.network, self.running, self.data
        update = network.grad if self.step and not self.diverged else None
        every = {"train": data.train, "test": data.test, "validation": data.validation}
        splits = {name: split for name, split in every.items() if split is not None}
        rows = network.evaluation_rows
        parts = [
            (name, slice(start, start + rows))
            for name, split in splits.items()
            for start in range(0, len(split.labels), rows)
        ]
        scores, todo = [(0.0, 0)] * len(parts), iter(range(len(parts)))
        layers: list[dict[str, Any]] = []

        def work(lane: int, _: slice) -> None:
            if lane == 0:
                layers.extend(measure(network, *self.probe, update))
            for index in todo:  # each takes the next part that neither has taken
                name, part = parts[index]
                scores[index] = score(self.readers[lane], splits[name], part, self.codes)

        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            self.team.run(work, lanes.LANES)
        metrics: dict[str, float | None] = {}
        for name, split in splits.items():
            size = len(split.labels)
            own = [one for one, (of, _) in zip(scores, parts, strict=True) if of == name]
            loss, right = sum(loss for loss, _ in own), sum(right for _, right in own)
            metrics[f"{name}_loss"] = loss / size if math.isfinite(loss) else math.inf
            metrics[f"{name}_accuracy"] = right / size
        diverged = self.diverged or math.inf in metrics.values()
        self.running = Running()
        return Evaluation(
            epoch=self.step / self.steps_per_epoch,
            step=self.step,
            samples=self.samples,
            seconds=self.seconds,
            diverged=diverged,
            metrics=metrics
            | {
                "batch_loss": math.inf if self.diverged else self.batch_loss,
                "running_loss": _mean(running.loss, running.samples),
                "running_accuracy": _mean(running.correct, running.samples),
            },
            layers=layers,
        )

    @functools.cached_property
    def probe(self) -> tuple[Array, Array]:
        """Inputs and targets of the examples on which the layers are measured.

        They are spread evenly over the training set, 1000 of them, or all if there are fewer.
        """
        train, most = self.data.train, self.network.evaluation_rows
        rows = np.linspace(0, len(train.labels) - 1, min(most, len(train.labels))).astype(np.intp)
        return train.x[rows], self.codes[train.labels[rows]]


def _mean(total: float, count: int) -> float | None:
    if not count:
        return None
    return total / count if math.isfinite(total) else math.inf
