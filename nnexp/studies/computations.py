"""Computations that claims about code or arithmetic name: a document's own examples, worked again.

Each takes plain numbers, lists and names, as a study's file gives them under ``given``, and returns
named quantities, floats or float64 arrays. What the core computes is computed by the core.
"""

from __future__ import annotations

import inspect
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp import validation
from nnexp.config.hidden_layers import parse_hidden
from nnexp.config.registry import build, read
from nnexp.data import arrays, target_codes
from nnexp.errors import InputError, suggestion, unknown
from nnexp.nn import losses
from nnexp.nn.activations import Activation
from nnexp.nn.losses import Loss
from nnexp.nn.network import Network
from nnexp.nn.numerical_gradient import numerical_gradient

Array = npt.NDArray[Any]
Quantities = dict[str, float | Array]

_LAYOUTS = ("in_out", "out_in")
_METHODS = ("backprop", "numerical")
# Rounds of timing, whose medians count, and backpropagations in each.
_ROUNDS, _REPEATS = 10, 20


def compute(name: str, given: Mapping[str, Any]) -> Quantities:
    """Return the quantities of the computation ``name`` with the arguments ``given``.

    Raises
    ------
    InputError
        For an unknown computation, an unknown or missing argument, or a value that does not fit.
    """
    if name not in COMPUTATIONS:
        raise unknown("computation", name, COMPUTATIONS)
    function = COMPUTATIONS[name]
    parameters = inspect.signature(function).parameters
    takes = f"it takes {', '.join(parameters)}"
    for key in given:
        if key not in parameters:
            hint = suggestion(str(key), parameters) or ":"
            raise InputError(f"compute={name} has no argument {str(key)!r}{hint} {takes}")
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in given:
            raise InputError(f"compute={name} needs the argument {key!r}: {takes}")
    return function(**given)


def entry(quantities: Quantities, name: str) -> float | Array:
    """Return the quantity ``name``, or a part of an array: ``dW[1,2]`` an entry, ``p[0]`` a row.

    Raises
    ------
    InputError
        If there is no such quantity, or the array is smaller.
    """
    match = re.fullmatch(r"(.*?)(?:\[([\d, ]+)\])?", name)
    base, index = (match[1], match[2]) if match else (name, None)
    if base not in quantities:
        raise unknown("quantity", base, quantities)
    value = quantities[base]
    if index is None:
        return value
    try:
        part = np.asarray(value)[tuple(int(number) for number in index.split(","))]
    except (IndexError, ValueError):
        shape = np.shape(value)
        raise InputError(f"{name} is no part of {base}, whose shape is {shape}") from None
    return part if np.ndim(part) else float(part)


def agrees(quantity: float | Array, published: object, rounding: float) -> bool:
    """Tell whether a quantity is, in every entry, within ``rounding`` of the published figures.

    Both have the same shape. Where nan is published nan must be computed, and inf where inf is.
    """
    figures = _numbers("published", published)
    computed = np.asarray(quantity, np.float64)
    if figures.shape != computed.shape:
        return False
    with np.errstate(invalid="ignore"):
        near = np.abs(computed - figures) <= rounding
    exactly = (computed == figures) | (np.isnan(computed) & np.isnan(figures))
    return bool(np.all(np.where(np.isfinite(figures), near, exactly)))


