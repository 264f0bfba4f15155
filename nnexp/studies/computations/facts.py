"""Facts about networks and data that need no training."""

from __future__ import annotations

import numpy as np

from nnexp import validation
from nnexp.config.hidden_layers import parse_hidden
from nnexp.data import arrays
from nnexp.nn.mean_field import fixed_point
from nnexp.nn.network import Network
from nnexp.studies.computations.arguments import Quantities, counts, made
from nnexp.studies.computations.networks import drawn, network_of


def deep_linear(
    hidden: object, features: int = 784, outputs: int = 10, rows: int = 100, seed: int = 0
) -> Quantities:
    """Return the largest ``difference`` between a deep linear network and its single layer.

    The single layer's weights are the product of the deep network's, W1·W2·…, and its biases are
    the outputs of the deep one for a zero input. The difference is relative to the largest output.
    """
    features, outputs, rows = counts(features=features, outputs=outputs, rows=rows)
    sizes = (features, *parse_hidden(hidden), outputs)
    deep = drawn(sizes, "identity", "cross_entropy", "xavier", rows, seed, biases="randn")
    product = deep.weights[0]
    for matrix in deep.weights[1:]:
        product = product @ matrix
    bias = deep.forward(np.zeros((1, sizes[0])))[0].copy()
    single = network_of(deep.activation, deep.loss, [product], [bias], rows)
    x = np.random.default_rng(seed).standard_normal((rows, sizes[0]))
    wanted = deep.forward(x)
    gap = np.abs(wanted - single.forward(x)).max()
    return {"difference": float(gap / np.abs(wanted).max())}


def derivative_bound(
    activation: object, low: float = -10.0, high: float = 10.0, points: int = 4001
) -> Quantities:
    """Return the ``largest`` derivative of an activation, and its largest ``output``.

    Both in magnitude, over ``points`` values from ``low`` to ``high``, both ends included.
    """
    low, high = validation.real("low", low), validation.real("high", high)
    z = np.linspace(low, high, validation.whole("points", points, 2))[:, None]
    act, a = made("activation", activation), z.copy()
    act.forward(a, np.empty_like(a))
    output = float(np.abs(a).max())
    return {"largest": float(np.abs(act.derivative(a, z)).max()), "output": output}


def parameter_count(hidden: object, features: int = 784, outputs: int = 10) -> Quantities:
    """Return how many ``parameters`` a network has: its ``weights``, and a bias a unit."""
    features, outputs = counts(features=features, outputs=outputs)
    sizes = (features, *parse_hidden(hidden), outputs)
    network = Network(sizes, made("activation", "identity"), made("loss", "mse"), 1)
    return {"parameters": float(network.theta.size), "weights": float(network.weight_count)}


def label_mixup(count: int = 100) -> Quantities:
    """Return the score of MNIST's first training images against its first TEST labels (D1.3).

    ``perfect`` is the score of a network that is always right: the share of places at which the two
    lists of ``count`` labels agree. ``chance`` is the score of labels paired at random.
    """
    count = validation.whole("count", count, 1, 10_000)
    _, train, _, test = arrays("mnist", first=count)
    test = test[:count]
    shares = [np.bincount(labels, minlength=10) / count for labels in (train, test)]
    return {"perfect": float(np.mean(train == test)), "chance": float(shares[0] @ shares[1])}


def correlation_length(
    activation: object, weight_variance: float, bias_variance: float = 0.0
) -> Quantities:
    """Return the fixed point of deep, wide layers: ``variance``, ``correlation`` and ``length``.

    See `nnexp.nn.mean_field.fixed_point`; ``layers`` is six lengths, the depth to which networks
    can be trained by Schoenholz et al. 2017.
    """
    found = fixed_point(
        made("activation", activation),
        validation.real("weight_variance", weight_variance, 0),
        validation.real("bias_variance", bias_variance, 0),
    )
    return {**found._asdict(), "layers": 6 * found.length}
