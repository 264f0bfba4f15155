"""A published figure, tested against the prediction interval of a new run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nnexp.analysis import intervals, verdicts
from nnexp.analysis.labels import range_words
from nnexp.analysis.outcomes import Outcome, described, measured
from nnexp.config.experiment_file import Design
from nnexp.messages.language import tr
from nnexp.store.tables import Tables
from nnexp.studies.entry import Entry
from nnexp.studies.judgement import Judgement
from nnexp.studies.judging import repeated
from nnexp.studies.kinds import measurement
from nnexp.studies.kinds.wording import digits, number, percent
from nnexp.studies.study import FIGURES, Claim, ClaimPicture, Study

_OUTSIDE = (verdicts.BORDERLINE, verdicts.EXCEEDED, verdicts.SHORT_OF)


@dataclass(frozen=True)
class Published:
    """Figures ``values``, printed with a ``rounding``, each of another run of the same arm.

    ``at`` is the evaluation (``{"epoch": 5}``; empty: the last). A prediction interval with a
    half-width above ``cap`` is too noisy; ``better`` says whether a higher or a lower outcome is.
    """

    arms: tuple[str, ...]
    outcome: Outcome
    where: Mapping[str, Any]
    at: Mapping[str, float]
    values: tuple[float, ...]
    rounding: float
    cap: float
    better: str
    name: str = "published"

    KEYS: ClassVar[tuple[str, ...]] = (
        "outcome",
        "where",
        "at",
        "arm",
        "value",
        "rounding",
        "cap",
        "better",
    )
    NEEDED: ClassVar[tuple[str, ...]] = ("arm", "value", "rounding")
    VERDICTS: ClassVar[tuple[str, ...]] = verdicts.PUBLISHED
    FAMILY: ClassVar[str] = FIGURES

    @staticmethod
    def rule() -> str:
        """Return how claims of this kind are judged, as Markdown."""
        return tr(
            "A published figure is tested against the 95 % prediction interval of a new run: "
            "**consistent** if it lies within the interval, **too noisy to tell** if the interval "
            "is too wide. A figure outside it is judged by the wider interval of level 1 − 0.05/m, "
            "where m is the number of published figures and curves of the study: **exceeded** if "
            "the runs are better, **short of** if they are worse, and **borderline** if it lies "
            "within that wider interval, as a figure of one study in twenty does by chance. "
            "Several figures of the same quantity are tested together. The interval is for "
            "normally distributed runs and does not cover rare divergence that the runs did not "
            "show."
        )

    @property
    def measures(self) -> str:
        """What is measured of a run, in words."""
        return str(self.outcome)

    def settings_of(self, arm: str, tables: Tables) -> Mapping[str, Any]:
        """Return the swept settings at which it looks at an arm."""
        return self.where

    @classmethod
    def read(cls, name: str, entry: Entry, arms: Mapping[str, Any], design: Design) -> Published:
        """Return the test of a claim; `InputError` if one of its keys is malformed."""
        outcome = measurement.read_outcome(entry)
        return cls(
            arms=(measurement.read_arm(entry, arms),),
            outcome=outcome,
            where=measurement.read_where(entry, design),
            at=measurement.read_at(entry, outcome),
            values=_read_values(entry),
            rounding=entry.number("rounding", entry["rounding"]),
            cap=measurement.read_cap(entry, outcome),
            better=measurement.read_better(entry, outcome),
        )

    def printed(self, claim: Claim) -> str:
        """Return what was published, in words."""
        return claim.published or ", ".join(f"{value:g}" for value in self.values)

    def judge(self, study: Study, claim: Claim, tables: Tables | None, looks: int) -> Judgement:
        """Return the judgement of ``claim``."""
        assert tables is not None
        (arm,) = self.arms
        values = measured(self.outcome, arm, tables, self.where, self.at).to_numpy(float)
        if not len(values):
            raise measurement.no_run(arm)
        (mean, low, high), wide = (
            self._interval(values, verdicts.ALPHA / share) for share in (1, study.family(claim))
        )
        verdict = verdicts.published(self.values, (low, high), wide[1:], self.cap, self.better)
        farthest = max(self.values, key=lambda value: abs(value - mean))
        shown = digits(self.outcome, mean)
        measured_in_words = f"{shown}, {_bounds(self, 1 - verdicts.ALPHA, low, high)}"
        if verdict in _OUTSIDE and study.family(claim) > 1:
            level = 1 - verdicts.ALPHA / study.family(claim)
            measured_in_words += f"; {_bounds(self, level, *wide[1:])}"
        return Judgement(
            **repeated(study, claim),
            protocol=described(self.where, self.at),
            measured=measured_in_words,
            verdict=verdict,
            n=len(values),
            first=mean,
            second=farthest,
            difference=mean - farthest,
            low=low,
            high=high,
            level=1 - verdicts.ALPHA,
        )

    def _interval(self, runs: npt.NDArray[np.float64], alpha: float) -> tuple[float, float, float]:
        """Return the mean of the ``runs`` and the joint prediction interval for all figures."""
        found = intervals.prediction_interval(runs, alpha / len(self.values), self.rounding)
        return float(found.middle), float(found.low), float(found.high)

    @classmethod
    def draw(
        cls, study: Study, judgements: Mapping[str, Judgement], tables: Tables
    ) -> Iterator[ClaimPicture]:
        """Yield nothing: a published figure has no figure of its own."""
        yield from ()

    def explain(self, judgement: Judgement) -> Iterator[tuple[str, str]]:
        """Yield what the verdict is based on, as pairs of a term and a text."""
        if judgement.n is None:
            return
        (arm,) = self.arms
        test = tr("the figure lies within the prediction interval of a new run of {arm}", arm=arm)
        if len(self.values) > 1:
            test = tr(
                "all figures lie within the prediction interval of new runs of {arm}", arm=arm
            )
        yield tr("Test"), test
        if judgement.low is not None and judgement.high is not None and judgement.level:
            ends = range_words(number(judgement.low), number(judgement.high))
            yield (
                tr("{level} prediction interval", level=percent(judgement.level)),
                tr("{ends}, rounding included", ends=ends),
            )
        yield tr("Too noisy above"), f"±{number(self.cap)}"
        yield tr("Runs"), tr("n = {n} seeds", n=judgement.n)


def _read_values(entry: Entry) -> tuple[float, ...]:
    """Return the figures of ``value``: one, or a list."""
    given = entry["value"]
    if given == []:
        raise entry.error("value=[] is empty: give the published figure, or several")
    return tuple(entry.number("value", v) for v in (given if isinstance(given, list) else [given]))


def _bounds(test: Published, level: float, low: float, high: float) -> str:
    """Return a prediction interval in words."""
    start, end = (digits(test.outcome, bound) for bound in (low, high))
    joint = "joint " if len(test.values) > 1 else ""
    return f"{joint}{percent(level)} prediction interval {start} to {end}"
