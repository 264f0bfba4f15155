"""Which examples are used for what: balanced subsets, test splits, and label noise.

Rows come back in ascending order, the file's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]


def balanced_order(labels: npt.NDArray[Any], rng: np.random.Generator) -> Rows:
    """Return an order of all rows, every beginning of which is as class-balanced as it can be.

    ``labels`` is (n,). Each round takes one random example of every class that has one left, so
    that subsets cut from the same order are nested.
    """
    shuffled: Rows = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    classes, counts = np.unique(labels, return_counts=True)
    rounds = np.concatenate([np.arange(count) for count in counts])
    order: Rows = by_class[np.lexsort((np.repeat(classes, counts), rounds))]
    return order


def balanced_subset(labels: npt.NDArray[Any], count: int, rng: np.random.Generator) -> Rows:
    """Return ``count`` rows, each class as often as any other as far as it has examples."""
    return np.sort(balanced_order(labels, rng)[:count])


def held_out(labels: npt.NDArray[Any], fraction: float, rng: np.random.Generator) -> Rows:
    """Return the rows of a test set: ``fraction`` of each class, rounded, and never all of it."""
    shuffled = rng.permutation(len(labels))
    parts = []
    for label in np.unique(labels):
        rows = shuffled[labels[shuffled] == label]
        parts.append(rows[: min(round(fraction * len(rows)), len(rows) - 1)])
    return np.sort(np.concatenate(parts))


def with_noise(
    labels: npt.NDArray[np.intp], fraction: float, classes: int, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Return ``labels`` (n,) with a share of ``fraction`` replaced by another class, uniformly.

    The labels replaced at a smaller fraction are also replaced, alike, at a larger one.
    """
    chosen = rng.permutation(len(labels))[: round(fraction * len(labels))]
    shifts = rng.integers(1, classes, size=len(labels))[: len(chosen)]
    noisy: Rows = labels.copy()
    noisy[chosen] = (noisy[chosen] + shifts) % classes
    return noisy


def renumbered(
    labels: npt.NDArray[Any], classes: tuple[int, ...]
) -> tuple[Rows, npt.NDArray[np.intp]]:
    """Return the rows whose label is in ``classes``, and that label's position there."""
    known = np.array(classes)
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known, labels, sorter=order), len(known) - 1)
    numbers: npt.NDArray[np.intp] = order[place]
    rows = np.flatnonzero(known[numbers] == labels)
    return rows, numbers[rows]
