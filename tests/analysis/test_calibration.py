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
    CLAIMS,
    COLUMNS,
    CURVE_APART,
    CURVE_AS_ONE,
    FOUND,
    MEDIAN,
    MISSED,
    OUTCOMES,
    OUTSIDE,
    PUBLISHED,
    RUN,
    SIZES,
    STUDENT,
    TOP_UP,
    TUNED,
    as_markdown,
    calibrate,
    page,
)
from nnexp.analysis.power import power
from nnexp.analysis.simulated_claims import FALSE, KINDS, SHOWN
from nnexp.errors import InputError

EXPERIMENTS = 1000
# The arm diverges in nearly half of its runs: the median lies in the gap.
HARDEST = "45 % diverge"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return calibrate(EXPERIMENTS, seed=1)


def of(table: pd.DataFrame, question: str, interval: str = MEDIAN) -> pd.DataFrame:
    return table[(table["question"] == question) & (table["interval"] == interval)]


def errors(share: float) -> float:
    """Return four standard errors of a share: of some 150 cells, one strays so far in 100 runs."""
    return 4 * math.sqrt(share * (1 - share) / EXPERIMENTS)


@pytest.mark.slow
@pytest.mark.parametrize("outcomes", OUTCOMES)
def test_a_study_seldom_has_a_false_verdict_whatever_the_outcomes(table, outcomes):
    rows = of(table, MISSED)
    rates = rows[rows["outcomes"] == outcomes].set_index(["n", "claims"])["rate"]
    assert len(rates) == 4 * len(CLAIMS)
    assert (rates["5"] == 0).all()
    if outcomes == HARDEST:
        rates = rates.drop([("10", 12), ("10", 20)])
    assert rates.max() <= 0.057 + errors(0.05)


@pytest.mark.slow
def test_the_limit_is_used_and_not_met_by_never_deciding(table):
    rows = of(table, MISSED)
    rates = rows[rows["outcomes"] == "normal"].set_index(["n", "claims"])["rate"]
    assert rates[["10", "20"]].min() >= 0.045 - errors(0.05)
    assert rates[TOP_UP].min() > 0.02


@pytest.mark.slow
def test_tuning_both_arms_on_the_seeds_that_are_compared_does_not_flatter_one(table):
    rates = of(table[table["outcomes"] == TUNED], MISSED)
    assert rates["rate"].max() <= 0.05 + errors(0.05)
    assert rates[rates["n"] == "20"]["rate"].min() > 0


@pytest.mark.slow
def test_spreads_laws_and_best_values_seldom_have_a_false_verdict(table):
    rows = table[table["question"] == FALSE]
    assert {*rows["interval"]} == {*KINDS}
    assert rows["rate"].max() <= 0.05 + errors(0.05)
    # Equal spreads of normal outcomes use the whole limit.
    spreads = of(rows[rows["outcomes"] == "normal"], FALSE, KINDS[0])
    assert spreads["rate"].min() > 0.03


@pytest.mark.slow
def test_what_is_true_of_spreads_laws_and_best_values_is_shown(table):
    rows = table[table["question"] == SHOWN].set_index(["outcomes", "n", "claims"])["rate"]
    assert rows["normal, a ratio of 2", "100", 5] > 0.9
    assert rows["normal, a ratio of 1.5", "20", 5] < 0.1
    assert rows["shares as predicted", "400", 1] > 0.95
    assert rows["shares off by 0.3", "200", 1] > 0.95
    assert rows["best values 0.5 apart", "8", 1] > 0.95


@pytest.mark.slow
def test_the_table_shows_where_the_median_breaks_its_promise(table):
    rows = of(table, MISSED)
    rates = rows[rows["outcomes"] == HARDEST].set_index(["n", "claims"])["rate"]
    assert 0.08 < rates["10", 20] < 0.15


@pytest.mark.slow
def test_the_table_shows_why_means_are_not_judged(table):
    rates = of(table, MISSED, STUDENT).set_index(["outcomes", "n", "claims"])["rate"]
    assert rates["normal"].max() <= 0.05 + errors(0.05)
    assert rates["skewed", "10", 5] > 0.15
    assert rates["10 % diverge", "10", 1] > 0.3
    assert rates["10 % diverge", "10", 20] > 0.95


