"""Data sets as used in training: their descriptions, and their arrays, split and scaled.

The order of operations: read the files, take the ``first`` training examples, keep ``classes``, set
aside a test fraction (if one file holds all examples), hold out ``validation``, reduce to
``train_size``, apply ``label_noise``, scale and convert. The classes are those of the whole
training file, even if the ``first`` examples lack some of them.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.data import sparsity, subset
from nnexp.data.base import Raw, span, unfit
from nnexp.data.scaling import KEEPS_ZEROS, moments, scaled
from nnexp.data.settings import DataSettings
from nnexp.data.split import Part, Split
from nnexp.errors import InputError
from nnexp.rng import stream

# The targets take memory quadratic in the number of classes.
_MOST_CLASSES = 10_000
# The maximum number of labels listed in a message.
_NAMED = 20
# Features whose largest value is below this one do not look like pixels from 0 to 255.
_BRIGHT = 64

# Parts of the stream "subset".
_TEST, _VALIDATION, _TRAIN = 0, 1, 2


@dataclass(frozen=True)
class Description:
    """A data set's sizes, in examples, and the digest of its content."""

    name: str
    train_size: int
    test_size: int
    validation_size: int  # 0 without validation
    features: int
    classes: int
    image_shape: tuple[int, int] | None  # rows, columns; None if examples are not images
    digest: str
    labels: tuple[int | str, ...]  # the file's label of class 0, 1, …
    remarks: tuple[str, ...] = ()  # sentences to show before training


@dataclass(frozen=True, eq=False)
class Dataset:
    """A loaded data set."""

    description: Description
    train: Split
    test: Split | None  # None only for arrays in memory without a test set
    validation: Split | None
    columns: subset.Rows | None = None  # the feature in each column, if zeros are last


@dataclass(frozen=True)
class _InMemory:
    """The source of arrays in memory, of which only the description is kept."""

    description: Description

    def state(self) -> Hashable:
        return None

    def read(self, seed: int) -> Raw:
        raise InputError("arrays in memory cannot be loaded by name: give the arrays themselves")


def in_memory(description: Description, targets: str = "one_hot") -> DataSettings:
    """Return the settings of arrays in memory, for which the caller makes the `Dataset`."""
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
        validation_last=0,
        label_noise=0.0,
        seed=0,
    )


def describe(settings: DataSettings) -> Description:
    """Return the description of the data set, after reading and checking its files.

    The pixels of data sets in MNIST's format are not read. The result is cached until a file
    changes.

    Raises
    ------
    InputError
        If a file is missing, damaged or invalid, or a setting does not fit the data.
    """
    if isinstance(settings.source, _InMemory):
        return settings.source.description
    return _arranged(settings, settings.source.state()).description


def load(
    settings: DataSettings, dtype: npt.DTypeLike = np.float32, ordered: bool = False
) -> Dataset:
    """Return the data set with features of ``dtype``, float32 or float64, as read-only arrays.

    If ``ordered``, zeros are last, as training needs them (see `zeros_last`). The two most recently
    used data sets are kept in memory.

    Raises
    ------
    InputError
        As for `describe`, and if ``dtype`` is invalid.
    """
    kind = np.dtype(dtype)
    if kind not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise InputError(f"dtype={kind} is invalid: choose float32 or float64")
    return _loaded(settings, kind, settings.source.state(), ordered)


def zeros_last(data: Dataset) -> Dataset:
    """Return ``data`` with columns and rows in the order of `nnexp.data.sparsity`.

    If few features are zero, or if this was done before, nothing is moved.
    """
    if data.columns is not None:
        return data
    train = Part.of(data.train)
    columns = sparsity.column_order(train.x, train.rows)
    if columns is None:
        return replace(data, columns=np.arange(data.description.features))

    def moved(split: Split | None) -> Split | None:
        return split and Part.of(split).ordered(columns, "raw", split.x.dtype)

    return replace(
        data,
        train=train.ordered(columns, "raw", train.x.dtype),
        test=moved(data.test),
        validation=moved(data.validation),
        columns=columns,
    )


