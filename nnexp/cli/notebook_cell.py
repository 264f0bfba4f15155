"""A progress bar in the output of a notebook's cell."""

from __future__ import annotations

import html
from collections.abc import Sequence


class Cell:
    """A progress bar with lines of text below it, updated in place.

    It is plain HTML, so that it works in every front end, and without the package ipywidgets.
    """

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html = HTML
        self._handle = display(HTML(""), display_id=True)

    def show(self, done: int, total: int, lines: Sequence[str]) -> None:
        """Show that ``done`` of ``total`` runs have ended, and the ``lines``."""
        text = "<br>".join(map(html.escape, lines))
        bar = f'<progress value="{done}" max="{total}" style="width: 20em"></progress>'
        self._handle.update(self._html(f"{bar} {text}"))
