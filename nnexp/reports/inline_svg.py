"""An SVG drawing as an element of a page, in the colours of the reader's theme.

A page allows no style but that of its head, by a hash: what the drawing says in ``style`` becomes
attributes, and its colours variables, for which `theme` gives the rules.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from xml.etree import ElementTree

from markupsafe import Markup

from nnexp.plotting import styles

# How a mark or a text looks, as attributes that stand together in its tag.
_PAIR = re.compile(r' ((?:fill|stroke|opacity|font|text)(?:-[a-z]+)?)="([^"{};]*)"')
_LOOK = re.compile(r'(?: (?:fill|stroke|opacity|font|text)(?:-[a-z]+)?="[^"{};]*")+')
_TAG = re.compile(r"<(?!svg\b)[a-zA-Z][^<>]*>")
# The card of a page in dark mode, and what is drawn or written on it.
_DARK = {"#ffffff": "#1d2127", styles.INK: "#e7eaee", styles.NEUTRAL: "#a5aeb9"}
_DARK |= {styles.FAINT.lower(): "#39414b"}


def inline_svg(svg: str, name: str, alt: str, parts: str = "") -> Markup:
    """Return an SVG document for a page: named for who cannot see it, with ids of its own.

    Its root gets the id ``name``, and ids within it get ``parts`` before them, or ``name`` if it is
    empty; a rule for every element of the page becomes the root's own. Words on a coloured cell
    keep their colour on a dark page. HTML needs no namespaces.
    """
    root = ElementTree.fromstring(svg)
    rule = _take_out(root)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = _attributes(element.attrib, parts or name)
    # What has no colour of its own is black; the page gives the size.
    about = {"id": name, "role": "img", "aria-label": alt, "fill": themed(styles.INK)}
    root.attrib = {**root.attrib, **rule, **about}
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    return Markup(ElementTree.tostring(root, encoding="unicode").replace(" />", "/>"))


def with_classes(drawn: Sequence[Markup]) -> tuple[list[Markup], str]:
    """Return the drawings of a page with a class for each look that occurs again, and its rules.

    A page of many figures takes a third less with them.
    """
    tags = (tag for one in drawn for tag in _TAG.findall(one))
    looks = Counter(found[0] for tag in tags if len(found := _LOOK.findall(tag)) == 1)
    names = {look: f"s{i}" for i, look in enumerate(k for k, n in looks.items() if n > 1)}

    def named(match: re.Match[str]) -> str:
        found = _LOOK.findall(match[0])
        if len(found) != 1 or found[0] not in names:
            return match[0]
        return match[0].replace(found[0], f' class="{names[found[0]]}"')

    rules = "".join(
        f".{name}{{{';'.join(f'{key}:{value}' for key, value in _PAIR.findall(look))}}}"
        for look, name in names.items()
    )
    return [Markup(_TAG.sub(named, one)) for one in drawn], rules


def _take_out(root: ElementTree.Element) -> dict[str, str]:
    """Remove the metadata and the style sheet of a drawing; return its rule of every element."""
    rule = ""
    for child in [*root]:
        sheet = child.find("{*}style")
        if sheet is not None:
            rule = (sheet.text or "").strip(" *{}\n")
        if sheet is not None or _local(child.tag) == "metadata":
            root.remove(child)
    return _declared(rule)


def _attributes(given: Mapping[str, str], name: str) -> dict[str, str]:
    """Return an element's attributes for a page, those of its style among them."""
    attributes = {_local(key): value for key, value in given.items()}
    attributes |= _declared(attributes.pop("style", ""))
    for key, value in attributes.items():
        if key == "id":
            attributes[key] = f"{name}-{value}"
        elif key == "href":
            internal = value.startswith("#")
            attributes[key] = f"#{name}-{value[1:]}" if internal else "".join(value.split())
        elif value.startswith("url(#"):
            attributes[key] = f"url(#{name}-{value[5:]}"
        elif key in ("fill", "stroke"):
            attributes[key] = themed(value)
    return attributes


def _local(name: str) -> str:
    """Return the name of an element or an attribute without its namespace."""
    return name.rpartition("}")[2]


def _declared(declarations: str) -> dict[str, str]:
    """Return the declarations of a style as attributes, which SVG has for each of them."""
    pairs = (one.split(":", 1) for one in declarations.split(";") if one.strip())
    return {name.strip(): value.strip() for name, value in pairs}


def themed(colour: str) -> str:
    """Return a colour of a drawing as a page has it: a variable, if a dark page has another."""
    return f"var(--{colour.lower()[1:]})" if colour.lower() in dark_colours() else colour


def theme(drawn: Iterable[str]) -> str:
    """Return the rules of a page's style for all colours that are `themed` in what is ``drawn``."""
    found = {name for one in drawn for name in re.findall(r"var\(--([0-9a-f]{6})\)", one)}
    light = "".join(f"--{name}:#{name};" for name in sorted(found))
    dark = "".join(f"--{name}:{dark_colours()[f'#{name}']};" for name in sorted(found))
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"


@functools.cache
def dark_colours() -> Mapping[str, str]:
    """Return what each colour, in lower case, becomes on a dark page; others stay as they are."""
    return {**styles.dark_colours(), **_DARK}
