"""Experiments on how training choices affect a neural network, and tests of claims about them.

>>> import nnexp
>>> sweep = nnexp.sweep(init=["xavier", "he"], seed=range(6))  # tables, findings, figures
>>> sweep = nnexp.load("results/sweeps/…")                     # the same of runs on disk
>>> model = nnexp.MLP(hidden=(50,), lr=0.5).fit(x, y)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnexp.data import arrays as dataset
    from nnexp.notebook.functions import load, sweep
    from nnexp.training.estimator import MLP

__version__ = "0.1.0"
__all__ = ["MLP", "__version__", "dataset", "load", "sweep"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, which keeps ``import nnexp`` fast."""
    if name == "MLP":
        from nnexp.training.estimator import MLP

        return MLP
    if name in ("load", "sweep"):
        from nnexp.notebook import functions

        return getattr(functions, name)
    if name == "dataset":
        from nnexp.data import arrays

        return arrays
    raise AttributeError(f"module 'nnexp' has no attribute {name!r}")
