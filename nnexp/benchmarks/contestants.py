"""The contestants of the benchmark: nnexp, and the same training in other libraries.

All contestants start from the same weights and use the same batches in the same order. They draw
that order and gather the batches themselves, and compute in float32 (`Textbook` in float64).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nnexp.config.run_config import RunConfig
from nnexp.data import Dataset, load
from nnexp.rng import stream
from nnexp.training.builder import build_network
from nnexp.training.trainer import Trainer

Array = npt.NDArray[Any]
Layers = list[tuple[Array, Array]]
# Our own name among the contestants.
OWN = "nnexp"


@dataclass(frozen=True)
class Workload:
    """A configuration and the number of ``steps`` to time, which are one ``unit``."""

    name: str
    title: str
    unit: str
    settings: dict[str, Any]
    steps: int

    def config(self) -> RunConfig:
        """Return the settings of a run with more steps than any benchmark takes."""
        return RunConfig.from_mapping({**_DEFAULTS, **self.settings})

    def flops(self) -> float:
        """Return the operations in the matrix products of a unit; a multiply-add counts as two."""
        config = self.config()
        first, *others = [
            i * o for i, o in zip(config.sizes()[:-1], config.sizes()[1:], strict=True)
        ]
        whole, rest = divmod(self.steps, config.steps_per_epoch())
        size = load(config.data, config.dtype).description.train_size
        samples = whole * size + rest * config.rows()
        return 2 * samples * (2 * first + 3 * sum(others))


_DEFAULTS: dict[str, Any] = {
    "data": {"name": "mnist"},
    "init": "xavier",
    "bias_init": "zero",
    "activation": "sigmoid",
    "loss": "cross_entropy",
    "optimizer": "sgd",
    "sampling": "shuffle",
    "hidden": "100",
    "batch_size": 100,
    "lr": 0.1,
    "weight_decay": 0.0,
    "epochs": None,
    "steps": 10**8,
    "evaluate_every": None,
    "evaluate_at": [],
    "gradient": "backprop",
    "quirk": None,
    "dtype": "float32",
    "seed": 0,
}
WORKLOADS = [
    Workload(
        "W1",
        "online: 784-100-10, sigmoid outputs, squared error, batch 1",
        "4096 steps",
        {"batch_size": 1, "loss": {"name": "mse", "reduction": "sum"}},
        4096,
    ),
    Workload("W2", "small: 784-50-10, batch 100", "epoch", {"hidden": "50"}, 600),
    Workload(
        "W3",
        "deep: 784-512-256-10, batch 600",
        "epoch",
        {"hidden": "512x256", "batch_size": 600},
        100,
    ),
    Workload(
        "W4", "full batch: 784-512-10", "iteration", {"hidden": "512", "batch_size": "full"}, 1
    ),
    Workload(
        "W5",
        "ReLU: 784-256-128-10, batch 128",
        "epoch",
        {"hidden": "256x128", "batch_size": 128, "activation": "relu"},
        469,
    ),
]


class Contestant(Protocol):
    """The interface of a trainer of one workload."""

    def advance(self, steps: int) -> None:
        """Take this number of further steps, and return when they are done."""

    def layers(self) -> Layers:
        """Return the weights (i, o) and biases (o,) of each layer."""


class NNexp:
    """nnexp, as run by ``python -m nnexp``."""

    def __init__(self, config: RunConfig, data: Dataset, threads: int) -> None:
        self.trainer = Trainer(config, data, threads)

    def advance(self, steps: int) -> None:
        """Take this number of further steps."""
        self.trainer.advance(self.trainer.progress.step + steps)

    def layers(self) -> Layers:
        """Return weights and biases."""
        arrays = self.trainer.network.arrays()
        layers = range(1, len(arrays) // 2 + 1)
        return [(arrays[f"W{layer}"], arrays[f"b{layer}"]) for layer in layers]


class _Peer:
    """The initial weights and the batches, shared by all contestants except nnexp."""

    def __init__(self, config: RunConfig, data: Dataset) -> None:
        network = build_network(config, rows=1)
        self.start = [
            (w.copy(), b.copy()) for w, b in zip(network.weights, network.biases, strict=True)
        ]
        self.config, self.data = config, data
        self.lr, self.relu = config.lr, config.activation.name == "relu"
        self.squared = config.loss.name == "mse"
        self.full = config.batch_size is None
        self.outputs, self.step = config.outputs(), 0
        self.batch, self.steps_per_epoch = config.rows(), config.steps_per_epoch()
        self.order = np.empty(0, np.intp)

    def batches(self, steps: int) -> Iterator[npt.NDArray[np.intp]]:
        """Yield the indices of the next batches."""
        size, batch = len(self.data.train.labels), self.batch
        for _ in range(steps):
            epoch, index = divmod(self.step, self.steps_per_epoch)
            if index == 0:
                self.order = stream(self.config.seed, "order", epoch).permutation(size)
            self.step += 1
            yield self.order[index * batch : (index + 1) * batch]


class Textbook(_Peer):
    """A straightforward implementation: float64, with a new array for every result."""

    def __init__(self, config: RunConfig, data: Dataset) -> None:
        super().__init__(config, data)
        self.x = data.train.x.astype(np.float64)
        self.parameters = [(w.astype(np.float64), b.astype(np.float64)) for w, b in self.start]

    def advance(self, steps: int) -> None:
        """Take this number of further steps."""
        eye = np.eye(self.outputs)
        for rows in self.batches(steps):
            x = self.x if self.full else self.x[rows]
            t = eye[self.data.train.labels if self.full else self.data.train.labels[rows]]
            below = [x]
            for w, b in self.parameters[:-1]:
                z = below[-1] @ w + b
                below.append(np.maximum(z, 0) if self.relu else 1 / (1 + np.exp(-z)))
            w, b = self.parameters[-1]
            z = below[-1] @ w + b
            if self.squared:
                o = 1 / (1 + np.exp(-z))
                delta = (o - t) * o * (1 - o) / len(x)
            else:
                e = np.exp(z - z.max(axis=1, keepdims=True))
                delta = (e / e.sum(axis=1, keepdims=True) - t) / len(x)
            changed = []
            for (w, b), a in zip(reversed(self.parameters), reversed(below), strict=True):
                changed.append((w - self.lr * a.T @ delta, b - self.lr * delta.sum(axis=0)))
                if a is not x:
                    delta = delta @ w.T * ((a > 0) if self.relu else a * (1 - a))
            self.parameters = changed[::-1]

    def layers(self) -> Layers:
        """Return weights and biases."""
        return self.parameters


class PyTorch(_Peer):
    """Modules, autograd and ``torch.optim.SGD``, as in PyTorch's tutorials."""

    def __init__(self, config: RunConfig, data: Dataset, cores: int) -> None:
        super().__init__(config, data)
        self.torch = torch = importlib.import_module("torch")
        torch.set_num_threads(cores)
        modules: list[Any] = []
        for w, b in self.start:
            linear = torch.nn.Linear(*w.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(w.T.copy()))
                linear.bias.copy_(torch.from_numpy(b))
            modules += [linear, torch.nn.ReLU() if self.relu else torch.nn.Sigmoid()]
        self.linears = modules[::2]
        self.model = torch.nn.Sequential(*(modules if self.squared else modules[:-1]))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=self.lr)
        self.x = torch.from_numpy(data.train.x.copy())
        self.labels = torch.from_numpy(data.train.labels.copy())
        self.eye = torch.eye(self.outputs)

    def advance(self, steps: int) -> None:
        """Take this number of further steps."""
        torch = self.torch
        for rows in self.batches(steps):
            if self.full:
                x, labels = self.x, self.labels
            else:
                indices = torch.from_numpy(rows)
                x, labels = self.x[indices], self.labels[indices]
            self.optimizer.zero_grad()
            output = self.model(x)
            if self.squared:
                loss = 0.5 * ((output - self.eye[labels]) ** 2).sum() / len(x)
            else:
                loss = torch.nn.functional.cross_entropy(output, labels)
            loss.backward()
            self.optimizer.step()

    def layers(self) -> Layers:
        """Return weights and biases."""
        found = [(one.weight.detach().numpy().T, one.bias.detach().numpy()) for one in self.linears]
        return [(w.copy(), b.copy()) for w, b in found]


