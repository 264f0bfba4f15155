"""Power laws: the slope of the logarithm of an outcome against that of a setting."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from nnexp.analysis import intervals, power, verdicts
from nnexp.analysis.labels import n_words, signs
from nnexp.analysis.outcomes import Outcome, described, measured
from nnexp.config.experiment_file import Design
from nnexp.errors import InputError
from nnexp.plotting import scales
from nnexp.plotting.picture import Picture
from nnexp.plotting.styles import NEUTRAL
from nnexp.store.tables import Tables
from nnexp.studies.entry import Entry
from nnexp.studies.judgement import Judgement
from nnexp.studies.judging import repeated
from nnexp.studies.kinds import measurement
from nnexp.studies.kinds.wording import known, number, percent
from nnexp.studies.study import COMPARISONS, Claim, ClaimPicture, Study, of_kind

# The key of a claim with the exponent that is claimed, and the order of the comparison.
_ORDERS = {"equal_to": "equal", "more_than": "greater", "less_than": "less"}
_WIDTH = 5.4
_OURS, _THEIRS = "#0072B2", "#D55E00"


@dataclass(frozen=True)
class Exponent:
    """The outcome of an arm's runs goes as a power of the setting ``over``.

    For each seed, the exponent is the slope of the line fitted by least squares to the logarithms
    at the ``values`` of the setting. It is compared with ``exponent``: ``order`` is ``equal``,
    ``greater`` or ``less``, and ``matters`` the smallest difference that matters.
    """

    arms: tuple[str, ...]
    over: str
    values: tuple[float, ...]
    outcome: Outcome
    where: Mapping[str, Any]
    at: Mapping[str, float]
    order: str
    exponent: float
    matters: float
    name: str = "exponent"

    KEYS: ClassVar[tuple[str, ...]] = (
        *("outcome", "where", "at", "arm", "over", "values", "matters"),
        *_ORDERS,
    )
    NEEDED: ClassVar[tuple[str, ...]] = ("arm", "over", "values", "matters")
    VERDICTS: ClassVar[tuple[str, ...]] = verdicts.COMPARED
    RULE: ClassVar[str] = (
        "A power law is judged by its exponent: for each seed, the slope of a least-squares line "
        "through the logarithms of the outcome and of the setting. The slopes of all seeds are "
        "compared with the claimed exponent like the differences of a comparison. Where a seed's "
        "outcome is not above 0 and finite, it has no slope, and the verdict is **withheld**."
    )
    FAMILY: ClassVar[str] = COMPARISONS

    @property
    def measures(self) -> str:
        """What is measured, in words."""
        return f"exponent of the {self.outcome} by {self.over.replace('_', ' ')}"

    def settings_of(self, arm: str, tables: Tables) -> Mapping[str, Any]:
        """Return the swept settings at which it looks at an arm, except the one it varies."""
        return self.where

    @classmethod
    def read(cls, name: str, entry: Entry, arms: Mapping[str, Any], design: Design) -> Exponent:
        """Return the test of a claim; `InputError` if one of its keys is malformed."""
        outcome = measurement.read_outcome(entry)
        given = [key for key in _ORDERS if key in entry]
        if len(given) != 1:
            raise entry.error(f"give one of {', '.join(_ORDERS)}: the exponent that is claimed")
        over = entry["over"]
        if not isinstance(over, str) or not design.varies(over):
            raise entry.error(f"over={over} does not vary: sweep its values")
        values = tuple(entry.number("values", v) for v in entry.items("values", "[10, 100]"))
        if len({*values}) < max(2, len(values)) or not all(0 < v < math.inf for v in values):
            raise entry.error(
                f"values={list(values)}: give two or more different values of {over} above 0"
            )
        matters = entry.number("matters", entry["matters"])
        if not 0 <= matters < math.inf:
            raise entry.error(f"matters={entry['matters']}: give 0 or more")
        return cls(
            arms=(measurement.read_arm(entry, arms),),
            over=over,
            values=tuple(sorted(values)),
            outcome=outcome,
            where=measurement.read_where(entry, design, [over]),
            at=measurement.read_at(entry, outcome),
            order=_ORDERS[given[0]],
            exponent=entry.number(given[0], entry[given[0]]),
            matters=matters,
        )

    def printed(self, claim: Claim) -> str:
        """Return what was published, in words."""
        return claim.published or signs(f"exponent {self.exponent:g}")

    def judge(self, study: Study, claim: Claim, tables: Tables | None, looks: int) -> Judgement:
        """Return the judgement of ``claim``, by an interval at level 1 - alpha/(family · looks)."""
        assert tables is not None
        table = self.outcomes(tables)
        if table.empty:
            raise InputError("no seed has a finished run at each value: see the failed runs")
        slopes = self.slopes(table)
        n, alpha = len(slopes), study.alpha / study.family(claim) / looks
        without = int(np.isnan(slopes).sum())
        common = repeated(study, claim) | {"protocol": self._protocol(), "n": n}
        if without:
            words = (
                f"{without} of {n} seeds have no exponent, as their {self.outcome} is not above 0 "
                f"and finite at each value"
            )
            return Judgement(**common, measured=words, verdict=verdicts.WITHHELD)
        interval = intervals.median_interval(slopes - self.exponent, alpha)
        ends = (interval.low, interval.middle, interval.high)
        low, middle, high = (float(end) + self.exponent for end in ends)
        sd = float(slopes.std(ddof=1)) if n > 1 else math.nan
        return Judgement(
            **common,
            measured=f"exponent {middle:.3g} [{low:.3g}, {high:.3g}] against {self.exponent:g}",
            verdict=verdicts.compared(interval, self.matters, self.order),
            first=middle,
            second=self.exponent,
            difference=float(interval.middle),
            low=float(interval.low),
            high=float(interval.high),
            level=1 - alpha,
            matters=self.matters,
            detectable=power.detectable(sd, n, alpha) if n > 1 else None,
            seeds_needed=power.seeds_needed(sd, self.matters, alpha) if n > 1 else None,
        )

    def outcomes(self, tables: Tables) -> pd.DataFrame:
        """Return the outcome of each seed (row) at each value (column) of the setting.

        Seeds without a finished run at each value are left out.
        """
        (arm,) = self.arms
        columns = {
            value: measured(self.outcome, arm, tables, {**self.where, self.over: value}, self.at)
            for value in self.values
        }
        table: pd.DataFrame = pd.DataFrame(columns).dropna()
        return table

    def slopes(self, table: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return the exponent of each seed; nan where an outcome is not above 0 and finite."""
        values = table.to_numpy(float)
        there = (np.isfinite(values) & (values > 0)).all(axis=1)
        slopes = np.full(len(values), math.nan)
        x = np.log(np.array(self.values))
        if there.any():
            slopes[there] = np.polyfit(x, np.log(values[there]).T, 1)[0]
        return slopes

    @classmethod
    def draw(
        cls, study: Study, judgements: Mapping[str, Judgement], tables: Tables
    ) -> Iterator[ClaimPicture]:
        """Yield a figure of each power law."""
        for claim, test in of_kind(study, cls):
            yield ClaimPicture(_picture(claim, test, tables, judgements[claim.id]), (claim.id,))

    def explain(self, judgement: Judgement) -> Iterator[tuple[str, str]]:
        """Yield what the verdict is based on, as pairs of a term and a text."""
        j = judgement
        relation = {"equal": "equals", "greater": "is greater than", "less": "is less than"}
        yield "Test", f"the {self.measures} {relation[self.order]} {number(self.exponent)}"
        if j.first is not None:
            yield "Median exponent", number(j.first)
        if j.low is not None and j.high is not None and j.level is not None:
            bounds = (number(end + self.exponent) for end in (j.low, j.high))
            yield f"{percent(j.level)} interval", " to ".join(bounds)
        if j.n is not None:
            yield "Runs", f"n = {j.n} seeds, each at {len(self.values)} values"
        if j.matters is not None:
            yield "Smallest difference that matters", number(j.matters)
        if known(j.detectable):
            yield f"Detectable with n = {j.n}", number(j.detectable)
            if j.verdict in (verdicts.INCONCLUSIVE, verdicts.UNDERPOWERED):
                more = f"more than {power.MOST_SEEDS}"
                yield "Seeds needed to show what matters", str(j.seeds_needed or more)

    def _protocol(self) -> str:
        listed = ", ".join(f"{value:g}" for value in self.values)
        return "; ".join(filter(None, (described(self.where, self.at), f"{self.over} {listed}")))


