"""Runs to be had, how, and who watches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from nnexp.config.run_config import RunConfig
from nnexp.store.record import Record
from nnexp.training.execute import blank, execute
from nnexp.training.trainer import Evaluation


@dataclass
class Job:
    """A run to be had: from the store, or by training."""

    config: RunConfig
    label: str = ""
    arm: str | None = None
    tries: int = 0
    damage: str = ""
    edited: bool = False
    shorter: Record | None = None
    blank: Record = field(init=False)
    run_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.blank = blank(self.config)
        self.run_id = self.blank.run_id

    def task(self, options: Options) -> Callable[..., Record]:
        """Return the call that trains it, in whatever process; from a ``shorter`` run, if any."""
        return functools.partial(
            execute,
            self.config.to_mapping(),
            save_weights=options.save_weights,
            shorter=self.shorter,
        )

    def failed(self, error: str) -> Record:
        """Return the record of a failure that the run itself could not record."""
        return replace(self.blank, error=error)


@dataclass(frozen=True)
class Options:
    """How runs are obtained, whatever their numbers."""

    force: bool = False
    save_weights: bool = False
    stop_on_error: bool = False
    workers: int = 0


class Watcher(Protocol):
    """What is told of a sweep's progress."""

    def started(self, total: int, reused: Sequence[Record]) -> None:
        """``reused`` of the ``total`` runs are in the store."""

    def evaluated(self, job: Job, evaluation: Evaluation) -> None:
        """A run under way in this process has been evaluated."""

    def recorded(self, record: Record) -> None:
        """A run has ended and is in the store."""

    def noted(self, message: str) -> None:
        """Something that the user should know has happened."""

    def tick(self, running: int) -> None:
        """Time has passed; so many runs are being trained."""
