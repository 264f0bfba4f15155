"""Comparisons: two arms paired by seed, or one arm against a threshold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_numeric_dtype

from nnexp.analysis import intervals, power, verdicts
from nnexp.analysis.doubts import unseen
from nnexp.analysis.labels import n_words, range_words, signs
from nnexp.analysis.outcomes import Outcome
from nnexp.analysis.tuning import FACTOR, unfinished
from nnexp.analysis.verdicts import MATTERS, in_points
from nnexp.config.experiment_file import Design
from nnexp.errors import InputError
from nnexp.messages.language import tr
from nnexp.plotting.cell_maps import signed_map
from nnexp.plotting.paired_differences import Differences, difference_curve, differences_figure
from nnexp.plotting.picture import Picture
from nnexp.plotting.styles import UNNAMED
from nnexp.store.tables import Tables
from nnexp.studies.entry import Entry
from nnexp.studies.judgement import MAIN, Judgement
from nnexp.studies.judging import repeated
from nnexp.studies.kinds import measurement
from nnexp.studies.kinds.pairing import Pairing
from nnexp.studies.kinds.wording import (
    detectable_term,
    digits,
    held_words,
    interval_term,
    known,
    number,
    percent,
    related,
    seeds_to_show,
)
from nnexp.studies.study import COMPARISONS, Claim, ClaimPicture, Study, of_kind
from nnexp.studies.words import verdict_words

ORDERS = verdicts.TESTS
# More columns of a map cannot be read at half a page's width.
_MOST_ACROSS = 6
# The figure of the main comparisons alone.
_MAIN_PAIRS = "main"

_SEEDS = replace(UNNAMED, colour="#0072B2")


@dataclass(frozen=True)
class Comparison(Pairing):
    """The first of a pairing is ``greater`` or ``less`` than the second, or ``equal`` to it.

    ``name`` says which. ``matters`` is the smallest difference that matters, and ``map`` has the
    settings over which a figure shows where the claim holds.
    """

    name: str
    matters: float
    map: tuple[str, ...]

    KEYS: ClassVar[tuple[str, ...]] = (
        *("outcome", "where", "at", "arms", "arm", "threshold"),
        *("matters", "scale", "map", "tuned"),
    )
    NEEDED: ClassVar[tuple[str, ...]] = ()
    VERDICTS: ClassVar[tuple[str, ...]] = verdicts.COMPARED
    FAMILY: ClassVar[str] = COMPARISONS

    @staticmethod
    def rule() -> str:
        """Return how claims of this kind are judged, as Markdown."""
        return tr(
            "A comparison is paired by seed. It is judged by one interval (L, U) for the median "
            "difference at level 1 − α/m, where m is the number of comparisons in its study (1 − "
            "α/3m after `--top-up`, which looks three times), and by the smallest difference that "
            "matters, S ({matters} percentage points of accuracy unless the study sets it): "
            "**reproduced** if L > S, **direction only** if 0 < L ≤ S < U, so that the difference "
            "may be too small to matter, **contradicted** if U < 0 and L < −S (reversed for a "
            "claim of less), **no difference that matters** if −S < L and U < S, which reproduces "
            "a claim of equality, **inconclusive** otherwise, **underpowered** if n seeds are too "
            "few for m comparisons (m > α · 2ⁿ⁻¹; 10 seeds suffice for 25). The median describes a "
            "typical seed and needs no assumption on the shape of the differences. A diverged run "
            "counts as it ended. How often runs diverge is another question: {unseen} The "
            "intervals cover other seeds, not other test images. A setting that is tuned is chosen "
            "for each arm by a score on other images than those of the outcome; the best value "
            "must lie inside the values tried, with neighbours at most a factor of {factor} away, "
            "else the verdict is **withheld**.",
            matters=in_points(MATTERS),
            unseen=unseen(10),
            factor=FACTOR,
        )

    @property
    def measures(self) -> str:
        """What is measured of a run, in words."""
        return str(self.outcome)

    @classmethod
    def read(cls, name: str, entry: Entry, arms: Mapping[str, Any], design: Design) -> Comparison:
        """Return the test of a claim; `InputError` if one of its keys is malformed."""
        outcome = measurement.read_outcome(entry)
        tuned = measurement.read_tuned(entry, outcome, design)
        scale = entry.one_of("scale", entry.get("scale", "plain"), ("plain", "log10"))
        if outcome.kind == "tuned" and scale != "log10":
            raise entry.error(f"the {outcome} is known up to a factor: give scale: log10")
        return cls(
            name=name,
            arms=_read_arms(entry, arms),
            outcome=outcome,
            where=measurement.read_where(entry, design, tuned.over if tuned else ()),
            at=measurement.read_at(entry, outcome),
            threshold=_read_threshold(entry, scale),
            matters=_read_matters(entry, outcome, scale),
            scale=scale,
            map=_read_map(entry, name, outcome, design),
            tuned=tuned,
        )

    def printed(self, claim: Claim) -> str:
        """Return what was published, in words."""
        return claim.published

    def judge(self, study: Study, claim: Claim, tables: Tables | None, looks: int) -> Judgement:
        """Return the judgement of ``claim``, by an interval at level 1 - alpha/(family · looks)."""
        assert tables is not None
        pairs = self.differences(tables)
        values = pairs["difference"].to_numpy(float)
        if not len(values):
            raise InputError("no seed has a finished run of each arm: see the sweep's failed runs")
        n, alpha = len(values), study.alpha / study.family(claim) / looks
        if intervals.all_equal(values):
            values = np.full(n, values[0])
        interval = intervals.median_interval(values, alpha)
        if (rounding := self.rounding(tables, pairs["seed"])).any():
            interval = intervals.rounded(values, rounding, alpha)
        finite = n > 1 and bool(np.isfinite(values).all())
        sd = float(values.std(ddof=1)) if finite else math.nan
        missing = unfinished(self.deciding(tables), study.tuned, study.command())
        return Judgement(
            **repeated(study, claim),
            protocol=self.settings(self.chosen(tables)),
            measured="; ".join(filter(None, (_in_words(self, pairs, values, interval), missing))),
            verdict=verdicts.WITHHELD
            if missing
            else verdicts.compared(interval, self.matters, self.name),
            n=n,
            first=_median(pairs["first"]),
            second=_median(pairs["second"]),
            difference=float(interval.middle),
            low=float(interval.low),
            high=float(interval.high),
            level=1 - alpha,
            effect_size=intervals.effect_size(values) if finite else None,
            superiority=intervals.superiority(values),
            matters=self.matters,
            detectable=power.detectable(sd, n, alpha) if finite else None,
            seeds_needed=power.seeds_needed(sd, self.matters, alpha) if finite else None,
            holds_in=self._holds_in(study, tables),
        )

    @classmethod
    def draw(
        cls, study: Study, judgements: Mapping[str, Judgement], tables: Tables
    ) -> Iterator[ClaimPicture]:
        """Yield a figure of the differences of all comparisons, and one of each map.

        If it is the study's main figure, one of the main comparisons alone comes first.
        """
        compared = of_kind(study, cls)
        if not compared:
            return
        pairs = {claim.id: test.differences(tables) for claim, test in compared}
        if study.figure == _MAIN_PAIRS:
            main = {claim.id: pairs[claim.id] for claim, _ in compared if claim.role == MAIN}
            title = tr("What the claim compares, pair by pair")
            yield ClaimPicture(_pairs(study, judgements, main, _MAIN_PAIRS, title), tuple(main))
        title = tr("Differences, pair by pair")
        yield ClaimPicture(_pairs(study, judgements, pairs, "pairs", title), tuple(pairs))
        cells = maps(study, tables)
        for claim, test in compared:
            if test.map:
                own = cells[cells["claim"] == claim.id]
                yield ClaimPicture(_map(claim, test, own, judgements[claim.id]), (claim.id,))

    def explain(self, judgement: Judgement) -> Iterator[tuple[str, str]]:
        """Yield what the verdict is based on, as pairs of a term and a text."""
        j, paired = judgement, len(self.arms) > 1
        other = self.arms[1] if paired else number(self.threshold)
        yield tr("Test"), related(self.arms[0], self.name, other)
        # A difference equal in every pair is a fact: it has no interval and no power.
        certain = j.low == j.high and j.detectable == 0
        if j.difference is not None:
            term = tr("Difference in every pair") if certain else tr("Median difference")
            yield term, sized(self, j.difference, "+")
        if j.low is not None and j.high is not None and j.level is not None and not certain:
            factor = 100 if self.in_points else 1
            ends = range_words(*(number(factor * end, "+") for end in (j.low, j.high)))
            yield interval_term(j.level), _in_unit(self, ends)
        if j.n is not None:
            runs = tr("n = {n} pairs, by seed", n=j.n) if paired else tr("n = {n} seeds", n=j.n)
            yield tr("Runs"), runs
        if known(j.effect_size) and not certain:
            effect = number(j.effect_size, "+")
            yield tr("Effect size"), tr("{number} standard deviations", number=effect)
        if known(j.superiority) and not certain:
            yield tr("P({arm} higher)", arm=self.arms[0]), f"{j.superiority:.2f}"
        if j.matters is not None:
            yield tr("Smallest difference that matters"), sized(self, j.matters)
        if known(j.detectable) and not certain:
            yield detectable_term(j.n), sized(self, j.detectable)
            if j.verdict in (verdicts.INCONCLUSIVE, verdicts.UNDERPOWERED):
                yield tr("Seeds needed to show what matters"), seeds_to_show(j.seeds_needed)
        if j.holds_in:
            yield tr("Holds in"), held_words(j.holds_in)

    def mapped(self, study: Study, tables: Tables) -> Iterator[dict[str, Any]]:
        """Yield the cells of the map, see `Pairing.cells`; none without a map."""
        if self.map:
            own, sign = study.own(tables.runs), -1 if self.name == "less" else 1
            yield from self.cells(tables, own, self.map, sign)

    def _holds_in(self, study: Study, tables: Tables) -> str:
        """Return in how many cells of the map the claim holds, in words."""
        held = [cell["holds"] for cell in self.mapped(study, tables)]
        if not held:
            return ""
        return f"{held.count('yes')} of {len(held)} cells, reversed in {held.count('no')}"


def sized(test: Comparison, value: float, sign: str = "") -> str:
    """Return a difference in the unit of its test: ``0.3 points``."""
    return _in_unit(test, number(100 * value if test.in_points else value, sign))


def _in_unit(test: Comparison, text: str) -> str:
    if test.in_points:
        return tr("{number} points", number=text)
    return tr("{number} in log10", number=text) if test.scale == "log10" else text


def maps(study: Study, tables: Tables) -> pd.DataFrame:
    """Return where the claims with a ``map`` hold: a row for each cell.

    Columns: ``claim`` and those of `Pairing.cells`, the difference in the claim's own direction.
    Descriptive: no verdict depends on it.
    """
    rows = [
        {"claim": claim.id, **cell}
        for claim, test in of_kind(study, Comparison)
        for cell in test.mapped(study, tables)
    ]
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def _read_arms(entry: Entry, arms: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the two ``arms`` of a claim, or the one ``arm`` that goes with a threshold."""
    if ("threshold" in entry) != ("arm" in entry) or ("arm" in entry) == ("arms" in entry):
        raise entry.error("give arms: [A, B], or arm: A with a threshold")
    return measurement.read_arms(entry, arms)


