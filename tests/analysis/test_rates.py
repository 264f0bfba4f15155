"""Rates of diverging runs against printed figures and sums by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnexp.analysis import doubts
from nnexp.analysis.rates import at_most, largest_unseen, mcnemar, rate_interval, runs_to_exclude
from nnexp.errors import InputError


@pytest.mark.parametrize("n", [1, 7, 30, 400])
@pytest.mark.parametrize("rate", [0.0, 0.003, 0.5, 0.9, 1.0])
def test_the_binomial_sum(n, rate):
    for count in {-1, 0, 1, n // 2, n - 1, n}:
        terms = (
            math.comb(n, i) * rate**i * (1 - rate) ** (n - i) for i in range(min(count, n) + 1)
        )
        assert at_most(count, n, rate) == pytest.approx(sum(terms), rel=1e-9, abs=1e-300)


# Clopper & Pearson (1934), as in the tables of Documenta Geigy.
@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(0, 10, 0, 0.3085), (1, 10, 0.0025, 0.4450), (5, 10, 0.1871, 0.8129), (10, 10, 0.6915, 1)],
)
def test_the_interval_of_a_rate_is_the_printed_one(count, n, low, high):
    assert rate_interval(count, n) == pytest.approx((low, high), abs=5e-5)


def test_the_interval_of_a_rate_covers_it():
    n = 10
    intervals = [rate_interval(count, n) for count in range(n + 1)]
    for rate in np.linspace(0.01, 0.99, 99):
        outside = sum(
            math.comb(n, count) * rate**count * (1 - rate) ** (n - count)
            for count, (low, high) in enumerate(intervals)
            if not low <= rate <= high
        )
        assert outside <= 0.05


def test_ten_clean_seeds_do_not_exclude_a_rate_of_a_tenth_and_29_do():
    assert runs_to_exclude(0.1) == 29
    assert 0.9**29 <= 0.05 < 0.9**28
    assert largest_unseen(10) == pytest.approx(0.2589, abs=1e-4)
    assert largest_unseen(28) > 0.1 > largest_unseen(29)
    assert doubts.unseen(10) == (
        "10 runs of an arm without divergence do not exclude that 10 % diverge (29 would), only "
        "that more than 26 % do."
    )
    assert doubts.unseen(29) == "29 runs of an arm without divergence exclude that 10 % diverge."


def test_the_exact_test_of_rates_in_pairs():
    # Nine pairs in which only the first is true: 2/2⁹. The eleven others say nothing.
    assert mcnemar([True] * 9 + [False] * 11, [False] * 20) == pytest.approx(2 / 512)
    assert mcnemar([True, True, False, True], [True, False, True, False]) == 1
    assert mcnemar([True] * 3, [True] * 3) == 1


def test_how_many_figures_lie_outside_by_chance():
    found = ["consistent"] * 19 + ["exceeded"] * 4 + ["borderline"] + ["short of"] * 2
    assert doubts.by_chance([*found, "too noisy to tell", "reproduced"]) == (
        "7 of 26 published figures and curves lie outside their 95 % interval or band; 1.3 "
        "would by chance if all were of runs like these."
    )
    assert doubts.by_chance(["too noisy to tell", "contradicted"]) == ""


def test_what_the_number_of_test_images_leaves_uncertain():
    # 1.96 · √(0.97 · 0.03 / 10 000)
    assert "of 0.97 is uncertain by ±0.33 points" in doubts.sampled(10_000, 0.97)
    assert "of 0.97 is uncertain by ±3.34 points" in doubts.sampled(100, 0.97)


def test_senseless_counts_are_refused():
    with pytest.raises(InputError, match="count=11 is invalid: give at most n=10"):
        rate_interval(11, 10)
    with pytest.raises(InputError, match="rate=0 is invalid"):
        runs_to_exclude(0)
