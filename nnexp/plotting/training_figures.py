"""The figures of a comparison over training: loss, accuracy, and where every run ended."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from nnexp.analysis.arms import Comparison, curves, seeds
from nnexp.plotting import layout, panels, scales
from nnexp.plotting.captions import band, by, coinciding, ends, values_in_words
from nnexp.plotting.legends import MOST_WITH_THIN, arm_labels, legend_entries
from nnexp.plotting.picture import Picture, together
from nnexp.plotting.styles import Style
from nnexp.store.record import DIVERGED, FAILED

# With more runs their hairlines would be a grey cloud.
_MOST_SEEDS = 60
# The longest line of an arm's label beside an axis, in characters.
_LABEL = 24


def learning(comparison: Comparison, styles: Mapping[str, Style], score: str) -> Picture:
    """Draw the test ``score`` (``loss`` or ``accuracy``) over training."""
    test = curves(comparison.metrics, f"test_{score}")
    drawn = {f"test_{score}": test}
    both = len(comparison.arms) <= MOST_WITH_THIN
    if both:
        drawn[f"train_{score}"] = curves(comparison.metrics, f"train_{score}")
    title = f"Test {score}{by(comparison)}"
    clocks = _clocks(test, curves(comparison.metrics, "seconds")) if score == "accuracy" else {}
    figure, axes = layout.panels(
        title,
        comparison.held,
        names=("", *(f"the same means by {clock}" for clock in clocks)),
        height=(2.3, *(1.1 for _ in clocks)),
        legend=legend_entries(comparison.summary, styles, "training set" if both else ""),
        sharex=not clocks,
    )
    ax = axes[0]
    panels.draw_curves(ax, test, styles)
    if both:
        panels.draw_curves(ax, drawn[f"train_{score}"], styles, thin=True)
    ax.set_ylabel(f"{score} (mean per example)" if score == "loss" else f"{score} (share correct)")
    positive = test.loc[np.isfinite(test["mean"]) & (test["mean"] > 0), "mean"]
    stretched = score == "loss" and positive.max() > 6 * positive.min()
    if stretched:
        scales.log_axis(ax)
    caption = f"{title} over training: {band(comparison)}."
    single = seeds(comparison.metrics, f"test_{score}")
    if test["n"].max() > 1 and single["run_id"].nunique() <= _MOST_SEEDS:
        panels.draw_seeds(ax, single, styles)
        drawn[f"test_{score} of a run"] = single
        caption += " Hairlines: single seeds."
    if score == "loss" and any(setting.startswith("loss") for setting in comparison.varied):
        caption += " Different losses are not comparable."
    if both:
        caption += " Thin lines: the same on the training set."
    if test["diverged"].any():
        caption += " A cross ends an arm if a run of it diverged"
        caption += ": its loss is infinite from there." if score == "loss" else "."
    caption += coinciding(test, stretched)
    for ax, (clock, times) in zip(axes[1:], clocks.items(), strict=True):
        panels.draw_curves(ax, test.assign(x=times, unit=clock, n=1), styles)
        ax.locator_params(axis="y", nbins=4)
        drawn[f"test_{score} by {clock}"] = test.assign(x=times, unit=clock)
    if clocks:
        caption += (
            " By seconds: the mean training time of the runs. Runs that share a machine slow "
            "each other down, so the seconds do not support claims about speed."
        )
    alt = f"{caption} {ends(test, 'At the end')}"
    return Picture(score, title, caption, alt, figure, together(drawn))


def _clocks(test: pd.DataFrame, seconds: pd.DataFrame) -> dict[str, pd.Series[float]]:
    """Return the other clocks that ``test`` is drawn by: updates where arms differ in them."""
    clocks = {"seconds": seconds["mean"]}
    moving = test[test["step"] > 0]
    if (moving["x"] / moving["step"]).round(12).nunique() > 1:
        return {"updates": test["step"].astype(float), **clocks}
    return clocks


def validation(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    """Draw the validation accuracy over training."""
    held_out = curves(comparison.metrics, "validation_accuracy")
    drawn = {"validation_accuracy": held_out}
    title = f"Validation accuracy{by(comparison)}"
    both = len(comparison.arms) <= MOST_WITH_THIN
    legend = legend_entries(comparison.summary, styles, "test set" if both else "")
    figure, (ax,) = layout.panels(title, comparison.held, legend=legend)
    panels.draw_curves(ax, held_out, styles)
    if both:
        drawn["test_accuracy"] = curves(comparison.metrics, "test_accuracy")
        panels.draw_curves(ax, drawn["test_accuracy"], styles, thin=True)
    ax.set_ylabel("accuracy (share correct)")
    caption = (
        f"{title} over training, on examples held out of the training set: {band(comparison)}."
    )
    if both:
        caption += " Thin lines: the same on the test set."
    caption += coinciding(held_out)
    alt = f"{caption} {ends(held_out, 'At the end')}"
    return Picture("validation", title, caption, alt, figure, together(drawn))


def final(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    """Draw the final test accuracy of every run."""
    summary = comparison.summary
    title = f"Final test accuracy{by(comparison)}"
    labels = arm_labels(summary, _LABEL)
    figure, (ax,) = layout.panels(
        title,
        comparison.held,
        height=0.1 + 0.17 * sum(2 + label.count("\n") for label in labels),
        margins=(0.3 + 0.075 * max(map(len, "\n".join(labels).split("\n"))), 0.65),
    )
    panels.draw_final(ax, comparison.runs, summary, styles)
    caption = f"Each mark is a run; the bar and the number are the mean ({comparison.seeds})."
    if comparison.seeds == "n = 1":
        caption = "Each mark is a run, one seed each (n = 1)."
    if summary[DIVERGED].any():
        caption += " A cross marks a diverged run, which counts in the mean."
    if summary[FAILED].any():
        caption += " Failed runs have no accuracy."
    means = summary.set_index("arm")["test_accuracy_mean"]
    drawn = comparison.runs[["arm", "seed", "status", "test_accuracy", "run_id"]]
    return Picture(
        "final", title, caption, f"{caption} {values_in_words(means, 'Means')}", figure, drawn
    )
