"""The identity of a run, which determines its numbers, and its columns in a table."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from nnexp.config.registry import CHOICES, CUSTOM
from nnexp.config.user_functions import is_custom
from nnexp.data import PATHS

# Digits of a digest shown in tables.
_DIGITS = 8
# Names of digest columns after the dot, and the settings with such columns.
_DIGESTS = ("digest", "source")
_GROUPS = ("data", *CHOICES)


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
        if not parameter:
            nested[key] = {**nested.get(key, {}), "name": value} if key in _GROUPS else value
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
