"""Checks of the arrays and tables given to `nnexp.MLP`, and their conversion.

Some messages contain phrases of scikit-learn's, which its tests of estimators look for.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.data import Split
from nnexp.errors import InputError, InputTypeError
from nnexp.training import scikit_learn

Array = npt.NDArray[Any]

# The maximum numbers of feature names and of labels listed in a message.
_NAMED, _LABELS = 5, 20


def table(x: Any) -> Array:
    """Return ``x`` as an array (n, features) of real numbers, which may not be finite.

    Raises
    ------
    InputError
        If it is sparse, empty, not two-dimensional, or not of real numbers.
    """
    if hasattr(x, "tocsr"):
        raise InputTypeError(
            f"x is a sparse {type(x).__name__}, but MLP needs a dense array: give x.toarray()"
        )
    try:
        array = np.asarray(x)
        if array.dtype == object:
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        kind = InputTypeError if isinstance(error, TypeError) else InputError
        raise kind(f"x is not a table of numbers ({error}): give (examples, features)") from None
    if array.dtype.kind == "c":
        raise InputError(
            f"Complex data not supported: x has dtype {array.dtype}, give real numbers"
        )
    if array.dtype.kind not in "biuf":
        raise InputError(f"x has dtype {array.dtype} instead of numbers: give (examples, features)")
    if array.ndim != 2:
        flat = array.ndim < 2
        how = "x.reshape(1, -1) for one example" if flat else "x.reshape(len(x), -1)"
        raise InputError(
            f"x has the shape {array.shape}: Reshape your data to (examples, features), as in {how}"
        )
    if not len(array):
        raise InputError(f"x has no examples (shape={array.shape}): give at least one")
    if not array.shape[1]:
        raise InputError(
            f"x has 0 feature(s) (shape={array.shape}) while a minimum of 1 is required: "
            f"give (examples, features)"
        )
    return array


def inputs(x: Any, dtype: npt.DTypeLike, features: int, names: Array | None) -> Array:
    """Return ``x`` as an array (n, features) for a model that was trained on these features.

    Raises
    ------
    InputError
        As for `table`, `check_names` and `finite`.
    """
    check_names(feature_names(x), names)
    return finite(table(x), dtype, features)


def finite(given: Array, dtype: npt.DTypeLike, features: int) -> Array:
    """Return a `table` as a C-contiguous array (n, features) of ``dtype``.

    Raises
    ------
    InputError
        If it has more or fewer features, or a number that is not finite in ``dtype``.
    """
    if given.shape[1] != features:
        raise InputError(
            f"X has {given.shape[1]} features, but MLP is expecting {features} features as input: "
            f"give the features of fit"
        )
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(given, dtype)
    bad = ~np.isfinite(array)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(
            f"x is {given[row, column]} in row {row}, column {column}: give numbers in the range "
            f"of {array.dtype}, not NaN or infinity"
        )
    return array


def split(x: Array, y: Array, known: Array) -> Split:
    """Return the examples ``x`` with the position of each label ``y`` in ``known`` classes.

    Raises
    ------
    InputError
        If there is not one label per row, or a label is not known.
    """
    check_lengths(len(x), len(y))
    positions = numbers(y, known)
    if (positions < 0).any():
        label = y[positions < 0][0]
        raise InputError(f"the label {label!s} is not one of the classes: {_some(known)}")
    return Split(x, positions)


def distinct(given: Array, name: str = "y") -> Array:
    """Return the distinct labels in ascending order; raise `InputError` if there is only one."""
    classes: Array = np.unique(given)
    if len(classes) < 2:
        raise InputError(f"{name} has only one class: give labels of two or more classes")
    return classes


def check_lengths(rows: int, count: int) -> None:
    """Raise `InputError` unless there is one label per row."""
    if rows != count:
        raise InputError(f"x has {rows} rows and y has {count} labels: give one label per row")


def labels(y: Any) -> Array:
    """Return ``y`` as an array (n,) of whole numbers or of text, of its own dtype if it has one.

    A single column (n, 1) is accepted with a warning, as in scikit-learn.

    Raises
    ------
    InputError
        If it has another shape, other types, fractions, or numbers that are not finite.
    """
    if y is None:
        raise InputError(
            "MLP requires y to be passed, but the target y is None: give one label per row"
        )
    array = np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected: give y.ravel()",
            scikit_learn.conversion_warning(),
            stacklevel=3,
        )
        array = array[:, 0]
    if array.dtype == object and not is_text(array) and len({type(v) for v in array.flat}) == 1:
        array = np.asarray(array.tolist())
    if array.ndim != 1 or not len(array):
        raise InputError(f"y has the shape {array.shape}: give (examples,), one label per row")
    if array.dtype == object and not is_text(array):
        raise InputError("y mixes types of labels: give only numbers or only text")
    if array.dtype.kind not in "biufUO":
        raise InputError(f"y has dtype {array.dtype}: give whole numbers or text as labels")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise InputError("y has a label that is not finite: give a class for every example")
        fractions = array[array != np.floor(array)]
        if len(fractions):
            raise InputError(
                f"Unknown label type: y has continuous values such as {fractions[0]:g}: "
                f"give whole numbers or text as labels"
            )
    return array


def is_text(array: Array) -> bool:
    """Return whether an array of labels has text."""
    return array.dtype.kind == "U" or (
        array.dtype == object and all(isinstance(label, str) for label in array.flat)
    )


def numbers(given: Array, classes: Array) -> npt.NDArray[np.intp]:
    """Return the position of each label in ``classes`` (ascending), or -1 if it is not there."""
    if is_text(given) != is_text(classes):
        raise InputError(
            f"y has labels of type {given.dtype}, but the classes have type {classes.dtype}: "
            f"give labels of the same type"
        )
    place = np.minimum(np.searchsorted(classes, given), len(classes) - 1)
    positions: npt.NDArray[np.intp] = np.where(classes[place] == given, place, -1)
    return positions


def feature_names(x: Any) -> Array | None:
    """Return the names of the columns of a DataFrame (features,), or None if they are not text.

    Raises
    ------
    InputError
        If only some of them are text.
    """
    columns = list(getattr(x, "columns", ()))
    text = [isinstance(name, str) for name in columns]
    if not any(text):
        return None
    if not all(text):
        other = columns[text.index(False)]
        raise InputTypeError(
            f"x has the column name {other!r} among names that are text: "
            f"use x.columns = x.columns.astype(str)"
        )
    return np.array(columns, dtype=object)


def check_names(given: Array | None, fitted: Array | None) -> None:
    """Raise `InputError` if the names are not those of `fit`; warn if only one has names.

    The messages are those of scikit-learn.
    """
    if given is None and fitted is None:
        return
    if given is None or fitted is None:
        sentence = (
            "X does not have valid feature names, but MLP was fitted with feature names"
            if given is None
            else "X has feature names, but MLP was fitted without feature names"
        )
        warnings.warn(sentence, UserWarning, stacklevel=5)
        return
    if np.array_equal(given, fitted):
        return
    unseen, missing = sorted({*given} - {*fitted}), sorted({*fitted} - {*given})
    message = "The feature names should match those that were passed during fit.\n"
    if unseen:
        message += "Feature names unseen at fit time:\n" + _listed(unseen)
    if missing:
        message += "Feature names seen at fit time, yet now missing:\n" + _listed(missing)
    if not unseen and not missing:
        message += "Feature names must be in the same order as they were in fit.\n"
    raise InputError(message)


def _listed(names: list[str]) -> str:
    lines = [f"- {name}\n" for name in names[:_NAMED]]
    return "".join(lines) + ("- ...\n" if len(names) > _NAMED else "")


def _some(labels: Array) -> str:
    listed = ", ".join(map(str, labels[:_LABELS].tolist()))
    return listed + (", …" if len(labels) > _LABELS else "")
