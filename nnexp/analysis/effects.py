"""The effects of a sweep's factors on the final test accuracy.

A factor is a setting that varies, or the named arms of an experiment. Runs are paired by seed. If
the grid is complete, the levels of a factor are averaged over the other factors and compared, and
the interaction of two factors is a difference of differences.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nnexp.analysis import doubts as doubtful
from nnexp.analysis import intervals, power, verdicts
from nnexp.analysis.arms import Comparison
from nnexp.analysis.labels import enumerated, is_number, joined, listed, setting_words, spaced
from nnexp.analysis.verdicts import ALPHA, MATTERS
from nnexp.messages.language import ENGLISH, current, language, tr
from nnexp.store.record import DIVERGED, FAILED

Array = npt.NDArray[np.float64]

LEVEL, INTERACTION = "level", "interaction"
# Between the names of settings that are one factor.
_WITH = " with "
ABOVE, BELOW, ALIKE, UNDECIDED, TOO_FEW = "above", "below", "alike", "undecided", "too few seeds"


@dataclass(frozen=True)
class Factor:
    """A setting that varies; ``levels`` maps each of its levels to the arms that have it.

    Settings that change together are one factor; ``settings`` has their names.
    ``reference`` is the level with the highest mean final test accuracy. ``numbers`` has the value
    of each level if all are numbers, and is empty otherwise.
    """

    name: str
    levels: dict[str, tuple[str, ...]]
    reference: str
    numbers: dict[str, float]
    settings: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Its name for readers."""
        return joined([setting_words(name) for name in self.name.split(_WITH)])


@dataclass(frozen=True)
class Effects:
    """The effects of the factors of a sweep.

    ``grid`` has the factors as they were swept and ``factors`` those that are compared: if the grid
    is incomplete, a single factor whose levels are the combinations. ``pairs`` has the
    ``difference`` of each ``seed``. ``doubts`` are sentences about what the sweep cannot show,
    regardless of the number of seeds.

    ``table`` has one row per comparison: ``kind`` (`LEVEL` or `INTERACTION`), ``factor level
    reference over n``, the two means, the median ``difference`` of the pairs, its interval ``low
    high`` at ``confidence``, ``effect_size``, ``superiority`` (the share of seeds in which the
    level is above the reference), ``matters``, ``finding`` and the ``fewest`` seeds that allow one.
    If nothing is found, ``seeds_needed`` is the number of seeds to show a difference that matters
    and ``seeds_seen`` the number to show the observed difference (empty: more than
    `nnexp.analysis.power.MOST_SEEDS`). For an interaction, the means are the differences at two
    levels of the second factor. ``translated`` is the same table in the current language.
    """

    grid: tuple[Factor, ...]
    factors: tuple[Factor, ...]
    table: pd.DataFrame
    translated: pd.DataFrame
    pairs: pd.DataFrame
    doubts: tuple[str, ...]


_WORDS = ("kind", "factor", "level", "reference", "over")
_NUMBERS = ("n", "mean", "reference_mean", "difference", "low", "high", "confidence")
_RESULTS = (
    *("effect_size", "superiority", "matters", "finding", "fewest"),
    *("seeds_needed", "seeds_seen"),
)


