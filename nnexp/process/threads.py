"""Limiting BLAS to one thread, as results depend in the last digits on the number of threads.

Sweeps use more cores with worker processes, single runs with `nnexp.nn.threaded_batches`.
"""

from __future__ import annotations

import os

# Read by BLAS libraries when NumPy loads them.
ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}


def available_cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