def forward(
    x: object,
    weights: object,
    biases: object,
    activation: object = "sigmoid",
    output: str = "identity",
    layout: str = "in_out",
) -> Quantities:
    """Return ``A1`` (pre-activations), ``Z1`` (activations), ``A2``, …, ``Y`` (outputs).

    ``x`` is (i,) or (n, i), and so are the quantities; ``weights`` is a list of matrices, (in, out)
    or, with ``layout=out_in``, (out, in); ``biases`` a list of (out,). The network is float64. A
    layer's pre-activations are the logits of the network that is cut off behind it.
    """
    batch = _rows("x", x)
    validation.choice("layout", layout, _LAYOUTS)
    loss = losses.mse(output=validation.choice("output", output, losses.OUTPUTS))
    matrices = [_numbers("weights", matrix, 2) for matrix in _list("weights", weights)]
    if layout == "out_in":
        matrices = [matrix.T for matrix in matrices]
    vectors = [_numbers("biases", vector, 1) for vector in _list("biases", biases)]
    _check_chain(batch.shape[1], matrices, vectors)
    quantities: Quantities = {}
    act = _made("activation", activation)
    for depth in range(1, len(matrices) + 1):
        network = _network(act, loss, matrices[:depth], vectors[:depth], len(batch))
        logits = network.forward(batch)
        if depth > 1:
            quantities[f"Z{depth - 1}"] = network.activations[depth - 2][: len(batch)].copy()
        quantities[f"A{depth}"] = logits.copy()
    loss.outputs(logits)
    quantities["Y"] = logits.copy()
    shape = (*np.asarray(x).shape[:-1], -1)
    return {name: np.reshape(value, shape) for name, value in quantities.items()}


def softmax(logits: object, shifted: bool = True) -> Quantities:
    """Return ``probabilities``, the softmax of ``logits`` (k,) or (n, k), row by row.

    The core shifts each row by its maximum. ``shifted=false`` is the formula as it stands,
    exp(z) / Σ exp(z), which is nan where exp overflows.
    """
    z = _rows("logits", logits)
    if not isinstance(shifted, bool):
        raise InputError(f"shifted={shifted} is invalid: give true or false")
    if shifted:
        losses.softmax(z)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            np.exp(z, out=z)
            z /= z.sum(axis=1, keepdims=True)
    return {"probabilities": z.reshape(np.asarray(logits).shape)}


def cross_entropy_of(
    labels: object, probabilities: object = None, gradient: object = None
) -> Quantities:
    """Return ``loss``, ``probabilities`` and ``gradient`` from a printed table (n, k) of either.

    ``labels`` is (n,), from 0. The gradient, of the mean loss by the logits, is (p - t) / n, so
    that a printed gradient gives the probabilities back. Each row is normalised anew: printed
    figures sum to 1 within their rounding.
    """
    if (probabilities is None) == (gradient is None):
        raise InputError("give one of probabilities and gradient: a table of (n, k) figures")
    name = "gradient" if probabilities is None else "probabilities"
    table = _numbers(name, gradient if probabilities is None else probabilities, 2)
    n, classes = table.shape
    numbers = [validation.whole("labels", v, 0, classes - 1) for v in _list("labels", labels)]
    if len(numbers) != n:
        raise InputError(f"labels={labels}: give {n} of them, one a row of {name}")
    targets = target_codes("one_hot", classes, classes, np.float64)[numbers]
    p = table if gradient is None else n * table + targets
    if not (p > 0).all():
        raise InputError(f"{name} makes a probability that is not above 0: check the figures")
    p = np.log(p)
    descent = p.copy()
    loss = losses.cross_entropy()(descent, targets, n, np.empty_like(p), np.empty((n, 1)))
    losses.softmax(p)
    return {"loss": loss, "probabilities": p, "gradient": descent}


