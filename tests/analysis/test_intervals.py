"""Intervals and effect sizes against figures worked by hand, and by brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from nnexp.analysis.intervals import (
    effect_size,
    ends,
    fewest,
    joint_band,
    median_interval,
    prediction_interval,
    superiority,
    t_quantile,
)
from nnexp.errors import InputError

# Mean 3, standard deviation √2.5 = 1.581139; t of 4 degrees of freedom at 0.975 is 2.776445.
FIVE = [1.0, 2.0, 3.0, 4.0, 5.0]


# Fisher & Yates, Statistical Tables, table III; the last two from Abramowitz & Stegun 26.10.
@pytest.mark.parametrize(
    ("probability", "freedom", "printed"),
    [
        *((0.975, 1, "12.706"), (0.975, 2, "4.303"), (0.975, 4, "2.776"), (0.975, 9, "2.262")),
        *((0.95, 30, "1.697"), (0.975, 120, "1.980"), (0.995, 4, "4.604"), (0.9995, 5, "6.869")),
        *((0.75, 3, "0.765"), (0.9, 7, "1.415"), (0.995, 1, "63.657"), (0.99, 60, "2.390")),
    ],
)
def test_t_is_that_of_the_printed_tables(probability, freedom, printed):
    assert f"{t_quantile(probability, freedom):.3f}" == printed


@pytest.mark.parametrize("probability", [0.501, 0.6, 0.975, 0.995, 0.999999])
def test_t_has_its_closed_forms_for_few_degrees_of_freedom(probability):
    assert t_quantile(probability, 1) == pytest.approx(math.tan(math.pi * (probability - 0.5)))
    # F(t) = 1/2 + t / (2 √(2 + t²)), solved for t.
    share = 2 * probability - 1
    assert t_quantile(probability, 2) == pytest.approx(share * math.sqrt(2 / (1 - share**2)))


def test_t_is_symmetric_and_becomes_normal():
    assert t_quantile(0.5, 7) == pytest.approx(0, abs=1e-12)
    assert t_quantile(0.1, 7) == pytest.approx(-t_quantile(0.9, 7))
    assert t_quantile(0.975, 100_000) == pytest.approx(1.959988, abs=1e-6)


@pytest.mark.slow
def test_t_agrees_with_scipy():
    scipy_stats = pytest.importorskip("scipy.stats")
    for freedom in (*range(1, 40), 99, 500, 9999):
        for probability in (1e-4, 0.3, 0.8, 0.975, 0.995, 0.9999):
            expected = scipy_stats.t.ppf(probability, freedom)
            assert t_quantile(probability, freedom) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("probability", "freedom"), [(0, 3), (1, 3), (1.2, 3), (math.nan, 3), (0.9, 0), (0.9, 2.5)]
)
def test_a_senseless_t_is_refused(probability, freedom):
    with pytest.raises(InputError, match="is invalid: give a"):
        t_quantile(probability, freedom)


def test_the_interval_of_one_further_run_worked_by_hand():
    interval = prediction_interval(FIVE, 0.05)
    # 2.776445 · 1.581139 · √(1 + 1/5) = 4.808944
    assert (interval.low, interval.high) == pytest.approx((-1.808944, 7.808944), abs=1e-6)
    wider = prediction_interval(FIVE, 0.05, rounding=0.05)
    assert (wider.low, wider.high) == pytest.approx((-1.858944, 7.858944), abs=1e-6)


def test_the_joint_band_worked_by_hand():
    curves = np.column_stack([FIVE, np.multiply(FIVE, 10)])
    # Two points: t of 4 degrees of freedom at 1 - 0.05/4, printed as 3.495.
    low, high = joint_band(curves, 0.05, rounding=0.5)
    half = 3.4954 * 1.581139 * math.sqrt(1.2)
    assert low == pytest.approx([3 - half - 0.5, 30 - 10 * half - 0.5], abs=1e-3)
    assert high == pytest.approx([3 + half + 0.5, 30 + 10 * half + 0.5], abs=1e-3)


def test_a_band_of_one_point_is_the_interval_of_one_further_run():
    low, high = joint_band(np.reshape(FIVE, (5, 1)), 0.1)
    interval = prediction_interval(FIVE, 0.1)
    assert (low[0], high[0]) == (interval.low, interval.high)


# P(two or fewer heads of 10) = 56/1024, of one or fewer 11/1024, of none 1/1024.
@pytest.mark.parametrize(
    ("n", "alpha", "k"),
    [
        *((10, 0.11, 3), (10, 0.109, 2), (10, 22 / 1024, 2), (10, 0.02, 1), (10, 2 / 1024, 1)),
        *((10, 0.0019, 0), (6, 0.05, 1), (5, 0.05, 0), (5, 0.0625, 1), (1, 0.5, 0), (2, 0.5, 1)),
    ],
)
def test_the_interval_ends_where_the_sign_test_does(n, alpha, k):
    assert ends(n, alpha)[0] == k


@pytest.mark.parametrize("n", [2, 5, 6, 9, 10, 12])
def test_levels_equal_those_of_all_signs_enumerated(n):
    heads = np.array([sum(signs) for signs in itertools.product((0, 1), repeat=n)])
    for alpha in (0.3, 0.1, 0.05, 0.01, 0.05 / 12, 0.05 / 20):
        k, share = ends(n, alpha)
        longer, shorter = (2 * np.mean(heads < j) for j in (k, k + 1))
        assert longer <= alpha < shorter
        assert 0 <= share < 1
        assert (k == 0) == (n < fewest(alpha))
    assert ends(n, 2 * float(np.mean(heads < 1))) == (1, 0.0)  # attained without interpolation


def test_how_many_seeds_a_family_of_comparisons_takes():
    needed = {1: 6, 2: 7, 3: 7, 4: 8, 6: 8, 7: 9, 12: 9, 13: 10, 25: 10, 26: 11}
    assert {m: fewest(0.05 / m) for m in needed} == needed


def test_the_interval_of_a_median_worked_by_hand():
    ten = [*range(10)]
    # At the level of the sign test with one pair aside, from the second value to the ninth.
    interval = median_interval(ten, 22 / 1024)
    assert (interval.low, interval.middle, interval.high) == pytest.approx((1, 4.5, 8))
    assert (interval.n, interval.fewest) == (10, 7)
    # 0.05 is (0.05 - 22/1024)/(90/1024) = 0.32444 of the way to the next level, where the
    # share is 8·0.32444/(2 + 6·0.32444) = 0.65760.
    interval = median_interval(ten, 0.05)
    assert (interval.low, interval.high) == pytest.approx((1.65760, 7.34240), abs=1e-4)
    assert interval.half_width == pytest.approx(2.84240, abs=1e-4)


def test_the_interval_agrees_with_the_test_that_it_inverts():
    """The median 0 is outside where the sign test refutes it at the level of either neighbour."""
    rng = np.random.default_rng(3)
    for n, alpha in ((6, 0.05), (10, 0.05), (10, 0.01), (21, 0.03)):
        k, _ = ends(n, alpha)
        for sample in rng.normal(0.8, 1, (300, n)):
            negative = int((sample < 0).sum())
            low = median_interval(sample, alpha).low
            assert low > 0 if negative < k else True
            assert low < 0 if negative > k else True


def test_the_interval_follows_shift_scale_and_sign():
    sample = np.random.default_rng(4).standard_exponential((20, 9))
    plain = median_interval(sample, 0.02)
    moved = median_interval(3 * sample + 5, 0.02)
    assert moved.low == pytest.approx(3 * plain.low + 5)
    assert moved.high == pytest.approx(3 * plain.high + 5)
    mirrored = median_interval(-sample, 0.02)
    assert mirrored.low == pytest.approx(-plain.high)
    assert mirrored.high == pytest.approx(-plain.low)


def test_a_smaller_error_makes_a_longer_interval_without_jumps():
    sample = np.random.default_rng(5).normal(size=14)
    widths = [median_interval(sample, alpha).half_width for alpha in np.linspace(0.9, 1e-3, 2000)]
    assert (np.diff(widths) >= -1e-12).all()
    assert np.diff(widths).max() < 0.1


def test_one_run_that_diverges_moves_neither_the_median_nor_a_bound_by_its_size():
    values = [0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7]
    near, far = (median_interval([-size, *values]) for size in (0.2, 80))
    assert (near.middle, near.high) == (far.middle, far.high) == (0.35, near.high)
    assert far.low == near.low > 0


def test_infinite_outcomes_are_outcomes():
    values = [-math.inf, 1, 2, 3, 4, 5, 6, math.inf, math.inf, math.inf]
    found = median_interval(values, 0.01)
    assert (found.low, found.middle, found.high) == (-math.inf, 4.5, math.inf)
    assert median_interval([math.inf] * 8).low == math.inf
    unknown = median_interval([1, 2, 3, 4, 5, 6, 7, math.nan])
    assert (unknown.low, unknown.high) == (-math.inf, math.inf)


def test_too_few_values_have_no_interval():
    few = median_interval([1, 2, 3, 4, 5])
    assert (few.low, few.high, few.fewest) == (-math.inf, math.inf, 6)
    assert few.middle == 3


def test_samples_lie_on_the_last_axis():
    samples = np.random.default_rng(0).normal(size=(4, 3, 9))
    many, one = median_interval(samples, 0.01), median_interval(samples[2, 1], 0.01)
    assert many.low.shape == (4, 3)
    assert (many.middle[2, 1], many.low[2, 1], many.high[2, 1]) == (one.middle, one.low, one.high)
    curves = np.random.default_rng(1).normal(size=(4, 6, 3))
    low, high = joint_band(curves)
    for band, own in zip((low, high), joint_band(curves[1]), strict=True):
        assert band[1] == pytest.approx(own)


@pytest.mark.parametrize("values", [[0.3], [1, math.inf], [math.nan, 1, 2], [-math.inf] * 3])
def test_a_further_run_of_unknown_spread_has_no_bounds(values):
    found = prediction_interval(values)
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_equal_outcomes_have_an_interval_of_no_width():
    found = median_interval([0.1 + 0.2] * 7)
    assert found.low == found.middle == found.high == 0.1 + 0.2


@pytest.mark.parametrize(
    "function", [median_interval, prediction_interval, superiority, effect_size]
)
def test_an_empty_sample_is_refused(function):
    with pytest.raises(InputError, match="at least one run"):
        function([])


def test_curves_without_points_are_refused():
    with pytest.raises(InputError, match="no points"):
        joint_band(np.empty((5, 0)))


@pytest.mark.parametrize("alpha", [0, 1, -0.1, math.nan])
def test_a_senseless_level_is_refused(alpha):
    for call in (lambda: median_interval(FIVE, alpha), lambda: prediction_interval(FIVE, alpha)):
        with pytest.raises(InputError, match=r"alpha=.* give a number above 0 and below 1"):
            call()


@pytest.mark.parametrize(
    ("differences", "share"),
    [
        ([1, 2, -1, 0], 0.625),
        ([1, 1], 1),
        ([-0.1], 0),
        ([0, 0, 0], 0.5),
        ([math.inf, -math.inf, math.nan, 3], 0.625),
    ],
)
def test_superiority_is_the_share_of_pairs_won(differences, share):
    assert superiority(differences) == share


def test_the_effect_size_worked_by_hand():
    # Mean 2, standard deviation 1; J = 1 - 3/(4·2 - 1) = 4/7.
    assert effect_size([1, 2, 3]) == pytest.approx(8 / 7)
    assert effect_size([-1, -2, -3]) == pytest.approx(-8 / 7)
    # Mean 3, standard deviation √2.5; J = 1 - 3/15.
    assert effect_size(FIVE) == pytest.approx(3 / math.sqrt(2.5) * 0.8)


def test_the_effect_size_where_it_has_no_number():
    assert effect_size([0.1, 0.1, 0.1]) == math.inf
    assert effect_size([-0.1] * 4) == -math.inf
    assert effect_size([0, 0, 0]) == 0
    assert math.isnan(effect_size([1, 2]))
    assert math.isnan(effect_size([1, 2, math.inf]))


def test_the_effect_size_is_unbiased():
    samples = np.random.default_rng(2).normal(0.7, 1, (40_000, 8))
    found = np.array([effect_size(sample) for sample in samples[:8000]])
    assert abs(found.mean() - 0.7) < 4 * found.std() / math.sqrt(len(found)) + 0.001
