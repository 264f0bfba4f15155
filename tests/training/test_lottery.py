"""Pruned runs: their masks, the weights they start from, and what of them is recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnexp import MLP
from nnexp.config.run_config import RunConfig
from nnexp.data import load
from nnexp.errors import InputError
from nnexp.nn.optimizers import OPTIMIZERS
from nnexp.training.execute import execute
from nnexp.training.lottery import prepared
from nnexp.training.trainer import Trainer, train
from tests.settings import RUN

BLOBS = {"name": "blobs", "n": 200, "classes": 3, "features": 5, "std": 0.5}
SETTINGS: dict[str, Any] = {**RUN, "data": BLOBS, "hidden": "20", "bias_init": "randn"}
REWIND = {"name": "rewind", "rounds": 3, "fraction": 0.3, "output": 0.2}
REDRAW = {**REWIND, "name": "redraw"}


def config(**settings: Any) -> RunConfig:
    return RunConfig.from_mapping({**SETTINGS, **settings})


def trainer(**settings: Any) -> Trainer:
    own = config(**settings)
    return prepared(own, load(own.data, own.dtype))


def test_a_ticket_is_what_its_rounds_leave_of_the_initial_weights() -> None:
    plain = trainer()
    initial = plain.network.theta.copy()
    ticket = trainer(pruning=REWIND)
    assert ticket.left is not None
    np.testing.assert_array_equal(ticket.network.theta, np.where(ticket.left, initial, 0))
    # The first round by hand: the weights of the whole network after its training.
    plain.advance(plain.config.total_steps())
    once = trainer(pruning={**REWIND, "rounds": 1})
    assert once.left is not None
    for weights, left, share in zip(plain.network.weights, layers(once), (0.3, 0.2), strict=True):
        size = np.abs(weights)
        assert np.count_nonzero(~left) == round(share * weights.size)
        assert size[~left].max() <= size[left].min()
    # The other rounds remove more, their share of what is left.
    assert not (ticket.left & ~once.left).any()
    assert [int(left.sum()) for left in layers(ticket)] == [34, 30]  # 100, 70, 49; 60, 48, 38


def layers(run: Trainer) -> list[np.ndarray]:
    assert run.left is not None
    parts = np.split(run.left, np.cumsum([w.size for w in run.network.weights]))
    return [part.reshape(w.shape) for part, w in zip(parts, run.network.weights, strict=False)]


def test_redrawn_weights_have_the_same_mask_and_other_values() -> None:
    ticket, redrawn = trainer(pruning=REWIND), trainer(pruning=REDRAW)
    assert np.array_equal(ticket.left, redrawn.left)
    left = ticket.left
    assert (ticket.network.theta[left] != redrawn.network.theta[left]).all()
    again = trainer(pruning=REDRAW)
    assert np.array_equal(redrawn.network.theta, again.network.theta)
    for own in redrawn.network.weights:
        assert own[own != 0].std() == pytest.approx(np.sqrt(2 / sum(own.shape)), rel=0.4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [1, 20, "full"])
def test_what_is_removed_stays_exactly_zero(optimizer: str, batch_size: int | str) -> None:
    given = {"optimizer": optimizer, "lr": 0.01, "batch_size": batch_size, "weight_decay": 0.1}
    run = trainer(**given, pruning={**REWIND, "rounds": 2}, epochs=1)
    start = run.network.theta.copy()
    run.advance(run.config.total_steps())
    assert run.left is not None
    assert (run.network.theta[~run.left] == 0).all()
    assert (run.network.theta[run.left] != start[run.left]).any()


def test_a_removed_weight_is_as_good_as_absent() -> None:
    run = trainer(pruning=REWIND, dtype="float64")
    others = trainer(dtype="float64")
    assert run.left is not None
    others.network.theta[...] = run.network.theta
    for step in range(run.config.total_steps()):  # descent by hand, of what is left
        rows = run.batches.rows(step)
        x, targets = run.data.train.x[rows], np.eye(3)[run.data.train.labels[rows]]
        others.network.forward(x)
        others.network.compute_loss(np.asfortranarray(targets))
        others.network.backward(x)
        others.network.theta -= 0.5 * others.network.grad * run.left
    run.advance(run.config.total_steps())
    np.testing.assert_allclose(run.network.theta, others.network.theta, rtol=1e-9, atol=1e-12)


def test_the_record_is_that_of_the_last_training() -> None:
    whole, ticket = (
        execute(config(pruning=pruning).to_mapping(), save_weights=True)
        for pruning in ("none", REWIND)
    )
    assert [row["step"] for row in ticket.metrics] == [row["step"] for row in whole.metrics]
    assert {row["weights_left"] for row in ticket.metrics} == {(34 + 30) / 160}
    assert "weights_left" not in whole.metrics[0]
    assert ticket.columns["pruning"] == "rewind"
    assert ticket.columns["pruning.rounds"] == 3
    assert ticket.weights is not None
    assert np.count_nonzero(ticket.weights["W1"]) == 34
    assert ticket.metrics[0]["seconds"] > 10 * whole.metrics[0]["seconds"]


def test_no_pruning_is_no_setting_and_others_are() -> None:
    for same in ("none", None, {"name": "none"}):
        assert config(pruning=same).run_id() == config().run_id()
        assert config(pruning=same).columns() == config().columns()
    others = [REWIND, REDRAW, {**REWIND, "rounds": 2}, {**REWIND, "output": 0.1}]
    assert len({config(pruning=other).run_id() for other in others}) == 4
    for other in others:
        assert RunConfig.from_mapping(config(pruning=other).to_mapping()) == config(pruning=other)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pruning": "lottery"}, "unknown pruning 'lottery': choose from none, redraw, rewind"),
        (
            {"pruning": {"name": "rewind", "rounds": 2.5}},
            "pruning.rounds=2.5 is invalid: give",
        ),
        ({"pruning": {"name": "rewind", "rounds": 0}}, "pruning.rounds=0 is invalid: give a whole"),
        ({"pruning": {"name": "redraw", "fraction": 2}}, "pruning.fraction=2 is invalid"),
        ({"pruning": {"name": "none", "rounds": 2}}, "pruning=none has no parameter 'rounds'"),
        ({"pruning": "rewind", "quirk": "updated_weights"}, "pruning=rewind does not fit quirk=up"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        config(**settings)


def test_a_model_can_be_pruned_but_not_in_parts(tmp_path: Any) -> None:
    x, y = (data := load(config().data).train).x, data.labels
    model = MLP(hidden=20, pruning=REWIND, dropout=0.2, batch_size=20, epochs=5).fit(x, y)
    assert np.count_nonzero(model.coefs_[0]) == 34
    again = MLP.load(model.save(tmp_path / "model"))
    assert np.array_equal(again.predict(x), model.predict(x))
    with pytest.raises(InputError, match="partial_fit cannot train rounds of pruning=rewind"):
        model.partial_fit(x, y)


def test_a_run_whose_rounds_diverge_ends_as_diverged() -> None:
    run = trainer(pruning=REWIND, activation="relu", lr=1e30, dtype="float32")
    assert [*train(run)][-1].diverged
