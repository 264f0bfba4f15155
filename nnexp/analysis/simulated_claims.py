"""Simulated claims on spreads, laws and best values: how often a verdict is false, and power.

They extend the table of `nnexp.analysis.calibration`, in the same columns. Verdicts are those of
`nnexp.analysis.verdicts`, by the intervals that claims of these kinds use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.analysis import verdicts
from nnexp.analysis.intervals import rounded
from nnexp.analysis.rates import rate_interval
from nnexp.analysis.spreads import spread_interval
from nnexp.analysis.verdicts import ALPHA

Array = npt.NDArray[np.float64]
Generator = np.random.Generator
Row = dict[str, Any]
Draw = Callable[[Generator, tuple[int, ...]], Array]

KINDS = (SPREAD, LAW, BEST) = ("spread", "law", "best value")
FALSE, SHOWN = "false verdict by kind", "shown by kind"

_SPREAD_SIZES, _SPREAD_CLAIMS, _RATIOS = (20, 40, 100), (1, 5), (1.5, 2.0)
# The shares that a law predicts in the cells of a claim, and the smallest deviation that matters.
# True deviations are 0, or just this one, where any finding is false, or twice as large.
_SHARES, _OFF, _LAW_SIZES = np.array([0.925, 0.699, 0.248]), 0.15, (100, 200, 400)
# Values are tried in steps of a factor of 1.26. In log10, the optimum of a seed varies by _OWN and
# the noise of its scores moves it by about as much; _MATTERS is the smallest difference that does.
_GRID, _OWN, _NOISE = np.arange(24) * 0.1, 0.05, 0.05**2
_BEST_SIZES, _APART, _MATTERS = (8, 10, 20), 0.5, 0.15


def rows(outcomes: Mapping[str, Draw], experiments: int, seed: int) -> Iterator[Row]:
    """Yield the rates of all simulations; ``outcomes`` are distributions by name."""
    for number, (name, draw) in enumerate(outcomes.items()):
        rng = np.random.default_rng([seed, 100, number])
        yield from (row | {"outcomes": name} for row in _equal_spreads(draw, rng, experiments))
    yield from _unequal_spreads(np.random.default_rng([seed, 101]), experiments)
    yield from _law(np.random.default_rng([seed, 102]), experiments)
    yield from _best(np.random.default_rng([seed, 103]), experiments)


def _equal_spreads(draw: Draw, rng: Generator, experiments: int) -> Iterator[Row]:
    """Yield how often a study of several claims tells equal spreads apart."""
    for n in _SPREAD_SIZES:
        first, second = (draw(rng, (experiments, max(_SPREAD_CLAIMS), n)) for _ in range(2))
        for claims in _SPREAD_CLAIMS:
            found = spread_interval(first[:, :claims], second[:, :claims], ALPHA / claims)
            missed = ((found.low > 0) | (found.high < 0)).any(axis=-1)
            yield _row(FALSE, SPREAD, "", n, missed, claims)


def _unequal_spreads(rng: Generator, experiments: int) -> Iterator[Row]:
    """Yield how often a ratio of normal spreads is shown."""
    for n in _SPREAD_SIZES:
        x, y = rng.standard_normal((2, experiments, n))
        for ratio in _RATIOS:
            for claims in _SPREAD_CLAIMS:
                low = spread_interval(ratio * x, y, ALPHA / claims).low
                yield _row(SHOWN, SPREAD, f"normal, a ratio of {ratio:g}", n, low > 0, claims)


def _law(rng: Generator, experiments: int) -> Iterator[Row]:
    """Yield how often a claim of equality with a law is judged falsely, and how often rightly."""
    away = np.where(_SHARES > 0.5, -1, 1)
    for n in _LAW_SIZES:
        intervals = np.array(
            [rate_interval(count, n, ALPHA / len(_SHARES)) for count in range(n + 1)]
        )
        for off, right in (
            (0.0, verdicts.REPRODUCED),
            (_OFF, verdicts.INCONCLUSIVE),
            (2 * _OFF, verdicts.CONTRADICTED),
        ):
            counts = rng.binomial(n, _SHARES + off * away, (experiments, len(_SHARES)))
            bounds = intervals[counts] - _SHARES[:, None]
            found = np.array(
                [verdicts.lawful(ends[:, 0], ends[:, 1], _OFF, "equal") for ends in bounds]
            )
            about = f"shares off by {off:g}" if off else "shares as predicted"
            wrong = (found != right) & (found != verdicts.INCONCLUSIVE)
            yield _row(FALSE, LAW, about, n, wrong)
            if right != verdicts.INCONCLUSIVE:
                yield _row(SHOWN, LAW, about, n, found == right)


def _best(rng: Generator, experiments: int) -> Iterator[Row]:
    """Yield how often the interval for a difference of best values misses it, or shows it."""
    middle, half = _GRID[len(_GRID) // 2], (_GRID[1] - _GRID[0]) / 2
    for n in _BEST_SIZES:
        for apart in (0.0, _APART):
            # Where the optimum lies between two of the values is a matter of chance.
            optima = [
                middle + rng.uniform(-half, half, (experiments, 1)) - off for off in (0, apart)
            ]
            chosen = [
                _chosen(rng, at + _OWN * rng.standard_normal((experiments, n))) for at in optima
            ]
            truth = (optima[0] - optima[1])[:, 0]
            found = rounded(chosen[0] - chosen[1], np.full(n, 2 * half), ALPHA)
            about = f"best values {apart:g} apart" if apart else "equally good values"
            yield _row(FALSE, BEST, about, n, (found.low > truth) | (found.high < truth))
            if apart:
                yield _row(SHOWN, BEST, about, n, found.low > _MATTERS)


def _chosen(rng: Generator, optima: Array) -> Array:
    """Return the value of the grid with the best score, for runs with these ``optima``."""
    score = (_GRID - optima[..., None]) ** 2
    score += _NOISE * rng.standard_normal(score.shape)
    values: Array = _GRID[score.argmin(axis=-1)]
    return values


def _row(question: str, kind: str, about: str, n: int, counted: Any, claims: int = 1) -> Row:
    row = {"question": question, "interval": kind, "outcomes": about, "n": str(n)}
    return row | {"claims": claims, "rate": float(np.mean(counted))}
