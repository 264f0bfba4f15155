"""Snapshots: copies of a run's parameters at evaluations, which show how it learned."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# The array of the steps at which snapshots were taken.
STEPS = "steps"


def snapshot_steps(steps: Sequence[int], most: int) -> list[int]:
    """Return at most ``most`` of the ``steps``, the first and the last among them."""
    if len(steps) <= most:
        return list(steps)
    chosen = np.linspace(0, len(steps) - 1, most).round().astype(int)
    return [steps[i] for i in chosen]


class Snapshots:
    """Collects copies of the parameters at certain ``steps``."""

    def __init__(self, steps: Collection[int]) -> None:
        self.steps = frozenset(steps)
        self._taken: list[tuple[int, Mapping[str, Array]]] = []

    def take(self, step: int, parameters: Mapping[str, Array]) -> None:
        """Add the ``parameters`` at ``step``: ``W1 (i, o)``, ``b1 (o,)``, …."""
        self._taken.append((step, parameters))

    def arrays(self) -> dict[str, Array] | None:
        """Return ``steps (s,)`` and the parameters ``W1 (s, i, o)``, ``b1 (s, o)``, …, if any."""
        if not self._taken:
            return None
        steps, taken = zip(*self._taken, strict=True)
        stacked = {name: np.stack([one[name] for one in taken]) for name in taken[0]}
        return {STEPS: np.array(steps), **stacked}


def complete(arrays: Mapping[str, Array] | None, steps: Sequence[int]) -> bool:
    """Return whether stored snapshots include the parameters at all ``steps``."""
    return arrays is not None and {*steps} <= {*arrays[STEPS].tolist()}
