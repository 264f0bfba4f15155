"""Decision regions: those of a planted network, whatever the order of the columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from nnexp.config.run_config import RunConfig
from nnexp.data import Dataset, load
from nnexp.nn.network import Network
from nnexp.store.record import regions_from_csv
from nnexp.training.builder import build_network
from nnexp.training.checkpoint import state
from nnexp.training.decision_regions import CELLS, decision_regions
from nnexp.training.execute import execute
from nnexp.training.trainer import Trainer
from tests.settings import RUN

XOR = {**RUN, "batch_size": 4}


def arrays(weights: list[list[float]], biases: list[float]) -> dict[str, npt.NDArray[np.float32]]:
    return {"W1": np.array(weights, np.float32), "b1": np.array(biases, np.float32)}


def planted(weights: list[list[float]], biases: list[float]) -> tuple[Network, Dataset]:
    """Return a network without hidden layers, and its data."""
    config = RunConfig.from_mapping({**XOR, "hidden": []})
    network = build_network(config)
    network.load_arrays(arrays(weights, biases))
    return network, load(config.data)


def classes(regions: list[dict[str, float]]) -> dict[float, list[tuple[float, float, float]]]:
    rows: dict[float, list[tuple[float, float, float]]] = {}
    for region in regions:
        part = (region["x"], region["until"], region["class"])
        rows.setdefault(region["y"], []).append(part)
    return rows


def test_the_regions_of_a_planted_line() -> None:
    # Class 1 where the first feature is above 0.5: the plane is from -0.1 to 1.1.
    rows = classes(decision_regions(*planted([[0, 1], [0, 0]], [0, -0.5])))
    assert len(rows) == CELLS
    assert min(rows) == pytest.approx(-0.1 + 0.6 / CELLS)
    for parts in rows.values():
        assert parts == [(-0.1, 0.5, 0), (0.5, 1.1, 1)]


def test_every_row_is_whole_and_the_second_feature_goes_up() -> None:
    rows = classes(decision_regions(*planted([[0, 0], [0, 1]], [0, -0.5])))
    assert [*rows] == sorted(rows)
    for y, parts in rows.items():
        assert parts == [(-0.1, 1.1, int(y > 0.5))]


def test_the_order_of_the_columns_changes_nothing() -> None:
    network, data = planted([[1, 2], [3, -1]], [0, 0.25])
    expected = decision_regions(network, data)
    columns = np.array([1, 0])
    network.columns = columns
    network.load_arrays(arrays([[1, 2], [3, -1]], [0, 0.25]))
    train = replace(data.train, x=data.train.x[:, columns])
    assert decision_regions(network, replace(data, train=train, columns=columns)) == expected


def test_what_is_not_finite_has_no_class() -> None:
    regions = decision_regions(*planted([[np.nan, 0], [0, 0]], [0, 0]))
    assert {region["class"] for region in regions} == {-1}


@pytest.mark.parametrize(
    "change",
    [{"data": {"name": "blobs", "n": 20, "features": 3}}, {"quirk": "position_bias"}],
    ids=["three features", "positions"],
)
def test_other_networks_have_no_regions(change: dict[str, object]) -> None:
    assert execute({**XOR, **change}).regions == ""


def test_the_regions_of_a_run_are_of_its_final_network_and_change_nothing_of_it() -> None:
    record = execute({**XOR, "epochs": 30}, save_weights=True)
    config = RunConfig.from_mapping(record.config)
    data = load(config.data, config.dtype, ordered=True)
    trainer = Trainer(config, data)
    trainer.advance(config.total_steps())
    before = {name: array.copy() for name, array in state(trainer).items()}
    assert decision_regions(trainer.network, trainer.data) == regions_from_csv(record.regions)
    after = state(trainer)
    assert after.keys() == before.keys()
    for name, array in after.items():
        np.testing.assert_array_equal(array, before[name])
