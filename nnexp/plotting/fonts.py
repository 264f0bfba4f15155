"""Fonts for the letters of a language that Matplotlib's own font lacks."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnexp.messages.language import ENGLISH, KOREAN, current, language

# Families with Hangul, as Matplotlib names them: of a collection, it knows the first.
_FAMILIES = {
    KOREAN: (
        *("Noto Sans KR", "Noto Sans CJK KR", "Noto Sans CJK JP", "NanumGothic", "Malgun Gothic"),
        *("Apple SD Gothic Neo", "AppleGothic", "Pretendard", "UnDotum", "Baekmuk Dotum"),
    )
}


def font() -> str:
    """Return the family that has the letters of the current language.

    It is empty for English, and if there is none.
    """
    return "" if current() == ENGLISH else _installed(_FAMILIES[current()])


def lettered() -> bool:
    """Return whether figures can be in the current language."""
    return current() == ENGLISH or bool(font())


@contextmanager
def lettering() -> Iterator[None]:
    """Let `tr` translate into the language of figures: English, if the letters are missing."""
    with language(current() if lettered() else ENGLISH):
        yield


@functools.cache
def _installed(families: tuple[str, ...]) -> str:
    """Return the first of these ``families`` that is installed, or an empty text."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    def found() -> str:
        names = {entry.name for entry in fontManager.ttflist}
        return next((family for family in families if family in names), "")

    # It would say for every figure that a font has no bold letters of just this weight.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    if not found():  # it may have been installed after Matplotlib listed the fonts
        words = {family.replace(" ", "").lower() for family in families}
        for file in findSystemFonts():
            if any(Path(file).stem.lower().replace("-", "").startswith(word) for word in words):
                fontManager.addfont(file)
    return found()
