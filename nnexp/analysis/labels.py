"""Text for settings: labels of arms, levels of factors, and settings that all runs share."""

from __future__ import annotations

import functools
import math
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import numpy as np
import pandas as pd

from nnexp.config.function_source import without_copies
from nnexp.data import KINDS
from nnexp.messages.language import tr

Rows = list[dict[str, str]]

# Forms of settings in labels; the default form is "lr 0.1".
_PHRASES = dict.fromkeys(
    ("data", "init", "activation", "loss", "optimizer", "sampling", "schedule"), "{}"
)
NAMED = "named arm"
_PHRASES |= {"batch_size": "batch {}", NAMED: "{}"}
# Default values that are omitted from held settings, and settings that are always omitted.
_USUAL = {
    "bias_init": "zero",
    "weight_decay": "0",
    "sampling": "shuffle",
    "schedule": "constant",
    "pruning": "none",
    "dropout": "0",
    "input_dropout": "0",
    "label_dilution": "0",
    "gradient": "backprop",
    "dtype": "float32",
    "data.scale": "unit",
    "data.targets": "one_hot",
    "data.validation": "0",
    "data.validation_last": "0",
    "data.label_noise": "0",
    "data.seed": "0",
}
_SILENT = ("evaluate_every", "evaluate_at", "evaluate_distance", "evaluate_line", "named arm")
_FIRST = ("data", "hidden", "activation", "init", "loss", "optimizer", "lr", "batch_size")
_TOGETHER = (("hidden", "activation"), ("optimizer", "lr"))
# The largest number of parameters of a choice to show in a label, unless they vary, and in held
# settings.
_FEW_IN_LABEL, _FEW_HELD = 1, 2
_MOST_LISTED = 6
_MOST_SEEDS = 6
# More hidden layers of one size than this are counted: 32×100.
_MOST_ALIKE = 3
# Shorter fractions are not rounded; others keep at least this number of significant digits.
_SHORT, _FEWEST_DIGITS = 8, 4


def is_number(text: str) -> bool:
    """Return whether ``text`` is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def signs(text: str) -> str:
    """Return ``text`` with a minus sign before its negative numbers, in place of a hyphen."""
    return re.sub(r"(?<![\w.)-])-(?=\d|inf|∞)", "−", text)


def text(value: object) -> str:
    """Return a cell of a table of runs as text, empty for a missing value."""
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return ""
    return f"{value:.12g}" if isinstance(value, float) else without_copies(str(value))


def texts(column: Sequence[object]) -> list[str]:
    """Return the cells of a column as in `text`, with long fractions rounded.

    They have the fewest significant digits, at least four, by which different values still differ.
    """
    exact = [text(value) for value in column]
    fractions = [isinstance(value, float) and value % 1 > 0 for value in column]
    if all(len(cell) <= _SHORT for cell, is_one in zip(exact, fractions, strict=True) if is_one):
        return exact
    for digits in range(_FEWEST_DIGITS, 12):
        rounded = [
            f"{float(cell):.{digits}g}" if is_one else cell
            for cell, is_one in zip(exact, fractions, strict=True)
        ]
        if len(set(rounded)) == len(set(exact)):
            return rounded
    return exact


def values(rows: Rows, *columns: str) -> set[str | tuple[str, ...]]:
    """Return the distinct values in the ``columns`` of ``rows``."""
    return set(map(operator.itemgetter(*columns), rows))


def roots(varied: Iterable[str]) -> list[str]:
    """Return the distinct settings in ``varied``, without the names of parameters."""
    return list(dict.fromkeys(c.partition(".")[0] for c in varied))


def label(
    row: Mapping[str, str], rows: Rows, varied: tuple[str, ...], tuned: Iterable[str] = ()
) -> str:
    """Return an arm's label, ``normal (std 0.01), lr 0.1``, with the values of ``tuned`` last."""
    phrases = [_choice(row, rows, root, varied) for root in roots(varied)]
    for setting in tuned:
        _, _, parameter = setting.partition(".")
        phrases.append(f"{parameter} {row[setting]}" if parameter else _phrase(row, setting, ()))
    return ", ".join(filter(None, phrases)) or ("this run" if len(rows) == 1 else "all runs")


def _choice(row: Mapping[str, str], rows: Rows, root: str, varied: tuple[str, ...]) -> str:
    own = _differing(row, rows, root, varied)
    few = len(_parameters(row, root)) <= _FEW_IN_LABEL
    return _phrase(row, root, [c for c in own if few or c in varied])


