"""The widths of the hidden layers, as lists and as text."""

from __future__ import annotations

from typing import Any

from nnexp import validation
from nnexp.errors import InputError


def parse_hidden(value: object) -> tuple[int, ...]:
    """Return the widths given by ``[512, 256]``, ``"512x256"``, ``128`` or ``none``.

    Raises
    ------
    InputError
        If the value has another form, or a width is below 1.
    """
    error = InputError(f"hidden={value} is not a list of widths: write 512x256, 128, or none")
    if value is None or value == "none" or value == "":
        return ()
    if isinstance(value, str):
        parts: list[Any] = value.lower().split("x")
        if not all(part.isascii() and part.isdigit() for part in parts):
            raise error
    elif isinstance(value, bool | float):
        raise error
    else:
        parts = [value] if isinstance(value, int) else list(value)  # type: ignore[call-overload]
        if any(isinstance(part, bool) or not isinstance(part, int) for part in parts):
            raise error
    if value in (0, "0"):
        raise InputError("hidden=0 is not a width: write hidden=none for no hidden layers")
    return tuple(validation.whole("hidden", int(part), 1) for part in parts)


def format_hidden(hidden: tuple[int, ...]) -> str:
    """Return ``512x256``, or ``none`` without a hidden layer."""
    return "x".join(map(str, hidden)) or "none"
