"""An SVG drawing as an element of a page, in the colours of the reader's theme.

A page allows no style but that of its head, by a hash: what the drawing says in ``style`` becomes
attributes, and its colours variables, for which `theme` gives the rules.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Iterable, Mapping

from markupsafe import Markup

from nnexp.plotting import layout, styles

# The card of a page in dark mode, and what is drawn or written on it.
_DARK = {"#ffffff": "#1d2127", layout.INK: "#e7eaee", layout.NEUTRAL: "#a5aeb9"}
_DARK |= {layout.FAINT.lower(): "#39414b"}
_COLOUR = re.compile(r'\b(fill|stroke)="(#[0-9a-f]{6})"')


def inline_svg(svg: str, name: str, alt: str) -> Markup:
    """Return an SVG document for a page: named for who cannot see it, with ids of its own.

    Ids get ``name`` before them, and its root the id ``name``; a rule for every element of the page
    becomes the root's own. Words on a coloured cell keep their colour on a dark page.
    """
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body)
    body = re.sub(r' (width|height)="[\d.]+pt"', "", body, count=2)
    rule = re.search(r"<defs>\s*<style[^>]*>\s*\*\s*\{([^}]*)\}\s*</style>\s*</defs>", body)
    own = ""
    if rule is not None:
        body = body[: rule.start()] + body[rule.end() :]
        own = f"{_attributes(rule[1])} "
    body = re.sub(r'\bstyle="([^"]*)"', lambda match: _attributes(match[1]), body)
    body = _COLOUR.sub(lambda match: f'{match[1]}="{themed(match[2])}"', body)
    # What has no colour of its own is black.
    root = (
        f'<svg id="{name}" role="img" aria-label="{html.escape(alt)}" '
        f'fill="{themed(layout.INK)}" {own}'
    )
    return Markup(body.replace("<svg ", root, 1))


def _attributes(declarations: str) -> str:
    """Return the declarations of a style as attributes, which SVG has for each of them."""
    pairs = (one.split(":", 1) for one in declarations.split(";") if one.strip())
    values = {name.strip(): value.strip() for name, value in pairs}
    return " ".join(f'{name}="{value}"' for name, value in values.items())


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
