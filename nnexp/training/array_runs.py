"""Runs on arrays in memory, as `nnexp.MLP` makes them: configuration and trainer."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from nnexp.config.registry import CUSTOM
from nnexp.config.run_config import DEFAULT_EPOCHS, RunConfig
from nnexp.config.user_functions import is_custom
from nnexp.data import Dataset, Description, Split, describe, in_memory
from nnexp.errors import InputError
from nnexp.nn.network import Network
from nnexp.process.threads import available_cores
from nnexp.training.lottery import prepared
from nnexp.training.trainer import Trainer

# The default batch size, if there are enough examples.
_BATCH_SIZE = 100
# The default number of epochs makes at least so many steps.
_STEPS = 200


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings in JSON types, with NumPy arrays and numbers converted.

    Raises
    ------
    InputError
        If one of them is a function.
    """

    def simple(value: Any) -> Any:
        if callable(value):
            raise InputError(f"{value!r} is a function: write it to a file and give 'FILE.py:NAME'")
        return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)

    converted: dict[str, Any] = json.loads(json.dumps(dict(settings), default=simple))
    return converted


def own_function(settings: Mapping[str, Any]) -> str | None:
    """Return the first of the settings that names the user's own function, as ``key=name``."""
    for key in CUSTOM:
        value = settings[key]
        name = str(value.get("name") if isinstance(value, Mapping) else value)
        if is_custom(name):
            return f"{key}={name}"
    return None


def for_one_epoch(settings: Mapping[str, Any], examples: int) -> dict[str, Any]:
    """Return the settings for one epoch, in a single batch if there are too few examples."""
    size = settings["batch_size"]
    if isinstance(size, int | float) and size > examples:
        size = examples
    one = {"epochs": 1, "steps": None, "evaluate_at": (), "batch_size": size}
    return {**settings, **one}


def configure(settings: Mapping[str, Any], examples: int, features: int, classes: int) -> RunConfig:
    """Return the checked configuration of a run on data with these sizes.

    ``settings`` are those of `nnexp.MLP` in JSON types.

    Raises
    ------
    InputError
        If a setting is invalid or does not fit the data.
    """
    description = Description(
        name="arrays",
        train_size=examples,
        test_size=0,
        validation_size=0,
        features=features,
        classes=classes,
        image_shape=None,
        digest="",
        labels=tuple(range(classes)),
    )
    completed = dict(settings)
    completed["data"] = in_memory(description, completed.pop("targets"))
    if completed["batch_size"] is None:
        completed["batch_size"] = min(_BATCH_SIZE, examples)
    if completed["epochs"] is None and completed["steps"] is None:
        size = completed["batch_size"]
        number = isinstance(size, int | float) and size >= 1  # or "full", or invalid
        per_epoch = math.ceil(examples / size) if number else 1
        completed["epochs"] = max(DEFAULT_EPOCHS, math.ceil(_STEPS / per_epoch))
    return RunConfig.from_mapping(completed)


def trainer(config: RunConfig, train: Split, test: Split | None = None) -> Trainer:
    """Return the trainer of the run, after its rounds of pruning if it has any.

    It uses a second core if this is worth its cost.
    """
    data = Dataset(describe(config.data), train, test, None)
    examples = len(train.labels) + (0 if test is None else len(test.labels))
    return prepared(config, data, available_cores() if examples > Network.evaluation_rows else 1)
