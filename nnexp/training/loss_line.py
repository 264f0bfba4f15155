"""The loss along the straight line from a run's initial parameters to its final ones.

Goodfellow, Vinyals, Saxe 2015 ("Qualitatively characterizing neural network optimization
problems", section 3): the parameters at a share a of the way are (1 − a)·start + a·end, of weights
and biases alike.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]


def line_points(start: Array, end: Array, count: int) -> Iterator[tuple[float, Array]]:
    """Yield the share of the way and the parameters (size,) at ``count`` + 1 points of the line.

    The points are at equal distances, from ``start`` to ``end`` (size,), of which both are exact.
    """
    for index in range(count + 1):
        share = index / count
        yield share, (1 - share) * start + share * end


def line_rise(losses: Sequence[float]) -> float:
    """Return the largest rise between neighbours of ``losses`` (points,), relative to the first.

    It is 0 if the loss only falls, and inf where it rises from a finite value to an infinite one.
    """
    rises = [after - before for before, after in itertools.pairwise(losses) if after > before]
    if not rises:
        return 0.0
    return max(rises) / losses[0] if losses[0] else math.inf
