"""Sentences about what a sweep cannot show, regardless of the number of seeds."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import NormalDist

from nnexp.analysis.arms import Comparison
from nnexp.analysis.labels import joined as together
from nnexp.analysis.labels import listed, range_words, spaced
from nnexp.analysis.rates import largest_unseen, rate_interval, runs_to_exclude
from nnexp.analysis.trials import value_text
from nnexp.analysis.verdicts import ALPHA, BORDERLINE, CONSISTENT, EXCEEDED, SHORT_OF
from nnexp.messages.language import tr

# The largest grid for which missing combinations are listed.
_MOST_COMBINATIONS = 100
_RARE = 0.1


def unpaired() -> str:
    """Return a sentence that nothing can be compared."""
    return tr("No two arms have a seed in common: nothing can be paired.")


def joined(settings: Sequence[str]) -> str:
    """Return a sentence that ``settings`` change together."""
    return tr(
        "{settings} change together: their effects cannot be separated.",
        settings=listed(spaced(settings)),
    )


def uncrossed(settings: Sequence[str]) -> str:
    """Return a sentence that not all combinations of ``settings`` were run."""
    return tr(
        "Not all combinations of {settings} have a result: their combinations are compared, not "
        "the settings by themselves.",
        settings=listed(spaced(settings)),
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
    return [
        tr(
            "Named arms differ in {settings} at once: a difference between two arms may come from "
            "any setting in which they differ.",
            settings=listed(spaced([root for root in roots if root in mixed])),
        )
    ]


def tuning(comparison: Comparison) -> list[str]:
    """Return a sentence for best values at an edge of the values tried, and for lost trials."""
    edges: dict[tuple[str, str, str], list[str]] = {}
    lost: list[str] = []
    for arm, trials in comparison.trials.items():
        name = comparison.short(arm) or tr("the network")
        for setting in comparison.tuned:
            if side := trials.edge(setting):
                at = f"{setting.replace('_', ' ')} {value_text(trials.best[setting])}"
                edges.setdefault((setting, side, at), []).append(name)
        if not trials.sound:
            texts = {
                "arm": name,
                "settings": listed(spaced(comparison.tuned)),
                "chosen": listed([value_text(value) for value in trials.best.values()]),
            }
            lost.append(
                tr(
                    "Trials of {arm} diverged or failed at every {settings}; it is compared at "
                    "{chosen}, the best of these.",
                    **texts,
                )
                if trials.scored
                else tr(
                    "Trials of {arm} diverged or failed at every {settings}; it is compared at "
                    "{chosen}, the first, as no trial has a score.",
                    **texts,
                )
            )
    return lost + [_at_edge(*edge, arms) for edge, arms in edges.items()]


def _at_edge(setting: str, side: str, at: str, arms: Sequence[str]) -> str:
    """Return a sentence that ``arms`` are best ``at`` an edge of the values tried."""
    plurals = {"lr": tr("learning rates"), "batch_size": tr("batch sizes")}
    texts = {
        "arms": listed(arms),
        "at": at,
        "values": plurals.get(setting) or tr("values of {setting}", setting=setting),
    }
    if side == "smallest":
        if len(arms) == 1:
            return tr(
                "Tuning: {arms} is best at {at}, the smallest that was tried: try smaller "
                "{values}.",
                **texts,
            )
        return tr(
            "Tuning: {arms} are best at {at}, the smallest that was tried: try smaller {values}.",
            **texts,
        )
    if len(arms) == 1:
        return tr(
            "Tuning: {arms} is best at {at}, the largest that was tried: try larger {values}.",
            **texts,
        )
    return tr(
        "Tuning: {arms} are best at {at}, the largest that was tried: try larger {values}.", **texts
    )


def incomplete(levels: Sequence[Sequence[str]], present: Collection[tuple[str, ...]]) -> str:
    """Return a sentence on the combinations of ``levels`` of several factors without a result."""
    full = math.prod(map(len, levels))
    if full > _MOST_COMBINATIONS and full > 10 * len(present):
        found = tr(
            "{settings} settings vary, and only {present} of their {full} combinations have a "
            "result.",
            settings=len(levels),
            present=len(present),
            full=full,
        )
    else:
        named = ""
        if full <= _MOST_COMBINATIONS:
            missing = [cell for cell in itertools.product(*levels) if cell not in present]
            named = f" ({listed([together(cell) for cell in missing])})"
        found = tr(
            "The grid is incomplete: {missing} of {full} combinations have no result{named}.",
            missing=full - len(present),
            full=full,
            named=named,
        )
    compared = tr(
        "Each combination is therefore compared with the best one, and the effects of single "
        "settings are not given."
    )
    return f"{found} {compared}"


def repeated(arms: Sequence[str]) -> str:
    """Return a sentence that ``arms`` have several runs of the same seed."""
    return tr(
        "Some arms have several runs of the same seed ({arms}). The runs differ in something other "
        "than settings, such as changed data or functions; they are averaged.",
        arms=listed(arms),
    )


def missing(arms: Sequence[str]) -> str:
    """Return a sentence that ``arms`` lack results for some seeds."""
    return tr(
        "Not every arm has a result for every seed (incomplete: {arms}): a comparison uses the "
        "seeds that all of its arms have.",
        arms=listed(arms),
    )


def diverged(counts: Mapping[str, tuple[int, int]]) -> str:
    """Say how often runs diverge: ``counts`` has the diverged runs of each arm, and all of them."""
    rates = []
    for arm, (count, n) in counts.items():
        if count:
            ends = range_words(*(f"{100 * end:.0f}" for end in rate_interval(count, n)))
            rates.append(
                tr("{count} of {n} runs of {arm} ({ends} %)", count=count, n=n, arm=arm, ends=ends)
            )
    return tr(
        "Some runs diverged: {rates}; in brackets the 95 % interval of the rate. The median "
        "difference describes a typical seed, not how often runs diverge.",
        rates=listed(rates),
    )


def unseen(n: int) -> str:
    """Say what ``n`` runs of an arm without divergence exclude."""
    needed, rare = runs_to_exclude(_RARE), f"{100 * _RARE:g}"
    if n >= needed:
        return tr(
            "{n} runs of an arm without divergence exclude that {rare} % diverge.", n=n, rare=rare
        )
    return tr(
        "{n} runs of an arm without divergence do not exclude that {rare} % diverge ({needed} "
        "would), only that more than {most} % do.",
        n=n,
        rare=rare,
        needed=needed,
        most=f"{100 * largest_unseen(n):.0f}",
    )


def sampled(images: int, accuracy: float) -> str:
    """Say how far an ``accuracy`` that was measured on so many test ``images`` can be trusted.

    It is the 95 % interval of a binomial share, by its normal approximation.
    """
    error = math.sqrt(accuracy * (1 - accuracy) / images)
    points = 100 * NormalDist().inv_cdf(1 - ALPHA / 2) * error
    return tr(
        "Accuracies are measured on one test set, MNIST's {images} images unless the study says "
        "otherwise. As an estimate for other images, an accuracy of {accuracy} is uncertain by "
        "±{points} points (95 %) at any number of seeds. Both arms of a pair and most published "
        "figures share these images: this matters where an accuracy or a difference is to hold "
        "for other images, and no interval here covers it.",
        images=f"{images:,}",
        accuracy=f"{accuracy:g}",
        points=f"{points:.2f}",
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
    return tr(
        "{outside} of {judged} published figures and curves lie outside their 95 % interval or "
        "band; {expected} would by chance if all were of runs like these.",
        outside=outside,
        judged=judged,
        expected=f"{ALPHA * judged:.1f}",
    )
