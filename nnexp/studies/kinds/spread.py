"""Spreads: how much an outcome varies between seeds, in one arm and in another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nnexp.analysis import power, spreads, verdicts
from nnexp.analysis.labels import enumerated, n_words, range_words, signs
from nnexp.analysis.outcomes import Outcome, described, measured
from nnexp.config.experiment_file import Design
from nnexp.errors import InputError
from nnexp.messages.language import tr
from nnexp.plotting.layout import fill
from nnexp.plotting.picture import Picture
from nnexp.plotting.styles import NEUTRAL
from nnexp.store.tables import Tables
from nnexp.studies.entry import Entry
from nnexp.studies.judgement import Judgement
from nnexp.studies.judging import repeated
from nnexp.studies.kinds import measurement
from nnexp.studies.kinds.wording import (
    capitalised,
    detectable_term,
    known,
    number,
    percent,
    related,
)
from nnexp.studies.study import COMPARISONS, Claim, ClaimPicture, Study, of_kind

# The key of a claim with the ratio that is claimed, and the order of the comparison.
_ORDERS = {"equal_to": "equal", "more_than": "greater", "less_than": "less"}
_WIDTH = 5.4
_COLOURS = ("#0072B2", "#D55E00")
_BINS = 30


@dataclass(frozen=True)
class Spread:
    """The spread of the outcome between the seeds of one arm, relative to that of another.

    The ratio of the two standard deviations is ``equal``, ``greater`` or ``less`` (``order``) than
    ``ratio``. ``matters`` is the smallest difference in log10 of the ratio that matters. With
    ``scale`` ``log10``, the spreads are those of the logarithm of the outcome.
    """

    arms: tuple[str, ...]
    outcome: Outcome
    where: Mapping[str, Any]
    at: Mapping[str, float]
    scale: str
    order: str
    ratio: float
    matters: float
    name: str = "spread"

    KEYS: ClassVar[tuple[str, ...]] = (
        *("outcome", "where", "at", "arms", "scale", "matters"),
        *_ORDERS,
    )
    NEEDED: ClassVar[tuple[str, ...]] = ("arms", "matters")
    VERDICTS: ClassVar[tuple[str, ...]] = verdicts.COMPARED
    FAMILY: ClassVar[str] = COMPARISONS

    @staticmethod
    def rule() -> str:
        """Return how claims of this kind are judged, as Markdown."""
        return tr(
            "Spreads between seeds are compared by the ratio of standard deviations in groups of "
            "seeds (Moses 1963): the logarithms of the ratios are judged like the differences of a "
            "comparison, with the number of groups for n. This assumes that the outcomes of both "
            "arms have distributions of the same shape, whatever it is; it takes more seeds than a "
            "comparison of typical outcomes."
        )

    @property
    def measures(self) -> str:
        """What is measured, in words."""
        return tr("spread of the {outcome} between seeds", outcome=self.scaled)

    @property
    def scaled(self) -> str:
        """The outcome on the scale of the test, in words."""
        if self.scale == "log10":
            return tr("log10 of the {outcome}", outcome=self.outcome)
        return str(self.outcome)

    def settings_of(self, arm: str, tables: Tables) -> Mapping[str, Any]:
        """Return the swept settings at which it looks at an arm."""
        return self.where

    @classmethod
    def read(cls, name: str, entry: Entry, arms: Mapping[str, Any], design: Design) -> Spread:
        """Return the test of a claim; `InputError` if one of its keys is malformed."""
        outcome = measurement.read_outcome(entry)
        given = [key for key in _ORDERS if key in entry]
        if len(given) != 1:
            raise entry.error(f"give one of {', '.join(_ORDERS)}: the ratio of the two spreads")
        ratio = entry.number(given[0], entry[given[0]])
        if not 0 < ratio < math.inf:
            raise entry.error(f"{given[0]}={ratio:g} is not a ratio of spreads: give more than 0")
        matters = entry.number("matters", entry["matters"])
        if not 0 <= matters < math.inf:
            raise entry.error(f"matters={entry['matters']}: give 0 or more, in log10 of the ratio")
        return cls(
            arms=measurement.read_arms(entry, arms),
            outcome=outcome,
            where=measurement.read_where(entry, design),
            at=measurement.read_at(entry, outcome),
            scale=entry.one_of("scale", entry.get("scale", "plain"), ("plain", "log10")),
            order=_ORDERS[given[0]],
            ratio=ratio,
            matters=matters,
        )

    def printed(self, claim: Claim) -> str:
        """Return what was published, in words."""
        return claim.published

    def judge(self, study: Study, claim: Claim, tables: Tables | None, looks: int) -> Judgement:
        """Return the judgement of ``claim``, by an interval at level 1 - alpha/(family · looks)."""
        assert tables is not None
        runs = self.outcomes(tables)
        if len(runs) < 2:
            raise InputError("a spread needs two seeds with a finished run of each arm: add seeds")
        alpha = study.alpha / study.family(claim) / looks
        first, second = (runs[arm].to_numpy(float) for arm in self.arms)
        found = spreads.spread_interval(first, second, alpha)
        shifted = spreads.spread_interval(first / self.ratio, second, alpha)
        low, middle, high = (float(10**end) for end in (found.low, found.middle, found.high))
        with np.errstate(invalid="ignore"):  # of infinite outcomes
            sds = [float(sample.std(ddof=1)) for sample in (first, second)]
        groups = spreads.group_ratios(first, second, alpha)
        sd = float(groups.std(ddof=1)) if np.isfinite(groups).all() else math.nan
        return Judgement(
            **repeated(study, claim),
            protocol=described(self.where, self.at),
            measured=f"standard deviations {sds[0]:.3g} and {sds[1]:.3g}; ratio {middle:.3g} "
            f"[{low:.3g}, {high:.3g}] against {self.ratio:g}",
            verdict=verdicts.compared(shifted, self.matters, self.order),
            n=len(runs),
            first=sds[0],
            second=sds[1],
            difference=float(shifted.middle),
            low=float(shifted.low),
            high=float(shifted.high),
            level=1 - alpha,
            matters=self.matters,
            detectable=power.detectable(sd, found.n, alpha) if known(sd) else None,
        )

    def outcomes(self, tables: Tables) -> pd.DataFrame:
        """Return the outcome of each seed (row) in each arm (column), on the test's scale.

        Seeds that lack a finished run of an arm are left out.

        Raises
        ------
        InputError
            If ``tables`` lack the runs, settings or columns, or a logarithm is not defined.
        """
        columns = {
            arm: measured(self.outcome, arm, tables, self.where, self.at) for arm in self.arms
        }
        table: pd.DataFrame = pd.DataFrame(columns).dropna()
        if self.scale == "log10":
            if not (table > 0).all(axis=None):
                raise InputError(f"{self.outcome} is not above 0 in a run: leave scale=log10 out")
            table = table.map(math.log10)
        return table

    @classmethod
    def draw(
        cls, study: Study, judgements: Mapping[str, Judgement], tables: Tables
    ) -> Iterator[ClaimPicture]:
        """Yield a figure of both distributions of each claim."""
        for claim, test in of_kind(study, cls):
            yield ClaimPicture(_picture(claim, test, tables, judgements[claim.id]), (claim.id,))

    def explain(self, judgement: Judgement) -> Iterator[tuple[str, str]]:
        """Yield what the verdict is based on, as pairs of a term and a text."""
        j = judgement
        ratio = tr(
            "the {measures} of {first}, divided by that of {second},",
            measures=self.measures,
            first=self.arms[0],
            second=self.arms[1],
        )
        yield tr("Test"), related(ratio, self.order, number(self.ratio))
        if j.first is not None:
            yield tr("Standard deviations"), enumerated([number(j.first), number(j.second)])
        if j.low is not None and j.high is not None and j.level is not None:
            bounds = range_words(*(number(self.ratio * 10**end) for end in (j.low, j.high)))
            yield tr("{level} interval of the ratio", level=percent(j.level)), bounds
        if j.n is not None and j.level is not None:
            groups = j.n // spreads.group_size(j.n, 1 - j.level)
            yield tr("Runs"), tr("n = {n} pairs, by seed, in {groups} groups", n=j.n, groups=groups)
        if j.matters is not None:
            yield tr("Smallest ratio that matters"), number(10**j.matters)
        if known(j.detectable):
            ratio = number(10**j.detectable)
            yield detectable_term(j.n), tr("a ratio of {ratio}", ratio=ratio)


def _picture(claim: Claim, test: Spread, tables: Tables, judgement: Judgement) -> Picture:
    """Return the figure of the outcomes of both arms, each about its median."""
    table = test.outcomes(tables)
    about = table - table.median()
    finite = about[np.isfinite(about).all(axis=1)]
    figure = Figure(figsize=(_WIDTH, 3.2), layout="constrained")
    ax = figure.subplots()
    edges = np.histogram_bin_edges(finite.to_numpy().ravel(), _BINS)
    for arm, colour in zip(test.arms, _COLOURS, strict=True):
        counts, _ = np.histogram(finite[arm], edges)
        ax.stairs(counts, edges, fill=True, color=colour, alpha=0.25)
        ax.stairs(counts, edges, color=colour, label=arm.replace("_", " "))
    ax.set_xlabel(fill(tr("{outcome}, minus the arm's median", outcome=test.scaled), 50))
    ax.set_ylabel(tr("runs"))
    ax.grid(color=NEUTRAL, alpha=0.2)
    title = fill(claim.statement, 58)
    figure.suptitle(title, x=0.02, ha="left", fontsize=10.5, fontweight="bold")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    caption = signs(
        tr(
            "How the outcomes of the seeds vary about their median ({n} seeds). {measured}.",
            n=n_words([len(table)]),
            measured=capitalised(judgement.measured),
        )
    )
    cells = table.rename_axis("seed").reset_index()
    return Picture(f"spread-{claim.id}", claim.statement, caption, caption, figure, cells)
