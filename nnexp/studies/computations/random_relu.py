"""Random ReLU networks before training, drawn many times: Gaussian weights, biases of 0, one input.

The activations of a layer depend on the layer below only through its length and direction, and
Gaussian weights look the same in all directions. A draw therefore takes no weights of the inputs.
"""

from __future__ import annotations

import numpy as np

from nnexp import validation
from nnexp.config.hidden_layers import parse_hidden
from nnexp.studies.computations.arguments import Array, Quantities, counts

# Draws at a time, which bounds the memory.
_CHUNK = 10_000


def born_dead_share(hidden: object, draws: int = 100_000, seed: int = 0) -> Quantities:
    """Return the ``share`` of networks that have a layer whose units are all 0.

    Each of the ``draws`` is a network with layers of the widths ``hidden`` and weights of its own.
    The law is `nnexp.studies.laws.born_dead`.
    """
    (draws,), rng = counts(draws=draws), _generator(seed)
    dead = 0
    for start in range(0, draws, _CHUNK):
        a = np.ones((min(_CHUNK, draws - start), 1, 1))
        for width in parse_hidden(hidden):
            weights = rng.standard_normal((len(a), a.shape[2], width))
            a = np.maximum(a @ weights, 0)
        dead += int((~a.any(axis=(1, 2))).sum())
    return {"share": dead / draws}


def length_moments(hidden: object, draws: int = 1_000_000, seed: int = 0) -> Quantities:
    """Return moments of M, the mean square of the last layer's activations, over random networks.

    M is relative to the mean square of the inputs, and the weights have the variance 2/fan-in.
    ``mean`` is E[M], ``ratio`` is E[M²]/E[M]², and ``spread`` is the standard deviation of log10 M,
    of networks that are not dead. The law of ``ratio`` is `nnexp.studies.laws.length_ratio`.
    """
    (draws,), rng = counts(draws=draws), _generator(seed)
    squares: Array = np.ones(draws)
    for width in parse_hidden(hidden):
        # The sum of the squares of the units that are on, half of them on average.
        on = rng.binomial(width, 0.5, draws)
        squares *= 2 / width * 2 * rng.standard_gamma(on / 2)
    alive = squares[squares > 0]
    mean = float(squares.mean())
    return {
        "mean": mean,
        "ratio": float((squares**2).mean()) / mean**2,
        "spread": float(np.log10(alive).std(ddof=1)),
    }


def _generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(validation.whole("seed", seed, 0))
