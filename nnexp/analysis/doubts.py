"""Sentences about what a sweep cannot show, regardless of the number of seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence

from nnexp.analysis.arms import Comparison
from nnexp.analysis.labels import listed, spaced

# The largest grid for which missing combinations are listed.
_MOST_COMBINATIONS = 100
_COMPARED = (
    "Each combination is therefore compared with the best one, and the effects of single settings "
    "are not given."
)
UNPAIRED = "No two arms have a seed in common: nothing can be paired."


def joined(settings: Sequence[str]) -> str:
    """Return a sentence that ``settings`` change together."""
    return f"{listed(spaced(settings))} change together: their effects cannot be separated."


def bundled(comparison: Comparison) -> list[str]:
    """Return a sentence if two named arms differ in more than one setting."""
    columns = list(comparison.bundled)
    arms = comparison.runs.drop_duplicates("arm")[columns].astype(str).to_dict("records")
    roots = list(dict.fromkeys(c.partition(".")[0] for c in columns))
    mixed: list[str] = []
    for one, other in itertools.combinations(arms, 2):
        differ = {c.partition(".")[0] for c in columns if one[c] != other[c]}
        mixed += differ if len(differ) > 1 else []
    if not mixed:
        return []
    names = spaced([root for root in roots if root in mixed])
    return [
        f"Named arms differ in {listed(names)} at once: a difference between two arms may come "
        "from any setting in which they differ."
    ]


def incomplete(levels: Sequence[Sequence[str]], present: Collection[tuple[str, ...]]) -> str:
    """Return a sentence on the combinations of ``levels`` of several factors without a result."""
    full = math.prod(map(len, levels))
    if full > _MOST_COMBINATIONS and full > 10 * len(present):
        return (
            f"{len(levels)} settings vary, and only {len(present)} of their {full} combinations "
            f"have a result. {_COMPARED}"
        )
    named = ""
    if full <= _MOST_COMBINATIONS:
        missing = [cell for cell in itertools.product(*levels) if cell not in present]
        named = f" ({listed([' with '.join(cell) for cell in missing])})"
    return (
        f"The grid is incomplete: {full - len(present)} of {full} combinations have no result"
        f"{named}. {_COMPARED}"
    )


def repeated(arms: Sequence[str]) -> str:
    """Return a sentence that ``arms`` have several runs of the same seed."""
    return (
        f"Some arms have several runs of the same seed ({listed(arms)}). The runs differ in "
        "something other than settings, such as changed data or functions; they are averaged."
    )


def missing(arms: Sequence[str]) -> str:
    """Return a sentence that ``arms`` lack results for some seeds."""
    return (
        f"Not every arm has a result for every seed (incomplete: {listed(arms)}): a comparison "
        "uses the seeds that all of its arms have."
    )
