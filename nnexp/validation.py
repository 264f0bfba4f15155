"""Checks of single settings, which return the converted value or raise `InputError`."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable

from nnexp.errors import InputError, unknown

LARGEST = 10**9
# Longer numbers are refused; Python cannot read arbitrarily long ones.
MOST_DIGITS = 1000
TOO_LONG = rf"[\d_]{{{MOST_DIGITS + 1}}}"


def whole(
    key: str, value: object, least: int | None = None, most: int = LARGEST, other: str = ""
) -> int:
    """Return ``value`` as an int from ``least`` to ``most``; whole floats such as 1e4 are valid.

    ``other`` names another valid value for the message.
    """
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    low = -most if least is None else least
    if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= most:
        bounds = f"from {low} to {most}" if low > -most else f"of at most {most}"
        either = f", or {other}" if other else ""
        raise InputError(f"{key}={value} is invalid: give a whole number {bounds}{either}")
    return number


def real(
    key: str, value: object, low: float = -math.inf, high: float = math.inf, *, open_: bool = False
) -> float:
    """Return ``value`` as a finite float from ``low`` to ``high``, exclusive if ``open_``."""
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300:
        number = float(value) + 0.0  # -0.0 is 0.0
    inside = low < number < high if open_ else low <= number <= high
    if not (math.isfinite(number) and inside):
        words = ("above", "below") if open_ else ("from", "to")
        bounds = f" {words[0]} {low:g}" if math.isfinite(low) else ""
        bounds += f"{' and' if open_ else ''} {words[1]} {high:g}" if math.isfinite(high) else ""
        raise InputError(f"{key}={value} is invalid: give a number{bounds}")
    return number


def memory(what: str, needed: float) -> None:
    """Raise `InputError` if ``what`` needs more memory than there is or ``NNEXP_MEMORY`` allows.

    ``needed`` is in bytes, the environment variable in GiB.
    """
    chosen = os.environ.get("NNEXP_MEMORY")
    limit = _installed_memory() if chosen is None else _gibibytes(chosen)
    if needed <= limit:
        return
    sentence = f"{what} needs {_in_words(needed)} of memory, but"
    if chosen is None:
        raise InputError(f"{sentence} this machine has only {_in_words(limit)}: make it smaller")
    raise InputError(
        f"{sentence} NNEXP_MEMORY={chosen} allows only {_in_words(limit)}: make it smaller, or "
        "increase NNEXP_MEMORY"
    )


def _installed_memory() -> float:
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", ()):  # Windows
        return math.inf
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _gibibytes(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise InputError(
            f"NNEXP_MEMORY={text} is invalid: give a number of GiB above 0, as in NNEXP_MEMORY=8"
        )
    return number * 2**30


def _in_words(size: float) -> str:
    unit, name = (2**30, "GiB") if size >= 2**30 else (2**20, "MiB")
    return f"{size / unit:,.1f} {name}"


def choice(key: str, value: object, choices: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``choices``."""
    names = tuple(choices)
    if not isinstance(value, str) or value not in names:
        raise unknown(key, value, names)
    return value
