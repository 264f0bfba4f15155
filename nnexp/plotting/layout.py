"""The layout of a figure: its size, title, panels and legend, and its bytes."""

from __future__ import annotations

import io
import math
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter

from nnexp.messages.language import ENGLISH, current, tr
from nnexp.plotting import marks
from nnexp.plotting.fonts import font
from nnexp.plotting.styles import FAINT, NEUTRAL

Look = dict[str, Any]

# Inches and points: a figure is drawn to be read at two thirds of its size, half a page's width.
WIDTH = 4.8
# Of a panel's name, over the whole width.
CHARACTERS = 48
TITLE, BASE, SMALL = 12, 11, 9.5
# The edge of a marker.
EDGE: Look = {"markeredgecolor": "white", "markeredgewidth": 0.6}
# More marks of one kind are an image in an SVG, whose size does not grow with their number.
MOST_MARKS = 200
# Words on a coloured cell, which keep their colour whatever a page's theme.
_ON_LIGHT, _ON_DARK = "#101010", "#FDFDFD"
# Characters of a name that an SVG, which has all text as a comment, may not contain (XML 1.0, 2.2).
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FONT = "DejaVu Sans"
# Text in an SVG is text, in the first of these fonts that the reader has; Verdana is as wide.
_FONTS = f"{_FONT}, Verdana, sans-serif"
_KOREAN_FONTS = f"{_FONT}, Verdana, Noto Sans KR, Apple SD Gothic Neo, Malgun Gothic, sans-serif"
_FAMILY = rf"font-family: '{_FONT}'(?:, '[^']*')*"
_FONT_OF_TEXT = re.compile(rf"; {_FAMILY}|{_FAMILY}; ")
# Hangul and the like is twice as wide as other letters.
_WIDE, _FILLER = re.compile("([\u1100-\u115f\u3000-\u303f\uac00-\ud7a3])"), "\u2060"
_NO_ROTATION = re.compile(r' transform="rotate\(-?0 [^)]*\)"')
_STYLE: Look = {
    "font.family": _FONT,
    "font.size": BASE,
    "axes.labelsize": BASE,
    "axes.titlesize": SMALL,
    "axes.titlelocation": "left",
    "axes.titley": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.edgecolor": NEUTRAL,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 2.0,
    "lines.markersize": 5.5,
    "svg.hashsalt": "nnexp",
    "svg.fonttype": "none",
}


def panels(
    title: str,
    held: str,
    *,
    names: Sequence[str | None] = ("",),
    columns: int = 1,
    height: float | Sequence[float] = 2.3,
    ylabel: str = "",
    margins: tuple[float, float] = (0.8, 0.25),
    below: float = 0.0,
    legend: Sequence[Artist] = (),
    sharex: bool = True,
    sharey: bool | Literal["row"] = True,
) -> tuple[Figure, list[Axes]]:
    """Return a figure with an axes for each of ``names``, of one scale unless told, and the axes.

    The place of a name ``None`` stays empty.
    ``title`` and what was ``held`` fixed stand above, the ``legend`` below, a ``ylabel`` for all
    axes to the left. ``height`` is that of an axes, or of each row's, ``margins`` are those left
    and right, ``below`` is for labels longer than a line below the axes, in inches: all is placed
    by hand, which is quick and keeps a page's figures aligned.
    """
    titles = wrap(title, 47)
    lines = wrap(tr("Held fixed: {settings}", settings=held), 66)
    name_heights = [0.17 * (name.count("\n") + 1 if name else 0) for name in names]
    rows = math.ceil(len(names) / columns)
    heights = [height] * rows if isinstance(height, int | float) else list(height)
    empty = len(names) % columns > 0 or None in names
    gap = 0.17 + max(name_heights) + 0.17 * empty + 0.4 * (not sharex)
    across, legend_height = _legend_shape([str(entry.get_label()) for entry in legend])
    top = 0.24 + 0.21 * len(titles) + 0.16 * len(lines) + max(name_heights[:columns])
    under_axes = 0.52 + below + legend_height
    total = top + sum(heights) + (rows - 1) * gap + under_axes

    figure = Figure(figsize=(WIDTH, total))
    head: Look = {"x": 0.1 / WIDTH, "va": "top", "linespacing": 1.2}
    figure.text(y=1 - 0.08 / total, s="\n".join(titles), fontsize=TITLE, fontweight="bold", **head)
    under = 1 - (0.08 + 0.22 * len(titles)) / total
    figure.text(y=under, s="\n".join(lines), fontsize=SMALL, color=NEUTRAL, **head)
    place = {
        "left": margins[0] / WIDTH,
        "right": 1 - margins[1] / WIDTH,
        "top": 1 - top / total,
        "bottom": under_axes / total,
        "hspace": gap * rows / sum(heights),
        "wspace": 0.08 if sharey else 0.45,
    }
    shape: Look = {"squeeze": False, "gridspec_kw": place, "height_ratios": heights}
    grid = figure.subplots(rows, columns, sharex=sharex, sharey=sharey, **shape).ravel()
    cells = dict(zip_longest(grid, names))
    axes = [ax for ax, name in cells.items() if name is not None]
    for ax, name in cells.items():
        ax.set_title(name or "")
        if name is None:
            ax.remove()
    for ax in lowest(axes):
        ax.tick_params(labelbottom=True)
    middle = (place["top"] + place["bottom"]) / 2
    figure.supylabel(ylabel, x=0.1 / WIDTH, y=middle, ha="left", fontsize=BASE)
    if legend:
        corner = (0.1 / WIDTH, 0.06 / total)
        made = figure.legend(
            handles=legend, loc="lower left", bbox_to_anchor=corner, borderaxespad=0, ncols=across
        )
        drawn = zip(legend, made.legend_handles, made.get_texts(), strict=True)
        for entry, handle, text in drawn:  # a legend draws copies of its entries
            for part in (handle, text):
                if part is not None:
                    part.set_gid(entry.get_gid())
    return figure, axes