class Jax(_Peer):
    """A jitted step, called for each batch or scanned over all batches."""

    def __init__(self, config: RunConfig, data: Dataset, scan: bool) -> None:
        super().__init__(config, data)
        self.jax = jax = importlib.import_module("jax")
        numpy, squared, lr, outputs = jax.numpy, self.squared, self.lr, self.outputs
        self.scans = scan
        self.parameters = [(numpy.array(w), numpy.array(b)) for w, b in self.start]
        self.x, self.labels = numpy.array(data.train.x), numpy.array(data.train.labels)
        activation = jax.nn.relu if self.relu else jax.nn.sigmoid

        def loss(parameters: Any, x: Any, labels: Any) -> Any:
            for w, b in parameters[:-1]:
                x = activation(x @ w + b)
            w, b = parameters[-1]
            z = x @ w + b
            if squared:
                error = jax.nn.sigmoid(z) - jax.nn.one_hot(labels, outputs)
                return 0.5 * numpy.sum(error**2) / len(labels)
            return -numpy.mean(numpy.take_along_axis(jax.nn.log_softmax(z), labels[:, None], 1))

        def descend(parameters: Any, x: Any, labels: Any) -> Any:
            gradient = jax.grad(loss)(parameters, x, labels)
            return jax.tree.map(lambda p, g: p - lr * g, parameters, gradient)

        def gathered(parameters: Any, x: Any, labels: Any, rows: Any) -> Any:
            return descend(parameters, x[rows], labels[rows])

        def scanned(parameters: Any, x: Any, labels: Any, orders: Any) -> Any:
            def one(carry: Any, rows: Any) -> Any:
                return gathered(carry, x, labels, rows), None

            return jax.lax.scan(one, parameters, orders)[0]

        self.whole = jax.jit(descend, donate_argnums=0)
        self.one = jax.jit(gathered, donate_argnums=0)
        self.many = jax.jit(scanned, donate_argnums=0)

    def advance(self, steps: int) -> None:
        """Take this number of further steps."""
        orders, batch = list(self.batches(steps)), self.batch
        if self.full:
            for _ in orders:
                self.parameters = self.whole(self.parameters, self.x, self.labels)
        else:
            if self.scans:
                full = [rows for rows in orders if len(rows) == batch]
                self._call(self.many, np.stack(full))
                orders = [rows for rows in orders if len(rows) < batch]
            for rows in orders:
                self._call(self.one, rows)
        self.jax.block_until_ready(self.parameters)

    def _call(self, function: Callable[..., Any], rows: Array) -> None:
        self.parameters = function(self.parameters, self.x, self.labels, rows)

    def layers(self) -> Layers:
        """Return weights and biases."""
        return [(np.array(w), np.array(b)) for w, b in self.parameters]


