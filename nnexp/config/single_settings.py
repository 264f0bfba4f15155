"""Reading single settings of a run."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nnexp import validation
from nnexp.config.registry import CHOICES, LATER_CHOICES, RANGES, Choice, read
from nnexp.errors import InputError

# The value of ``evaluate_at`` that depends on what a sweep compares.
AUTO = "auto"


@dataclass(frozen=True)
class Interval:
    """The interval between evaluations: a ``count`` of ``epochs`` or ``steps``."""

    count: float
    unit: str

    def __str__(self) -> str:
        whole = int(self.count) if self.count == int(self.count) else self.count
        count = f"{self.count:g}" if float(f"{self.count:g}") == self.count else f"{whole}"
        return f"{count} {self.unit[:-1] if self.count == 1 else self.unit}"

    def steps(self, steps_per_epoch: int) -> float:
        """Return the interval in steps, at least 1; it may be fractional."""
        per_unit = steps_per_epoch if self.unit == "epochs" else 1
        return max(1, self.count * per_unit)


def later_choice(key: str, mapping: Mapping[str, Any]) -> Choice | None:
    """Return the checked choice of a group, ``None`` if it is the one that changes nothing."""
    plain = LATER_CHOICES[key]
    choice = read(key, mapping.get(key) or plain)
    return None if choice == read(key, plain) else choice


def amount(key: str, mapping: Mapping[str, Any], most: float = math.inf) -> float | None:
    """Return a number from 0 on, ``None`` if it is 0."""
    value = mapping.get(key)
    return validation.real(key, 0 if value is None else value, 0, most) or None


def rate(key: str, mapping: Mapping[str, Any]) -> float | None:
    """Return a probability below 1, ``None`` if it is 0."""
    probability = amount(key, mapping, 1)
    if probability == 1:
        raise InputError(f"{key}=1 would leave out everything: give a number from 0 to below 1")
    return probability


def flag(key: str, mapping: Mapping[str, Any]) -> bool | None:
    """Return ``True``, ``None`` if it is false."""
    value = str(mapping.get(key) or False).lower()
    return validation.choice(key, value, ("true", "false")) == "true" or None


def optional(value: Any, check: Callable[[Any], Any]) -> Any:
    """Return the checked value, ``None`` if it is not set."""
    return None if value is None or value == "none" else check(value)


def takes_any_positive(setting: str) -> bool:
    """Return whether a ``setting``, such as ``lr`` or ``init.std``, takes every positive number."""
    group, _, parameter = setting.partition(".")
    if not parameter:
        return setting in ("lr", "weight_decay")
    return group in CHOICES and RANGES.get(parameter, (0.0, math.inf))[1] == math.inf


def batch_size(value: object) -> int | None:
    """Return the number of examples in a batch, ``None`` for all of them."""
    return None if value == "full" else validation.whole("batch_size", value, 1, other="full")


def interval(value: object) -> Interval:
    """Return the interval between evaluations, such as ``0.5`` (epochs) or ``100 steps``."""
    match = re.fullmatch(r"\s*([0-9.eE+-]+)\s*(epochs?|steps?)?\s*", str(value))
    try:
        count = float(match[1]) if match and not isinstance(value, bool) else math.nan
    except ValueError:
        count = math.nan
    unit = (match[2] or "epochs").rstrip("s") + "s" if match else ""
    whole = unit == "epochs" or count == int(count) if math.isfinite(count) else False
    if not (0 < count <= validation.LARGEST and whole):
        raise InputError(
            f"evaluate_every={value} is invalid: give epochs (1, 0.5), '100 steps', or none"
        )
    return Interval(count, unit)


def steps_list(value: object) -> tuple[int, ...]:
    """Return the steps at which to evaluate, in order; none for `AUTO`, which a sweep resolves."""
    if value is None or value == AUTO:
        return ()
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        value = [value]
    return tuple(sorted({validation.whole("evaluate_at", step, 0) for step in value}))
