"""Pruning: the connections of small weights are removed, and the rest is trained again.

Frankle & Carbin 2019 ("The lottery ticket hypothesis: finding sparse, trainable neural networks"),
section 2, iterative pruning: train, remove a fraction of the weights with the smallest magnitudes
in each layer, set the others back to their initial values, and repeat.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.nn.network import Network

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pruning:
    """How a network is pruned.

    After each of ``rounds`` trainings, ``fraction`` of the weights left in each hidden layer and
    ``output`` of those in the output layer are removed. The last training then starts from the
    initial weights, or, if ``redrawn``, from new ones.
    """

    rounds: int
    fraction: float
    output: float
    redrawn: bool

    def shrink(self, network: Network, left: Mask) -> Mask:
        """Return which parameters are left (size,) after a round, given those ``left`` before it.

        Of each layer's weights, those with the smallest magnitudes are removed: the nearest whole
        number to the fraction of those left. Biases are never removed.
        """
        shrunk: Mask = left.copy()
        start = 0
        for layer, weights in enumerate(network.weights):
            last = layer == len(network.weights) - 1
            part = slice(start, start + weights.size)
            candidates = np.flatnonzero(left[part])
            count = round((self.output if last else self.fraction) * len(candidates))
            order = np.argsort(np.abs(network.theta[part][candidates]), kind="stable")
            shrunk[start + candidates[order[:count]]] = False
            start = part.stop
        return shrunk


def everything(network: Network) -> Mask:
    """Return the mask of a network from which nothing is removed, (size,)."""
    return np.ones(network.theta.size, bool)


def none() -> None:
    """Prune nothing."""


def rewind(rounds: int = 3, fraction: float = 0.2, output: float = 0.1) -> Pruning:
    """Train what is left from the initial weights: a winning ticket."""
    return Pruning(rounds, fraction, output, redrawn=False)


def redraw(rounds: int = 3, fraction: float = 0.2, output: float = 0.1) -> Pruning:
    """Train what is left from new random weights."""
    return Pruning(rounds, fraction, output, redrawn=True)


PRUNINGS: dict[str, Callable[..., Pruning | None]] = {
    "none": none,
    "rewind": rewind,
    "redraw": redraw,
}
