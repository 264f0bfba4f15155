"""The words of captions, titles and alternative texts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from nnexp.analysis.arms import Comparison
from nnexp.analysis.names import arm_words
from nnexp.messages.language import tr

# The names of the figures of tuning begin with this and end with the setting: ``tuning-lr``.
TUNING = "tuning-"
# Of more arms only the lowest and the highest are listed.
_MOST_LISTED = 8


# Curves within this share of the drawn range of each other coincide.
_NEAR = 0.01


def by(comparison: Comparison, what: str) -> str:
    """Return the title of a figure of ``what``, with what the arms differ in."""
    if not comparison.varied:
        return what
    return tr("{what} by {factors}", what=what, factors=comparison.factors)


def omitted(comparison: Comparison) -> str:
    """Return a sentence if the mechanism omits the diverged runs of an arm."""
    some = len(comparison.mechanism) < len(comparison.layers)
    return f" {tr('Diverged runs are omitted where others finished.')}" if some else ""


def band(comparison: Comparison) -> str:
    """Return what line and band show, and over how many seeds."""
    if comparison.seeds == "n = 1":
        return tr("one seed each (n = 1), so no band")
    return tr(
        "mean over seeds, with a band from the lowest to the highest seed ({n})", n=comparison.seeds
    )


def coinciding(panels: Iterable[pd.DataFrame], stretched: bool = False) -> str:
    """Name the arms whose curves coincide; on a logarithmic axis if ``stretched``.

    ``panels`` are tables of `curves`. Of several, the arms are not named.
    """
    names = [_coinciding(table, stretched) for table in panels]
    if len(names) > 1:
        return f" {tr('In some panels curves coincide.')}" if any(names) else ""
    if not any(names):
        return ""
    return " " + tr("Curves that coincide: {arms}.", arms="; ".join(names[0]))


def _coinciding(table: pd.DataFrame, stretched: bool) -> list[str]:
    keys = ["layer", "step"] if "layer" in table else ["step"]
    wide = table.pivot(index=keys, columns="arm", values="mean").astype(float)
    values = wide.where(np.isfinite(wide)).to_numpy()
    if stretched:
        values = np.log10(np.where(values > 0, values, np.nan))
    near = _NEAR * (np.nanmax(values) - np.nanmin(values)) if np.isfinite(values).any() else 0.0
    groups: list[list[int]] = []
    for arm in range(values.shape[1]):
        for group in groups:
            first = values[:, group[0]]
            same = np.abs(values[:, arm] - first) <= near
            if (same | (np.isnan(values[:, arm]) & np.isnan(first))).all() and same.any():
                group.append(arm)
                break
        else:
            groups.append([arm])
    return [_named([str(wide.columns[i]) for i in group]) for group in groups if len(group) > 1]


def _named(arms: list[str]) -> str:
    first, more = ", ".join(arms[:_MOST_LISTED]), len(arms) - _MOST_LISTED
    return tr("{first} and {number} more", first=first, number=more) if more > 0 else first


def ends(table: pd.DataFrame, when: str) -> str:
    """Return the last values of the arms' curves in words."""
    last = table.groupby("arm", observed=True)["mean"].last()
    return values_in_words(last, when)


def values_in_words(values: pd.Series[float], what: str) -> str:
    """Return the values of the arms in words, the extremes alone where they are many."""
    if len(values) > _MOST_LISTED:
        values = values.sort_values().iloc[[0, -1]]
        what = tr("{what}, lowest and highest", what=what)
    if values.empty:
        return ""
    words = (f"{arm_words(str(arm))} {value:.3g}" for arm, value in values.items())
    return f"{what}: {', '.join(words)}."
