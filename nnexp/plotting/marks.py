"""What the parts of a figure show, for the script of a page: their arms and runs, and the axes.

An artist is marked by its group id in Matplotlib, which becomes the id of its element in an SVG.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# How the group ids of marks begin before they are numbered.
_SIGN = "nnexp:"
# Points per inch, the unit of an SVG.
_POINTS = 72


def mark(kind: str, arms: Iterable[object] = (), runs: Iterable[object] = ()) -> str:
    """Return the group id of an artist that shows ``arms``.

    ``kind`` is ``key`` (of a legend), ``mean``, ``band``, ``seed`` (a curve), ``runs`` (a point for
    each), ``pairs`` (a point for each seed), ``zero`` and ``edge`` (with one coordinate of the
    data), ``part`` (without values to read), or the name of another curve. ``runs`` are the run IDs
    of the points in their order, or of the curve; those of ``pairs`` are seeds in words. ``cells``
    and ``boxes`` are unseen points at the centres of cells and boxes, and their ``runs`` what to
    read of them, in lines.
    """
    return _SIGN + json.dumps([kind, [*map(str, arms)], [*map(str, runs)]])


def number(figure: Figure) -> list[list[Any]]:
    """Give the marked artists the ids ``mark-0``, ``mark-1``, … and return what each shows.

    Each has its kind, its arms and its runs, as given to `mark`. Axes get the ids ``axes-0`` ….
    """
    found: list[list[Any]] = []
    for artist in figure.findobj():
        gid = artist.get_gid() or ""
        if gid.startswith(_SIGN):
            artist.set_gid(f"mark-{len(found)}")
            found.append(json.loads(gid.removeprefix(_SIGN)))
    for place, ax in enumerate(figure.axes):
        ax.set_gid(f"axes-{place}")
    return found


def axes(figure: Figure) -> list[list[Any]]:
    """Return where each axes of a figure that was drawn is, and what its directions measure.

    Each has left, top, right and bottom in points, then for x and y the name of the scale, its two
    ends, its label (empty if it has no numbers to read), and the linear part of a ``symlog`` scale.
    """
    width, height = figure.get_size_inches() * _POINTS
    found: list[list[Any]] = []
    for ax in figure.axes:
        box = ax.get_position()
        corners = (box.x0 * width, (1 - box.y1) * height, box.x1 * width, (1 - box.y0) * height)
        found.append([*(round(float(c), 6) for c in corners), *_directions(ax, figure)])
    return found


def _directions(ax: Axes, figure: Figure) -> Iterator[list[Any]]:
    across = [ax.get_xlabel(), *(other.get_xlabel() for other in figure.axes)]
    up = [ax.get_ylabel(), figure.get_supylabel(), *(other.get_ylabel() for other in figure.axes)]
    for axis, ends, labels in (
        (ax.xaxis, ax.get_xlim(), across),
        (ax.yaxis, ax.get_ylim(), up),
    ):
        label = next(filter(None, labels), "").replace("\n", " ")
        scale = axis.get_transform()
        linear = [scale.linthresh] if axis.get_scale() == "symlog" else []  # type: ignore[attr-defined]
        yield [axis.get_scale(), *map(float, ends), label, *linear]
