"""The tables of a study: what they leave out, and that nothing is missed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pytest

from nnexp.store.tables import Tables, load
from nnexp.studies.judging import judge
from nnexp.studies.reader import read_study
from nnexp.studies.study import Study
from nnexp.studies.study_tables import write_tables
from tests.studies.test_judging import HEAD, planted

ALONG_THE_WAY = {"batch_loss", "running_loss", "running_accuracy"}
PLACE = {"run_id", "epoch", "step", "samples", "layer", "kind", "units"}


@pytest.fixture
def tables() -> Tables:
    return planted(0.001, 0.95, 0.93, 0.91)


def written(folder: Path, tables: Tables, outcome: str, figures: str) -> tuple[Study, pd.DataFrame]:
    """Write the tables of a study of one claim and return it and its statistics of layers."""
    common = "id: c, row: D1.1, statement: s, test: greater, arms: [a, b]"
    text = HEAD.format(claim=f"{{{common}, {outcome}expected: reproduced}}")
    head, _, rest = text.partition("  claims:")
    (folder / "s.yaml").write_text(f"{head}  figures: [{figures}]\n  claims:{rest}")
    study = read_study(folder / "s.yaml")
    assert study is not None
    write_tables(study, tables, judge(study, tables), folder / "results")
    return study, pd.read_csv(folder / "results" / "s" / "layers.csv.xz")


@pytest.mark.parametrize(
    ("outcome", "figures", "columns", "arms", "epochs"),
    [
        ("", "accuracy", set(), "", ()),
        ("", "gradients", {"gradient_norm"}, "abc", range(6)),
        ("", "saturation, symmetry", {"saturated", "dead", "distinct_units"}, "abc", range(6)),
        ("", "activations", {"activation_p05", "activation_p95"}, "abc", (0,)),
        ("outcome: {layer: 1, value: dead}, matters: 0.1, ", "accuracy", {"dead"}, "", ()),
        (
            "outcome: {layer: 1, value: activation_std}, matters: 0.1, at: {epoch: 2}, ",
            *("accuracy", {"activation_std"}, "ab", (2,)),
        ),
        (
            "outcome: {highest: saturated, layer: 1}, matters: 0.1, ",
            *("accuracy", {"saturated"}, "ab", range(6)),
        ),
    ],
)
def test_of_the_layers_a_study_keeps_what_its_claims_and_figures_look_at(
    tmp_path: Path,
    tables: Tables,
    outcome: str,
    figures: str,
    columns: set[str],
    arms: str,
    epochs: Iterable[int],
) -> None:
    _, layers = written(tmp_path, tables, outcome, figures)
    assert columns <= {*layers}
    measured = {*tables.layers} - {*tables.runs} - PLACE
    assert {*layers} & measured - columns <= {"activation_p25", "activation_p50", "activation_p75"}
    arm = layers["run_id"].map(tables.runs.set_index("run_id")["arm"])
    kept = {*zip(arm, layers["epoch"], strict=True)}
    end = tables.layers["epoch"].max()
    assert kept == {*itertools.product(arms, epochs), *itertools.product("abc", [end])}


@pytest.mark.parametrize(
    ("outcome", "kept"),
    [
        ("", set()),
        ("outcome: running_loss, matters: 0.1, ", {"running_loss"}),
        ("outcome: {lowest: batch_loss}, matters: 0.1, ", {"batch_loss"}),
    ],
)
def test_metrics_along_the_way_are_kept_where_a_claim_is_about_them(
    tmp_path: Path, tables: Tables, outcome: str, kept: set[str]
) -> None:
    study, _ = written(tmp_path, tables, outcome, "accuracy")
    found = load(tmp_path / "results" / "s")
    assert {*found.metrics} & ALONG_THE_WAY == kept
    assert judge(study, found) == judge(study, tables)


def test_settings_are_in_the_table_of_runs_alone_and_read_back(
    tmp_path: Path, tables: Tables
) -> None:
    study, layers = written(tmp_path, tables, "", "gradients")
    metrics = pd.read_csv(tmp_path / "results" / "s" / "metrics.csv.xz")
    assert not {"lr", "init", "hidden", "seed"} & {*metrics, *layers}
    found = load(tmp_path / "results" / "s")
    assert {*tables.metrics} - ALONG_THE_WAY == {*found.metrics}
    assert [*found.metrics].index("lr") < [*found.metrics].index("epoch")
    for name in ("lr", "seed", "hidden", "test_loss"):
        assert [*found.metrics[name]] == [*tables.metrics[name]]
    assert [*found.layers["seed"]] == [*tables.layers["seed"]]
    again = judge(study, found)
    assert again == judge(study, tables)
    write_tables(study, found, again, tmp_path / "results")
    assert metrics.equals(pd.read_csv(tmp_path / "results" / "s" / "metrics.csv.xz"))
