"""Claims that are tuned: each arm at its best value, or no verdict; and what is run for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.store.tables import Tables
from nnexp.studies.judging import judge
from nnexp.studies.kinds.comparison import maps
from nnexp.studies.markdown_report import claim_pictures
from nnexp.studies.reader import read_study
from nnexp.studies.study import Study
from nnexp.studies.trials import announced, trials
from tests.studies.test_judging import HEAD, SEEDS, planted
from tests.synthetic import assert_within

SWEEP = "hydra: {sweeper: {params: {arm: all, lr: '0.1,0.2,0.4', seed: range(10)}}}\n"
TUNED = "test: greater, arms: [a, b], tuned: {over: lr, by: validation_accuracy}, "
OWN = (0.1, 0.2, 0.4)


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Study]:
    """Return what reads a study of tuned claims, given as YAML flow mappings."""

    def make(*more: str) -> Study:
        each = (
            f"{{id: c{i}, row: D1.1, statement: A above B., {TUNED}{one}expected: reproduced}}"
            for i, one in enumerate(more or ("",))
        )
        text = HEAD.replace("lr=0.1", "").format(claim="\n    - ".join(each))
        (tmp_path / "s.yaml").write_text(text + SWEEP)
        read = read_study(tmp_path / "s.yaml")
        assert read is not None
        return read

    return make


def runs_of(validation: dict[str, dict[float, float]]) -> Tables:
    """Return runs of arms at the values of lr that each has, with these validation accuracies."""
    every = tuple(sorted({v for own in validation.values() for v in own}))
    tables = planted(0.001, *(0.95, 0.93, 0.91)[: len(validation)], lr=every)
    keys = list(zip(tables.runs["arm"], tables.runs["lr"], strict=True))
    tables.runs["validation_accuracy"] = [validation[a].get(v, np.nan) for a, v in keys]
    tables.metrics["validation_accuracy"] = 0.5
    return tables._replace(runs=tables.runs[tables.runs["validation_accuracy"].notna()])


INSIDE = {"a": {0.1: 0.8, 0.2: 0.9, 0.4: 0.8}, "b": {0.1: 0.7, 0.2: 0.8, 0.4: 0.9, 0.8: 0.7}}


def test_each_arm_is_compared_at_the_value_that_suits_it(study: Any) -> None:
    tables = runs_of(INSIDE)
    (found,) = judge(study(), tables)
    assert found.verdict == "reproduced"
    assert found.protocol == (
        "each at its best validation accuracy: a at lr 0.2 (3 values from 0.1 to 0.4), "
        "b at lr 0.4 (4 values from 0.1 to 0.8)"
    )
    runs = tables.runs.set_index(["arm", "lr", "seed"])["test_accuracy"]
    assert found.difference == np.median(runs["a", 0.2] - runs["b", 0.4])
    # Only divergence at the values compared counts.
    tables.runs.loc[tables.runs["lr"] == 0.8, "status"] = "diverged"
    assert judge(study(), tables)[0] == found
    tables.runs.loc[tables.runs["lr"] == 0.4, "status"] = "diverged"
    assert "0 of 10 runs of arm a and 10 of 10 runs of arm b" in judge(study(), tables)[0].measured


def test_without_an_optimum_inside_there_is_no_verdict_and_more_is_tried(study: Any) -> None:
    edge = INSIDE | {"b": {0.1: 0.7, 0.2: 0.8, 0.4: 0.9}, "c": {0.1: 0.9, 0.2: 0.8, 0.4: 0.8}}
    tables, one = runs_of(edge), study("", "at: {epoch: 5}, ")
    assert announced(one, trials(one, tables)) == "s: tuning lr: b 0.8"
    found = judge(one, tables)[0]
    assert found.verdict == "withheld"
    assert found.measured.endswith(
        "; tuning is not finished: b is best at lr 0.4, the largest of 3 values from 0.1 to 0.4: "
        "run python -m nnexp.reproduce s, which tries more"
    )
    assert trials(study(), runs_of(INSIDE)) == []


def test_arms_that_need_the_same_values_run_together(study: Any) -> None:
    low = {0.1: 0.9, 0.2: 0.8, 0.4: 0.7}
    (trial,) = trials(study("", "at: {epoch: 2}, "), runs_of({"a": low, "b": low}))
    assert (trial.arms, trial.over, trial.values) == (("a", "b"), "lr", (0.05,))


def test_an_arm_is_tuned_at_the_moment_of_the_claim(study: Any) -> None:
    tables = runs_of(INSIDE)
    early = tables.metrics["epoch"] == 2
    tables.metrics.loc[early, "validation_accuracy"] = 1 - abs(tables.metrics["lr"] - 0.2)
    early, last = judge(study("at: {epoch: 2}, ", ""), tables)
    assert "b at lr 0.2" in early.protocol
    assert "b at lr 0.4" in last.protocol


def test_a_map_has_the_values_of_the_study_and_keeps_the_best_over_epochs(study: Any) -> None:
    cells = maps(study("map: [lr], ", "map: [epoch], "), runs_of(INSIDE))
    assert tuple(cells[cells["claim"] == "c0"]["lr"]) == OWN
    assert cells[cells["claim"] == "c1"]["n"].tolist() == [len(SEEDS)] * 5
    own = study().own(runs_of(INSIDE).runs)
    assert sorted(own["lr"].unique()) == list(OWN)


@pytest.mark.slow
def test_a_figure_shows_every_value_tried_and_the_best(study: Any) -> None:
    tables, one = runs_of(INSIDE), study("", "at: {epoch: 2}, ")
    drawn = {p.name: (p, c) for p, c in claim_pictures(one, judge(one, tables), tables)}
    picture, claims = drawn["tuning-lr-validation_accuracy"]
    assert claims == ("c0", "c1")
    assert [ax.get_title("left") for ax in picture.figure.axes][:2] == ["a: lr 0.2", "b: lr 0.4"]
    table = picture.table.set_index(["arm", "lr"])
    assert list(table.loc["b"].index) == [0.1, 0.2, 0.4, 0.8]
    assert table.index[table["best"]].tolist()[:2] == [("a", 0.2), ("b", 0.4)]
    assert table.index[table["added"]].tolist()[0] == ("b", 0.8)
    assert "a at 0.2, b at 0.4" in picture.alt
    assert_within(picture.figure)
