"""Helpful errors for plausible but wrong arguments, such as those of other tools."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from nnexp.config.experiment_file import SETTINGS
from nnexp.config.registry import CHOICES, GROUPS, defaults_of
from nnexp.data import DataSettings
from nnexp.errors import SYNONYMS, InputError

_DATA = {*DataSettings.__dataclass_fields__} - {"name", "source"}
# Settings that hold one number.
_NUMBERS = (
    *("batch_size", "epochs", "lr", "seed", "steps", "weight_decay"),
    *("dropout", "input_dropout", "label_dilution"),
)
# Short forms of Hydra's keys, which are easily assumed to be keys of nnexp.
_HYDRA = {
    "launcher": "hydra/launcher",
    "workers": "hydra.launcher.workers",
    "scheduler": "hydra.launcher.scheduler",
}
_NUMBER = r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_WIDTHS = re.compile(r"\d+(,\d+)+")


def check_guesses(words: Sequence[str], *, multirun: bool) -> None:
    """Refuse wrong guesses for which the correct argument is known.

    Raises
    ------
    InputError
        For the first such word. The message gives the correct argument.
    """
    for place, word in enumerate(words):
        key, _, value = word.partition("=")
        colon = re.fullmatch(r"([a-z_.]+):\s*(\S*)", word)
        if colon and colon[1].partition(".")[0] in SETTINGS:
            meant = colon[2] or next(iter(words[place + 1 :]), "VALUE")
            raise InputError(f"{word!r} is not a valid override: write {colon[1]}={meant}")
        if "=" in word:
            _check(key.lstrip("+"), value, given=dict(w.partition("=")[::2] for w in words))
    if not multirun and (widths := plain_widths(words)):
        raise InputError(
            f"hidden={widths} has {widths.count(',') + 1} values to sweep: "
            f"write hidden={widths.replace(',', 'x')} for one network with layers of these widths, "
            f"or add -m to train a network with each width"
        )


def plain_widths(words: Sequence[str]) -> str:
    """Return the values of ``hidden`` if it is swept over plain numbers, else ``""``."""
    values = [value for key, _, value in (w.partition("=") for w in words) if key == "hidden"]
    return next((value for value in values if _WIDTHS.fullmatch(value)), "")


def _check(key: str, value: str, given: Mapping[str, str]) -> None:
    """Refuse ``key=value`` if it is a wrong guess; ``given`` are all settings of the command."""
    group, _, name = key.partition(".")
    if key in _HYDRA:
        raise _not_a_key(key, f"{_HYDRA[key]}={value}")
    if group in GROUPS and name in SETTINGS and name not in _parameters(group):
        raise _not_a_key(key, f"{name}={value}")
    if key not in (*SETTINGS, *SYNONYMS) and (meant := _nested(key, value, given)):
        raise _not_a_key(key, meant)
    if key in SETTINGS and (ends := re.fullmatch(rf"({_NUMBER})\.\.\.?({_NUMBER})", value)):
        first, last = ends.groups()
        start = "" if first == "0" else f"{first},"
        whole = first.isdigit() and last.isdigit()
        written = f"{key}=range({start}{int(last) + 1}), or " if whole else ""
        raise InputError(
            f"{key}={value} is not a range: write {written}values separated by commas, with -m"
        )
    if key == "pair" and "," in value and not value.startswith("["):
        raise InputError(f"pair={value} is not a list: write 'pair=[{value}]'")
    if key in _NUMBERS and re.fullmatch(r"\[.+\]", value):
        raise InputError(
            f"{key}={value} is a list, but {key} takes one number: "
            f"write {key}={value[1:-1].replace(' ', '')} with -m to sweep it"
        )


def _not_a_key(key: str, meant: str) -> InputError:
    return InputError(f"{key!r} is not a key: write {meant}")


def _nested(key: str, value: str, given: Mapping[str, str]) -> str:
    """Return how to set the parameter ``key`` of a choice, or ``""`` if no choice has it."""
    if key in _DATA:
        return f"data.{key}={value}"
    for group, choices in CHOICES.items():
        takers = [choice for choice in choices if key in defaults_of(group, choice)]
        if given.get(group) in takers:
            return f"{group}.{key}={value}"
        if takers:
            return f"{group}={takers[0]} {group}.{key}={value}"
    return ""


def _parameters(group: str) -> set[str]:
    """Return the names of all parameters in a group."""
    if group == "data":
        return _DATA
    return {name for choice in CHOICES[group] for name in defaults_of(group, choice)}
