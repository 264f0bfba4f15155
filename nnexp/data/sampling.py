"""The order of the training examples.

Each epoch has an order, an array of (n,) indices. Its batches are consecutive slices of that order;
the last one is shorter if ``n`` is not a multiple of the batch size. The order depends only on the
seed and the number of the epoch. So it is the same for every batch size (except with
``independent``), and resuming a run needs no state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.intp]
Order = Callable[[np.random.Generator, int, int], Indices]


def shuffle(rng: np.random.Generator, n: int, batch_size: int) -> Indices:
    """Return a random permutation, with every example once per epoch."""
    return rng.permutation(n)


def replacement(rng: np.random.Generator, n: int, batch_size: int) -> Indices:
    """Draw every example independently from all, with replacement."""
    return rng.integers(n, size=n, dtype=np.intp)


def independent(rng: np.random.Generator, n: int, batch_size: int) -> Indices:
    """Draw each batch without replacement, independently of the other batches."""
    sizes = [min(batch_size, n - start) for start in range(0, n, batch_size)]
    draws: list[npt.NDArray[Any]] = [rng.choice(n, size, replace=False) for size in sizes]
    return np.concatenate(draws).astype(np.intp, copy=False)


def sequential(rng: np.random.Generator, n: int, batch_size: int) -> Indices:
    """Return the order of the file, in every epoch."""
    return np.arange(n)


SAMPLINGS: dict[str, Order] = {
    "shuffle": shuffle,
    "replacement": replacement,
    "independent": independent,
    "sequential": sequential,
}
