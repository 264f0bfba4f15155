"""Experiments on how training choices affect a neural network, and tests of claims about them.

>>> import nnexp
>>> tables = nnexp.load("results/sweeps/…")   # runs, metrics, layers as DataFrames
>>> model = nnexp.MLP(hidden=(50,), lr=0.5).fit(x, y)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnexp.data import arrays as dataset
    from nnexp.store.tables import load
    from nnexp.training.estimator import MLP

__version__ = "0.1.0"
__all__ = ["MLP", "__version__", "dataset", "load"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, which keeps ``import nnexp`` fast."""
    if name == "MLP":
        from nnexp.training.estimator import MLP

        return MLP
    if name == "load":
        from nnexp.store.tables import load

        return load
    if name == "dataset":
        from nnexp.data import arrays

        return arrays
    raise AttributeError(f"module 'nnexp' has no attribute {name!r}")
