"""A published curve, tested against the joint prediction band of a new run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nnexp.analysis import intervals, verdicts
from nnexp.analysis.outcomes import Outcome, described, measured
from nnexp.config.experiment_file import Design
from nnexp.messages.language import tr
from nnexp.plotting import scales
from nnexp.plotting.layout import fill
from nnexp.plotting.marks import mark
from nnexp.plotting.picture import Picture
from nnexp.plotting.styles import NEUTRAL
from nnexp.store.tables import Tables
from nnexp.studies.entry import Entry
from nnexp.studies.judgement import Judgement
from nnexp.studies.judging import repeated
from nnexp.studies.kinds import measurement
from nnexp.studies.kinds.wording import digits, number, percent
from nnexp.studies.study import FIGURES, Claim, ClaimPicture, Study, of_kind
from nnexp.studies.words import verdict_words

_WIDTH = 5.4
_OURS, _THEIRS = "#0072B2", "#D55E00"


@dataclass(frozen=True)
class Curve:
    """The ``points`` of a curve, by ``step`` or ``epoch``, of the runs of one arm.

    The other fields are those of `nnexp.studies.kinds.published.Published`.
    """

    arms: tuple[str, ...]
    outcome: Outcome
    where: Mapping[str, Any]
    points: Mapping[float, float]
    by: str
    rounding: float
    cap: float
    better: str
    name: str = "curve"

    KEYS: ClassVar[tuple[str, ...]] = (
        "where",
        "outcome",
        "arm",
        "points",
        "by",
        "rounding",
        "cap",
        "better",
    )
    NEEDED: ClassVar[tuple[str, ...]] = ("arm", "points", "by", "rounding")
    VERDICTS: ClassVar[tuple[str, ...]] = verdicts.PUBLISHED
    FAMILY: ClassVar[str] = FIGURES

    @staticmethod
    def rule() -> str:
        """Return how claims of this kind are judged, as Markdown."""
        return tr(
            "A published curve is tested in the same way against joint bands; that of 95 % "
            "contains a whole new run in 95 of 100 cases."
        )

    @property
    def measures(self) -> str:
        """What is measured of a run, in words."""
        return str(self.outcome)

    def settings_of(self, arm: str, tables: Tables) -> Mapping[str, Any]:
        """Return the swept settings at which it looks at an arm."""
        return self.where

    @classmethod
    def read(cls, name: str, entry: Entry, arms: Mapping[str, Any], design: Design) -> Curve:
        """Return the test of a claim; `InputError` if one of its keys is malformed."""
        outcome = measurement.read_outcome(entry)
        points = entry.mapping("points", f"{entry['by']}: figure")
        if not points:
            raise entry.error(f"points is empty: give {entry['by']}: figure")
        return cls(
            arms=(measurement.read_arm(entry, arms),),
            outcome=outcome,
            where=measurement.read_where(entry, design),
            points={
                entry.number("points", k): entry.number("points", v) for k, v in points.items()
            },
            by=entry.one_of("by", entry["by"], ("step", "epoch")),
            rounding=entry.number("rounding", entry["rounding"]),
            cap=measurement.read_cap(entry, outcome),
            better=measurement.read_better(entry, outcome),
        )

    def printed(self, claim: Claim) -> str:
        """Return what was published, in words."""
        return claim.published or tr("{n} points", n=len(self.points))

    def judge(self, study: Study, claim: Claim, tables: Tables | None, looks: int) -> Judgement:
        """Return the judgement of ``claim``."""
        assert tables is not None
        table = band(self, tables)
        published, low, high = (table[c].to_numpy(float) for c in ("published", "low", "high"))
        family = study.family(claim)
        wide = _joint(self, table, verdicts.ALPHA / family)
        inside, within = (_inside(published, bounds) for bounds in ((low, high), wide))
        words = f"{inside} of {len(table)} points within the joint band"
        if inside < len(table) and family > 1:
            words += f" ({within} within that of {percent(1 - verdicts.ALPHA / family)})"
        gap = table["mean"].to_numpy(float) - published
        worst = int(np.argmax(np.abs(gap)))
        ours, theirs = (digits(self.outcome, table[c][worst]) for c in ("mean", "published"))
        return Judgement(
            **repeated(study, claim),
            protocol=described(self.where, {}),
            measured=f"{words}; farthest {ours} against {theirs} at {self.by} "
            f"{table['at'][worst]:g}",
            verdict=verdicts.published(published, (low, high), wide, self.cap, self.better),
            n=sum(str(column).startswith("run ") for column in table),
            first=float(table["mean"][worst]),
            second=float(published[worst]),
            difference=float(gap[worst]),
            level=1 - verdicts.ALPHA,
        )

    @classmethod
    def draw(
        cls, study: Study, judgements: Mapping[str, Judgement], tables: Tables
    ) -> Iterator[ClaimPicture]:
        """Yield a figure of each curve."""
        for claim, test in of_kind(study, cls):
            picture = _picture(claim, test, band(test, tables), judgements[claim.id])
            yield ClaimPicture(picture, (claim.id,))

    def explain(self, judgement: Judgement) -> Iterator[tuple[str, str]]:
        """Yield what the verdict is based on, as pairs of a term and a text."""
        if judgement.n is None:
            return
        (arm,) = self.arms
        yield (
            tr("Test"),
            tr("every point lies within the joint prediction band of a new run of {arm}", arm=arm),
        )
        yield tr("Too noisy above"), f"±{number(self.cap)}"
        yield tr("Runs"), tr("n = {n} seeds", n=judgement.n)


def band(test: Curve, tables: Tables) -> pd.DataFrame:
    """Return a published curve and ours: ``at published mean low high`` and every run's values.

    ``low`` and ``high`` are the joint 95 % prediction band of a new run; ``run 0`` … are the runs.

    Raises
    ------
    InputError
        If there are no such runs, or they were not evaluated at a point of the curve.
    """
    (arm,) = test.arms
    by_point = {
        at: measured(test.outcome, arm, tables, test.where, {test.by: at}) for at in test.points
    }
    runs = pd.DataFrame(by_point).dropna()
    curves = runs.to_numpy(float)
    if not len(curves):
        raise measurement.no_run(arm)
    low, high = intervals.joint_band(curves, verdicts.ALPHA, test.rounding)
    table = pd.DataFrame(
        {"at": list(test.points), "published": list(test.points.values())}
        | {"mean": curves.mean(axis=0), "low": low, "high": high}
    )
    ours = pd.DataFrame(curves.T, columns=[f"run {i}" for i in range(len(curves))])
    both: pd.DataFrame = pd.concat([table, ours], axis=1)
    return both


def _joint(test: Curve, table: pd.DataFrame, alpha: float) -> verdicts.Bounds:
    """Return the joint band at level 1 - ``alpha`` of the runs in a `band`."""
    low, high = intervals.joint_band(
        table.filter(like="run ").to_numpy(float).T, alpha, test.rounding
    )
    return low, high


def _inside(values: npt.NDArray[np.float64], bounds: verdicts.Bounds) -> int:
    """Return how many ``values`` lie within ``bounds``."""
    low, high = map(np.asarray, bounds)
    return int(((low <= values) & (values <= high)).sum())


def _picture(claim: Claim, test: Curve, table: pd.DataFrame, judgement: Judgement) -> Picture:
    figure = Figure(figsize=(_WIDTH, 5.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    scale = 100 if test.outcome.is_accuracy else 1
    _draw_curve(above, table, 1)
    values = table.filter(regex="^(published|run )").to_numpy(float)
    values = values[np.isfinite(values)]
    if not test.outcome.is_accuracy and values.min() > 0 and values.max() > 8 * values.min():
        scales.log_axis(above)
        above.set_ylim(0.7 * values.min(), 1.4 * values.max())
    above.set_ylabel(str(test.outcome))
    above.legend()
    _draw_curve(below, table.set_index("at").sub(table["mean"].to_numpy(), axis=0), scale)
    below.axhline(0, color=NEUTRAL, linewidth=1)
    ours = tr("− our mean")
    below.set_ylabel(f"{ours}\n({tr('points')})" if scale == 100 else ours)
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    below.set_xlabel(tr("updates") if test.by == "step" else tr("epochs"))
    title = fill(claim.statement, 58)
    figure.suptitle(title, x=0.02, ha="left", fontsize=10.5, fontweight="bold")
    caption = tr(
        "The published figures and our runs (n = {n}); below, both minus the mean of our runs. "
        "{measured}: {verdict}. The joint 95 % prediction band contains a whole new run in 95 of "
        "100 cases.",
        n=judgement.n,
        measured=judgement.measured,
        verdict=verdict_words(judgement.verdict),
    )
    return Picture(f"curve-{claim.id}", claim.statement, caption, caption, figure, table)


def _draw_curve(ax: Axes, table: pd.DataFrame, scale: float) -> None:
    """Draw the published points over our runs; ``at`` is a column of ``table``, or its index."""
    at = table["at"].to_numpy(float) if "at" in table else table.index.to_numpy(float)
    runs = [column for column in table if str(column).startswith("run ")]
    if np.isfinite(table["high"]).all():
        look: dict[str, Any] = {"color": _OURS, "alpha": 0.18, "linewidth": 0}
        low, high = table["low"] * scale, table["high"] * scale
        ax.fill_between(at, low, high, **look, label=tr("joint 95 % band"))
    for place, run in enumerate(runs):
        label = tr("our runs (n = {n})", n=len(runs)) if not place else None
        ax.plot(at, table[run] * scale, color=_OURS, linewidth=0.7, alpha=0.6, label=label)
    look = {"color": _THEIRS, "markersize": 5.5, "zorder": 4, "label": tr("published")}
    ax.plot(at, table["published"] * scale, "o", **look, gid=mark(tr("published")))
