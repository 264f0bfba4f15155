"""Portraits of a run: planted weights and planted errors are seen, and nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnexp.analysis.predictions import Answers, answers, confusion, kept, rebuild, surest
from nnexp.config.run_config import RunConfig
from nnexp.errors import InputError
from nnexp.plotting import layout
from nnexp.plotting.picture import Picture
from nnexp.plotting.weight_images import pictures, read, tabulate
from nnexp.store.record import Record
from nnexp.training.execute import execute
from tests.settings import RUN
from tests.synthetic import assert_within

SIDE = 4
# Labels of the file, so that a class and its label are told apart.
NAMES = (3, 5, 8)
# Where the test set's labels lie: (what the image shows, what the file says), from 0.
SWAPPED = [(0, 1), (0, 1), (2, 0)]


def images(classes: list[int]) -> np.ndarray:
    """Return images that show a class by the row that is lit."""
    x = np.zeros((len(classes), SIDE, SIDE))
    x[np.arange(len(classes)), classes] = 1
    return x


def plant(record: Record, **arrays: np.ndarray) -> None:
    """Put other arrays in the place of a record's weights."""
    assert record.weights is not None
    record.weights |= {name: array.astype(np.float32) for name, array in arrays.items()}


def planted(folder: Path, hidden: str = "none", **settings: object) -> Record:
    """Return a run on three classes whose weights see what is shown: its errors are SWAPPED's.

    It is surest of the second of them, whose image is the brightest, and least of the last.
    """
    shown = [0, 1, 2] * 4
    told = list(shown)
    x_test = images(shown + [seen for seen, _ in SWAPPED])
    x_test[len(shown) + 1] *= 2
    x_test[len(shown) + 2] /= 2
    y_test = np.array(NAMES)[told + [said for _, said in SWAPPED]]
    file = folder / "rows.npz"
    y = np.array(NAMES)[shown]
    np.savez(file, x_train=images(shown), y_train=y, x_test=x_test, y_test=y_test)
    mapping = RUN | {
        "data": {"name": "npz", "file": str(file), "scale": "raw"}, "init": "zero",
        "activation": "identity", "hidden": hidden, "batch_size": "full", "lr": 0.1,
        "epochs": None, "steps": 1, "evaluate_every": None, "seed": 0,
    } | settings  # fmt: skip
    record = execute(mapping, save_weights=True)
    assert record.error is None
    assert record.weights is not None
    templates = images([0, 1, 2]).reshape(3, -1).T
    if hidden == "none":
        plant(record, W1=templates, b1=np.zeros(3))
    return record


def drawn(record: Record) -> dict[str, Picture]:
    return {
        picture.name: picture for picture in pictures(tabulate([record], {record.run_id: "this"}))
    }


def texts(picture: Picture) -> list[str]:
    return [text.get_text() for text in picture.figure.axes[0].texts]


