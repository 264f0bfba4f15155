"""Decision regions: the classes that a network predicts over the plane of its two features."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.data import Dataset
from nnexp.nn.network import Network
from nnexp.nn.quirks import PositionBias

Array = npt.NDArray[Any]

# Cells along each side of the plane.
CELLS = 100
# What the plane shows beyond the examples, as a share of their range.
_MARGIN = 0.1


def decision_regions(network: Network, data: Dataset) -> list[dict[str, Any]]:
    """Return the regions of the plane by the class that ``network`` predicts, from `CELLS`² points.

    The plane has all training examples of ``data``, whose features are as the network sees them. It
    is cut into rows of cells; each region is a part of a row: the second feature ``y`` at its
    middle, the first feature from ``x`` to ``until``, and its ``class``, which is -1 where outputs
    are not finite. The result is empty unless there are two features, and for networks whose
    outputs depend on the position in the batch.
    """
    if network.sizes[0] != 2 or isinstance(network, PositionBias):
        return []
    columns = np.arange(2) if data.columns is None else data.columns
    x = np.empty(data.train.x.shape)
    x[:, columns] = data.train.x
    low, high = x.min(axis=0), x.max(axis=0)
    margin = _MARGIN * np.where(high > low, high - low, 1)
    edges = np.linspace(low - margin, high + margin, CELLS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    regions = []
    for y in middles[:, 1]:
        points = np.column_stack([middles[:, 0], np.full(CELLS, y)])
        classes = _predicted(network, points[:, columns])
        starts = np.flatnonzero(np.diff(classes, prepend=-2))
        for start, end in zip(starts, [*starts[1:], CELLS], strict=True):
            place = {"y": y, "x": edges[start, 0], "until": edges[end, 0]}
            rounded = {name: float(f"{value:.7g}") for name, value in place.items()}
            regions.append({**rounded, "class": int(classes[start])})
    return regions


def _predicted(network: Network, points: Array) -> Array:
    """Return the predicted class of each row of ``points (n, 2)``, -1 where it has none."""
    with np.errstate(over="ignore", invalid="ignore"):
        logits = network.forward(points.astype(network.theta.dtype))
        finite = np.isfinite(logits).all(axis=1)
        return np.where(finite, network.loss.predict(logits), -1)
