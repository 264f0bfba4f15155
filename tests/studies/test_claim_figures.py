"""The figures of claims: what a reader must find in each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from nnexp.plotting import layout
from nnexp.plotting.picture import Picture
from nnexp.studies.judging import judge
from nnexp.studies.markdown_report import claim_pictures
from nnexp.studies.reader import read_study
from nnexp.studies.section import show_picture
from nnexp.studies.study import ClaimPicture, Study
from tests.studies.test_judging import HEAD, planted
from tests.synthetic import assert_within

CLAIMS = """\
{id: above, row: D1.1, statement: A above B., test: greater, arms: [a, b], where: {lr: 0.1},
      map: [lr, epoch], expected: reproduced}
    - {id: level, row: D1.1, statement: A above a level., test: greater, arm: a, threshold: 0.9,
      where: {lr: 0.1}, expected: reproduced}
    - {id: loss, row: D1.1, statement: A below B in loss., test: less, arms: [a, b],
      where: {lr: 0.1}, outcome: train_loss, matters: 0.01, expected: reproduced}
    - {id: log, row: D1.4, statement: The log., test: curve, arm: a, where: {lr: 0.1}, by: epoch,
      points: {1: 0.3, 5: 0.95}, rounding: 0.005, cap: 0.1, expected: consistent}"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    file = tmp_path_factory.mktemp("study") / "s.yaml"
    file.write_text(HEAD.format(claim=CLAIMS))
    read = read_study(file)
    assert read is not None
    return read


@pytest.fixture(scope="module")
def drawn(study: Study) -> list[ClaimPicture]:
    tables = planted(0.002, 0.95, 0.93, lr=(0.1, 0.5))
    return [*claim_pictures(study, judge(study, tables), tables)]


@pytest.fixture(scope="module")
def pictures(drawn: list[ClaimPicture]) -> dict[str, Picture]:
    return {picture.name: picture for picture, _ in drawn}


def words(figure: Figure) -> str:
    figure.draw_without_rendering()
    return " ".join(text.get_text() for text in figure.findobj(match=_is_text) if text.get_text())


def _is_text(artist: Any) -> bool:
    return hasattr(artist, "get_text")


@pytest.mark.slow
def test_there_is_a_figure_of_all_pairs_one_of_each_map_and_one_of_each_curve(
    drawn: list[ClaimPicture],
) -> None:
    assert {picture.name: claims for picture, claims in drawn} == {
        "pairs": ("above", "level", "loss"),
        "map-above": ("above",),
        "curve-log": ("log",),
    }


def test_pairs_show_every_seed_the_interval_and_what_does_not_matter(
    pictures: dict[str, Picture],
) -> None:
    figure = pictures["pairs"].figure
    points, loss = figure.axes
    dots = [line for line in points.lines if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in dots] == [10, 10]
    intervals = [line for line in points.lines if len(line.get_xdata()) == 2][:2]
    for interval, row in zip(dots, intervals, strict=True):
        low, high = sorted(row.get_xdata())
        assert low < np.mean(interval.get_xdata()) < high
    assert len(points.collections) == 2  # a grey area a claim
    assert points.get_xlabel() == "percentage points"
    assert loss.get_xlabel() == "train loss"
    said = words(figure)
    for word in ("a − b", "a − 0.9", "reproduced"):
        assert word in said
    assert "98.33 % interval" in pictures["pairs"].caption


def test_a_page_reads_the_seed_of_a_pair_and_the_published_points(
    drawn: list[ClaimPicture],
) -> None:
    runs = planted(0.002, 0.95, 0.93, lr=(0.1, 0.5)).runs
    shown = {one.picture.name: show_picture(one, runs).readings["marks"] for one in drawn}
    pairs = [seeds for kind, _, seeds in shown["pairs"] if kind == "pairs"]
    assert pairs == [[*range(10)]] * 3
    assert [mark for mark in shown["curve-log"] if mark[0] == "published"]


def test_a_map_has_a_cell_for_each_setting_and_says_n(pictures: dict[str, Picture]) -> None:
    ax = pictures["map-above"].figure.axes[0]
    assert ax.images[0].get_array().shape[:2] == (2, 5)
    assert len(ax.texts) == 10
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "lr")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0.1", "0.5"]
    assert "n = 10 pairs per cell" in pictures["map-above"].caption
    assert "Descriptive" in pictures["map-above"].caption


