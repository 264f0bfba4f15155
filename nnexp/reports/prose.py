"""The texts of studies, written in a little Markdown, as HTML: paragraphs, lists, code, links."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markupsafe import Markup

from nnexp.reports.jinja import unbroken

# An address that a page may link to: of the web, or relative to the page.
_LINK = re.compile(r"https?://|(?!//)[^:/?#]*(?:[/?#]|$)")

_MARKDOWN = MarkdownIt("zero", {"html": False}).enable(["list", "backticks", "emphasis", "link"])
_MARKDOWN.validateLink = lambda url: _LINK.match(url) is not None  # type: ignore[method-assign]


def prose(text: str) -> Markup:
    """Return ``text`` as HTML: paragraphs, lists, code, emphasis and links; all else is text."""
    return Markup(_MARKDOWN.render(unbroken(text)).strip())


def phrase(text: str) -> Markup:
    """Return ``text`` as HTML within a paragraph: as `prose`, without paragraphs and lists."""
    return Markup(_MARKDOWN.renderInline(unbroken(text)))
