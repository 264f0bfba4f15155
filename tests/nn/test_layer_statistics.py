"""The distance of the weights from their initial values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnexp.config.run_config import RunConfig
from nnexp.data import load
from nnexp.errors import InputError
from nnexp.training.checkpoint import restore, state
from nnexp.training.trainer import Trainer, train
from tests.settings import RUN

SETTINGS: dict[str, Any] = {**RUN, "data": {"name": "blobs", "n": 60}, "evaluate_distance": True}


def trainer(**settings: Any) -> Trainer:
    config = RunConfig.from_mapping({**SETTINGS, **settings})
    return Trainer(config, load(config.data, config.dtype))


def test_the_distance_is_the_norm_of_the_change_and_starts_at_zero() -> None:
    run = trainer()
    start = [w.astype(float) for w in run.network.weights]
    first, *_, last = train(run)
    assert [row["distance"] for row in first.layers] == [0, 0]
    for row, before, now in zip(last.layers, start, run.network.weights, strict=True):
        assert row["distance"] == pytest.approx(np.linalg.norm(now - before), rel=1e-5)
        share = row["distance"] / np.linalg.norm(before)
        assert row["relative_distance"] == pytest.approx(share, rel=1e-5)


def test_of_weights_that_start_at_zero_it_is_their_norm() -> None:
    *_, last = train(trainer(init="zero", bias_init="randn"))
    for row in last.layers:
        assert row["distance"] == pytest.approx(row["weight_norm"], rel=1e-6)
        assert row["relative_distance"] is None


def test_a_continued_run_counts_from_the_start() -> None:
    whole, part, rest = (trainer(epochs=8) for _ in range(3))
    for run in (whole, part):
        run.advance(5)
    restore(rest, state(part))
    pairs = zip(rest.evaluate().layers, whole.evaluate().layers, strict=True)
    assert all(continued["distance"] == row["distance"] > 0 for continued, row in pairs)


def test_it_changes_nothing_else_and_without_it_the_columns_are_what_they_were() -> None:
    with_it, without = ([*train(trainer(evaluate_distance=on))] for on in (True, False))
    for one, other in zip(with_it, without, strict=True):
        assert one.metrics == other.metrics
        for row, plain in zip(one.layers, other.layers, strict=True):
            assert {**row, **plain} == row
            assert {*row} - {*plain} == {"distance", "relative_distance"}
    plain = RunConfig.from_mapping({**SETTINGS, "evaluate_distance": False})
    assert (
        plain.run_id() == RunConfig.from_mapping({**SETTINGS, "evaluate_distance": None}).run_id()
    )
    assert "evaluate_distance" not in plain.columns()
    with pytest.raises(
        InputError, match="unknown evaluate_distance 'far': choose from false, true"
    ):
        RunConfig.from_mapping({**SETTINGS, "evaluate_distance": "far"})