def levels(rows: Rows, varied: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the values of each varied setting, with parameters that differ between runs."""
    levels = {}
    for root in roots(varied):
        own = (_differing(row, rows, root, varied) for row in rows)
        named = (_named(row[root] or "none", row, o) for row, o in zip(rows, own, strict=True))
        levels[root] = tuple(dict.fromkeys(named))
    return levels


def cells(
    arms: Mapping[str, Mapping[str, str]], rows: Rows, varied: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    """Return the value of each varied setting in each arm, in the words of its label."""
    return {
        arm: {root: _choice(row, rows, root, varied) or f"no {root}" for root in roots(varied)}
        for arm, row in arms.items()
    }


def _differing(row: Mapping[str, str], rows: Rows, root: str, varied: tuple[str, ...]) -> list[str]:
    """Return the parameters that differ between runs; digests of code only if nothing else does."""
    own = (c for c in _parameters(row, root) if len(values(rows, c)) > 1)
    return [c for c in own if c in varied or not c.endswith(".source")]


def _parameters(row: Mapping[str, str], root: str) -> list[str]:
    return [c for c in row if c.startswith(f"{root}.") and row[c]]


def _phrase(row: Mapping[str, str], root: str, parameters: Iterable[str]) -> str:
    name, value = root.replace("_", " "), row[root]
    if root in ("epochs", "steps"):
        return f"{value} {root if value != '1' else root[:-1]}" if value else ""
    phrase = _PHRASES.get(root, f"{name} {{}}").format(value) if value else f"no {name}"
    return _named(phrase, row, parameters)


def _named(name: str, row: Mapping[str, str], parameters: Iterable[str]) -> str:
    inner = ", ".join(f"{c.partition('.')[2]} {row[c]}" for c in parameters)
    return f"{name} ({inner})" if inner else name


def held_words(held: Mapping[str, str], network: str) -> str:
    """Return the most important settings that all runs share, as one line.

    ``network`` stands for the hidden layers, see `network_words`.
    """
    silent = (*_SILENT, "activation") if held.get("hidden") == "none" else _SILENT
    roots = [c for c in held if "." not in c and c not in silent]
    order = (*(r for r in _FIRST if r in roots), *(r for r in roots if r not in _FIRST))
    text = previous = ""
    for root in order:
        own = _parameters(held, root)
        if root == "data":
            phrase = _phrase(held, root, [c for c in own if held[c] != _USUAL.get(c)])
        elif root == "hidden":
            phrase = network
        elif held[root] == _USUAL.get(root):
            continue
        else:
            phrase = _phrase(held, root, own if len(own) <= _FEW_HELD else [])
        separator = " " if (previous, root) in _TOGETHER else ", "
        text, previous = text + separator * bool(text) + phrase, root
    return text


def network_words(held: Mapping[str, str], layers: pd.DataFrame) -> str:
    """Return the layer sizes, ``784-50-10`` or ``784-32×100-10``, or the hidden layers.

    Sizes are unknown where the inputs' number is, and where runs differ in them.
    """
    units = layers[["layer", "units"]].drop_duplicates().sort_values("layer")
    kind = KINDS.get(held.get("data", ""))
    if kind and kind.image_shape and len(units) and units["layer"].is_unique:
        runs = ((str(size), len(list(same))) for size, same in groupby(units["units"]))
        sizes = (f"{n}×{size}" if n > _MOST_ALIKE else "-".join([size] * n) for size, n in runs)
        return "-".join((str(math.prod(kind.image_shape)), *sizes))
    return f"hidden {held['hidden']}"


def seed_words(seeds: Iterable[int]) -> str:
    """Return ``seeds`` in words: ``seeds 0 to 4``."""
    seeds = sorted(set(seeds))
    if len(seeds) == 1:
        return tr("seed {seed}", seed=seeds[0])
    if seeds[-1] - seeds[0] == len(seeds) - 1:
        return tr("seeds {seeds}", seeds=range_words(seeds[0], seeds[-1]))
    if len(seeds) <= _MOST_SEEDS:
        return tr("seeds {seeds}", seeds=", ".join(map(str, seeds)))
    return tr("{number} seeds", number=len(seeds))


def setting_words(name: str) -> str:
    """Return the name of what varies: that of a setting, unless it is the arm itself."""
    return {"arm": tr("arm"), NAMED: tr("named arm")}.get(name, name)


def spaced(settings: Iterable[str]) -> list[str]:
    """Return the names of ``settings`` with spaces for underscores."""
    return [setting.replace("_", " ") for setting in settings]


def listed(words: Sequence[str]) -> str:
    """Return ``a, b and c``, or only the first few of many words."""
    comma = "; " if any("," in word for word in words) else ", "
    if len(words) > _MOST_LISTED:
        first, more = comma.join(words[:_MOST_LISTED]), len(words) - _MOST_LISTED
        return tr("{first} and {number} more", first=first, number=more)
    *others, last = words or [""]
    return tr("{first} and {last}", first=comma.join(others), last=last) if others else last


def enumerated(words: Sequence[str]) -> str:
    """Return ``a, b and c``, however many there are; empty without words."""
    *others, last = words or [""]
    return tr("{first} and {last}", first=", ".join(others), last=last) if others else last


def joined(words: Sequence[str]) -> str:
    """Return ``a with b``, for what belongs together."""
    return functools.reduce(lambda a, b: tr("{first} with {second}", first=a, second=b), words)


def either(words: Sequence[str]) -> str:
    """Return ``a or b``."""
    return functools.reduce(lambda a, b: tr("{first} or {second}", first=a, second=b), words)


def range_words(low: object, high: object) -> str:
    """Return ``2 to 3``."""
    return tr("{low} to {high}", low=low, high=high)


def n_words(counts: Iterable[int]) -> str:
    """Return ``n = 3``, or ``n = 2 to 3`` if ``counts`` differ."""
    low, high = min(counts := list(counts)), max(counts)
    return f"n = {high}" if low == high else f"n = {range_words(low, high)}"
