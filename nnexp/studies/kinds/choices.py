"""The values to which arms are tuned: for all seeds together, or the best value of each seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from nnexp.analysis.outcomes import Outcome, matching, measured, of_runs
from nnexp.analysis.tuning import Choice, Tuned, tune
from nnexp.errors import InputError
from nnexp.store.tables import Tables


def choose(
    tuned: Tuned, arm: str, tables: Tables, where: Mapping[str, Any], at: Mapping[str, float]
) -> Choice:
    """Return how an arm is tuned by the mean score over seeds; ``where`` has the other settings.

    Raises
    ------
    InputError
        If ``tables`` lack the runs, the settings or the score.
    """
    runs = matching(tables.runs, arm, where)
    return tune(runs, tuned, _scores(tuned.by, runs, tables, at))


def choose_by_seed(
    tuned: Tuned, arm: str, tables: Tables, where: Mapping[str, Any], at: Mapping[str, float]
) -> dict[int, Choice]:
    """Return how an arm is tuned for each seed on its own, by its score; by seed.

    Raises
    ------
    InputError
        As for `choose`, or if a seed does not reach the goal it is tuned by at any value.
    """
    runs = matching(tables.runs, arm, where)
    scores = _scores(tuned.by, runs, tables, at)
    found = {}
    for seed, own in runs.groupby("seed"):
        choice = tune(own, tuned, scores)
        if any(math.isinf(t.means[t.best]) for t in choice.tunings.values()):
            raise InputError(
                f"seed {seed} of arm {arm!r} has no best {tuned}, as it has no finite {tuned.by} "
                "at any: train longer, or give an easier goal"
            )
        found[int(str(seed))] = choice
    return found


def outcome_of(
    outcome: Outcome,
    tuned: Tuned | None,
    arm: str,
    tables: Tables,
    where: Mapping[str, Any],
    at: Mapping[str, float],
) -> pd.Series[float]:
    """Return the outcome of an arm by seed: as `measured`, or the best value of a setting.

    ``where`` has the values of all settings, or of all that are not ``tuned`` for a best value.

    Raises
    ------
    InputError
        As for `measured` or `choose_by_seed`.
    """
    if outcome.kind == "tuned" and tuned is not None:
        found = choose_by_seed(tuned, arm, tables, where, at)
        values: pd.Series[float] = pd.Series(
            {s: float(c.best[outcome.of]) for s, c in found.items()}
        )
        return values
    return measured(outcome, arm, tables, where, at)


def deciding(
    tuned: Tuned | None,
    outcome: Outcome,
    arm: str,
    tables: Tables,
    where: Mapping[str, Any],
    at: Mapping[str, float],
) -> list[Choice]:
    """Return the choices for an arm that decide a verdict on ``outcome``, to be finished first."""
    if tuned is None:
        return []
    if outcome.kind == "tuned":
        return list(choose_by_seed(tuned, arm, tables, where, at).values())
    return [choose(tuned, arm, tables, where, at)]


def roundings(
    outcome: Outcome,
    tuned: Tuned | None,
    arm: str,
    tables: Tables,
    where: Mapping[str, Any],
    at: Mapping[str, float],
) -> pd.Series[float] | float:
    """Return how far the logarithm to base 10 of an `outcome_of` an arm may be off, by seed.

    It is 0 unless the outcome is a best value, which is one of those tried.
    """
    if outcome.kind != "tuned" or tuned is None:
        return 0.0
    found = choose_by_seed(tuned, arm, tables, where, at)
    off: pd.Series[float] = pd.Series(
        {seed: one.tunings[outcome.of].rounding for seed, one in found.items()}
    )
    return off


def _scores(
    by: Outcome, runs: pd.DataFrame, tables: Tables, at: Mapping[str, float]
) -> pd.Series[float] | None:
    """Return the scores of ``runs`` by ID; ``None`` for a final one, which is among the runs."""
    return of_runs(by, runs, tables, at) if at or by.kind != "metric" else None
