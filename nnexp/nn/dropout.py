"""Dropout: in every training step, a random part of the units is left out.

Hinton, Srivastava, Krizhevsky, Sutskever, Salakhutdinov 2012 ("Improving neural networks by
preventing co-adaptation of feature detectors"); Srivastava et al. 2014 ("Dropout: a simple way to
prevent neural networks from overfitting"). The form here is the inverted one: the units that are
kept are divided by the probability of keeping them, so that evaluation needs no change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Dropout:
    """The masks of one batch after another, for the inputs and each hidden layer.

    ``sizes`` are those of the network, ``rows`` is the largest batch. An input is left out with the
    probability ``inputs`` and a hidden unit with the probability ``hidden``, independently for each
    example. ``columns`` is as for `Network`.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        rows: int,
        dtype: npt.DTypeLike,
        hidden: float = 0.0,
        inputs: float = 0.0,
        columns: Array | slice = slice(None),
    ) -> None:
        self.rates = (inputs, *[hidden] * (len(sizes) - 2))
        self.columns = columns
        shapes = [
            (rows, units if rate else 0) for units, rate in zip(sizes[:-1], self.rates, strict=True)
        ]
        self._masks: list[Array] = [np.empty(shape, dtype) for shape in shapes]
        self._kept: list[Array] = [np.empty(shape, dtype) for shape in shapes]

    def draw(self, rng: np.random.Generator, n: int) -> None:
        """Draw the masks of a batch of ``n`` examples: 0, or 1 / (1 - rate) for what is kept."""
        for rate, mask in zip(self.rates, self._masks, strict=True):
            if rate:
                drawn = rng.random((n, mask.shape[1]), np.float32) >= rate
                ordered = drawn[:, self.columns] if mask is self._masks[0] else drawn
                np.multiply(ordered, 1 / (1 - rate), out=mask[:n])

    def forward(self, layer: int, a: Array) -> Array:
        """Return the inputs ``a (n, p)`` of a layer with its mask applied, in a reused buffer."""
        if not self.rates[layer]:
            return a
        n, p = a.shape
        return np.multiply(a, self._masks[layer][:n, :p], out=self._kept[layer][:n, :p])

    def inputs(self, layer: int, a: Array) -> Array:
        """Return what `forward` last returned for the inputs ``a (n, p)`` of a layer."""
        n, p = a.shape
        return self._kept[layer][:n, :p] if self.rates[layer] else a

    def backward(self, layer: int, gradient: Array) -> None:
        """Apply the mask to the gradient of the loss by a layer's inputs, (n, i), in place."""
        if self.rates[layer]:
            gradient *= self._masks[layer][: len(gradient)]
