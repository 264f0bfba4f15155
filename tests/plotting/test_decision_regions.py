"""The figure of decision regions: which run it shows, what it names, and its table."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnexp.analysis.arms import Comparison, compare
from nnexp.errors import InputError
from nnexp.plotting import layout
from nnexp.plotting.decision_regions import NAME, picture, read
from nnexp.plotting.picture import Picture
from nnexp.plotting.rendering import pictures
from nnexp.store.record import Record, to_csv
from nnexp.store.tables import tables
from nnexp.training.execute import execute
from tests.settings import RUN
from tests.synthetic import assert_within

SPIRALS = {**RUN, "data": {"name": "spirals", "n": 90, "classes": 3}, "epochs": 1}


def sweep(inits: tuple[str, ...], seeds: int = 1, **settings: object) -> list[Record]:
    """Return a record for each initialiser and seed; later seeds are given higher accuracies."""
    records = []
    for init in inits:
        for seed in range(seeds):
            record = execute({**SPIRALS, **settings, "init": init, "seed": seed})
            record.metrics[-1]["test_accuracy"] = 0.5 + 0.1 * seed
            records.append(record)
    return records


def drawn(records: list[Record]) -> tuple[Comparison, Picture]:
    comparison = compare(*tables(records))
    return comparison, pictures(comparison, records)[NAME]()


def test_each_arm_is_shown_by_the_run_of_the_median_accuracy() -> None:
    records = sweep(("xavier", "zero"), 4)
    _, shown = drawn(records)
    assert [ax.get_title("left") for ax in shown.figure.axes] == ["xavier: 0.600", "zero: 0.600"]
    assert set(shown.table["run_id"]) == {records[1].run_id, records[5].run_id}
    assert "that of the median final test accuracy" in shown.caption
    assert "Marks: all 90 training examples of spirals." in shown.caption
    assert "Test accuracy: xavier 0.6, zero 0.6." in shown.alt
    assert_within(shown.figure)


def test_the_image_has_the_colours_of_the_regions() -> None:
    (record,) = sweep(("xavier",))
    record.regions = to_csv(
        [
            {"y": y, "x": x, "until": x + 1.0, "class": int(x + y)}
            for y in (0.0, 1.0)
            for x in (0, 1)
        ]
    )
    _, shown = drawn([record])
    (ax,) = shown.figure.axes
    (image,) = ax.images
    sheet = np.asarray(image.get_array())
    colours = [line.get_color() for line in ax.lines]
    assert sheet.shape == (2, 2, 4)
    assert (sheet[0, 1] == sheet[1, 0]).all()
    assert len({tuple(cell) for cell in sheet.reshape(4, 4)}) == len(colours) == 3
    assert image.get_extent() == [0, 2, -0.5, 1.5]


def test_many_examples_are_a_few_of_each_class() -> None:
    _, shown = drawn(sweep(("xavier",), data={"name": "spirals", "n": 1800, "classes": 3}))
    examples = shown.table[shown.table["kind"] == "example"]
    assert examples["class"].value_counts().to_dict() == {"0": 134, "1": 133, "2": 133}
    assert "Marks: 400 of 1800 training examples of spirals." in shown.caption


def test_the_figure_is_drawn_again_from_its_table(tmp_path: Path) -> None:
    comparison, shown = drawn(sweep(("xavier", "zero"), 2))
    (tmp_path / f"{NAME}.csv").write_text(shown.csv)
    again = picture(comparison, read(tmp_path))
    assert layout.svg(again.figure) == layout.svg(shown.figure)
    assert (again.caption, again.alt) == (shown.caption, shown.alt)


def test_regions_come_from_weights_if_a_record_has_only_those() -> None:
    record = execute(SPIRALS, save_weights=True)
    _, now = drawn([record])
    _, then = drawn([dataclasses.replace(record, regions="")])
    pd.testing.assert_frame_equal(then.table, now.table)


def test_old_records_lack_the_figure() -> None:
    (record,) = sweep(("xavier",))
    old = dataclasses.replace(record, regions="")
    assert NAME not in pictures(compare(*tables([old])), [old])


def test_arms_that_are_left_out_are_counted() -> None:
    one, other = sweep(("xavier", "zero"))
    _, shown = drawn([one, dataclasses.replace(other, regions="")])
    assert "1 of 2 arms are shown: the others have no finished run" in shown.caption
    inits = [*map("lr {}".format, range(14))]
    many = [
        dataclasses.replace(one, run_id=f"run-{i}", columns={**one.columns, "init": name})
        for i, name in enumerate(inits)
    ]
    _, few = drawn(many)
    assert len(few.figure.axes) == 12
    assert "12 of 14 arms are shown: of those with recorded regions" in few.caption


def test_data_of_two_settings_have_axes_of_their_own() -> None:
    near = execute(SPIRALS)
    far = execute({**SPIRALS, "data": {"name": "blobs", "n": 30}})
    _, shown = drawn([near, far])
    first, second = shown.figure.axes
    assert first.get_xlim() != second.get_xlim()
    assert "of spirals or blobs." in shown.caption


@pytest.mark.parametrize("content", ["", "arm,run_id\na,b\n"])
def test_a_damaged_table_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / f"{NAME}.csv").write_text(content)
    with pytest.raises(InputError, match=r"regions.csv is damaged .*: make the page again"):
        read(tmp_path)