def test_the_confusion_matrix_counts_what_was_planted(tmp_path):
    picture = drawn(planted(tmp_path))["confusion"]
    ax = picture.figure.axes[0]
    assert picture.figure.axes[1].get_yscale() == "log"
    # Rows are what the file says, columns what the image shows; the diagonal is grey.
    expected = np.array([[1, 0, 1], [1, 1, 0], [0, 0, 1]], bool)
    colours = np.asarray(ax.images[0].get_array())
    np.testing.assert_array_equal(colours[..., 3] > 0, expected)
    assert len(np.unique(colours[expected], axis=0)) == 3  # correct, one error, two errors
    cells = {tuple(map(int, text.get_position()[::-1])): int(text.get_text()) for text in ax.texts}
    assert cells == {(0, 0): 4, (1, 1): 4, (2, 2): 4, (1, 0): 2, (0, 2): 1}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["3", "5", "8"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    assert "3 of 15 are wrong" in picture.caption
    assert "n = 1" in picture.caption
    assert "5 for 3 2, 3 for 8 1" in picture.alt


def test_the_most_confident_mistake_comes_first(tmp_path):
    record = planted(tmp_path)
    picture = drawn(record)["mistakes"]
    # The lit row's four pixels give the logit 4; twice that, or half, as the image is bright.
    sure, less, least = (np.exp(z) / (np.exp(z) + 2) for z in (8, 4, 2))
    assert texts(picture) == [f"5 → 3\n{sure:.3f}", f"5 → 3\n{less:.3f}", f"3 → 8\n{least:.3f}"]
    assert "The 3 of 3 wrong test images" in picture.caption
    assert "probability" in picture.caption
    sheet = np.asarray(picture.figure.axes[0].images[0].get_array().filled(np.nan))
    bright = np.argwhere(sheet == 2)
    assert len(bright) == SIDE
    assert bright[:, 1].max() < sheet.shape[1] / 3


def test_the_first_layers_tiles_are_its_weights(tmp_path):
    record = planted(tmp_path)
    picture = drawn(record)["weights"]
    ax, bar = picture.figure.axes
    image = ax.images[0]
    low, high = image.get_clim()
    assert low == -high
    assert bar.get_ylabel() == "weight"
    tiles = image.get_array().compressed().reshape(SIDE, 3, SIDE)
    np.testing.assert_array_equal(tiles.sum(axis=(0, 2)), [SIDE] * 3)
    assert texts(picture) == ["3", "5", "8"]
    assert "in the order of their classes" in picture.caption


def test_hidden_units_come_by_their_norm_and_no_more_than_64(tmp_path):
    record = planted(tmp_path, hidden="70")
    assert record.weights is not None
    norms = np.arange(70) % 35
    plant(record, W1=np.tile(norms / SIDE, (SIDE * SIDE, 1)))
    picture = drawn(record)["weights"]
    sheet = picture.figure.axes[0].images[0].get_array()
    corners = sheet[2 :: SIDE + 2, 2 :: SIDE + 2].ravel() * SIDE
    # Weights have four digits.
    np.testing.assert_allclose(corners, np.sort(norms)[::-1][:64], rtol=5e-4)
    assert "the 64 units of 70 with the largest norm" in picture.caption
    assert not texts(picture)


def test_a_single_output_stands_for_both_classes(tmp_path):
    settings = {"name": "npz", "file": str(tmp_path / "rows.npz"), "scale": "raw"}
    data = {**settings, "classes": [3, 5], "outputs": 1}
    record = planted(tmp_path, hidden="2", data=data, loss="binary_cross_entropy")
    assert record.weights is not None
    plant(record, W1=np.repeat(images([1]).reshape(-1, 1), 2, axis=1))
    plant(record, W2=np.ones((2, 1)), b2=np.array([-4.0]))
    said = drawn(record)
    # z = 2·4 - 4 where row 1 is lit, else -4: two images of class 0 are called class 1 in the file.
    assert texts(said["mistakes"]) == [f"5 → 3\n{1 / (1 + np.exp(-4)):.3f}"] * 2


def test_a_network_is_rebuilt_to_its_own_accuracy(tmp_path):
    record = execute(planted(tmp_path, hidden="5", init="he").config, save_weights=True)
    said = drawn(record)["confusion"]
    ax = said.figure.axes[0]
    right = sum(int(t.get_text()) for t in ax.texts if len(set(t.get_position())) == 1)
    assert right == round(15 * record.metrics[-1]["test_accuracy"])
    assert record.weights is not None
    np.testing.assert_array_equal(rebuild(record).weights[0], record.weights["W1"])


@pytest.mark.parametrize("array", [None, np.zeros((2, 2)), np.array(["x"])], ids=str)
def test_weights_of_another_network_are_not_shown(tmp_path, array):
    record = planted(tmp_path)
    assert record.weights is not None
    if array is None:
        del record.weights["W1"]
    else:
        record.weights["W1"] = array
    assert kept(record) is None


def test_no_mistake_no_picture_of_any(tmp_path):
    record = planted(tmp_path)
    assert record.weights is not None
    # Without the class 3 every image is given the label that the file has, by the bias or the row.
    record.config["data"]["classes"] = [5, 8]
    record.identity = RunConfig.from_mapping(record.config).identity()
    plant(record, W1=images([1, 2]).reshape(2, -1).T, b1=np.array([1e-3, 0]))
    named = drawn(record)
    assert list(named) == ["weights", "confusion"]
    assert "0 of 10 are wrong" in named["confusion"].caption
    assert "Most often" not in named["confusion"].alt


def test_an_output_that_is_not_finite_is_no_confident_mistake():
    said = Answers(np.array([0, 1, 1]), np.array([0, -1, 0]), np.array([0.9, np.nan, 0.7]))
    np.testing.assert_array_equal(surest(said), [2])


def test_a_network_that_answers_nan_is_wrong(tmp_path):
    run = kept(planted(tmp_path))
    assert run is not None
    assert run.data.test is not None
    run.network.weights[0][:, 2] = np.nan
    said = answers(run.network, run.data.test)
    assert set(said.predicted) == {-1}
    assert confusion(run, said)["predicted"].eq("none").sum() == 3


def test_what_is_not_finite_counts_for_no_class(tmp_path):
    record = planted(tmp_path)
    run = kept(record)
    assert run is not None
    said = Answers(np.array([0, 1, 1]), np.array([0, -1, 0]), np.array([0.9, np.nan, 0.7]))
    table = confusion(run, said)
    counted = table[table["n"] > 0][["true", "predicted", "n"]].values.tolist()
    assert counted == [["3", "3", 1], ["5", "3", 1], ["5", "none", 1]]
    assert len(table) == 3 * 3 + 1


def test_arms_stand_side_by_side_each_on_a_scale_of_its_own(tmp_path):
    one, other = planted(tmp_path, hidden="9", seed=0), planted(tmp_path, hidden="9", seed=1)
    assert one.weights is not None
    assert other.weights is not None
    plant(one, W1=np.ones((SIDE * SIDE, 9)))
    plant(other, W1=np.arange(SIDE * SIDE * 9.0).reshape(SIDE * SIDE, 9))
    again = dataclasses.replace(one, run_id="again")
    arms = {one.run_id: "equal", other.run_id: "apart", "again": "equal"}
    tables = tabulate([one, other, again], arms)
    assert list(tables) == ["weights", "arms", "confusion", "mistakes"]
    assert tables["arms"]["run_id"].value_counts().tolist() == [8, 8]
    picture = {p.name: p for p in pictures(tables)}["arms"]
    first, second = picture.figure.axes
    assert [t.get_text() for t in first.texts] == ["equal", "±1"]
    assert second.images[0].get_clim()[1] > 100
    assert "equal ±1, 1 of 8 differ" in picture.alt
    assert "8 of 8 differ" in picture.alt
    assert "arms" not in tabulate([one, again], arms)


def test_the_first_run_of_an_arm_that_ended_sits_for_it(tmp_path):
    one, other = planted(tmp_path, hidden="9", seed=0), planted(tmp_path, hidden="9", seed=1)
    lost = dataclasses.replace(one, run_id="lost", status="diverged")
    arms = {"lost": "a", one.run_id: "a", other.run_id: "b"}
    assert set(tabulate([lost, one, other], arms)["arms"]["run_id"]) == {one.run_id, other.run_id}
    assert tabulate([lost], arms) == {}


def test_the_best_of_some_is_said_to_be_that(tmp_path):
    one, other = planted(tmp_path, seed=0), planted(tmp_path, seed=1)
    arms = {one.run_id: "a", other.run_id: "a"}
    forgotten = dataclasses.replace(other, weights=None)
    for picture in pictures(tabulate([one, forgotten], arms)):
        assert "n = 1), the best of the 1 of 2 runs with saved weights: " in picture.caption
    for picture in pictures(tabulate([one, other], arms)):
        assert "kept" not in picture.caption


def test_images_of_two_sizes_do_not_stand_side_by_side(tmp_path):
    one = planted(tmp_path, hidden="9")
    small = tmp_path / "small.npz"
    x, y = np.random.default_rng(0).random((12, 2, 2)), np.array(NAMES * 4)
    np.savez(small, x_train=x, y_train=y, x_test=x, y_test=y)
    config = {**one.config, "data": {"name": "npz", "file": str(small), "scale": "raw"}}
    other = execute(config, save_weights=True)
    found = tabulate([one, other], {one.run_id: "one", other.run_id: "other"})
    assert "weights" in found
    assert "arms" not in found


def test_long_names_of_arms_do_not_overlap(tmp_path):
    one, other = planted(tmp_path, hidden="9", seed=0), planted(tmp_path, hidden="9", seed=1)
    names = [f"{word}, " + "a rather long name of an arm, " * 3 for word in ("first", "second")]
    tables = tabulate([one, other], {one.run_id: names[0], other.run_id: names[1]})
    figure = {p.name: p for p in pictures(tables)}["arms"].figure
    assert_within(figure)
    above, below = (ax.texts[0].get_window_extent() for ax in figure.axes)
    assert above.y0 >= below.y1


def test_a_damaged_table_is_one_sentence(tmp_path):
    (tmp_path / "arms.csv").write_text("")
    with pytest.raises(InputError, match=r"arms.csv is damaged .*: run the study again"):
        read(tmp_path)
    assert pictures({"mistakes": pd.DataFrame()}) == []


@pytest.mark.slow
def test_portraits_are_drawn_again_from_their_tables(tmp_path):
    record = planted(tmp_path)
    tables = tabulate([record], {record.run_id: "this"})
    now = pictures(tables)
    for picture in now:
        (tmp_path / f"{picture.name}.csv").write_text(picture.csv)
    then = pictures(read(tmp_path))
    assert [p.name for p in then] == ["weights", "confusion", "mistakes"]
    for before, after in zip(now, then, strict=True):
        assert layout.svg(after.figure) == layout.svg(before.figure)
        assert after.alt == before.alt


def test_mistakes_are_the_surest_first_and_no_more_than_asked():
    said = Answers(np.zeros(4, int), np.array([1, 0, 2, 1]), np.array([0.5, 0.99, 0.8, 0.8]))
    np.testing.assert_array_equal(surest(said), [2, 3, 0])
    np.testing.assert_array_equal(surest(said, 1), [2])


@pytest.mark.parametrize("change", [{"weights": None}, {"status": "diverged"}])
def test_no_portrait_without_weights_or_of_a_run_that_did_not_finish(tmp_path, change):
    assert drawn(dataclasses.replace(planted(tmp_path), **change)) == {}


def test_no_portrait_of_data_that_are_no_longer_what_they_were(tmp_path):
    record = planted(tmp_path)
    assert list(drawn(record)) == ["weights", "confusion", "mistakes"]
    rows = dict(np.load(tmp_path / "rows.npz"))
    np.savez(tmp_path / "rows.npz", **{**rows, "y_test": np.array(NAMES * 5)})
    assert drawn(record) == {}
    (tmp_path / "rows.npz").unlink()
    assert drawn(record) == {}


def test_no_portrait_where_examples_are_no_images(tmp_path):
    data = {"name": "blobs", "n": 30}
    record = execute({**planted(tmp_path).config, "data": data}, save_weights=True)
    assert record.weights is not None
    assert drawn(record) == {}
