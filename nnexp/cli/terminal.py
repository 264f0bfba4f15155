"""Consoles that print names literally, including brackets and colons."""

from __future__ import annotations

from typing import Any

from rich.console import Console


def terminal(**options: Any) -> Console:
    """Return a rich console without markup; ``options`` are passed to `rich.console.Console`."""
    return Console(markup=False, emoji=False, highlight=False, **options)
