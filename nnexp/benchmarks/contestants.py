"""The contestants of the benchmark: nnexp, and the same training in other libraries.

All contestants start from the same weights and use the same batches in the same order. They draw
that order and gather the batches themselves, and compute in float32 (`Textbook` in float64).
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from nnexp.benchmarks.workloads import Workload
from nnexp.config.run_config import RunConfig
from nnexp.data import Dataset, Split, load
from nnexp.rng import stream
from nnexp.training.builder import build_network
from nnexp.training.trainer import Trainer

Array = npt.NDArray[Any]
Layers = list[tuple[Array, Array]]
Score = tuple[float, float]
# Our own name among the contestants.
OWN = "nnexp"


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


@functools.cache
def _in_torch(split: Split) -> tuple[Any, Any]:
    torch: Any = importlib.import_module("torch")
    return torch.from_numpy(split.x.copy()), torch.from_numpy(split.labels.copy())


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
        self.x, self.labels = _in_torch(data.train)
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

    def score(self, split: Split) -> Score:
        """Return the mean loss and the accuracy of all examples of ``split``."""
        torch = self.torch
        x, labels = _in_torch(split)
        with torch.no_grad():
            output = self.model(x)
            if self.squared:
                loss = 0.5 * ((output - self.eye[labels]) ** 2).sum() / len(labels)
            else:
                loss = torch.nn.functional.cross_entropy(output, labels)
            return float(loss), float((output.argmax(1) == labels).float().mean())

    def layers(self) -> Layers:
        """Return weights and biases."""
        found = [(one.weight.detach().numpy().T, one.bias.detach().numpy()) for one in self.linears]
        return [(w.copy(), b.copy()) for w, b in found]


class _JaxFunctions(NamedTuple):
    """What JAX compiles; all networks of the same kind share it."""

    whole: Callable[..., Any]  # a step of a full batch
    one: Callable[..., Any]  # a step of the given rows
    many: Callable[..., Any]  # a scan over the rows of many steps
    scored: Callable[..., Any]  # mean loss and accuracy


@functools.cache
def _jax_functions(
    relu: bool, squared: bool, outputs: int, lr: float, wrap: Callable[..., Any] | None
) -> _JaxFunctions:
    """Return the compiled functions, each changed by ``wrap(function, batches)`` before."""
    jax: Any = importlib.import_module("jax")
    numpy, activation = jax.numpy, jax.nn.relu if relu else jax.nn.sigmoid

    def predict(parameters: Any, x: Any) -> Any:
        for w, b in parameters[:-1]:
            x = activation(x @ w + b)
        w, b = parameters[-1]
        return x @ w + b

    def mean_loss(z: Any, labels: Any) -> Any:
        if squared:
            error = jax.nn.sigmoid(z) - jax.nn.one_hot(labels, outputs)
            return 0.5 * numpy.sum(error**2) / len(labels)
        return -numpy.mean(numpy.take_along_axis(jax.nn.log_softmax(z), labels[:, None], 1))

    def loss(parameters: Any, x: Any, labels: Any) -> Any:
        return mean_loss(predict(parameters, x), labels)

    def scored(parameters: Any, x: Any, labels: Any) -> Any:
        z = predict(parameters, x)
        return mean_loss(z, labels), numpy.mean(numpy.argmax(z, 1) == labels)

    def descend(parameters: Any, x: Any, labels: Any) -> Any:
        gradient = jax.grad(loss)(parameters, x, labels)
        return jax.tree.map(lambda p, g: p - lr * g, parameters, gradient)

    def gathered(parameters: Any, x: Any, labels: Any, rows: Any) -> Any:
        return descend(parameters, x[rows], labels[rows])

    def scanned(parameters: Any, x: Any, labels: Any, orders: Any) -> Any:
        def one(carry: Any, rows: Any) -> Any:
            return gathered(carry, x, labels, rows), None

        return jax.lax.scan(one, parameters, orders)[0]

    def step(function: Callable[..., Any], batches: bool = True) -> Any:
        return jax.jit(wrap(function, batches) if wrap else function, donate_argnums=0)

    return _JaxFunctions(
        step(descend, False),
        step(gathered),
        step(scanned),
        jax.jit(wrap(scored, False) if wrap else scored),
    )


@functools.cache
def _in_jax(split: Split) -> tuple[Any, Any]:
    numpy: Any = importlib.import_module("jax.numpy")
    return numpy.array(split.x), numpy.array(split.labels)


class Jax(_Peer):
    """A jitted step, called for each batch or scanned over all batches."""

    wrap: Callable[..., Any] | None = None

    def __init__(self, config: RunConfig, data: Dataset, scan: bool) -> None:
        super().__init__(config, data)
        self.jax = importlib.import_module("jax")
        self.scans = scan
        array = self.jax.numpy.array
        self.parameters = [(array(w), array(b)) for w, b in self.start]
        self.x, self.labels = _in_jax(data.train)
        self.functions = _jax_functions(self.relu, self.squared, self.outputs, self.lr, self.wrap)

    def advance(self, steps: int) -> None:
        """Take this number of further steps."""
        orders, batch = list(self.batches(steps)), self.batch
        if self.full:
            for _ in orders:
                self.parameters = self.functions.whole(self.parameters, self.x, self.labels)
        else:
            if self.scans:
                full = [rows for rows in orders if len(rows) == batch]
                self._call(self.functions.many, np.stack(full))
                orders = [rows for rows in orders if len(rows) < batch]
            for rows in orders:
                self._call(self.functions.one, rows)
        self.jax.block_until_ready(self.parameters)

    def _call(self, function: Callable[..., Any], rows: Array) -> None:
        self.parameters = function(self.parameters, self.x, self.labels, rows)

    def score(self, split: Split) -> Any:
        """Return the mean loss and the accuracy of all examples of ``split``."""
        return self.functions.scored(self.parameters, *_in_jax(split))

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

    def score(self, split: Split) -> Score:
        """Return the mean loss and the accuracy of all examples of ``split``."""
        shares = self.model.predict_proba(split.x)
        chosen = np.take_along_axis(shares, split.labels[:, None], axis=1)
        return float(-np.log(chosen).mean()), float((shares.argmax(1) == split.labels).mean())

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
