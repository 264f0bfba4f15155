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
    """Return the regions of the plane by the class that ``network`` predicts.

    The plane of `plane_edges` is cut into rows of cells; each region is a part of a row: the second
    feature ``y`` at its middle, the first feature from ``x`` to ``until``, and its ``class``, which
    is -1 where outputs are not finite. The result is empty unless there are two features, and for
    networks whose outputs depend on the position in the batch.
    """
    if network.sizes[0] != 2 or isinstance(network, PositionBias):
        return []
    edges = plane_edges(data)
    x, y = edges[:, 0], (edges[1:, 1] + edges[:-1, 1]) / 2
    regions = []
    for height, classes in zip(y, predicted_classes(network, data, edges), strict=True):
        starts = np.flatnonzero(np.diff(classes, prepend=-2))
        for start, end in zip(starts, [*starts[1:], CELLS], strict=True):
            place = {"y": height, "x": x[start], "until": x[end]}
            rounded = {name: float(f"{value:.7g}") for name, value in place.items()}
            regions.append({**rounded, "class": int(classes[start])})
    return regions


def plane_edges(data: Dataset) -> Array:
    """Return the edges (`CELLS` + 1, 2) of the cells of a plane with all training examples.

    Features are as the network sees them.
    """
    x = np.empty(data.train.x.shape)
    x[:, _columns(data)] = data.train.x
    low, high = x.min(axis=0), x.max(axis=0)
    margin = _MARGIN * np.where(high > low, high - low, 1)
    return np.linspace(low - margin, high + margin, CELLS + 1)


def predicted_classes(network: Network, data: Dataset, edges: Array) -> Array:
    """Return the class (`CELLS`, `CELLS`) that ``network`` predicts in the middle of each cell.

    Rows are in the order of the second feature, columns in that of the first. The class is -1 where
    outputs are not finite.
    """
    middles = (edges[1:] + edges[:-1]) / 2
    points = np.stack(np.meshgrid(middles[:, 0], middles[:, 1]), axis=-1).reshape(-1, 2)
    points = points[:, _columns(data)].astype(network.theta.dtype)
    classes = np.empty(len(points), int)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(points), network.evaluation_rows):
            part = slice(start, start + network.evaluation_rows)
            logits = network.forward(points[part])
            finite = np.isfinite(logits).all(axis=1)
            classes[part] = np.where(finite, network.loss.predict(logits), -1)
    return classes.reshape(CELLS, CELLS)


def _columns(data: Dataset) -> Array:
    """Return the feature in each column of the inputs."""
    return np.arange(2) if data.columns is None else np.asarray(data.columns)
