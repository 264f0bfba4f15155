"""Shares of runs, as of those that fail: of one arm against a share, or of two paired arms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from nnexp.analysis import rates, verdicts
from nnexp.analysis.labels import range_words
from nnexp.analysis.outcomes import Outcome, described, measured
from nnexp.config.experiment_file import Design
from nnexp.errors import InputError
from nnexp.messages.language import tr
from nnexp.store.tables import Tables
from nnexp.studies.entry import Entry
from nnexp.studies.judgement import Judgement
from nnexp.studies.judging import repeated
from nnexp.studies.kinds import measurement
from nnexp.studies.kinds.wording import detectable_term, interval_term, known, number
from nnexp.studies.study import COMPARISONS, Claim, ClaimPicture, Study

_SIDES = ("above", "below")
_ORDERS = ("more_than", "less_than")
# If two arms have such runs equally often, either of a pair is equally likely to be the only one.
_EVEN = 0.5


@dataclass(frozen=True)
class Share:
    """The share of the runs of an arm whose outcome lies on one ``side`` of a ``level``.

    ``side`` is ``above`` or ``below``. With one arm, the share is ``more_than`` or ``less_than``
    (``order``) a ``share``. With two, the first arm has more such runs than the second, in pairs
    by seed; ``order`` and ``share`` are then those of the pairs in which only one arm has one:
    ``more_than`` 1/2. ``at`` is the evaluation (``{"epoch": 5}``; empty: the last).
    """

    arms: tuple[str, ...]
    outcome: Outcome
    where: Mapping[str, Any]
    at: Mapping[str, float]
    side: str
    level: float
    order: str
    share: float
    name: str = "share"

    KEYS: ClassVar[tuple[str, ...]] = (
        *("outcome", "where", "at", "arms", "arm"),
        *_SIDES,
        *_ORDERS,
    )
    NEEDED: ClassVar[tuple[str, ...]] = ()
    VERDICTS: ClassVar[tuple[str, ...]] = (
        verdicts.REPRODUCED,
        verdicts.CONTRADICTED,
        verdicts.INCONCLUSIVE,
        verdicts.UNDERPOWERED,
    )
    FAMILY: ClassVar[str] = COMPARISONS

    @staticmethod
    def rule() -> str:
        """Return how claims of this kind are judged, as Markdown."""
        return tr(
            "A claim about how often something happens is judged by the share of runs. It counts "
            "as a comparison of its study, and its interval is the exact one (Clopper & Pearson "
            "1934) at the same level: **reproduced** if the whole interval lies on the claimed "
            "side of the claimed share, **contradicted** if it lies on the other, **inconclusive** "
            "otherwise, and **underpowered** if no number of such runs would show it. Two arms are "
            "compared by the pairs in which only one of them has such a run (exact test of McNemar "
            "1947)."
        )

    @property
    def measures(self) -> str:
        """What is counted, in words."""
        texts = {"outcome": self.outcome, "level": f"{self.level:g}"}
        if self.side == "above":
            return tr("runs with a {outcome} above {level}", **texts)
        return tr("runs with a {outcome} below {level}", **texts)

    def settings_of(self, arm: str, tables: Tables) -> Mapping[str, Any]:
        """Return the swept settings at which it looks at an arm."""
        return self.where

    @classmethod
    def read(cls, name: str, entry: Entry, arms: Mapping[str, Any], design: Design) -> Share:
        """Return the test of a claim; `InputError` if one of its keys is malformed."""
        outcome = measurement.read_outcome(entry)
        side = _one_of(entry, _SIDES, "give above or below, the outcome of the runs to count")
        if ("arm" in entry) == ("arms" in entry):
            raise entry.error("give arms: [A, B], or arm: A with more_than or less_than")
        order, share = "more_than", _EVEN
        if "arm" in entry:
            order = _one_of(entry, _ORDERS, "give more_than or less_than, a share of the runs")
            share = entry.number(order, entry[order])
            if not 0 <= share <= 1:
                raise entry.error(f"{order}={share}: give a share from 0 to 1")
        elif any(key in entry for key in _ORDERS):
            raise entry.error("more_than and less_than go with one arm: leave them out")
        return cls(
            arms=measurement.read_arms(entry, arms),
            outcome=outcome,
            where=measurement.read_where(entry, design),
            at=measurement.read_at(entry, outcome),
            side=side,
            level=entry.number(side, entry[side]),
            order=order,
            share=share,
        )

    def printed(self, claim: Claim) -> str:
        """Return what was published, in words."""
        return claim.published

    def judge(self, study: Study, claim: Claim, tables: Tables | None, looks: int) -> Judgement:
        """Return the judgement of ``claim``, by an interval at level 1 - alpha/(family · looks)."""
        assert tables is not None
        runs = self.counted(tables)
        if not len(runs):
            raise InputError("no seed has a finished run of each arm: see the sweep's failed runs")
        alpha = study.alpha / study.family(claim) / looks
        paired = len(self.arms) > 1
        first = runs[self.arms[0]]
        second = runs[self.arms[1]] if paired else pd.Series(False, index=runs.index)
        count = int((first & ~second).sum())
        trials = int((first != second).sum()) if paired else len(runs)
        low, high = rates.rate_interval(count, trials, alpha) if trials else (0.0, 1.0)
        verdict = self._verdict(low, high, len(runs), alpha)
        detectable = self._detectable(trials, alpha)
        words = f"{first.sum()} of {len(runs)}"
        if paired:
            # The trials are the pairs that differ: in the others, the difference is 0.
            low, high = ((2 * end - 1) * trials / len(runs) for end in (low, high))
            words += f" against {second.sum()} of {len(runs)}"
        difference = float(first.mean() - (second.mean() if paired else self.share))
        interval = f"[{low:{'+' if paired else ''}.3g}, {high:{'+' if paired else ''}.3g}]"
        chance = f" (p = {rates.mcnemar(first, second):.2g} for equal shares)" if paired else ""
        shown = f"{difference:+.3g}" if paired else f"{first.mean():.3g}"
        return Judgement(
            **repeated(study, claim),
            protocol=described(self.where, self.at),
            measured=f"{words} {self.measures}: {shown} {interval}{chance}",
            verdict=verdict,
            n=len(runs),
            first=float(first.mean()),
            second=float(second.mean()) if paired else self.share,
            difference=difference,
            low=low,
            high=high,
            level=1 - alpha,
            matters=0.0 if paired else None,
            detectable=detectable,
        )

    def counted(self, tables: Tables) -> pd.DataFrame:
        """Return by seed, for each arm, whether its run counts; seeds that an arm lacks are out."""
        sign = 1 if self.side == "above" else -1
        values = {
            arm: measured(self.outcome, arm, tables, self.where, self.at) for arm in self.arms
        }
        found: pd.DataFrame = sign * pd.DataFrame(values).dropna() > sign * self.level
        return found

    @classmethod
    def draw(
        cls, study: Study, judgements: Mapping[str, Judgement], tables: Tables
    ) -> Iterator[ClaimPicture]:
        """Yield nothing: the study's figure ``final`` shows every run."""
        yield from ()

    def explain(self, judgement: Judgement) -> Iterator[tuple[str, str]]:
        """Yield what the verdict is based on, as pairs of a term and a text."""
        j, paired = judgement, len(self.arms) > 1
        if j.n is None or j.first is None:
            return
        yield tr("Test"), self._claimed()
        yield tr("Share of the runs"), number(j.first)
        if paired and j.difference is not None:
            yield tr("Share for {arm}", arm=self.arms[1]), number(j.second)
            yield tr("Difference"), number(j.difference, "+")
        if j.low is not None and j.high is not None and j.level is not None:
            yield interval_term(j.level), range_words(number(j.low), number(j.high))
        runs = tr("n = {n} pairs, by seed", n=j.n) if paired else tr("n = {n} seeds", n=j.n)
        yield tr("Runs"), runs
        if known(j.detectable):
            share = number(j.detectable)
            words = tr("a share of {share} of the runs", share=share)
            if paired:
                words = tr("a share of {share} of the pairs that differ", share=share)
            yield detectable_term(j.n), words

    def _claimed(self) -> str:
        """Return what is claimed of the share, in words."""
        texts = {"measures": self.measures, "arm": self.arms[0]}
        if len(self.arms) > 1:
            other = self.arms[1]
            return tr("{measures}: {arm} more often than {other}", **texts, other=other)
        texts["share"] = number(self.share)
        if self.order == "more_than":
            return tr("{measures}: {arm} more than {share} of its runs", **texts)
        return tr("{measures}: {arm} less than {share} of its runs", **texts)

    def _verdict(self, low: float, high: float, n: int, alpha: float) -> str:
        """Return the verdict by the interval from ``low`` to ``high``; ``n`` runs were possible."""
        if self._detectable(n, alpha) is None:
            return verdicts.UNDERPOWERED
        if self.order == "less_than":
            low, high = -high, -low
        share = -self.share if self.order == "less_than" else self.share
        if low > share:
            return verdicts.REPRODUCED
        return verdicts.CONTRADICTED if high < share else verdicts.INCONCLUSIVE

    def _detectable(self, n: int, alpha: float) -> float | None:
        """Return the share that ``n`` runs show to be on the claimed side; ``None`` for none."""
        if not n:
            return None
        if self.order == "more_than":
            return rates.detectable_rate(self.share, n, alpha)
        found = rates.detectable_rate(1 - self.share, n, alpha)
        return None if found is None else 1 - found


def _one_of(entry: Entry, keys: tuple[str, ...], remedy: str) -> str:
    """Return the one of ``keys`` that ``entry`` has."""
    given = [key for key in keys if key in entry]
    if len(given) != 1:
        raise entry.error(remedy)
    return given[0]
