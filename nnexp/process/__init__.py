"""The process: threads of BLAS, preparation before imports, signals."""
