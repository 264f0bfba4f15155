"""Tables of the test predictions and first-layer weights of saved networks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from nnexp.config.run_config import RunConfig
from nnexp.data import Dataset, Split, load
from nnexp.errors import InputError
from nnexp.nn.network import Network
from nnexp.store.record import FINISHED, Record
from nnexp.training.builder import build_network, scored

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.intp]

# The predicted class of an example with an output that is not finite.
NONE = "none"
_MOST_MISTAKES = 24


class Answers(NamedTuple):
    """The predictions of a network for ``n`` examples.

    ``labels (n,)`` are the true classes and ``predicted (n,)`` the predicted ones, both from 0.
    ``outputs (n,)`` are the outputs of the predicted classes. An example with an output that is not
    finite counts as wrong: its ``predicted`` is -1.
    """

    labels: Labels
    predicted: Labels
    outputs: Array


class Kept(NamedTuple):
    """A finished run with saved weights, its data and its network."""

    record: Record
    data: Dataset
    network: Network


def kept(record: Record) -> Kept | None:
    """Return what `rebuilt` does, ``None`` unless the run's examples are images with a test set."""
    run = rebuilt(record)
    if run is None or run.data.description.image_shape is None or run.data.test is None:
        return None
    return run


def rebuilt(record: Record) -> Kept | None:
    """Return the data and network of a record of a finished run with saved weights.

    ``None`` for any other record, including those whose data or own functions are missing or have
    changed, and those with the user's own functions that the current command did not ask for, which
    are not imported. Weights are saved with ``save_weights=true``.
    """
    if record.status != FINISHED or record.weights is None:
        return None
    data = data_of(record)
    if data is None:
        return None
    try:
        return Kept(record, data, rebuild(record))
    except ValueError:  # the weights do not fit the network
        return None


def data_of(record: Record) -> Dataset | None:
    """Return the data of a record, or ``None`` if they or own functions are as in `rebuilt`."""
    try:
        config = RunConfig.from_mapping(record.config, trusted=False)
        if config.identity() != record.identity or (config.has_own() and not record.asked):
            return None
    except InputError:
        return None
    return scored(config, load(config.data, np.dtype(config.dtype)))


def rebuild(record: Record) -> Network:
    """Return the network of a record at the end of its run.

    The record must have saved weights.
    """
    network = build_network(RunConfig.from_mapping(record.config), rows=1)
    assert record.weights is not None
    network.load_arrays(record.weights)
    return network


def answers(network: Network, split: Split) -> Answers:
    """Return the predictions of ``network`` for the examples of ``split``."""
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


def weights(run: Kept, arm: str, most: int) -> pd.DataFrame:
    """Return the incoming weights of up to ``most`` first-layer units, one row per unit.

    Columns: ``arm run_id kind units unit class norm``, and a weight for each pixel, ``row,column``,
    to four digits, which is more than an image shows. ``kind`` is that of the layer. Hidden units
    are in order of decreasing norm, output units in order of their classes.
    """
    first = run.network.weights[0]
    units = first.shape[1]
    hidden = len(run.network.weights) > 1
    norms = np.linalg.norm(first, axis=0)
    shown = (np.argsort(-norms, kind="stable") if hidden else np.arange(units))[:most]
    classes = [""] * units if hidden else _names(run)[-units:]
    about: dict[str, Any] = {"arm": arm, "run_id": run.record.run_id, "units": units}
    about["kind"] = "hidden" if hidden else "output"
    about |= {"unit": shown, "class": [classes[i] for i in shown], "norm": norms[shown]}
    rounded = np.vectorize(lambda weight: float(f"{weight:.4g}"), otypes=[np.float64])
    return _with_pixels(about, rounded(first[:, shown].T), run)


def confusion(run: Kept, answers: Answers) -> pd.DataFrame:
    """Return the confusion matrix of the test set as a table ``run_id true predicted n``.

    Every pair of classes has a row. Outputs that are not finite count as the class ``none``.
    """
    names = _names(run)
    counts = np.zeros((len(names), len(names) + 1), np.intp)
    np.add.at(counts, (answers.labels, answers.predicted), 1)  # -1 is the last column
    rows = [
        {"run_id": run.record.run_id, "true": true, "predicted": taken, "n": int(counts[i, j])}
        for i, true in enumerate(names)
        for j, taken in enumerate([*names, NONE])
        if taken != NONE or counts[i, j]
    ]
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def mistakes(run: Kept, answers: Answers) -> pd.DataFrame:
    """Return the up to 24 most confident mistakes, one row per example, most confident first.

    Columns: ``run_id place true predicted output what``, and the pixels, ``row,column``. ``place``
    is the index in the test set, from 0, and ``what`` is the kind of output.
    """
    assert run.data.test is not None
    worst, names = surest(answers), _names(run)
    about: dict[str, Any] = {"run_id": run.record.run_id, "place": worst}
    about["true"] = [names[i] for i in answers.labels[worst]]
    about["predicted"] = [names[i] for i in answers.predicted[worst]]
    about["output"] = answers.outputs[worst]
    about["what"] = "output" if run.network.loss.output == "identity" else "probability"
    return _with_pixels(about, run.data.test.x[worst], run)


def surest(answers: Answers, most: int = _MOST_MISTAKES) -> Labels:
    """Return the indices of wrong predictions, with the highest output first."""
    wrong = np.flatnonzero((answers.predicted != answers.labels) & (answers.predicted >= 0))
    return wrong[np.argsort(-answers.outputs[wrong], kind="stable")][:most]


def _names(run: Kept) -> list[str]:
    return [str(label) for label in run.data.description.labels]


def _with_pixels(about: dict[str, Any], images: Array, run: Kept) -> pd.DataFrame:
    """Return a table of images (n, pixels), with the columns ``about`` each in front."""
    shape = run.data.description.image_shape
    assert shape is not None
    pixels = [f"{i},{j}" for i, j in np.ndindex(shape)]
    labels = pd.DataFrame(about, index=range(len(images)))
    table: pd.DataFrame = pd.concat([labels, pd.DataFrame(images, columns=pixels)], axis=1)
    return table