def effects(comparison: Comparison) -> Effects:
    """Return the effects in the runs of ``comparison``.

    The intervals hold simultaneously with probability 1 - `ALPHA` (Bonferroni). As the references
    are chosen from the same runs, the correction is for all pairs of levels.
    """
    runs = comparison.runs.reindex(columns=["seed", "arm", "status", "test_accuracy"])
    runs = runs[runs["status"] != FAILED]
    scores = _scores(comparison)
    arms = [str(arm) for arm in scores]
    grid = swept(comparison)
    doubts = doubtful.tuning(comparison) + doubtful.bundled(comparison)
    for factor in grid:
        if len(factor.settings) > 1:
            crossed = _crossed(comparison, factor.settings)
            doubts.append((doubtful.uncrossed if crossed else doubtful.joined)(factor.settings))
    factors = grid
    full = math.prod(len(factor.levels) for factor in grid)
    if grid and len(arms) < full:
        levels = [{a: level for level, own in f.levels.items() for a in own} for f in grid]
        present = {tuple(level[arm] for level in levels) for arm in arms}
        doubts.append(doubtful.incomplete([list(factor.levels) for factor in grid], present))
        own: dict[str, tuple[str, ...]] = {arm: (arm,) for arm in arms}
        factors = (Factor("arm", own, str(scores.mean().idxmax()), {}),)
    repeated = runs.loc[runs.duplicated(["seed", "arm"]), "arm"].drop_duplicates()
    if len(repeated):
        doubts.append(doubtful.repeated([*map(str, repeated)]))
    diverged = runs.loc[runs["status"] == DIVERGED, "arm"].value_counts()
    every = runs["arm"].value_counts()
    counts = {arm: (int(diverged.get(arm, 0)), int(every[arm])) for arm in arms}
    if factors and any(count for count, _ in counts.values()):
        doubts.append(doubtful.diverged(counts))
    missing = [str(arm) for arm in scores.columns[scores.isna().any()]]
    if missing and factors:
        doubts.append(doubtful.missing(missing))
    with language(ENGLISH):
        comparisons = list(_compared(factors, scores))
    family = sum(_choices(f) for f in factors)
    family += sum(_choices(f) * _choices(g) for f, g in itertools.combinations(factors, 2))
    rows = [_row(words, first, second, ALPHA / family) for words, first, second, _ in comparisons]
    sizes = [len(seeds) for *_, seeds in comparisons]
    named = pd.DataFrame([_named(words) for words, *_ in comparisons])
    pairs = named.loc[named.index.repeat(sizes)].reset_index(drop=True)
    if comparisons:
        pairs["seed"] = np.concatenate([seeds for *_, seeds in comparisons])
        differences = [first - second for _, first, second, _ in comparisons]
        pairs["difference"] = np.round(np.concatenate(differences), 12)
    if len(arms) > 1 and not rows:
        doubts.append(doubtful.unpaired())
    table = pd.DataFrame(rows, columns=[*_WORDS, *_NUMBERS, *_RESULTS]).astype(
        {"n": int, "fewest": int, "seeds_needed": "Int64", "seeds_seen": "Int64"}
    )
    return Effects(
        grid,
        factors,
        table,
        table if current() == ENGLISH else _translated(table, factors, scores),
        pairs if comparisons else pd.DataFrame(columns=["difference"]),
        tuple(doubts),
    )


def swept(comparison: Comparison) -> tuple[Factor, ...]:
    """Return the factors of ``comparison`` as they were swept, of the arms that have a result.

    Settings that change together are one factor. So are two of which not all combinations were
    run, if the grid is complete then.
    """
    scores = _scores(comparison)
    every = list(comparison.cells.values())
    groups = _merged([(name,) for name in comparison.levels], every, _together)
    arms = [str(arm) for arm in scores]
    cells = [comparison.cells[arm] for arm in arms]
    if math.prod(_count(cells, group) for group in groups) > len(cells):
        pairs = _merged(groups, cells, _uncrossed)
        if len(pairs) > 1 and math.prod(_count(cells, group) for group in pairs) == len(cells):
            groups = pairs
    found = (_factor(comparison, group, scores, arms) for group in groups)
    return tuple(factor for factor in found if len(factor.levels) > 1)


def _scores(comparison: Comparison) -> pd.DataFrame:
    """Return the final test accuracies, a row for each seed and a column for each arm with one."""
    runs = comparison.runs.reindex(columns=["seed", "arm", "status", "test_accuracy"])
    runs = runs[runs["status"] != FAILED]
    accuracy = runs["test_accuracy"].astype(float)
    scores = accuracy.groupby([runs["seed"], runs["arm"]], observed=True).mean().unstack()
    ordered: pd.DataFrame = scores[[arm for arm in comparison.arms if arm in scores]]
    return ordered


Cells = Sequence[Mapping[str, str]]


def _merged(
    groups: list[tuple[str, ...]],
    cells: Cells,
    alike: Callable[[Cells, tuple[str, ...], tuple[str, ...]], bool],
) -> list[tuple[str, ...]]:
    """Return ``groups`` of settings, with those merged that are ``alike``."""
    for a, b in itertools.combinations(groups, 2):
        if alike(cells, a, b):
            return _merged([(*a, *b) if g == a else g for g in groups if g != b], cells, alike)
    return groups


