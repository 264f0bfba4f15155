"""The pictures of a study as parts of a page."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from nnexp.errors import InputError
from nnexp.reports.inline_svg import inline_svg, theme, with_classes
from nnexp.studies.pages.anchors import anchor
from nnexp.studies.section import Shown


@dataclass(frozen=True)
class InlinePicture:
    """A picture for a page: an SVG element with the id ``name``; ``file`` names its files."""

    name: str
    file: str
    svg: Markup
    caption: str
    claims: tuple[str, ...]


def inline_picture(study: str, picture: Shown) -> InlinePicture:
    """Return a picture for a page: an SVG element, whichever of its files is shown.

    Raises
    ------
    InputError
        If it is empty.
    """
    if not picture.svg and not picture.png:
        raise InputError(f"picture {picture.name!r} is empty: give its svg or its png")
    name = anchor("figure", study, picture.name)
    forms = []
    if picture.svg:
        forms.append(inline_svg(picture.svg.decode(), name, picture.alt))
    if picture.png:
        forms.append(_wrapped(picture.png, name, picture.alt))
    svg = min(forms, key=lambda markup: len(markup.encode()))
    if re.search(r'viewBox="([^"]*)"', svg) is None:
        raise InputError(f"picture {picture.name!r} has no viewBox: give an SVG that has one")
    return InlinePicture(name, picture.name, svg, picture.caption, picture.claims)


def styled(pictures: Sequence[InlinePicture]) -> tuple[list[InlinePicture], str]:
    """Return the pictures of a page, and the rules of its style that they need."""
    drawn, rules = with_classes([picture.svg for picture in pictures])
    svgs = zip(pictures, drawn, strict=True)
    whole = [replace(picture, svg=svg) for picture, svg in svgs]
    return whole, theme((*drawn, rules)) + rules


def _wrapped(png: bytes, name: str, alt: str) -> Markup:
    """Return a PNG file within an SVG element, as other pictures are."""
    # The header's width and height in pixels (PNG specification, 11.2.2).
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    return Markup(
        '<svg id="{}" role="img" aria-label="{}" viewBox="0 0 {} {}">'
        '<image width="{}" height="{}" href="data:image/png;base64,{}"/></svg>'
    ).format(name, alt, width, height, width, height, base64.b64encode(png).decode())
