"""Claims on laws: planted truths, the formulas themselves, and how often verdicts are false."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.analysis.rates import rate_interval
from nnexp.errors import InputError
from nnexp.nn.activations import ACTIVATIONS
from nnexp.store.tables import Tables
from nnexp.studies.computations import compute
from nnexp.studies.judging import judge
from nnexp.studies.kinds.law import Law
from nnexp.studies.laws import LAWS, born_dead, length_ratio, predicted
from nnexp.studies.reader import read_study
from nnexp.studies.study import Study
from tests.studies.test_judging import HEAD
from tests.synthetic import assert_within, make_tables

SHAPES = ("2x2", "3x3x3", "5")
RATES = (0.1, 0.5)
DEAD = "test: law, arm: a, over: [hidden], outcome: {layer: -2, value: dead}, above: 0.99"
EDGE = "test: law, arms: [b, c], over: [lr], outcome: test_loss, scale: log10, matters: 0.1"


@pytest.fixture
def study(tmp_path: Path) -> Any:
    """Return what reads a study of one claim, given as a YAML flow mapping."""

    def make(claim: str) -> Study:
        given = f"{{id: c, row: D1.1, statement: s, {claim}, expected: reproduced}}"
        head = HEAD.format(claim=given).replace("lr=0.1", "data.first=1")
        swept = "hydra: {sweeper: {params: {%s}}}" % (
            'hidden: "2x2,3x3x3,5"' if "hidden" in claim else 'lr: "0.1,0.5"'
        )
        (tmp_path / "s.yaml").write_text(head + swept)
        read = read_study(tmp_path / "s.yaml")
        assert read is not None
        return read

    return make


@functools.cache
def untrained(seeds: int) -> Tables:
    """Return the runs of `dead`, which are many, before it is known which of them are dead."""
    points = [{"arm": "a", "hidden": hidden} for hidden in SHAPES]
    return make_tables(points, range(seeds), evaluations=1)


def dead(off: float = 0.0, seeds: int = 400, seed: int = 0) -> Tables:
    """Return runs of which the share with a dead last hidden layer is the law's plus ``off``."""
    tables = untrained(seeds)
    rng = np.random.default_rng(seed)
    share = {hidden: born_dead(hidden) + off for hidden in SHAPES}
    found = {
        run: float(rng.random() < share[hidden])
        for run, hidden in zip(tables.runs["run_id"], tables.runs["hidden"], strict=True)
    }
    return tables._replace(layers=tables.layers.assign(dead=tables.layers["run_id"].map(found)))


def sharp(factor: float) -> Tables:
    """Return runs whose test loss is ``factor`` times 2/lr, up to some noise."""
    points = [{"arm": arm, "lr": lr} for arm, lr in itertools.product("bc", RATES)]
    tables = make_tables(points, range(10), evaluations=2)
    noise = np.exp(0.02 * np.random.default_rng(0).standard_normal(len(tables.metrics)))
    tables.metrics["test_loss"] = factor * 2 / tables.metrics["lr"].astype(float) * noise
    return tables


@pytest.mark.parametrize(
    ("off", "claim", "verdict"),
    [
        (0, "equal_to: born_dead, matters: 0.15", "reproduced"),
        (0, "equal_to: born_dead, matters: 0.01", "inconclusive"),
        (0.3, "equal_to: born_dead, matters: 0.1", "contradicted"),
        (-0.03, "at_most: born_dead, matters: 0.1", "reproduced"),
        (0.3, "at_most: born_dead, matters: 0.1", "contradicted"),
        (0.3, "at_least: born_dead, matters: 0.1", "reproduced"),
        (-0.01, "at_least: born_dead, matters: 0", "inconclusive"),
    ],
)
def test_a_planted_share_gets_its_verdict(study: Any, off: float, claim: str, verdict: str) -> None:
    (found,) = judge(study(f"{DEAD}, {claim}"), dead(off))
    assert found.verdict == verdict
    assert found.n == 400
    assert (
        found.outcome == "share of runs with a share of dead units of the last hidden layer "
        "above 0.99"
    )
    assert found.measured.startswith("3 cells; farthest off at arm a, hidden ")
    assert found.holds_in.endswith("not in 0") == (verdict != "contradicted")


def test_the_intervals_are_exact_and_hold_in_all_cells_together(study: Any) -> None:
    claim, tables = study(f"{DEAD}, equal_to: born_dead, matters: 0.15"), dead()
    test = claim.claims[0].test
    assert isinstance(test, Law)
    cells = test.cells(tables, 0.05).set_index("hidden")
    assert cells.loc["5", "predicted"] == 1 / 32
    count = round(cells.loc["3x3x3", "measured"] * 400)
    law = 1 - (1 - 1 / 8) ** 3
    bounds = cells.loc["3x3x3", ["low", "high"]] + law
    assert bounds.tolist() == pytest.approx(list(rate_interval(count, 400, 0.05 / 3)))


