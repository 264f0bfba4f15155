"""``tune=lr`` compares each arm at its best value, chosen on other seeds by held-out examples."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

from nnexp.cli import app
from nnexp.config.run_config import RunConfig
from nnexp.training.trainer import Trainer
from tests.conftest import Command, Outcome, without_pages

# Small steps learn nothing in so few of them, so the best rates are known.
TINY = (
    *("-m", "data=blobs", "data.n=100", "hidden=4", "steps=20", "batch_size=10"),
    *("evaluate_every=none", "hydra.launcher.workers=1", "out=out"),
)
SWEEP = (*TINY, "activation=sigmoid,tanh", "lr=0.0001,1", "seed=0,1", "tune=lr")


class Tuned(NamedTuple):
    """A sweep that was tuned, and the runs that it trained."""

    outcome: Outcome
    trials: pd.DataFrame
    runs: pd.DataFrame
    trained: list[RunConfig]


def table(name: str = "tuning") -> pd.DataFrame:
    return pd.read_csv(f"out/{name}.csv")


@contextmanager
def counted() -> Iterator[list[RunConfig]]:
    """Note the settings of each run that trains inside the block."""
    runs: list[RunConfig] = []
    made = Trainer.__init__

    def noted(self: Trainer, config: RunConfig, *rest: Any) -> None:
        runs.append(config)
        made(self, config, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "__init__", noted)
        yield runs


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """A sweep that several tests look at."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, counted() as trained:
        patch.chdir(tmp_path_factory.mktemp("tuned"))
        without_pages(patch)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = app.main(list(SWEEP))
        outcome = Outcome(status, out.getvalue(), err.getvalue())
        return Tuned(outcome, table(), table("runs"), trained)


@pytest.mark.slow
def test_the_best_of_each_arm_is_compared_on_other_seeds(tuned: Tuned) -> None:
    assert tuned.outcome.status == 0, tuned.outcome.err
    trials, runs = tuned.trials, tuned.runs
    assert (len(trials), len(tuned.trained)) == (8, 12)
    assert sorted(trials["seed"].unique()) == [1000, 1001]
    assert sorted(runs["seed"]) == [0, 0, 1, 1]
    means = trials.groupby(["activation", "lr"])["validation_accuracy"].mean().unstack()
    best = means.idxmax(axis=1).to_dict()
    assert dict(zip(runs["activation"], runs["lr"], strict=True)) == best
    chosen = trials[trials["chosen"]]
    assert dict(zip(chosen["activation"], chosen["lr"], strict=True)) == best
    assert len(chosen) == 4
    assert set(trials["tuned"]) == {"lr"}


def test_a_tuned_sweep_says_what_it_does(tuned: Tuned) -> None:
    assert "note: 8 trials tune lr, with seeds 1000 to 1001;" in tuned.outcome.err
    assert "best: activation=sigmoid lr=1 and activation=tanh lr=1" in tuned.outcome.err
    assert "note    Tuning: sigmoid and tanh are best at lr 1, the largest" in tuned.outcome.out


def test_a_tenth_is_held_out_of_all_runs(tuned: Tuned) -> None:
    note = "note: 10 of 100 training examples of data=blobs are held out to tune by; "
    assert note in tuned.outcome.err
    assert {*tuned.trials["data.validation"], *tuned.runs["data.validation"]} == {10}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "values", "default"),
    [
        ("init.gain", ["0.5", "1.0", "2.0"], 1.0),
        ("schedule", ["constant", "cosine"], "constant"),
        ("dropout", ["0.0", "0.4"], 0.0),
        ("pruning", ["none", "rewind"], "none"),
    ],
)
def test_a_value_that_is_the_default_is_a_value_like_others(
    quick: Command, setting: str, values: list[str], default: float | str
) -> None:
    given = f"{setting}={','.join(values)}"
    outcome = quick(*TINY, given, "activation=sigmoid,tanh", "seed=0,1", f"tune={setting}")
    assert outcome.status == 0, outcome.err
    trials = table()
    assert set(trials[setting].astype(str)) == set(values)
    assert len(trials) == 2 * 2 * len(values)
    best = trials[trials["chosen"]].groupby("activation")[setting].unique()
    runs = table("runs")
    assert len(runs) == 4
    for activation, (value,) in best.items():
        own = runs[runs["activation"] == activation]
        assert set(own.get(setting, pd.Series(default, own.index))) == {value}


@pytest.mark.slow
def test_the_user_says_how_many_are_held_out(quick: Command) -> None:
    for given in ("data.validation_last=30", "data.validation=30"):
        assert "held out" not in quick(*SWEEP, given).err
    assert {*table()["data.validation"], *table("runs")["data.validation"]} == {30}


