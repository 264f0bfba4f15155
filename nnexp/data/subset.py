"""Class-balanced subsets, test splits and label noise.

Rows are returned in ascending order, except by `balanced_order`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]


def balanced_order(labels: npt.NDArray[Any], rng: np.random.Generator) -> Rows:
    """Return an order (n,) of all rows in which every prefix is as class-balanced as possible.

    ``labels`` is (n,). Each round takes one random example of every class that has examples left.
    Subsets from the same order are nested.
    """
    shuffled: Rows = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    classes, counts = np.unique(labels, return_counts=True)
    rounds = np.concatenate([np.arange(count) for count in counts])
    order: Rows = by_class[np.lexsort((np.repeat(classes, counts), rounds))]
    return order


def balanced_subset(labels: npt.NDArray[Any], count: int, rng: np.random.Generator) -> Rows:
    """Return ``count`` rows, with equally many of each class as far as it has examples."""
    return np.sort(balanced_order(labels, rng)[:count])


def held_out(labels: npt.NDArray[Any], fraction: float, rng: np.random.Generator) -> Rows:
    """Return the rows of a test set: a ``fraction`` of each class, rounded, but never all of it."""
    shuffled = rng.permutation(len(labels))
    parts = []
    for label in np.unique(labels):
        rows = shuffled[labels[shuffled] == label]
        parts.append(rows[: min(round(fraction * len(rows)), len(rows) - 1)])
    return np.sort(np.concatenate(parts))


def with_noise(
    labels: npt.NDArray[np.intp], fraction: float, classes: int, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Return ``labels`` (n,) with a ``fraction`` replaced by another class, uniformly at random.

    Labels replaced at a smaller fraction are replaced by the same classes at a larger one.
    """
    chosen = rng.permutation(len(labels))[: round(fraction * len(labels))]
    shifts = rng.integers(1, classes, size=len(labels))[: len(chosen)]
    noisy: Rows = labels.copy()
    noisy[chosen] = (noisy[chosen] + shifts) % classes
    return noisy


def renumbered(
    labels: npt.NDArray[Any], classes: tuple[int, ...]
) -> tuple[Rows, npt.NDArray[np.intp]]:
    """Return the rows with a label in ``classes``, and the positions of their labels there."""
    known = np.array(classes)
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known, labels, sorter=order), len(known) - 1)
    numbers: npt.NDArray[np.intp] = order[place]
    rows = np.flatnonzero(known[numbers] == labels)
    return rows, numbers[rows]
