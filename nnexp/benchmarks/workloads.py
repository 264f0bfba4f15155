"""The networks that the benchmark trains, and for how many steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nnexp.config.run_config import RunConfig
from nnexp.data import load


@dataclass(frozen=True)
class Workload:
    """A configuration and the number of ``steps`` to time, which are one ``unit``."""

    name: str
    title: str
    unit: str
    settings: dict[str, Any]
    steps: int

    def config(self, **others: object) -> RunConfig:
        """Return the settings of a run, changed by ``others``.

        By default it has more steps than any benchmark takes.
        """
        return RunConfig.from_mapping({**DEFAULTS, **self.settings, **others})

    def flops(self) -> float:
        """Return the operations in the matrix products of a unit; a multiply-add counts as two."""
        config = self.config()
        first, *others = [
            i * o for i, o in zip(config.sizes()[:-1], config.sizes()[1:], strict=True)
        ]
        whole, rest = divmod(self.steps, config.steps_per_epoch())
        size = load(config.data, config.dtype).description.train_size
        samples = whole * size + rest * config.rows()
        return 2 * samples * (2 * first + 3 * sum(others))


# Settings of a run that a workload does not change.
DEFAULTS: dict[str, Any] = {
    "data": {"name": "mnist"},
    "init": "xavier",
    "bias_init": "zero",
    "activation": "sigmoid",
    "loss": "cross_entropy",
    "optimizer": "sgd",
    "sampling": "shuffle",
    "hidden": "100",
    "batch_size": 100,
    "lr": 0.1,
    "weight_decay": 0.0,
    "epochs": None,
    "steps": 10**8,
    "evaluate_every": None,
    "evaluate_at": [],
    "gradient": "backprop",
    "quirk": None,
    "dtype": "float32",
    "seed": 0,
}
WORKLOADS = [
    Workload(
        "W1",
        "online: 784-100-10, sigmoid outputs, squared error, batch 1",
        "4096 steps",
        {"batch_size": 1, "loss": {"name": "mse", "reduction": "sum"}},
        4096,
    ),
    Workload("W2", "small: 784-50-10, batch 100", "epoch", {"hidden": "50"}, 600),
    Workload(
        "W3",
        "deep: 784-512-256-10, batch 600",
        "epoch",
        {"hidden": "512x256", "batch_size": 600},
        100,
    ),
    Workload(
        "W4", "full batch: 784-512-10", "iteration", {"hidden": "512", "batch_size": "full"}, 1
    ),
    Workload(
        "W5",
        "ReLU: 784-256-128-10, batch 128",
        "epoch",
        {"hidden": "256x128", "batch_size": 128, "activation": "relu"},
        469,
    ),
]
