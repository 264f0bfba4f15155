"""A data set as training sees it: described at no cost, or loaded, scaled and split.

The order of operations: read, take the ``first`` examples of the training file, keep ``classes``,
set a test fraction aside (where one file holds everything), hold out ``validation``, cut down to
``train_size``, disturb labels by ``label_noise``, scale, convert. The classes are those of the
whole training file, whether or not the ``first`` examples have them all.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.data import subset
from nnexp.data.base import Raw, span, unfit
from nnexp.data.scaling import moments, scaled
from nnexp.data.settings import DataSettings
from nnexp.errors import InputError
from nnexp.rng import stream

# The targets hold a number for each pair of classes.
_MOST_CLASSES = 10_000
# How many labels a message names.
_NAMED = 20
# The largest value of pixels from 0 to 255 is this at least.
_BRIGHT = 64

# Parts of the stream "subset".
_TEST, _VALIDATION, _TRAIN = 0, 1, 2


@dataclass(frozen=True)
class Description:
    """What a data set is: sizes in examples, and the identity of its content."""

    name: str
    train_size: int
    test_size: int
    validation_size: int  # 0 without validation
    features: int
    classes: int
    image_shape: tuple[int, int] | None  # rows, columns; None if examples are no images
    digest: str
    labels: tuple[int | str, ...]  # the file's own label of class 0, 1, …
    remarks: tuple[str, ...] = ()  # what the user should know before training, a sentence each


@dataclass(frozen=True, eq=False)
class Split:
    """Examples and their labels, both read-only."""

    x: npt.NDArray[Any]  # (n, features), C-contiguous
    labels: npt.NDArray[np.intp]  # (n,), from 0


@dataclass(frozen=True, eq=False)
class Dataset:
    """A loaded data set."""

    description: Description
    train: Split
    test: Split | None  # None only where a caller's own arrays are trained on without a test set
    validation: Split | None


@dataclass(frozen=True)
class _InMemory:
    """The source of arrays that a caller holds: nothing of them is kept but the description."""

    description: Description

    def state(self) -> Hashable:
        return None

    def read(self, seed: int) -> Raw:
        raise InputError("arrays in memory cannot be loaded by name: give the arrays themselves")


def in_memory(description: Description, targets: str = "one_hot") -> DataSettings:
    """Return the settings of arrays that the caller holds and puts into a `Dataset` himself."""
    return DataSettings(
        name=description.name,
        source=_InMemory(description),
        scale="raw",
        targets=targets,
        first=None,
        classes=None,
        outputs=None,
        train_size=None,
        validation=0,
        label_noise=0.0,
        seed=0,
    )


def describe(settings: DataSettings) -> Description:
    """Return the description of the data set, every file of the user's read and checked.

    The pixels of the sets of MNIST's format are not touched. Cached: asking again costs
    microseconds, as long as the files stay as they are.

    Raises
    ------
    InputError
        If a file is missing, damaged or wrong, or a setting does not fit the data.
    """
    if isinstance(settings.source, _InMemory):
        return settings.source.description
    return _arranged(settings, settings.source.state()).description


def load(settings: DataSettings, dtype: npt.DTypeLike = np.float32) -> Dataset:
    """Return the data set with features of ``dtype``, float32 or float64; read-only arrays.

    The two data sets used last are kept in memory.

    Raises
    ------
    InputError
        As `describe`; also for another ``dtype``.
    """
    kind = np.dtype(dtype)
    if kind not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise InputError(f"dtype={kind} is invalid: choose float32 or float64")
    return _loaded(settings, kind, settings.source.state())


def arrays(name: str = "mnist", **settings: Any) -> tuple[npt.NDArray[Any], ...]:
    """Return ``x_train (n, features), y_train (n,), x_test, y_test`` of a data set, for notebooks.

    Settings are those of ``data=NAME``, such as ``train_size=1000``; features are float32, labels
    those of the file.

    Raises
    ------
    InputError
        As `describe`; also for an unknown name or setting.
    """
    data = load(DataSettings.from_mapping({"name": name, **settings}))
    labels = np.array(data.description.labels)
    splits = [split for split in (data.train, data.test) if split is not None]
    return tuple(array for split in splits for array in (split.x, labels[split.labels]))


@dataclass(frozen=True, eq=False)
class _Part:
    """The rows of a stored array that make up a split, and their labels from 0."""

    x: npt.NDArray[Any]
    rows: subset.Rows
    labels: npt.NDArray[np.intp]

    def cut(self, which: subset.Rows) -> _Part:
        return _Part(self.x, self.rows[which], self.labels[which])

    def without(self, which: subset.Rows) -> _Part:
        kept = np.ones(len(self.rows), bool)
        kept[which] = False
        return self.cut(np.flatnonzero(kept))


@dataclass(frozen=True, eq=False)
class _Arranged:
    """The data set with all decided but the conversion of its features."""

    description: Description
    train: _Part
    test: _Part
    validation: _Part | None


@functools.lru_cache(maxsize=2)
def _loaded(settings: DataSettings, dtype: np.dtype[Any], state: Hashable) -> Dataset:
    arranged = _arranged(settings, state)
    train = arranged.train
    standard = settings.scale == "standardize"
    statistics = moments(train.x, train.rows) if standard else None

    def convert(part: _Part) -> Split:
        x = scaled(part.x, part.rows, settings.scale, dtype, statistics)
        if standard and not np.isfinite(span(x)).all() and (bad := unfit(x)) is not None:
            raise InputError(
                f"data.scale=standardize: feature {bad[1]} hardly varies in training, and one "
                f"example has {part.x[part.rows[bad[0]], bad[1]]:g} there, too many standard "
                f"deviations away for float32: leave that feature out, or use data.scale=raw"
            )
        labels = part.labels.copy()
        labels.flags.writeable = False
        return Split(x, labels)

    held = arranged.validation
    return Dataset(
        arranged.description,
        convert(train),
        convert(arranged.test),
        None if held is None else convert(held),
    )


@functools.lru_cache(maxsize=8)
def _arranged(settings: DataSettings, state: Hashable) -> _Arranged:
    raw = settings.source.read(settings.seed)
    _check_scale(settings, raw)
    labels = _class_labels(settings, raw)
    train = _Part(raw.x_train, *subset.renumbered(_first(settings, raw), labels))
    if not len(train.rows):
        raise InputError(
            f"data.first={settings.first}: none of these examples has a label of data.classes: "
            "give more, or null for all"
        )
    if raw.x_test is None or raw.y_test is None:
        fraction = raw.test_fraction or 0.0
        which = subset.held_out(train.labels, fraction, stream(settings.seed, "subset", _TEST))
        test, train = train.cut(which), train.without(which)
    else:
        test = _Part(raw.x_test, *subset.renumbered(raw.y_test, labels))
        if settings.classes is None and len(test.rows) < len(raw.y_test):
            row = int(np.argmin(np.isin(raw.y_test, labels)))
            raise InputError(
                f"{raw.place(row)}: the label {raw.y_test[row]} is out of range, as no training "
                "example has it: correct it, or keep only some labels with data.classes=[…]"
            )
    if not len(test.rows):
        raise InputError(
            f"data={settings.name} leaves no test example: "
            "enlarge data.test_fraction, data.classes or data.first"
        )
    train, validation = _validation(settings, train)
    train = _noisy(settings, _subset(settings, train), len(labels))
    description = Description(
        name=settings.name,
        train_size=len(train.rows),
        test_size=len(test.rows),
        validation_size=settings.validation,
        features=raw.x_train.shape[1],
        classes=len(labels),
        image_shape=raw.image_shape,
        digest=raw.digest,
        labels=tuple(raw.names[label] for label in labels) if raw.names else labels,
        remarks=tuple(_remarks(settings, raw)),
    )
    return _Arranged(description, train, test, validation)


def _check_scale(settings: DataSettings, raw: Raw) -> None:
    """Refuse to divide by 255 what are no pixels from 0 to 255."""
    low, high = raw.span
    if settings.scale in ("unit", "shifted") and not (low >= 0 and 1 < high <= 255):
        raise InputError(
            f"data.scale={settings.scale} is for pixels from 0 to 255, and the training features "
            f"of data={settings.name} lie between {low:g} and {high:g}: "
            "use data.scale=raw or data.scale=standardize"
        )


def _remarks(settings: DataSettings, raw: Raw) -> Iterator[str]:
    """Yield what may be otherwise than the user thinks."""
    if raw.names:
        told = ", ".join(f"{name!r} {i}" for i, name in enumerate(raw.names[:_NAMED]))
        more = ", …" if len(raw.names) > _NAMED else ""
        yield f"the labels of data={settings.name} are text, numbered in sorted order: {told}{more}"
    low, high = raw.span
    pixels = raw.x_train.dtype == np.uint8 and high >= _BRIGHT
    if settings.scale in ("unit", "shifted") and not pixels:
        yield (
            f"data.scale={settings.scale} divides by 255, and the training features of "
            f"data={settings.name} do not look like pixels from 0 to 255 (they lie between "
            f"{low:g} and {high:g}): consider data.scale=standardize or data.scale=raw"
        )


def _class_labels(settings: DataSettings, raw: Raw) -> tuple[int, ...]:
    """Return the file's label of each class, in the order of the classes."""
    present = tuple(np.unique(raw.y_train).tolist())
    for label in settings.classes or ():
        if label not in present:
            raise InputError(
                f"data.classes: no training example has the label {label}: "
                f"choose from {', '.join(map(str, present[:_NAMED]))}"
                + (", …" if len(present) > _NAMED else "")
            )
    labels = settings.classes or present
    if len(labels) < 2:
        raise InputError(
            f"data={settings.name} has a single class, the label {labels[0]}: "
            "give data of two classes or more"
        )
    if len(labels) > _MOST_CLASSES:
        raise InputError(
            f"data={settings.name} has {len(labels)} different labels, each of which is a class, "
            f"and {_MOST_CLASSES} are the most: give labels that name classes, "
            "or keep only some of them with data.classes=[…]"
        )
    return labels


