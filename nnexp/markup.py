"""The templates of every page."""

from __future__ import annotations

import base64
import hashlib
import re
import urllib.parse
from pathlib import Path

import jinja2
from markupsafe import Markup

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
    rendering.filters |= {"unbroken": unbroken, "hash": source_hash, "link": link}
    return rendering


def source_hash(text: str) -> Markup:
    """Return the source of a Content Security Policy that allows the style or script ``text``."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup("'sha256-{}'").format(digest)


def link(name: str) -> str:
    """Return the name of a file or folder as it stands in a link, whatever its characters."""
    return urllib.parse.quote(name, safe="")


def unbroken(text: str) -> str:
    """Return ``text`` with no line's end inside ``39 760``, ``95 %`` or ``n = 10``."""
    text = re.sub(r"(?<=\d) (?=\d{3}\b|%)", "\u00a0", text)
    return re.sub(r"\bn = (?=\d)", "n\u00a0=\u00a0", text)
