"""A drawing in fewer bytes: the same picture, without what Matplotlib writes around it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_PLACED = ("d", "x", "y")
_TURNED = re.compile(r"(?:translate|rotate)\([^()]*\)")
_LONG = re.compile(r"-?\d+\.\d{3,}")
# An attribute that is a reference, or has one.
_REFERENCE = re.compile(r"(^#|url\(#)([^)]+)")
# What the script of a page reads of a figure: its marks, its axes, and the ticks of these.
_READ = re.compile(r"(?:mark|axes)-\d+|matplotlib\.axis_\d+|[xy]tick_\d+")
# Half a hundredth of a point: by how much a place may differ from that in Matplotlib's drawing.
ROUNDING = 0.005


def compact(svg: bytes) -> bytes:
    """Return an SVG document that looks the same and takes about half of the bytes.

    Places are rounded to a hundredth of a point, so values cannot be read from it to more than
    three digits. Comments, metadata and groups without attributes are left out. Elements that are
    referred to get short ids; others keep theirs where the figure has marks that a page reads, as
    in `nnexp.plotting.marks`.
    """
    text = svg.decode()
    root = ElementTree.fromstring(text)
    for child in [*root]:
        if child.tag == f"{{{_SVG}}}metadata":
            root.remove(child)
    used = dict.fromkeys(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    names = {name: f"i{place}" for place, name in enumerate(used)}
    if 'id="mark-0"' in text:
        names |= {name: name for name in re.findall(r' id="([^"]*)"', text) if _READ.match(name)}
    _shorten(root, names)
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>").encode() + b"\n"


def _shorten(element: ElementTree.Element, names: Mapping[str, str]) -> None:
    """Shorten an element and all in it; ``names`` are the new ids of those that are kept."""
    for name, value in [*element.attrib.items()]:
        if name == "id" and value in names:
            element.attrib[name] = names[value]
        elif name == "id":
            del element.attrib[name]
        elif name in _PLACED:
            element.attrib[name] = " ".join(_LONG.sub(_rounded, value).split())
        elif name == "transform" and _TURNED.fullmatch(value):
            element.attrib[name] = _LONG.sub(_rounded, value)
        elif name == "style":
            element.attrib[name] = value.replace(": ", ":").replace("; ", ";")
        if name in element.attrib:
            element.attrib[name] = _REFERENCE.sub(
                lambda match: match[1] + names.get(match[2], match[2]), element.attrib[name]
            )
    children: list[ElementTree.Element] = []
    for child in element:
        _shorten(child, names)
        bare = child.tag == f"{{{_SVG}}}g" and not child.attrib
        children += [*child] if bare else [child]
        child.tail = None
    element[:] = children
    if element.text and not element.text.strip():
        element.text = None


def _rounded(match: re.Match[str]) -> str:
    short = f"{float(match[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short