def loss_gradient(
    x: object,
    target: object,
    weights: object,
    loss: object = "cross_entropy",
    method: str = "backprop",
    h: float = 1e-4,
) -> Quantities:
    """Return the loss of one layer without biases, its gradient ``dW`` (i, o), and ``rise`` (i, o).

    ``x`` is (i,) or (n, i), ``target`` (o,) or (n, o), ``weights`` (i, o). ``method=numerical``
    takes central differences of width ``h``; ``rise`` is how much the loss changes when one weight
    alone is larger by ``h``.
    """
    batch, targets, matrix = _rows("x", x), _rows("target", target), _numbers("weights", weights, 2)
    h = validation.real("h", h, 0, open_=True)
    if batch.shape[1] != len(matrix) or targets.shape != (len(batch), matrix.shape[1]):
        raise InputError(
            f"x {batch.shape}, weights {matrix.shape} and target {targets.shape} do not fit: "
            "give (n, i), (i, o) and (n, o)"
        )
    none, bias = _made("activation", "identity"), np.zeros(matrix.shape[1])
    network = _network(none, _made("loss", loss), [matrix], [bias], len(batch))
    value = _filled(network, batch, targets, validation.choice("method", method, _METHODS), h)
    gradient = network.weight_grads[0].copy()
    rise = np.empty_like(matrix)
    for place in np.ndindex(*matrix.shape):
        network.weights[0][place] += h
        rise[place] = _filled(network, batch, targets, "backprop", h) - value
        network.weights[0][place] = matrix[place]
    return {"loss": value, "dW": gradient, "rise": rise}


def gradient_agreement(
    hidden: object,
    features: int = 20,
    outputs: int = 10,
    batch: int = 10,
    activation: object = "sigmoid",
    loss: object = "cross_entropy",
    init: object = "xavier",
    seed: int = 0,
    h: float = 1e-4,
) -> Quantities:
    """Return how far backpropagation and central differences lie apart at most, ``difference``.

    ``hidden`` lists networks by their hidden layers, as in ``[none, 15, 9x8x7]``. The distance is
    that of a layer's two gradients, of its weights or its biases, relative to their norm; the
    largest over layers and networks counts. Inputs are standard normal, labels uniform, all in
    float64. Also ``parameters``, how many derivatives were compared.
    """
    features, outputs, batch = _counts(features=features, outputs=outputs, batch=batch)
    rng = np.random.default_rng(validation.whole("seed", seed, 0))
    classes = max(outputs, 2)
    codes = target_codes("one_hot", classes, outputs, np.float64)
    worst, compared = 0.0, 0
    h = validation.real("h", h, 0, open_=True)
    for widths in map(parse_hidden, _list("hidden", hidden)):
        network = _drawn((features, *widths, outputs), activation, loss, init, batch, seed)
        x = rng.standard_normal((batch, features))
        targets = codes[rng.integers(0, classes, batch)]
        _filled(network, x, targets, "backprop", h)
        exact = [part.copy() for part in (*network.weight_grads, *network.bias_grads)]
        _filled(network, x, targets, "numerical", h)
        for one, other in zip(exact, (*network.weight_grads, *network.bias_grads), strict=True):
            size, apart = (float(np.linalg.norm(v)) for v in (one, one - other))
            worst = max(worst, apart / size if size else math.inf if apart else 0.0)
        compared += network.theta.size
    return {"difference": worst, "parameters": float(compared)}


def deep_linear(
    hidden: object, features: int = 784, outputs: int = 10, rows: int = 100, seed: int = 0
) -> Quantities:
    """Return how far a deep linear network and its single layer lie apart at most, ``difference``.

    The single layer's weights are the product of the deep network's, W1·W2·…, and its biases what
    the deep one makes of a zero input. The distance of the outputs is relative to the largest.
    """
    features, outputs, rows = _counts(features=features, outputs=outputs, rows=rows)
    sizes = (features, *parse_hidden(hidden), outputs)
    deep = _drawn(sizes, "identity", "cross_entropy", "xavier", rows, seed, biases="randn")
    product = deep.weights[0]
    for matrix in deep.weights[1:]:
        product = product @ matrix
    bias = deep.forward(np.zeros((1, sizes[0])))[0].copy()
    single = _network(deep.activation, deep.loss, [product], [bias], rows)
    x = np.random.default_rng(seed).standard_normal((rows, sizes[0]))
    wanted = deep.forward(x)
    apart = np.abs(wanted - single.forward(x)).max()
    return {"difference": float(apart / np.abs(wanted).max())}


