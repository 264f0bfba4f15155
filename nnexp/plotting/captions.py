"""The words of captions, titles and alternative texts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nnexp.analysis.arms import Comparison

# More arms than this are told by the first and the last in rank alone.
_MOST_TOLD = 8


# Curves that are never farther apart than this share of all that is drawn are seen as one.
_NEAR = 0.01


def by(comparison: Comparison) -> str:
    """Say by what the arms differ, at the end of a title."""
    return f" by {comparison.factors}" if comparison.varied else ""


def survivors(comparison: Comparison) -> str:
    """Say it where the mechanism is that of the runs of an arm that did not diverge."""
    some = len(comparison.mechanism) < len(comparison.layers)
    return " Of an arm of which some runs diverged, the others are shown." if some else ""


def band(comparison: Comparison) -> str:
    """Say what line and band are, and over how many seeds."""
    if comparison.seeds == "n = 1":
        return "one seed each (n = 1), so no band"
    return f"mean over seeds, the band from the lowest to the highest seed ({comparison.seeds})"


def coinciding(table: pd.DataFrame, stretched: bool = False) -> str:
    """Name the arms whose curves are seen as one; on a logarithmic axis if it is ``stretched``."""
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
    told = [_named([str(wide.columns[i]) for i in group]) for group in groups if len(group) > 1]
    return f" Too close to be told apart here: {'; '.join(told)}." if told else ""


def _named(arms: list[str]) -> str:
    more = f" and {len(arms) - _MOST_TOLD} more" if len(arms) > _MOST_TOLD else ""
    return ", ".join(arms[:_MOST_TOLD]) + more


def ends(table: pd.DataFrame, when: str) -> str:
    """Return in words where the curves of the arms end."""
    last = table.groupby("arm", observed=True)["mean"].last()
    return told(last, when)


def told(values: pd.Series[float], what: str) -> str:
    """Return the values of the arms in words, the extremes alone where they are many."""
    if len(values) > _MOST_TOLD:
        values = values.sort_values().iloc[[0, -1]]
        what = f"{what}, lowest and highest"
    if values.empty:
        return ""
    return f"{what}: {', '.join(f'{arm} {value:.3g}' for arm, value in values.items())}."
