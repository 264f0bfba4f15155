"""The figures of a sweep's tuning: a panel for each arm, by each setting that is tuned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nnexp.analysis.arms import Comparison
from nnexp.analysis.labels import n_words
from nnexp.analysis.names import score_words
from nnexp.analysis.trials import SCORE, Trials, numbers, value_text
from nnexp.messages.language import tr
from nnexp.plotting.captions import TUNING
from nnexp.plotting.picture import Picture
from nnexp.plotting.tuning_curves import TuningCurve, tuning_figure

_MOST_PANELS = 12
# More values are labelled at round numbers.
_MOST_TICKS = 5


def tuning(comparison: Comparison, setting: str) -> Picture:
    """Draw the validation accuracy of each arm over the values tried of a tuned setting.

    Other tuned settings have their best values. Values that are not all positive numbers are
    equally far apart.
    """
    shown = dict([*comparison.trials.items()][:_MOST_PANELS])
    profiles = {arm: trials.profile(setting) for arm, trials in comparison.trials.items()}
    column = pd.concat([profiles[arm] for arm in shown])[setting]
    values = numbers(column)
    names = list(dict.fromkeys(map(value_text, column)))
    if values is not None:
        names.sort(key=float)
    log = values is not None and bool((values > 0).all())
    places = {name: float(name) if log else float(i) for i, name in enumerate(names)}
    curves = [_curve(comparison, arm, trials, setting, places) for arm, trials in shown.items()]
    name, score = setting.replace("_", " "), score_words(SCORE)
    title = tr("Tuning: {score} by {setting}", score=score, setting=name)
    few = not log or len(places) <= _MOST_TICKS
    ticks = {place: label for label, place in places.items()} if few else None
    label = tr("mean {score}", score=score)
    figure = tuning_figure(title, curves, name, label, log=log, ticks=ticks)
    counts = [int(n) for profile in profiles.values() for n in profile["runs"]]
    caption = tr(
        "Mean {score} over the trials ({n}) at every {setting} tried; the diamond marks the best, "
        "at which the arm is compared. Each panel has its own scale.",
        score=score,
        n=n_words(counts),
        setting=name,
    )
    if len(comparison.tuned) > 1:
        caption += f" {tr('Other tuned settings have their best values.')}"
    if any(curve.edge for curve in curves):
        caption += " " + tr("Orange: no value beyond the best was tried, and it may be better.")
    if any(curve.lost.any() for curve in curves):
        caption += " " + tr("A cross: some trials diverged or failed, so the value is not chosen.")
    if len(shown) < len(comparison.trials):
        caption += " " + tr(
            "The first {shown} of {arms} arms are drawn.",
            shown=len(shown),
            arms=len(comparison.trials),
        )
    best = ", ".join(
        tr("{arm} at {value}", arm=arm, value=value_text(t.best[setting]))
        for arm, t in _named(comparison)
    )
    alt = f"{caption} {tr('Best: {values}.', values=best)}"
    return Picture(
        f"{TUNING}{setting}", title, caption, alt, figure, _table(comparison, profiles, setting)
    )


def _curve(
    comparison: Comparison,
    arm: str,
    trials: Trials,
    setting: str,
    places: Mapping[str, float],
) -> TuningCurve:
    """Return the curve of an arm; ``places`` has that of each value on the axis."""
    rows, best = trials.profile(setting), trials.best
    here = trials.runs
    for other in (s for s in comparison.tuned if s != setting):
        here = here[here[other].map(value_text) == value_text(best[other])]
    others = [f"{s.replace('_', ' ')} {value_text(v)}" for s, v in best.items() if s != setting]
    at = f"{setting.replace('_', ' ')} {value_text(best[setting])}"
    at += f" ({', '.join(others)})" if others else ""
    runs = np.column_stack(
        [_placed(here[setting], places), here.reindex(columns=[SCORE])[SCORE].astype(float)]
    )
    return TuningCurve(
        ": ".join(filter(None, (comparison.short(arm).replace("_", " "), at))),
        _placed(rows[setting], places),
        rows["score"].to_numpy(float),
        np.ones(len(rows), bool),
        places[value_text(best[setting])],
        runs if len(here) > len(rows) else np.empty((0, 2)),
        ~rows["sound"].to_numpy(bool),
        bool(trials.edge(setting)),
        arm,
    )


def _placed(column: pd.Series[Any], places: Mapping[str, float]) -> np.ndarray[Any, Any]:
    return np.array([places[value_text(value)] for value in column])


def _table(
    comparison: Comparison, profiles: Mapping[str, pd.DataFrame], setting: str
) -> pd.DataFrame:
    """Return what is drawn, and the same of the arms that are not."""
    columns = {"score": f"mean_{SCORE}"}
    parts = []
    for arm, rows in profiles.items():
        best = rows[setting].map(value_text) == value_text(comparison.trials[arm].best[setting])
        own = rows.drop(columns="sound").rename(columns=columns)
        parts.append(own.assign(best=best, edge=comparison.trials[arm].edge(setting)))
        parts[-1].insert(0, "arm", comparison.short(arm))
    table: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return table


def _named(comparison: Comparison) -> Sequence[tuple[str, Trials]]:
    trials = comparison.trials.items()
    return [(comparison.short(arm) or tr("the network"), t) for arm, t in trials]
