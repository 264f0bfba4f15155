"""`nnexp.sweep` gives what the command gives, and a `Sweep` to look at it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import nnexp
from nnexp.errors import InputError
from nnexp.notebook.arguments import Words
from nnexp.notebook.frames import typed
from nnexp.notebook.sweep import Sweep
from nnexp.store.tables import tables
from tests import ROOT
from tests.conftest import Command

# One worker trains in this process, which is quicker than to start another.
TINY: dict[str, Any] = {"data": "xor", "hidden": 3, "steps": 2, "workers": 1}
WORDS = ("data=xor", "hidden=3", "steps=2", "hydra.launcher.workers=1")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """A sweep that several tests look at."""
    store = tmp_path_factory.mktemp("store")
    return nnexp.sweep(**TINY, init=["xavier", "zero"], seed=range(6), store=store)


def run_ids(store: str = "results/runs") -> set[str]:
    """The finished runs: a record is written in a hidden folder, then renamed."""
    return {path.parent.name for path in Path(store).glob("[!.]*/run.json")}


@pytest.mark.slow
def test_a_sweep_is_that_of_the_command(quick: Command) -> None:
    swept = nnexp.sweep(
        **TINY,
        init=["xavier", "normal"],
        lr=(0.1, np.float64(1)),
        seed=[0],
        evaluate_at=(1, 2),
        evaluate_every="1 step",
    )
    outcome = quick(
        *("-m", *WORDS, "init=xavier,normal", "lr=0.1,1", "seed=0", "out=page"),
        *("evaluate_at=[1,2]", "evaluate_every='1 step'"),
    )
    assert outcome.status == 0
    assert "4 of 4 already in the store" in outcome.err
    assert run_ids() == set(swept.runs["run_id"])
    mine = swept.runs.drop(columns="reused")
    pd.testing.assert_frame_equal(nnexp.load("page").runs.drop(columns="reused"), mine)
    pd.testing.assert_frame_equal(nnexp.load("page").metrics, swept.metrics)
    pd.testing.assert_frame_equal(nnexp.load("page").layers, swept.layers)


def test_settings_may_change_together() -> None:
    pairs = {"init": ["xavier", "he"], "activation": ["tanh", "relu"]}
    swept = nnexp.sweep(**TINY, **pairs, pair=["init", "activation"])
    assert swept.runs[["init", "activation"]].values.tolist() == [
        ["xavier", "tanh"],
        ["he", "relu"],
    ]
    assert Words({"pair": [("a", "b"), ["c", "d"]]}, Path()).list == ["pair=[[a,b],[c,d]]"]
    with pytest.raises(InputError, match="init has 2 values and lr has 3: give as many of each"):
        nnexp.sweep(**TINY, init=["xavier", "he"], lr=[1, 2, 3], pair=("init", "lr"))


def test_a_list_may_have_choices_with_parameters() -> None:
    def scaled(rng: Any, fan_in: int, fan_out: int, size: float = 1) -> Any:
        return size * rng.standard_normal((fan_in, fan_out))

    choices = ["zero", {"name": "normal", "std": (0.1, 1)}, {"name": scaled, "size": 1e-5}]
    found = nnexp.sweep(**TINY, init=choices, optimizer=[{"name": "momentum", "momentum": 0.5}])
    assert list(found.summary["arm"]) == [
        *("zero", "normal (std 0.1)", "normal (std 1)", "scaled"),
    ]
    assert set(found.runs["optimizer.momentum"]) == {0.5}


@pytest.mark.slow
def test_a_second_call_trains_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    first = nnexp.sweep(**TINY, seed=[1, 2])
    capsys.readouterr()
    again = nnexp.sweep(**TINY, seed=[1, 2, 3])
    assert "2 of 3 already in the store" in capsys.readouterr().err
    assert again.runs["reused"].tolist() == [True, True, False]
    assert set(first.runs["run_id"]) < set(again.runs["run_id"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hidden": (50, 20)}, ["hidden=50x20"]),
        ({"hidden": [50, (50, 20), ()]}, ["hidden=50,50x20,none"]),
        ({"lr": (0.1, 1)}, ["lr=0.1,1"]),
        ({"lr": np.array([0.5, 2])}, ["lr=0.5,2.0"]),
        ({"seed": range(2, 8, 3)}, ["seed=range(2,8,3)"]),
        ({"batch_size": ["full", 10], "quirk": None}, ["batch_size=full,10", "quirk=null"]),
        ({"init": {"name": "normal", "std": [0.1, 1]}}, ["init=normal", "init.std=0.1,1"]),
        (
            {"init": ["he", {"name": "normal", "std": [0.1, 1]}]},
            ["init=he,{name:normal,std:0.1},{name:normal,std:1}"],
        ),
        ({"data.first": 5, "force": True}, ["data.first=5", "force=true"]),
        ({"evaluate_every": "100 steps"}, ["evaluate_every='100 steps'"]),
        ({"tune": ("lr",)}, ["tune=[lr]"]),
        ({"tune": ["lr", "init.std"]}, ["tune=[lr,init.std]"]),
        ({"evaluate_at": (0, 5), "experiments": "xor"}, ["evaluate_at=[0,5]", "+experiments=xor"]),
    ],
)
def test_the_words_of_settings(settings: dict[str, Any], words: list[str]) -> None:
    assert Words(settings, Path("store")).list == words


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": [-1]}, "lr=-1 is invalid: give a number above 0"),
        ({"lr": []}, "lr=[] has no values to sweep: give at least one"),
        ({"lr": "0.1,0.5"}, "lr=0.1,0.5"),
        ({"learning_rate": 0.1}, "did you mean 'lr'?"),
        ({"init": "kaiming"}, "did you mean 'he'?"),
        ({"init": ["he", {"std": 1}]}, "init={'std': 1} has no name"),
        ({"init": ["xavier", {"name": "he", "std": 1}]}, "init=he has no parameter 'std'"),
        ({"lr": [{"name": 1}]}, "lr={'name': 1} is not a setting"),
        ({"momentum": 0.9}, "write optimizer=momentum optimizer.momentum=0.9"),
        ({"seed": object()}, "is not a setting: give a number, a text"),
        ({"optimizer": len}, "optimizer cannot be a function: only init,"),
        ({"~lr": 1}, "'~lr' is not a key"),
        ({"store": 5}, "store=5 is not a folder"),
        ({"workers": -1}, "give a whole number from 1 to 1024"),
        ({"init": lambda rng, i, o: rng.random((i, o)), "lr": 0}, "give a number above 0"),
    ],
)
def test_bad_settings_are_refused_and_nothing_is_written(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as refused:
        nnexp.sweep(**{"out": "page", **TINY, **settings})
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert list(Path().iterdir()) == []


@pytest.mark.slow
def test_tables_have_types_and_an_index_that_pairs_the_arms(sweep: Sweep) -> None:
    assert sweep.runs.columns[0] == "arm"
    types = sweep.runs.dtypes.astype(str)
    shown = ["arm", "status", "hidden", "lr", "steps", "epochs", "test_accuracy", "reused"]
    whole = ["int64", "Int64"]
    assert types[shown].tolist() == ["category"] * 3 + ["float64", *whole, "float64", "bool"]
    paired = sweep.runs.pivot(columns="arm", values="test_accuracy")
    assert paired.index.tolist() == [*range(6)]
    assert paired.columns.tolist() == ["xavier", "zero"]
    curves = sweep.metrics.pivot(columns="arm", values="test_loss").groupby("step").mean()
    assert curves.shape == (3, 2)
    assert sweep.layers.index.names == ["seed", "step", "layer"]
    runs, metrics, layers = sweep
    assert (len(runs), len(metrics), len(layers)) == (12, 36, 72)
    assert sweep.summary["arm"].tolist() == ["xavier", "zero"]
    assert sweep.effects["n"].tolist() == [6]


def test_a_table_without_any_finished_run_has_its_index() -> None:
    empty = tables([])._replace(runs=pd.DataFrame({"run_id": ["a"], "seed": [1], "arm": ["x"]}))
    assert typed(empty.metrics.assign(arm=[]), ["seed", "step"]).index.names == ["seed", "step"]


def test_findings_figures_and_words(sweep: Sweep) -> None:
    assert all(finding.startswith("Final test accuracy: ") for finding in sweep.findings)
    assert {"accuracy", "loss", "final", "differences"} <= set(sweep.figures)
    figure = sweep.plot("final")
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"unknown figure 'acuracy': did you mean 'accuracy'\?"):
        sweep.plot("acuracy")
    assert repr(sweep) == "<Sweep: Comparing init: xavier, zero; 12 runs finished>"
    assert "Comparing init: xavier, zero" in sweep._repr_html_()
    assert len(sweep._repr_html_()) < 3000


@pytest.mark.slow
@pytest.mark.usefixtures("one_figure")
def test_a_page_is_written_once(sweep: Sweep) -> None:
    page = sweep.page("page")
    assert Path(page) == Path("page/index.html")
    assert "python -m nnexp -m data=xor hidden=3 steps=2" in Path(page).read_text("utf-8")
    assert page._repr_html_().startswith("<iframe srcdoc=")
    written = Path(page).stat().st_mtime_ns
    assert sweep.page() == nnexp.load("page").page() == page
    assert Path(page).stat().st_mtime_ns == written


@pytest.mark.slow
@pytest.mark.usefixtures("one_figure")
def test_a_page_of_a_loaded_sweep_keeps_its_film() -> None:
    own = {**TINY, "evaluate_every": "1 step", "snapshots": True}
    nnexp.sweep(**own, init=["xavier", "zero"]).page("page")
    shutil.rmtree("results")
    nnexp.load("page").page("other")
    assert Path("other/animation.gif").read_bytes() == Path("page/animation.gif").read_bytes()
    films = []
    for page in ("page", "other"):
        text = Path(page, "index.html").read_text("utf-8")
        films.append(json.loads(re.findall(r'id="frames">(.*?)</script>', text)[0]))
    assert films[0]["labels"] == films[1]["labels"]
    assert [len(film["pictures"]) for film in films] == [3, 3]


@pytest.mark.slow
@pytest.mark.usefixtures("one_figure")
def test_a_tuned_sweep_has_its_trials(sweep: Sweep) -> None:
    own: dict[str, Any] = {"data": "blobs", "data.n": 50, "lr": [0.1, 1], "workers": 1}
    swept = nnexp.sweep(**own, steps=2, batch_size=9, init=["xavier", "he"], tune="lr", seed=[0, 1])
    assert len(swept.runs) == 4
    assert swept.tuning.index.tolist() == [1000, 1001] * 4
    assert swept.tuning.groupby("arm", observed=True)["chosen"].sum().tolist() == [2, 2]
    assert "each at its best lr" in repr(swept)
    assert any("try" in finding for finding in swept.findings)
    swept.page("page")
    loaded = nnexp.load("page")
    pd.testing.assert_frame_equal(loaded.tuning, swept.tuning)
    assert loaded.findings == swept.findings
    assert sweep.tuning.empty


@pytest.mark.slow
def test_a_store_is_loaded_and_filtered() -> None:
    nnexp.sweep(**TINY, init=["xavier", "he"], seed=range(2))
    assert len(nnexp.load("results/runs").runs) == 4
    some = nnexp.load("results/runs", init="he", lr=0.5, seed=range(1, 3))
    assert some.runs.index.tolist() == [1]
    assert len(nnexp.load(Path("results/runs") / some.runs["run_id"].iloc[0]).runs) == 1
    with pytest.raises(InputError, match=r"no finished run in .* matches init=zero"):
        nnexp.load("results/runs", init="zero")
    with pytest.raises(InputError, match="or a store of runs"):
        nnexp.load(".")


def test_failed_runs_are_recorded_and_warned_about() -> None:
    def fails(rng: Any, fan_in: int, fan_out: int) -> Any:
        raise RuntimeError("it rained")

    with pytest.warns(RuntimeWarning, match=r"1 of 2 runs failed, the first with .*it rained"):
        swept = nnexp.sweep(**TINY, init=["xavier", fails])
    assert swept.runs["status"].tolist() == ["finished", "failed"]
    assert "1 run finished, 1 failed" in repr(swept)


def test_an_interrupt_keeps_the_finished_runs() -> None:
    def interrupted(rng: Any, fan_in: int, fan_out: int) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="Finished runs are saved"):
        nnexp.sweep(**TINY, init=["xavier", interrupted])
    assert len(run_ids()) == 1


def test_a_notebook_shows_a_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    handle = SimpleNamespace(update=shown.append)
    # IPython is not installed for tests.
    display = SimpleNamespace(HTML=str, display=lambda text, display_id: handle)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    nnexp.sweep(**TINY, init=["xavier", "he"])
    assert '<progress value="0" max="2"' in shown[0]
    assert '<progress value="2" max="2"' in shown[-1]
    assert "2 of 2 done, 0 left" in shown[-1]


# Functions.


@pytest.mark.slow
def test_functions_and_lambdas_are_settings_with_parameters() -> None:
    def scaled(rng: np.random.Generator, fan_in: int, fan_out: int, std: float = 2.0) -> Any:
        return np.sqrt(rng.random((fan_in, fan_out))) * std

    ones = nnexp.sweep(**TINY, init=[scaled, lambda rng, i, o: np.ones((i, o))])
    names = [arm.partition("_")[0] for arm in ones.runs["arm"]]
    assert names == ["scaled", "lambda"]
    assert ones.runs["init.source"].nunique() == 2
    swept = nnexp.sweep(**TINY, init=scaled, **{"init.std": [1.0, 2.0]})
    assert swept.runs["reused"].tolist() == [False, True]
    assert swept.runs["arm"].tolist() == ["scaled (std 1)", "scaled (std 2)"]


@pytest.mark.slow
def test_a_function_of_a_module_is_that_of_the_command(
    quick: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("own_module.py").write_text("def f(rng, i, o):\n    return rng.random((i, o))\n")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    import own_module  # type: ignore[import-not-found]

    swept = nnexp.sweep(**TINY, init=own_module.f)
    assert quick(*WORDS, "init=own_module.py:f", "out=page").status == 0
    assert run_ids() == set(swept.runs["run_id"])


# Processes.

SCRIPT = """
import nnexp
def mine(rng, i, o):
    return rng.random((i, o))
{guard}
    sweep = nnexp.sweep(init=["he", mine], seed=range({seeds}), {length}, hidden=3, data="xor")
    print(len(sweep.runs), set(sweep.runs["status"]))
"""


def start(
    guard: str = "if True:", seeds: int = 2, length: str = "steps=2"
) -> subprocess.Popen[str]:
    Path("script.py").write_text(SCRIPT.format(guard=guard, seeds=seeds, length=length))
    return subprocess.Popen(
        [sys.executable, "script.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("guard", ['if __name__ == "__main__":', "if True:"])
def test_a_script_with_and_without_a_guard(guard: str) -> None:
    out, err = start(guard).communicate()
    assert out == "4 {'finished'}\n", err


@pytest.mark.slow
@pytest.mark.serial
def test_a_script_ends_soon_after_ctrl_c() -> None:
    with start(seeds=200, length="epochs=300") as process:
        while not run_ids() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        _, err = process.communicate()
    assert time.monotonic() - begun < 2
    assert err.strip().endswith(
        "KeyboardInterrupt: Interrupted. Finished runs are saved; rerun to resume."
    )
    assert nnexp.load("results/runs").runs["status"].eq("finished").all()