def _together(cells: Cells, a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    return _count(cells, (*a, *b)) == max(_count(cells, a), _count(cells, b))


def _uncrossed(cells: Cells, a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    return _count(cells, (*a, *b)) < _count(cells, a) * _count(cells, b)


def _count(cells: Cells, names: tuple[str, ...]) -> int:
    return len({tuple(cell[name] for name in names) for cell in cells})


def _crossed(comparison: Comparison, settings: tuple[str, ...]) -> bool:
    """Return whether some of ``settings`` vary while all others stay as they are."""
    cells = list(comparison.cells.values())
    return _count(cells, settings) > max(_count(cells, (name,)) for name in settings)


def _factor(
    comparison: Comparison, settings: tuple[str, ...], scores: pd.DataFrame, arms: Sequence[str]
) -> Factor:
    levels: dict[str, list[str]] = {}
    for arm in arms:
        words = (comparison.cells[arm][setting] for setting in settings)
        levels.setdefault(", ".join(words), []).append(arm)
    means = scores.mean().to_dict()
    reached = {level: float(np.mean([means[a] for a in own])) for level, own in levels.items()}
    best = max(reached, key=lambda level: reached[level], default="")
    columns = [c for c in comparison.varied if c.partition(".")[0] in settings]
    numbers: dict[str, float] = {}
    if len(columns) == 1:
        of_arm = comparison.summary.set_index("arm")[columns[0]].astype(str)
        if all(is_number(of_arm[arm]) for arm in arms):
            numbers = {level: float(of_arm[own[0]]) for level, own in levels.items()}
    return Factor(
        _WITH.join(spaced(columns if numbers else settings)),
        {level: tuple(own) for level, own in levels.items()},
        best,
        numbers,
        settings,
    )


def _choices(factor: Factor) -> int:
    return math.comb(len(factor.levels), 2)


def _compared(
    factors: Sequence[Factor], scores: pd.DataFrame
) -> Iterator[tuple[dict[str, str], Array, Array, Array]]:
    """Yield each comparison in words, the values of both sides, and their seeds."""
    values = {str(arm): scores[arm].to_numpy(float) for arm in scores}
    seeds = scores.index.to_numpy()

    def mean(*levels: tuple[Factor, str]) -> Array:
        arms, *others = (factor.levels[level] for factor, level in levels)
        own = [values[arm] for arm in arms if all(arm in other for other in others)]
        average: Array = np.mean(own, axis=0)
        return average

    def paired(words: dict[str, str], first: Array, second: Array) -> Any:
        both = np.isfinite(first) & np.isfinite(second)
        return (words, first[both], second[both], seeds[both]) if both.any() else None

    def over(*own: Factor) -> str:
        return listed([f.words for f in factors if f not in own])

    for f in factors:
        for level in _others(f):
            words = {
                "kind": LEVEL,
                "factor": f.words,
                "level": level,
                "reference": f.reference,
                "over": over(f),
            }
            if found := paired(words, mean((f, level)), mean((f, f.reference))):
                yield found
    for f, g in itertools.combinations(factors, 2):
        for level, at in itertools.product(_others(f), _others(g)):
            words = {
                "kind": INTERACTION,
                "factor": enumerated([f.words, g.words]),
                "level": tr(
                    "{level} − {reference} at {place}",
                    level=level,
                    reference=f.reference,
                    place=at,
                ),
                "reference": tr("at {place}", place=g.reference),
                "over": over(f, g),
            }
            first, second = (
                mean((f, level), (g, place)) - mean((f, f.reference), (g, place))
                for place in (at, g.reference)
            )
            if found := paired(words, first, second):
                yield found


def _translated(
    table: pd.DataFrame, factors: Sequence[Factor], scores: pd.DataFrame
) -> pd.DataFrame:
    """Return the ``table`` of the effects with its words in the current language."""
    rows = [words for words, *_ in _compared(factors, scores)]
    translated: pd.DataFrame = table.assign(
        **{name: [words[name] for words in rows] for name in _WORDS}
    )
    return translated


def _others(factor: Factor) -> list[str]:
    return [level for level in factor.levels if level != factor.reference]


def _row(words: Mapping[str, str], first: Array, second: Array, alpha: float) -> dict[str, Any]:
    differences = np.round(first - second, 12)  # removes the rounding errors of averages
    interval = intervals.median_interval(differences, alpha)
    n = interval.n
    finding = _finding(interval)
    needed = seen = None
    if finding in (UNDECIDED, TOO_FEW) and n > 1:
        sd = float(differences.std(ddof=1))
        needed = power.seeds_needed(sd, MATTERS, alpha)
        seen = power.seeds_needed(sd, abs(float(interval.middle)), alpha)
    return {
        **words,
        "n": n,
        "mean": float(first.mean()),
        "reference_mean": float(second.mean()),
        "difference": float(interval.middle),
        "low": float(interval.low),
        "high": float(interval.high),
        "confidence": 1 - alpha,
        "effect_size": intervals.effect_size(differences),
        "superiority": intervals.superiority(differences),
        "matters": MATTERS,
        "finding": finding,
        "fewest": interval.fewest,
        "seeds_needed": needed,
        "seeds_seen": seen,
    }


def _finding(interval: intervals.Interval) -> str:
    if interval.n < interval.fewest:
        return TOO_FEW
    decided = verdicts.decided(interval.low, interval.high, MATTERS)
    if decided.same:
        return ALIKE
    return ABOVE if decided.greater else BELOW if decided.less else UNDECIDED


def _named(words: Mapping[str, str]) -> dict[str, str]:
    return {key: words[key] for key in ("kind", "factor", "level")}
