"""How an arm is drawn, in every figure: its colour, its line, its marker.

A choice keeps its colour on every page; line styles and markers
differ as well, so that the figures read in grey and without colour vision.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex

from nnexp.analysis.arms import Comparison
from nnexp.analysis.labels import is_number

# What is beside the data: words and axes, grids, and the data of no arm.
NEUTRAL, FAINT, INK = "#555555", "#E4E4E4", "#000000"
# The lines of other arms, behind those of a panel.
CONTEXT = "#B0B0B0"
# Okabe & Ito 2008 (the yellow left out: too faint on white), then darker and lighter relatives.
_BLUE, _VERMILION, _BLACK, _GREEN = "#0072B2", "#D55E00", "#000000", "#009E73"
_PURPLE, _ORANGE, _SKY, _WINE = "#CC79A7", "#E69F00", "#56B4E9", "#882255"
_OLIVE, _BROWN, _GREY, _MINT, _LILAC = "#8A8A00", "#8C510A", "#7F7F7F", "#7FD3B5", "#9F7FD3"
_PALETTE = (_BLUE, _VERMILION, _GREEN, _PURPLE, _ORANGE, _SKY, _WINE, _OLIVE, _BROWN, _GREY)
# What each is on a dark page: as far from its ground, and as far from the others.
_ON_DARK = {
    _BLUE: "#3D9BE9",
    _VERMILION: "#F5742C",
    _BLACK: "#E7EAEE",
    _GREEN: "#1DBF92",
    _PURPLE: "#E08FBF",
    _ORANGE: "#F2B632",
    _SKY: "#8FD3FF",
    _WINE: "#CC5590",
    _OLIVE: "#BDBD3A",
    _BROWN: "#C58A4A",
    _GREY: "#9AA0A8",
    CONTEXT: "#747B85",
    _MINT: "#B5F0DA",
    _LILAC: "#B79BEA",
}
# For each group of choices those that have a colour on every page, and by their place a line style
# and a marker. A name that is not here takes what the others leave.
KNOWN: tuple[dict[str, str], ...] = (
    {
        "xavier": _BLUE,
        "randn": _VERMILION,
        "zero": _BLACK,
        "he": _GREEN,
        "rand": _PURPLE,
        "normal": _ORANGE,
        "xavier_uniform": _SKY,
        "lecun": _WINE,
        "orthogonal": _OLIVE,
        "uniform": _BROWN,
        "constant": _GREY,
        "he_uniform": _MINT,
        "lecun_uniform": _LILAC,
    },
    {
        "sigmoid": _BLUE,
        "tanh": _VERMILION,
        "relu": _GREEN,
        "leaky_relu": _MINT,
        "elu": _ORANGE,
        "selu": _OLIVE,
        "softplus": _SKY,
        "gelu": _PURPLE,
        "silu": _WINE,
        "identity": _GREY,
        "step": _BLACK,
    },
    {"cross_entropy": _BLUE, "mse": _VERMILION, "binary_cross_entropy": _SKY},
    {
        "sgd": _BLACK,
        "momentum": _SKY,
        "nesterov": _BLUE,
        "adam": _VERMILION,
        "rmsprop": _ORANGE,
        "adagrad": _PURPLE,
    },
    {"shuffle": _BLUE, "replacement": _VERMILION, "independent": _GREEN, "sequential": _ORANGE},
    {"mnist": _BLUE, "fashion_mnist": _VERMILION, "kmnist": _GREEN},
)
_LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "<", "*", ">", "h", "p", "8", "d")


@dataclass(frozen=True)
class Style:
    """How an arm is drawn, in every figure."""

    colour: str
    line: Any
    marker: str


def arm_styles(comparison: Comparison, without: Collection[str] = ()) -> dict[str, Style]:
    """Return the style of each arm: the colour says the first named choice that varies.

    Where several settings vary, line style and marker say the rest; where only numbers do, the
    colours run from dark to light with the first of them. Names that nnexp does not know take
    the colours left over, in their order. Arms that differ only in the settings ``without`` have
    the same style.
    """
    summary = comparison.summary
    varied = [c for c in comparison.varied if c.partition(".")[0] not in without]
    values = {c: [str(v) for v in summary[c]] for c in varied}
    named = [c for c in values if not all(map(is_number, values[c]))]
    if not values:
        return dict.fromkeys(comparison.arms, _nth_style(0, _BLUE))
    leading = named[0] if named else next(iter(values))
    # What the leading setting determines does not tell arms apart.
    colours = len(set(values[leading]))
    others = [c for c in values if len(set(zip(values[c], values[leading], strict=True))) > colours]
    rest = [tuple(values[c][i] for c in others) for i in range(len(summary))]
    base = choice_styles(values[leading])
    places = {other: i for i, other in enumerate(dict.fromkeys(rest))}
    styles = {}
    for arm, value, other in zip(comparison.arms, values[leading], rest, strict=True):
        style = base[value]
        if len(places) > 1:
            style = _nth_style(places[other], style.colour)
        styles[arm] = style
    return styles


def choice_styles(values: Sequence[str]) -> dict[str, Style]:
    """Return a style for each distinct value: numbers by rank, known names as ever, others new."""
    distinct = list(dict.fromkeys(values))
    if all(map(is_number, distinct)):
        ranked = sorted(distinct, key=float)
        shades = map(to_hex, mpl.colormaps["viridis"](np.linspace(0, 0.75, len(ranked))))
        return {v: _nth_style(i, c) for i, (v, c) in enumerate(zip(ranked, shades, strict=True))}
    known = max(KNOWN, key=lambda group: sum(v in group for v in distinct))
    styles = {v: _nth_style(i, c) for i, (v, c) in enumerate(known.items()) if v in distinct}
    new = [v for v in distinct if v not in styles]
    taken = {style.colour for style in styles.values()}
    colours = [c for c in _PALETTE if c not in taken]
    unused = [i for i, v in enumerate(known) if v not in styles]
    places = itertools.chain(unused, itertools.count(len(known)))
    new_styles = map(_nth_style, places, itertools.cycle(colours or _PALETTE))
    return styles | dict(zip(new, new_styles, strict=False))


def distinct_styles(names: Sequence[str]) -> dict[str, Style]:
    """Return a style for each of a few ``names``, in their order, with colours of the palette."""
    return {n: _nth_style(i, c) for i, (n, c) in enumerate(zip(names, _PALETTE, strict=False))}


def dark_colours() -> dict[str, str]:
    """Return what the colours of arms become on a dark page, both in lower case."""
    named = {light.lower(): dark.lower() for light, dark in _ON_DARK.items()}
    shades, ranks = mpl.colormaps["viridis"], np.arange(256)
    paler = map(to_hex, shades(np.round(255 - 0.6 * ranks).astype(int)))
    return dict(zip(map(to_hex, shades(ranks)), paler, strict=True)) | named


def _nth_style(place: int, colour: str) -> Style:
    return Style(colour, _LINES[place % len(_LINES)], _MARKERS[place % len(_MARKERS)])


# The style of what belongs to no choice.
UNNAMED = _nth_style(0, _GREY)
