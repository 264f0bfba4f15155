"""Sweepers of other packages get validation losses, see failures, and end in the usual tables."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pandas as pd
import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper

import hydra_plugins
from nnexp import sweep
from nnexp.cli.search import TrialFailed, objective
from nnexp.store.record import DIVERGED, FINISHED, Record
from tests.conftest import Command, Outcome

Points = list[list[str]]
Plan = Generator[Points, Sequence[JobReturn], None]

WORDS = ("-m", "hydra/sweeper=planned", "data=blobs", "data.n=60", "data.validation=12")
WORDS += ("hidden=3", "batch_size=full", "steps=2", "out=page", "hydra.launcher.workers=1")
WILD = ["init=normal", "init.std=1e38", "activation=identity"]


class Planned(Sweeper):
    """A sweeper that launches the batches of ``plan``, which gets the outcomes of each."""

    plan: ClassVar[Callable[[], Plan]]
    __module__ = "hydra_plugins.planned"

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Make the launcher."""
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Launch each batch, and write a file as other sweepers do."""
        plan, outcomes = Planned.plan(), None
        while True:
            try:
                batch = plan.send(outcomes) if outcomes else next(plan)
            except StopIteration:
                break
            outcomes = self.launcher.launch([[*arguments, *point] for point in batch], 0)
        (Path(self.config.hydra.sweep.dir) / "best.yaml").write_text("own: file\n")


@pytest.fixture(autouse=True)
def choose(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Plan]], None]:
    """Set the plan of the sweeper."""
    module = ModuleType(Planned.__module__)
    module.Planned = Planned  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(hydra_plugins, "planned", module, raising=False)
    Plugins.instance().register(Planned)
    node = {"_target_": "hydra_plugins.planned.Planned"}
    ConfigStore.instance().store(group="hydra/sweeper", name="planned", node=node)
    return lambda plan: monkeypatch.setattr(Planned, "plan", staticmethod(plan), raising=False)


@pytest.fixture
def planned(choose: Callable[[Callable[[], Plan]], None], quick: Command) -> Callable[..., Outcome]:
    """Run a sweep whose points a plan chooses."""

    def run(plan: Callable[[], Plan], *words: str) -> Outcome:
        choose(plan)
        return quick(*WORDS, *words)

    return run


@pytest.mark.slow
def test_the_objective_is_the_validation_loss(planned: Callable[..., Outcome]) -> None:
    seen: list[JobReturn] = []

    def plan() -> Plan:
        seen.extend((yield [["lr=0.1"], ["lr=1"], ["lr=0.1"]]))  # a point twice
        seen.extend((yield [["lr=1"], ["lr=2"]]))

    first = planned(plan)
    assert first.status == 0
    runs = pd.read_csv("page/runs.csv").set_index("lr")
    assert list(runs.index) == [0.1, 1, 2]
    assert [o.return_value for o in seen] == [*runs.validation_loss[[0.1, 1, 0.1, 1, 2]]]
    assert "lr=2" in seen[-1].overrides
    best = runs["validation_loss"].idxmin()
    assert f"best    validation loss {runs.validation_loss[best]:.4g}" in first.out
    assert runs["run_id"][best] in first.out.splitlines()[-1]
    assert Path("page/best.yaml").exists()  # the sweeper's own file
    assert planned(plan).status == 0  # into the same folder
    assert list(pd.read_csv("page/runs.csv")["reused"]) == [True] * 3


def test_a_sequential_sweeper_chooses_by_earlier_losses(planned: Callable[..., Outcome]) -> None:
    def plan() -> Plan:
        losses = {}
        for lr in (0.1, 5.0):
            [outcome] = yield [[f"lr={lr}"]]
            losses[lr] = outcome.return_value
        yield [[f"lr={1.5 * min(losses, key=losses.__getitem__)}"]]

    assert planned(plan).status == 0
    runs = pd.read_csv("page/runs.csv").set_index("lr")["validation_loss"]
    assert len(runs) == 3
    assert runs.index[2] == 1.5 * runs.iloc[:2].idxmin()


@pytest.mark.slow
def test_a_diverged_run_has_an_infinite_loss_and_a_failed_run_fails(
    planned: Callable[..., Outcome],
) -> None:
    seen: list[JobReturn] = []
    broken = "def broken(rng, fan_in, fan_out):\n    raise RuntimeError('no luck')\n"
    Path("mine.py").write_text(broken)

    def plan() -> Plan:
        seen.extend((yield [["lr=1"], WILD, ["init=mine.py:broken"]]))

    assert planned(plan).status == 1
    assert [o.status for o in seen] == [JobStatus.COMPLETED] * 2 + [JobStatus.FAILED]
    assert math.isfinite(seen[0].return_value)
    assert seen[1].return_value == math.inf
    with pytest.raises(TrialFailed, match="RuntimeError: no luck"):
        seen[2].return_value  # noqa: B018
    assert list(pd.read_csv("page/runs.csv")["status"]) == ["finished", "diverged", "failed"]

    def stopping() -> Plan:
        [failed] = yield [["init=mine.py:broken"]]
        assert failed.return_value

    outcome = planned(stopping)
    assert outcome.status == 1
    assert "nnexp: hydra/sweeper=planned stopped: blobs-broken" in outcome.err
    assert list(pd.read_csv("page/runs.csv")["status"]) == ["failed"]

    def going_on() -> Plan:
        yield [["init=mine.py:broken"]]
        yield [["lr=0.3"]]

    assert planned(going_on, "on_error=stop").status == 1
    assert len(pd.read_csv("page/runs.csv")) == 1


def test_a_run_that_diverged_in_training_alone_has_an_infinite_loss() -> None:
    row = {"validation_loss": 1.5, "test_loss": 1.5}
    record = Record("run", {}, {}, FINISHED, [row], [], 0.0)
    assert objective(record) == 1.5
    assert objective(replace(record, status=DIVERGED)) == math.inf


def invalid() -> Plan:
    yield [["lr=0.1"], ["lr=-1"]]


def confused() -> Plan:
    raise ValueError("a bad search space")
    yield


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "plan", "message"),
    [
        (["data.validation=0"], invalid, "no examples are held out: give data.validation=N"),
        (["-m"], invalid, "hydra/sweeper=planned is for sweeps: add -m"),
        (["hydra/launcher=basic", "hydra.launcher.workers"], invalid, "give hydra/launcher=local"),
        (["on_error=maybe"], invalid, "unknown on_error 'maybe'"),
        (["pair=[lr,init]"], invalid, "needs nnexp's sweeper: leave out hydra/sweeper=planned"),
        (["tune=lr"], invalid, "tune=lr needs nnexp's sweeper: leave out hydra/sweeper=planned"),
        (["store=''"], invalid, "store= is not a folder"),
        (["out=5"], invalid, "out=5 is not a folder"),
        ([], invalid, "lr=-1 is invalid: give a number above 0"),
        ([], confused, "hydra/sweeper=planned stopped: ValueError: a bad search space"),
    ],
)
def test_refusals_leave_nothing_behind(
    words: list[str], plan: Callable[[], Plan], message: str, choose: Any, quick: Command
) -> None:
    choose(plan)
    given = {word.partition("=")[0] for word in words}
    others = [word for word in WORDS if word.partition("=")[0] not in given]
    outcome = quick(*others, *(word for word in words if "=" in word))
    assert outcome.status == 2
    assert message in outcome.err
    assert not [*Path().iterdir()]


@pytest.mark.slow
def test_the_page_says_who_chose_the_settings(
    one_figure: None, choose: Any, nnexp: Command
) -> None:
    def plan() -> Plan:
        yield [["lr=0.1"], ["lr=1"]]

    choose(plan)
    assert nnexp(*WORDS).status == 0
    page = Path("page/index.html").read_text("utf-8")
    assert "hydra/sweeper=planned chose these settings by the validation losses" in page
    assert "seed=range" not in page  # it would be one more setting to choose


def test_a_notebook_gets_the_runs(choose: Any, quick: Command) -> None:
    def plan() -> Plan:
        yield [["lr=0.1"], ["lr=1"]]

    choose(plan)
    given: dict[str, Any] = {"hydra/sweeper": "planned", "data.validation": 12, "data.n": 60}
    found = sweep(data="blobs", hidden=3, batch_size="full", steps=2, workers=1, **given)
    assert list(found.runs["lr"]) == [0.1, 1]
