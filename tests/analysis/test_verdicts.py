"""The rules of the verdicts, one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnexp.analysis.intervals import Interval, median_interval, prediction_interval
from nnexp.analysis.verdicts import (
    BORDERLINE,
    COMPARED,
    CONSISTENT,
    CONTRADICTED,
    DIRECTION,
    EXCEEDED,
    FAILS,
    HOLDS,
    INCONCLUSIVE,
    NO_DIFFERENCE,
    PARTLY,
    PUBLISHED,
    REPRODUCED,
    SHORT_OF,
    STALE,
    TOO_NOISY,
    UNDECIDED,
    UNDERPOWERED,
    WITHHELD,
    combined,
    compared,
    decided,
    published,
)
from nnexp.errors import InputError


def around(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high, 5, 5)


# S = 1. Of greater, less and equal.
@pytest.mark.parametrize(
    ("low", "high", "verdicts"),
    [
        (0.5, 2, (DIRECTION, CONTRADICTED, INCONCLUSIVE)),
        (1, 2, (DIRECTION, CONTRADICTED, INCONCLUSIVE)),
        (1.5, 2, (REPRODUCED, CONTRADICTED, CONTRADICTED)),
        (-2, -0.5, (CONTRADICTED, DIRECTION, INCONCLUSIVE)),
        (-2, -1.5, (CONTRADICTED, REPRODUCED, CONTRADICTED)),
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
        (0.5, math.inf, (DIRECTION, CONTRADICTED, INCONCLUSIVE)),
        (-math.inf, -2, (CONTRADICTED, REPRODUCED, CONTRADICTED)),
        (math.inf, math.inf, (REPRODUCED, CONTRADICTED, CONTRADICTED)),
        (-math.inf, math.inf, (INCONCLUSIVE,) * 3),
        (math.nan, math.nan, (INCONCLUSIVE,) * 3),
    ],
)
def test_the_rules_of_a_comparison(low, high, verdicts):
    tests = ("greater", "less", "equal")
    assert tuple(compared(around(low, high), 1, test) for test in tests) == verdicts
    few = Interval(0, low, high, 4, 5)
    assert {compared(few, 1, test) for test in tests} == {UNDERPOWERED}


def test_no_interval_is_decided_twice_and_less_mirrors_greater():
    bounds = np.linspace(-2, 2, 41)
    low, high = (grid[np.triu_indices(41)] for grid in np.meshgrid(bounds, bounds, indexing="ij"))
    for matters in (0, 0.05, 0.5, 3):
        found = decided(low, high, matters)
        assert np.sum([found.greater, found.less, found.same], axis=0).max() <= 1
        assert (found.matters <= (found.greater | found.less)).all()
        mirrored = decided(-high, -low, matters)
        assert (mirrored.less == found.greater).all()
        assert (mirrored.same == found.same).all()
        for index in range(0, len(low), 37):
            pair = around(low[index], high[index])
            shown = found.greater[index] and found.matters[index]
            assert (compared(pair, matters, "greater") == REPRODUCED) == shown
            assert (compared(pair, matters, "equal") == REPRODUCED) == found.same[index]


def test_where_every_difference_matters_the_sign_decides():
    assert compared(around(0.1, 0.2), 0, "greater") == REPRODUCED
    assert compared(around(-0.2, 0.1), 0, "greater") == INCONCLUSIVE
    assert compared(around(0, 0), 0, "equal") == INCONCLUSIVE


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
    assert compared(median_interval(runs, 0.05 / 5), 0.003, "greater") == verdict


@pytest.mark.parametrize(
    ("value", "better", "verdict"),
    [
        (0.95, "higher", CONSISTENT),
        (0.94, "higher", CONSISTENT),  # a bound belongs to the interval
        (0.935, "higher", BORDERLINE),
        (0.93, "higher", BORDERLINE),
        (0.97, "lower", BORDERLINE),
        (0.92, "higher", EXCEEDED),
        (0.98, "higher", SHORT_OF),
        (0.92, "lower", SHORT_OF),
        (0.98, "lower", EXCEEDED),
        (math.nan, "higher", TOO_NOISY),
    ],
)
def test_the_rules_of_a_published_figure(value, better, verdict):
    assert published([value], ([0.94], [0.96]), ([0.93], [0.97]), 0.011, better) == verdict


def test_a_noisy_arm_does_not_reproduce_everything():
    for value in (0.95, 0.5):
        assert published([value], ([0.9], [1.0]), ([0.8], [1.1]), 0.01, "higher") == TOO_NOISY
    one = prediction_interval([0.95])
    bounds = ([one.low], [one.high])
    assert published([0.95], bounds, bounds, 0.01, "higher") == TOO_NOISY


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
    band = ([0.5, 1.5, 2.5], [1.5, 2.5, 3.5])
    assert published(values, band, band, 0.5, "higher") == verdict
    mirror = (np.negative(band[1]), np.negative(band[0]))
    assert published(np.negative(values), mirror, mirror, 0.5, "lower") == verdict
    assert published(values, ([0.5, 1.5, 2.3], band[1]), band, 0.5, "higher") == TOO_NOISY


def test_the_verdict_on_a_row_is_that_of_its_main_claims():
    assert combined([REPRODUCED, CONSISTENT]) == HOLDS
    for mixed in ([REPRODUCED, CONTRADICTED], [CONSISTENT, INCONCLUSIVE], [DIRECTION]):
        assert combined(mixed) == PARTLY
    for against in (CONTRADICTED, NO_DIFFERENCE, EXCEEDED, SHORT_OF):
        assert combined([against, INCONCLUSIVE]) == FAILS
    assert combined([INCONCLUSIVE, UNDERPOWERED, BORDERLINE, TOO_NOISY, WITHHELD]) == UNDECIDED
    assert combined([REPRODUCED, STALE]) == STALE
    with pytest.raises(InputError, match="no main claim: give a claim role: main"):
        combined([])


def test_the_words_are_all_told_apart():
    assert len({*COMPARED, *PUBLISHED}) == len(COMPARED) + len(PUBLISHED) == 11


def test_what_no_rule_knows_is_refused():
    with pytest.raises(InputError, match="unknown test 'greatr': did you mean 'greater'"):
        compared(around(0, 1), 0.1, "greatr")
    with pytest.raises(InputError, match="matters=-1 is invalid"):
        compared(around(0, 1), -1, "greater")
    with pytest.raises(InputError, match="unknown better 'bigger'"):
        published([1], ([0], [2]), ([0], [2]), 1, "bigger")
    with pytest.raises(InputError, match="cap=-1 is invalid"):
        published([1], ([0], [2]), ([0], [2]), -1, "higher")
