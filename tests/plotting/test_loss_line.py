"""The figure of the loss along the line: what is drawn, and from which table."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from nnexp.analysis.arms import Comparison, compare
from nnexp.errors import InputError
from nnexp.plotting import layout, record_figures
from nnexp.plotting.loss_line import picture, read
from nnexp.plotting.picture import Picture
from nnexp.plotting.rendering import pictures
from nnexp.store.record import Record, line_from_csv, to_csv
from nnexp.store.tables import tables
from nnexp.training.execute import execute
from tests.settings import RUN
from tests.synthetic import assert_within

SETTINGS = {**RUN, "data": {"name": "blobs", "n": 40}, "epochs": 1, "evaluate_line": 4}


def sweep(inits: tuple[str, ...] = ("xavier", "he"), seeds: int = 2) -> list[Record]:
    return [execute({**SETTINGS, "init": init, "seed": s}) for init in inits for s in range(seeds)]


def drawn(records: list[Record]) -> tuple[Comparison, Picture]:
    comparison = compare(*tables(records))
    return comparison, pictures(comparison, records)["line"]()


def test_the_mean_over_seeds_is_drawn_with_single_seeds_and_the_test_set() -> None:
    records = sweep()
    _, shown = drawn(records)
    (ax,) = shown.figure.axes
    assert ax.get_xlabel() == "share of the way from initial to final weights"
    assert ax.get_ylabel() == "loss (mean per example)"
    lines = [np.array([p["train_loss"] for p in line_from_csv(r.line)]) for r in records[:2]]
    means = [np.asarray(line.get_ydata()) for line in ax.lines]
    for curve in (sum(lines) / 2, *lines):
        assert any(len(mean) == 5 and np.allclose(mean, curve) for mean in means)
    tests = [np.array([p["test_loss"] for p in line_from_csv(r.line)]) for r in records[:2]]
    assert any(len(mean) == 5 and np.allclose(mean, sum(tests) / 2) for mean in means)
    assert "Hairlines: single seeds. Thin lines: the same on the test set." in shown.caption
    assert "At the final weights: xavier" in shown.alt
    assert_within(shown.figure)


def test_losses_that_fall_far_are_on_a_logarithmic_axis() -> None:
    records = sweep(seeds=1)
    for record in records:
        line = line_from_csv(record.line)
        record.line = to_csv([{**point, "train_loss": 10.0**-i} for i, point in enumerate(line)])
    _, shown = drawn(records)
    assert shown.figure.axes[0].get_yscale() == "log"


@pytest.mark.slow
def test_the_figure_is_drawn_again_from_its_table(tmp_path: Path) -> None:
    comparison, shown = drawn(sweep())
    (tmp_path / "line.csv").write_text(shown.csv)
    again = picture(comparison, read(tmp_path))
    assert layout.svg(again.figure) == layout.svg(shown.figure)
    assert (again.caption, again.alt, again.csv) == (shown.caption, shown.alt, shown.csv)
    kept = record_figures.read([tmp_path, tmp_path])
    assert layout.svg(pictures(comparison, (), kept)["line"]().figure) == layout.svg(shown.figure)


def test_runs_without_a_line_are_counted_and_there_may_be_none() -> None:
    one, other = sweep(seeds=1)
    _, shown = drawn([one, dataclasses.replace(other, line="")])
    assert "1 of 2 runs have no line" in shown.caption
    old = dataclasses.replace(one, line="")
    assert "line" not in pictures(compare(*tables([old])), [old])


def test_losses_of_two_functions_have_axes_of_their_own() -> None:
    records = [execute({**SETTINGS, "loss": loss}) for loss in ("cross_entropy", "mse")]
    _, shown = drawn(records)
    assert len(shown.figure.axes) == 2
    assert "Different losses are not comparable" in shown.caption


@pytest.mark.parametrize(
    "content",
    [
        "",
        "arm,run_id\na,b\n",
        "arm,run_id,fraction,train_loss,train_accuracy,test_loss,test_accuracy\na,b,0,x,0,0,0\n",
    ],
    ids=["empty", "columns", "text"],
)
def test_a_damaged_table_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "line.csv").write_text(content)
    with pytest.raises(InputError, match=r"line.csv is damaged .*: make the page again"):
        read(tmp_path)
