"""Pruned runs: the rounds of training and pruning before the training that is recorded.

A pruned run is one run with one record, and its rows are those of its last training alone. So its
settings are all that determines its numbers, it needs no other run's record, and its steps, curves
and outcomes mean what they mean in a run that is not pruned, with which it is paired by its seed.
The price is that runs of several numbers of rounds each train their first rounds again.
"""

from __future__ import annotations

from nnexp.config.registry import build
from nnexp.config.run_config import RunConfig
from nnexp.data import Dataset
from nnexp.nn.pruning import Pruning, everything
from nnexp.training.trainer import Trainer


def prepared(config: RunConfig, data: Dataset, threads: int = 1) -> Trainer:
    """Return the trainer of a run; that of a pruned run after all rounds of pruning.

    Its ``seconds`` include those of the rounds, each of which is as long as the run.
    """
    if config.pruning is None:
        return Trainer(config, data, threads)
    pruning: Pruning = build("pruning", config.pruning)
    trainer = Trainer(config, data, threads)
    left, seconds = everything(trainer.network), 0.0
    for index in range(1, pruning.rounds + 1):
        trainer.advance(config.total_steps())
        left, seconds = pruning.shrink(trainer.network, left), seconds + trainer.seconds
        redrawn = pruning.redrawn and index == pruning.rounds
        trainer = Trainer(config, data, threads, left=left, redrawn=redrawn)
    trainer.seconds = seconds
    return trainer
