"""Runs of two arms paired by seed, or of one arm against a threshold: their differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nnexp.analysis import intervals
from nnexp.analysis.labels import listed
from nnexp.analysis.outcomes import Outcome, described
from nnexp.analysis.tuning import Choice, Tuned
from nnexp.errors import InputError, unknown
from nnexp.messages.language import tr
from nnexp.store.tables import Tables
from nnexp.studies.kinds import choices


@dataclass(frozen=True)
class Pairing:
    """Two ``arms`` whose runs are paired by seed, or one arm and a ``threshold``.

    ``where`` fixes swept settings, ``at`` the evaluation (``{"epoch": 5}``; empty: the last).
    ``scale`` is ``plain`` or ``log10``. ``tuned`` has the settings chosen for each arm by a score.
    """

    arms: tuple[str, ...]
    outcome: Outcome
    where: Mapping[str, Any]
    at: Mapping[str, float]
    threshold: float | None
    scale: str
    tuned: Tuned | None

    @property
    def in_points(self) -> bool:
        """Whether the differences are in percentage points."""
        return self.outcome.is_accuracy and self.scale == "plain"

    @property
    def unit(self) -> str:
        """The unit of the differences, in words."""
        if self.in_points:
            return tr("percentage points")
        if self.scale == "log10":
            return tr("log10 of the {outcome}", outcome=self.outcome)
        return str(self.outcome)

    @property
    def label(self) -> str:
        """What is subtracted from what: ``xavier − he (lr 0.1)``."""
        first, *others = (arm.replace("_", " ") for arm in self.arms)
        if self.threshold is not None:
            return f"{first} − {self.threshold:g}"
        over = self.tuned.over if self.tuned and self.outcome.kind != "tuned" else ()
        tuned = tr("at its best {settings} each", settings=listed(over)) if over else ""
        about = ", ".join(filter(None, (described(self.where, self.at), tuned)))
        named = " − ".join((first, *others))
        return f"{named} ({about})" if about else named

    def differences(self, tables: Tables) -> pd.DataFrame:
        """Return the pairs, ``seed first second difference``; ``second`` may be the threshold.

        Raises
        ------
        InputError
            If ``tables`` lack the runs, settings or columns.
        """
        return self._paired(tables, [self._place(arm, tables) for arm in self.arms], self.at)

    def _paired(
        self, tables: Tables, settings: Sequence[Mapping[str, Any]], at: Mapping[str, float]
    ) -> pd.DataFrame:
        """Return the `differences` of the arms, each at its own ``settings``, at ``at``."""
        values = [
            choices.outcome_of(self.outcome, self.tuned, arm, tables, own, at)
            for arm, own in zip(self.arms, settings, strict=True)
        ]
        threshold = self.threshold
        if self.scale == "log10":
            if any((one < 0).any() for one in values):
                raise InputError(f"{self.outcome} is below 0 in a run, where log10 is not defined")
            with np.errstate(divide="ignore", invalid="ignore"):
                values = [one.map(np.log10) for one in values]
            threshold = None if threshold is None else math.log10(threshold)
        first = values[0]
        second = values[1] if threshold is None else pd.Series(threshold, index=first.index)
        pairs = pd.DataFrame({"first": first, "second": second}).dropna()
        with np.errstate(invalid="ignore"):
            difference = (pairs["first"] - pairs["second"]).to_numpy()
        # Infinite values, as of two runs that both never reached an accuracy, are equal.
        equal = (pairs["first"] == pairs["second"]).to_numpy()
        pairs["difference"] = np.where(equal, 0.0, difference)
        paired: pd.DataFrame = pairs.rename_axis("seed").reset_index()
        return paired

    def cells(
        self, tables: Tables, own: pd.DataFrame, keys: tuple[str, ...], sign: int
    ) -> Iterator[dict[str, Any]]:
        """Yield the median difference, times ``sign``, at every value of the settings ``keys``.

        The values are those that every arm has among the runs ``own``. ``epoch`` stands for every
        evaluation after training began, to which the arms are not tuned again. Each cell has the
        ``keys``, ``n difference``, its plain 95 % interval ``low high``, and ``holds``: ``yes`` if
        it lies above 0, ``no`` if below, else ``unclear``.
        """
        for combination, moments in places(tables, own, self.arms, keys):
            here = [self._place(arm, tables, combination) for arm in self.arms]
            for moment in moments:
                place = {**combination, **moment}
                pairs = self._paired(tables, here, moment or self.at)
                interval = intervals.median_interval(sign * pairs["difference"].to_numpy(float))
                low, high = float(interval.low), float(interval.high)
                holds = "yes" if low > 0 else "no" if high < 0 else "unclear"
                middle = {"n": len(pairs), "difference": float(interval.middle)}
                yield place | middle | {"low": low, "high": high, "holds": holds}

    def settings(self, chosen: Mapping[str, Choice]) -> str:
        """Return at which settings the runs are compared, in words; ``chosen`` is by arm."""
        words = described(self.where, self.at)
        if not chosen or self.tuned is None:
            return words
        each = (f"{arm} at {choice}" for arm, choice in chosen.items())
        return f"{words}{'; ' if words else ''}each at its best {self.tuned.by}: {', '.join(each)}"

    def chosen(self, tables: Tables) -> dict[str, Choice]:
        """Return the `choice` for each arm; none if nothing is tuned."""
        return (
            {arm: self.choice(arm, tables, self.where) for arm in self.arms} if self.tuned else {}
        )

    def choice(self, arm: str, tables: Tables, where: Mapping[str, Any]) -> Choice:
        """Return how an arm is tuned, by the score at ``at``; ``where`` has the other settings.

        Raises
        ------
        InputError
            If ``tables`` lack the runs, the settings or the score.
        """
        assert self.tuned is not None
        return choices.choose(self.tuned, arm, tables, where, self.at)

    def named_choices(self, tables: Tables) -> Iterator[tuple[str, Choice]]:
        """Yield the choice for each arm, with a name for the figure of tuning."""
        about = described(self.where, self.at)
        for arm, choice in self.chosen(tables).items():
            yield f"{arm} ({about})" if about else arm, choice

    def deciding(self, tables: Tables) -> Iterator[tuple[str, Mapping[str, Any], Choice]]:
        """Yield the choices that have to be finished: an arm, its other settings, the choice."""
        for arm in self.arms:
            about = (arm, tables, self.where, self.at)
            for choice in choices.deciding(self.tuned, self.outcome, *about):
                yield arm, self.where, choice

    def rounding(self, tables: Tables, seeds: pd.Series[int]) -> npt.NDArray[np.float64]:
        """Return how far the difference of each of the ``seeds`` may be off, in log10: (n,)."""
        total = pd.Series(0.0, index=seeds)
        for arm in self.arms:
            about = (arm, tables, self.where, self.at)
            total += choices.roundings(self.outcome, self.tuned, *about)
        return np.asarray(total, dtype=float)

    def settings_of(
        self, arm: str, tables: Tables, fixed: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the settings of an arm: ``where``, then ``fixed``, and the best of a tuned one."""
        where = {**self.where, **(fixed or {})}
        if self.tuned and not {*self.tuned.over} <= {*where}:
            where = {**self.choice(arm, tables, where).best, **where}
        return where

    def _place(
        self, arm: str, tables: Tables, fixed: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the settings at which an arm is measured: all values for a best value of them."""
        if self.outcome.kind == "tuned":
            return {**self.where, **(fixed or {})}
        return self.settings_of(arm, tables, fixed)


def places(
    tables: Tables, own: pd.DataFrame, arms: Sequence[str], keys: Sequence[str]
) -> Iterator[tuple[dict[str, Any], list[dict[str, float]]]]:
    """Yield where a map over ``keys`` has cells: combinations of settings, and evaluations.

    The combinations are those that all ``arms`` have among the runs ``own``. ``epoch`` stands for
    every evaluation after training began; without it, the only evaluation is ``{}``.

    Raises
    ------
    InputError
        If a key is not a setting, or the arms have no common combination.
    """
    settings = [key for key in keys if key != "epoch"]
    runs = own[own["arm"].isin(arms)]
    for key in settings:
        if key not in runs:
            raise unknown("setting of a map", key, map(str, runs.columns))
    moments: list[dict[str, float]] = [{}]
    if "epoch" in keys:
        rows = tables.metrics[tables.metrics["run_id"].isin(runs["run_id"])]
        moments = [{"epoch": e} for e in sorted(e for e in rows["epoch"].unique() if e > 0)]
    for combination in _shared(runs, settings, len(set(arms))) if settings else [{}]:
        yield combination, moments


def _shared(runs: pd.DataFrame, settings: list[str], arms: int) -> list[dict[str, Any]]:
    """Return the combinations of ``settings`` that all the ``arms`` have, by their number."""
    having = runs.drop_duplicates(["arm", *settings]).groupby(settings, sort=False, dropna=False)
    counts = having.size().reset_index(name="count")
    shared: list[dict[str, Any]] = counts.loc[counts["count"] == arms, settings].to_dict("records")
    if not shared:
        raise InputError(f"the arms have no common value of {', '.join(settings)}: leave out map")
    return shared
