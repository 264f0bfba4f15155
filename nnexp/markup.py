"""The templates of every page, and SVG drawings as elements of one."""

from __future__ import annotations

import html
import re
from pathlib import Path

import jinja2
from markupsafe import Markup

_TEMPLATES = Path(__file__).parent / "templates"


def environment(*, escaped: bool = True) -> jinja2.Environment:
    """Return what renders the templates: ``escaped`` for HTML, not so for Markdown."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=escaped,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def inline_svg(svg: str, name: str, alt: str) -> Markup:
    """Return an SVG document for a page: named for who cannot see it, with ids of its own.

    Ids get ``name`` before them, and its root the id ``name``; a rule for every element of the page
    becomes one for the drawing's own.
    """
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body)
    body = re.sub(r' (width|height)="[\d.]+pt"', "", body, count=2)
    rule = re.search(r"<defs>\s*<style[^>]*>\s*\*\s*\{([^}]*)\}\s*</style>\s*</defs>", body)
    style = ""
    if rule is not None:
        body = body[: rule.start()] + body[rule.end() :]
        style = f' style="{html.escape(rule[1].strip())}"'
    root = f'<svg id="{name}" role="img" aria-label="{html.escape(alt)}"{style} '
    return Markup(body.replace("<svg ", root, 1))
