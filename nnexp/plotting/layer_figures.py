"""The figures of what happens in each layer: activations, gradients, saturation, symmetry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnexp.analysis.arms import Comparison, curves, spreads
from nnexp.plotting import layout, panels, scales
from nnexp.plotting.captions import band, by, coinciding, ends, omitted, values_in_words
from nnexp.plotting.legends import MOST_WITH_THIN, arm_labels, box_entries, legend_entries
from nnexp.plotting.picture import Picture, together
from nnexp.plotting.styles import Style

_MOST_HIDDEN = 5


# Arms whose activations are this many times as wide as another's do not share its axis.
_FAR = 4


def activations(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    """Draw each layer's activations before and after training, one panel per arm."""
    table = spreads(comparison.mechanism)
    title = f"Activations before and after training{by(comparison)}"
    shown = comparison.summary[comparison.summary["arm"].isin(table["arm"].unique())]
    columns = 2 if len(shown) in (2, 4) or max(map(len, shown["arm"])) > 15 else 3
    columns = min(columns, len(shown))
    reach = table[["p05", "p95"]].abs().max(axis=1).groupby(table["arm"], observed=True).max()
    alone = bool(reach.max() > _FAR * reach.min())
    figure, axes = layout.panels(
        title,
        comparison.held,
        names=arm_labels(shown, 48 // columns),
        columns=columns,
        height=1.5,
        legend=box_entries(),
        sharey=not alone,
    )
    for ax, arm in zip(axes, shown["arm"], strict=True):
        panels.draw_spread(ax, table[table["arm"] == arm], styles[arm])
        ax.locator_params(axis="y", nbins=5)
    layout.label_outer(axes, columns)
    for ax, arm in list(zip(axes, shown["arm"], strict=True))[: None if alone else 1]:
        own = table[table["arm"] == arm] if alone else table
        low, high = float(own["p05"].min()), float(own["p95"].max())
        if max(-low, high) > 10:
            scales.symlog_axis(ax, low, high)
    caption = (
        "Activations of each layer (the last is the output) on a fixed sample of training "
        "examples: hollow before the first update, filled after the last. Box: the middle half; "
        f"whiskers: 5 % to 95 %; line: the median; all are means over seeds ({comparison.seeds})."
    )
    if alone:
        caption += " Each arm has its own scale."
    caption += omitted(comparison)
    if (table[table["moment"] == "after"].isna().any(axis=1)).any():
        caption += " Arms whose runs all diverged have no box after training."
    after = table[table["moment"] == "after"].dropna()
    width = (after["p95"] - after["p05"]).groupby(after["arm"], observed=True).mean()
    alt = f"{caption} {values_in_words(width, 'Mean whisker span after training')}"
    return Picture("activations", title, caption, alt, figure, table)


def gradients(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    """Draw the norm of each layer's gradient over training, one panel per layer."""
    table = curves(comparison.mechanism, "gradient_norm")
    title = f"Gradient norm of each layer{by(comparison)}"
    figure, axes = _layer_panels(comparison, styles, table, title, "gradient norm of the weights")
    for ax, rows in axes:
        panels.draw_curves(ax, rows.assign(mean=rows["mean"].replace(0, np.nan)), styles)
        panels.draw_zeros(ax, rows, styles)
    scales.log_axis(axes[0][0])
    layout.label_outer([ax for ax, _ in axes])
    caption = (
        "Frobenius norm of the gradient of the loss by each layer's weights, on a fixed sample of "
        f"training examples: {band(comparison)}."
    )
    if (table["mean"] == 0).any():
        caption += " A triangle at the lower edge: exactly 0."
    caption += omitted(comparison) + _ended(table) + _left_out(comparison, axes)
    caption += coinciding(table, stretched=True)
    alt = f"{caption} {_first_layer(table)}"
    return Picture("gradients", title, caption, alt, figure, table)


def saturation(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    """Draw each hidden layer's saturated share over training."""
    hidden = comparison.mechanism[comparison.mechanism["kind"] == "hidden"]
    table, dead = curves(hidden, "saturated"), curves(hidden, "dead")
    title = f"Saturation of the hidden layers{by(comparison)}"
    both = len(comparison.arms) <= MOST_WITH_THIN
    thin = "dead units" if both else ""
    figure, axes = _layer_panels(comparison, styles, table, title, "share saturated", thin)
    for ax, rows in axes:
        panels.draw_curves(ax, rows, styles)
        if both:
            panels.draw_curves(ax, dead[dead["layer"] == rows["layer"].iloc[0]], styles, thin=True)
        ax.set_ylim(-0.04, 1.04)
    layout.label_outer([ax for ax, _ in axes])
    caption = (
        "Share of (unit, example) pairs at which the activation's derivative is below 5 % of its "
        f"maximum: {band(comparison)}."
    )
    if both:
        caption += " Thin lines: share of units saturated at every example (dead)."
    caption += omitted(comparison) + _ended(table) + _left_out(comparison, axes) + coinciding(table)
    alt = f"{caption} {_first_layer(table)}"
    drawn = together({"saturated": table} | ({"dead": dead} if both else {}))
    return Picture("saturation", title, caption, alt, figure, drawn)


def symmetry(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    """Draw how many units of each hidden layer differ."""
    hidden = comparison.mechanism[comparison.mechanism["kind"] == "hidden"]
    table = curves(hidden, "distinct_units")
    title = f"Distinct hidden units{by(comparison)}"
    figure, axes = _layer_panels(comparison, styles, table, title, "distinct units")
    for ax, rows in axes:
        panels.draw_curves(ax, rows, styles)
    layout.label_outer([ax for ax, _ in axes])
    axes[0][0].set_ylim(-0.06 * hidden["units"].max(), 1.06 * hidden["units"].max())
    caption = (
        "Number of units of a layer whose incoming weights differ by more than 0.1 % of the "
        "largest weight. Identical units do the work of one and stay identical, except for "
        f"rounding errors: {band(comparison)}."
    )
    caption += omitted(comparison) + _ended(table) + _left_out(comparison, axes) + coinciding(table)
    alt = f"{caption} {_first_layer(table)}"
    return Picture("symmetry", title, caption, alt, figure, table)


def _layer_panels(
    comparison: Comparison,
    styles: Mapping[str, Style],
    table: pd.DataFrame,
    title: str,
    ylabel: str,
    thin: str = "",
) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
    """Return a figure with one panel per layer (hidden ones evenly spaced), and their rows."""
    about = comparison.mechanism[["arm", "layer", "kind", "units"]].drop_duplicates(
        ["arm", "layer"]
    )
    about = about[about["layer"].isin(table["layer"])]
    outputs = about["kind"] == "output"
    depths = about["layer"][outputs].nunique()
    # Where depths differ, outputs get a panel of their own, apart from hidden layers.
    about = about.assign(panel=about["layer"].astype(float).mask(outputs, np.inf))
    table = table.merge(about[["arm", "layer", "panel", "kind"]], on=["arm", "layer"])
    layers = sorted(table["panel"].unique())
    hidden = [layer for layer in layers if np.isfinite(layer)]
    if len(hidden) > _MOST_HIDDEN:
        shown = [hidden[round(i)] for i in np.linspace(0, len(hidden) - 1, _MOST_HIDDEN)]
        layers = shown + layers[len(hidden) :]
    names = []
    for layer in layers:
        own = about[about["panel"] == layer]
        kind, units = own["kind"].iloc[0], own["units"].unique()
        name = (
            "output layer" if depths > 1 and kind == "output" else f"layer {own['layer'].iloc[0]}"
        )
        details = [kind] if name.startswith("layer") else []
        details += [f"{units[0]} units"] if len(units) == 1 else []
        names.append(f"{name} ({', '.join(details)})" if details else name)
    legend = legend_entries(comparison.summary, styles, thin)
    height = 1.7 if len(layers) == 1 else 1.05
    figure, axes = layout.panels(
        title, comparison.held, names=names, height=height, ylabel=ylabel, legend=legend
    )
    return figure, [(ax, table[table["panel"] == k]) for ax, k in zip(axes, layers, strict=True)]


def _ended(table: pd.DataFrame) -> str:
    return " A cross ends an arm whose runs diverged." if table["diverged"].any() else ""


def _left_out(comparison: Comparison, axes: Sequence[tuple[Axes, pd.DataFrame]]) -> str:
    layers = comparison.mechanism
    count = layers.loc[layers["kind"] == "hidden", "layer"].nunique()
    shown = sum(rows["kind"].iloc[0] == "hidden" for _, rows in axes)
    return f" {shown} of {count} hidden layers are shown." if shown < count else ""


def _first_layer(table: pd.DataFrame) -> str:
    return ends(table[table["layer"] == 1], "Layer 1 at the end")
