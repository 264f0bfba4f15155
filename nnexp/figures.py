"""The figures of a comparison: what each shows, over which tables, and in words what it says."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnexp import plots
from nnexp.comparison import Comparison, curves, spreads
from nnexp.plots import Style
from nnexp.records import DIVERGED, FAILED

# With more arms the thin lines would bury the others.
_MOST_WITH_THIN = 6
_MOST_LAYERS = 6
# The longest line of an arm's label beside an axis, in characters.
_LABEL = 24
# More arms than this are told by the first and the last in rank alone.
_MOST_TOLD = 8


@dataclass(frozen=True)
class Picture:
    """A figure and its words: a ``caption`` for all, and ``alt`` for who cannot see it."""

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure


def pictures(comparison: Comparison) -> Iterator[Picture]:
    """Yield the figures of ``comparison``, the result first, then the mechanism."""
    for paint in painters(comparison):
        yield paint()


def painters(comparison: Comparison) -> list[Callable[[], Picture]]:
    """Return what draws each figure of ``comparison``.

    There is none if every run failed, and none of symmetry where no unit is like another.
    """
    if comparison.metrics.empty:
        return []
    styles = plots.arm_styles(comparison)
    draw: list[Callable[[Comparison, Mapping[str, Style]], Picture]] = [_loss, _accuracy, _final]
    if len(comparison.layers):
        draw.append(_activations)
        if len(curves(comparison.layers, "gradient_norm")):  # a run may diverge before any
            draw.append(_gradients)
        hidden = comparison.layers[comparison.layers["kind"] == "hidden"]
        if len(hidden):
            draw.append(_saturation)
        if (hidden["distinct_units"] < hidden["units"]).any():
            draw.append(_symmetry)
    return [functools.partial(_styled, figure, comparison, styles) for figure in draw]


def _styled(
    figure: Callable[[Comparison, Mapping[str, Style]], Picture],
    comparison: Comparison,
    styles: Mapping[str, Style],
) -> Picture:
    with plots.style():
        return figure(comparison, styles)


def _loss(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    return _learning(comparison, styles, "loss")


def _accuracy(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    return _learning(comparison, styles, "accuracy")


def _learning(comparison: Comparison, styles: Mapping[str, Style], score: str) -> Picture:
    test = curves(comparison.metrics, f"test_{score}")
    both = len(comparison.arms) <= _MOST_WITH_THIN
    title = f"Test {score}{_by(comparison)}"
    legend = plots.legend_entries(comparison.summary, styles, "training set" if both else "")
    figure, (ax,) = plots.panels(title, comparison.held, legend=legend)
    plots.draw_curves(ax, test, styles)
    if both:
        plots.draw_curves(ax, curves(comparison.metrics, f"train_{score}"), styles, thin=True)
    ax.set_ylabel(f"{score} (mean per example)" if score == "loss" else f"{score} (share correct)")
    positive = test.loc[np.isfinite(test["mean"]) & (test["mean"] > 0), "mean"]
    if score == "loss" and positive.max() > 6 * positive.min():
        plots.log_axis(ax)
    caption = f"{title} over training: {_band(comparison)}."
    if score == "loss" and any(setting.startswith("loss") for setting in comparison.varied):
        caption += " Different losses are not on one scale."
    if both:
        caption += " Thin lines: the same on the training set."
    if test["diverged"].any():
        caption += " A cross ends an arm of which a run diverged"
        caption += ": its loss is infinite from there." if score == "loss" else "."
    return Picture(score, title, caption, f"{caption} {_ends(test, 'At the end')}", figure)


def _final(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    summary = comparison.summary
    title = f"Final test accuracy{_by(comparison)}"
    labels = plots.arm_labels(summary, _LABEL)
    figure, (ax,) = plots.panels(
        title,
        comparison.held,
        height=0.1 + 0.17 * sum(2 + label.count("\n") for label in labels),
        margins=(0.3 + 0.075 * max(map(len, "\n".join(labels).split("\n"))), 0.65),
    )
    plots.draw_final(ax, comparison.runs, summary, styles)
    caption = f"Each mark is a run; the bar and the number are the mean ({comparison.seeds})."
    if comparison.seeds == "n = 1":
        caption = "Each mark is a run, one seed each (n = 1)."
    if summary[DIVERGED].any():
        caption += " A cross is a run that diverged: it counts in the mean."
    if summary[FAILED].any():
        caption += " A failed run has no accuracy."
    means = summary.set_index("arm")["test_accuracy_mean"]
    return Picture("final", title, caption, f"{caption} {_told(means, 'Means')}", figure)


def _activations(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    table = spreads(comparison.layers)
    title = f"Activations before and after training{_by(comparison)}"
    shown = comparison.summary[comparison.summary["arm"].isin(table["arm"].unique())]
    columns = 2 if len(shown) in (2, 4) or max(map(len, shown["arm"])) > 15 else 3
    columns = min(columns, len(shown))
    figure, axes = plots.panels(
        title,
        comparison.held,
        names=plots.arm_labels(shown, 48 // columns),
        columns=columns,
        height=1.5,
        legend=plots.box_entries(),
    )
    for ax, arm in zip(axes, shown["arm"], strict=True):
        plots.draw_spread(ax, table[table["arm"] == arm], styles[arm])
    plots.label_outer(axes, columns)
    low, high = float(table["p05"].min()), float(table["p95"].max())
    if max(-low, high) > 10:
        plots.symlog_axis(axes[0], low, high)
    caption = (
        "What each layer (the last is the output) gives for a fixed sample of training images, "
        "hollow before the first update, filled after the last. Box: the middle half; whiskers: "
        f"5 % to 95 %; stroke: the median; each the mean over seeds ({comparison.seeds})."
    )
    if comparison.summary[DIVERGED].any():
        caption += " Where a run diverged, its arm has no box after training."
    after = table[table["moment"] == "after"].dropna()
    width = (after["p95"] - after["p05"]).groupby(after["arm"], observed=True).mean()
    alt = f"{caption} {_told(width, 'Whiskers after training span, on average over layers')}"
    return Picture("activations", title, caption, alt, figure)


def _gradients(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    table = curves(comparison.layers, "gradient_norm")
    title = f"Gradient norm of each layer{_by(comparison)}"
    figure, axes = _layer_panels(comparison, styles, table, title, "gradient norm of the weights")
    for ax, rows in axes:
        plots.draw_curves(ax, rows.assign(mean=rows["mean"].replace(0, np.nan)), styles)
        plots.draw_zeros(ax, rows, styles)
    plots.log_axis(axes[0][0])
    plots.label_outer([ax for ax, _ in axes])
    caption = (
        "Frobenius norm of the gradient of the loss by each layer's weights, on a fixed sample of "
        f"training images: {_band(comparison)}."
    )
    if (table["mean"] == 0).any():
        caption += " A triangle at the lower edge: exactly 0."
    return Picture("gradients", title, caption, f"{caption} {_first_layer(table)}", figure)


def _saturation(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    hidden = comparison.layers[comparison.layers["kind"] == "hidden"]
    table, dead = curves(hidden, "saturated"), curves(hidden, "dead")
    title = f"Saturation of the hidden layers{_by(comparison)}"
    both = len(comparison.arms) <= _MOST_WITH_THIN
    thin = "dead units" if both else ""
    figure, axes = _layer_panels(comparison, styles, table, title, "share saturated", thin)
    for ax, rows in axes:
        plots.draw_curves(ax, rows, styles)
        if both:
            plots.draw_curves(ax, dead[dead["layer"] == rows["layer"].iloc[0]], styles, thin=True)
        ax.set_ylim(-0.04, 1.04)
    plots.label_outer([ax for ax, _ in axes])
    caption = (
        "Share of (unit, example) pairs at which the activation's derivative is below 5 % of its "
        f"maximum: {_band(comparison)}."
    )
    if both:
        caption += " Thin lines: share of units that are so at every example (dead)."
    return Picture("saturation", title, caption, f"{caption} {_first_layer(table)}", figure)


def _symmetry(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    hidden = comparison.layers[comparison.layers["kind"] == "hidden"]
    table = curves(hidden, "distinct_units")
    title = f"Distinct hidden units{_by(comparison)}"
    figure, axes = _layer_panels(comparison, styles, table, title, "distinct units")
    for ax, rows in axes:
        plots.draw_curves(ax, rows, styles)
    plots.label_outer([ax for ax, _ in axes])
    axes[0][0].set_ylim(-0.06 * hidden["units"].max(), 1.06 * hidden["units"].max())
    caption = (
        "How many units of a layer differ by more than 0.1 % of the largest in their incoming "
        "weights; units that are alike do the work of one, and would stay so for ever but for "
        f"rounding, which can part them: {_band(comparison)}."
    )
    return Picture("symmetry", title, caption, f"{caption} {_first_layer(table)}", figure)


def _layer_panels(
    comparison: Comparison,
    styles: Mapping[str, Style],
    table: pd.DataFrame,
    title: str,
    ylabel: str,
    thin: str = "",
) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
    """Return a figure with a panel a layer (six of them spread evenly), and each one's rows."""
    layers = sorted(table["layer"].unique())
    if len(layers) > _MOST_LAYERS:
        layers = [layers[round(i)] for i in np.linspace(0, len(layers) - 1, _MOST_LAYERS)]
    names = []
    for layer in layers:
        about = comparison.layers[comparison.layers["layer"] == layer]
        units = {
            f"{kind}, {n} units" for kind, n in zip(about["kind"], about["units"], strict=True)
        }
        names.append(f"layer {layer} ({units.pop()})" if len(units) == 1 else f"layer {layer}")
    legend = plots.legend_entries(comparison.summary, styles, thin)
    height = 1.7 if len(layers) == 1 else 1.05
    figure, axes = plots.panels(
        title, comparison.held, names=names, height=height, ylabel=ylabel, legend=legend
    )
    return figure, [(ax, table[table["layer"] == k]) for ax, k in zip(axes, layers, strict=True)]


def _by(comparison: Comparison) -> str:
    return f" by {comparison.factors}" if comparison.varied else ""


def _band(comparison: Comparison) -> str:
    """Say what line and band are, and over how many seeds."""
    if comparison.seeds == "n = 1":
        return "one seed each (n = 1), so no band"
    return f"mean over seeds, the band from the lowest to the highest seed ({comparison.seeds})"


def _ends(table: pd.DataFrame, when: str) -> str:
    last = table.groupby("arm", observed=True)["mean"].last()
    return _told(last, when)


def _first_layer(table: pd.DataFrame) -> str:
    return _ends(table[table["layer"] == 1], "Layer 1 at the end")


def _told(values: pd.Series[float], what: str) -> str:
    """Return the values of the arms in words, the extremes alone where they are many."""
    if len(values) > _MOST_TOLD:
        values = values.sort_values().iloc[[0, -1]]
        what = f"{what}, lowest and highest"
    if values.empty:
        return ""
    return f"{what}: {', '.join(f'{arm} {value:.3g}' for arm, value in values.items())}."
