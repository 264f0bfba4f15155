"""Evaluations in the first steps of runs whose losses or learning rates are compared.

They are what ``evaluate_at=auto`` stands for in a sweep. A slow start, of saturated units or of a
rate that is too small, may last only a few updates: the end of the first epoch is too late to see
it.
"""

from __future__ import annotations

from collections.abc import Sequence

from nnexp.config.run_config import RunConfig

# Three a decade. An evaluation of the default network takes as long as about 70 of its updates.
STEPS = (1, 2, 5, 10, 20, 50, 100)


def compares_starts(configs: Sequence[RunConfig], tuned: str | Sequence[str] | None) -> bool:
    """Return whether a sweep compares losses or learning rates; ``tuned`` settings do not count."""
    names = [tuned] if isinstance(tuned, str) else tuned or ()
    compared = {"loss", "lr"} - {name.partition(".")[0] for name in names}
    return any(len({getattr(config, key) for config in configs}) > 1 for key in compared)


def early_steps(configs: Sequence[RunConfig]) -> tuple[int, ...]:
    """Return the same steps for all runs of a sweep, as far as the shortest of them goes."""
    shortest = min(config.total_steps() for config in configs)
    return tuple(step for step in STEPS if step <= shortest)
