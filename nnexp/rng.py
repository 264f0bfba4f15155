"""Named, independent streams of random numbers that all follow from one seed."""

from __future__ import annotations

import numpy as np

# A name's number is part of every result: never change one, only add.
_STREAMS = {"weights": 0, "biases": 1, "order": 2, "subset": 3, "noise": 4, "toy": 5}


def stream(seed: int, name: str, index: int = 0) -> np.random.Generator:
    """Return the generator of the stream ``name`` (its ``index``-th part: a layer, an epoch).

    Every (seed, name, index) has a ``SeedSequence`` child of its own, so that drawing more from
    one stream, or adding another, never shifts the numbers of the rest.
    """
    child = np.random.SeedSequence(seed, spawn_key=(_STREAMS[name], index))
    return np.random.default_rng(child)
