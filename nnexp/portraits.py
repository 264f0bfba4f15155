"""Portraits of one run with its weights kept: what its first layer looks for, what it mistakes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from nnexp import plots
from nnexp.assembly import build_network
from nnexp.config import RunConfig
from nnexp.data import Split, load
from nnexp.network import Network
from nnexp.picture import Picture
from nnexp.records import FINISHED, Record

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.intp]

_MOST_UNITS, _UNITS_ACROSS, _OUTPUTS_ACROSS = 64, 8, 5
_MOST_MISTAKES, _MISTAKES_ACROSS = 24, 6
# With more classes their counts, or all of their names, would not be legible.
_MOST_COUNTED = 12
_MOST_NAMED = 24
# A weight beyond this quantile of all that are shown has the last colour.
_QUANTILE = 0.995
_WIDTH = 4.8
_MOST_TOLD = 5
# Written into an SVG as they are, a pixel a number.
_PIXELS: dict[str, Any] = {"interpolation": "none"}


class Answers(NamedTuple):
    """What a network says of ``n`` examples.

    ``labels (n,)`` are the true classes and ``predicted (n,)`` the chosen ones, both from 0;
    ``outputs (n,)`` is the output of the chosen class. An example with an output that is not finite
    counts as wrong: its ``predicted`` is -1.
    """

    labels: Labels
    predicted: Labels
    outputs: Array


def pictures(record: Record) -> list[Picture]:
    """Return the first layer's weights, the confusion matrix and the worst mistakes of a run.

    None for a run that did not finish, whose weights were not kept (``save_weights=true``), or
    whose examples are no images; and no mistakes where there are none.

    Raises
    ------
    InputError
        If the run's data, or a user's own function, are no longer there.
    """
    if record.status != FINISHED or record.weights is None:
        return []
    config = RunConfig.from_mapping(record.config)
    data = load(config.data, np.dtype(config.dtype))
    shape, test = data.description.image_shape, data.test
    if shape is None or test is None:
        return []
    network = rebuild(record)
    said = answers(network, test)
    names = [str(label) for label in data.description.labels]
    with plots.style():
        drawn = [_weights(record, network, shape, names), _confusion(record, said, names)]
        if (worst := mistakes(said)).size:
            drawn.append(_mistakes(record, network, said, test.x[worst], worst, shape, names))
    return drawn


def rebuild(record: Record) -> Network:
    """Return the network of a record as it was at the end of its run.

    The record must have its weights.
    """
    network = build_network(RunConfig.from_mapping(record.config), rows=1)
    arrays = record.weights or {}
    pairs = zip(network.weights, network.biases, strict=True)
    for layer, (weights, biases) in enumerate(pairs, start=1):
        weights[...], biases[...] = arrays[f"W{layer}"], arrays[f"b{layer}"]
    return network


def answers(network: Network, split: Split) -> Answers:
    """Return what ``network`` says of the examples of ``split``."""
    n, rows = len(split.labels), network.evaluation_rows
    predicted, outputs = np.empty(n, np.intp), np.empty(n)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, n, rows):
            part = slice(start, start + rows)
            logits = network.forward(split.x[part]).copy()
            finite = np.isfinite(logits).all(axis=1)
            chosen = network.loss.predict(logits)
            network.loss.outputs(logits)
            if logits.shape[1] == 1:
                logits = np.hstack([1 - logits, logits])
            outputs[part] = np.take_along_axis(logits, chosen[:, None], axis=1)[:, 0]
            predicted[part] = np.where(finite, chosen, -1)
    return Answers(split.labels, predicted, outputs)


def confusion(said: Answers, classes: int) -> npt.NDArray[np.intp]:
    """Return how many examples of each class (rows) were taken for each class (columns)."""
    known = said.predicted >= 0
    counts = np.zeros((classes, classes), np.intp)
    np.add.at(counts, (said.labels[known], said.predicted[known]), 1)
    return counts


def mistakes(said: Answers, most: int = _MOST_MISTAKES) -> Labels:
    """Return the positions of the wrong examples, those with the highest output first."""
    wrong = np.flatnonzero((said.predicted != said.labels) & (said.predicted >= 0))
    return wrong[np.argsort(-said.outputs[wrong], kind="stable")][:most]


def _weights(
    record: Record, network: Network, shape: tuple[int, int], names: Sequence[str]
) -> Picture:
    weights = network.weights[0]
    units = weights.shape[1]
    hidden = len(network.weights) > 1
    norms = np.linalg.norm(weights, axis=0)
    shown = np.argsort(-norms, kind="stable")[:_MOST_UNITS] if hidden else np.arange(units)
    tiles = weights[:, shown].T.reshape(-1, *shape)
    across, gap = min(len(shown), _UNITS_ACROSS if hidden else _OUTPUTS_ACROSS), (2, 2)
    bound = float(np.quantile(np.abs(tiles), _QUANTILE)) or 1.0
    title = "Weights of the first layer"
    figure, ax = _figure(title, record, tiles, across, gap, beside=0.9)
    image = ax.imshow(
        _montage(tiles, across, gap), cmap="RdBu_r", vmin=-bound, vmax=bound, **_PIXELS
    )
    figure.colorbar(image, ax=ax, extend="both", shrink=0.6, label="weight", pad=0.02)
    if not hidden:
        for (x, y), name in zip(_corners(tiles, across, gap), names[-units:], strict=False):
            ax.text(x + 1, y + 1, name, va="top", fontsize="small")
    if not hidden:
        which = "the units are the outputs, in the order of their classes"
    elif len(shown) < units:
        which = f"the {len(shown)} units of {units} with the largest norm, largest first"
    else:
        which = f"all {units} units, the largest norm first"
    caption = (
        f"Each tile is a unit's incoming weights, where the image has its pixels: {which}. One "
        f"scale for all, blue below 0 and red above; {100 * (1 - _QUANTILE):g} % of the weights "
        f"lie beyond it. One run (n = 1): {record.run_id}."
    )
    alt = f"{caption} The units' norms are from {norms.min():.3g} to {norms.max():.3g}."
    return Picture("weights", title, caption, alt, figure)


def _confusion(record: Record, said: Answers, names: Sequence[str]) -> Picture:
    classes, n = len(names), len(said.labels)
    counts = confusion(said, classes)
    wrong = n - int(np.trace(counts))
    off = np.where(np.eye(classes, dtype=bool), 0, counts)
    title = "Which class is taken for which"
    figure = Figure(figsize=(_WIDTH, 4.6), layout="constrained")
    ax = figure.subplots()
    _entitle(ax, title, record)
    most = max(int(off.max()), 2)
    image = ax.imshow(np.ma.masked_equal(off, 0), cmap="YlOrRd", norm=LogNorm(1, most))
    ax.imshow(np.ma.masked_equal(np.eye(classes), 0), cmap="Greys", vmin=0, vmax=5)
    if classes <= _MOST_COUNTED:
        for (row, column), count in np.ndenumerate(counts):
            dark = row != column and count > most**0.7
            look: dict[str, Any] = {"color": "white" if dark else "black", "fontsize": "small"}
            if count:
                ax.text(column, row, str(count), ha="center", va="center", **look)
    ticks = range(0, classes, -(-classes // _MOST_NAMED))
    ax.set_xticks(ticks, [names[k] for k in ticks])
    ax.set_yticks(ticks, [names[k] for k in ticks])
    ax.grid(visible=False)
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    figure.colorbar(image, ax=ax, shrink=0.7, label="errors (log scale)", format="%g")
    caption = (
        f"Test images by true class (row) and predicted class (column): {wrong} of {n} are wrong. "
        "Colours tell the errors, on a log scale, white is none; the diagonal, which is right, is "
        "grey. "
        f"One run (n = 1): {record.run_id}."
    )
    order = np.argsort(-off, axis=None, kind="stable")[:_MOST_TOLD]
    cells = [divmod(int(place), classes) for place in order]
    told = [f"{names[i]} for {names[j]} {off[i, j]}" for i, j in cells if off[i, j]]
    alt = f"{caption} Most often taken: {', '.join(told)}." if told else caption
    return Picture("confusion", title, caption, alt, figure)


def _mistakes(
    record: Record,
    network: Network,
    said: Answers,
    x: Array,
    worst: Labels,
    shape: tuple[int, int],
    names: Sequence[str],
) -> Picture:
    tiles = x.reshape(-1, *shape)
    # Two lines of text above each.
    across, gap = min(len(tiles), _MISTAKES_ACROSS), (round(shape[1] * 0.55), 4)
    title = "The most confident mistakes"
    figure, ax = _figure(title, record, tiles, across, gap)
    ax.imshow(_montage(tiles, across, gap), cmap="gray_r", vmin=x.min(), vmax=x.max(), **_PIXELS)
    labels = []
    for place, (left, top) in zip(worst, _corners(tiles, across, gap), strict=True):
        true, taken = names[said.labels[place]], names[said.predicted[place]]
        labels.append(f"{true} taken for {taken}, {said.outputs[place]:.3g}")
        ax.text(
            left + shape[1] / 2, top - 0.5, f"{true} → {taken}\n{said.outputs[place]:.3f}",
            ha="center", va="bottom", fontsize="small", linespacing=1.1,
        )  # fmt: skip
    what = "output" if network.loss.output == "identity" else "probability"
    wrong = int((said.predicted != said.labels).sum())
    caption = (
        f"The {len(tiles)} of {wrong} wrong test images whose wrong class has the highest {what}: "
        f"true class → predicted class, and that {what}. One run (n = 1): {record.run_id}."
    )
    alt = f"{caption} {'; '.join(labels[:_MOST_TOLD])}."
    return Picture("mistakes", title, caption, alt, figure)


def _figure(
    title: str,
    record: Record,
    tiles: Array,
    across: int,
    gap: tuple[int, int],
    beside: float = 0,
) -> tuple[Figure, Axes]:
    """Return a figure for a montage of ``tiles (n, rows, columns)``, and its empty axes.

    ``beside`` is the width, in inches, of what stands to its right.
    """
    height, width = _size(tiles, across, gap)
    inches = min(_WIDTH - beside, 0.8 * across) * height / width
    figure = Figure(figsize=(_WIDTH, 0.65 + inches), layout="constrained")
    ax = figure.subplots()
    _entitle(ax, title, record)
    ax.set_axis_off()
    return figure, ax


def _entitle(ax: Axes, title: str, record: Record) -> None:
    figure = ax.get_figure()
    assert figure is not None
    figure.suptitle(title, x=0.01, ha="left", fontsize="large", fontweight="bold")
    ax.set_title(textwrap.fill(record.run_id, 56), fontsize="small", color="#555555", loc="left")


def _size(tiles: Array, across: int, gap: tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns of a montage: its gaps stand above and left of each tile."""
    n, rows, columns = tiles.shape
    return -(-n // across) * (rows + gap[0]), across * (columns + gap[1])


def _montage(tiles: Array, across: int, gap: tuple[int, int]) -> Array:
    """Return ``tiles (n, rows, columns)`` side by side, nan between them."""
    _, rows, columns = tiles.shape
    sheet = np.full(_size(tiles, across, gap), np.nan)
    for tile, (left, top) in zip(tiles, _corners(tiles, across, gap), strict=True):
        sheet[top : top + rows, left : left + columns] = tile
    return sheet


def _corners(tiles: Array, across: int, gap: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the column and row of each tile's first pixel in its montage."""
    n, rows, columns = tiles.shape
    places = (divmod(i, across) for i in range(n))
    return [(gap[1] + j * (columns + gap[1]), gap[0] + i * (rows + gap[0])) for i, j in places]