def _first(settings: DataSettings, raw: Raw) -> npt.NDArray[np.intp]:
    """Return the labels of the training file's first examples, of all without ``first``."""
    count, there = settings.first, len(raw.y_train)
    if count is not None and count > there:
        raise InputError(
            f"data.first={count} is more than the {there} training examples of the file: "
            "give at most that, or null for all"
        )
    return raw.y_train[:count]


def _validation(settings: DataSettings, train: _Part) -> tuple[_Part, _Part | None]:
    """Return the training examples left and those held out."""
    count = settings.validation
    if count == 0:
        return train, None
    rng = stream(settings.seed, "subset", _VALIDATION)
    which = subset.balanced_subset(train.labels, count, rng)
    rest = train.without(which)
    if len(np.unique(rest.labels)) < len(np.unique(train.labels)):
        raise InputError(
            f"data.validation={count} leaves a class without any training example, "
            f"of {len(train.rows)} in all: give less"
        )
    return rest, train.cut(which)


def _subset(settings: DataSettings, train: _Part) -> _Part:
    count = settings.train_size
    if count is None:
        return train
    if count > len(train.rows):
        raise InputError(
            f"data.train_size={count} is more than the {len(train.rows)} training examples that "
            "there are: give at most that, or null for all"
        )
    rng = stream(settings.seed, "subset", _TRAIN)
    return train.cut(subset.balanced_subset(train.labels, count, rng))


def _noisy(settings: DataSettings, train: _Part, classes: int) -> _Part:
    if settings.label_noise == 0:
        return train
    rng = stream(settings.seed, "noise")
    labels = subset.with_noise(train.labels, settings.label_noise, classes, rng)
    return _Part(train.x, train.rows, labels)
