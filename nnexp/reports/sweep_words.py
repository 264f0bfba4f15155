"""What the page of a sweep says in words: its title, what varied, and what was observed."""

from __future__ import annotations

from collections.abc import Iterable

from nnexp.analysis.arms import Comparison
from nnexp.analysis.effects import Effects
from nnexp.analysis.intervals import fewest
from nnexp.analysis.labels import listed, setting_words, spaced
from nnexp.analysis.verdicts import ALPHA
from nnexp.messages.language import tr
from nnexp.store.record import FAILED

# More arms are described by the best and the worst.
_MOST_OBSERVED = 8
# The largest number of a setting's values in words.
_MOST_LEVELS = 20


def title(comparison: Comparison) -> str:
    """Return what a sweep compares, as the title of its page."""
    tuned = f", {comparison.at_best}" if comparison.tuned else ""
    if len(comparison.levels) == 1:
        [(setting, levels)] = comparison.levels.items()
        return tr(
            "Comparing {setting}: {levels}{tuned}",
            setting=setting_words(setting),
            levels=_in_words(levels),
            tuned=tuned,
        )
    if comparison.varied:
        return tr("Comparing {compared}{tuned}", compared=comparison.factors, tuned=tuned)
    if comparison.tuned:
        return tr("One arm at its best {settings}", settings=listed(spaced(comparison.tuned)))
    if len(comparison.runs) == 1:
        return tr("One run")
    return tr("{number} runs of the same settings", number=len(comparison.runs))


def varied(comparison: Comparison, found: Effects) -> dict[str, str]:
    """Return the levels of each setting if several vary; those that change together are one."""
    joined = {name: f for f in found.grid if len(f.settings) > 1 for name in f.settings}
    settings = {}
    for setting, levels in comparison.levels.items():
        if setting in joined:
            factor = joined[setting]
            settings[factor.words] = _in_words(factor.levels, "; ")
        else:
            settings[setting_words(setting)] = _in_words(levels)
    return settings if len(comparison.levels) > 1 else {}


def without_findings(comparison: Comparison, found: Effects, *, advise: bool = True) -> str:
    """Return what was `observed` if there are too few seeds for findings, else an empty text."""
    needed = _fewest_seeds(found)
    if most_seeds(comparison, found) >= needed:
        return ""
    return observed(comparison, needed if advise else 0)


def observed(comparison: Comparison, needed: int) -> str:
    """Return the arms' final test accuracies in a sentence, and the command for findings.

    They need ``needed`` seeds; 0 omits the command. The sentence is empty if every run failed.
    """
    means = 100 * comparison.summary.set_index("arm")["test_accuracy_mean"].dropna()
    if means.empty:
        return ""
    one = comparison.seeds == "n = 1"
    ranked = means.sort_values(ascending=False, kind="stable")
    digits = 1 if ranked.round(1).nunique() == ranked.nunique() else 2
    if len(ranked) == 1 and not comparison.varied:
        values, count = f"{ranked.iloc[0]:.{digits}f} %", tr("one seed")
    else:
        names = [comparison.short(str(arm)) or str(arm) for arm in ranked.index]
        words = [f"{a} {mean:.{digits}f} %" for a, mean in zip(names, ranked, strict=True)]
        separator = "; " if any("," in name for name in names) else ", "
        values, count = separator.join(words), tr("one seed each")
        if comparison.tuned:
            count = tr("one seed {at_best}", at_best=comparison.at_best)
        if len(words) > _MOST_OBSERVED:
            values = f"{separator.join(words[:3])} … {words[-1]}"
            count = tr("{count} of {arms} arms, highest first", count=count, arms=len(words))
    if not one:
        count = tr("means over seeds ({n})", n=comparison.seeds)
        if comparison.tuned:
            at_best = comparison.at_best
            count = tr("means over seeds {at_best} ({n})", at_best=at_best, n=comparison.seeds)
    texts = {"values": values, "count": count, "needed": needed}
    if not needed:
        return tr("Final test accuracy: {values}; {count}.", values=values, count=count)
    if one:
        return tr(
            "Final test accuracy: {values}; {count}: add 'seed=range({needed})' for intervals.",
            **texts,
        )
    return tr(
        "Final test accuracy: {values}; {count}: add 'seed=range({needed})' for findings.", **texts
    )


def chosen(sweeper: str) -> list[str]:
    """Return what a page cannot show if a sweeper chose its settings by their results."""
    if not sweeper:
        return []
    return [
        tr(
            "{sweeper} chose these settings by the validation losses of earlier runs, so the runs "
            "are not a fair comparison: to compare the best settings with others, run a sweep of "
            "them with new seeds.",
            sweeper=sweeper,
        )
    ]


def most_seeds(comparison: Comparison, found: Effects) -> int:
    """Return the seeds of the comparison that has most, or of the arm if none are compared."""
    if len(found.table):
        return int(found.table["n"].max())
    return int((comparison.summary["runs"] - comparison.summary[FAILED]).max())


def file_words() -> dict[str, str]:
    """Return what a row of each table is."""
    return {
        "summary.csv": tr("one row per arm"),
        "effects.csv": tr("one row per comparison"),
        "runs.csv": tr("one row per run"),
        "metrics.csv": tr("one row per evaluation"),
        "layers.csv": tr("one row per evaluation and layer"),
        "tuning.csv": tr("one row per trial of tuning"),
    }


def _in_words(levels: Iterable[str], separator: str = ", ") -> str:
    """Return the values of a setting, or only the first of very many."""
    levels = list(levels)
    first, more = separator.join(levels[:_MOST_LEVELS]), len(levels) - _MOST_LEVELS
    return tr("{first} and {number} more", first=first, number=more) if more > 0 else first


def _fewest_seeds(found: Effects) -> int:
    """Return the seeds that findings need: more for more comparisons."""
    return int(found.table["fewest"].max()) if len(found.table) else fewest(ALPHA)
