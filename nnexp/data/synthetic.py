"""Synthetic data sets: XOR, spirals and blobs.

Each is reproducible from its seed. ``_VERSION`` is part of every run's identity, so a change in how
a set is drawn must change it. Part 0 of the seed's stream gives the centres, part 1 the training
set and part 2 the test set.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp import validation
from nnexp.data.base import Kind, Raw, Source, span
from nnexp.errors import InputError
from nnexp.rng import stream

_VERSION = "toy-1"


@dataclass(frozen=True)
class Xor:
    """The four points of the exclusive or, which are both the training and the test set."""

    def state(self) -> Hashable:
        """Return ``None``, as nothing can change."""
        return None

    def read(self, seed: int) -> Raw:
        """Return the points (0, 0), (0, 1), (1, 0), (1, 1) with labels 0, 1, 1, 0."""
        x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        y = np.array([0, 1, 1, 0], np.intp)
        return Raw(x, y, x, y, digest=_VERSION, span=(0.0, 1.0))


@dataclass(frozen=True)
class Spirals:
    """Interleaved spirals in the plane, one per class, with ``turns`` turns and radius 1.

    ``noise`` is the standard deviation of the noise added to each coordinate. The training and the
    test set have ``n`` points each.
    """

    n: int
    noise: float
    classes: int
    turns: float

    def state(self) -> Hashable:
        """Return ``None``, as nothing can change."""
        return None

    def read(self, seed: int) -> Raw:
        """Return points (n, 2) drawn uniformly along the arms."""

        def draw(part: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
            rng = stream(seed, "toy", part)
            labels = np.arange(self.n) % self.classes
            radius = rng.uniform(size=self.n)
            angle = 2 * np.pi * (self.turns * radius + labels / self.classes)
            x = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
            return x + self.noise * rng.standard_normal(x.shape), labels

        return _drawn(draw(1), draw(2))


@dataclass(frozen=True)
class Blobs:
    """Isotropic normal clusters, one per class, with centres uniform on [-1, 1]^features.

    ``std`` is their standard deviation. The training and the test set have ``n`` points each.
    """

    n: int
    classes: int
    features: int
    std: float

    def state(self) -> Hashable:
        """Return ``None``, as nothing can change."""
        return None

    def read(self, seed: int) -> Raw:
        """Return points (n, features) around the same centres."""
        centres = stream(seed, "toy", 0).uniform(-1, 1, (self.classes, self.features))

        def draw(part: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
            rng = stream(seed, "toy", part)
            labels = np.arange(self.n) % self.classes
            cloud = self.std * rng.standard_normal((self.n, self.features))
            return centres[labels] + cloud, labels

        return _drawn(draw(1), draw(2))


def _drawn(
    train: tuple[npt.NDArray[Any], npt.NDArray[np.intp]],
    test: tuple[npt.NDArray[Any], npt.NDArray[np.intp]],
) -> Raw:
    return Raw(*train, *test, digest=_VERSION, span=span(train[0]))


def _counts(values: Mapping[str, object], features: int) -> tuple[int, int]:
    """Return the checked (n, classes): every class has an example, and all fit into memory."""
    n = validation.whole("data.n", values["n"], 2)
    validation.memory(f"data.n={n} with {features} features", 4 * 8 * n * features)
    classes = validation.whole("data.classes", values["classes"], 2)
    if n < classes:
        raise InputError(f"data.n={n}: give at least one example for each of {classes} classes")
    return n, classes


def _spirals(values: Mapping[str, object]) -> Source:
    n, classes = _counts(values, 2)
    noise = validation.real("data.noise", values["noise"], 0)
    return Spirals(n, noise, classes, validation.real("data.turns", values["turns"], 0))


def _blobs(values: Mapping[str, object]) -> Source:
    features = validation.whole("data.features", values["features"], 1)
    n, classes = _counts(values, features)
    return Blobs(n, classes, features, validation.real("data.std", values["std"], 0))


def _kind(keys: Mapping[str, object], make: Callable[[Mapping[str, object]], Source]) -> Kind:
    return Kind(keys, make, scale="raw", shipped=True)


KINDS = {
    "xor": _kind({}, lambda values: Xor()),
    "spirals": _kind({"n": 1000, "noise": 0.02, "classes": 2, "turns": 1.5}, _spirals),
    "blobs": _kind({"n": 1000, "classes": 3, "features": 2, "std": 0.2}, _blobs),
}
