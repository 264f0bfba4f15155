"""``evaluate_at=auto``: the first steps are measured where losses or rates are compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnexp.cli import app
from nnexp.config.composition import set_up
from nnexp.config.early_evaluations import STEPS
from nnexp.config.run_config import RunConfig

TINY = ["data=blobs", "hidden=3", "batch_size=10"]


def planned(*words: str) -> list[RunConfig]:
    set_up()
    return [job.config for job in app.plan([*TINY, *words])[0]]


def steps(*words: str) -> set[tuple[int, ...]]:
    return {config.evaluate_at for config in planned(*words)}


@pytest.mark.parametrize(
    "words",
    [
        ["lr=0.1,0.5"],
        ["loss=mse,cross_entropy"],
        ["loss=mse", "loss.reduction=mean,sum"],
        ["loss=mse,cross_entropy", "lr=0.1,0.5", "tune=lr"],
    ],
    ids=" ".join,
)
def test_the_start_of_compared_losses_and_rates_is_measured(words: list[str]) -> None:
    assert steps(*words) == {STEPS}


@pytest.mark.parametrize(
    "words",
    [
        ["lr=0.5"],
        ["init=xavier,he", "seed=0,1"],
        ["lr=0.1,0.5", "evaluate_at=[]"],
        ["init=xavier,he", "lr=0.1,0.5", "tune=lr"],  # arms are compared, not rates
    ],
    ids=" ".join,
)
def test_without_such_a_comparison_nothing_changes(words: list[str]) -> None:
    assert steps(*words) == {()}


@pytest.mark.slow
def test_a_run_is_that_of_the_same_list_of_steps() -> None:
    auto = planned("lr=0.1,0.5")
    listed = planned("lr=0.1,0.5", f"evaluate_at=[{','.join(map(str, STEPS))}]")
    assert [run.run_id() for run in auto] == [run.run_id() for run in listed]
    none = planned("lr=0.1,0.5", "evaluate_at=[]")
    assert {run.run_id() for run in none}.isdisjoint(run.run_id() for run in auto)


def test_all_runs_have_the_steps_of_the_shortest() -> None:
    assert steps("lr=0.1,0.5", "epochs=null", "steps=12,300") == {(1, 2, 5, 10)}


def test_a_study_measures_at_the_steps_that_it_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("experiments").mkdir()
    experiment = "# @package _global_\narms: {a: [lr=0.1], b: [lr=0.5]}\n"
    sweep = "hydra: {sweeper: {params: {arm: all}}}\n"
    Path("experiments/plain.yaml").write_text(experiment + sweep, "utf-8")
    Path("experiments/judged.yaml").write_text(
        experiment + sweep + "study: {title: Rates}\n", "utf-8"
    )
    assert steps("+experiments=plain") == {STEPS}
    assert steps("+experiments=judged") == {()}
