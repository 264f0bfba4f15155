"""Training: what one step is, and a generator of evaluations along the way."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.choices import build
from nnexp.config import RunConfig
from nnexp.data import Dataset, Split, target_codes
from nnexp.gradients import numerical_gradient
from nnexp.mechanism import measure
from nnexp.network import Network
from nnexp.optimizers import add_decay, blocks
from nnexp.quirks import QUIRKS, UpdatedWeights
from nnexp.streams import stream

Array = npt.NDArray[Any]


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


def build_network(config: RunConfig) -> Network:
    """Return the network of ``config``, initialised."""
    kind = QUIRKS[config.quirk] if config.quirk else Network
    activation, loss = build("activation", config.activation), build("loss", config.loss)
    network = kind(config.sizes(), activation, loss, config.rows(), np.dtype(config.dtype))
    if isinstance(network, UpdatedWeights):
        network.lr = config.lr
    network.initialize(
        build("init", config.init), build("bias_init", config.bias_init), config.seed
    )
    return network


def score(network: Network, split: Split, codes: Array) -> tuple[float, float]:
    """Return mean loss and accuracy over ``split``, some rows at a time.

    An example with an output that is not finite counts as wrong, and makes the loss inf.
    """
    total, correct, size = 0.0, 0, len(split.labels)
    for start in range(0, size, network.evaluation_rows):
        part = slice(start, start + network.evaluation_rows)
        labels = split.labels[part]
        logits, n = network.forward(split.x[part]), len(labels)
        finite = np.isfinite(logits).all(axis=1)
        if not finite.all():
            total = math.inf
        correct += int(np.count_nonzero((network.loss.predict(logits) == labels) & finite))
        total += network.loss(logits, codes[labels], 1, network.deltas[-1][:n], network.row[:n])
    return (total / size if math.isfinite(total) else math.inf), correct / size


@dataclass
class Running:
    """Sums over the batches since the last evaluation."""

    loss: float = 0.0
    correct: int = 0
    samples: int = 0


@dataclass
class Trainer:
    """A network on its way through the data: ``advance`` to a step, ``evaluate`` there."""

    config: RunConfig
    data: Dataset
    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    batch_loss: float | None = None
    saved_at: int | None = None
    running: Running = field(default_factory=Running)

    def __post_init__(self) -> None:
        config = self.config
        self.network = build_network(config)
        theta = self.network.theta
        self.codes = target_codes(
            config.data.targets, self.data.description.classes, config.outputs(), theta.dtype
        )
        self.optimizer = build("optimizer", config.optimizer)(theta.size, theta.dtype, config.lr)
        self.order_of = build("sampling", config.sampling)
        self.order = np.empty(0, np.intp)
        self.batch_size = config.rows()
        self.steps_per_epoch = config.steps_per_epoch()
        self.x: Array = np.empty((self.batch_size, config.sizes()[0]), theta.dtype)
        self.targets: Array = np.empty((self.batch_size, config.outputs()), theta.dtype)
        self.scratch: Array = np.empty(blocks(theta.size)[0].stop, theta.dtype)

    def advance(self, until: int) -> None:
        """Take steps until step ``until``, or until the loss is no longer finite."""
        start = time.perf_counter()
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            while self.step < until and not self.diverged:
                self.take_step()
        self.seconds += time.perf_counter() - start

    def take_step(self) -> None:
        """Take one step: a batch, its gradient, the optimiser's change."""
        network, train = self.network, self.data.train
        rows = self.next_rows()
        n = len(rows)
        labels = train.labels[rows]
        x = np.take(train.x, rows, axis=0, out=self.x[:n], mode="clip")
        targets = np.take(self.codes, labels, axis=0, out=self.targets[:n], mode="clip")

        logits = network.forward(x)
        right = int(np.count_nonzero(network.loss.predict(logits) == labels))
        if self.config.gradient == "numerical":
            self.batch_loss = numerical_gradient(network, x, targets)
        else:
            self.batch_loss = network.backward(x, targets)
        self.running.loss += self.batch_loss * n
        self.running.samples += n
        if self.diverged:
            return  # and none of its predictions counts as right
        self.running.correct += right
        if self.config.weight_decay:
            weights = network.theta[: network.weight_count]
            add_decay(network.grad, weights, self.config.weight_decay, self.scratch)
        self.optimizer.update(network.grad)
        network.theta += network.grad
        self.step += 1
        self.samples += n

    def next_rows(self) -> npt.NDArray[np.intp]:
        """Return the indices of the next batch: a slice of the epoch's order."""
        epoch, index = divmod(self.step, self.steps_per_epoch)
        if index == 0 or not self.order.size:
            rng = stream(self.config.seed, "order", epoch)
            self.order = self.order_of(rng, len(self.data.train.labels), self.batch_size)
        return self.order[index * self.batch_size : (index + 1) * self.batch_size]

    @property
    def diverged(self) -> bool:
        """Whether the last batch's loss was not finite."""
        return self.batch_loss is not None and not math.isfinite(self.batch_loss)

    def evaluate(self) -> Evaluation:
        """Score every split, measure the layers, and start the running means afresh."""
        network, running = self.network, self.running
        update = network.grad if self.step and not self.diverged else None
        data = self.data
        splits = {"train": data.train, "test": data.test, "validation": data.validation}
        metrics: dict[str, float | None] = {}
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for name, split in splits.items():
                if split is not None:
                    loss, accuracy = score(network, split, self.codes)
                    metrics |= {f"{name}_loss": loss, f"{name}_accuracy": accuracy}
            layers = measure(network, *self.probe(), update)
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

    def state(self) -> dict[str, Array]:
        """Return all that the run needs to go on from an evaluation, as arrays by name."""
        network = self.network
        pairs = zip(network.weights, network.biases, strict=True)
        state: dict[str, Any] = {}
        for layer, (weights, biases) in enumerate(pairs, start=1):
            state |= {f"W{layer}": weights.copy(), f"b{layer}": biases.copy()}
        moments = {k: v for k, v in vars(self.optimizer).items() if isinstance(v, np.ndarray | int)}
        state |= {f"optimizer.{name}": np.array(value) for name, value in moments.items()}
        progress = (self.step, self.samples, self.seconds, self.batch_loss)
        return state | {"progress": np.array(progress, dtype=np.float64)}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take up a run where ``state`` left it."""
        network = self.network
        for layer, (weights, biases) in enumerate(
            zip(network.weights, network.biases, strict=True), start=1
        ):
            weights[...], biases[...] = state[f"W{layer}"], state[f"b{layer}"]
        for name, value in vars(self.optimizer).items():
            if isinstance(value, np.ndarray):
                value[...] = state[f"optimizer.{name}"]
            elif f"optimizer.{name}" in state:
                setattr(self.optimizer, name, int(state[f"optimizer.{name}"]))
        step, samples, self.seconds, batch_loss = state["progress"].tolist()
        self.batch_loss = None if math.isnan(batch_loss) else batch_loss
        self.step, self.samples, self.saved_at = int(step), int(samples), int(step)

    def probe(self) -> tuple[Array, Array]:
        """Return inputs and targets of the examples on which the layers are measured.

        They are spread evenly over the training set, 1000 of them, or all if there are fewer.
        """
        train, most = self.data.train, self.network.evaluation_rows
        rows = np.linspace(0, len(train.labels) - 1, min(most, len(train.labels))).astype(np.intp)
        return train.x[rows], self.codes[train.labels[rows]]


def _mean(total: float, count: int) -> float | None:
    if not count:
        return None
    return total / count if math.isfinite(total) else math.inf
