"""The IDX format of MNIST: images and labels as unsigned bytes after a short header.

A header holds big-endian 4-byte numbers: a magic number (2051 for images, 2049 for labels), the
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
    """A folder with four IDX files named as those of MNIST, raw or gzipped."""

    root: str

    def state(self) -> Hashable:
        """Return the stamps of the four files; raise `InputError` if one is missing."""
        return stamps(self.root)

    def read(self, seed: int) -> Raw:
        """Return the examples of the four files."""
        return _read(stamps(self.root))


def stamps(root: str) -> tuple[Stamp, ...]:
    """Return the stamps of the four files in the folder ``root``, preferring raw files."""
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
    """Return the raw bytes of an IDX file, memory-mapped or, if it is gzipped, unpacked."""
    if file.path.endswith(".gz"):
        return unpacked(Path(file.path))
    if file.size == 0:
        raise InputError(f"{file.path} is empty: copy the file again")
    data = np.memmap(file.location, np.uint8, "r")
    return Content(data, checksum(file), file.path)


def unpacked(archive: Path) -> Content:
    """Return the content of a gzipped IDX file, in memory.

    At most one byte more is unpacked than the header states, which shows whether the file is
    longer.

    Raises
    ------
    InputError
        If the file cannot be unpacked, or does not fit into memory.
    """
    beginning = cache.inflate(archive, 16)
    numbers = _numbers(beginning)
    dimensions = {_IMAGES: 3, _LABELS: 1}.get(numbers[0] if numbers else 0, 0)
    expected = _file_size(numbers[1 : 1 + dimensions]) if dimensions < len(numbers) else 16
    data = cache.inflate(archive, expected + 1)
    return Content(data, hashlib.sha256(data.data).hexdigest(), str(archive))


def assemble(contents: Sequence[Content], pixels: tuple[float, float] | None = None) -> Raw:
    """Return the examples of the contents of four files, in the order of ``FILES``.

    ``pixels`` is the range of the training pixels, if known; it saves reading them.

    Raises
    ------
    InputError
        If a file is incomplete, or the files do not belong together.
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
                f"{images.name} has {len(x)} images and {labels.name} has {len(y)} labels: "
                "give files that belong together"
            )
    if shape != test_shape:
        raise InputError(
            f"the images of {contents[0].name} have {shape[0]}x{shape[1]} pixels and those of "
            f"{contents[2].name} have {test_shape[0]}x{test_shape[1]}: give images of one size"
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
    """Return the sizes in the header, after checking them against the file's length."""
    numbers = _numbers(file.data[: 4 * (1 + dimensions)])
    if len(numbers) <= dimensions or numbers[0] != magic:
        raise InputError(
            f"{file.name} is not an IDX file of {what} (magic number {magic}): "
            "give the file as it was published"
        )
    sizes = numbers[1:]
    if min(sizes) == 0:
        raise InputError(f"{file.name} contains no {what}: give another file")
    expected, found = _file_size(sizes), len(file.data)
    if expected != found:
        raise InputError(
            f"{file.name} is truncated or altered: its header implies {expected} bytes but it "
            f"has {found if found < expected else 'more'}: copy or download it again"
        )
    return sizes


def _numbers(beginning: npt.NDArray[np.uint8]) -> list[int]:
    """Return the 4-byte numbers at the beginning of a file."""
    whole = beginning[: len(beginning) // 4 * 4]
    numbers: list[int] = np.frombuffer(whole.tobytes(), ">u4").tolist()
    return numbers


def _file_size(sizes: Sequence[int]) -> int:
    """Return the number of bytes of a file with these sizes in its header."""
    return 4 * (1 + len(sizes)) + math.prod(sizes)


def _make(values: Mapping[str, object]) -> Source:
    if values["root"] is None:
        raise InputError(
            f"data=idx needs data.root=FOLDER, a folder with the files {', '.join(FILES)}, "
            "raw or gzipped"
        )
    return Idx(user_path("root", values["root"]))


KINDS = {"idx": Kind({"root": None}, _make)}
