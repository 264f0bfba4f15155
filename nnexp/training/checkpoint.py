"""Saving and restoring the state of a run, so that a longer run can continue it exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.training.trainer import Trainer

Array = npt.NDArray[Any]


def state(trainer: Trainer) -> dict[str, Array]:
    """Return the state needed to continue: parameters, state of the optimiser, and progress."""
    network = trainer.network
    arrays: dict[str, Any] = network.arrays()
    for name, value in vars(trainer.optimizer).items():
        if isinstance(value, np.ndarray):
            arrays[f"optimizer.{name}"] = network.by_feature(value)
        elif isinstance(value, int):
            arrays[f"optimizer.{name}"] = np.array(value)
    done = trainer.progress
    progress = (done.step, done.samples, trainer.seconds, done.batch_loss)
    return arrays | {"progress": np.array(progress, dtype=np.float64)}


def fits(trainer: Trainer, arrays: Mapping[str, Array], step: int) -> bool:
    """Return whether ``arrays`` are a `state` of the trainer's run after ``step`` steps."""
    own = state(trainer)
    same = own.keys() == arrays.keys() and all(
        array.shape == arrays[name].shape and array.dtype.kind == arrays[name].dtype.kind
        for name, array in own.items()
    )
    progress = arrays["progress"][:3] if same else np.empty(0)
    return same and progress[0] == step and bool(np.isfinite(progress).all())


def restore(trainer: Trainer, arrays: Mapping[str, Array]) -> None:
    """Restore a `state`; `train` then continues after the evaluation at its step."""
    trainer.network.load_arrays(arrays)
    for name, value in vars(trainer.optimizer).items():
        if isinstance(value, np.ndarray):
            value[...] = trainer.network.by_column(arrays[f"optimizer.{name}"])
        elif f"optimizer.{name}" in arrays:
            setattr(trainer.optimizer, name, int(arrays[f"optimizer.{name}"]))
    done = trainer.progress
    step, samples, trainer.seconds, batch_loss = arrays["progress"].tolist()
    done.batch_loss = None if math.isnan(batch_loss) else batch_loss
    done.step, done.samples, trainer.restored_at = int(step), int(samples), int(step)
