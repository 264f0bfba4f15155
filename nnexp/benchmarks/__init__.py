"""How fast nnexp is, beside other libraries: ``python -m nnexp.benchmarks``."""
