"""`Sweep.to_xarray` has every number of the tables, by the names of its dimensions."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nnexp
from nnexp.errors import InputError
from nnexp.notebook.sweep import Sweep
from nnexp.store.tables import Tables
from tests.notebook.test_sweep import TINY


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    store = tmp_path_factory.mktemp("store")
    return nnexp.sweep(**TINY, init=["zero", "he"], lr=[0.5, 0.1], seed=[1, 0], store=store)


@pytest.mark.usefixtures("one_figure")
@pytest.mark.slow
def test_variables_are_the_columns_of_the_tables(sweep: Sweep) -> None:
    pytest.importorskip("xarray")
    data = sweep.to_xarray()
    assert dict(data.sizes) == {"arm": 4, "seed": 2, "step": 3, "layer": 2}
    assert data["test_loss"].dims == ("arm", "seed", "step")
    assert data["gradient_norm"].dims == ("arm", "seed", "step", "layer")
    assert list(data["arm"].values) == list(map(str, sweep.summary["arm"]))
    for row in sweep.metrics.reset_index().to_dict("records"):
        place = data.sel(arm=row["arm"], seed=row["seed"], step=row["step"])
        assert place["test_loss"] == row["test_loss"]
        assert (place["run_id"], place["epoch"]) == (row["run_id"], row["epoch"])
    for row in sweep.layers.reset_index().to_dict("records"):
        place = data.sel({key: row[key] for key in ("arm", "seed", "step", "layer")})
        np.testing.assert_equal(place["gradient_norm"].item(), row["gradient_norm"])
    chosen = data.where((data["lr"] == 0.1) & (data["init"] == "he"), drop=True)
    assert list(chosen["arm"].values) == ["he, lr 0.1"]


def test_runs_without_evaluations_are_missing_values(sweep: Sweep) -> None:
    pytest.importorskip("xarray")
    runs, metrics, layers = sweep._tables
    lost = runs["run_id"].iloc[0]
    kept = (t[t["run_id"] != lost] for t in (metrics, layers))
    failed = runs.assign(status=runs["status"].where(runs["run_id"] != lost, "failed"))
    data = Sweep(Tables(failed, *kept), command="").to_xarray()
    place = data.isel(arm=0).sel(seed=runs["seed"].iloc[0])
    assert place["status"] == "failed"
    assert np.isnan(place["test_loss"]).all()
    assert np.isnan(data["test_loss"]).sum() == 3


def test_two_runs_in_one_place_are_refused(sweep: Sweep) -> None:
    pytest.importorskip("xarray")
    runs, metrics, layers = sweep._tables
    again = runs.assign(run_id=["again" if i < 1 else r for i, r in enumerate(runs["run_id"])])
    both = Tables(pd.concat([again, runs.iloc[:1]]), metrics, layers)
    with pytest.raises(InputError, match="has several runs with seed 1, such as xor-zero"):
        Sweep(both, command="").to_xarray()


def test_without_xarray_it_says_what_to_install(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(InputError, match=r"needs the package xarray: pip install 'nnexp\[xarray"):
        sweep.to_xarray()


def test_the_table_for_a_paper(sweep: Sweep, tmp_path: Path) -> None:
    assert sweep.table().startswith("| init and lr | n | test accuracy (%) |")
    assert r"\toprule" in sweep.table("tex")
