"""How many seeds a question needs, against simulated experiments."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnexp.analysis.intervals import median_interval
from nnexp.analysis.power import MOST_SEEDS, detectable, power, seeds_needed
from nnexp.errors import InputError


@pytest.mark.parametrize(
    ("n", "alpha", "wanted"), [(6, 0.05, 0.8), (10, 0.05, 0.5), (10, 0.01, 0.8), (20, 0.0025, 0.8)]
)
def test_a_detectable_difference_is_detected_as_often_as_said(n, alpha, wanted):
    count = 40_000
    shift = detectable(2, n, alpha, wanted)
    found = median_interval(np.random.default_rng(n).normal(shift, 2, (count, n)), alpha).low > 0
    assert found.mean() == pytest.approx(wanted, abs=4 * math.sqrt(0.25 / count))


def test_without_a_difference_the_power_is_half_the_error():
    for n, alpha in ((10, 0.05), (10, 0.01), (30, 0.0025)):
        assert power(0, n, alpha) == pytest.approx(alpha / 2, rel=0.15)


@pytest.mark.parametrize("effect", [8, 40, 1e6])
def test_a_difference_far_above_the_spread_is_certain_to_show(effect):
    assert power(effect, 10, 0.05 / 4) == pytest.approx(1)


def test_detectable_scales_with_the_spread_and_needs_seeds_enough():
    assert detectable(3, 8, 0.05) == pytest.approx(3 * detectable(1, 8, 0.05))
    assert detectable(1, 5, 0.05) == math.inf
    assert detectable(0, 6, 0.05) == 0


def test_more_seeds_show_more():
    found = [detectable(1, n, 0.01) for n in range(8, 60)]
    assert np.diff(found).max() < 0.002


def test_seeds_needed_is_the_smallest_number_that_does():
    n = seeds_needed(0.004, 0.003, 0.05 / 7)
    assert n is not None
    assert detectable(0.004, n, 0.05 / 7) <= 0.003 < detectable(0.004, n - 1, 0.05 / 7)
    # In large samples the median has 2/π of the efficiency of the mean, which takes 787 pairs.
    assert seeds_needed(1, 0.1, 0.05) == pytest.approx(787 * math.pi / 2, rel=0.01)


def test_what_is_certain_needs_as_many_seeds_as_a_verdict():
    assert seeds_needed(0, 0.003, 0.05) == 6
    assert seeds_needed(0, 0.003, 0.05 / 7) == 9


def test_seeds_needed_beyond_reach_or_unknown_are_none():
    assert detectable(1, MOST_SEEDS, 0.05) > 0.02
    assert seeds_needed(1, 0.02, 0.05) is None
    assert seeds_needed(math.nan, 0.02, 0.05) is None
    assert seeds_needed(1, 0, 0.05) is None
    with pytest.raises(InputError, match="difference=-1 is invalid"):
        seeds_needed(1, -1, 0.05)


@pytest.mark.parametrize("alpha", [0, 1, -0.1, math.nan])
def test_a_senseless_level_is_refused(alpha):
    with pytest.raises(InputError, match=r"alpha=.* give a number above 0 and below 1"):
        detectable(1, 5, alpha)
