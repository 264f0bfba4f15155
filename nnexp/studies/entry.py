"""A mapping of a study's file, and the checks of its keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnexp.config.experiment_file import LINE, LINES, plain
from nnexp.errors import InputError, suggestion


@dataclass(frozen=True)
class Entry:
    """A mapping of a study's file: a claim, a grid, or a part of one.

    ``what`` names it in errors, which also give the file and the line.
    """

    file: Path
    what: str
    content: Mapping[str, Any]

    def __contains__(self, key: str) -> bool:
        return key in self.content

    def __getitem__(self, key: str) -> Any:
        """Return the value of ``key`` without the lines of its file."""
        return plain(self.content[key])

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of ``key``, or ``default`` if it is missing or empty."""
        value = self.content.get(key)
        return default if value is None else plain(value)

    def error(self, message: str, line: int | None = None) -> InputError:
        """Return an error about this entry."""
        where = self.content[LINE] if line is None else line
        return InputError(f"{self.file}, line {where}: {self.what}: {message}")

    def check_keys(self, known: Collection[str], needed: Collection[str] = ()) -> None:
        """Refuse keys that are not ``known``, and missing ones that are ``needed``."""
        for key in self.content:
            if key not in (*known, LINE, LINES):
                hint = suggestion(str(key), known) or ":"
                keys = ", ".join(dict.fromkeys(known))
                line = self.content[LINES].get(str(key))
                raise self.error(f"unknown key {key!r}{hint} keys are {keys}", line)
        for key in needed:
            if self.content.get(key) is None:
                raise self.error(f"{key!r} is missing: give {key}: …")

    def one_of(self, kind: str, value: Any, choices: Collection[str]) -> str:
        """Return ``value`` if it is one of the ``choices`` of a ``kind``."""
        if not isinstance(value, str) or value not in choices:
            hint = suggestion(str(value), choices) or ":"
            raise self.error(f"unknown {kind} {value!r}{hint} choose from {', '.join(choices)}")
        return value

    def number(self, key: str, value: Any) -> float:
        """Return ``value`` as a float; ``key`` names it."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(f"{key}={value!r} is not a number")
        return float(value)

    def text(self, key: str) -> str:
        """Return the value of ``key`` as text, empty if it is missing."""
        return str(self.get(key, "")).strip()

    def mapping(self, key: str, example: str = "{lr: 0.1}") -> dict[str, Any]:
        """Return the mapping at ``key``, empty if it is missing."""
        value = self.get(key, {})
        if not isinstance(value, dict):
            raise self.error(f"{key}={value} is not a mapping: give {example}")
        return value

    def items(self, key: str, example: str) -> list[Any]:
        """Return the list at ``key`` with its lines, empty if it is missing."""
        value = self.content.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.error(f"{key}={plain(value)} is not a list: give {example}")
        return value

    def part(self, key: str) -> Entry:
        """Return the mapping at ``key`` as an entry."""
        self.mapping(key)
        return Entry(self.file, f"{self.what}: {key}", self.content[key])
