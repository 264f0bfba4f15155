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
from nnexp.analysis.labels import n_words, range_words, signs
from nnexp.analysis.outcomes import Outcome, described
from nnexp.analysis.tuning import Choice, Tuned, unfinished
from nnexp.config.experiment_file import Design
from nnexp.errors import InputError
from nnexp.messages.language import tr
from nnexp.plotting import scales
from nnexp.plotting.layout import fill
from nnexp.plotting.picture import Picture
from nnexp.plotting.styles import NEUTRAL
from nnexp.store.tables import Tables
from nnexp.studies.entry import Entry
from nnexp.studies.judgement import Judgement
from nnexp.studies.judging import repeated
from nnexp.studies.kinds import choices, measurement
from nnexp.studies.kinds.wording import (
    capitalised,
    detectable_term,
    interval_term,
    known,
    number,
    related,
    seeds_to_show,
)
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

    With several ``arms``, each stands for one of the ``values``, and ``over`` only names them.
    ``tuned`` has the settings that are chosen for each value by a score.
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
    tuned: Tuned | None = None
    name: str = "exponent"

    KEYS: ClassVar[tuple[str, ...]] = (
        *("outcome", "where", "at", "arm", "arms", "over", "values", "matters", "tuned"),
        *_ORDERS,
    )
    NEEDED: ClassVar[tuple[str, ...]] = ("over", "values", "matters")
    VERDICTS: ClassVar[tuple[str, ...]] = verdicts.COMPARED
    FAMILY: ClassVar[str] = COMPARISONS

    @staticmethod
    def rule() -> str:
        """Return how claims of this kind are judged, as Markdown."""
        return tr(
            "A power law is judged by its exponent: for each seed, the slope of a least-squares "
            "line through the logarithms of the outcome and of the setting. The slopes of all "
            "seeds are compared with the claimed exponent like the differences of a comparison. "
            "Where a seed's outcome is not above 0 and finite, it has no slope, and the verdict is "
            "**withheld**. The best value of a setting is one of those tried: its logarithm may be "
            "off by half the distance to its neighbours, and the interval is wider by what this "
            "means for the slope."
        )

    @property
    def measures(self) -> str:
        """What is measured, in words."""
        setting = self.over.replace("_", " ")
        return tr("exponent of the {outcome} by {setting}", outcome=self.outcome, setting=setting)

    def settings_of(self, arm: str, tables: Tables) -> Mapping[str, Any]:
        """Return the swept settings at which it looks at an arm, except the one it varies."""
        if self.tuned and len(self.arms) > 1:
            return {**self.where, **self._choose(arm, tables, self.where).best}
        return self.where

    @classmethod
    def read(cls, name: str, entry: Entry, arms: Mapping[str, Any], design: Design) -> Exponent:
        """Return the test of a claim; `InputError` if one of its keys is malformed."""
        outcome = measurement.read_outcome(entry)
        given = [key for key in _ORDERS if key in entry]
        if len(given) != 1:
            raise entry.error(f"give one of {', '.join(_ORDERS)}: the exponent that is claimed")
        over = entry["over"]
        own = _read_arms(entry, arms)
        if not isinstance(over, str) or (len(own) == 1 and not design.varies(over)):
            raise entry.error(f"over={over} does not vary: sweep its values, or give arms for them")
        values = tuple(entry.number("values", v) for v in entry.items("values", "[10, 100]"))
        if len({*values}) < max(2, len(values)) or not all(0 < v < math.inf for v in values):
            raise entry.error(
                f"values={list(values)}: give two or more different values of {over} above 0"
            )
        if len(own) > 1 and len(own) != len(values):
            raise entry.error(f"there are {len(own)} arms and {len(values)} values: give each one")
        if len(own) > 1:
            own = tuple(arm for _, arm in sorted(zip(values, own, strict=True)))
        matters = entry.number("matters", entry["matters"])
        if not 0 <= matters < math.inf:
            raise entry.error(f"matters={entry['matters']}: give 0 or more")
        tuned = measurement.read_tuned(entry, outcome, design)
        return cls(
            arms=own,
            over=over,
            values=tuple(sorted(values)),
            outcome=outcome,
            where=measurement.read_where(entry, design, [over, *(tuned.over if tuned else ())]),
            at=measurement.read_at(entry, outcome),
            order=_ORDERS[given[0]],
            exponent=entry.number(given[0], entry[given[0]]),
            matters=matters,
            tuned=tuned,
        )

    def printed(self, claim: Claim) -> str:
        """Return what was published, in words."""
        return claim.published or signs(tr("exponent {value}", value=f"{self.exponent:g}"))

    def judge(self, study: Study, claim: Claim, tables: Tables | None, looks: int) -> Judgement:
        """Return the judgement of ``claim``, by an interval at level 1 - alpha/(family · looks)."""
        assert tables is not None
        table = self.outcomes(tables)
        if table.empty:
            raise InputError("no seed has a finished run at each value: see the failed runs")
        slopes = self.slopes(table)
        n, alpha = len(slopes), study.alpha / study.family(claim) / looks
        without = int(np.isnan(slopes).sum())
        common = repeated(study, claim) | {"protocol": self._protocol(tables), "n": n}
        if without:
            words = (
                f"{without} of {n} seeds have no exponent, as their {self.outcome} is not above 0 "
                f"and finite at each value"
            )
            return Judgement(**common, measured=words, verdict=verdicts.WITHHELD)
        interval = intervals.rounded(slopes - self.exponent, self.rounding(tables, table), alpha)
        missing = unfinished(self.deciding(tables), study.tuned, study.command())
        ends = (interval.low, interval.middle, interval.high)
        low, middle, high = (float(end) + self.exponent for end in ends)
        sd = float(slopes.std(ddof=1)) if n > 1 else math.nan
        words = f"exponent {middle:.3g} [{low:.3g}, {high:.3g}] against {self.exponent:g}"
        return Judgement(
            **common,
            measured="; ".join(filter(None, (words, missing))),
            verdict=verdicts.WITHHELD
            if missing
            else verdicts.compared(interval, self.matters, self.order),
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
        columns = {}
        for value, arm, where in self._places():
            if self.tuned and self.outcome.kind != "tuned":
                where = {**where, **self._choose(arm, tables, where).best}
            columns[value] = choices.outcome_of(
                self.outcome, self.tuned, arm, tables, where, self.at
            )
        table: pd.DataFrame = pd.DataFrame(columns).dropna()
        return table

    def named_choices(self, tables: Tables) -> Iterator[tuple[str, Choice]]:
        """Yield the choice at each value, with a name for the figure of tuning."""
        for value, arm, where in self._places() if self.tuned else ():
            moving = {} if len(self.arms) > 1 else {self.over: f"{value:g}"}
            about = described({**self.where, **moving}, self.at)
            yield f"{arm} ({about})" if about else arm, self._choose(arm, tables, where)

    def deciding(self, tables: Tables) -> Iterator[tuple[str, Mapping[str, Any], Choice]]:
        """Yield the choices that have to be finished: an arm, its other settings, the choice."""
        for _, arm, where in self._places():
            for choice in choices.deciding(self.tuned, self.outcome, arm, tables, where, self.at):
                yield arm, where, choice

    def rounding(self, tables: Tables, table: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return how far the exponent of each seed of the ``table`` may be off: (n,)."""
        x = np.log(np.array(self.values))
        weights = np.abs(x - x.mean()) / ((x - x.mean()) ** 2).sum()
        total = pd.Series(0.0, index=table.index)
        for weight, (_, arm, where) in zip(weights, self._places(), strict=True):
            off = choices.roundings(self.outcome, self.tuned, arm, tables, where, self.at)
            total += weight * math.log(10) * off
        return np.asarray(total, dtype=float)

    def _places(self) -> Iterator[tuple[float, str, dict[str, Any]]]:
        """Yield each value with its arm and the settings that are not tuned."""
        for place, value in enumerate(self.values):
            if len(self.arms) > 1:
                yield value, self.arms[place], dict(self.where)
            else:
                own = int(value) if value.is_integer() else value
                yield value, self.arms[0], {**self.where, self.over: own}

    def _choose(self, arm: str, tables: Tables, where: Mapping[str, Any]) -> Choice:
        assert self.tuned is not None
        return choices.choose(self.tuned, arm, tables, where, self.at)

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
        what = tr("the {measures}", measures=self.measures)
        yield tr("Test"), related(what, self.order, number(self.exponent))
        if j.first is not None:
            yield tr("Median exponent"), number(j.first)
        if j.low is not None and j.high is not None and j.level is not None:
            bounds = range_words(*(number(end + self.exponent) for end in (j.low, j.high)))
            yield interval_term(j.level), bounds
        if j.n is not None:
            yield (
                tr("Runs"),
                tr("n = {n} seeds, each at {values} values", n=j.n, values=len(self.values)),
            )
        if j.matters is not None:
            yield tr("Smallest difference that matters"), number(j.matters)
        if known(j.detectable):
            yield detectable_term(j.n), number(j.detectable)
            if j.verdict in (verdicts.INCONCLUSIVE, verdicts.UNDERPOWERED):
                yield tr("Seeds needed to show what matters"), seeds_to_show(j.seeds_needed)

    def _protocol(self, tables: Tables) -> str:
        listed = ", ".join(f"{value:g}" for value in self.values)
        words = [described(self.where, self.at), f"{self.over} {listed}"]
        if self.tuned:
            each = (
                f"{value:g} at {self._choose(arm, tables, where)}"
                for value, arm, where in self._places()
            )
            words.append(f"each at its best {self.tuned.by}: {', '.join(each)}")
        return "; ".join(filter(None, words))


def _read_arms(entry: Entry, arms: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ``arm`` of a claim, or its ``arms``, one for each value."""
    if ("arm" in entry) == ("arms" in entry):
        raise entry.error("give arm: A, or arms: [A, B, …], one for each value")
    if "arm" in entry:
        return (measurement.read_arm(entry, arms),)
    named = entry.items("arms", "[A, B]")
    if len(named) < 2:
        raise entry.error(f"arms={named}: give two or more, one for each value, or arm: A")
    return tuple(entry.one_of("arm", name, arms) for name in named)


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
        ax.plot(x[fine], middle[fine], color=_OURS, label=tr("measured (median)"))
        label = signs(tr("claimed exponent, {value}", value=f"{test.exponent:g}"))
        ax.plot(x, claimed, "--", color=_THEIRS, label=label)
    ax.set_xscale("log")
    ax.set_xticks(x, [f"{value:g}" for value in x])
    ax.minorticks_off()
    scales.log_axis(ax)
    ax.set_xlabel(test.over.replace("_", " "))
    ax.set_ylabel(textwrap.fill(str(test.outcome), 26))
    ax.grid(color=NEUTRAL, alpha=0.2)
    title = fill(claim.statement, 58)
    figure.suptitle(title, x=0.02, ha="left", fontsize=10.5, fontweight="bold")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    caption = tr(
        "Each dot is a run ({n} seeds). {measured}. The dashed line has the claimed exponent.",
        n=n_words([len(table)]),
        measured=capitalised(judgement.measured),
    )
    cells = table.rename_axis("seed").reset_index().assign(exponent=test.slopes(table))
    caption = signs(caption)
    return Picture(f"exponent-{claim.id}", claim.statement, caption, caption, figure, cells)
