"""The jobs and options of a sweep, and the interface for reporting progress."""

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
    """A run of a sweep, to be read from the store or trained.

    ``prefix`` is a stored record of the same run with fewer steps, from which training continues.
    ``tries`` counts the workers that died of it, ``damage`` says why its stored record is damaged,
    and ``edited`` is whether the record was made by edited code.
    """

    config: RunConfig
    label: str = ""
    arm: str | None = None
    tries: int = 0
    damage: str = ""
    edited: bool = False
    prefix: Record | None = None
    blank: Record = field(init=False)
    run_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.blank = blank(self.config)
        self.run_id = self.blank.run_id

    def task(self, options: Options) -> Callable[..., Record]:
        """Return a picklable call that trains the run and returns its record."""
        return functools.partial(
            execute,
            self.config.to_mapping(),
            save_weights=options.save_weights,
            snapshots=options.snapshots,
            prefix=self.prefix,
        )

    def failed(self, error: str) -> Record:
        """Return a failed record with this ``error``, for failures outside of the run itself."""
        return replace(self.blank, error=error)


@dataclass(frozen=True)
class Options:
    """Run options that do not affect results.

    ``snapshots`` is the largest number of evaluations at which a run's parameters are kept.
    """

    force: bool = False
    save_weights: bool = False
    snapshots: int = 0
    stop_on_error: bool = False
    workers: int = 0


class Reporter(Protocol):
    """Receives the progress of a sweep."""

    def started(self, total: int, reused: Sequence[Record]) -> None:
        """``reused`` of the ``total`` runs are in the store."""

    def evaluated(self, job: Job, evaluation: Evaluation) -> None:
        """A run that trains in this process has been evaluated."""

    def recorded(self, record: Record) -> None:
        """A run has ended and its record is in the store."""

    def noted(self, message: str) -> None:
        """There is a message for the user."""

    def tick(self, running: int) -> None:
        """Called regularly with the number of runs in training."""
