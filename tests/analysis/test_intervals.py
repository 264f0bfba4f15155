"""Intervals and effect sizes against figures worked by hand, and the verdicts that follow."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnexp.analysis.intervals import (
    MOST_SEEDS,
    detectable,
    effect_size,
    is_skewed,
    joint_band,
    mean_interval,
    prediction_interval,
    seeds_needed,
    skewness,
    superiority,
    t_quantile,
)
from nnexp.analysis.verdicts import (
    COMPARED,
    CONSISTENT,
    CONTRADICTED,
    EXCEEDED,
    INCONCLUSIVE,
    NO_DIFFERENCE,
    PUBLISHED,
    REPRODUCED,
    SHORT_OF,
    TOO_NOISY,
    UNDERPOWERED,
    compared,
    curve,
    decided,
    published,
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


def test_t_agrees_with_scipy():
    scipy_stats = pytest.importorskip("scipy.stats")
    for freedom in (*range(1, 40), 99, 500, 9999):
        for probability in (1e-4, 0.3, 0.8, 0.975, 0.995, 0.9999):
            expected = scipy_stats.t.ppf(probability, freedom)
            assert t_quantile(probability, freedom) == pytest.approx(expected, rel=1e-9)


def test_what_a_sample_can_tell_agrees_with_scipy():
    scipy_stats = pytest.importorskip("scipy.stats")
    for n in (3, 5, 10, 40, 200):
        for alpha in (0.05, 0.01, 0.05 / 15):
            shift = detectable(1, n, alpha) * math.sqrt(n)
            power = scipy_stats.nct.sf(t_quantile(1 - alpha / 2, n - 1), n - 1, shift)
            assert power == pytest.approx(0.8, abs=0.006)


@pytest.mark.parametrize(
    ("probability", "freedom"), [(0, 3), (1, 3), (1.2, 3), (math.nan, 3), (0.9, 0), (0.9, 2.5)]
)
def test_a_senseless_t_is_refused(probability, freedom):
    with pytest.raises(InputError, match="is invalid: give a"):
        t_quantile(probability, freedom)


def test_the_interval_of_a_mean_worked_by_hand():
    interval = mean_interval(FIVE, 0.05)
    assert (interval.mean, interval.n) == (3, 5)
    assert interval.sd == pytest.approx(1.581139, abs=1e-6)
    # 2.776445 · 1.581139 / √5 = 1.963243
    assert interval.half_width == pytest.approx(1.963243, abs=1e-6)
    assert (interval.low, interval.high) == pytest.approx((1.036757, 4.963243), abs=1e-6)


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


def test_samples_lie_on_the_last_axis():
    samples = np.random.default_rng(0).normal(size=(4, 3, 6))
    many = mean_interval(samples, 0.01)
    assert many.low.shape == (4, 3)
    one = mean_interval(samples[2, 1], 0.01)
    found = (many.mean[2, 1], many.low[2, 1], many.high[2, 1], many.sd[2, 1])
    assert found == pytest.approx((one.mean, one.low, one.high, one.sd))
    curves = np.random.default_rng(1).normal(size=(4, 6, 3))
    low, high = joint_band(curves)
    for band, own in zip((low, high), joint_band(curves[1]), strict=True):
        assert band[1] == pytest.approx(own)


@pytest.mark.parametrize("values", [[0.3], [1, math.inf], [math.nan, 1, 2], [-math.inf] * 3])
@pytest.mark.parametrize("interval", [mean_interval, prediction_interval])
def test_what_has_no_spread_known_has_no_bounds(values, interval):
    found = interval(values)
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert math.isnan(found.sd)
    assert found.n == len(values)


def test_one_diverged_run_leaves_the_other_arms_alone():
    found = mean_interval([FIVE, [1, 2, 3, 4, math.inf]])
    assert found.low == pytest.approx([1.036757, -math.inf], abs=1e-6)


def test_equal_outcomes_have_an_interval_of_no_width():
    found = mean_interval([0.25] * 6)
    assert (found.low, found.high, found.sd) == (0.25, 0.25, 0)


@pytest.mark.parametrize("function", [mean_interval, prediction_interval, superiority, effect_size])
def test_an_empty_sample_is_refused(function):
    with pytest.raises(InputError, match="at least one run"):
        function([])


def test_curves_without_points_are_refused():
    with pytest.raises(InputError, match="no points"):
        joint_band(np.empty((5, 0)))


@pytest.mark.parametrize("alpha", [0, 1, -0.1, math.nan])
def test_a_senseless_level_is_refused(alpha):
    for call in (lambda: mean_interval(FIVE, alpha), lambda: detectable(1, 5, alpha)):
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


@pytest.mark.parametrize(("n", "alpha", "power"), [(5, 0.05, 0.8), (10, 0.01, 0.8), (8, 0.05, 0.5)])
def test_a_detectable_difference_is_detected_as_often_as_said(n, alpha, power):
    count = 40_000
    shift = detectable(2, n, alpha, power)
    found = mean_interval(np.random.default_rng(n).normal(shift, 2, (count, n)), alpha).low > 0
    assert found.mean() == pytest.approx(power, abs=4 * math.sqrt(0.25 / count))


def test_detectable_scales_with_the_spread_and_needs_two_pairs():
    assert detectable(3, 6, 0.05) == pytest.approx(3 * detectable(1, 6, 0.05))
    assert detectable(1, 1, 0.05) == math.inf
    assert detectable(0, 5, 0.05) == 0


# Pairs for power 0.8 at 0.05 two-sided, as in Cohen's and G*Power's tables of the paired t test.
@pytest.mark.parametrize(("effect", "pairs"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_seeds_needed_are_those_of_the_power_tables(effect, pairs):
    assert seeds_needed(1, effect, 0.05) == pairs
    assert seeds_needed(0.01, 0.01 * effect, 0.05) == pairs


def test_seeds_needed_is_the_smallest_number_that_does():
    n = seeds_needed(0.004, 0.003, 0.05 / 7)
    assert n is not None
    assert detectable(0.004, n, 0.05 / 7) <= 0.003 < detectable(0.004, n - 1, 0.05 / 7)
    assert seeds_needed(0, 0.003, 0.05) == 2


def test_seeds_needed_beyond_reach_or_unknown_are_none():
    assert detectable(1, MOST_SEEDS, 0.05) > 0.02
    assert seeds_needed(1, 0.02, 0.05) is None
    assert seeds_needed(math.nan, 0.02, 0.05) is None
    assert seeds_needed(1, 0, 0.05) is None
    with pytest.raises(InputError, match="difference=-1 is invalid"):
        seeds_needed(1, -1, 0.05)


# S = 1. Of greater, less and equal.
@pytest.mark.parametrize(
    ("low", "high", "verdicts"),
    [
        (0.5, 2, (REPRODUCED, CONTRADICTED, CONTRADICTED)),
        (1.5, 2, (REPRODUCED, CONTRADICTED, CONTRADICTED)),
        (-2, -0.5, (CONTRADICTED, REPRODUCED, CONTRADICTED)),
        (-0.5, 0.5, (NO_DIFFERENCE, NO_DIFFERENCE, REPRODUCED)),
        (0.2, 0.8, (NO_DIFFERENCE, NO_DIFFERENCE, REPRODUCED)),  # surely above 0, yet too little
        (-0.8, -0.2, (NO_DIFFERENCE, NO_DIFFERENCE, REPRODUCED)),
        (-0.5, 2, (INCONCLUSIVE,) * 3),
        (-2, 0.5, (INCONCLUSIVE,) * 3),
        (-2, 2, (INCONCLUSIVE,) * 3),
        (0, 0, (NO_DIFFERENCE, NO_DIFFERENCE, REPRODUCED)),
        (0, 2, (INCONCLUSIVE,) * 3),  # a bound that lies on 0 or on S decides nothing
        (0.5, 1, (INCONCLUSIVE,) * 3),
        (-1, -0.5, (INCONCLUSIVE,) * 3),
        (-1, 0.5, (INCONCLUSIVE,) * 3),
        (0.5, math.inf, (INCONCLUSIVE,) * 3),
        (-math.inf, -2, (INCONCLUSIVE,) * 3),
        (-math.inf, math.inf, (INCONCLUSIVE,) * 3),
        (math.nan, math.nan, (INCONCLUSIVE,) * 3),
    ],
)
def test_the_rules_of_a_comparison(low, high, verdicts):
    tests = ("greater", "less", "equal")
    assert tuple(compared(low, high, 1, 5, test) for test in tests) == verdicts
    assert {compared(low, high, 1, 4, test) for test in tests} == {UNDERPOWERED}


def test_no_interval_is_decided_twice_and_less_mirrors_greater():
    bounds = np.linspace(-2, 2, 41)
    low, high = (grid[np.triu_indices(41)] for grid in np.meshgrid(bounds, bounds, indexing="ij"))
    for matters in (0, 0.05, 0.5, 3):
        found = decided(low, high, matters)
        assert np.sum(found, axis=0).max() <= 1
        mirrored = decided(-high, -low, matters)
        assert (mirrored.less == found.greater).all()
        assert (mirrored.same == found.same).all()
        for index in range(0, len(low), 37):
            pair = (low[index], high[index])
            assert (compared(*pair, matters, 9, "greater") == REPRODUCED) == found.greater[index]
            assert (compared(*pair, matters, 9, "equal") == REPRODUCED) == found.same[index]


def test_where_every_difference_matters_the_sign_decides():
    assert compared(0.1, 0.2, 0, 10, "greater") == REPRODUCED
    assert compared(-0.2, 0.1, 0, 10, "greater") == INCONCLUSIVE
    assert compared(0, 0, 0, 10, "equal") == INCONCLUSIVE


@pytest.mark.parametrize(
    ("truth", "sd", "verdict"),
    [
        (0.05, 0.01, REPRODUCED),
        (-0.05, 0.01, CONTRADICTED),
        (0.0, 0.001, NO_DIFFERENCE),
        (0.0, 0.2, INCONCLUSIVE),
    ],
)
def test_a_planted_truth_gets_its_verdict(truth, sd, verdict):
    runs = np.random.default_rng(7).normal(truth, sd, 10)
    interval = mean_interval(runs, 0.05 / 5)
    assert compared(interval.low, interval.high, 0.003, interval.n, "greater") == verdict


@pytest.mark.parametrize(
    ("value", "better", "verdict"),
    [
        (0.95, "higher", CONSISTENT),
        (0.94, "higher", CONSISTENT),  # a bound belongs to the interval
        (0.93, "higher", EXCEEDED),
        (0.97, "higher", SHORT_OF),
        (0.93, "lower", SHORT_OF),
        (0.97, "lower", EXCEEDED),
        (math.nan, "higher", TOO_NOISY),
    ],
)
def test_the_rules_of_a_published_figure(value, better, verdict):
    assert published(value, 0.94, 0.96, 0.01, 0.01, better) == verdict


def test_a_noisy_arm_does_not_reproduce_everything():
    assert published(0.95, 0.9, 1.0, 0.05, 0.01, "higher") == TOO_NOISY
    assert published(0.5, 0.9, 1.0, 0.05, 0.01, "higher") == TOO_NOISY
    one = prediction_interval([0.95])
    assert published(0.95, one.low, one.high, one.half_width, 0.01, "higher") == TOO_NOISY
    assert published(0.95, 0.9, 1.0, math.nan, 0.01, "higher") == TOO_NOISY


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([1.0, 2.0, 3.0], CONSISTENT),
        ([0.5, 2.5, 3.5], CONSISTENT),
        ([0.4, 2.0, 3.0], EXCEEDED),
        ([0.4, 1.0, 3.0], EXCEEDED),
        ([1.0, 2.6, 3.0], SHORT_OF),
        ([0.4, 2.0, 3.6], SHORT_OF),  # better at one point, worse at another
        ([1.0, math.nan, 3.0], TOO_NOISY),
    ],
)
def test_the_rules_of_a_published_curve(values, verdict):
    low, high, half = [0.5, 1.5, 2.5], [1.5, 2.5, 3.5], [0.5] * 3
    assert curve(values, low, high, half, 0.5, "higher") == verdict
    mirrored = curve(np.negative(values), np.negative(high), np.negative(low), half, 0.5, "lower")
    assert mirrored == verdict
    assert curve(values, low, high, [0.5, 0.5, 0.6], 0.5, "higher") == TOO_NOISY


def test_the_words_are_all_told_apart():
    assert len({*COMPARED, *PUBLISHED}) == len(COMPARED) + len(PUBLISHED) == 9


def test_what_no_rule_knows_is_refused():
    with pytest.raises(InputError, match="unknown test 'greatr': did you mean 'greater'"):
        compared(0, 1, 0.1, 10, "greatr")
    with pytest.raises(InputError, match="matters=-1 is invalid"):
        compared(0, 1, -1, 10, "greater")
    with pytest.raises(InputError, match="unknown better 'bigger'"):
        published(1, 0, 2, 1, 1, "bigger")
    with pytest.raises(InputError, match="cap=-1 is invalid"):
        published(1, 0, 2, 1, -1, "higher")


def test_skewness_by_hand() -> None:
    # Mean 2, deviations -1 -1 -1 3: second moment 3, third 6, g1 = 6 / 3^1.5; G1 = g1 sqrt(12) / 2.
    assert skewness([1, 1, 1, 5]) == pytest.approx(6 / 3**1.5 * math.sqrt(12) / 2)
    assert skewness([-1, 0, 1]) == 0
    assert math.isnan(skewness([1, 2]))
    assert math.isnan(skewness([3, 3, 3]))


def test_normal_samples_are_seldom_called_skewed_and_exponential_ones_often() -> None:
    rng = np.random.default_rng(0)
    normal = np.mean([is_skewed(rng.normal(size=20)) for _ in range(1000)])
    exponential = np.mean([is_skewed(rng.exponential(size=20)) for _ in range(1000)])
    assert normal < 0.08
    assert exponential > 0.6
