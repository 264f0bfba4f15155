"""How often the intervals hold what they promise, on experiments whose truth is known."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnexp.analysis import calibration
from nnexp.analysis.calibration import (
    BOOTSTRAP,
    CLAIMS,
    COLUMNS,
    CURVE_APART,
    CURVE_AS_ONE,
    JOHNSON,
    MATTERS,
    MEAN,
    NEAR_CEILING,
    OUTCOMES,
    RUN,
    as_markdown,
    calibrate,
    differences,
)
from nnexp.errors import InputError

EXPERIMENTS = 1500
FALSE = ["reproduced", "contradicted", "no_difference", "any_false"]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return calibrate(EXPERIMENTS, seed=1)


def of(table: pd.DataFrame, outcomes: str, interval: str = MEAN) -> pd.DataFrame:
    return table[(table["outcomes"] == outcomes) & (table["interval"] == interval)]


def errors(share: float, count: int) -> float:
    """Return four standard errors of a share: of some 150 cells, one strays so far in 100 runs."""
    return 4 * math.sqrt(share * (1 - share) / count)


def test_a_mean_of_normal_outcomes_is_covered_as_promised(table):
    rows = of(table, "normal")
    fixed = rows[rows["n"] != "top-up"]
    assert list(fixed["n"].unique()) == ["5", "10", "30"]
    assert (fixed["coverage"] - 0.95).abs().max() < errors(0.05, EXPERIMENTS * CLAIMS)


def test_symmetric_outliers_cost_no_coverage_of_a_mean(table):
    assert of(table, "outliers")["coverage"].min() > 0.94


def test_intervals_of_all_looks_together_cover_as_promised(table):
    rows = of(table, "normal")
    looked = rows[rows["n"] == "top-up"]["coverage"]
    assert looked.min() > 0.95 - errors(0.05, EXPERIMENTS * CLAIMS)
    assert looked.max() < 1 - 0.05 / 3  # as one of the looks alone would


@pytest.mark.parametrize("outcomes", ["normal", "outliers"])
def test_a_study_gives_a_false_verdict_in_one_case_of_twenty_at_most(table, outcomes):
    worst = of(table, outcomes).groupby("n")[FALSE].max()
    assert set(worst.index) == {"5", "10", "30", "top-up"}
    assert worst.max().max() <= 0.05 + errors(0.05, EXPERIMENTS)


def test_the_limit_is_used_and_not_met_by_never_deciding(table):
    rows = of(table, "normal").set_index(["n", "truth", "matters"])
    for n in ("5", "10", "30"):
        tie = rows.loc[(n, 0.0, MATTERS[0])]
        assert tie["any_false"] > 0.05 - errors(0.05, EXPERIMENTS)
        assert tie["any_false"] == pytest.approx(tie["reproduced"] + tie["contradicted"], abs=0.005)
        edge = rows.loc[(n, MATTERS[1], MATTERS[1])]
        assert edge["no_difference"] > 0.025 - errors(0.025, EXPERIMENTS)


def test_what_counts_as_false_follows_from_the_truth(table):
    rows = of(table, "normal")
    assert rows[rows["truth"] > 0]["reproduced"].isna().all()
    assert rows[rows["truth"] <= 0]["reproduced"].notna().all()
    assert rows[rows["truth"] < 0]["contradicted"].isna().all()
    assert rows[rows["truth"] >= 0]["contradicted"].notna().all()
    assert (rows["no_difference"].isna() == (rows["truth"] == 0)).all()
    assert set(rows["truth"]) == {0.0, *MATTERS, *(-m for m in MATTERS)}


def test_the_table_shows_where_skew_breaks_the_promise(table):
    rows = of(table, "skewed").groupby("n").agg({"coverage": "min", "any_false": "max"})
    assert rows["coverage"]["5"] < 0.91
    assert rows["coverage"]["5"] < rows["coverage"]["30"] < 0.95
    assert rows["any_false"]["5"] > 0.1


def test_why_means_are_judged_by_students_interval(table):
    worst = table.groupby(["interval", "outcomes"])["coverage"].min()
    # Moving it by the skewness gains nothing to speak of; the bootstrap loses where outliers are.
    assert worst[JOHNSON, "skewed"] - worst[MEAN, "skewed"] < 0.02
    assert worst[BOOTSTRAP, "skewed"] > worst[MEAN, "skewed"] + 0.01
    assert worst[BOOTSTRAP, "outliers"] < 0.92 < 0.94 < worst[MEAN, "outliers"]
    assert worst[BOOTSTRAP, NEAR_CEILING] < worst[MEAN, NEAR_CEILING]


def test_one_further_run_and_one_further_curve_are_covered_as_promised(table):
    within = errors(0.05, EXPERIMENTS)
    assert (of(table, "normal", RUN)["coverage"] - 0.95).abs().max() < within
    assert of(table, "normal", CURVE_APART)["coverage"].min() > 0.95 - within
    assert of(table, "normal", CURVE_AS_ONE)["coverage"].min() > 0.98


@pytest.mark.parametrize("outcomes", OUTCOMES)
@pytest.mark.parametrize("truth", [-3.0, -0.5, 0.0, 0.5, 3.0])
def test_the_simulated_truth_is_the_true_one(outcomes, truth):
    sample = differences(outcomes, np.random.default_rng(5), truth, (200_000,))
    error = sample.std() / math.sqrt(len(sample))
    assert abs(sample.mean() - truth) < 4.5 * error
    if truth == 0 or outcomes != NEAR_CEILING:
        assert sample.std() == pytest.approx(1, abs=0.03)


def test_accuracies_pile_up_near_their_ceiling():
    accuracies = OUTCOMES[NEAR_CEILING](np.random.default_rng(6), (100_000,))
    assert accuracies.max() <= 1
    counts, _ = np.histogram(accuracies, np.linspace(0.9, 1, 11))
    assert (np.diff(counts) > 0).all()
    assert counts[-1] > len(accuracies) / 2
    assert accuracies.mean() == pytest.approx(0.98, abs=0.001)


def test_the_same_seed_gives_the_same_table():
    first = calibrate(20, seed=3)
    pd.testing.assert_frame_equal(first, calibrate(20, seed=3))
    assert not first.equals(calibrate(20, seed=4))


def test_the_markdown_tells_the_worst_of_the_truths(table):
    lines = as_markdown(table).splitlines()
    assert len(lines) == 2 + 4 * len(OUTCOMES)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert {len(row) for row in cells} == {len(cells[0])}
    row = dict(zip(cells[0], cells[2], strict=True))
    normal = of(table, "normal").groupby("n", sort=False)
    assert (row["outcomes"], row["n"]) == ("normal", "5")
    assert row[MEAN] == f"{100 * normal['coverage'].min()['5']:.1f}"
    assert row["any false"] == f"{100 * normal['any_false'].max()['5']:.1f}"
    assert cells[5][cells[0].index(RUN)] == ""  # nothing to say of topping up


def test_the_command_writes_the_table_and_its_page(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(calibration, "calibrate", lambda: calibrate(30))
    assert calibration.main(["--out", str(tmp_path / "new")]) == 0
    written = pd.read_csv(io.StringIO((tmp_path / "new" / "calibration.csv").read_text()))
    assert tuple(written.columns) == COLUMNS
    expected = calibrate(30)
    assert list(written["n"].astype(str)) == list(expected["n"])
    np.testing.assert_allclose(written["coverage"], expected["coverage"], rtol=1e-5)
    readme = (tmp_path / "new" / "README.md").read_text(encoding="utf-8")
    assert as_markdown(expected) in readme
    assert readme.startswith("30 experiments a row")
    assert as_markdown(expected) in capsys.readouterr().out


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match="cannot write"):
        calibration.main(["--out", str(tmp_path / "taken" / "deeper")])


@pytest.mark.parametrize(("experiments", "seed"), [(0, 0), (2.5, 0), (10, -1)])
def test_senseless_sizes_are_refused(experiments, seed):
    with pytest.raises(InputError, match="give a whole number"):
        calibrate(experiments, seed)
