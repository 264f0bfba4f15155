"""Frames of training: what the networks of one run per arm look like at each snapshot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.analysis.predictions import data_of
from nnexp.config.run_config import RunConfig
from nnexp.data import Dataset
from nnexp.nn.network import Network
from nnexp.nn.quirks import PositionBias
from nnexp.store.record import FAILED, Record
from nnexp.training.builder import build_network
from nnexp.training.decision_regions import plane_edges, predicted_classes
from nnexp.training.snapshots import STEPS

Array = npt.NDArray[Any]

# More arms, frames, units and examples are not shown.
MOST_ARMS, _MOST_FRAMES, _MOST_UNITS, _MOST_POINTS = 6, 40, 9, 300
# Examples whose activations are counted.
_PROBE = 500


@dataclass(frozen=True)
class Moment:
    """A network at a step of its training.

    ``image`` is what it has learned of the inputs: the incoming weights ``(units, rows, columns)``
    of first-layer units for images, and the predicted class ``(cells, cells)`` for data in two
    dimensions, see `predicted_classes`; ``None`` for other data. ``activations`` has
    those of each hidden layer, ``(examples * units,)``, and ``gradients`` the norm of each layer's
    gradient, nan before the first update of a run without it.
    """

    step: int
    epoch: float
    accuracy: float
    image: Array | None
    activations: list[Array]
    gradients: list[float]


@dataclass(frozen=True)
class Plane:
    """Training examples in two dimensions: ``points (n, 2)``, their classes, and `plane_edges`."""

    points: Array
    labels: Array
    edges: Array

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """The left, right, bottom and top edge."""
        (left, bottom), (right, top) = self.edges[0].tolist(), self.edges[-1].tolist()
        return left, right, bottom, top


@dataclass(frozen=True)
class Reel:
    """The moments of the run that stands for an arm, in the order of its steps."""

    arm: str
    run_id: str
    moments: list[Moment]
    plane: Plane | None

    def at(self, step: int) -> Moment:
        """Return the last moment up to ``step``: a run that diverged stands still."""
        return [moment for moment in self.moments if moment.step <= step][-1]


def reels(records: Sequence[Record], arms: Mapping[str, str]) -> list[Reel]:
    """Return the first run with snapshots of each arm, at most `MOST_ARMS` of them.

    ``arms`` maps the IDs of eligible runs to their arms. Runs whose data or own functions are
    missing or have changed are left out.
    """
    found: dict[str, Reel] = {}
    for record in records:
        arm = arms.get(record.run_id)
        if arm is None or arm in found or record.status == FAILED or record.snapshots is None:
            continue
        data = data_of(record)
        if data is not None and len(found) < MOST_ARMS:
            found[arm] = _reel(record, arm, data)
    return list(found.values())


def steps(shown: Sequence[Reel]) -> list[int]:
    """Return the steps of the frames of ``shown`` reels, at most 40 of them."""
    every = sorted({moment.step for reel in shown for moment in reel.moments})
    if len(every) <= _MOST_FRAMES:
        return every
    chosen = np.linspace(0, len(every) - 1, _MOST_FRAMES).round().astype(int)
    return [every[i] for i in chosen]


def _reel(record: Record, arm: str, data: Dataset) -> Reel:
    network = build_network(RunConfig.from_mapping(record.config), rows=1)
    assert record.snapshots is not None
    last = len(record.snapshots[STEPS]) - 1
    network.load_arrays(_parameters(record, last))
    units = _units(network)
    plane = _plane(network, data)
    moments = []
    for place, step in enumerate(record.snapshots[STEPS].tolist()):
        network.load_arrays(_parameters(record, place))
        moments.append(_moment(record, network, data, step, units, plane))
    return Reel(arm, record.run_id, moments, plane)


def _parameters(record: Record, place: int) -> dict[str, Array]:
    assert record.snapshots is not None
    return {name: array[place] for name, array in record.snapshots.items() if name != STEPS}


def _units(network: Network) -> Array:
    """Return the first-layer units to show: those with the largest norm, outputs in order."""
    first = network.weights[0]
    if len(network.weights) == 1:
        return np.arange(min(first.shape[1], _MOST_UNITS))
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.linalg.norm(first.astype(np.float64), axis=0)
    return np.sort(np.argsort(-norms, kind="stable")[:_MOST_UNITS])


def _plane(network: Network, data: Dataset) -> Plane | None:
    if network.sizes[0] != 2 or isinstance(network, PositionBias):
        return None
    edges, x = plane_edges(data), data.train.x
    rows = np.linspace(0, len(x) - 1, min(len(x), _MOST_POINTS)).astype(int)
    return Plane(x[rows].astype(float), data.train.labels[rows], edges)


def _moment(
    record: Record, network: Network, data: Dataset, step: int, units: Array, plane: Plane | None
) -> Moment:
    row = next(row for row in record.metrics if row["step"] == step)
    layers = [layer for layer in record.layers if layer["step"] == step]
    gradients = [layer["gradient_norm"] for layer in layers]
    x = data.train.x
    rows = np.linspace(0, len(x) - 1, min(len(x), _PROBE)).astype(int)
    with np.errstate(all="ignore"):
        network.forward(x[rows])
        hidden = network.activations[:-1]
        activations = [a[: len(rows)].astype(float).ravel() for a in hidden]
        image = _image(network, data, units, plane)
    return Moment(
        step=step,
        epoch=row["epoch"],
        accuracy=row["test_accuracy"],
        image=image,
        activations=activations,
        gradients=[math.nan if norm is None else norm for norm in gradients],
    )


def _image(network: Network, data: Dataset, units: Array, plane: Plane | None) -> Array | None:
    shape = data.description.image_shape
    if shape is not None:
        weights: Array = network.weights[0][:, units].T.reshape(-1, *shape).astype(float)
        return weights
    return None if plane is None else predicted_classes(network, data, plane.edges)