def arrays(name: str = "mnist", **settings: Any) -> tuple[npt.NDArray[Any], ...]:
    """Return ``x_train (n, features), y_train (n,), x_test, y_test`` of a data set.

    Settings are those of ``data=NAME``, such as ``train_size=1000``. Features are float32; labels
    are those of the file.

    Raises
    ------
    InputError
        As for `describe`, and for an unknown name or setting.
    """
    data = load(DataSettings.from_mapping({"name": name, **settings}))
    labels = np.array(data.description.labels)
    splits = [split for split in (data.train, data.test) if split is not None]
    return tuple(array for split in splits for array in (split.x, labels[split.labels]))


@dataclass(frozen=True, eq=False)
class _Arranged:
    """A data set with its splits and labels, before its features are converted."""

    description: Description
    train: Part
    test: Part
    validation: Part | None


@functools.lru_cache(maxsize=2)
def _loaded(
    settings: DataSettings, dtype: np.dtype[Any], state: Hashable, ordered: bool
) -> Dataset:
    arranged = _arranged(settings, state)
    train = arranged.train
    columns = None
    if ordered and settings.scale in KEEPS_ZEROS:
        columns = sparsity.column_order(train.x, train.rows)
    standard = settings.scale == "standardize"
    statistics = moments(train.x, train.rows) if standard else None

    def convert(part: Part) -> Split:
        if columns is not None:
            return part.ordered(columns, settings.scale, dtype)
        x = scaled(part.x, part.rows, settings.scale, dtype, statistics)
        if standard and not np.isfinite(span(x)).all() and (bad := unfit(x)) is not None:
            raise InputError(
                f"data.scale=standardize: feature {bad[1]} hardly varies in the training set, and "
                f"its value {part.x[part.rows[bad[0]], bad[1]]:g} is too many standard deviations "
                f"away for float32: remove this feature, or use data.scale=raw"
            )
        labels = part.labels.copy()
        labels.flags.writeable = False
        return Split(x, labels)

    held = arranged.validation
    data = Dataset(
        arranged.description,
        convert(train),
        convert(arranged.test),
        None if held is None else convert(held),
        columns,
    )
    return zeros_last(data) if ordered else data


@functools.lru_cache(maxsize=8)
def _arranged(settings: DataSettings, state: Hashable) -> _Arranged:
    raw = settings.source.read(settings.seed)
    _check_scale(settings, raw)
    labels = _class_labels(settings, raw)
    train = Part(raw.x_train, *subset.renumbered(_first(settings, raw), labels))
    if not len(train.rows):
        raise InputError(
            f"data.first={settings.first}: none of these examples has a label of data.classes: "
            "give a larger number, or null for all"
        )
    if raw.x_test is None or raw.y_test is None:
        fraction = raw.test_fraction or 0.0
        which = subset.held_out(train.labels, fraction, stream(settings.seed, "subset", _TEST))
        test, train = train.cut(which), train.without(which)
    else:
        test = Part(raw.x_test, *subset.renumbered(raw.y_test, labels))
        if settings.classes is None and len(test.rows) < len(raw.y_test):
            row = int(np.argmin(np.isin(raw.y_test, labels)))
            raise InputError(
                f"{raw.place(row)}: no training example has the label {raw.y_test[row]}: correct "
                "it, or keep only some labels with data.classes=[…]"
            )
    if not len(test.rows):
        raise InputError(
            f"data={settings.name} leaves no test examples: "
            "increase data.test_fraction, data.classes or data.first"
        )
    train, validation = _validation(settings, train)
    train = _noisy(settings, _subset(settings, train), len(labels))
    description = Description(
        name=settings.name,
        train_size=len(train.rows),
        test_size=len(test.rows),
        validation_size=len(validation.rows) if validation else 0,
        features=raw.x_train.shape[1],
        classes=len(labels),
        image_shape=raw.image_shape,
        digest=raw.digest,
        labels=tuple(raw.names[label] for label in labels) if raw.names else labels,
        remarks=tuple(_remarks(settings, raw)),
    )
    return _Arranged(description, train, test, validation)


