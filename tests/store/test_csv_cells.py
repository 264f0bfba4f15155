"""Text in CSV files: a spreadsheet runs none of it, and it is read back as it was."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest

import nnexp as package
from nnexp.store.csv_cells import frame_to_csv, guarded, unguarded, unguarded_frame
from tests.conftest import Command

FORMULAS = [
    *("=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "-", "=", "- a list"),
    *("'=1+1", "''=1+1", "'-1", " -1 +", "-1 "),
]
HARMLESS = ["", "xavier", "'", "'quoted'", "a=b", "mine.py:f", "-0.5", "1e-3", "+1", "-inf", "-1e5"]


@pytest.mark.parametrize("text", [*FORMULAS, *HARMLESS])
def test_any_text_is_read_back_as_it_was(text: str) -> None:
    cell = guarded(text)
    assert unguarded(cell) == text
    assert cell[:1] not in set("=+-@\t\r\n") or cell in HARMLESS
    if "\r" in text:  # which pandas writes as a line's end
        return
    frame = pd.DataFrame({"text": [text, "other"], "number": [-0.5, 1e-300]})
    again = pd.read_csv(
        io.StringIO(frame_to_csv(frame), newline=""), dtype={"text": str}, keep_default_na=False
    )
    assert unguarded_frame(again)["text"].to_list() == [text, "other"]


def test_numbers_and_nothing_are_left_alone() -> None:
    for value in (-0.5, 1e-3, -3, True, None, float("-inf")):
        assert guarded(value) is value
    frame = pd.DataFrame({"a": [-0.5, 2.0], "b": [None, "x"], "c": [-1, None]}, dtype=object)
    assert frame_to_csv(frame) == frame.to_csv(index=False, lineterminator="\n")


@pytest.mark.usefixtures("one_figure")
@pytest.mark.slow
def test_arms_that_look_like_formulas_are_safe_in_every_table_and_loaded_as_they_are(
    nnexp: Command,
) -> None:
    Path("experiments").mkdir()
    names = ["=1+1", "+a", "@b", "'=c", "-0.5", "plain"]
    inits = ["xavier", "he", "zero", "randn", "lecun", "orthogonal"]
    arms = {name: [f"init={init}"] for name, init in zip(names, inits, strict=True)}
    text = f"# @package _global_\n{json.dumps({'arms': arms})}\n"
    Path("experiments/odd.yaml").write_text(text, "utf-8")
    words = ("data=xor", "steps=2", "hidden=3", "arm=all", "out=sweep", "hydra.launcher.workers=1")
    done = nnexp("-m", "+experiments=odd", *words)
    assert done.status == 0, done.err
    assert package.load("sweep").runs["arm"].to_list() == names
    tables = list(Path("sweep").glob("*.csv"))
    assert len(tables) > 5
    for table in tables:
        for row in csv.reader(io.StringIO(table.read_text("utf-8"))):
            for cell in row:
                assert cell[:1] not in set("=@+")
                assert cell[:1] != "-" or float(cell) < 0
