"""Settings that change together: which points they give, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from nnexp.config.experiment_file import design
from tests.conftest import Command

TINY = ("data=blobs", "data.n=20", "hidden=2", "batch_size=10", "hydra.launcher.workers=1")
SMALL = (*TINY, "steps=1")
PAIR = ("init=lecun,he", "activation=sigmoid,relu")


def arms(folder: str) -> list[tuple[object, ...]]:
    runs = pd.read_csv(Path(folder) / "runs.csv")
    return [*runs[["init", "activation", "lr"]].itertuples(index=False, name=None)]


@pytest.mark.slow
def test_paired_settings_change_together_and_form_a_grid_with_the_others(quick: Command) -> None:
    done = quick("-m", *SMALL, *PAIR, "lr=0.1,0.5", "pair=[init,activation]", "out=o")
    assert done.status == 0, done.err
    assert arms("o") == [
        ("lecun", "sigmoid", 0.1),
        ("lecun", "sigmoid", 0.5),
        ("he", "relu", 0.1),
        ("he", "relu", 0.5),
    ]
    # The same settings in a grid are the same runs: ``pair`` is not part of them.
    again = quick("-m", *SMALL, *PAIR, "lr=0.1,0.5", "out=p")
    assert again.status == 0, again.err
    assert pd.read_csv("p/runs.csv")["reused"].sum() == 4


def test_there_may_be_several_groups_and_ranges(quick: Command) -> None:
    groups = "pair=[[init,lr],[activation,epochs]]"
    words = ("init=lecun,he", "lr=range(1,3)", "activation=relu,tanh", "epochs=1,2", groups)
    done = quick("-m", *TINY, *words, "out=o")
    assert done.status == 0, done.err
    pairs = [("lecun", "relu", 1), ("lecun", "tanh", 1), ("he", "relu", 2), ("he", "tanh", 2)]
    assert arms("o") == pairs
    assert pd.read_csv("o/runs.csv")["epochs"].tolist() == [1, 2, 1, 2]


def test_an_experiment_may_have_pairs(quick: Command) -> None:
    Path("experiments").mkdir()
    Path("experiments/mine.yaml").write_text(
        "pair: [init, activation]\n"
        "hydra: {sweeper: {params: {init: 'lecun,he', activation: 'sigmoid,relu'}}}\n",
        "utf-8",
    )
    done = quick("-m", "+experiments=mine", *SMALL, "out=o")
    assert done.status == 0, done.err
    assert [arm[:2] for arm in arms("o")] == [("lecun", "sigmoid"), ("he", "relu")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("init=lecun,he", "lr=1,2,3", "pair=[init,lr]"),
            "pair=[init,lr]: init has 2 values and lr has 3: give as many of each",
        ),
        (("init=lecun,he", "pair=[init,lr]"), "lr is not swept: give it several values"),
        (("init=lecun,he", "lr=1", "pair=[init,lr]"), "lr is not swept: give it several values"),
        (("init=lecun,he", "lr=1,2", "pair=init,lr"), "is not a list: write 'pair=[init,lr]'"),
        (("init=lecun,he", "lr=1,2", "pair=init"), "pair=init is not a list of settings: give two"),
        (("init=lecun,he", "lr=1,2", "pair=[init]"), "pair=[init] is not a list of settings"),
        (("lr=1,2", "pair=[]"), "pair=[] is not a list of settings"),
        (("lr=1,2", "pair=[[init,lr],[lr,epochs]]"), "has 'lr' twice: give it once"),
        (("lr=1,2", "seed=1,2", "pair=[lr,seed]"), "has the seed, by which arms are compared"),
    ],
)
def test_what_cannot_be_paired_is_refused(
    quick: Command, words: tuple[str, ...], said: str
) -> None:
    done = quick("-m", *SMALL, *words, "out=o")
    assert done.status == 2
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not Path("o").exists()


def test_a_claim_selects_runs_by_one_setting_of_a_pair() -> None:
    params = {"init": "lecun,he", "activation": "sigmoid,relu", "lr": "0.1,1"}
    content = {"pair": ["init", "activation"], "hydra": {"sweeper": {"params": params}}}
    own = design(content, {})
    assert own.flaw({"activation": "relu", "lr": 1}, ()) == ""
    assert "init is swept" in own.flaw({"lr": 1}, ())
    assert "lr is swept" in own.flaw({"init": "he"}, ())
