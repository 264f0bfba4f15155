"""What a sweep cannot tell, however many its seeds: sentences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence

from nnexp.analysis.arms import Comparison
from nnexp.analysis.labels import listed, spaced

# Of a larger grid the missing combinations are not named.
_MOST_COMBINATIONS = 100


def joined(settings: Sequence[str]) -> str:
    """Say that ``settings`` change together."""
    return (
        f"{listed(spaced(settings))} change together: what one of them does cannot be told from "
        "what the other does."
    )


def bundled(comparison: Comparison) -> list[str]:
    """Say it where two named arms differ in more than one setting."""
    columns = list(comparison.bundled)
    kinds = comparison.runs.drop_duplicates("arm")[columns].astype(str).to_dict("records")
    roots = list(dict.fromkeys(c.partition(".")[0] for c in columns))
    mixed: list[str] = []
    for one, other in itertools.combinations(kinds, 2):
        differ = {c.partition(".")[0] for c in columns if one[c] != other[c]}
        mixed += differ if len(differ) > 1 else []
    if not mixed:
        return []
    names = spaced([root for root in roots if root in mixed])
    return [
        f"Named arms differ in {listed(names)} at once: a difference between two of them may "
        "come from any setting in which the two differ."
    ]


def incomplete(levels: Sequence[Sequence[str]], there: Collection[tuple[str, ...]]) -> str:
    """Say which combinations of the ``levels`` of several factors have no result."""
    full = math.prod(map(len, levels))
    if full > _MOST_COMBINATIONS and full > 10 * len(there):
        return (
            f"{len(levels)} settings vary, and of their combinations there are but {len(there)}: "
            "no grid. So each is compared with the best one, and no effect of a setting on its own "
            "is given."
        )
    named = ""
    if full <= _MOST_COMBINATIONS:
        missing = [cell for cell in itertools.product(*levels) if cell not in there]
        named = f" ({listed([' with '.join(cell) for cell in missing])})"
    return (
        f"The grid is incomplete, with no result of {full - len(there)} of {full} "
        f"combinations{named}. So each combination is compared with the best one, and no effect "
        "of a setting on its own is given."
    )


def repeated(arms: Sequence[str]) -> str:
    """Say that several runs of a seed are in one of ``arms``."""
    return (
        f"Several runs of a seed stand in one arm ({listed(arms)}): they differ in what no setting "
        "tells, as data or functions that have changed, and are averaged."
    )


def missing(arms: Sequence[str]) -> str:
    """Say that ``arms`` lack results of seeds that others have."""
    return (
        f"Not every arm has a result of every seed (lacking some: {listed(arms)}): a seed "
        "counts in a comparison where all that it compares have one."
    )


UNPAIRED = "No two arms have a seed in common: nothing can be paired."
