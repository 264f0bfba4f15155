"""Gradients of the biases of random networks, compared with published ones."""

from __future__ import annotations

import numpy as np

from nnexp import validation
from nnexp.analysis.intervals import prediction_interval
from nnexp.config.hidden_layers import parse_hidden
from nnexp.data import arrays, target_codes
from nnexp.errors import InputError
from nnexp.studies.computations.arguments import Array, Quantities, counts, numbers
from nnexp.studies.computations.networks import drawn, fill_gradient

_LOSS = {"name": "binary_cross_entropy", "reduction": "sum"}


def bias_gradients(
    hidden: object,
    figures: object,
    rounding: float,
    networks: int = 40,
    examples: int = 1000,
    seed: int = 0,
) -> Quantities:
    """Return how the gradients of Nielsen's untrained sigmoid networks compare with ``figures``.

    The norm of a layer's gradient is that of the mean over MNIST's first training ``examples``, by
    the biases of each hidden layer. ``middle``, ``low`` and ``high`` (layers,) are its geometric
    mean over the ``networks``, and the joint 95 % prediction interval of another one, whose norms
    are taken to be log-normal. ``inside`` is 1 if all figures (layers,), each known up to
    ``rounding``, lie within it, else 0. ``rising`` is the share of networks in which every hidden
    layer has a larger norm than the one below. Weights have a variance of 1/fan_in, biases are
    standard normal, and cross-entropy is summed over ten sigmoid outputs. Network i is drawn from
    ``seed`` + i.
    """
    layers, printed = parse_hidden(hidden), numbers("figures", figures, 1)
    if len(printed) != len(layers):
        raise InputError(f"figures={figures}: give one a hidden layer, {len(layers)}")
    rounding = validation.real("rounding", rounding, 0)
    networks, examples = counts(networks=networks, examples=examples)
    seed = validation.whole("seed", seed, 0)
    x, labels, *_ = arrays("mnist", first=examples)
    batch, targets = x.astype(np.float64), target_codes("one_hot", 10, 10, np.float64)[labels]
    norms: Array = np.empty((len(layers), networks))
    for i in range(networks):
        sizes = (batch.shape[1], *layers, 10)
        network = drawn(sizes, "sigmoid", _LOSS, "lecun", len(batch), seed + i, biases="randn")
        fill_gradient(network, batch, targets, "backprop", 0.0)
        norms[:, i] = [np.linalg.norm(gradient) for gradient in network.bias_grads[:-1]]
    found = prediction_interval(np.log(norms), 0.05 / len(layers))
    low, high = np.exp(found.low), np.exp(found.high)
    inside = (low - rounding <= printed) & (printed <= high + rounding)
    return {
        "inside": float(inside.all()),
        "rising": float((np.diff(norms, axis=0) > 0).all(axis=0).mean()),
        "middle": np.exp(np.asarray(found.middle)),
        "low": low,
        "high": high,
    }