def derivative_bound(
    activation: object, low: float = -10.0, high: float = 10.0, points: int = 4001
) -> Quantities:
    """Return the ``largest`` derivative of an activation, and its largest ``output``.

    Both in magnitude, over ``points`` values from ``low`` to ``high``, both ends included.
    """
    low, high = validation.real("low", low), validation.real("high", high)
    z = np.linspace(low, high, validation.whole("points", points, 2))[:, None]
    act, a = _made("activation", activation), z.copy()
    act.forward(a, np.empty_like(a))
    output = float(np.abs(a).max())
    return {"largest": float(np.abs(act.derivative(a, z)).max()), "output": output}


def parameter_count(hidden: object, features: int = 784, outputs: int = 10) -> Quantities:
    """Return how many ``parameters`` a network has: its ``weights``, and a bias a unit."""
    features, outputs = _counts(features=features, outputs=outputs)
    sizes = (features, *parse_hidden(hidden), outputs)
    network = Network(sizes, _made("activation", "identity"), _made("loss", "mse"), 1)
    return {"parameters": float(network.theta.size), "weights": float(network.weight_count)}


def label_mixup(count: int = 100) -> Quantities:
    """Return what MNIST's first training images score against the first TEST labels (D1.3's slip).

    ``perfect`` is the score of whoever names every image rightly: the share of places at which the
    two lists of ``count`` labels agree. ``chance`` is what labels paired at random would give.
    """
    count = validation.whole("count", count, 1, 10_000)
    _, train, _, test = arrays("mnist", first=count)
    test = test[:count]
    shares = [np.bincount(labels, minlength=10) / count for labels in (train, test)]
    return {"perfect": float(np.mean(train == test)), "chance": float(shares[0] @ shares[1])}


def gradient_cost(
    hidden: object = 50, batch: int = 100, timed: int = 2000, iterations: int = 100
) -> Quantities:
    """Return what a numerical gradient of every parameter costs, and backpropagation (D4.3).

    On MNIST's first ``batch`` images, sigmoid, cross-entropy, float64. The derivatives by
    ``timed`` parameters, spread over the network, are timed in ten rounds that alternate with
    backpropagation, and the time for all ``parameters`` is extrapolated: ``numerical_seconds``.
    ``ratio`` is that by ``backprop_seconds``, ``orders`` its decimal logarithm, ``hours`` the time
    of ``iterations`` numerical gradients, and ``passes`` how many forward passes one of them takes.
    """
    batch, iterations = _counts(batch=batch, iterations=iterations)
    images, labels, *_ = arrays("mnist", first=batch)
    x, targets = images.astype(np.float64), np.eye(10)[labels]
    sizes = (x.shape[1], *parse_hidden(hidden), 10)
    network = _drawn(sizes, "sigmoid", "cross_entropy", "normal", len(x), seed=0)
    parameters = network.theta.size
    size = validation.whole("timed", timed, _ROUNDS, parameters) // _ROUNDS
    starts = np.linspace(0, parameters - size, _ROUNDS).astype(int)
    by_pass, by_backprop = [], []
    for first in starts:
        begin = time.perf_counter()
        for _ in range(_REPEATS):
            _filled(network, x, targets, "backprop", 1e-4)
        by_backprop.append((time.perf_counter() - begin) / _REPEATS)
        # A stand-in that knows some of the parameters alone, which it shares with the network.
        part = network.with_own_buffers(network.rows)
        part.theta, part.grad = (v[first : first + size] for v in (network.theta, network.grad))
        begin = time.perf_counter()
        numerical_gradient(part, x, targets)
        by_pass.append((time.perf_counter() - begin) / (1 + 2 * size))
    passes = 1 + 2 * parameters
    numerical, backprop = passes * float(np.median(by_pass)), float(np.median(by_backprop))
    return {
        "parameters": float(parameters),
        "timed": float(size * _ROUNDS),
        "passes": float(passes),
        "numerical_seconds": numerical,
        "backprop_seconds": backprop,
        "ratio": numerical / backprop,
        "orders": math.log10(numerical / backprop),
        "hours": iterations * numerical / 3600,
    }


