"""Schedules: by what the learning rate is multiplied over training.

A schedule maps ``(step, steps, epoch)`` to a factor: the number of updates before this one, their
number in the whole run, and the number of updates per epoch. ``warmup`` is in epochs; in that time
the factor rises linearly (Goyal et al. 2017, 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[..., float]


def _risen(step: int, epoch: float, warmup: float) -> float:
    return min(1.0, (step + 1) / (warmup * epoch)) if warmup else 1.0


def constant(step: int, steps: int, epoch: float, warmup: float = 0.0) -> float:
    """Keep the rate."""
    return _risen(step, epoch, warmup)


def step(
    step: int,
    steps: int,
    epoch: float,
    every: float = 10.0,
    factor: float = 0.1,
    warmup: float = 0.0,
) -> float:
    """Multiply the rate by ``factor`` after each ``every`` epochs."""
    return float(_risen(step, epoch, warmup) * factor ** math.floor(step / (every * epoch)))


def cosine(step: int, steps: int, epoch: float, final: float = 0.0, warmup: float = 0.0) -> float:
    """Lower the rate along half a cosine to ``final`` of it (Loshchilov & Hutter 2017, eq. 5).

    It begins after the warm-up and would reach ``final`` after the last update.
    """
    start = warmup * epoch
    done = min(1.0, max(0.0, step - start) / max(1.0, steps - start))
    lowered = final + (1 - final) * (1 + math.cos(math.pi * done)) / 2
    return _risen(step, epoch, warmup) * lowered


SCHEDULES: dict[str, Schedule] = {"constant": constant, "step": step, "cosine": cosine}
