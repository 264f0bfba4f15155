"""The pictures of studies as parts of a page."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from nnexp.errors import InputError
from nnexp.plotting.compact_svg import ROUNDING
from nnexp.reports.inline_svg import inline_svg, theme, with_classes
from nnexp.reports.readings import Readable, page_readings
from nnexp.studies.pages.anchors import anchor
from nnexp.studies.section import Shown


@dataclass(frozen=True)
class InlinePicture:
    """A picture for a page: an SVG element with the id ``name``; ``file`` names its files."""

    name: str
    file: str
    svg: Markup
    caption: str


@dataclass(frozen=True)
class InlinePictures:
    """The pictures of a page, the rules of its style that they need, and what can be read."""

    pictures: list[InlinePicture]
    rules: str
    readings: dict[str, Any]


def inline_pictures(shown: Sequence[tuple[str, Shown]]) -> InlinePictures:
    """Return pictures, each with the name of its study, for one page.

    Each is an SVG element, whichever of its files is shown.

    Raises
    ------
    InputError
        If one is empty.
    """
    pictures, readable = [], []
    for number, (study, picture) in enumerate(shown):
        if not picture.svg and not picture.png:
            raise InputError(f"picture {picture.name!r} is empty: give its svg or its png")
        # Ids within a picture are many, so that they are short.
        name, parts = anchor("figure", study, picture.name), f"f{number}"
        forms = []
        if picture.svg:
            forms.append(inline_svg(picture.svg.decode(), name, picture.alt, parts))
        if picture.png:
            forms.append(_wrapped(picture.png, name, picture.alt))
        svg = min(forms, key=lambda markup: len(markup.encode()))
        if re.search(r'viewBox="([^"]*)"', svg) is None:
            raise InputError(f"picture {picture.name!r} has no viewBox: give an SVG that has one")
        pictures.append(InlinePicture(name, picture.name, svg, picture.caption))
        if picture.readings and svg is forms[0]:
            readable.append(Readable(name, picture.name, parts, picture.readings, study))
    drawn, rules = with_classes([picture.svg for picture in pictures])
    styled = [replace(picture, svg=svg) for picture, svg in zip(pictures, drawn, strict=True)]
    readings = page_readings(readable, rounding=ROUNDING)
    return InlinePictures(styled, theme((*drawn, rules)) + rules, readings)


def _wrapped(png: bytes, name: str, alt: str) -> Markup:
    """Return a PNG file within an SVG element, as other pictures are."""
    # The header's width and height in pixels (PNG specification, 11.2.2).
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    return Markup(
        '<svg id="{}" role="img" aria-label="{}" viewBox="0 0 {} {}">'
        '<image width="{}" height="{}" href="data:image/png;base64,{}"/></svg>'
    ).format(name, alt, width, height, width, height, base64.b64encode(png).decode())
