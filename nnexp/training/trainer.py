"""Training with evaluations on schedule, up to the last step of a run."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.config.registry import build
from nnexp.config.run_config import RunConfig
from nnexp.data import Dataset, Split, target_codes, zeros_last
from nnexp.nn import threaded_batches
from nnexp.nn.dropout import Dropout
from nnexp.nn.layer_statistics import measure
from nnexp.nn.losses import log_loss
from nnexp.nn.network import Network
from nnexp.nn.pruning import Mask
from nnexp.nn.quirks import PositionBias, UpdatedWeights
from nnexp.store.record import SCORES
from nnexp.training.builder import build_network, form, scored
from nnexp.training.loss_line import line_points, line_rise
from nnexp.training.progress import Batches, Progress
from nnexp.training.sharpness import Sharpness
from nnexp.training.steps import DelayedSteps, PlainSteps, Steps, ThreadedSteps, Update

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Evaluation:
    """The measurements of a run at one step.

    ``metrics`` has ``train_loss``, ``train_accuracy``, ``test_…``, ``validation_…`` (if held out),
    ``batch_loss`` (of the last batch, before its update), ``running_loss`` and
    ``running_accuracy`` (over the batches since the last evaluation, each before its update).
    Losses are means per example and accuracies fractions. If it is asked for, there is
    ``sharpness``, ``None`` where it could not be measured, and for a pruned network
    ``weights_left``, a fraction. ``layers`` has a mapping for each layer.
    ``seconds`` is the training time, without evaluations.

    With ``evaluate_line``, the last evaluation of a run that has not diverged has ``line``: the
    ``fraction`` of the way from the initial to the final parameters and the scores there, a mapping
    for each of the `nnexp.training.loss_line.line_points`. Its ``line_rise`` is that of the
    training loss, which is ``None`` in all others.
    """

    epoch: float
    step: int
    samples: int
    seconds: float
    diverged: bool
    metrics: dict[str, float | None]
    layers: list[dict[str, Any]]
    line: list[dict[str, Any]]


def train(trainer: Trainer) -> Iterator[Evaluation]:
    """Train and yield an evaluation before the first update, on schedule and at the end.

    If the loss is no longer finite, the run stops and its last evaluation is marked ``diverged``.
    A restored trainer continues after the evaluation at which it was saved.
    """
    for step in evaluation_steps(trainer.config):
        if trainer.restored_at is not None and step <= trainer.restored_at:
            continue
        trainer.advance(step)
        evaluation = trainer.evaluate()
        yield evaluation
        if evaluation.diverged:
            return


def evaluation_steps(config: RunConfig) -> list[int]:
    """Return the steps after which the run is evaluated, from 0 to the last step."""
    last = config.total_steps()
    steps = {0, last, *config.evaluate_at}
    if config.evaluate_every is not None:
        distance = config.evaluate_every.steps(config.steps_per_epoch())
        steps.update(round(i * distance) for i in range(1, math.ceil(last / distance)))
    return sorted(steps)


def rates(config: RunConfig) -> Callable[[int], float] | None:
    """Return the learning rate by the step, ``None`` if it is constant."""
    if config.schedule is None:
        return None
    factor: Callable[..., float] = build("schedule", config.schedule)
    steps, epoch, lr = config.total_steps(), config.steps_per_epoch(), config.lr
    return lambda step: lr * factor(step, steps, epoch)


class Trainer:
    """A network with its data and optimiser: ``advance`` to a step, then ``evaluate``.

    ``threads`` (1 or 2) does not affect results. ``form`` is the kind of steps, see
    `nnexp.training.builder.form`. ``seconds`` is the time spent in steps. ``restored_at`` is the
    step from which a restored run continues, or ``None``.

    ``left`` (size,) are the parameters that pruning has left; `nnexp.training.lottery` finds them.
    With ``redrawn``, the initial weights are others of the same seed.
    """

    def __init__(
        self,
        config: RunConfig,
        data: Dataset,
        threads: int = 1,
        *,
        left: Mask | None = None,
        redrawn: bool = False,
    ) -> None:
        self.config, self.data = config, scored(config, zeros_last(data))
        self.left = left
        self.form = form(config)
        self.seconds = 0.0
        self.restored_at: int | None = None
        rows = 1 if self.form == "lanes" else None
        self.network = build_network(config, rows, self.data.columns, redrawn)
        theta = self.network.theta
        if left is not None:
            theta[~left] = 0
        self._initial = theta.copy() if config.evaluate_distance or config.evaluate_line else None
        self.codes = target_codes(
            config.data.targets, data.description.classes, config.outputs(), theta.dtype
        )
        self.optimizer = build("optimizer", config.optimizer)(theta.size, theta.dtype, config.lr)
        if isinstance(self.network, UpdatedWeights):
            self.network.optimizer = self.optimizer
            self.network.weight_decay = config.weight_decay
        self.progress = Progress()
        sampling = build("sampling", config.sampling)
        self.batches = Batches(
            sampling,
            self.data.train,
            config.rows(),
            config.seed,
            config.label_dilution or 0.0,
            data.description.classes,
        )
        self.threads = threaded_batches.Threads(threads)
        self.update = Update(
            self.network, self.optimizer, config.weight_decay, self.progress, rates(config), left
        )
        self.steps = self._make_steps()
        rows = self.network.evaluation_rows
        second = self.network.with_own_buffers(rows) if threads > 1 else self.network
        self._evaluators = [self.network, second]  # one for each half of the work
        self._sharpness = self._make_sharpness()

    def _make_steps(self) -> Steps:
        """Return the `Steps` of this run's form."""
        config, train, batches = self.config, self.data.train, self.batches
        update = self.update
        if self.form == "lanes":
            in_order = config.sampling.name != "replacement"
            return ThreadedSteps(train, self.codes, batches, update, self.threads, in_order)
        numerical = config.gradient == "numerical"
        dropout = self._make_dropout()
        plain = PlainSteps(self.network, train, self.codes, batches, update, numerical, dropout)
        return DelayedSteps(plain, config.lr) if self.form == "delayed" else plain

    def _make_dropout(self) -> Dropout | None:
        hidden, inputs = self.config.dropout or 0.0, self.config.input_dropout or 0.0
        if not hidden and not inputs:
            return None
        network = self.network
        rows, dtype = self.batches.size, network.theta.dtype
        return Dropout(network.sizes, rows, dtype, hidden, inputs, network.columns)

    def _make_sharpness(self) -> Sharpness | None:
        count = self.config.evaluate_sharpness
        return Sharpness(self.network, *self._examples(count)) if count else None

    def advance(self, until: int) -> None:
        """Train up to step ``until``, or until the loss is no longer finite."""
        start = time.perf_counter()
        self.update.set_rate()
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            self.steps.advance(until)
        self.seconds += time.perf_counter() - start

    def evaluate(self) -> Evaluation:
        """Return the losses and accuracies of all splits and the statistics of all layers.

        This resets the running means.
        """
        progress = self.progress
        update = self.network.grad if progress.step and not progress.diverged else None
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            metrics, layers = self._measure(update)
            if self._sharpness is not None:
                lost = progress.diverged or math.inf in metrics.values()
                sharpness = math.nan if lost else self._sharpness.measure(self.network.theta)
                metrics["sharpness"] = None if math.isnan(sharpness) else sharpness
            if self.left is not None:
                weights = self.left[: self.network.weight_count]
                metrics["weights_left"] = float(weights.mean())
            diverged = progress.diverged or math.inf in metrics.values()
            line = [] if diverged else self._line()
            if self.config.evaluate_line:
                losses = [point["train_loss"] for point in line]
                metrics["line_rise"] = line_rise(losses) if losses else None
        batch_loss = math.inf if progress.diverged else progress.batch_loss
        return Evaluation(
            epoch=progress.step / self.config.steps_per_epoch(),
            step=progress.step,
            samples=progress.samples,
            seconds=self.seconds,
            diverged=diverged,
            metrics={**metrics, "batch_loss": batch_loss, **progress.running_means()},
            layers=layers,
            line=line,
        )

    def _line(self) -> list[dict[str, Any]]:
        """Return ``line`` of an `Evaluation`, empty before the last step."""
        config, theta = self.config, self.network.theta
        if not config.evaluate_line or self.progress.step < config.total_steps():
            return []
        assert self._initial is not None
        end, line = theta.copy(), []
        for fraction, point in line_points(self._initial, end, config.evaluate_line):
            theta[...] = point
            scores, _ = self._measure(with_layers=False)
            line.append({"fraction": fraction, **{name: scores[name] for name in SCORES}})
        theta[...] = end
        return line

    def _measure(
        self, update: Array | None = None, *, with_layers: bool = True
    ) -> tuple[dict[str, float | None], list[dict[str, Any]]]:
        """Return the loss and accuracy of every split, and one row per layer ``with_layers``.

        The splits are scored in parts, shared between the threads. The parts are summed in order,
        so the result does not depend on the number of threads.
        """
        data, rows = self.data, self.network.evaluation_rows
        named = {"train": data.train, "test": data.test, "validation": data.validation}
        splits = {name: split for name, split in named.items() if split is not None}
        parts = [
            (name, self._rows(split, slice(start, start + rows)))
            for name, split in splits.items()
            for start in range(0, len(split.labels), rows)
        ]
        scores, queue = [(0.0, 0)] * len(parts), iter(range(len(parts)))
        layers: list[dict[str, Any]] = []

        def work(half: int, _: slice) -> None:
            if half == 0 and with_layers:
                initial = self._initial if self.config.evaluate_distance else None
                layers.extend(measure(self.network, *self.probe, update, initial))
            for index in queue:  # shared by the threads: each takes the next part
                name, part = parts[index]
                network, epsilon = self._evaluators[half], self.config.evaluate_epsilon
                scores[index] = score(network, splits[name], part, self.codes, epsilon)

        self.threads.run(work, threaded_batches.HALVES)
        metrics: dict[str, float | None] = {}
        for name, split in splits.items():
            own = [
                s for s, (split_name, _) in zip(scores, parts, strict=True) if split_name == name
            ]
            loss, correct = sum(loss for loss, _ in own), sum(correct for _, correct in own)
            metrics[f"{name}_loss"] = loss / len(split.labels) if math.isfinite(loss) else math.inf
            metrics[f"{name}_accuracy"] = correct / len(split.labels)
        return metrics, layers

    def _rows(self, split: Split, part: slice) -> slice | Indices:
        """Return the rows to score together: those of the file's examples if positions matter."""
        if isinstance(self.network, PositionBias):
            return split.rows(np.arange(len(split.labels))[part])
        return part

    @functools.cached_property
    def probe(self) -> tuple[Array, Array]:
        """Inputs and targets of the examples for the layer statistics.

        These are 1000 examples spread evenly over the training set, or all if there are fewer.
        """
        return self._examples(min(self.network.evaluation_rows, len(self.data.train.labels)))

    def _examples(self, count: int) -> tuple[Array, Array]:
        """Return inputs and targets of ``count`` examples spread evenly over the training set."""
        train = self.data.train
        rows = train.rows(np.linspace(0, len(train.labels) - 1, count).astype(np.intp))
        return train.x[rows, : train.width(rows)], self.codes[train.labels[rows]]


def score(
    network: Network, split: Split, rows: slice | Indices, codes: Array, epsilon: float | None
) -> tuple[float, int]:
    """Return the summed loss and the number of correct predictions in the ``rows``.

    With ``epsilon``, the losses are those of `nnexp.nn.losses.log_loss`. An example with an output
    that is not finite counts as wrong and makes the loss infinite.
    """
    labels = split.labels[rows]
    logits = network.forward(split.x[rows, : split.width(rows)])
    finite = np.isfinite(logits).all(axis=1)
    correct = int(np.count_nonzero((network.loss.predict(logits) == labels) & finite))
    targets = np.take(codes.T, labels, axis=1).T  # in Fortran order, like the logits
    if epsilon is None:
        loss = network.compute_loss(targets, 1)
    else:
        loss = log_loss(network.loss, logits, targets, epsilon)
    return loss if finite.all() else math.inf, correct
