"""Runs of two arms paired by seed, or of one arm against a threshold: their differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from nnexp.analysis import intervals
from nnexp.analysis.outcomes import Outcome, best, described, matching, measured
from nnexp.errors import InputError, unknown
from nnexp.store.tables import Tables


@dataclass(frozen=True)
class Pairing:
    """Two ``arms`` whose runs are paired by seed, or one arm and a ``threshold``.

    ``where`` fixes swept settings, ``at`` the evaluation (``{"epoch": 5}``; empty: the last).
    ``scale`` is ``plain`` or ``log10``. ``tuned`` is the setting chosen for each arm by a score
    (``{"over": "lr", "by": "validation_accuracy"}``).
    """

    arms: tuple[str, ...]
    outcome: Outcome
    where: Mapping[str, Any]
    at: Mapping[str, float]
    threshold: float | None
    scale: str
    tuned: Mapping[str, str]

    @property
    def in_points(self) -> bool:
        """Whether the differences are in percentage points."""
        return self.outcome.is_accuracy and self.scale == "plain"

    @property
    def unit(self) -> str:
        """The unit of the differences, in words."""
        if self.in_points:
            return "percentage points"
        return f"log10 of the {self.outcome}" if self.scale == "log10" else str(self.outcome)

    @property
    def label(self) -> str:
        """What is subtracted from what: ``xavier − he (lr 0.1)``."""
        first, *others = (arm.replace("_", " ") for arm in self.arms)
        if self.threshold is not None:
            return f"{first} − {self.threshold:g}"
        tuned = f"at its best {self.tuned['over']} each" if self.tuned else ""
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
        values = [
            measured(self.outcome, arm, tables, self._settings_of(arm, tables), self.at)
            for arm in self.arms
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

    def cells(self, tables: Tables, keys: tuple[str, ...], sign: int) -> Iterator[dict[str, Any]]:
        """Yield the median difference, times ``sign``, at every value of the settings ``keys``.

        ``epoch`` among them stands for every evaluation after training began. Each cell has the
        ``keys``, ``n difference``, its plain 95 % interval ``low high``, and ``holds``: ``yes`` if
        it lies above 0, ``no`` if below, else ``unclear``.
        """
        settings = [key for key in keys if key != "epoch"]
        arms = tables.runs[tables.runs["arm"].isin(self.arms)]
        for key in settings:
            if key not in arms:
                raise unknown("setting of a map", key, map(str, arms.columns))
        combinations = arms[settings].drop_duplicates().to_dict("records") if settings else [{}]
        moments: list[dict[str, float]] = [{}]
        if "epoch" in keys:
            own = tables.metrics[tables.metrics["run_id"].isin(arms["run_id"])]
            moments = [{"epoch": e} for e in sorted(e for e in own["epoch"].unique() if e > 0)]
        for combination in combinations:
            for moment in moments:
                place = {**combination, **moment}
                here = self._narrowed({**self.where, **combination}, moment or self.at)
                values = sign * here.differences(tables)["difference"].to_numpy(float)
                interval = intervals.median_interval(values)
                low, high = float(interval.low), float(interval.high)
                holds = "yes" if low > 0 else "no" if high < 0 else "unclear"
                middle = {"n": len(values), "difference": float(interval.middle)}
                yield place | middle | {"low": low, "high": high, "holds": holds}

    def settings(self, tables: Tables) -> str:
        """Return at which settings the runs are compared, in words."""
        words = described(self.where, self.at)
        if not self.tuned:
            return words
        over, score = self.tuned["over"], self.tuned["by"].replace("_", " ")
        chosen = (f"{arm} at {over} {self._settings_of(arm, tables)[over]}" for arm in self.arms)
        return f"{words}{'; ' if words else ''}each at its best {score}: {', '.join(chosen)}"

    def _narrowed(self, where: Mapping[str, Any], at: Mapping[str, float]) -> Pairing:
        tuned = {} if self.tuned.get("over") in where else self.tuned
        return replace(self, where=where, at=at, tuned=tuned)

    def _settings_of(self, arm: str, tables: Tables) -> dict[str, Any]:
        """Return the settings fixed for an arm; a tuned one is at its best mean score."""
        where = dict(self.where)
        if self.tuned:
            over, by = self.tuned["over"], self.tuned["by"]
            where[over] = best(matching(tables.runs, arm, where), over, by)
        return where
