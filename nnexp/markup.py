"""The templates of every page."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2

_TEMPLATES = Path(__file__).parent / "templates"


def environment(*, escaped: bool = True) -> jinja2.Environment:
    """Return what renders the templates: ``escaped`` for HTML, not so for Markdown."""
    rendering = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=escaped,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rendering.filters["unbroken"] = unbroken
    return rendering


def unbroken(text: str) -> str:
    """Return ``text`` with no line's end inside ``39 760``, ``95 %`` or ``n = 10``."""
    text = re.sub(r"(?<=\d) (?=\d{3}\b|%)", "\u00a0", text)
    return re.sub(r"\bn = (?=\d)", "n\u00a0=\u00a0", text)