def _check_scale(settings: DataSettings, raw: Raw) -> None:
    """Refuse scales that divide by 255 if the features are not pixels from 0 to 255."""
    low, high = raw.span
    if settings.scale in ("unit", "shifted") and not (low >= 0 and 1 < high <= 255):
        raise InputError(
            f"data.scale={settings.scale} is for pixels from 0 to 255, but the training features "
            f"of data={settings.name} range from {low:g} to {high:g}: "
            "use data.scale=raw or data.scale=standardize"
        )


def _remarks(settings: DataSettings, raw: Raw) -> Iterator[str]:
    """Yield a sentence for each property of the data that the user may not expect."""
    if raw.names:
        listed = ", ".join(f"{name!r} {i}" for i, name in enumerate(raw.names[:_NAMED]))
        listed += ", …" if len(raw.names) > _NAMED else ""
        yield f"the labels of data={settings.name} are text, numbered in sorted order: {listed}"
    low, high = raw.span
    pixels = raw.x_train.dtype == np.uint8 and high >= _BRIGHT
    if settings.scale in ("unit", "shifted") and not pixels:
        yield (
            f"data.scale={settings.scale} divides by 255, but the training features of "
            f"data={settings.name} do not look like pixels from 0 to 255 (they range from "
            f"{low:g} to {high:g}): consider data.scale=standardize or data.scale=raw"
        )


def _class_labels(settings: DataSettings, raw: Raw) -> tuple[int, ...]:
    """Return the file's label of each class, in class order."""
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
            f"data={settings.name} has only one class, the label {labels[0]}: "
            "give data with two or more classes"
        )
    if len(labels) > _MOST_CLASSES:
        raise InputError(
            f"data={settings.name} has {len(labels)} different labels, and at most {_MOST_CLASSES} "
            "classes are supported: give labels of classes, "
            "or keep only some of them with data.classes=[…]"
        )
    return labels


def _first(settings: DataSettings, raw: Raw) -> npt.NDArray[np.intp]:
    """Return the labels of the ``first`` training examples, or of all if it is not set."""
    count, size = settings.first, len(raw.y_train)
    if count is not None and count > size:
        raise InputError(
            f"data.first={count} is more than the {size} training examples of the file: "
            f"give at most {size}, or null for all"
        )
    return raw.y_train[:count]


def _validation(settings: DataSettings, train: Part) -> tuple[Part, Part | None]:
    """Return the remaining training examples and those held out."""
    count, size = settings.validation or settings.validation_last, len(train.rows)
    if count == 0:
        return train, None
    if settings.validation:
        key, rng = "validation", stream(settings.seed, "subset", _VALIDATION)
        which = subset.balanced_subset(train.labels, count, rng)
    else:
        key, which = "validation_last", np.arange(max(0, size - count), size)
    rest = train.without(which)
    if len(np.unique(rest.labels)) < len(np.unique(train.labels)):
        raise InputError(
            f"data.{key}={count} leaves a class without training examples, out of {size}: "
            f"give a smaller number"
        )
    return rest, train.cut(which)


def _subset(settings: DataSettings, train: Part) -> Part:
    count = settings.train_size
    if count is None:
        return train
    if count > len(train.rows):
        raise InputError(
            f"data.train_size={count} is more than the {len(train.rows)} available training "
            f"examples: give at most {len(train.rows)}, or null for all"
        )
    rng = stream(settings.seed, "subset", _TRAIN)
    return train.cut(subset.balanced_subset(train.labels, count, rng))


def _noisy(settings: DataSettings, train: Part, classes: int) -> Part:
    if settings.label_noise == 0:
        return train
    rng = stream(settings.seed, "noise")
    labels = subset.with_noise(train.labels, settings.label_noise, classes, rng)
    return Part(train.x, train.rows, labels)
