"""One BLAS thread, always: with more, the last bits of a result would depend on how many."""

from __future__ import annotations

# Read by the BLAS libraries when NumPy loads them.
ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}