@pytest.mark.slow
def test_what_is_found_is_what_the_power_says(table):
    rows = of(table, FOUND)
    for row in rows.to_dict("records"):
        expected = power(row["difference"], int(row["n"]), 0.05 / row["claims"])
        assert row["rate"] == pytest.approx(expected, abs=4 * math.sqrt(0.25 / EXPERIMENTS))
    assert len(rows) == 2 * len(CLAIMS) * len(SIZES)


@pytest.mark.slow
def test_one_further_run_and_one_further_curve_are_covered_if_normal(table):
    normal = table[table["outcomes"] == "normal"]
    assert (of(normal, OUTSIDE, RUN)["rate"] - 0.05).abs().max() < errors(0.05)
    assert of(normal, OUTSIDE, CURVE_APART)["rate"].max() < 0.05 + errors(0.05)
    assert of(normal, OUTSIDE, CURVE_AS_ONE)["rate"].max() < 0.02


@pytest.mark.slow
def test_runs_that_are_seen_to_diverge_give_no_verdict(table):
    diverging = table[table["outcomes"] == "10 % diverge"]
    assert of(diverging, OUTSIDE, CURVE_APART)["rate"].min() > 0.3
    assert of(diverging, PUBLISHED, CURVE_APART)["rate"].max() < 0.01
    assert of(diverging, PUBLISHED, CURVE_AS_ONE)["rate"].max() < 0.08


@pytest.mark.parametrize("outcomes", OUTCOMES)
def test_the_simulated_truth_is_the_true_one(outcomes):
    own = OUTCOMES[outcomes]
    sample = own.draw(np.random.default_rng(5), (200_000,))
    error = sample.std() / math.sqrt(len(sample))
    assert abs(sample.mean() - own.mean) < 4.5 * error
    assert (sample < own.median).mean() <= 0.5 + 0.005
    assert (sample > own.median).mean() <= 0.5 + 0.005


def test_the_same_seed_gives_the_same_table():
    first = calibrate(20, seed=3)
    assert tuple(first.columns) == COLUMNS
    pd.testing.assert_frame_equal(first, calibrate(20, seed=3))
    assert not first.equals(calibrate(20, seed=4))


@pytest.mark.slow
def test_the_markdown_has_every_rate_of_a_question(table):
    lines = as_markdown(table, MISSED).splitlines()
    assert len(lines) == 2 + 4 * (len(OUTCOMES) + 1)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    row = dict(zip(cells[0], cells[3], strict=True))
    assert (row["outcomes"], row["n"]) == ("normal", "10")
    rates = of(table, MISSED).set_index(["outcomes", "n", "claims"])["rate"]
    assert row["median, 1 claim"] == f"{100 * rates['normal', '10', 1]:.1f}"
    assert row["median, 20 claims"] == f"{100 * rates['normal', '10', 20]:.1f}"


def test_the_command_writes_the_table_and_its_page(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(calibration, "EXPERIMENTS", 30)
    assert calibration.main(["--out", str(tmp_path / "new")]) == 0
    written = pd.read_csv(io.StringIO((tmp_path / "new" / "calibration.csv").read_text()))
    assert tuple(written.columns) == COLUMNS
    expected = calibrate(30)
    np.testing.assert_allclose(written["rate"], expected["rate"], rtol=1e-5)
    readme = (tmp_path / "new" / "README.md").read_text(encoding="utf-8")
    assert readme == page(expected, 30)
    assert readme.startswith("30 experiments a row")
    assert as_markdown(expected, FOUND) in capsys.readouterr().out


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match="cannot write"):
        calibration.main(["--out", str(tmp_path / "taken" / "deeper")])


@pytest.mark.parametrize(("experiments", "seed"), [(0, 0), (2.5, 0), (10, -1)])
def test_senseless_sizes_are_refused(experiments, seed):
    with pytest.raises(InputError, match="give a whole number"):
        calibrate(experiments, seed)
