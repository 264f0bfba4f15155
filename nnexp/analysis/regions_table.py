"""The decision regions of a sweep's arms as a table: one run of each, with training examples."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nnexp.analysis.predictions import rebuilt
from nnexp.config.run_config import RunConfig
from nnexp.data import Dataset, load
from nnexp.errors import InputError
from nnexp.store.record import FINISHED, Record, Row, regions_from_csv
from nnexp.training.decision_regions import decision_regions

REGION, EXAMPLE = "region", "example"
# Examples over all arms, and at least those of each.
_MOST_EXAMPLES, _FEWEST_EXAMPLES = 400, 30


def regions_table(records: Sequence[Record], arms: Mapping[str, str]) -> pd.DataFrame:
    """Return the decision regions of a run of each arm: that of the median final test accuracy.

    ``arms`` maps the ids of eligible runs to their arms. Of an even number of runs, the lower of
    the two in the middle is taken. Columns: ``arm run_id test_accuracy data examples kind class x
    until y``. A row is a ``region`` (see `nnexp.training.decision_regions`) or a training
    ``example`` at ``x`` and ``y``, whose ``until`` is empty; of many ``examples`` some are there,
    in the proportions of the classes. ``class`` is the label of the file, or empty where outputs
    were not finite.

    The table is empty if no finished run has two features, and leaves out runs that were stored
    without regions or weights, or whose data no longer exist.
    """
    ended = [record for record in records if record.run_id in arms and has_regions(record)]
    ranked = sorted(ended, key=lambda record: float(record.metrics[-1]["test_accuracy"]))
    own: dict[str, list[Record]] = {arm: [] for arm in dict.fromkeys(arms.values())}
    for record in ranked:
        own[arms[record.run_id]].append(record)
    chosen = {arm: runs[(len(runs) - 1) // 2] for arm, runs in own.items() if runs}
    most = max(_FEWEST_EXAMPLES, _MOST_EXAMPLES // max(1, len(chosen)))
    rows = [_rows(arm, record, most) for arm, record in chosen.items()]
    table: pd.DataFrame = pd.DataFrame(list(itertools.chain(*rows)))
    return table


def has_regions(record: Record) -> bool:
    """Return whether a run finished and has regions, or the weights to find them."""
    first = (record.weights or {}).get("W1")
    from_weights = first is not None and first.ndim == 2 and len(first) == 2
    return record.status == FINISHED and (bool(record.regions) or from_weights)


def _rows(arm: str, record: Record, most: int) -> list[Row]:
    data, regions = _data(record), regions_from_csv(record.regions)
    if data is not None and not regions and (run := rebuilt(record)) is not None:
        regions = decision_regions(run.network, data)
    if data is None or not regions:
        return []
    labels = dict(enumerate(map(str, data.description.labels)))
    n = len(data.train.labels)
    about: dict[str, Any] = {"arm": arm, "run_id": record.run_id}
    about |= {"test_accuracy": record.metrics[-1]["test_accuracy"]}
    about |= {"data": data.description.name, "examples": n}
    by_class = np.argsort(data.train.labels, kind="stable")
    shown = by_class[np.linspace(0, n - 1, min(n, most)).astype(int)]
    points = [[float(f"{v:.7g}") for v in x] for x in data.train.x[shown].tolist()]
    examples = [
        {**about, "kind": EXAMPLE, "class": labels[label], "x": x, "until": None, "y": y}
        for label, (x, y) in zip(data.train.labels[shown].tolist(), points, strict=True)
    ]
    order = ("x", "until", "y")
    return [
        {**about, "kind": REGION, "class": labels.get(part["class"], "")}
        | {name: part[name] for name in order}
        for part in regions
    ] + examples


def _data(record: Record) -> Dataset | None:
    """Return the data of a run, ``None`` if they are missing or have changed since."""
    try:
        config = RunConfig.from_mapping(record.config, trusted=False)
        if config.identity()["data"] != record.identity["data"]:
            return None
        return load(config.data, np.dtype(config.dtype))
    except InputError:
        return None