@pytest.mark.parametrize(
    ("factor", "claim", "verdict"),
    [
        (1, "equal_to: edge_of_stability", "reproduced"),
        (2, "equal_to: edge_of_stability", "contradicted"),
        (0.5, "at_most: edge_of_stability", "reproduced"),
        (0.5, "at_least: edge_of_stability", "contradicted"),
    ],
)
def test_the_median_of_each_arm_and_setting_is_compared(
    study: Any, factor: float, claim: str, verdict: str
) -> None:
    one, tables = study(f"{EDGE}, {claim}"), sharp(factor)
    (found,) = judge(one, tables)
    assert found.verdict == verdict
    assert found.difference == pytest.approx(np.log10(factor), abs=0.02)
    assert found.measured.startswith("4 cells")
    assert judge(one, tables._replace(runs=tables.runs[tables.runs["seed"] < 5]))[0].verdict == (
        "underpowered"
    )


def test_the_figure_has_every_cell_and_the_details_name_the_law(study: Any) -> None:
    claim, tables = study(f"{EDGE}, equal_to: edge_of_stability"), sharp(1)
    (found,) = judge(claim, tables)
    ((picture, shown),) = Law.draw(claim, {"c": found}, tables)
    assert shown == ("c",)
    assert list(picture.table["arm"]) == ["b", "b", "c", "c"]
    assert picture.table["predicted"].tolist() == pytest.approx(np.log10([20, 4, 20, 4]))
    assert_within(picture.figure)
    terms = dict(claim.claims[0].test.explain(found))
    assert terms["Test"] == (
        "the log10 of the median test loss equals the law edge_of_stability in every cell"
    )
    assert terms["Holds in"] == "4 of 4 cells, not in 0"


@pytest.mark.slow
def test_false_verdicts_are_rare_and_power_is_as_the_intervals_promise(study: Any) -> None:
    # S is 0.15. At n = 400 the intervals of three cells reach up to 0.06.
    claim, count = study(f"{DEAD}, equal_to: born_dead, matters: 0.15"), 20
    found = {
        off: [judge(claim, dead(off, seed=i))[0].verdict for i in range(count)]
        for off in (0.0, -0.15, 0.3)
    }
    assert found[0.0].count("contradicted") == 0
    assert found[0.0].count("reproduced") > 0.9 * count
    # At the edge, S, a finding of either kind would be false.
    assert sum(v != "inconclusive" for v in found[-0.15]) <= 2
    assert found[0.3].count("contradicted") > 0.9 * count


def test_random_networks_follow_the_laws() -> None:
    for hidden in ([2, 2, 2], [3, 1, 4]):
        law = born_dead("x".join(map(str, hidden)))
        found = compute("born_dead_share", {"hidden": hidden, "draws": 20_000})["share"]
        assert found == pytest.approx(law, abs=4 * np.sqrt(law * (1 - law) / 20_000))
    moments = compute("length_moments", {"hidden": [10, 20], "draws": 200_000})
    assert moments["ratio"] == pytest.approx(length_ratio("10x20"), rel=0.03)
    assert moments["mean"] == pytest.approx(1, abs=0.01)


def test_a_layer_multiplies_the_length_as_the_computation_says() -> None:
    rng, width, draws = np.random.default_rng(0), 8, 20_000
    x = rng.standard_normal(30)
    z = np.sqrt(2 / len(x)) * rng.standard_normal((draws, width, len(x))) @ x
    relu = ACTIVATIONS["relu"]()
    relu.forward(z, np.empty_like(z))
    factor = (z**2).mean(axis=1) / (x**2).mean()
    found = compute("length_moments", {"hidden": [width], "draws": draws})
    assert factor.mean() == pytest.approx(1, abs=0.03)
    assert (factor**2).mean() == pytest.approx(length_ratio(width), rel=0.05)
    assert np.log10(factor[factor > 0]).std() == pytest.approx(found["spread"], rel=0.05)


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (DEAD + ", matters: 0.1", "give one of equal_to, at_most, at_least"),
        (DEAD + ", matters: 0.1, equal_to: born", "unknown law 'born': did you mean 'born_dead'"),
        (DEAD + ", equal_to: born_dead", "'matters' is missing"),
        (DEAD + ", equal_to: born_dead, matters: -1", "matters=-1: give 0 or more"),
        (DEAD + ", equal_to: born_dead, matters: 0.1, below: 1", "give above or below"),
        (DEAD + ", equal_to: born_dead, matters: 0.1, scale: log10", "not for shares of runs"),
        (EDGE.replace("over: [lr]", "over: [seed]") + ", at_most: born_dead", "does not vary"),
        (EDGE.replace("over: [lr], ", "") + ", at_most: born_dead", "lr is swept: give its value"),
        (EDGE.replace("s: [b, c]", "s: []") + ", at_most: born_dead", "arms is empty"),
        (EDGE + ", arm: b, at_most: born_dead", "give arm: A, or arms"),
    ],
)
def test_what_is_refused(study: Any, claim: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        study(claim)


def test_laws_name_what_they_lack() -> None:
    with pytest.raises(InputError, match="the law born_dead needs the setting hidden"):
        predicted("born_dead", {"lr": 1})
    with pytest.raises(InputError, match=r"lr=-1\.0 is invalid: give a number above 0"):
        predicted("edge_of_stability", {"lr": -1})
    assert [predicted(law, {"hidden": "10", "lr": 0.5}) for law in LAWS] == pytest.approx(
        [2**-10, 1.5, 4]
    )
