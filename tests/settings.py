"""The settings of a run in full; a test says which of them are its own."""

from __future__ import annotations

from typing import Any

RUN: dict[str, Any] = {
    "data": {"name": "xor"},
    "init": "xavier",
    "bias_init": "zero",
    "activation": "sigmoid",
    "loss": "cross_entropy",
    "hidden": [8],
    "batch_size": 20,
    "optimizer": "sgd",
    "lr": 0.5,
    "weight_decay": 0.0,
    "epochs": 2,
    "steps": None,
    "sampling": "shuffle",
    "evaluate_every": 1,
    "evaluate_at": [],
    "gradient": "backprop",
    "quirk": None,
    "dtype": "float32",
    "seed": 3,
}
