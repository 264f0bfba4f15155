"""The IDX format of MNIST: images and labels as unsigned bytes behind a short header.

A header is 4 bytes a number, big-endian: a magic number (2051 for images, 2049 for labels), the
number of items and, for images, their rows and columns (LeCun, Cortes, Burges: The MNIST
database of handwritten digits, "File formats").
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.data import cache
from nnexp.data.base import Kind, Raw, Source, Stamp, checksum, combined, span, stamp, user_path
from nnexp.data.cache import Content
from nnexp.errors import InputError

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_IMAGES, _LABELS = 2051, 2049


@dataclass(frozen=True)
class Idx:
    """A user's folder with the four IDX files of MNIST's names, raw or gzipped."""

    root: str

    def state(self) -> Hashable:
        """Return the stamps of the four files; InputError if one is missing."""
        return stamps(self.root)

    def read(self, seed: int) -> Raw:
        """Return the examples of the four files."""
        return _read(stamps(self.root))


def stamps(root: str) -> tuple[Stamp, ...]:
    """Return the stamps of the four files in the folder ``root``: the raw one where both are."""
    folder = os.path.expanduser(root)
    found = []
    for name in FILES:
        names = [n for n in (name, f"{name}.gz") if os.path.isfile(os.path.join(folder, n))]
        if not names:
            raise InputError(
                f"data.root={root} has no {name} (nor {name}.gz): put the four files "
                f"{', '.join(FILES)} there, raw or gzipped"
            )
        found.append(stamp("root", os.path.join(folder, names[0])))
    return tuple(found)


def content(file: Stamp) -> Content:
    """Return the raw bytes of an IDX file: memory-mapped, or unpacked if it is gzipped."""
    if file.path.endswith(".gz"):
        return unpacked(Path(file.path))
    if file.size == 0:
        raise InputError(f"{file.path} is empty: copy the file again")
    data = np.memmap(file.location, np.uint8, "r")
    return Content(data, checksum(file), file.path)


def unpacked(archive: Path) -> Content:
    """Return the content of a gzipped IDX file, in memory.

    No more is inflated than its header promises, and a byte that shows whether there is more.

    Raises
    ------
    InputError
        If the file cannot be unpacked, or this machine has no memory for what it promises.
    """
    beginning = cache.inflate(archive, 16)
    numbers = _numbers(beginning)
    dimensions = {_IMAGES: 3, _LABELS: 1}.get(numbers[0] if numbers else 0, 0)
    promised = _promised(numbers[1 : 1 + dimensions]) if dimensions < len(numbers) else 16
    data = cache.inflate(archive, promised + 1)
    return Content(data, hashlib.sha256(data.data).hexdigest(), str(archive))


def assemble(contents: Sequence[Content], pixels: tuple[float, float] | None = None) -> Raw:
    """Return the examples of the four files' contents, in the order of ``FILES``.

    ``pixels`` is the span of the training pixels where it is known, which saves reading them.

    Raises
    ------
    InputError
        If a file is not whole, or files do not belong together.
    """
    x_train, shape = _images(contents[0])
    y_train = _labels(contents[1])
    x_test, test_shape = _images(contents[2])
    y_test = _labels(contents[3])
    for x, y, images, labels in (
        (x_train, y_train, contents[0], contents[1]),
        (x_test, y_test, contents[2], contents[3]),
    ):
        if len(x) != len(y):
            raise InputError(
                f"{images.name} has {len(x)} images and {labels.name} {len(y)} labels: "
                "give the files that belong together"
            )
    if shape != test_shape:
        raise InputError(
            f"the images of {contents[0].name} have {shape[0]}x{shape[1]} pixels and those of "
            f"{contents[2].name} {test_shape[0]}x{test_shape[1]}: give images of one size"
        )
    return Raw(
        x_train,
        y_train,
        x_test,
        y_test,
        digest=combined(part.sha256 for part in contents),
        span=pixels or span(x_train),
        image_shape=shape,
        place=(contents[3].name + ", label {}").format,
    )


@functools.lru_cache(maxsize=2)
def _read(files: tuple[Stamp, ...]) -> Raw:
    return assemble([content(file) for file in files])


def _images(file: Content) -> tuple[npt.NDArray[Any], tuple[int, int]]:
    """Return the pixels (n, rows * columns), a view of the file, and (rows, columns)."""
    n, rows, columns = _header(file, _IMAGES, "images", 3)
    return file.data[16:].reshape(n, rows * columns), (rows, columns)


def _labels(file: Content) -> npt.NDArray[np.intp]:
    _header(file, _LABELS, "labels", 1)
    return file.data[8:].astype(np.intp)


def _header(file: Content, magic: int, what: str, dimensions: int) -> list[int]:
    """Return the sizes that the header names, after checking them against the file's length."""
    numbers = _numbers(file.data[: 4 * (1 + dimensions)])
    if len(numbers) <= dimensions or numbers[0] != magic:
        raise InputError(
            f"{file.name} is not an IDX file of {what} (magic number {magic}): "
            "give the file as it was published"
        )
    sizes = numbers[1:]
    if min(sizes) == 0:
        raise InputError(f"{file.name} holds no {what}: give a file that does")
    expected, there = _promised(sizes), len(file.data)
    if expected != there:
        raise InputError(
            f"{file.name} is truncated or altered: its header promises {expected} bytes and it "
            f"has {there if there < expected else 'more'}: copy or download it again"
        )
    return sizes


def _numbers(beginning: npt.NDArray[np.uint8]) -> list[int]:
    """Return the numbers of 4 bytes at the beginning of a file."""
    whole = beginning[: len(beginning) // 4 * 4]
    numbers: list[int] = np.frombuffer(whole.tobytes(), ">u4").tolist()
    return numbers


def _promised(sizes: Sequence[int]) -> int:
    """Return how many bytes a file has whose header names these sizes."""
    return 4 * (1 + len(sizes)) + math.prod(sizes)


def _make(values: Mapping[str, object]) -> Source:
    if values["root"] is None:
        raise InputError(
            f"data=idx needs data.root=FOLDER, a folder with the files {', '.join(FILES)}, "
            "raw or gzipped"
        )
    return Idx(user_path("root", values["root"]))


KINDS = {"idx": Kind({"root": None}, _make)}
