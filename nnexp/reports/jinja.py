"""The templates of every page."""

from __future__ import annotations

import base64
import hashlib
import re
import urllib.parse
from pathlib import Path

import jinja2
from markupsafe import Markup

from nnexp.analysis.labels import signs
from nnexp.messages.language import current, template

_TEMPLATES = Path(__file__).parent / "templates"


# A run of code or of bold text, as a study's texts have them, and what would be more than text.
_SET = re.compile(r"`[^`]+`|\*\*(?=\S).+?(?<=\S)\*\*", re.DOTALL)
_SPECIAL = re.compile(
    r"[\\`~$|]|\](?=[(\[:])|\*(?! )|(?<=\S)\*|(?<!\w)_|_(?!\w)|"
    r"^(?=[ \t]*(?:#|\+ |=+[ \t]*$))",  # as a line begins: a heading, a list
    re.MULTILINE,
)


def environment(*, html: bool = True) -> jinja2.Environment:
    """Return what renders the templates, of ``html`` or of Markdown: text in them is escaped."""
    rendering = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=html,
        finalize=None if html else markdown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rendering.filters |= {"unbroken": unbroken, "signs": signs, "hash": source_hash, "link": link}
    rendering.filters["lean"] = lean
    rendering.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    rendering.globals |= {"tr": _html if html else _markdown, "language": current}
    return rendering


def _html(message: str, /, **values: object) -> Markup:
    """Return a message of a page, which may have tags, with its values escaped."""
    return Markup(template(message)).format(**values)


def _markdown(message: str, /, **values: object) -> Markup:
    """Return a message that is Markdown, with its values as `markdown`."""
    return Markup(template(message).format(**{k: markdown(v) for k, v in values.items()}))


def markdown(value: object) -> Markup:
    """Return a text as Markdown: ``**bold**`` and code in backticks are set, all else is text.

    Links, images, HTML and the like in it are shown as they are written.
    """
    if isinstance(value, Markup):
        return value
    text, parts, end = str(value), [], 0
    for match in _SET.finditer(text):
        parts.append(_literal(text[end : match.start()]))
        whole = match[0]
        bold = whole.startswith("**")
        # Code stays on one line: a line that looked like a list's would end it.
        parts.append(f"**{markdown(whole[2:-2])}**" if bold else " ".join(whole.split("\n")))
        end = match.end()
    return Markup("".join([*parts, _literal(text[end:])]))


def cell(text: object) -> Markup:
    """Return a text as a cell of a table in Markdown."""
    one_line = markdown(" ".join(str(text).split()))
    return Markup(re.sub(r"(?<!\\)((?:\\\\)*)\|", r"\1\\|", one_line))


def _literal(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(lambda match: f"\\{match[0]}", text)


def source_hash(text: str) -> Markup:
    """Return the source of a Content Security Policy that allows the style or script ``text``."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup("'sha256-{}'").format(digest)


def lean(source: str) -> Markup:
    """Return a style or a script without indentation and without lines that are comments."""
    lines = map(str.strip, source.splitlines())
    kept = (line for line in lines if line and not line.startswith(("//", "/*")))
    return Markup("\n".join(kept))


def link(name: str) -> str:
    """Return the path of a file or folder as it stands in a link, whatever its characters."""
    return urllib.parse.quote(name)


def unbroken(text: str) -> str:
    """Return ``text`` with no line's end inside ``39 760``, ``95 %`` or ``n = 10``."""
    text = re.sub(r"(?<=\d) (?=\d{3}\b|%)", "\u00a0", text)
    return re.sub(r"\bn = (?=\d)", "n\u00a0=\u00a0", text)
