"""The network of a run, the form of its training steps, and the examples it is scored on."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nnexp.config import user_functions
from nnexp.config.registry import build
from nnexp.config.run_config import RunConfig
from nnexp.data import Dataset, Split
from nnexp.nn import delayed_updates, threaded_batches
from nnexp.nn.network import Network
from nnexp.nn.quirks import network_class

Indices = npt.NDArray[np.intp]


def form(config: RunConfig) -> str:
    """Return the form of a run's steps: ``plain``, ``delayed`` or ``lanes``.

    ``delayed`` is for small batches, ``lanes`` (`ThreadedSteps`) for large ones; all compute the
    same up to rounding. The form depends only on the settings, never on the machine. Only the
    plain form supports float64, numerical gradients, dropout, the user's own functions, and quirks
    other than ``updated_weights``, which the delayed form supports too.
    """
    custom = any(
        user_functions.is_custom(choice.name) for choice in (config.activation, config.loss)
    )
    other_quirk = config.quirk not in (None, "updated_weights")
    dropout = config.dropout is not None or config.input_dropout is not None
    plain = config.dtype != "float32" or config.gradient != "backprop" or other_quirk or custom
    plain = plain or dropout
    sizes, batch = config.sizes(), config.rows()
    changed = config.weight_decay or config.schedule or config.pruning
    sgd = config.optimizer.name == "sgd" and not changed
    if not plain and sgd and delayed_updates.suits(batch):
        return "delayed"
    weights = sum(i * o for i, o in itertools.pairwise(sizes))
    large = threaded_batches.suits(batch, weights)
    return "lanes" if large and not (plain or config.quirk) else "plain"


def build_network(
    config: RunConfig,
    rows: int | None = None,
    columns: Indices | None = None,
    redrawn: bool = False,
) -> Network:
    """Return the initialised network of ``config`` for batches of ``rows`` examples.

    By default, ``rows`` is the batch size of ``config``. ``columns`` are those of sorted data.
    ``redrawn`` is as for `nnexp.training.trainer.Trainer`.
    """
    activation, loss = build("activation", config.activation), build("loss", config.loss)
    network = network_class(config.quirk)(
        config.sizes(), activation, loss, rows or config.rows(), np.dtype(config.dtype)
    )
    if columns is not None:
        network.columns = columns
    network.initialize(
        build("init", config.init), build("bias_init", config.bias_init), config.seed, redrawn
    )
    return network


def scored(config: RunConfig, data: Dataset) -> Dataset:
    """Return ``data`` with only the test examples that ``config`` scores."""
    first, test = config.evaluate_first, data.test
    if first is None or test is None:
        return data
    return replace(data, test=_first(test, first))


@functools.lru_cache(maxsize=1)
def _first(split: Split, n: int) -> Split:
    return split.first(n)
