"""NumPy's .npz files with the arrays x_train, y_train, x_test and y_test, as in Keras."""

from __future__ import annotations

import functools
import math
import warnings
import zipfile
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp import validation
from nnexp.data.base import (
    LARGEST_LABEL,
    Kind,
    Raw,
    Source,
    Stamp,
    checksum,
    compact,
    span,
    stamp,
    unfit,
    user_path,
)
from nnexp.errors import InputError

_NAMES = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True)
class Npz:
    """An .npz file with test arrays, or without them and with a ``test_fraction`` to set aside."""

    file: str
    test_fraction: float | None

    def state(self) -> Hashable:
        """Return the stamp of the file; raise `InputError` if it is missing."""
        return stamp("file", self.file)

    def read(self, seed: int) -> Raw:
        """Return the examples, images flattened; an `InputError` names the file and array."""
        return _read(stamp("file", self.file), self.test_fraction)


@functools.lru_cache(maxsize=2)
def _read(file: Stamp, test_fraction: float | None) -> Raw:
    arrays = _arrays(file)
    names = _NAMES if test_fraction is None else _NAMES[:2]
    missing = [name for name in names if name not in arrays]
    if missing:
        remedy = " or data.test_fraction=0.2" if missing[0].endswith("test") else ""
        raise InputError(
            f"{file.path} has no array {missing[0]!r}, only {', '.join(arrays) or 'others'}: "
            f"give {', '.join(names)}{remedy}"
        )
    if test_fraction is not None and "x_test" in arrays:
        raise InputError(
            f"data.test_fraction={test_fraction}: {file.path} already has test arrays: "
            "remove data.test_fraction"
        )
    x_train, y_train = _split(file, arrays, "train")
    x_test, y_test = _split(file, arrays, "test") if test_fraction is None else (None, None)
    shape = arrays["x_train"].shape[1:]
    if x_test is not None and arrays["x_test"].shape[1:] != shape:
        raise InputError(
            f"{file.path}: the examples of x_train have the shape {shape} and those of x_test "
            f"have {arrays['x_test'].shape[1:]}: give both the same shape"
        )
    image = shape[:-1] if len(shape) == 3 and shape[2] == 1 else shape
    return Raw(
        x_train,
        y_train,
        x_test,
        y_test,
        digest=checksum(file),
        span=span(x_train),
        image_shape=(image[0], image[1]) if len(image) == 2 else None,
        test_fraction=test_fraction,
        place=(f"{file.path}, y_test[" + "{}]").format,
    )


def _arrays(file: Stamp) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of the file that have one of the names in ``_NAMES``."""
    if not zipfile.is_zipfile(file.location):
        raise InputError(
            f"{file.path} is not an .npz file, or is incomplete: copy it again, or write the "
            f"arrays {', '.join(_NAMES)} with numpy.savez"
        )
    try:
        with zipfile.ZipFile(file.location) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers written by Python 2
            members = {f"{name}.npy": name for name in _NAMES}
            entries = [entry for entry in archive.infolist() if entry.filename in members]
            validation.memory(file.path, sum(_bytes(file, archive, entry) for entry in entries))
            arrays = {}
            for entry in entries:
                with archive.open(entry) as stream:
                    array = np.lib.format.read_array(stream, allow_pickle=False)
                arrays[members[entry.filename]] = array
    except InputError:
        raise
    except Exception as error:  # zipfile and NumPy raise a dozen types for damaged files
        raise InputError(
            f"{file.path} is damaged ({error}): copy it again, or write it again with numpy.savez"
        ) from error
    return arrays


def _bytes(file: Stamp, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    """Return the size of an array in bytes, reading only its header."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(
            f"{file.path} has a compression that NumPy does not use: write it with numpy.savez"
        )
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read(stream)
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject:
            raise InputError(
                f"{file.path}: {entry.filename.removesuffix('.npy')} holds Python objects: "
                "give numbers, one example per row"
            )
        if min(shape, default=0) < 0 or stream.tell() + size != entry.file_size:
            raise ValueError(f"the size of {entry.filename} does not match its header")
    return size


def _split(
    file: Stamp, arrays: Mapping[str, npt.NDArray[Any]], split: str
) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
    """Return the examples (n, features) and labels (n,) of ``train`` or ``test``, checked."""
    x, y = arrays[f"x_{split}"], arrays[f"y_{split}"]
    place = f"{file.path}: x_{split}"
    if x.ndim < 2 or x.size == 0 or x.dtype.kind not in "biuf":
        raise InputError(
            f"{place} has the shape {x.shape} and the type {x.dtype}: "
            "give numbers, one example per row"
        )
    if y.shape not in ((len(x),), (len(x), 1)) or y.dtype.kind not in "iu":
        raise InputError(
            f"{file.path}: y_{split} has the shape {y.shape} and the type {y.dtype}: give "
            f"{len(x)} whole numbers, the labels of x_{split}"
        )
    if y.min() < 0 or y.max() > LARGEST_LABEL:
        row = int(np.argmin(y) if y.min() < 0 else np.argmax(y))
        raise InputError(
            f"{file.path}, y_{split}[{row}]: the label {y.flat[row]} is out of range: "
            f"labels are whole numbers from 0 to {LARGEST_LABEL}"
        )
    x = np.ascontiguousarray(x.reshape(len(x), -1))
    if (bad := unfit(x)) is not None:
        raise InputError(
            f"{place}[{bad[0]}]: feature {bad[1]} is {x[bad]:g}, which is not finite in float32: "
            "give finite numbers"
        )
    return compact(x), y.reshape(-1).astype(np.intp)


def _make(values: Mapping[str, object]) -> Source:
    file, fraction = values["file"], values["test_fraction"]
    if file is None:
        raise InputError(f"data=npz needs data.file=FILE with the arrays {', '.join(_NAMES)}")
    return Npz(
        user_path("file", file),
        None
        if fraction is None
        else validation.real("data.test_fraction", fraction, 0, 1, open_=True),
    )


KINDS = {"npz": Kind({"file": None, "test_fraction": None}, _make)}