def _read_threshold(entry: Entry, scale: str) -> float | None:
    if "threshold" not in entry:
        return None
    threshold = entry.number("threshold", entry["threshold"])
    if scale == "log10" and threshold <= 0:
        raise entry.error(f"threshold={entry['threshold']} has no log10: give more than 0")
    return threshold


def _read_matters(entry: Entry, outcome: Outcome, scale: str) -> float:
    if "matters" not in entry:
        if outcome.is_accuracy and scale == "plain":
            return MATTERS
        raise entry.error(f"give matters, the smallest difference of {outcome} that matters")
    matters = entry.number("matters", entry["matters"])
    if matters < 0 or not math.isfinite(matters):
        raise entry.error(f"matters={entry['matters']}: give 0 or more")
    return matters


def _read_map(entry: Entry, name: str, outcome: Outcome, design: Design) -> tuple[str, ...]:
    if entry.get("map") and name == "equal":
        raise entry.error("a map goes with greater or less, which have a direction: leave it out")
    return measurement.read_map(entry, outcome, design)


def _median(values: pd.Series[Any]) -> float:
    with np.errstate(invalid="ignore"):  # between infinities
        return float(np.median(values))


def _in_words(
    test: Comparison,
    pairs: pd.DataFrame,
    values: npt.NDArray[np.float64],
    interval: intervals.Interval,
) -> str:
    """Return the medians of both sides, the median difference and its interval, in words.

    ``values`` are the differences of the ``pairs``.
    """
    unit, points = (100, " points") if test.in_points else (1, "")
    first, second = _median(pairs["first"]), _median(pairs["second"])
    low, high = interval.low * unit, interval.high * unit
    bounds = f"[{low:+.3g}, {high:+.3g}]"
    if low == high:
        equal = int((values == interval.middle).sum())
        bounds = "in every pair" if equal == len(values) else f"in {equal} of {len(values)} pairs"
    mean = unit * float(values.mean())
    if values.min() < values.max() and math.isfinite(mean) and not low <= mean <= high:
        bounds += f" (mean {mean:+.3g}{points}: a few pairs are far off)"
    log = "log10 " if test.scale == "log10" else ""
    return (
        f"{log}{digits(test.outcome, first)} against {digits(test.outcome, second)}: "
        f"{interval.middle * unit:+.3g}{points} {bounds}"
    )