def _picture(claim: Claim, test: Exponent, tables: Tables, judgement: Judgement) -> Picture:
    """Return the figure of an outcome against a setting, on logarithmic axes."""
    table, x = test.outcomes(tables), np.array(test.values)
    values = table.to_numpy(float)
    shown = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    figure = Figure(figsize=(_WIDTH, 3.4), layout="constrained")
    ax = figure.subplots()
    ax.plot(x, shown.T, "o", color=_OURS, alpha=0.45, markersize=4, markeredgewidth=0)
    middle = np.median(values, axis=0)
    fine = np.isfinite(middle) & (middle > 0)
    if fine.any():
        anchor = np.exp(np.log(middle[fine]).mean() - test.exponent * np.log(x[fine]).mean())
        claimed = anchor * x**test.exponent
        ax.plot(x[fine], middle[fine], color=_OURS, label="measured (median)")
        label = signs(f"claimed exponent, {test.exponent:g}")
        ax.plot(x, claimed, "--", color=_THEIRS, label=label)
    ax.set_xscale("log")
    ax.set_xticks(x, [f"{value:g}" for value in x])
    ax.minorticks_off()
    scales.log_axis(ax)
    ax.set_xlabel(test.over.replace("_", " "))
    ax.set_ylabel(str(test.outcome))
    ax.grid(color=NEUTRAL, alpha=0.2)
    title = textwrap.fill(claim.statement, 58)
    figure.suptitle(title, x=0.02, ha="left", fontsize=10.5, fontweight="bold")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    caption = (
        f"Each dot is a run ({n_words([len(table)])} seeds). {judgement.measured[:1].upper()}"
        f"{judgement.measured[1:]}. The dashed line has the claimed exponent."
    )
    cells = table.rename_axis("seed").reset_index().assign(exponent=test.slopes(table))
    caption = signs(caption)
    return Picture(f"exponent-{claim.id}", claim.statement, caption, caption, figure, cells)
