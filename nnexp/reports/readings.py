"""What the script of a page knows of its figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnexp.analysis.arms import Comparison
from nnexp.analysis.names import arm_words
from nnexp.plotting.rendering import Drawing


def readings(comparison: Comparison, drawings: Sequence[Drawing]) -> dict[str, Any]:
    """Return the names of the arms that are drawn, and the marks and axes of each figure.

    These are as in `nnexp.plotting.marks`, but arms and runs are numbered: arms by their place
    among those that are drawn, runs by their place in the comparison.
    """
    marked = {arm for d in drawings for _, own, _ in d.readings["marks"] for arm in own}
    arms = {arm: place for place, arm in enumerate(a for a in comparison.arms if a in marked)}
    runs = {run_id: place for place, run_id in enumerate(comparison.runs["run_id"])}
    figures = {
        drawing.name: {
            "marks": [
                [kind, [arms[arm] for arm in own if arm in arms], [runs.get(r, r) for r in points]]
                for kind, own, points in drawing.readings["marks"]
            ],
            "axes": drawing.readings["axes"],
        }
        for drawing in drawings
    }
    return {"arms": list(map(arm_words, arms)), "figures": figures}
