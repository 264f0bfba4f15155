"""Keyword arguments → the words of the command line, so that both are composed in the same way."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from numbers import Integral, Real
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from nnexp.config.composition import quoted
from nnexp.config.function_source import named
from nnexp.config.registry import CUSTOM, GROUPS
from nnexp.errors import InputError

# Settings of which a single value is a list; for these, a tuple is one value.
_LISTS = ("hidden", "evaluate_at", "quirk")
# Keys that are never swept: a list is one value.
_NEVER_SWEPT = ("tune",)
_KEY = re.compile(r"[A-Za-z_][\w./]*")


class Words:
    """The words for keyword arguments, and the files that they refer to.

    ``functions`` has the content of each file, a copy of a function in ``store``.
    """

    def __init__(self, settings: Mapping[str, Any], store: Path) -> None:
        self.store = store
        self.functions: dict[Path, str] = {}
        self.list = [f"{_key(key)}={self.value(key, value)}" for key, value in _flat(settings)]

    def value(self, key: str, value: Any) -> str:
        """Return a value, or the values to sweep separated by commas.

        Raises
        ------
        InputError
            If it is not a setting, or there are no values to sweep.
        """
        if isinstance(value, range):
            return _range(value)
        if key == "pair":
            return _brackets(value)
        if isinstance(value, np.ndarray):
            value = value.tolist()
        one = isinstance(value, str | Mapping) or not isinstance(value, Iterable)
        if one or key in _NEVER_SWEPT or (isinstance(value, tuple) and key in _LISTS):
            return self.single(key, value)
        values = [self.single(key, each) for v in value for each in _combinations(v)]
        if not values:
            raise InputError(f"{key}={value!r} has no values to sweep: give at least one")
        return ",".join(values)

    def single(self, key: str, value: Any) -> str:
        """Return one value of a setting."""
        if callable(value):
            return quoted(self.function(key, value))
        if isinstance(value, bool | np.bool_):
            return str(bool(value)).lower()
        if isinstance(value, Integral):
            return str(int(value))
        if isinstance(value, Real):
            return repr(float(value))
        if value is None:
            return "null"
        if isinstance(value, str | PathLike):
            return quoted(fspath(value))
        if key in (*_LISTS, *_NEVER_SWEPT) and isinstance(value, list | tuple):
            parts = [self.single(key, v) for v in value]
            if key in ("evaluate_at", *_NEVER_SWEPT):
                return f"[{','.join(parts)}]"
            return ("x" if key == "hidden" else "+").join(parts) or "none"
        if isinstance(value, Mapping) and key in GROUPS:
            if "name" not in value:
                raise InputError(f"{key}={value!r} has no name: give one of the choices as 'name'")
            return f"{{{','.join(f'{k}:{self.single(key, v)}' for k, v in value.items())}}}"
        raise InputError(
            f"{key}={value!r} is not a setting: give a number, a text, or a list of them to sweep"
        )

    def function(self, key: str, function: Any) -> str:
        """Return the name of a function, and note the copy that it may need."""
        if key not in CUSTOM:
            raise InputError(f"{key} cannot be a function: only {', '.join(CUSTOM)} can")
        found = named(key, function, self.store)
        if found.file is not None:
            self.functions[found.file] = found.content
        return found.name


def _flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each key and value, with a mapping's ``name`` and parameters as keys of their own."""
    for key, given in settings.items():
        alone = key in GROUPS and isinstance(given, list | tuple) and len(given) == 1
        value = given[0] if alone and isinstance(given[0], Mapping) else given
        if isinstance(value, Mapping):
            yield from ((key if k == "name" else f"{key}.{k}", v) for k, v in value.items())
        else:
            yield key, value


def _combinations(value: Any) -> Iterator[Any]:
    """Yield a value of a setting, or each choice of a mapping whose parameters are lists."""
    if not isinstance(value, Mapping):
        yield value
        return
    for parameters in itertools.product(*map(_listed, value.values())):
        yield dict(zip(value, parameters, strict=True))


def _listed(value: Any) -> list[Any]:
    one = isinstance(value, str) or not isinstance(value, Iterable)
    return [value] if one else list(value)


def _key(key: object) -> str:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise InputError(f"{key!r} is not a key: give names as in lr, or 'init.std'")
    return "+experiments" if key == "experiments" else key


def _brackets(value: Any) -> str:
    """Return the groups of settings that change together, ``[init,activation]``."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_brackets, value))}]"
    return "null" if value is None else quoted(str(value))


def _range(values: range) -> str:
    if values.step == 1:
        bounds = [values.stop] if values.start == 0 else [values.start, values.stop]
    else:
        bounds = [values.start, values.stop, values.step]
    return f"range({','.join(map(str, bounds))})"
