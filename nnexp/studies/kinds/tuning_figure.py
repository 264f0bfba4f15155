"""The figures of tuning: the score of every arm that is tuned, at every value tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from nnexp.analysis.outcomes import described
from nnexp.analysis.tuning import Tuning
from nnexp.plotting.picture import Picture
from nnexp.plotting.tuning_curves import TuningCurve, tuning_figure
from nnexp.store.tables import Tables
from nnexp.studies.kinds.pairing import Pairing
from nnexp.studies.study import Claim, ClaimPicture, Study


def tuning_pictures(
    study: Study, compared: Sequence[tuple[Claim, Pairing]], tables: Tables
) -> Iterator[ClaimPicture]:
    """Yield a figure for each setting and score by which claims are tuned.

    It has a panel for each arm, and for each moment and other settings at which it is tuned.
    """
    tuned = [(claim, test) for claim, test in compared if test.tuned]
    for over, by in dict.fromkeys((test.tuned["over"], test.tuned["by"]) for _, test in tuned):
        own = [(c, t) for c, t in tuned if (t.tuned["over"], t.tuned["by"]) == (over, by)]
        found: dict[str, Tuning] = {}
        for _, test in own:
            about = described(test.where, test.at)
            for arm in test.arms:
                name = f"{arm} ({about})" if about else arm
                if name not in found:
                    found[name] = test.tuning(arm, tables)
        claims = tuple(claim.id for claim, _ in own)
        yield ClaimPicture(_picture(study, found, over, by), claims)


def _picture(study: Study, found: dict[str, Tuning], over: str, by: str) -> Picture:
    values = study.tuned[over]
    score = by.replace("_", " ")
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
            one.means.to_numpy(float),
            np.asarray(one.means.index.isin(values)),
            one.best,
        )
        for name, one in found.items()
    ]
    title = f"Tuning: {score} by {over}"
    caption = (
        f"Mean {score} over seeds at every value of {over} tried for an arm; the diamond marks "
        "the best, at which the arm is compared. Hollow: values that tuning added to the study's "
        "own. Each panel has its own scale."
    )
    best = ", ".join(f"{name} at {one.best:g}" for name, one in found.items())
    alt = f"{caption} Best: {best}."
    figure = tuning_figure(title, curves, over, f"mean {score}")
    return Picture(f"tuning-{over}-{by}", title, caption, alt, figure, rows)
