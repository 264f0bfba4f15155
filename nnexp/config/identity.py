"""The identity of a run, which determines its numbers, and its columns in a table."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from nnexp.config.registry import ADDED, CUSTOM, GROUPS, LATER_CHOICES, defaults_of
from nnexp.config.user_functions import is_custom
from nnexp.data import PATHS

# Digits of a digest shown in tables.
_DIGITS = 8
# Names of digest columns after the dot, and the settings with such columns.
_DIGESTS = ("digest", "source")
# Settings that choices got later, with the value at which a run is what it was without them: they
# are then left out of its settings, and so of its ID.
_LATER = {**ADDED, "data": {"validation_last": 0}}


def fingerprint(identity: Mapping[str, Any]) -> str:
    """Return the hash of a run's identity, the last part of its ``run_id``."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def own_functions(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of the user's own functions in a run's nested settings, by key."""
    named = {key: config[key]["name"] for key in CUSTOM}
    return {key: name for key, name in named.items() if is_custom(name)}


def without_places(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's nested settings without the paths of its data and own functions."""
    data = {key: value for key, value in config["data"].items() if key not in PATHS}
    own = {
        key: {**config[key], "name": own_name(name)} for key, name in own_functions(config).items()
    }
    return {**config, "data": data, **own}


def without_later(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's nested settings without those that were added later and change nothing."""
    cut = dict(config)
    for key, later in _LATER.items():
        if config[key]["name"] != "orthogonal":  # it always had its gain
            cut[key] = {k: v for k, v in config[key].items() if later.get(k, ...) != v}
    return cut


# What runs without a setting that was added later have.
_UNCHANGED = {**LATER_CHOICES, "dropout": 0.0, "input_dropout": 0.0, "label_dilution": 0.0}


def with_later(
    rows: list[dict[str, Any]], columns: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a table: what `without_later` left out is in all rows, if it is in any.

    ``columns`` are those of the whole table, if ``rows`` are a part of it.
    """
    names = {name for row in rows for name in row} if columns is None else columns
    for key, value in _UNCHANGED.items():
        if key in names:
            rows = [{**row, key: row.get(key, value)} for row in rows]
    for key, later in _LATER.items():
        for parameter, value in later.items():
            column = f"{key}.{parameter}"
            if column in names:
                rows = [_with_setting(row, key, parameter, value) for row in rows]
    return rows


def _with_setting(row: dict[str, Any], key: str, parameter: str, value: Any) -> dict[str, Any]:
    column, name = f"{key}.{parameter}", row[key]
    takes = key == "data" or (not is_custom(name) and parameter in defaults_of(key, name))
    if column in row or not takes:
        return row
    place = [*row].index(key) + 1
    cells = [*row.items()]
    return dict([*cells[:place], (column, value), *cells[place:]])


def columns(config: Mapping[str, Any], identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's nested settings flattened for a table; see `RunConfig.columns`."""
    mapping = {**config, "data": without_places(config)["data"]}
    if any(config["data"].get(key) for key in PATHS):
        mapping["data"]["digest"] = identity["data"][:_DIGITS]
    for key, digest in identity["sources"].items():
        mapping[key] = {**config[key], "source": digest[:_DIGITS]}
    mapping["evaluate_at"] = " ".join(map(str, config["evaluate_at"])) or None
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        if isinstance(value, dict):
            flat[key] = value["name"]
            flat.update({f"{key}.{k}": v for k, v in value.items() if k != "name"})
        else:
            flat[key] = value
    return {k: " ".join(map(str, v)) if isinstance(v, list) else v for k, v in flat.items()}


def settings(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the nested settings of a row of a table, the inverse of `columns`.

    The row may come from a file, in which numbers in incomplete columns are floats and lists are
    text. Columns that are not settings are included, but not digests of files and functions.
    """
    nested: dict[str, Any] = {}
    for column, cell in row.items():
        key, _, parameter = column.partition(".")
        value = _value(cell)
        if not parameter and key not in GROUPS:
            nested[key] = value
        elif not parameter and value is not None:
            nested[key] = {**nested.get(key, {}), "name": value}
        elif value is not None and parameter not in _DIGESTS:
            nested.setdefault(key, {})[parameter] = value
    return nested


def _value(cell: Any) -> Any:
    """Return the value of a table's cell, or ``None`` if it is empty."""
    if isinstance(cell, float):
        return None if math.isnan(cell) else int(cell) if cell.is_integer() else cell
    if isinstance(cell, str) and re.fullmatch(r"\d+( \d+)*", cell):
        numbers = [int(number) for number in cell.split()]
        return numbers if len(numbers) > 1 else numbers[0]
    return cell


def own_name(name: str) -> str:
    """Return a choice's name without the user's file or module."""
    return re.split(r"[:.]", name)[-1]