def _pairs(
    study: Study,
    judgements: Mapping[str, Judgement],
    pairs: Mapping[str, pd.DataFrame],
    name: str,
    title: str,
) -> Picture:
    """Return the figure of the differences of the comparisons, a panel for each unit.

    ``pairs`` are the differences of those that are shown.
    """
    compared = [(claim, test) for claim, test in of_kind(study, Comparison) if claim.id in pairs]
    panels: dict[str, list[Differences]] = {}
    for claim, test in compared:
        row = _row(test, pairs[claim.id], judgements[claim.id])
        panels.setdefault(test.unit, []).append(row)
    level = 100 * (judgements[compared[0][0].id].level or 0)
    certain = any(intervals.all_equal(own["difference"].to_numpy(float)) for own in pairs.values())
    family, together, no_bar = study.family(compared[0][0]), "", ""
    if family > 1:
        whole = percent(1 - study.alpha)
        together = tr(" (together {level} for the {n} comparisons)", level=whole, n=family)
    if certain:
        no_bar = tr("; where every pair has the same difference, there is none")
    caption = tr(
        "Each dot is a seed ({n}): first arm − second arm. The diamond is the median and the bar "
        "its {level} % interval{together}{no_bar}; grey: differences too small to matter.",
        n=n_words(map(len, pairs.values())),
        level=f"{level:.4g}",
        together=together,
        no_bar=no_bar,
    )
    judged = (
        f"{claim.statement} {verdict_words(judgements[claim.id].verdict)}." for claim, _ in compared
    )
    table = pd.concat([own.assign(claim=claim) for claim, own in pairs.items()])
    alt = " ".join((caption, *judged))
    return Picture(name, title, caption, alt, differences_figure(title, panels), table)


