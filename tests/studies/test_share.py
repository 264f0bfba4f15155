"""Claims on shares of runs: planted truths, exact binomial error rates, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
import pytest

from nnexp.analysis.rates import at_most, detectable_rate, mcnemar, rate_interval
from nnexp.errors import InputError
from nnexp.studies.judging import judge
from tests.studies.test_judging import planted, study  # noqa: F401

ALONE = "test: share, arm: a, below: 0.9, {}, expected: reproduced"
PAIR = "test: share, arms: [a, b], below: 0.9, expected: reproduced"


def failing(a: set[int], b: Collection[int] = ()) -> Any:
    """Return ten runs of each arm, of which those of these seeds end at 0.5, the others at 0.95."""
    tables = planted(0, 0.95, 0.95)
    ends = {"a": a, "b": b}
    metrics = tables.metrics
    failed = [seed in ends[arm] for arm, seed in zip(metrics["arm"], metrics["seed"], strict=True)]
    metrics["test_accuracy"] = np.where(failed, 0.5, 0.95)
    return tables


@pytest.mark.parametrize(
    ("count", "claim", "verdict"),
    [
        (1, "more_than: 0", "reproduced"),  # one case shows that it may happen
        (0, "more_than: 0", "inconclusive"),
        (8, "more_than: 0.4", "reproduced"),  # 0.4439 to 0.9748
        (7, "more_than: 0.4", "inconclusive"),  # 0.3475 to 0.9333
        (0, "more_than: 0.4", "contradicted"),  # 0 to 0.3085
        (0, "less_than: 0.4", "reproduced"),
        (8, "less_than: 0.4", "contradicted"),
        (0, "less_than: 0.3", "underpowered"),  # not even none of ten would show it
    ],
)
def test_a_planted_share_gets_its_verdict(
    study: Any,  # noqa: F811
    count: int,
    claim: str,
    verdict: str,
) -> None:
    (found,) = judge(study(ALONE.format(claim)), failing(set(range(count))))
    assert found.verdict == verdict
    assert (found.n, found.first) == (10, count / 10)
    assert (found.low, found.high) == pytest.approx(rate_interval(count, 10))
    assert found.measured.startswith(f"{count} of 10 runs with a test accuracy below 0.9: ")


def test_two_arms_are_compared_by_the_pairs_that_differ(study: Any) -> None:  # noqa: F811
    claim = study(PAIR)
    (found,) = judge(claim, failing({0, 1, 2, 3, 4, 5, 6}, {6}))
    # Six pairs in which a alone fails: the interval for 6 of 6 is 0.5407 to 1.
    assert found.verdict == "reproduced"
    assert (found.first, found.second, found.difference) == pytest.approx((0.7, 0.1, 0.6))
    assert (found.low, found.high) == pytest.approx((0.6 * (2 * 0.5407 - 1), 0.6), abs=1e-4)
    assert found.measured.endswith("+0.6 [+0.0489, +0.6] (p = 0.031 for equal shares)")
    assert judge(claim, failing({6}, {0, 1, 2, 3, 4, 5, 6}))[0].verdict == "contradicted"
    assert judge(claim, failing({0, 1, 2, 3, 4}))[0].verdict == "inconclusive"
    assert judge(claim, failing({1}, {1}))[0].verdict == "inconclusive"
    terms = dict(claim.claims[0].test.explain(found))
    assert terms["Test"] == "runs with a test accuracy below 0.9: a more often than b"
    assert terms["Runs"] == "n = 10 pairs, by seed"


def test_the_share_is_in_the_family_of_the_comparisons(study: Any) -> None:  # noqa: F811
    four = study(PAIR, "test: greater, arms: [a, b], expected: reproduced", PAIR, PAIR)
    assert judge(four, failing({0, 1, 2, 3, 4, 5}))[0].level == 1 - 0.05 / 4
    assert judge(four, failing({0, 1, 2, 3, 4, 5}))[0].verdict == "inconclusive"  # p = 0.031


@pytest.mark.parametrize(("n", "alpha"), [(10, 0.05), (20, 0.01)])
def test_no_share_is_wrongly_shown_more_often_than_the_level_says(n: int, alpha: float) -> None:
    """All counts are enumerated: the error rates are exact."""
    intervals = [rate_interval(count, n, alpha) for count in range(n + 1)]
    for rate in (0.05, 0.3, 0.5):
        chances = [math.comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(n + 1)]
        wrong = sum(p for p, i in zip(chances, intervals, strict=True) if i.low > rate)
        assert wrong <= alpha / 2
        detectable = detectable_rate(rate, n, alpha)
        assert detectable is not None
        fewest = next(k for k in range(n + 1) if intervals[k].low > rate)
        assert 1 - at_most(fewest - 1, n, detectable) == pytest.approx(0.8)
    # The interval for the pairs that differ excludes 1/2 exactly if McNemar's test rejects.
    for count, (low, high) in enumerate(intervals):
        first = np.arange(n) < count
        assert (mcnemar(first, ~first) <= alpha) == (low >= 0.5 or high <= 0.5)


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("arm: a, more_than: 0.1", "give above or below, the outcome of the runs to count"),
        ("arm: a, below: 0.9", "give more_than or less_than, a share of the runs"),
        ("arm: a, below: 0.9, more_than: 10", "more_than=10.0: give a share from 0 to 1"),
        ("arms: [a, b], below: 0.9, more_than: 0.1", "go with one arm: leave them out"),
        ("below: 0.9", r"give arms: \[A, B\], or arm: A with more_than or less_than"),
    ],
)
def test_a_malformed_share_is_refused(study: Any, claim: str, said: str) -> None:  # noqa: F811
    with pytest.raises(InputError, match=said):
        study(f"test: share, {claim}, expected: reproduced")
