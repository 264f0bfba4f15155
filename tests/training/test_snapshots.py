"""Snapshots: the parameters at evaluations, which do not change a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnexp.config.run_config import RunConfig
from nnexp.store.store import Store
from nnexp.training.builder import build_network
from nnexp.training.execute import execute
from nnexp.training.snapshots import STEPS, snapshot_steps
from tests.conftest import Command
from tests.settings import RUN

SETTINGS = {**RUN, "batch_size": 4, "epochs": 5}
XOR = ("data=xor", "hidden=3", "batch_size=full", "steps=40", "evaluate_every='10 steps'")


def test_the_first_and_the_last_step_are_among_those_chosen() -> None:
    assert snapshot_steps(range(0, 101, 10), 3) == [0, 50, 100]
    assert snapshot_steps([0, 7], 5) == [0, 7]
    assert snapshot_steps([0, 7, 9], 0) == []


def test_snapshots_are_the_parameters_at_the_evaluations(quick: Command) -> None:
    assert quick(*XOR, "snapshots=true", "save_weights=true", "store=store").status == 0
    (run_id,) = Store(Path("store")).run_ids()
    record = Store(Path("store")).load(run_id)
    assert record.snapshots is not None
    assert record.weights is not None
    assert record.snapshots[STEPS].tolist() == [0, 10, 20, 30, 40]
    start = build_network(RunConfig.from_mapping(record.config)).arrays()
    for name, first in start.items():
        np.testing.assert_array_equal(record.snapshots[name][0], first)
        np.testing.assert_array_equal(record.snapshots[name][-1], record.weights[name])
    short = execute({**record.config, "steps": 20}, save_weights=True)
    assert short.weights is not None
    np.testing.assert_array_equal(record.snapshots["W1"][2], short.weights["W1"])


def test_they_do_not_change_a_run() -> None:
    plain, kept = execute(SETTINGS), execute(SETTINGS, snapshots=3)
    assert plain.run_id == kept.run_id
    assert plain.snapshots is None
    assert [{**m, "seconds": 0} for m in plain.metrics] == [
        {**m, "seconds": 0} for m in kept.metrics
    ]


@pytest.mark.slow
def test_a_stored_run_is_trained_again_only_for_snapshots_that_it_lacks(quick: Command) -> None:
    assert quick(*XOR, "store=store").status == 0
    (run_id,) = Store(Path("store")).run_ids()
    for wanted, reused in (("2", False), ("2", True), ("true", False), ("3", True)):
        done = quick(*XOR, f"snapshots={wanted}", "store=store")
        assert done.status == 0
        assert ("in the store" in done.err) == reused, done.err
    assert quick(*XOR, "store=store").status == 0
    assert Store(Path("store")).load(run_id).snapshots is not None


@pytest.mark.parametrize("value", ["1", "-3", "some", "2.5"])
def test_other_numbers_are_refused(quick: Command, value: str) -> None:
    done = quick(*XOR, f"snapshots={value}")
    assert done.status == 2
    assert f"snapshots={value} is invalid: give true" in done.err
