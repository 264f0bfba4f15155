"""An SVG drawing as an element of a page, in the colours of the reader's theme."""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Mapping

from markupsafe import Markup

from nnexp import sheets, styles

# The card of a page in dark mode, and what is drawn or written on it.
_DARK = {"#ffffff": "#1d2127", sheets.INK: "#e7eaee", sheets.NEUTRAL: "#a5aeb9"}
_DARK |= {sheets.FAINT.lower(): "#39414b"}
_COLOUR = re.compile(r"(fill|stroke): (#[0-9a-f]{6})\b")


def inline_svg(svg: str, name: str, alt: str) -> Markup:
    """Return an SVG document for a page: named for who cannot see it, with ids of its own.

    Ids get ``name`` before them, and its root the id ``name``; a rule for every element of the page
    becomes one for the drawing's own. On a screen in dark mode the sheet is dark, and the colours
    of the arms are light enough for it; words on a coloured cell keep theirs.
    """
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body)
    body = re.sub(r' (width|height)="[\d.]+pt"', "", body, count=2)
    rule = re.search(r"<defs>\s*<style[^>]*>\s*\*\s*\{([^}]*)\}\s*</style>\s*</defs>", body)
    own = ""
    if rule is not None:
        body = body[: rule.start()] + body[rule.end() :]
        own = rule[1].strip()
    body = re.sub(r' (fill|stroke)="(#[0-9a-f]{6})"', r' style="\g<1>: \g<2>"', body)
    # What has no colour of its own is black.
    themed = {sheets.INK: "--c0"}

    def variable(match: re.Match[str]) -> str:
        if match[2] not in dark_colours():
            return match[0]
        return f"{match[1]}: var({themed.setdefault(match[2], f'--c{len(themed)}')})"

    body = _COLOUR.sub(variable, body)
    light = "".join(f"{key}:{colour};" for colour, key in themed.items())
    dark = "".join(f"{key}:{dark_colours()[colour]};" for colour, key in themed.items())
    style = (
        f"<style>#{name}{{{light}fill:var(--c0);{own}}}"
        f"@media screen and (prefers-color-scheme:dark){{#{name}{{{dark}}}}}</style>"
    )
    head, rest = body.split(">", 1)
    root = f'<svg id="{name}" role="img" aria-label="{html.escape(alt)}" '
    return Markup(f"{head.replace('<svg ', root, 1)}>{style}{rest}")


@functools.cache
def dark_colours() -> Mapping[str, str]:
    """Return what each colour, in lower case, becomes on a dark page; others stay as they are."""
    return {**styles.dark_colours(), **_DARK}
