"""The film of training: what its frames hold, and how the page shows them."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nnexp.analysis import film
from nnexp.cli import report
from nnexp.plotting import film as drawn
from nnexp.store.record import DIVERGED, Record
from nnexp.training.execute import execute
from tests.conftest import Command
from tests.settings import RUN

XOR = {**RUN, "batch_size": 4, "hidden": [4], "activation": "tanh", "lr": 1.0, "epochs": 300}
XOR |= {"evaluate_every": 50}


def made(**settings: Any) -> film.Reel:
    """Return the reel of a run with all its snapshots."""
    record = execute({**XOR, **settings}, snapshots=100)
    (reel,) = film.reels([record], {record.run_id: "arm"})
    return reel


def test_the_map_of_a_plane_is_what_the_network_predicts() -> None:
    reel = made()
    assert [moment.step for moment in reel.moments] == [0, 50, 100, 150, 200, 250, 300]
    assert reel.moments[-1].accuracy == 1
    assert reel.plane is not None
    left, right, bottom, top = reel.plane.extent
    image = reel.moments[-1].image
    assert image is not None
    last = len(image) - 1
    for (x, y), label in zip(reel.plane.points, reel.plane.labels, strict=True):
        column = round((x - left) / (right - left) * last)
        row = round((y - bottom) / (top - bottom) * last)
        assert image[row, column] == label


def test_units_that_start_equal_have_equal_activations_in_every_frame() -> None:
    for init, equal in (("zero", True), ("xavier", False)):
        for moment in made(init=init, data={"name": "blobs"}, epochs=4, evaluate_every=1).moments:
            units = moment.activations[0].reshape(-1, 4)
            assert np.allclose(units, units[:, :1], atol=1e-5) == equal


def test_images_are_the_weights_of_the_units_with_the_largest_norm() -> None:
    record = execute(
        {**RUN, "data": {"name": "mnist", "first": 200}, "hidden": [20], "epochs": 1},
        snapshots=2,
    )
    (reel,) = film.reels([record], {record.run_id: "arm"})
    assert record.snapshots is not None
    first, last = record.snapshots["W1"]
    largest = np.sort(np.argsort(-np.linalg.norm(last, axis=0))[:9])
    image = reel.moments[0].image
    assert image is not None
    np.testing.assert_array_equal(image, first[:, largest].T.reshape(9, 28, 28))


def test_gradients_and_scores_are_those_of_the_tables() -> None:
    record = execute(XOR, snapshots=3)
    (reel,) = film.reels([record], {record.run_id: "arm"})
    norms = {(row["step"], row["layer"]): row["gradient_norm"] for row in record.layers}
    scores = {row["step"]: row["test_accuracy"] for row in record.metrics}
    assert [moment.step for moment in reel.moments] == [0, 150, 300]
    for moment in reel.moments:
        assert moment.gradients == [norms[moment.step, 1], norms[moment.step, 2]]
        assert moment.accuracy == scores[moment.step]


def test_a_run_that_diverged_stands_still() -> None:
    settings = {**XOR, "activation": "relu", "loss": {"name": "mse", "output": "identity"}}
    record = execute({**settings, "lr": 50.0, "data": {"name": "blobs"}}, snapshots=100)
    assert record.status == DIVERGED
    (reel,) = film.reels([record], {record.run_id: "arm"})
    assert reel.at(10**6) is reel.moments[-1]


def test_many_arms_and_frames_are_thinned_out() -> None:
    record = execute({**XOR, "evaluate_every": 5}, snapshots=100)
    records = [Record(**{**vars(record), "run_id": f"{record.run_id}{i}"}) for i in range(8)]
    reels = film.reels(records, {one.run_id: one.run_id for one in records})
    assert len(reels) == film.MOST_ARMS
    shown = film.steps(reels)
    assert (shown[0], shown[-1], len(shown)) == (0, 300, 40)


@pytest.mark.slow
def test_a_film_is_read_from_its_animation(tmp_path: Path) -> None:
    record = execute(XOR, snapshots=3)
    made = drawn.draw(film.reels([record], {record.run_id: "arm"}), 1)
    (tmp_path / "animation.gif").write_bytes(made.gif)
    read = drawn.read(tmp_path)
    assert read is not None
    assert (read.caption, read.gif) == (made.caption, made.gif)
    for before, after in zip(made.frames, read.frames, strict=True):
        assert after[:2] == before[:2]
        pixels = [Image.open(io.BytesIO(f.png)).convert("RGB").tobytes() for f in (before, after)]
        assert pixels[0] == pixels[1]
    (tmp_path / "animation.gif").write_bytes(b"GIF89a")
    assert drawn.read(tmp_path) is None
    assert drawn.read(tmp_path / "nowhere") is None


@pytest.mark.usefixtures("one_figure")
@pytest.mark.slow
def test_a_page_has_a_frame_for_every_snapshot(nnexp: Command) -> None:
    words = ("data=xor", "hidden=3", "batch_size=full", "steps=40", "evaluate_every='10 steps'")
    words += ("init=xavier,zero", "out=o", "hydra.launcher.workers=1")
    done = nnexp("-m", *words, "snapshots=true")
    assert done.status == 0, done.err
    page = Path("o/index.html").read_text("utf-8")
    found = re.search(r'id="frames">(.*?)</script>', page)
    assert found is not None
    frames = json.loads(found[1])
    assert frames["labels"] == [
        "before training",
        *(f"step {step} (epoch {step})" for step in (10, 20, 30, 40)),
    ]
    pictures = [base64.b64decode(one.partition(",")[2]) for one in frames["pictures"]]
    sizes = {Image.open(io.BytesIO(picture)).size for picture in pictures}
    assert len(sizes) == 1
    assert len(set(pictures)) == 5
    assert f'src="{frames["pictures"][-1]}"' in page
    with Image.open("o/animation.gif") as animation:
        assert getattr(animation, "n_frames", 1) == 5
    assert 'href="animation.gif"' in page
    assert report.main(["o", "--out", "again"]) == 0  # from the tables, without the networks
    again = re.search(r'id="frames">(.*?)</script>', Path("again/index.html").read_text("utf-8"))
    assert again is not None
    assert json.loads(again[1])["labels"] == frames["labels"]
    assert Path("again/animation.gif").read_bytes() == Path("o/animation.gif").read_bytes()
    done = nnexp("-m", *words)
    assert done.status == 0, done.err
    assert "frames" in Path("o/index.html").read_text("utf-8")  # their snapshots are stored
