"""Claims on spreads between seeds: planted ratios, their verdicts, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnexp.errors import InputError
from nnexp.store.tables import Tables
from nnexp.studies.judging import judge
from nnexp.studies.kinds.spread import Spread
from tests.studies.test_judging import study  # noqa: F401
from tests.synthetic import assert_within, make_tables

CLAIM = "test: spread, arms: [a, b], outcome: test_loss, matters: 0.1, {}, expected: reproduced"


def planted(ratio: float, seeds: int = 400, seed: int = 0, log: bool = False) -> Tables:
    """Return runs of a and b, whose final losses have normal distributions with this ratio."""
    tables = make_tables([{"arm": "a"}, {"arm": "b"}], range(seeds), evaluations=2)
    rng = np.random.default_rng(seed)
    spread = {"a": ratio, "b": 1.0}
    drawn = {
        run: 20 + spread[arm] * rng.standard_normal()
        for run, arm in zip(tables.runs["run_id"], tables.runs["arm"], strict=True)
    }
    loss = tables.metrics["run_id"].map(drawn)
    tables.metrics["test_loss"] = 10 ** (loss / 10) if log else loss
    return tables


@pytest.mark.parametrize(
    ("ratio", "claim", "verdict"),
    [
        (1, "equal_to: 1", "reproduced"),
        (2, "equal_to: 1", "contradicted"),
        (2, "equal_to: 2", "reproduced"),
        (2, "more_than: 1", "reproduced"),
        (0.5, "more_than: 1", "contradicted"),
        (0.5, "less_than: 1", "reproduced"),
        (1, "more_than: 1", "no difference that matters"),
        (1.26, "equal_to: 1", "inconclusive"),
    ],
)
def test_a_planted_ratio_gets_its_verdict(
    study: Any,  # noqa: F811
    ratio: float,
    claim: str,
    verdict: str,
) -> None:
    (found,) = judge(study(CLAIM.format(claim)), planted(ratio))
    assert found.verdict == verdict
    assert found.n == 400
    assert found.first == pytest.approx(ratio, rel=0.15)
    claimed = float(claim.split()[1])
    assert found.low is not None
    assert found.high is not None
    assert found.low < np.log10(ratio / claimed) < found.high
    assert f"against {claimed:g}" in found.measured


def test_spreads_of_logarithms_do_not_depend_on_the_unit(study: Any) -> None:  # noqa: F811
    claim = study(CLAIM.format("equal_to: 2, scale: log10"))
    tables = planted(2, log=True)
    (found,) = judge(claim, tables)
    tables.metrics["test_loss"] *= 1000
    again = judge(claim, tables)[0]
    assert found.verdict == again.verdict == "reproduced"
    assert (again.low, again.high) == pytest.approx((found.low, found.high))
    assert found.outcome == "spread of the log10 of the test loss between seeds"
    tables.metrics.loc[3, "test_loss"] = 0.0
    with pytest.raises(InputError, match="not above 0 in a run: leave scale=log10 out"):
        judge(claim, tables)


def test_the_mean_square_of_activations_is_measured(study: Any) -> None:  # noqa: F811
    outcome = "outcome: {layer: 1, value: activation_square}, scale: log10"
    claim = study(CLAIM.format("equal_to: 1").replace("outcome: test_loss", outcome))
    test, tables = claim.claims[0].test, planted(1, seeds=12)
    assert isinstance(test, Spread)
    layers = tables.layers[tables.layers["layer"] == 1]
    last = layers[layers["step"] == layers["step"].max()]
    squares = last["activation_mean"] ** 2 + last["activation_std"] ** 2
    expected = dict(zip(zip(last["arm"], last["seed"], strict=True), squares, strict=True))
    table = test.outcomes(tables)
    assert table.loc[3, "b"] == pytest.approx(np.log10(expected["b", 3]))
    assert "mean square of the activations of layer 1" in test.measures


def test_few_seeds_are_underpowered_and_it_counts_as_a_comparison(study: Any) -> None:  # noqa: F811
    (found,) = judge(study(CLAIM.format("equal_to: 1")), planted(1, seeds=10))
    assert found.verdict == "underpowered"
    four = study(*[CLAIM.format("equal_to: 1")] * 4)
    assert judge(four, planted(1))[0].level == 1 - 0.05 / 4


def test_the_page_shows_both_distributions_and_says_what_was_tested(study: Any) -> None:  # noqa: F811
    claim, tables = study(CLAIM.format("more_than: 1")), planted(2, seeds=60)
    (found,) = judge(claim, tables)
    ((picture, shown),) = Spread.draw(claim, {"c0": found}, tables)
    assert shown == ("c0",)
    assert list(picture.table) == ["seed", "a", "b"]
    assert_within(picture.figure)
    terms = dict(claim.claims[0].test.explain(found))
    assert terms["Test"].endswith("of a, divided by that of b, is greater than 1")
    assert terms["Runs"] == "n = 60 pairs, by seed, in 12 groups"
    assert terms["Smallest ratio that matters"] == "1.259"


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ("matters: 0.1", "give one of equal_to, more_than, less_than"),
        ("equal_to: 1, less_than: 1", "give one of equal_to"),
        ("equal_to: 0", "equal_to=0 is not a ratio of spreads"),
        ("equal_to: 1, scale: log2", "unknown scale 'log2'"),
        ("equal_to: 1, threshold: 1", "unknown key 'threshold'"),
    ],
)
def test_what_is_refused(study: Any, claim: str, words: str) -> None:  # noqa: F811
    text = CLAIM.replace("matters: 0.1, ", "") if claim.startswith("matters") else CLAIM
    with pytest.raises(InputError, match=words):
        study(text.format(claim))
