"""The language of pages, findings and figures, and the messages in it.

Messages are in the code in English, each a whole sentence or phrase:
``tr("{n} of {total} runs failed.", n=2, total=5)``. ``messages/ko.yaml`` has the Korean for each.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from nnexp.errors import InputError

ENGLISH, KOREAN = "en", "ko"
LANGUAGES = (ENGLISH, KOREAN)
_MESSAGES = Path(__file__).parent
_current: ContextVar[str] = ContextVar("language", default=ENGLISH)


def tr(message: str, /, **values: object) -> str:
    """Return ``message`` in the current language, with ``values`` in place of its ``{names}``."""
    return template(message).format(**values)


def template(message: str) -> str:
    """Return ``message`` in the current language, as a template.

    Line breaks in a message do not matter: a page's template may have some.
    """
    if _current.get() == ENGLISH:
        return message
    return messages(_current.get())[" ".join(message.split())]


def current() -> str:
    """Return the current language, one of `LANGUAGES`."""
    return _current.get()


@contextmanager
def language(name: str) -> Iterator[None]:
    """Let `tr` translate into the language ``name`` within a ``with`` block."""
    token = _current.set(name)
    try:
        yield
    finally:
        _current.reset(token)


def read_language(value: object) -> str:
    """Return the language that the user asks for.

    Raises
    ------
    InputError
        If it is not supported.
    """
    if value not in LANGUAGES:
        raise InputError(f"unknown lang {str(value)!r}: choose from {', '.join(LANGUAGES)}")
    return str(value)


@functools.cache
def messages(name: str) -> Mapping[str, str]:
    """Return the messages in the language ``name``, by their English text."""
    import yaml  # takes a while, and English needs none of it

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, str] = yaml.load((_MESSAGES / f"{name}.yaml").read_text("utf-8"), loader)
    return found
