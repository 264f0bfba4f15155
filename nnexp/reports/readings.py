"""What the script of a page knows of its figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnexp.analysis.arms import Comparison
from nnexp.analysis.names import arm_words
from nnexp.plotting.rendering import Drawing

# Places in Matplotlib's own drawings have six digits after the point.
EXACT = 5e-7


@dataclass(frozen=True)
class Readable:
    """A figure of a page that can be read.

    Its element has the id ``id``, ids within it begin with ``parts``, and its files are called
    ``name``. ``readings`` are its marks and axes as in `nnexp.plotting.marks`. Arms of the same
    name are the same within a ``group`` alone.
    """

    id: str
    name: str
    parts: str
    readings: Mapping[str, Sequence[Any]]
    group: str = ""


def readings(comparison: Comparison, drawings: Sequence[Drawing]) -> dict[str, Any]:
    """Return what the page of a sweep knows of its figures; runs are rows of its table of runs."""
    arms = {*comparison.arms}
    runs = {run_id: place for place, run_id in enumerate(comparison.runs["run_id"])}
    figures = []
    for drawing in drawings:
        marks = [
            [kind, [arm for arm in own if arm in arms], [runs.get(run, run) for run in points]]
            for kind, own, points in drawing.readings["marks"]
        ]
        name = f"plot-{drawing.name}"
        figures.append(Readable(name, drawing.name, name, {**drawing.readings, "marks": marks}))
    return page_readings(figures, rounding=EXACT, order=[("", arm) for arm in comparison.arms])


def page_readings(
    figures: Sequence[Readable], *, rounding: float, order: Iterable[tuple[str, str]] = ()
) -> dict[str, Any]:
    """Return the arms, with the group of each, and the figures by their ids.

    Arms are numbered in the ``order`` given, and others as they come. Places in the drawings differ
    from those of the values by up to ``rounding`` points.
    """
    drawn = [(f.group, arm) for f in figures for _, own, _ in f.readings["marks"] for arm in own]
    marked = {*drawn}
    known = dict.fromkeys([*(arm for arm in order if arm in marked), *drawn])
    place = {arm: number for number, arm in enumerate(known)}
    groups = {group: number for number, group in enumerate(dict.fromkeys(g for g, _ in known))}
    return {
        "rounding": rounding,
        "arms": [arm_words(arm) for _, arm in known],
        "groups": [groups[group] for group, _ in known],
        "figures": {
            f.id: {
                "name": f.name,
                "parts": f.parts,
                "marks": [
                    [kind, [place[f.group, arm] for arm in own], runs]
                    for kind, own, runs in f.readings["marks"]
                ],
                "axes": f.readings["axes"],
            }
            for f in figures
        },
    }