def _row(test: Comparison, pairs: pd.DataFrame, judgement: Judgement) -> Differences:
    scale = 100 if test.in_points else 1
    numbers = (judgement.difference, judgement.low, judgement.high)
    median, low, high = (scale * value if known(value) else math.nan for value in numbers)
    return Differences(
        test.label,
        scale * pairs["difference"].to_numpy(float),
        median,
        low,
        high,
        scale * test.matters,
        verdict_words(judgement.verdict),
        strong=judgement.verdict == verdicts.REPRODUCED,
        style=_SEEDS,
        seeds=tuple(map(str, pairs["seed"])),
    )


def _is_curve(values: pd.Series[Any]) -> bool:
    """Return whether these are too many numbers for the cells of a map."""
    return is_numeric_dtype(values) and values.nunique() > _MOST_ACROSS


def _map(claim: Claim, test: Comparison, cells: pd.DataFrame, judgement: Judgement) -> Picture:
    """Return the figure of where a claim holds."""
    keys = list(test.map)
    if len(keys) == 2 and cells[keys[1]].nunique() > _MOST_ACROSS:
        keys.reverse()
    scale = 100 if test.in_points else 1
    title = tr("Where it holds: {statement}", statement=claim.statement)
    direction = tr("second − first arm") if test.name == "less" else tr("first − second arm")
    if len(keys) == 1 and _is_curve(cells[keys[0]]):
        numbers = ["difference", "low", "high"]
        table = cells.assign(**{name: scale * cells[name] for name in numbers})
        figure = difference_curve(title, table, keys[0], test.unit, scale * test.matters)
        caption = tr(
            "Median difference at each value, {direction}, in {unit} ({n} pairs per value), with "
            "its plain 95 % interval; grey: differences too small to matter. Above 0 the claim "
            "holds at that value, below 0 its reverse. With values as cells, it holds in {holds}. "
            "Descriptive.",
            direction=direction,
            unit=test.unit,
            n=n_words(cells["n"]),
            holds=held_words(judgement.holds_in),
        )
        return Picture(f"map-{claim.id}", title, caption, caption, figure, cells)
    words = [
        f"{signs(f'{scale * value:+.3g}')}{' ?' if holds == 'unclear' else ''}"
        for value, holds in zip(cells["difference"], cells["holds"], strict=True)
    ]
    table = cells.assign(value=scale * cells["difference"], words=words)
    figure = signed_map(title, table, keys[:-1], keys[-1])
    caption = tr(
        "Median difference in each cell, {direction}, in {unit} ({n} pairs per cell). Above 0 the "
        "claim holds in that cell, below 0 its reverse; ?: the plain 95 % interval includes 0. It "
        "holds in {holds}. Descriptive.",
        direction=direction,
        unit=test.unit,
        n=n_words(cells["n"]),
        holds=held_words(judgement.holds_in),
    )
    return Picture(f"map-{claim.id}", title, caption, caption, figure, cells)
