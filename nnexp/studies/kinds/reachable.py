"""Published figures of several arms that some setting of a sweep gives together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from nnexp.analysis import intervals, verdicts
from nnexp.analysis.labels import n_words
from nnexp.analysis.outcomes import Outcome, described, measured
from nnexp.config.experiment_file import Design
from nnexp.messages.language import tr
from nnexp.plotting.cell_maps import signed_map
from nnexp.plotting.picture import Picture
from nnexp.store.tables import Tables
from nnexp.studies.entry import Entry
from nnexp.studies.judgement import Judgement
from nnexp.studies.judging import repeated
from nnexp.studies.kinds import measurement
from nnexp.studies.kinds.pairing import places
from nnexp.studies.kinds.wording import digits, held_words, number, percent
from nnexp.studies.study import Claim, ClaimPicture, Study, of_kind


@dataclass(frozen=True)
class Reachable:
    """One setting gives the ``figures``, each of an arm and printed with a ``rounding``.

    ``map`` has the settings that the source does not state; the claim is about all combinations of
    their values. A prediction interval with a half-width above ``cap`` is too noisy. ``at`` is the
    evaluation (``{"epoch": 5}``; empty: the last) unless ``map`` has ``epoch``.
    """

    figures: Mapping[str, float]
    outcome: Outcome
    where: Mapping[str, Any]
    at: Mapping[str, float]
    rounding: float
    cap: float
    map: tuple[str, ...]
    name: str = "reachable"

    KEYS: ClassVar[tuple[str, ...]] = (
        *("outcome", "where", "at", "figures"),
        *("rounding", "cap", "map"),
    )
    NEEDED: ClassVar[tuple[str, ...]] = ("figures", "rounding", "map")
    VERDICTS: ClassVar[tuple[str, ...]] = (
        verdicts.CONSISTENT,
        verdicts.CONTRADICTED,
        verdicts.TOO_NOISY,
    )
    FAMILY: ClassVar[str] = ""

    @staticmethod
    def rule() -> str:
        """Return how claims of this kind are judged, as Markdown."""
        return tr(
            "If a source does not state the settings behind its figures, the claim is that some "
            "combination within the stated ranges gives all of them: **consistent** if in some "
            "combination every figure lies within the joint 95 % prediction interval of new runs, "
            "**contradicted** if in none, **too noisy to tell** if the intervals of all such "
            "combinations are too wide. The combination is chosen to fit, so such a verdict says "
            "what is possible and not what the source did."
        )

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms with a published figure."""
        return tuple(self.figures)

    @property
    def measures(self) -> str:
        """What is measured of a run, in words."""
        return str(self.outcome)

    def settings_of(self, arm: str, tables: Tables) -> Mapping[str, Any]:
        """Return the swept settings at which it looks at an arm, except those of the map."""
        return self.where

    @classmethod
    def read(cls, name: str, entry: Entry, arms: Mapping[str, Any], design: Design) -> Reachable:
        """Return the test of a claim; `InputError` if one of its keys is malformed."""
        outcome = measurement.read_outcome(entry)
        keys = measurement.read_map(entry, outcome, design)
        if not keys:
            raise entry.error("map=[] is empty: give the settings that the source does not state")
        at = measurement.read_at(entry, outcome)
        if at and "epoch" in keys:
            raise entry.error("the map has epoch, so every evaluation counts: leave 'at' out")
        where = measurement.read_where(entry, design, keys)
        for key in keys:
            if key in where:
                raise entry.error(f"{key} stands in map and in where: leave one of them out")
        return cls(
            figures=_read_figures(entry, arms),
            outcome=outcome,
            where=where,
            at=at,
            rounding=entry.number("rounding", entry["rounding"]),
            cap=measurement.read_cap(entry, outcome),
            map=keys,
        )

    def printed(self, claim: Claim) -> str:
        """Return what was published, in words."""
        return claim.published or ", ".join(f"{arm} {v:g}" for arm, v in self.figures.items())

    def judge(self, study: Study, claim: Claim, tables: Tables | None, looks: int) -> Judgement:
        """Return the judgement of ``claim``."""
        assert tables is not None
        cells = self.cells(study, tables)
        complete = cells["inside"] == len(self.figures)
        ranked = cells.assign(reached=complete & cells["clear"])
        best = ranked.sort_values(
            ["reached", "inside", "miss"], ascending=[False, False, True]
        ).iloc[0]
        if best["reached"]:
            verdict = verdicts.CONSISTENT
        else:
            verdict = verdicts.TOO_NOISY if complete.any() else verdicts.CONTRADICTED
        place = described({key: _text(best[key]) for key in self.map}, self.at)
        each = ", ".join(
            f"{arm} {digits(self.outcome, best[f'{arm} mean'])} for {digits(self.outcome, figure)}"
            for arm, figure in self.figures.items()
        )
        total = len(self.figures)
        what = f"all {total} figures" if total > 1 else "the figure"
        return Judgement(
            **repeated(study, claim),
            protocol=described(self.where, self.at),
            measured=(
                f"{what} in {int(complete.sum())} of {len(cells)} combinations; closest at "
                f"{place}: {each}"
            ),
            verdict=verdict,
            n=int(best["n"]),
            level=1 - verdicts.ALPHA,
            holds_in=f"{int(complete.sum())} of {len(cells)} combinations",
        )

    def cells(self, study: Study, tables: Tables) -> pd.DataFrame:
        """Return the combinations of the map, one row each.

        Columns: the settings, ``n`` (of the arm with the fewest runs), ``inside`` (the number of
        figures within their interval), ``clear`` (whether all intervals are narrow enough),
        ``miss`` (the largest distance of a figure from the mean, in half-widths of its interval),
        and ``ARM mean``, ``ARM low`` and ``ARM high`` of every arm.
        """
        alpha = verdicts.ALPHA / len(self.figures)
        rows = []
        for setting, moments in places(tables, study.own(tables.runs), self.arms, self.map):
            for moment in moments:
                row: dict[str, Any] = {**setting, **moment, "n": [], "inside": 0, "clear": True}
                misses = []
                for arm, figure in self.figures.items():
                    where = {**self.where, **setting}
                    runs = measured(self.outcome, arm, tables, where, moment or self.at)
                    if runs.empty:
                        raise measurement.no_run(arm)
                    found = intervals.prediction_interval(
                        runs.to_numpy(float), alpha, self.rounding
                    )
                    row["n"].append(len(runs))
                    misses.append(abs(figure - found.middle) / found.half_width)
                    row["inside"] += int(found.low <= figure <= found.high)
                    row["clear"] &= bool(found.half_width <= self.cap)
                    row[f"{arm} mean"] = float(found.middle)
                    row |= {f"{arm} low": float(found.low), f"{arm} high": float(found.high)}
                rows.append(row | {"n": min(row["n"]), "miss": max(misses)})
        table: pd.DataFrame = pd.DataFrame(rows)
        return table

    @classmethod
    def draw(
        cls, study: Study, judgements: Mapping[str, Judgement], tables: Tables
    ) -> Iterator[ClaimPicture]:
        """Yield a map of each claim: how many figures each combination gives."""
        for claim, test in of_kind(study, cls):
            yield ClaimPicture(_map(claim, test, test.cells(study, tables)), (claim.id,))

    def explain(self, judgement: Judgement) -> Iterator[tuple[str, str]]:
        """Yield what the verdict is based on, as pairs of a term and a text."""
        if judgement.n is None:
            return
        texts = {"settings": ", ".join(self.map), "figures": len(self.figures)}
        yield tr("Test"), tr("some combination of {settings} gives all {figures}", **texts)
        level = percent(1 - verdicts.ALPHA)
        yield tr("Intervals"), tr("joint {level} prediction intervals", level=level)
        yield tr("Too noisy above"), f"±{number(self.cap)}"
        yield tr("Runs"), tr("n = {n} seeds of each arm", n=judgement.n)
        yield tr("Holds in"), held_words(judgement.holds_in)


