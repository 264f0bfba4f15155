"""A drawing in fewer bytes: the same picture, without what Matplotlib writes around it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_PLACED = ("d", "x", "y")
_TURNED = re.compile(r"(?:translate|rotate)\([^()]*\)")
_LONG = re.compile(r"-?\d+\.\d{3,}")
_LINES = re.compile(r"(?:M \S+ \S+(?: L \S+ \S+)+(?: z)? ?)+")
_TICK = re.compile(r"[xy]tick_\d+")
# An attribute that is a reference, or has one.
_REFERENCE = re.compile(r"(^#|url\(#)([^)]+)")
# What the script of a page reads of a figure: its marks, its axes, and the ticks of these.
_READ = re.compile(r"(?:mark|axes)-\d+|matplotlib\.axis_\d+|[xy]tick_\d+")
# Half a hundredth of a point: by how much a place may differ from that in Matplotlib's drawing.
ROUNDING = 0.005


def compact(svg: bytes) -> bytes:
    """Return an SVG document that looks the same and takes about half of the bytes.

    Places are rounded to a hundredth of a point, so values cannot be read from it to more than
    three digits. Comments, metadata and groups without attributes are left out, lines are relative,
    and the ticks of an axis are one group. Elements that are referred to get short ids; others keep
    theirs where the figure has marks that a page reads, as in `nnexp.plotting.marks`.
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
            element.attrib[name] = _relative(" ".join(_LONG.sub(_rounded, value).split()))
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
        child.tail = None
        if child.tag == f"{{{_SVG}}}g" and not child.attrib:
            children += child
        elif children and _is_tick(child) and _is_tick(children[-1]):
            children[-1].extend(child)
        else:
            children.append(child)
    element[:] = children
    _share_style(element)
    if element.text and not element.text.strip():
        element.text = None


def _is_tick(element: ElementTree.Element) -> bool:
    return _TICK.fullmatch(element.get("id", "")) is not None


def _share_style(group: ElementTree.Element) -> None:
    """Give the style of markers that look the same to their group."""
    styles = {child.get("style") for child in group}
    if {child.tag for child in group} == {f"{{{_SVG}}}use"} and len(styles) == 1:
        (style,) = styles
        if style is not None and "style" not in group.attrib:
            group.attrib["style"] = style
            for child in group:
                del child.attrib["style"]


def _relative(d: str) -> str:
    """Return a path of lines with each point relative to the one before, other paths as they are.

    ``M 10 20 L 10.5 19.25 L 12 19.25 z`` is then ``M10 20l.5-.75 1.5 0z``.
    """
    if not _LINES.fullmatch(d):
        return d
    # In hundredths of a point, so that differences are exact.
    parts, x, y, relative = [], 0, 0, False
    for command, across, down in re.findall(r"([ML]) (\S+) (\S+)|z", d):
        if not command:
            parts.append("z")
            continue
        a, b = round(100 * float(across)), round(100 * float(down))
        if command == "M":
            parts.append(f"M{_number(a)}{_after(b)}")
        else:
            parts.append(f"{_after(a - x) if relative else 'l' + _number(a - x)}{_after(b - y)}")
        x, y, relative = a, b, command == "L"
    return "".join(parts)


def _after(hundredths: int) -> str:
    """Return a number that stands after another one."""
    return _number(hundredths) if hundredths < 0 else f" {_number(hundredths)}"


def _number(hundredths: int) -> str:
    short = f"{hundredths / 100:.2f}".rstrip("0").rstrip(".")
    return re.sub(r"^(-?)0(?=\.)", r"\1", short)


def _rounded(match: re.Match[str]) -> str:
    short = f"{float(match[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short