def columns_of(count: int) -> int:
    """Return in how many columns ``count`` small multiples are laid out."""
    return 1 if count == 1 else 2 if count in (2, 4) else 3


def label_outer(axes: Sequence[Axes]) -> None:
    """Leave the labels to axes with none below, and to the leftmost of each row."""
    for ax in set(axes) - set(lowest(axes)):
        ax.set_xlabel("")
    for ax in axes:
        if _place(ax)[1]:
            ax.set_ylabel("")


def lowest(axes: Sequence[Axes]) -> list[Axes]:
    """Return the axes of a grid that have none below them."""
    places = {_place(ax) for ax in axes}
    return [ax for ax in axes if (_place(ax)[0] + 1, _place(ax)[1]) not in places]


def _place(ax: Axes) -> tuple[int, int]:
    """Return the row and the column of an axes in its grid."""
    spec = ax.get_subplotspec()
    assert spec is not None
    return spec.rowspan.start, spec.colspan.start


def _legend_shape(labels: Sequence[str]) -> tuple[int, float]:
    """Return in how many columns a legend fits, and its height in inches."""
    if not labels:
        return 1, 0.0
    longest = max(width(line) for label in labels for line in label.split("\n"))
    across = min(max(1, int((WIDTH - 0.2) / (0.62 + 0.075 * longest))), len(labels))
    heights = [0.2 + 0.16 * label.count("\n") for label in labels]
    return across, 0.12 + max(map(sum, np.array_split(heights, across)))


def width(text: str) -> int:
    """Return how many letters of the Latin alphabet are about as wide as ``text``."""
    return len(_WIDE.sub(rf"\1{_FILLER}", text))


def wrap(text: str, most: int) -> list[str]:
    """Return the lines of ``text``, each as wide as ``most`` letters or less."""
    filled = textwrap.wrap(_WIDE.sub(rf"\1{_FILLER}", text), most)
    return [line.replace(_FILLER, "") for line in filled]


def fill(text: str, most: int) -> str:
    """Return ``text`` broken into lines as by `wrap`."""
    return "\n".join(wrap(text, most))


def words_on(colour: Any) -> str:
    """Return the colour of words on a cell of ``colour``: the better contrast (WCAG 2.2, 1.4.3)."""
    channels = np.asarray(to_rgb(colour))
    linear = np.where(channels > 0.04, ((channels + 0.055) / 1.055) ** 2.4, channels / 12.92)
    return _ON_DARK if linear @ (0.2126, 0.7152, 0.0722) < 0.18 else _ON_LIGHT


def png(figure: Figure) -> bytes:
    """Return ``figure`` as PNG, about two pixels for each of a common screen."""
    quick = {"compress_level": 1}  # a tenth more bytes, a seventh less time
    return _saved(figure, "png", {"Software": None}, dpi=160, pil_kwargs=quick)


def svg(figure: Figure) -> bytes:
    """Return ``figure`` as SVG: the same bytes for the same figure."""
    marks.number(figure)
    drawn = _saved(figure, "svg", {"Date": None, "Creator": None}).decode()
    fonts = _FONTS if current() == ENGLISH else _KOREAN_FONTS
    drawn = _FONT_OF_TEXT.sub("", drawn.replace("<svg ", f'<svg font-family="{fonts}" ', 1))
    return _NOT_XML.sub("\ufffd", _NO_ROTATION.sub("", drawn)).encode()


@contextmanager
def style() -> Iterator[None]:
    """Let what is drawn inside look like nnexp's, whatever the user's own settings."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)  # type: ignore[arg-type]
        if own := font():
            mpl.rcParams["font.family"] = [_FONT, own]
        yield


def _saved(figure: Figure, form: str, metadata: dict[str, None], **how: Any) -> bytes:
    buffer = io.BytesIO()
    with style(), warnings.catch_warnings():
        # A name may have characters that the font lacks: it shows boxes, the page the name.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        _take_literally(figure)
        if figure.get_layout_engine() is not None:
            _settle(figure)
        figure.savefig(buffer, format=form, metadata=metadata, **how)
    return buffer.getvalue()


def _take_literally(figure: Figure) -> None:
    """Draw all text as it is, as names may hold ``$``; only powers of ten on an axis are set."""
    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    logarithmic = [axis for axis in axes if isinstance(axis.get_major_formatter(), LogFormatter)]
    powers = {label for axis in logarithmic for label in axis.get_ticklabels(which="both")}
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(text in powers)


def _settle(figure: Figure) -> None:
    """Fix what a layout engine found, rounded: its last digits differ from one time to another."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for ax in figure.axes:
        left, bottom, width, height = (round(e, 4) for e in ax.get_position(original=True).bounds)
        ax.set_position((left, bottom, width, height))
