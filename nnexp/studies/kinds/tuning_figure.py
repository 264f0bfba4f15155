"""The figures of tuning: the score of every arm that is tuned, at every value tried."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from nnexp.analysis.tuning import Tuned, Tuning
from nnexp.messages.language import tr
from nnexp.plotting.picture import Picture
from nnexp.plotting.tuning_curves import TuningCurve, tuning_figure
from nnexp.store.tables import Tables
from nnexp.studies.kinds.comparison import Comparison
from nnexp.studies.kinds.exponent import Exponent
from nnexp.studies.study import Claim, ClaimPicture, Study


def tuning_pictures(study: Study, tables: Tables) -> Iterator[ClaimPicture]:
    """Yield a figure for each setting and score by which claims are tuned.

    It has a panel for each arm, and for each moment and other settings at which it is tuned.
    """
    own: dict[tuple[str, Tuned], list[tuple[Claim, Comparison | Exponent]]] = {}
    for claim in study.claims:
        if isinstance(claim.test, Comparison | Exponent) and claim.test.tuned:
            for over in claim.test.tuned.over:
                own.setdefault((over, claim.test.tuned), []).append((claim, claim.test))
    for (over, tuned), of in own.items():
        found = {
            name: choice.tunings[over]
            for _, test in of
            for name, choice in test.named_choices(tables)
        }
        yield ClaimPicture(_picture(study, found, over, tuned), tuple(claim.id for claim, _ in of))


def _picture(study: Study, found: dict[str, Tuning], over: str, tuned: Tuned) -> Picture:
    values = study.tuned[over]
    score, by = str(tuned.by), tuned.by.of if tuned.by.kind == "metric" else tuned.by.kind
    rows = pd.concat(
        pd.DataFrame(
            {
                "arm": name,
                over: one.means.index.to_numpy(float),
                by: one.means.to_numpy(),
                "added": ~one.means.index.isin(values),
                "best": one.means.index == one.best,
            }
        )
        for name, one in found.items()
    )
    curves = [
        TuningCurve(
            f"{name.replace('_', ' ')}: {over} {one.best:g}",
            one.means.index.to_numpy(float),
            np.where(np.isfinite(one.means), one.means, np.nan),
            np.asarray(one.means.index.isin(values)),
            one.best,
        )
        for name, one in found.items()
    ]
    title = tr("Tuning: {score} by {setting}", score=score, setting=over)
    caption = tr(
        "Mean {score} over seeds at every value of {setting} tried for an arm; the diamond marks "
        "the best, at which the arm is compared. Hollow: values that tuning added to the study's "
        "own. Each panel has its own scale.",
        score=score,
        setting=over,
    )
    if len(tuned.over) > 1:
        caption += f" {tr('The other tuned settings have their best values.')}"
    if not all(np.isfinite(one.means.dropna()).all() for one in found.values()):
        caption += f" {tr('Values without a point: a run did not reach the goal.')}"
    best = ", ".join(
        tr("{arm} at {value}", arm=name, value=f"{one.best:g}") for name, one in found.items()
    )
    alt = f"{caption} {tr('Best: {values}.', values=best)}"
    axis = tr("mean {score}", score=score if tuned.by.kind == "metric" else tr("updates"))
    figure = tuning_figure(title, curves, over, axis)
    return Picture(f"tuning-{over}-{_stem(tuned)}", title, caption, alt, figure, rows)


def _stem(tuned: Tuned) -> str:
    """Return the part of a file's name that tells the scores, and the settings tuned with it."""
    by = tuned.by
    score = by.of if by.kind == "metric" else f"{by.kind}-{by.level:g}-{by.of}"
    return "-".join((score, *tuned.over[1:])) if len(tuned.over) > 1 else score
