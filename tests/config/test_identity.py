"""The settings of a run in a table, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nnexp.config.identity import settings
from nnexp.config.run_config import RunConfig
from nnexp.store.csv_cells import frame_to_csv
from nnexp.store.tables import load
from tests.settings import RUN

CHANGES: list[dict[str, Any]] = [
    {},
    {"init": {"name": "normal", "std": 2.0}, "optimizer": {"name": "adam", "beta1": 0.5}},
    {"data": {"name": "mnist", "classes": [3, 1], "train_size": 200, "label_noise": 0.1}},
    {"data": {"name": "spirals", "classes": 3}, "evaluate_at": [1, 5], "evaluate_every": "2 steps"},
    {"hidden": "none", "steps": 7, "epochs": None, "batch_size": "full"},
    {"quirk": "updated_weights", "loss": {"name": "mse", "output": "sigmoid"}, "hidden": [5, 6]},
]


@pytest.mark.parametrize("change", CHANGES)
def test_settings_are_those_that_gave_the_columns(change: dict[str, Any]) -> None:
    run = RunConfig.from_mapping(RUN | {"batch_size": 4} | change)
    assert RunConfig.from_mapping(settings(run.columns())) == run


def test_settings_are_the_same_from_a_file_of_different_runs(tmp_path: Path) -> None:
    runs = [RunConfig.from_mapping(RUN | {"batch_size": 4} | change) for change in CHANGES]
    rows = [{"run_id": run.run_id(), **run.columns()} for run in runs]
    (tmp_path / "runs.csv").write_text(frame_to_csv(pd.DataFrame(rows)), "utf-8")
    for name in ("metrics.csv", "layers.csv"):
        (tmp_path / name).touch()
    found = load(tmp_path).runs.drop(columns="run_id").to_dict("records")
    assert [RunConfig.from_mapping(settings(row)) for row in found] == runs
