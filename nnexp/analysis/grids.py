"""A grid of two settings, as a study asks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Grid:
    """A heat map of the final test accuracy, by the settings ``down`` and ``across``.

    It is of the runs with the settings ``where``, in each cell at the best of the setting ``tuned``
    (as that of a `Claim`), if any; which leaves one run of each seed in a cell. ``line`` is where
    its file has it.
    """

    down: str
    across: str
    where: Mapping[str, Any]
    tuned: Mapping[str, str]
    line: int = 0

    @property
    def name(self) -> str:
        """What its files are called: ``grid-init-lr-sigmoid``."""
        words = ("grid", self.down, self.across, *map(str, self.where.values()))
        return re.sub(r"[^\w.+-]+", "_", "-".join(words))