@pytest.mark.slow
def test_the_caption_has_the_level_of_the_verdicts(study: Study) -> None:
    tables = planted(0.002, 0.95, 0.93, lr=(0.1, 0.5))
    looser = replace(study, alpha=0.2)
    pairs = next(claim_pictures(looser, judge(looser, tables, looks=3), tables)).picture
    assert "97.78 % interval (together 80 % for the 3 comparisons" in pairs.caption


@pytest.mark.slow
def test_a_map_of_many_columns_lies_on_its_side(study: Study) -> None:
    tables = planted(0.002, 0.95, 0.93, lr=tuple(np.arange(1, 9) / 10))
    first, *others = study.claims
    above = replace(first, test=replace(first.test, map=("activation", "lr")))
    tables.runs["activation"] = "relu"
    judgements = judge(study, tables)
    aside = replace(study, claims=(above, *others))
    (ax,) = {p.name: p for p, _ in claim_pictures(aside, judgements, tables)}[
        "map-above"
    ].figure.axes
    assert ax.images[0].get_array().shape[:2] == (8, 1)


@pytest.mark.slow
def test_a_map_of_many_numbers_is_a_curve_with_intervals(study: Study) -> None:
    tables = planted(0.002, 0.95, 0.93, lr=tuple(np.arange(1, 9) / 10))
    first, *others = study.claims
    above = replace(first, test=replace(first.test, map=("lr",)))
    alone = replace(study, claims=(above, *others))
    drawn = {p.name: p for p, _ in claim_pictures(alone, judge(alone, tables), tables)}
    picture = drawn["map-above"]
    (ax,) = picture.figure.axes
    (curve,) = (line for line in ax.lines if len(line.get_xdata()) == 8)
    np.testing.assert_allclose(curve.get_xdata(), np.arange(1, 9) / 10)
    np.testing.assert_allclose(curve.get_ydata(), 100 * picture.table["difference"])
    places = ax.collections[0].get_paths()[0].vertices
    assert places[:, 1].min() == pytest.approx(100 * picture.table["low"].min())
    assert places[:, 1].max() == pytest.approx(100 * picture.table["high"].max())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("lr", "percentage points")
    assert "n = 10 pairs per value" in picture.caption
    assert_within(picture.figure)


def test_nothing_is_cut_off_at_the_edges(pictures: dict[str, Picture]) -> None:
    for picture in pictures.values():
        assert_within(picture.figure)


@pytest.mark.slow
def test_a_curve_has_its_band_its_runs_and_the_published_points(
    pictures: dict[str, Picture],
) -> None:
    above, below = pictures["curve-log"].figure.axes
    legend = [text.get_text() for text in above.get_legend().get_texts()]
    assert legend == ["joint 95 % band", "our runs (n = 10)", "published"]
    for ax in (above, below):
        assert len(ax.collections) == 1  # the band
    published = next(line for line in above.lines if line.get_label() == "published")
    assert list(published.get_ydata()) == [0.3, 0.95]
    assert above.get_ylabel() == "test accuracy"
    assert below.get_xlabel() == "epochs"
    assert "− our mean" in below.get_ylabel()


@pytest.mark.slow
def test_every_figure_can_be_told_to_who_cannot_see_it(pictures: dict[str, Picture]) -> None:
    for picture in pictures.values():
        assert len(picture.alt) > 60
        assert picture.caption in picture.alt


@pytest.mark.slow
def test_every_figure_has_its_numbers(pictures: dict[str, Picture]) -> None:
    pairs, cells, curve = (p.table for p in pictures.values())
    assert pairs["claim"].drop_duplicates().tolist() == ["above", "level", "loss"]
    np.testing.assert_allclose(pairs["first"] - pairs["second"], pairs["difference"])
    assert set(pairs.loc[pairs["claim"] == "level", "second"]) == {0.9}
    assert set(cells["lr"]) == {0.1, 0.5}
    assert (cells["low"] < cells["difference"]).all()
    assert curve["published"].tolist() == [0.3, 0.95]
    assert curve.filter(like="run ").mean(axis=1).tolist() == pytest.approx(curve["mean"].tolist())


@pytest.mark.slow
def test_the_figures_files_are_the_same_for_the_same_runs(study: Study, tmp_path: Path) -> None:

    tables = planted(0.002, 0.95, 0.93, lr=(0.1, 0.5))
    first, second = (
        [layout.svg(p.figure) for p, _ in claim_pictures(study, judge(study, tables), tables)]
        for _ in range(2)
    )
    assert first == second
