"""Laws: an outcome at several settings, against a formula of these settings."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from nnexp.analysis import intervals, rates, verdicts
from nnexp.analysis.labels import n_words, range_words, signs
from nnexp.analysis.outcomes import Outcome, described, matching, measured
from nnexp.config.experiment_file import Design
from nnexp.errors import InputError
from nnexp.messages.language import tr
from nnexp.plotting.layout import fill
from nnexp.plotting.picture import Picture
from nnexp.plotting.styles import NEUTRAL
from nnexp.store.tables import Tables
from nnexp.studies import laws
from nnexp.studies.entry import Entry
from nnexp.studies.judgement import Judgement
from nnexp.studies.judging import repeated
from nnexp.studies.kinds import measurement
from nnexp.studies.kinds.wording import against, held_words, known, number, percent
from nnexp.studies.study import COMPARISONS, Claim, ClaimPicture, Study, of_kind

# The key of a claim that names the law, and how outcomes relate to it.
_RELATIONS = {"equal_to": "equal", "at_most": "at most", "at_least": "at least"}
_SIDES = ("above", "below")
_WIDTH = 5.4
_OURS, _THEIRS = "#0072B2", "#D55E00"
_MARKERS = "osD^vP"
# The ends of an axis of shares, with air for marks at 0 and 1.
_SHARES = (-0.04, 1.04)


@dataclass(frozen=True)
class Law:
    """The outcome is, at most or at least, what a ``law`` of the settings predicts.

    A cell is an arm at a combination of the settings ``over``. What is measured in a cell is the
    median outcome over seeds or, if there is a ``side`` (``above`` or ``below`` a ``level``), the
    share of the runs on it. ``relation`` is one of `nnexp.analysis.verdicts.RELATIONS`, and
    ``matters`` the smallest deviation that matters, of logarithms if ``scale`` is ``log10``.
    """

    arms: tuple[str, ...]
    over: tuple[str, ...]
    outcome: Outcome
    where: Mapping[str, Any]
    at: Mapping[str, float]
    side: str
    level: float
    law: str
    relation: str
    matters: float
    scale: str
    name: str = "law"

    KEYS: ClassVar[tuple[str, ...]] = (
        *("outcome", "where", "at", "arm", "arms", "over", "matters", "scale"),
        *_SIDES,
        *_RELATIONS,
    )
    NEEDED: ClassVar[tuple[str, ...]] = ("outcome", "matters")
    VERDICTS: ClassVar[tuple[str, ...]] = verdicts.LAWFUL
    FAMILY: ClassVar[str] = COMPARISONS

    @staticmethod
    def rule() -> str:
        """Return how claims of this kind are judged, as Markdown."""
        return tr(
            "A law is judged in every cell, an arm at one combination of the settings, by the "
            "interval for the deviation of the measured from the predicted value. The cells share "
            "the level of one comparison of the study, 1 − α/(m · cells). Shares of runs have "
            "exact intervals (Clopper & Pearson 1934), other outcomes the interval for the median. "
            "**Reproduced** if all intervals lie within the smallest deviation that matters, S, on "
            "either side (for *at most* and *at least*: on the side that is not claimed), "
            "**contradicted** if one lies outside, **inconclusive** otherwise, **underpowered** if "
            "n seeds are too few."
        )

    @property
    def measures(self) -> str:
        """What is measured in a cell, in words."""
        texts = {"outcome": self.outcome, "level": f"{self.level:g}"}
        if self.side == "above":
            return tr("share of runs with a {outcome} above {level}", **texts)
        if self.side:
            return tr("share of runs with a {outcome} below {level}", **texts)
        if self.scale == "log10":
            return tr("log10 of the median {outcome}", outcome=self.outcome)
        return tr("median {outcome}", outcome=self.outcome)

    def settings_of(self, arm: str, tables: Tables) -> Mapping[str, Any]:
        """Return the swept settings at which it looks at an arm, except those it varies."""
        return self.where

    @classmethod
    def read(cls, name: str, entry: Entry, arms: Mapping[str, Any], design: Design) -> Law:
        """Return the test of a claim; `InputError` if one of its keys is malformed."""
        outcome = measurement.read_outcome(entry)
        given = [key for key in _RELATIONS if key in entry]
        if len(given) != 1:
            raise entry.error(f"give one of {', '.join(_RELATIONS)}: the name of a law")
        sides = [key for key in _SIDES if key in entry]
        if len(sides) > 1:
            raise entry.error("give above or below, or neither for the median outcome")
        side = sides[0] if sides else ""
        scale = entry.one_of("scale", entry.get("scale", "plain"), ("plain", "log10"))
        if side and scale != "plain":
            raise entry.error("scale=log10 is not for shares of runs: leave it out")
        over = tuple(map(str, entry.items("over", "[hidden]")))
        for key in over:
            if not design.varies(key):
                raise entry.error(f"over={key} does not vary: sweep its values")
        matters = entry.number("matters", entry["matters"])
        if not 0 <= matters < math.inf:
            raise entry.error(f"matters={entry['matters']}: give 0 or more")
        return cls(
            arms=_read_arms(entry, arms),
            over=over,
            outcome=outcome,
            where=measurement.read_where(entry, design, over),
            at=measurement.read_at(entry, outcome),
            side=side,
            level=entry.number(side, entry[side]) if side else 0.0,
            law=entry.one_of("law", entry[given[0]], laws.LAWS),
            relation=_RELATIONS[given[0]],
            matters=matters,
            scale=scale,
        )

    def printed(self, claim: Claim) -> str:
        """Return what was published, in words."""
        return claim.published or tr("the law {law}", law=self.law)

    def judge(self, study: Study, claim: Claim, tables: Tables | None, looks: int) -> Judgement:
        """Return the judgement, all cells together at level 1 - alpha/(family · looks)."""
        assert tables is not None
        alpha = study.alpha / study.family(claim) / looks
        cells = self.cells(tables, alpha)
        verdict = verdicts.lawful(cells["low"], cells["high"], self.matters, self.relation)
        if (cells["n"] < cells["fewest"]).any():
            verdict = verdicts.UNDERPOWERED
        worst = cells.iloc[int(self._excess(cells["difference"]).argmax())]
        about = ", ".join(f"{key} {worst[key]}" for key in ("arm", *self.over))
        words = (
            f"{len(cells)} cells; farthest off at {about}: {worst['measured']:.3g} against "
            f"{worst['predicted']:.3g}, {worst['difference']:+.3g} [{worst['low']:+.3g}, "
            f"{worst['high']:+.3g}]"
        )
        return Judgement(
            **repeated(study, claim),
            protocol=described(self.where, self.at),
            measured=words,
            verdict=verdict,
            n=int(cells["n"].min()),
            first=float(worst["measured"]),
            second=float(worst["predicted"]),
            difference=float(worst["difference"]),
            low=float(worst["low"]),
            high=float(worst["high"]),
            level=1 - alpha,
            matters=self.matters,
            holds_in=self._holds_in(cells),
        )

    def cells(self, tables: Tables, alpha: float) -> pd.DataFrame:
        """Return a row for each cell: ``arm``, the settings ``over``, and how far the law is off.

        Columns: ``n fewest measured predicted difference low high``. The intervals ``low`` to
        ``high`` of the differences hold in all cells with a probability of 1 - ``alpha``.

        Raises
        ------
        InputError
            If ``tables`` lack the runs, settings or columns.
        """
        places = [
            (arm, {key: row[key] for key in self.over}, row)
            for arm in self.arms
            for row in self._distinct(arm, tables)
        ]
        rows = []
        for arm, own, row in places:
            values = measured(self.outcome, arm, tables, {**self.where, **own}, self.at)
            if not len(values):
                raise measurement.no_run(arm)
            law = laws.predicted(self.law, row)
            found = self._cell(values.to_numpy(float), law, alpha / len(places))
            rows.append({"arm": arm, **own, **found})
        table: pd.DataFrame = pd.DataFrame(rows)
        return table

    def _distinct(self, arm: str, tables: Tables) -> list[dict[str, Any]]:
        """Return the settings of a run of each combination of ``over`` that an arm has."""
        runs = matching(tables.runs, arm, self.where)
        for key in self.over:
            if key not in runs:
                raise InputError(f"the runs have no setting {key}: leave it out of over")
        distinct = runs.drop_duplicates(list(self.over)) if self.over else runs.head(1)
        found: list[dict[str, Any]] = distinct.to_dict("records")
        return found

    def _cell(self, values: npt.NDArray[np.float64], law: float, alpha: float) -> dict[str, Any]:
        """Return what is measured of the ``values`` of a cell, and its deviation from ``law``."""
        n = len(values)
        if self.side:
            count = int(
                (values > self.level if self.side == "above" else values < self.level).sum()
            )
            low, high = rates.rate_interval(count, n, alpha)
            middle, fewest = count / n, 1
        else:
            if self.scale == "log10":
                if (values < 0).any() or law <= 0:
                    raise InputError(f"{self.outcome} is below 0, where log10 is not defined")
                with np.errstate(divide="ignore"):
                    values, law = np.log10(values), math.log10(law)
            found = intervals.median_interval(values, alpha)
            middle, low, high = (float(v) for v in (found.middle, found.low, found.high))
            fewest = found.fewest
        deviations = {"difference": middle - law, "low": low - law, "high": high - law}
        return {"n": n, "fewest": fewest, "measured": middle, "predicted": law, **deviations}

    def _excess(self, deviations: pd.Series[float]) -> pd.Series[float]:
        """Return how far ``deviations`` go in the direction that the claim rules out."""
        if self.relation == "equal":
            return deviations.abs()
        return deviations if self.relation == "at most" else -deviations

    def _holds_in(self, cells: pd.DataFrame) -> str:
        """Return in how many cells the law holds, in words."""
        found = [
            verdicts.lawful(low, high, self.matters, self.relation)
            for low, high in zip(cells["low"], cells["high"], strict=True)
        ]
        held, lost = (found.count(v) for v in (verdicts.REPRODUCED, verdicts.CONTRADICTED))
        return f"{held} of {len(found)} cells, not in {lost}"

    @classmethod
    def draw(
        cls, study: Study, judgements: Mapping[str, Judgement], tables: Tables
    ) -> Iterator[ClaimPicture]:
        """Yield a figure of each law: what is measured against what is predicted."""
        for claim, test in of_kind(study, cls):
            level = judgements[claim.id].level or 1 - study.alpha
            cells = test.cells(tables, 1 - level)
            yield ClaimPicture(_picture(claim, test, cells, level), (claim.id,))

    def explain(self, judgement: Judgement) -> Iterator[tuple[str, str]]:
        """Yield what the verdict is based on, as pairs of a term and a text."""
        j = judgement
        texts = {"measures": self.measures, "law": self.law}
        yield (
            tr("Test"),
            {
                "equal": tr("the {measures} equals the law {law} in every cell", **texts),
                "at most": tr("the {measures} is at most the law {law} in every cell", **texts),
                "at least": tr("the {measures} is at least the law {law} in every cell", **texts),
            }[self.relation],
        )
        if j.first is not None:
            yield tr("Farthest off"), against(j.first, j.second)
        if j.low is not None and j.high is not None and j.level is not None:
            bounds = range_words(number(j.low, "+"), number(j.high, "+"))
            level = percent(j.level)
            yield tr("{level} interval there, all cells together", level=level), bounds
        if j.n is not None:
            yield tr("Runs"), tr("n = {n} seeds or more in a cell", n=j.n)
        if known(j.matters):
            yield tr("Smallest deviation that matters"), number(j.matters)
        if j.holds_in:
            yield tr("Holds in"), held_words(j.holds_in)


def _read_arms(entry: Entry, arms: Collection[str]) -> tuple[str, ...]:
    """Return the ``arm`` of a claim, or its ``arms``, of which there may be any number."""
    if ("arm" in entry) == ("arms" in entry):
        raise entry.error("give arm: A, or arms: [A, B, …]")
    named = [entry["arm"]] if "arm" in entry else entry.items("arms", "[A, B]")
    if not named:
        raise entry.error("arms is empty: give arms: [A, B, …]")
    return tuple(entry.one_of("arm", name, arms) for name in named)


def _picture(claim: Claim, test: Law, cells: pd.DataFrame, level: float) -> Picture:
    """Return the figure of what is measured in each cell against what the law predicts."""
    figure = Figure(figsize=(_WIDTH, 4.2), layout="constrained")
    ax = figure.subplots()
    law = cells["predicted"]
    ax.axline(
        (law.min(),) * 2, slope=1, color=_THEIRS, ls="--", label=tr("the law {law}", law=test.law)
    )
    for place, arm in enumerate(test.arms):
        own = cells[cells["arm"] == arm]
        errors = np.array([own["difference"] - own["low"], own["high"] - own["difference"]])
        ax.errorbar(
            own["predicted"],
            own["measured"],
            yerr=np.where(np.isfinite(errors), errors, 0.0),
            fmt=_MARKERS[place % len(_MARKERS)],
            color=_OURS,
            markersize=5,
            markerfacecolor=_OURS if place == 0 else "white",
            capsize=2,
            label=arm.replace("_", " "),
        )
    ax.set_xlabel(tr("predicted by {law}", law=test.law.replace("_", " ")))
    ax.set_ylabel(tr("measured share of runs") if test.side else fill(test.measures, 38))
    if test.side:
        ax.set(xlim=_SHARES, ylim=_SHARES)
    ax.grid(color=NEUTRAL, alpha=0.2)
    title = fill(claim.statement, 58)
    figure.suptitle(title, x=0.02, ha="left", fontsize=10.5, fontweight="bold")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    caption = signs(
        tr(
            "The {measures}. Each mark is a cell: {settings} ({n} seeds). The intervals hold in "
            "all cells together with a probability of {level}. On the dashed line, the law holds "
            "exactly.",
            measures=test.measures,
            settings=", ".join((tr("arm"), *test.over)),
            n=n_words(cells["n"]),
            level=percent(level),
        )
    )
    return Picture(f"law-{claim.id}", claim.statement, caption, caption, figure, cells)