class ScikitLearn(_Peer):
    """``MLPClassifier.partial_fit`` on the examples of an epoch in order; cross-entropy only."""

    def __init__(self, config: RunConfig, data: Dataset) -> None:
        super().__init__(config, data)
        network = importlib.import_module("sklearn.neural_network")
        self.model = network.MLPClassifier(
            hidden_layer_sizes=config.hidden,
            activation="relu" if self.relu else "logistic",
            solver="sgd",
            alpha=0.0,
            batch_size=config.rows(),
            learning_rate_init=self.lr,
            momentum=0.0,
            nesterovs_momentum=False,
            shuffle=False,
        )
        x, labels = data.train.x, data.train.labels
        few = config.rows()
        self.model.partial_fit(x[:few], labels[:few], classes=np.arange(self.outputs))
        for (w, b), own_w, own_b in zip(
            self.start, self.model.coefs_, self.model.intercepts_, strict=True
        ):
            own_w[...], own_b[...] = w, b

    def advance(self, steps: int) -> None:
        """Take this number of further steps."""
        x, labels = self.data.train.x, self.data.train.labels
        if self.full:
            for _ in range(steps):
                self.model.partial_fit(x, labels)
        else:
            rows = np.concatenate(list(self.batches(steps)))
            self.model.partial_fit(x[rows], labels[rows])

    def layers(self) -> Layers:
        """Return weights and biases."""
        return [
            (w.copy(), b.copy())
            for w, b in zip(self.model.coefs_, self.model.intercepts_, strict=True)
        ]


def contestants(workload: Workload, cores: int) -> dict[str, Callable[[], Contestant]]:
    """Return functions that make the contestants of ``workload``, by name."""
    config = workload.config()
    data = load(config.data, config.dtype)
    makers: dict[str, Callable[[], Contestant]] = {
        OWN: lambda: NNexp(config, data, cores),
        "nnexp, 1 thread": lambda: NNexp(config, data, 1),
        "PyTorch eager": lambda: PyTorch(config, data, cores),
        "JAX scan": lambda: Jax(config, data, True),
        "JAX step": lambda: Jax(config, data, False),
        "scikit-learn": lambda: ScikitLearn(config, data),
        "textbook NumPy": lambda: Textbook(config, data),
    }
    if config.batch_size is None:
        del makers["JAX scan"]
    if config.loss.name == "mse":
        del makers["scikit-learn"]
    return makers
