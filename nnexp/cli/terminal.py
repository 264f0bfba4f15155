"""The terminal: names are printed as they are, brackets and colons included."""

from __future__ import annotations

from typing import Any

from rich.console import Console


def terminal(**options: Any) -> Console:
    """Return a rich console without markup; ``options`` are those of `rich.console.Console`."""
    return Console(markup=False, emoji=False, highlight=False, **options)
