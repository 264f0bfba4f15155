"""The measure of speed that tests use."""

from __future__ import annotations

import time
from collections.abc import Callable


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the processor seconds that this process spends on ``work``."""
    start = time.process_time()
    work()
    return time.process_time() - start
