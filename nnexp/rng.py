"""Named, independent streams of random numbers derived from one seed."""

from __future__ import annotations

import numpy as np

# These numbers affect all results: never change one, only add.
_STREAMS = {
    **{"weights": 0, "biases": 1, "order": 2, "subset": 3, "noise": 4, "toy": 5},
    **{"sharpness": 6, "dropout": 7, "dilution": 8, "redrawn_weights": 9, "redrawn_biases": 10},
}


def stream(seed: int, name: str, index: int = 0) -> np.random.Generator:
    """Return the generator of the stream ``name``; ``index`` may be a layer, a step or an epoch.

    Every (seed, name, index) has its own ``SeedSequence`` child, so drawing more numbers from one
    stream, or adding a stream, does not change the others.
    """
    child = np.random.SeedSequence(seed, spawn_key=(_STREAMS[name], index))
    return np.random.default_rng(child)
