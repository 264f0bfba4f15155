"""Scaling of stored features to inputs of the network, and encoding of labels as targets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.data.subset import Rows
from nnexp.errors import InputError, unknown

Array = npt.NDArray[Any]

SCALES = ("unit", "shifted", "raw", "standardize")
# Scales of which an input is zero exactly where the stored feature is.
KEEPS_ZEROS = ("unit", "raw")
TARGETS = {"one_hot": (0.0, 1.0), "soft": (0.01, 0.99)}

# Rows converted at a time: few enough for the processor's cache, enough to amortise the call.
_ROWS = 1024


def scaled(
    x: Array,
    rows: Rows,
    scale: str,
    dtype: np.dtype[Any],
    statistics: Array | None = None,
    columns: Rows | None = None,
) -> Array:
    """Return the ``rows`` of ``x`` scaled, (len(rows), features), C-contiguous and read-only.

    ``unit`` is x / 255 and ``shifted`` x / 255 * 0.99 + 0.01, with each operation rounded to
    ``dtype``. ``standardize`` needs ``statistics`` from `moments` and is computed in float64. The
    result depends only on the values of ``x``, not on its dtype. Other scales also accept an order
    of the ``columns``.
    """
    out = np.empty((len(rows), x.shape[1]), dtype)
    for start, part in blocks(x, rows):
        if columns is not None:
            part = np.take(part, columns, axis=1, mode="clip")
        block = out[start : start + len(part)]
        if scale == "standardize" and statistics is not None:
            centred = part - statistics[0]
            centred *= statistics[1]
            with np.errstate(over="ignore"):  # the caller checks for infinite features
                block[...] = centred
        elif scale == "raw":
            np.copyto(block, part, casting="unsafe")
        else:
            np.divide(part, 255, out=block, dtype=dtype, casting="unsafe")
            if scale == "shifted":
                block *= 0.99
                block += 0.01
    out.flags.writeable = False
    return out


def moments(x: Array, rows: Rows) -> Array:
    """Return (2, features): means, and 1 / standard deviation (0 for a constant feature)."""
    total = np.zeros(x.shape[1])
    low, high = np.full(x.shape[1], np.inf), np.full(x.shape[1], -np.inf)
    for _, part in blocks(x, rows):
        total += part.sum(axis=0, dtype=np.float64)
        np.minimum(low, part.min(axis=0), out=low)
        np.maximum(high, part.max(axis=0), out=high)
    mean = total / len(rows)
    squares = np.zeros(x.shape[1])
    for _, part in blocks(x, rows):
        squares += np.square(part - mean).sum(axis=0)
    varies = (high > low) & (squares > 0)
    deviation = np.sqrt(squares / len(rows))
    return np.stack([mean, np.divide(1, deviation, out=np.zeros_like(mean), where=varies)])


def target_codes(targets: str, classes: int, outputs: int, dtype: npt.DTypeLike) -> Array:
    """Return the targets of each class, (classes, outputs), read-only.

    ``target_codes(…)[labels]`` are the targets of examples. ``one_hot`` codes are 0 and 1,
    ``soft`` codes 0.01 and 0.99. With one output for two classes, they are its targets for
    class 0 and class 1.

    Raises
    ------
    InputError
        If ``outputs`` is neither ``classes`` nor, with two classes, 1.
    """
    if targets not in TARGETS:
        raise unknown("data.targets", targets, TARGETS)
    off, on = TARGETS[targets]
    if outputs == classes:
        codes = np.full((classes, classes), off, dtype)
        np.fill_diagonal(codes, on)
    elif outputs == 1 and classes == 2:
        codes = np.array([[off], [on]], dtype)
    else:
        raise InputError(
            f"data.outputs={outputs} does not fit {classes} classes: give {classes}"
            + (" or 1" if classes == 2 else "")
        )
    codes.flags.writeable = False
    return codes


def blocks(x: Array, rows: Rows) -> Iterator[tuple[int, Array]]:
    """Yield (position, up to ``_ROWS`` examples) of ``rows``; views if these are all, in order."""
    everything = np.array_equal(rows, np.arange(len(x)))
    for start in range(0, len(rows), _ROWS):
        part = slice(start, start + _ROWS)
        yield start, x[part] if everything else x[rows[part]]
