"""The interface of data sources, which provide stored examples before selection and scaling."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from nnexp.errors import InputError

# Integers up to this one are exact in float64, the type in which CSV files are read.
LARGEST_LABEL = 2**53 - 1


@dataclass(frozen=True, eq=False)
class Raw:
    """A data set as stored, with unscaled features and the file's own labels.

    ``x_test`` is ``None`` if one file holds all examples; the fraction ``test_fraction`` of them
    then becomes the test set.
    """

    x_train: npt.NDArray[Any]  # (n, features), any real dtype
    y_train: npt.NDArray[np.intp]  # (n,)
    x_test: npt.NDArray[Any] | None
    y_test: npt.NDArray[np.intp] | None
    digest: str  # SHA-256 of the content, independent of its path
    span: tuple[float, float]  # smallest and largest training feature
    image_shape: tuple[int, int] | None = None
    test_fraction: float | None = None
    place: Callable[[int], str] = "test example {}".format  # location of a test label
    names: tuple[str, ...] = ()  # names of labels 0, 1, … if the file has text labels


class Source(Protocol):
    """The origin of a data set; hashable, and equal if its settings are equal."""

    def state(self) -> Hashable:
        """Return a value that changes if a file changes; raise `InputError` if one is missing."""

    def read(self, seed: int) -> Raw:
        """Return the stored examples; ``seed`` is used only by synthetic sets."""


class Kind(NamedTuple):
    """An entry of the registry: the settings of a kind of data set and a maker of its source."""

    keys: Mapping[str, object]  # settings that only this kind has, with their defaults
    make: Callable[[Mapping[str, object]], Source]  # takes values for all of these keys
    scale: str = "unit"  # the default of data.scale
    shipped: bool = False  # whether nnexp includes or generates the examples
    image_shape: tuple[int, int] | None = None  # rows, columns, if all are images of one size


class Stamp(NamedTuple):
    """A file and its state when it was read, which shows later changes."""

    path: str  # as the user wrote it
    location: str  # absolute
    size: int  # bytes
    modified: int  # nanoseconds


def user_path(key: str, value: object) -> str:
    """Return ``value``, given as ``data.<key>``, if it can be the path of a file or folder."""
    try:
        if isinstance(value, str) and value and b"\0" not in os.fsencode(value):
            return value
    except UnicodeEncodeError:
        pass  # a lone surrogate
    raise InputError(f"data.{key}={value!r} is invalid: give the path of a file or folder")


def stamp(key: str, path: str) -> Stamp:
    """Return the stamp of the file ``path``, given as ``data.<key>``.

    Raises
    ------
    InputError
        If the file is missing or cannot be read.
    """
    location = Path(os.path.expanduser(path)).absolute()
    try:
        status = location.stat()
        if not location.is_file():
            raise InputError(f"data.{key}={path} is not a file: give the path of a file")
        location.open("rb").close()  # raises an error if it cannot be read
    except OSError as error:
        raise InputError(
            f"data.{key}={path} cannot be read ({error.strerror}): give the path of a file"
        ) from error
    return Stamp(path, str(location), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=32)
def checksum(file: Stamp) -> str:
    """Return the SHA-256 of the file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(file.location, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def combined(digests: Iterable[str]) -> str:
    """Return one digest of several; it depends on their order."""
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def compact(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return ``x`` as uint8 if it holds only whole numbers from 0 to 255, else unchanged."""
    if x.dtype == np.uint8:
        return x
    with np.errstate(invalid="ignore"):
        small = x.astype(np.uint8)
    return small if np.array_equal(small, x) else x


def span(x: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the smallest and the largest value of ``x``."""
    return float(x.min()), float(x.max())


def unfit(x: npt.NDArray[Any]) -> tuple[int, int] | None:
    """Return the first (row, column) of ``x`` that is not finite in float32, or ``None``."""
    if x.dtype.kind in "bu" and x.dtype.itemsize < 8:
        return None
    with np.errstate(over="ignore"):  # large long doubles become infinite
        bad = ~(np.abs(x, dtype=np.float64) <= np.finfo(np.float32).max)
    if not bad.any():
        return None
    row, column = np.unravel_index(int(np.argmax(bad)), bad.shape)
    return int(row), int(column)
