"""A published figure, tested against the prediction interval of a new run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nnexp.analysis import intervals, verdicts
from nnexp.analysis.outcomes import Outcome, described, measured
from nnexp.config.experiment_file import Design
from nnexp.store.tables import Tables
from nnexp.studies.entry import Entry
from nnexp.studies.judgement import Judgement
from nnexp.studies.judging import repeated
from nnexp.studies.kinds import measurement
from nnexp.studies.kinds.wording import digits, number, percent
from nnexp.studies.study import Claim, ClaimPicture, Study


@dataclass(frozen=True)
class Published:
    """One figure ``value``, printed with a ``rounding``, of the runs of one arm.

    ``at`` is the evaluation (``{"epoch": 5}``; empty: the last). A prediction interval with a
    half-width above ``cap`` is too noisy; ``better`` says whether a higher or a lower outcome is.
    """

    arms: tuple[str, ...]
    outcome: Outcome
    where: Mapping[str, Any]
    at: Mapping[str, float]
    value: float
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
    RULE: ClassVar[str] = (
        "A published figure is tested against the 95 % prediction interval of a new run: "
        "**consistent** if it lies within the interval, **exceeded** if the runs are better, "
        "**short of** if they are worse, **too noisy to tell** if the interval is too wide. The "
        "interval is for normally distributed runs and does not cover rare divergence that the "
        "runs did not show."
    )
    IN_FAMILY: ClassVar[bool] = False

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
            value=entry.number("value", entry["value"]),
            rounding=entry.number("rounding", entry["rounding"]),
            cap=measurement.read_cap(entry, outcome),
            better=measurement.read_better(entry, outcome),
        )

    def printed(self, claim: Claim) -> str:
        """Return what was published, in words."""
        return claim.published or f"{self.value:g}"

    def judge(self, study: Study, claim: Claim, tables: Tables | None, looks: int) -> Judgement:
        """Return the judgement of ``claim``."""
        assert tables is not None
        (arm,) = self.arms
        values = measured(self.outcome, arm, tables, self.where, self.at).to_numpy(float)
        if not len(values):
            raise measurement.no_run(arm)
        interval = intervals.prediction_interval(values, rounding=self.rounding)
        low, high, mean = float(interval.low), float(interval.high), float(interval.middle)
        shown, start, end = (digits(self.outcome, v) for v in (mean, low, high))
        return Judgement(
            **repeated(study, claim),
            protocol=described(self.where, self.at),
            measured=f"{shown}, 95 % prediction interval {start} to {end}",
            verdict=verdicts.published(
                self.value, low, high, (high - low) / 2, self.cap, self.better
            ),
            n=len(values),
            first=mean,
            second=self.value,
            difference=mean - self.value,
            low=low,
            high=high,
            level=0.95,
        )

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
        yield "Test", f"the figure lies within the prediction interval of a new run of {arm}"
        if judgement.low is not None and judgement.high is not None and judgement.level:
            yield (
                f"{percent(judgement.level)} prediction interval",
                f"{number(judgement.low)} to {number(judgement.high)}, rounding included",
            )
        yield "Too noisy above", f"±{number(self.cap)}"
        yield "Runs", f"n = {judgement.n} seeds"