@pytest.mark.slow
def test_trials_are_ordinary_runs_of_the_store(quick: Command) -> None:
    quick(*SWEEP)
    with counted() as trained:
        fixed = ("activation=tanh", "lr=1", "seed=0,1,1000,1001", "data.validation=10")
        assert "4 of 4 already in the store" in quick(*TINY, *fixed).err
        assert "8 of 8 already in the store" in quick(*SWEEP).err
        assert trained == []
        quick(*(w.replace("seed=0,1", "seed=0,1,2") for w in SWEEP))
    assert {config.seed for config in trained} == {2, 1002}


@pytest.mark.slow
def test_several_settings_are_tuned_together(quick: Command) -> None:
    words = (*TINY[:5], *TINY[6:], "lr=0.0001,1", "batch_size=10,full", "tune=[lr,batch_size]")
    assert quick(*words, "init=xavier,he").status == 0
    trials, runs = table(), table("runs")
    assert len(trials) == 8
    assert len(runs) == 2
    assert trials["chosen"].sum() == 2
    best = trials.loc[trials.groupby("init")["validation_accuracy"].idxmax()]
    if (
        best["validation_accuracy"].tolist()
        == trials[trials["chosen"]]["validation_accuracy"].tolist()
    ):
        assert len(best) == 2
    assert set(trials["tuned"]) == {"lr batch_size"}


@pytest.mark.slow
def test_named_arms_and_experiments_are_tuned(quick: Command) -> None:
    Path("experiments").mkdir()
    Path("experiments/mine.yaml").write_text(
        "# @package _global_\ntune: lr\narms:\n  small: [hidden=2]\n  large: [hidden=6]\n"
        "hydra: {sweeper: {params: {arm: all, lr: '0.0001,1'}}}\n"
    )
    outcome = quick(*(w for w in TINY if "hidden" not in w), "+experiments=mine")
    assert outcome.status == 0, outcome.err
    assert table("runs")["arm"].tolist() == ["small", "large"]
    assert table()["arm"].tolist() == ["small", "small", "large", "large"]
    assert "best: arm=small lr=" in outcome.err


@pytest.mark.slow
def test_failed_trials_are_recorded_and_never_chosen(quick: Command) -> None:
    Path("mine.py").write_text(
        "def init(rng, i, o, size=1.0):\n"
        "    assert size < 5, 'too large'\n"
        "    return size * rng.standard_normal((i, o))\n"
    )
    words = (*TINY, "init=mine.py:init", "init.size=0.001,1,9", "tune=init.size")
    outcome = quick(*words)
    assert outcome.status == 1
    assert table()["status"].tolist() == ["finished", "finished", "failed"]
    assert table("runs")["status"].tolist() == ["finished"]
    assert "AssertionError: too large" in outcome.out
    stopped = quick(*words, "on_error=stop", "store=other", "seed=range(2)")
    assert stopped.status == 1
    assert "a trial failed, and 1 of 6 trials were not run, as on_error=stop" in stopped.err


@pytest.mark.slow
def test_diverged_trials_are_said_where_there_are_no_others(quick: Command) -> None:
    words = ("init=constant", "init.value=1e38", "lr=0.1,1", "tune=lr", "optimizer=sgd,adam")
    outcome = quick(*TINY, *words)
    assert outcome.status == 0, outcome.err
    assert set(table()["status"]) == set(table("runs")["status"]) == {"diverged"}
    assert "Trials of sgd diverged or failed at every lr; it is compared at 0.1" in outcome.out


@pytest.mark.slow
def test_a_sweep_over_rates_says_what_it_averages_over(quick: Command) -> None:
    outcome = quick(*SWEEP[:-1])
    assert "note    Effects are averaged over lr = 0.0001 and 1; tune=lr compares" in outcome.out
    assert not Path("out/tuning.csv").exists()
    assert "averaged" not in quick(*TINY, "lr=0.0001,1", "seed=0,1").out


@pytest.mark.slow
def test_an_arm_with_one_value_is_refused(quick: Command) -> None:
    Path("experiments").mkdir()
    Path("experiments/mine.yaml").write_text(
        "# @package _global_\nweight_decay: ${lr}\nhydra: {sweeper: {params: {lr: '0.1,1'}}}\n"
    )
    outcome = quick(*TINY, "+experiments=mine", "tune=lr")
    assert outcome.status == 2
    assert "an arm has only lr=0.1, as lr changes together with another setting" in outcome.err
