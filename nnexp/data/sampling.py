"""The order in which the training examples are seen.

An epoch has an order, (n,) indices of examples; its batches are the consecutive slices of that
order, the last one shorter where ``n`` is no multiple of the batch. So runs of equal seed see the
same order whatever their batch size. A resumed run needs no state: an epoch's order follows from
the seed and the epoch's number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.intp]
Order = Callable[[np.random.Generator, int, int], Indices]


def shuffle(rng: np.random.Generator, n: int, batch_size: int) -> Indices:
    """Return a random permutation: every example once an epoch."""
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
    """Return the file's own order, every epoch."""
    return np.arange(n)


SAMPLINGS: dict[str, Order] = {
    "shuffle": shuffle,
    "replacement": replacement,
    "independent": independent,
    "sequential": sequential,
}
