"""Claims that some setting of a sweep gives published figures: planted truths, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nnexp.errors import InputError
from nnexp.store.tables import Tables
from nnexp.studies.judging import judge
from nnexp.studies.reader import read_study
from nnexp.studies.study import Study
from tests.studies.test_judging import HEAD, planted

CLAIM = "{{id: c, row: D1.1, statement: s, test: reachable, rounding: 0.00005, {}}}"
SWEPT = "hydra: {sweeper: {params: {arm: all, lr: '0.1,0.5', seed: range(10)}}}\n"


def study(folder: Path, claim: str) -> Study:
    file = folder / "s.yaml"
    swept = "" if "map:" in claim else "map: [lr], "
    entry = CLAIM.format(f"{swept}{claim}, expected: consistent")
    file.write_text(HEAD.format(claim=entry) + SWEPT)
    read = read_study(file)
    assert read is not None
    return read


def swept(noise: float = 0.002) -> Tables:
    """Return runs whose arms a and b end at 0.90 and 0.80 with lr 0.1, 0.95 and 0.85 with 0.5."""
    slow, fast = planted(noise, 0.9, 0.8), planted(noise, 0.95, 0.85, lr=(0.5,))
    for table in fast:
        table["run_id"] = table["run_id"] + "-fast"
    return Tables(*(pd.concat(two, ignore_index=True) for two in zip(slow, fast, strict=True)))


@pytest.mark.parametrize(
    ("claim", "verdict", "measured"),
    [
        ("figures: {a: 0.95, b: 0.85}, cap: 0.1", "consistent", "all 2 figures in 1 of 2"),
        # Each figure is reached, but not by one setting.
        ("figures: {a: 0.95, b: 0.8}, cap: 0.1", "contradicted", "all 2 figures in 0 of 2"),
        ("figures: {a: 0.99}, cap: 0.1", "contradicted", "the figure in 0 of 2"),
        ("figures: {a: 0.95, b: 0.85}, cap: 0.001", "too noisy to tell", "all 2 figures in 1 of 2"),
    ],
)
def test_a_planted_setting_is_found(
    tmp_path: Path, claim: str, verdict: str, measured: str
) -> None:
    (found,) = judge(study(tmp_path, claim), swept())
    assert found.verdict == verdict
    assert found.measured.startswith(f"{measured} combinations; closest at lr 0.")
    assert found.n == 10


def test_its_map_counts_the_figures_of_each_setting(tmp_path: Path) -> None:
    one = study(tmp_path, "figures: {a: 0.95, b: 0.85}, cap: 0.001")
    tables = swept()
    (found,) = judge(one, tables)
    test: Any = one.claims[0].test
    (drawn,) = test.draw(one, {"c": found}, tables)
    assert drawn.claims == ("c",)
    cells = drawn.picture.table.set_index("lr")
    assert dict(cells["inside"]) == {0.1: 0, 0.5: 2}
    words = {text.get_text() for text in drawn.picture.figure.axes[0].texts}
    assert words == {"0 of 2 ?", "2 of 2 ?"}
    assert dict(test.explain(found))["Holds in"] == "1 of 2 combinations"


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("figures: {}", "figures={} is empty"),
        ("figures: {d: 0.9}", "unknown arm 'd'"),
        ("figures: {a: high}", "figures.a='high' is not a number"),
        ("figures: {a: 0.9}, where: {lr: 0.1}", "lr stands in map and in where"),
        ("figures: {a: 0.9}, map: []", "map=[] is empty"),
        ("figures: {a: 0.9}, map: [lr, epoch], at: {epoch: 1}", "leave 'at' out"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, claim: str, said: str) -> None:
    with pytest.raises(InputError, match="line 9") as caught:
        study(tmp_path, claim)
    assert said in str(caught.value)
