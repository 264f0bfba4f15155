"""The file of a saved model: an ``.npz`` archive of arrays."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.errors import InputError
from nnexp.files import write_whole

Array = npt.NDArray[Any]


def write(path: str | os.PathLike[str], arrays: Mapping[str, Array], overwrite: bool) -> Path:
    """Write ``arrays`` and return the path, with the suffix ``.npz`` added if it is missing.

    Raises
    ------
    InputError
        If the file exists and ``overwrite`` is false, or if it cannot be written.
    """
    target = Path(path)
    if target.suffix != ".npz":
        target = target.with_name(target.name + ".npz")
    if target.exists() and not overwrite:
        raise InputError(f"{target} already exists: give another name, or overwrite=True")
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_whole(target, buffer.getvalue())
    return target


def read(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Return the arrays of the file. Nothing in it is executed."""
    with open(path, "rb") as stream:
        return dict(np.load(stream, allow_pickle=False))


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn errors in reading a saved model into `InputError`."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give the path of a saved model") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} is damaged or not a saved model ({error}): save the model again"
        ) from error
