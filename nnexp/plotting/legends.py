"""Labels of arms and entries of legends."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from nnexp.analysis.names import arm_words, moment_words
from nnexp.messages.language import tr
from nnexp.plotting import layout
from nnexp.plotting.layout import EDGE
from nnexp.plotting.marks import mark
from nnexp.plotting.styles import NEUTRAL, Style
from nnexp.store.record import DIVERGED, FAILED

THIN = 0.9  # points: a second measure, drawn beside the first
# With more arms the thin lines would bury the others.
MOST_WITH_THIN = 6


def arm_labels(summary: pd.DataFrame, width: int) -> list[str]:
    """Return the arms' labels, wrapped, with run outcomes: ``relu (1 of 3 diverged)``."""
    labels = []
    for row in summary.to_dict("records"):
        lost = {
            DIVERGED: tr("{n} of {runs} diverged", n=row[DIVERGED], runs=row["runs"]),
            FAILED: tr("{n} of {runs} failed", n=row[FAILED], runs=row["runs"]),
        }
        ends, arm = [lost[s] for s in lost if row[s]], arm_words(str(row["arm"]))
        labels.append(layout.fill(f"{arm} ({', '.join(ends)})" if ends else arm, width))
    return labels


def line_entry(label: str, style: Style, arms: Iterable[str]) -> Line2D:
    """Return the legend's entry of the lines of ``arms``."""
    look = {"color": style.colour, "linestyle": style.line, "marker": style.marker}
    return Line2D([], [], **look, **EDGE, label=label, gid=mark("key", arms))


def thin_entries(thin: str) -> list[Artist]:
    """Return the legend's entry of the ``thin`` lines, if there are any."""
    if not thin:
        return []
    label = tr("thin: {measure}", measure=thin)
    return [Line2D([], [], color=NEUTRAL, linewidth=THIN, label=label)]


def box_entries() -> list[Artist]:
    """Return the legend entries of `draw_spread`."""
    return [
        Patch(facecolor=face, edgecolor=NEUTRAL, label=moment_words(moment))
        for moment, face in (("before", "white"), ("after", NEUTRAL))
    ]
