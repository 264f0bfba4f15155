"""The evaluations of a sweep as arrays with named dimensions, for xarray."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from nnexp.analysis.arms import Comparison
from nnexp.analysis.labels import NAMED
from nnexp.errors import InputError
from nnexp.reports.sweep_words import title

if TYPE_CHECKING:
    import xarray

_RUN, _STEP = ["arm", "seed"], ["arm", "seed", "step"]


def to_xarray(comparison: Comparison) -> xarray.Dataset:
    """Return the runs of a sweep as a ``Dataset`` with dimensions ``arm seed step layer``.

    The columns of ``metrics`` are variables over ``arm seed step``, and those of ``layers`` over
    ``arm seed step layer``. They are nan where a run has no evaluation. ``run_id`` and ``status``
    are coordinates over ``arm seed``, ``epoch`` over ``arm step``, and the settings that vary over
    ``arm``. Losses and accuracies (fractions) are as in the tables.

    Raises
    ------
    InputError
        If xarray is missing, or an arm has several runs with one seed.
    """
    try:
        import xarray
    except ImportError:
        raise InputError(
            "Sweep.to_xarray needs the package xarray: pip install 'nnexp[xarray]'"
        ) from None
    runs = comparison.runs
    if (again := runs[runs.duplicated(_RUN)]).size:
        arm, seed = again.iloc[0][_RUN]
        raise InputError(
            f"the arm {str(arm)!r} has several runs with seed {seed}, such as "
            f"{again['run_id'].iloc[0]}: select one with filters, as in nnexp.load(STORE, lr=0.1)"
        )
    of_seed = runs.set_index("run_id")["seed"]
    metrics = _array(comparison.metrics, of_seed, "samples", _STEP)
    layers = _array(comparison.layers, of_seed, "kind", [*_STEP, "layer"])
    arms = runs.drop_duplicates("arm").set_index("arm")
    settings = {
        "named_arm" if name == NAMED else name: ("arm", _plain(arms[name]))
        for name in (*comparison.varied, *comparison.bundled)
    }
    outcomes = _indexed(runs[[*_RUN, "run_id", "status"]], _RUN).to_xarray()
    joined: xarray.Dataset = xarray.merge([outcomes, metrics, layers], join="outer")
    ordered = joined.sel(arm=list(comparison.arms)).set_coords(["run_id", "status"])
    if "epoch" in ordered:
        ordered = ordered.assign_coords(epoch=ordered["epoch"].max("seed"))
    described = {"title": title(comparison), "settings": comparison.held}
    complete: xarray.Dataset = ordered.assign_coords(settings).assign_attrs(described)
    return complete


def _array(
    table: pd.DataFrame, of_seed: pd.Series[Any], first: str, dims: list[str]
) -> xarray.Dataset:
    """Return the measures of ``table`` over ``dims``; the ``first`` follows the settings."""
    names = [str(name) for name in table]
    measures = names[names.index(first) :] if first in names else []
    kept = [n for n in measures if n not in ("arm", "status", "seed")]
    epoch = ["epoch"] if dims == _STEP and measures else []
    needed = table.assign(seed=of_seed.reindex(table["run_id"]).to_numpy())
    array: xarray.Dataset = _indexed(
        needed.reindex(columns=[*dims, *epoch, *kept]), dims
    ).to_xarray()
    return array


def _indexed(table: pd.DataFrame, dims: list[str]) -> pd.DataFrame:
    texts = {
        name: table[name].astype(str).astype(object)
        for name in ("arm", "status", "kind", "run_id")
        if name in table
    }
    indexed: pd.DataFrame = table.assign(**texts).set_index(dims)
    return indexed


def _plain(column: pd.Series[Any]) -> Any:
    """Return the values of a setting as numbers or, if any is not one, as text."""
    try:
        return pd.to_numeric(column).to_numpy()
    except (ValueError, TypeError):
        return column.fillna("").astype(str).to_numpy(dtype=object)
