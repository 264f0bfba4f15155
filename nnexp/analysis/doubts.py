"""Sentences about what a sweep cannot show, regardless of the number of seeds."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import NormalDist

from nnexp.analysis.arms import Comparison
from nnexp.analysis.labels import listed, spaced
from nnexp.analysis.rates import largest_unseen, rate_interval, runs_to_exclude
from nnexp.analysis.trials import value_text
from nnexp.analysis.verdicts import ALPHA, BORDERLINE, CONSISTENT, EXCEEDED, SHORT_OF

# The largest grid for which missing combinations are listed.
_MOST_COMBINATIONS = 100
_COMPARED = (
    "Each combination is therefore compared with the best one, and the effects of single settings "
    "are not given."
)
_RARE = 0.1
# Settings whose values have a name of their own.
_BEYOND = {"smallest": "smaller", "largest": "larger"}
_PLURALS = {"lr": "learning rates", "batch_size": "batch sizes"}
UNPAIRED = "No two arms have a seed in common: nothing can be paired."


def joined(settings: Sequence[str]) -> str:
    """Return a sentence that ``settings`` change together."""
    return f"{listed(spaced(settings))} change together: their effects cannot be separated."


def uncrossed(settings: Sequence[str]) -> str:
    """Return a sentence that not all combinations of ``settings`` were run."""
    return (
        f"Not all combinations of {listed(spaced(settings))} have a result: their combinations are "
        "compared, not the settings by themselves."
    )


def bundled(comparison: Comparison) -> list[str]:
    """Return a sentence if two named arms differ in more than one setting."""
    columns = list(comparison.bundled)
    if not columns:
        return []
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


def tuning(comparison: Comparison) -> list[str]:
    """Return a sentence for best values at an edge of the values tried, and for lost trials."""
    edges: dict[tuple[str, str, str], list[str]] = {}
    lost: list[str] = []
    for arm, trials in comparison.trials.items():
        name = comparison.short(arm) or "the network"
        for setting in comparison.tuned:
            if side := trials.edge(setting):
                at = f"{setting.replace('_', ' ')} {value_text(trials.best[setting])}"
                edges.setdefault((setting, side, at), []).append(name)
        if not trials.sound:
            tried = listed(spaced(comparison.tuned))
            chosen = listed([value_text(value) for value in trials.best.values()])
            best = "the best of these" if trials.scored else "the first, as no trial has a score"
            lost.append(
                f"Trials of {name} diverged or failed at every {tried}; it is compared at "
                f"{chosen}, {best}."
            )
    return lost + [
        f"Tuning: {listed(arms)} {'is' if len(arms) == 1 else 'are'} best at {at}, the {side} that "
        f"was tried: try {_BEYOND[side]} {_PLURALS.get(setting, f'values of {setting}')}."
        for (setting, side, at), arms in edges.items()
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


def diverged(counts: Mapping[str, tuple[int, int]]) -> str:
    """Say how often runs diverge: ``counts`` has the diverged runs of each arm, and all of them."""
    rates = []
    for arm, (count, n) in counts.items():
        if count:
            low, high = (f"{100 * end:.0f}" for end in rate_interval(count, n))
            rates.append(f"{count} of {n} runs of {arm} ({low} to {high} %)")
    return (
        f"Some runs diverged: {listed(rates)}; in brackets the 95 % interval of the rate. The "
        "median difference describes a typical seed, not how often runs diverge."
    )


def unseen(n: int) -> str:
    """Say what ``n`` runs of an arm without divergence exclude."""
    needed = runs_to_exclude(_RARE)
    if n >= needed:
        return f"{n} runs of an arm without divergence exclude that {100 * _RARE:g} % diverge."
    return (
        f"{n} runs of an arm without divergence do not exclude that {100 * _RARE:g} % diverge "
        f"({needed} would), only that more than {100 * largest_unseen(n):.0f} % do."
    )


def sampled(images: int, accuracy: float) -> str:
    """Say how far an ``accuracy`` that was measured on so many test ``images`` can be trusted.

    It is the 95 % interval of a binomial share, by its normal approximation.
    """
    error = math.sqrt(accuracy * (1 - accuracy) / images)
    points = 100 * NormalDist().inv_cdf(1 - ALPHA / 2) * error
    return (
        f"Accuracies are measured on one test set, MNIST's {images:,} images unless the study says "
        f"otherwise. As an estimate for other images, an accuracy of {accuracy:g} is uncertain by "
        f"±{points:.2f} points (95 %) at any number of seeds. Both arms of a pair and most "
        "published figures share these images: this matters where an accuracy or a difference is "
        "to hold for other images, and no interval here covers it."
    )


def by_chance(found: Iterable[str]) -> str:
    """Say how many published figures lie outside their intervals, and how many would by chance.

    ``found`` are verdicts. Each figure has an interval of its own, at level 1 -
    `nnexp.analysis.verdicts.ALPHA`. Empty if no figure was judged.
    """
    counts = Counter(found)
    outside = counts[BORDERLINE] + counts[EXCEEDED] + counts[SHORT_OF]
    judged = outside + counts[CONSISTENT]
    if not judged:
        return ""
    return (
        f"{outside} of {judged} published figures and curves lie outside their 95 % interval or "
        "band; "
        f"{ALPHA * judged:.1f} would by chance if all were of runs like these."
    )
