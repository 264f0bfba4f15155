"""The arguments of computations, checked: numbers, lists, and choices by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp import validation
from nnexp.config.registry import build, read
from nnexp.errors import InputError

Array = npt.NDArray[Any]
Quantities = dict[str, float | Array]


def numbers(key: str, value: object, dimensions: int | None = None) -> Array:
    """Return ``value`` as float64, with that number of ``dimensions`` if it is given."""
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{key} is not a number or a regular list of numbers: {value}") from None
    if array.size == 0 or (dimensions is not None and array.ndim != dimensions):
        shape = {None: "numbers", 1: "a list of numbers", 2: "a list of rows of numbers"}
        raise InputError(f"{key} has the shape {array.shape}: give {shape[dimensions]}")
    return array


def sequence(key: str, value: object) -> Sequence[Any]:
    """Return ``value`` if it is a list with something in it; ``key`` names it in errors."""
    if not isinstance(value, list | tuple) or not value:
        raise InputError(f"{key}={value} is not a list: give one, as in [a, b]")
    return value


def rows_of(key: str, value: object) -> Array:
    """Return ``value``, one row of numbers or several, as float64 (n, i)."""
    array = np.atleast_2d(numbers(key, value))
    if array.ndim != 2:
        raise InputError(f"{key} has the shape {array.shape}: give a list of numbers, or of rows")
    return array


def counts(**values: object) -> tuple[int, ...]:
    """Return the ``values``, each a whole number of 1 or more, in their order."""
    return tuple(validation.whole(key, value, 1) for key, value in values.items())


def made(key: str, choice: object) -> Any:
    """Return the activation, loss or initialiser that a name, or a mapping with it, stands for."""
    return build(key, read(key, choice))
