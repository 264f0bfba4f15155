"""Schedules of the learning rate: their shape, and the rate of every update of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnexp.config.run_config import RunConfig
from nnexp.data import load
from nnexp.nn.schedules import constant, cosine, step
from nnexp.training.checkpoint import restore, state
from nnexp.training.trainer import Trainer, train
from tests.settings import RUN

BLOBS = {"name": "blobs", "n": 100, "classes": 3, "features": 4}
SETTINGS: dict[str, Any] = {**RUN, "data": BLOBS, "dtype": "float64", "hidden": [6], "epochs": 4}


def factors(schedule: Callable[..., float], **parameters: float) -> list[float]:
    """Return the factors of a run of 8 epochs of 5 updates."""
    return [schedule(i, 40, 5, **parameters) for i in range(40)]


def trainer(**settings: Any) -> Trainer:
    config = RunConfig.from_mapping({**SETTINGS, **settings})
    return Trainer(config, load(config.data, config.dtype))


def test_a_warm_up_rises_linearly_to_the_whole_rate() -> None:
    found = factors(constant, warmup=2)
    np.testing.assert_allclose(found[:10], np.arange(1, 11) / 10)
    assert found[10:] == [1.0] * 30
    assert factors(constant) == [1.0] * 40


def test_steps_are_after_whole_epochs() -> None:
    np.testing.assert_allclose(
        factors(step, every=3, factor=0.5), np.repeat([1, 0.5, 0.25], [15, 15, 10])
    )
    np.testing.assert_allclose(
        factors(step, every=3, factor=0.5, warmup=1)[:6], [*np.arange(1, 6) / 5, 1]
    )


def test_a_cosine_falls_from_the_whole_rate_to_the_final_one() -> None:
    found = np.array(factors(cosine, final=0.1))
    assert found[0] == 1
    assert found[20] == pytest.approx(0.55)
    assert cosine(40, 40, 5, final=0.1) == pytest.approx(0.1)
    assert (np.diff(found) < 0).all()
    np.testing.assert_allclose(found[1:] + found[:0:-1], 1.1)  # symmetric about the middle
    assert max(factors(cosine, warmup=2)) == factors(cosine, warmup=2)[10] == 1


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("batch_size", [1, 20, "full"])
def test_every_update_has_its_rate(optimizer: str, batch_size: int | str) -> None:
    # Segments of constant rate, each trained by a run of its own, are the same steps.
    own = {"optimizer": optimizer, "lr": 0.05, "batch_size": batch_size, "evaluate_every": None}
    whole = trainer(schedule={"name": "step", "every": 1, "factor": 0.5}, **own)
    for _ in train(whole):
        pass
    arrays = state(trainer(**own))
    for epoch in range(4):
        part = trainer(**own | {"lr": 0.05 * 0.5**epoch})
        restore(part, arrays)
        part.advance((epoch + 1) * part.config.steps_per_epoch())
        arrays = state(part)
    for name, values in whole.network.arrays().items():
        np.testing.assert_allclose(values, arrays[name], rtol=1e-9, atol=1e-12)


def test_evaluations_do_not_change_the_rates() -> None:
    schedule = {"name": "cosine", "warmup": 0.7}
    runs = [trainer(schedule=schedule, evaluate_every=every) for every in (None, "1 steps")]
    for run in runs:
        for _ in train(run):
            pass
    assert np.array_equal(runs[0].network.theta, runs[1].network.theta)
    assert not np.array_equal(runs[0].network.theta, _trained(trainer()).network.theta)


def _trained(run: Trainer) -> Trainer:
    for _ in train(run):
        pass
    return run


def test_a_constant_rate_is_no_setting() -> None:
    plain = RunConfig.from_mapping(SETTINGS)
    for given in ("constant", {"name": "constant", "warmup": 0}, None):
        assert RunConfig.from_mapping({**SETTINGS, "schedule": given}).run_id() == plain.run_id()
    others = ("cosine", "step", {"name": "constant", "warmup": 1}, {"name": "cosine", "final": 0.5})
    runs = [RunConfig.from_mapping({**SETTINGS, "schedule": other}) for other in others]
    assert len({run.run_id() for run in (plain, *runs)}) == 5
    for run in runs:
        assert RunConfig.from_mapping(run.to_mapping()) == run
