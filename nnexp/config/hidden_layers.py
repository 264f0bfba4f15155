"""The widths of the hidden layers, as lists and as text."""

from __future__ import annotations

import re
from typing import Any

from nnexp import validation
from nnexp.errors import InputError

# A width, or up to 999 layers of one width.
_PART = re.compile(r"(?:([1-9][0-9]{0,2})\*)?([0-9]+)")


def parse_hidden(value: object) -> tuple[int, ...]:
    """Return the widths given by ``[512, 256]``, ``"512x256"``, ``"29*100"``, ``128`` or ``none``.

    ``29*100`` stands for 29 layers of 100 units, and can be a part, as in ``"512x28*100"``.

    Raises
    ------
    InputError
        If the value has another form, or a width is below 1.
    """
    error = InputError(
        f"hidden={value} is not a list of widths: write 512x256, 29*100 for 29 layers of 100 units "
        f"(at most 999), 128, or none"
    )
    if value is None or value == "none" or value == "":
        return ()
    if isinstance(value, str):
        found = [_PART.fullmatch(part) for part in value.lower().split("x")]
        if not all(found):
            raise error
        parts: list[Any] = [int(m[2]) for m in found if m for _ in range(int(m[1] or 1))]
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
