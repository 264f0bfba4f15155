"""The speed of nnexp compared with other libraries: ``python -m nnexp.benchmarks``."""
