"""Statistics of the activations, gradients and weights of each layer, on a fixed probe."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.nn.network import Network

Array = npt.NDArray[Any]

QUANTILES = (5, 25, 50, 75, 95)
# A unit is saturated on an example if its derivative is at most this fraction of the maximum.
SATURATION = 0.05
# Two units count as equal if the distance of their incoming weights and biases is at most this
# fraction of the largest norm in the layer: far above float32 rounding, but too small to affect the
# function.
SAME_UNIT = 1e-3


def measure(
    network: Network,
    x: Array,
    targets: Array,
    update: Array | None,
    initial: Array | None = None,
) -> list[dict[str, Any]]:
    """Return a row of statistics for each layer on the probe ``x (n, i)``, ``targets (n, k)``.

    ``update`` (size,) is the last change of the parameters, if any. ``gradient_mean`` and
    ``gradient_std`` are over the gradients of each example's own loss with respect to the
    pre-activations; ``gradient_norm`` is the norm of the gradient of the mean loss with respect to
    the weights. ``network.grad`` is overwritten.

    With the ``initial`` parameters (size,), ``distance`` is the norm of the change of the weights
    since then, and ``relative_distance`` its ratio to the norm of the initial weights.
    """
    n, hidden = len(x), len(network.weights) - 1
    unknown: list[float | None] = [None] * (hidden + 1)
    updates = unknown if update is None else _weight_norms(network, update)
    moved = [{}] * (hidden + 1) if initial is None else _distances(network, initial)
    logits = network.forward(x)
    outputs = logits.copy()
    network.loss.outputs(outputs)
    rows = []
    for layer, weights in enumerate(network.weights):
        a = outputs if layer == hidden else network.activations[layer][:n]
        row = {
            "layer": layer + 1,
            "kind": "output" if layer == hidden else "hidden",
            "units": weights.shape[1],
            "activation_mean": float(np.mean(a, dtype=np.float64)),
            "activation_std": float(np.std(a, dtype=np.float64)),
        }
        row |= {f"activation_p{q:02d}": v for q, v in zip(QUANTILES, _quantiles(a), strict=True)}
        saturated = dead = None
        if layer < hidden:
            flat = _flat(network, a.copy(), network.preactivations[layer][:n].copy())
            saturated, dead = float(flat.mean()), float(flat.all(axis=0).mean())
        rows.append(row | {"saturated": saturated, "dead": dead})
    network.compute_loss(targets)
    network.backward(x)
    for layer, (row, weights) in enumerate(zip(rows, network.weights, strict=True)):
        delta = [*network.deltas, network.activations[-1]][layer][:n]
        norm = float(np.linalg.norm(weights))
        change = updates[layer]
        row |= {
            "gradient_mean": n * float(np.mean(delta, dtype=np.float64)),
            "gradient_std": n * float(np.std(delta, dtype=np.float64)),
            "gradient_norm": float(np.linalg.norm(network.weight_grads[layer])),
            "weight_norm": norm,
            "update_ratio": None if change is None or not norm else change / norm,
            "distinct_units": distinct_units(weights, network.biases[layer]),
            **moved[layer],
        }
    return rows


def distinct_units(weights: Array, biases: Array) -> int:
    """Return the number of distinct units by their incoming ``weights (i, o)`` and ``biases``.

    Units with equal incoming weights compute the same function and count as one.
    """
    units = np.vstack([weights, biases.reshape(-1, weights.shape[1])]).astype(np.float64)
    if not np.isfinite(units).all():
        return len(units.T)
    gram = units.T @ units
    square = np.diag(gram)
    same = square[:, None] + square - 2 * gram <= SAME_UNIT**2 * square.max()
    counted = np.zeros(len(gram), bool)
    distinct = 0
    for unit in range(len(gram)):
        if not counted[unit]:
            distinct += 1
            counted |= same[unit]
    return distinct


def _quantiles(a: Array) -> list[float]:
    """Return the `QUANTILES` of the elements of ``a``, interpolated linearly.

    Equal to np.percentile, but faster, as np.sort is vectorised and its partition is not.
    """
    ranked, places = np.sort(a, axis=None), np.array(QUANTILES) / 100 * (a.size - 1)
    if np.isnan(ranked[-1]):
        return [math.nan] * len(QUANTILES)
    low = places.astype(np.intp)
    below, above = (ranked[np.minimum(i, a.size - 1)].astype(np.float64) for i in (low, low + 1))
    quantiles: list[float] = (below + (above - below) * (places - low)).tolist()
    return quantiles


def _weight_norms(network: Network, flat: Array) -> list[float]:
    """Return the norm of each layer's weights in ``flat (size,)``, laid out like ``theta``."""
    ends = np.cumsum([w.size for w in network.weights])
    parts = np.split(flat[: network.weight_count], ends[:-1])
    return [float(np.linalg.norm(part)) for part in parts]


def _distances(network: Network, initial: Array) -> list[dict[str, float | None]]:
    lengths = _weight_norms(network, network.theta - initial)
    return [
        {"distance": length, "relative_distance": length / norm if norm else None}
        for length, norm in zip(lengths, _weight_norms(network, initial), strict=True)
    ]


def _flat(network: Network, a: Array, z: Array) -> npt.NDArray[np.bool_]:
    """Return where the derivative is at most ``SATURATION`` times the activation's largest."""
    return np.abs(network.activation.derivative(a, z)) <= SATURATION * _steepest(network)


def _steepest(network: Network) -> float:
    z = np.linspace(-8, 8, 3201, dtype=network.theta.dtype)[:, None]
    a = z.copy()
    network.activation.forward(a, np.empty_like(a))
    return float(np.abs(network.activation.derivative(a, z)).max())
