"""The settings of a run in a table, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nnexp.config.identity import settings, with_later
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
    {"dropout": 0.5, "input_dropout": 0.2, "label_dilution": 3, "evaluate_distance": True},
    {"pruning": {"name": "rewind", "rounds": 2, "fraction": 0.3}},
]


@pytest.mark.parametrize("change", CHANGES)
def test_settings_are_those_that_gave_the_columns(change: dict[str, Any]) -> None:
    run = RunConfig.from_mapping(RUN | {"batch_size": 4} | change)
    assert RunConfig.from_mapping(settings(run.columns())) == run


@pytest.mark.parametrize(
    ("plain", "set_", "changed"),
    [
        ({"init": "xavier"}, {"init": {"name": "xavier", "gain": 1.0}}, {"gain": 2.0}),
        ({"data": {"name": "mnist"}}, {"data": {"name": "mnist", "validation_last": 0}}, {}),
    ],
)
def test_what_was_added_later_changes_no_id(
    plain: dict[str, Any], set_: dict[str, Any], changed: dict[str, Any]
) -> None:
    runs = [RunConfig.from_mapping(RUN | {"batch_size": 4} | change) for change in (plain, set_)]
    assert runs[0].run_id() == runs[1].run_id()
    assert runs[0].columns() == runs[1].columns()
    if changed:
        other = {"init": {"name": "xavier"} | changed}
        assert RunConfig.from_mapping(RUN | {"batch_size": 4} | other).run_id() != runs[0].run_id()


def test_a_run_before_and_after_a_setting_was_added_share_a_column() -> None:
    found = with_later(
        [
            {"init": "xavier", "seed": 0},
            {"init": "he", "init.gain": 2.0, "seed": 0},
            {"init": "zero", "seed": 0},
        ]
    )
    assert [row.get("init.gain") for row in found] == [1.0, 2.0, None]
    assert [*found[0]] == ["init", "init.gain", "seed"]
    assert with_later([{"init": "xavier"}]) == [{"init": "xavier"}]


def test_settings_are_the_same_from_a_file_of_different_runs(tmp_path: Path) -> None:
    runs = [RunConfig.from_mapping(RUN | {"batch_size": 4} | change) for change in CHANGES]
    rows = [{"run_id": run.run_id(), **run.columns()} for run in runs]
    (tmp_path / "runs.csv").write_text(frame_to_csv(pd.DataFrame(rows)), "utf-8")
    for name in ("metrics.csv", "layers.csv"):
        (tmp_path / name).touch()
    found = load(tmp_path).runs.drop(columns="run_id").to_dict("records")
    assert [RunConfig.from_mapping(settings(row)) for row in found] == runs
