"""Spreads compared between samples: planted ratios, any distribution, paired or not."""

from __future__ import annotations

import numpy as np
import pytest

from nnexp.analysis.spreads import group_ratios, group_size, spread_interval
from nnexp.errors import InputError

ALPHA = 0.05


def test_a_planted_ratio_is_covered_and_a_far_one_is_not() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 400))
    found = spread_interval(5 + 3 * x, y, ALPHA)
    assert found.low < np.log10(3) < found.high
    assert found.low > np.log10(2)
    assert found.high < np.log10(4.5)
    assert (found.n, found.fewest) == (40, 6)


def test_location_does_not_matter_and_scale_only_shifts() -> None:
    x, y = np.random.default_rng(1).standard_exponential((2, 60))
    plain, moved = spread_interval(x, y), spread_interval(100 - 10 * x, y + 7)
    assert moved.middle - plain.middle == pytest.approx(1)
    assert (moved.low - plain.low, moved.high - plain.high) == pytest.approx((1, 1))
    mirrored = spread_interval(y, x)
    assert (mirrored.low, mirrored.high) == pytest.approx((-plain.high, -plain.low))


@pytest.mark.parametrize("shape", ["normal", "exponential", "cauchy"])
@pytest.mark.parametrize("share", [0.0, 0.7])
def test_equal_spreads_are_seldom_told_apart_whatever_the_shape(shape: str, share: float) -> None:
    rng, experiments = np.random.default_rng(2), 1500
    draw = getattr(rng, f"standard_{shape}")
    x, y = draw((experiments, 40)), draw((experiments, 40))
    y = np.where(rng.random(y.shape) < share, x, y)  # paired by seed
    found = spread_interval(x, y, ALPHA)
    missed = ((found.low > 0) | (found.high < 0)).mean()
    assert missed < ALPHA + 4 * np.sqrt(ALPHA * (1 - ALPHA) / experiments)


def test_groups_are_as_large_as_the_level_permits() -> None:
    assert [group_size(n, ALPHA) for n in (4, 12, 24, 36, 120, 1000)] == [2, 2, 2, 3, 10, 10]
    assert group_ratios(np.arange(25.0), np.arange(25.0)).shape == (12,)


def test_what_does_not_vary_counts_as_equal_and_infinite_outcomes_decide_nothing() -> None:
    assert (group_ratios(np.ones(12), np.ones(12)) == 0).all()
    infinite = np.where(np.arange(40) == 3, np.inf, np.arange(40.0))
    found = spread_interval(infinite, np.arange(40.0))
    assert (found.low, found.high) == (-np.inf, np.inf)


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="shapes"):
        spread_interval([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="two runs or more"):
        spread_interval([1.0], [2.0])
