"""One BLAS thread, always: with more, the last bits of a result would depend on how many.

More cores serve a sweep as workers, and a single run as the threads of its
`nnexp.nn.threaded_batches`.
"""

from __future__ import annotations

import os

# Read by the BLAS libraries when NumPy loads them.
ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}


def available_cores() -> int:
    """Return the number of processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
