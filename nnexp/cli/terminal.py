"""The terminal: text is printed as it is, whatever brackets or colons a name holds."""

from __future__ import annotations

from typing import Any

from rich.console import Console


def terminal(**how: Any) -> Console:
    """Return a console of rich that reads no markup; ``how`` is for `rich.console.Console`."""
    return Console(markup=False, emoji=False, highlight=False, **how)