def _read_figures(entry: Entry, arms: Mapping[str, Any]) -> dict[str, float]:
    figures = entry.mapping("figures", "{xavier: 0.9654, zero: 0.9394}")
    if not figures:
        raise entry.error("figures={} is empty: give {arm: figure}, as in {xavier: 0.9654}")
    return {
        entry.one_of("arm", arm, arms): entry.number(f"figures.{arm}", figure)
        for arm, figure in figures.items()
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _map(claim: Claim, test: Reachable, cells: pd.DataFrame) -> Picture:
    total = len(test.figures)
    words = [
        tr("{inside} of {total}", inside=inside, total=total) + ("" if clear else " ?")
        for inside, clear in zip(cells["inside"], cells["clear"], strict=True)
    ]
    table = cells.assign(value=cells["inside"], words=words)
    named = ", ".join(f"{arm.replace('_', ' ')} {v:g}" for arm, v in test.figures.items())
    texts = {
        "level": percent(1 - verdicts.ALPHA),
        "n": n_words(cells["n"]),
        "cap": number(test.cap),
    }
    if total > 1:
        title = tr("Settings that give the published figures: {figures}", figures=named)
        caption = tr(
            "How many of the {total} figures lie within the joint {level} prediction intervals of "
            "new runs ({n} seeds of each arm). ?: an interval is wider than ±{cap}.",
            **texts,
            total=total,
        )
    else:
        title = tr("Settings that give the published figure: {figures}", figures=named)
        caption = tr(
            "Whether the figure lies within the {level} prediction interval of new runs ({n} seeds "
            "of each arm). ?: an interval is wider than ±{cap}.",
            **texts,
        )
    figure = signed_map(title, table, list(test.map[:-1]), test.map[-1])
    return Picture(f"map-{claim.id}", title, caption, caption, figure, cells)