COMPUTATIONS: dict[str, Callable[..., Quantities]] = {
    "forward": forward,
    "softmax": softmax,
    "cross_entropy_of": cross_entropy_of,
    "loss_gradient": loss_gradient,
    "gradient_agreement": gradient_agreement,
    "deep_linear": deep_linear,
    "derivative_bound": derivative_bound,
    "parameter_count": parameter_count,
    "label_mixup": label_mixup,
    "gradient_cost": gradient_cost,
}


def _numbers(key: str, value: object, dimensions: int | None = None) -> Array:
    """Return ``value`` as float64, of so many dimensions if that is asked."""
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{key} is no number nor a regular list of numbers: {value}") from None
    if array.size == 0 or (dimensions is not None and array.ndim != dimensions):
        shape = {None: "numbers", 1: "a list of numbers", 2: "a list of rows of numbers"}
        raise InputError(f"{key} has the shape {array.shape}: give {shape[dimensions]}")
    return array


def _list(key: str, value: object) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or not value:
        raise InputError(f"{key}={value} is no list: give one, as in [a, b]")
    return value


def _rows(key: str, value: object) -> Array:
    """Return ``value``, one row of numbers or several, as float64 (n, i)."""
    array = np.atleast_2d(_numbers(key, value))
    if array.ndim != 2:
        raise InputError(f"{key} has the shape {array.shape}: give a list of numbers, or of rows")
    return array


def _counts(**values: object) -> tuple[int, ...]:
    return tuple(validation.whole(key, value, 1) for key, value in values.items())


def _made(key: str, choice: object) -> Any:
    """Return the activation, loss or initialiser that a name, or a mapping with it, stands for."""
    return build(key, read(key, choice))


def _check_chain(features: int, matrices: Sequence[Array], vectors: Sequence[Array]) -> None:
    """Refuse layers that do not take what the layer below them gives."""
    if len(matrices) != len(vectors):
        raise InputError(f"give a bias vector for each of the {len(matrices)} weight matrices")
    for layer, (matrix, vector) in enumerate(zip(matrices, vectors, strict=True), 1):
        if matrix.shape != (features, len(vector)):
            raise InputError(
                f"layer {layer} takes {features} inputs and has {len(vector)} biases, and its "
                f"weights have the shape {matrix.shape} as (in, out): correct them, or the layout"
            )
        features = len(vector)


def _network(
    activation: Activation, loss: Loss, weights: Sequence[Array], biases: Sequence[Array], rows: int
) -> Network:
    """Return the float64 network with these weights, each (in, out), and biases."""
    sizes = [len(weights[0]), *(len(vector) for vector in biases)]
    network = Network(sizes, activation, loss, rows, np.float64)
    for own, given in zip((*network.weights, *network.biases), (*weights, *biases), strict=True):
        own[...] = given
    return network


def _drawn(
    sizes: Sequence[int],
    activation: object,
    loss: object,
    init: object,
    rows: int,
    seed: int,
    biases: str = "zero",
) -> Network:
    """Return a float64 network of these layer sizes, drawn from ``seed``."""
    network = Network(sizes, _made("activation", activation), _made("loss", loss), rows, np.float64)
    seed = validation.whole("seed", seed, 0)
    network.initialize(_made("init", init), _made("bias_init", biases), seed)
    return network


def _filled(network: Network, x: Array, targets: Array, method: str, h: float) -> float:
    """Return the loss and fill the network's gradient, the one way or the other."""
    if method == "numerical":
        return numerical_gradient(network, x, targets, h)
    network.forward(x)
    loss = network.compute_loss(targets)
    network.backward(x)
    return loss
