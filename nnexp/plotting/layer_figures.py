"""The figures of what happens in each layer: activations, gradients, saturation, symmetry."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnexp.analysis.arms import Comparison, curves, spreads
from nnexp.analysis.effects import Factor
from nnexp.analysis.labels import either, enumerated
from nnexp.analysis.loss_scales import loss_scales
from nnexp.messages.language import tr
from nnexp.nn.activations import RECTIFYING, SATURATING
from nnexp.plotting import layout, panels, scales
from nnexp.plotting.captions import band, by, coinciding, ends, omitted, values_in_words
from nnexp.plotting.facets import MOST_PANELS, Facets, extremes, extremes_note, facets
from nnexp.plotting.legends import MOST_WITH_THIN, arm_labels, box_entries, thin_entries
from nnexp.plotting.marks import mark
from nnexp.plotting.picture import Picture, together
from nnexp.plotting.styles import Style

_MOST_HIDDEN = 5
# Arms that have a panel of boxes.
_MOST_ARMS = 12
# Of divided arms, a row of panels shows the first and the last hidden layer, and the output.
_MOST_ACROSS = 3
# What units are where their activation is flat.
_FLAT = {"saturated": SATURATING, "inactive": RECTIFYING}
# Arms whose activations are this many times as wide as another's do not share its axis.
_FAR = 4


def activations(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    """Draw each layer's activations before and after training, one panel per arm."""
    table = spreads(comparison.mechanism)
    title = by(comparison, tr("Activations before and after training"))
    shown = comparison.summary[comparison.summary["arm"].isin(table["arm"].unique())]
    note = ""
    if len(shown) > _MOST_ARMS:
        arms, _ = extremes(shown.set_index("arm")["test_accuracy_mean"], _MOST_ARMS)
        note = extremes_note(arms, len(comparison.arms), tr("are shown"))
        shown = shown.set_index("arm").loc[arms].reset_index()
        table = table[table["arm"].isin(arms)]
    columns = 2 if len(shown) in (2, 4) or max(map(len, shown["arm"])) > 15 else 3
    columns = min(columns, len(shown))
    reach = table[["p05", "p95"]].abs().max(axis=1).groupby(table["arm"], observed=True).max()
    alone = bool(reach.max() > _FAR * reach.min())
    figure, axes = layout.panels(
        title,
        comparison.held,
        names=arm_labels(shown, layout.CHARACTERS // columns),
        columns=columns,
        height=1.5 if len(shown) <= 6 else 1.1,
        legend=box_entries(),
        sharey=not alone,
    )
    for ax, arm in zip(axes, shown["arm"], strict=True):
        panels.draw_spread(ax, table[table["arm"] == arm], styles[arm])
        for artist in (*ax.patches, *ax.collections):
            artist.set_gid(mark("part", [arm]))
        ax.locator_params(axis="y", nbins=5)
    layout.label_outer(axes)
    for ax, arm in list(zip(axes, shown["arm"], strict=True))[: None if alone else 1]:
        own = table[table["arm"] == arm] if alone else table
        low, high = float(own["p05"].min()), float(own["p95"].max())
        if max(-low, high) > 10:
            scales.symlog_axis(ax, low, high)
    caption = tr(
        "Activations of each layer (the last is the output) on a fixed sample of training "
        "examples: hollow before the first update, filled after the last. Box: the middle half; "
        "whiskers: 5 % to 95 %; line: the median; all are means over seeds ({n}).",
        n=comparison.seeds,
    )
    caption += note
    if alone:
        caption += f" {tr('Each arm has its own scale.')}"
    caption += omitted(comparison)
    if (table[table["moment"] == "after"].isna().any(axis=1)).any():
        caption += f" {tr('Arms whose runs all diverged have no box after training.')}"
    after = table[table["moment"] == "after"].dropna()
    width = (after["p95"] - after["p05"]).groupby(after["arm"], observed=True).mean()
    alt = f"{caption} {values_in_words(width, tr('Mean whisker span after training'))}"
    return Picture("activations", title, caption, alt, figure, table)


def gradients(comparison: Comparison, grid: Sequence[Factor]) -> Picture:
    """Draw the norm of each layer's gradient over training, one panel per layer."""
    drawn = _layers(comparison, grid, "gradient_norm", hidden=False)
    comparison, table, styles = drawn.facets.shown, drawn.table, drawn.facets.styles
    title = by(comparison, tr("Gradient norm of each layer"))
    figure, axes = _figure(drawn, title, tr("gradient norm of the weights"))
    for ax, rows in axes:
        panels.draw_curves(ax, rows.assign(mean=rows["mean"].replace(0, np.nan)), styles)
        panels.draw_zeros(ax, rows, styles)
    scales.log_axis(axes[0][0])
    layout.label_outer([ax for ax, _ in axes])
    caption = tr(
        "Frobenius norm of the gradient of the loss by each layer's weights, on a fixed sample of "
        "training examples: {band}.",
        band=band(comparison),
    )
    caption += drawn.facets.note
    if len(loss_scales(comparison)) > 1:
        caption += " " + tr(
            "The gradients are of different losses, which are not comparable in size."
        )
    if (table["mean"] == 0).any():
        caption += f" {tr('A triangle at the lower edge: exactly 0.')}"
    caption += omitted(comparison) + _ended(table) + drawn.left_out
    caption += coinciding(drawn.facets.parts(table), stretched=True)
    alt = f"{caption} {_first_layer(table)}"
    return Picture("gradients", title, caption, alt, figure, table)


def distance(comparison: Comparison, grid: Sequence[Factor]) -> Picture:
    """Draw how far each layer's weights are from their initial values, one panel per layer."""
    drawn = _layers(comparison, grid, "distance", hidden=False)
    comparison, table, styles = drawn.facets.shown, drawn.table, drawn.facets.styles
    title = by(comparison, tr("Distance from the initial weights"))
    figure, axes = _figure(drawn, title, tr("norm of the change of the weights"))
    for ax, rows in axes:
        panels.draw_curves(ax, rows, styles)
    axes[0][0].set_ylim(bottom=0)
    layout.label_outer([ax for ax, _ in axes])
    caption = tr(
        "Frobenius norm of the difference between each layer's weights and their initial values: "
        "{band}.",
        band=band(comparison),
    )
    caption += drawn.facets.note
    caption += omitted(comparison) + _ended(table) + drawn.left_out
    caption += coinciding(drawn.facets.parts(table), stretched=True)
    alt = f"{caption} {_first_layer(table)}"
    return Picture("distance", title, caption, alt, figure, table)


def saturation(comparison: Comparison, grid: Sequence[Factor]) -> Picture:
    """Draw each hidden layer's share of saturated or inactive units over training.

    They are measured alike, as those where the activation is flat, but they are not the same: arms
    of which units saturate and arms of which units are inactive have panels of their own.
    """
    kinds, names = _kinds(comparison), _kind_words()
    drawn = _layers(
        comparison, grid, "saturated", hidden=True, kinds={a: names[k] for a, k in kinds.items()}
    )
    comparison, table, styles = drawn.facets.shown, drawn.table, drawn.facets.styles
    words = list(dict.fromkeys(kinds.values()))
    both = enumerated([names[word] for word in words]).capitalize()
    title = by(comparison, tr("{kinds} hidden units", kinds=both))
    tables = {"saturated": table}
    thin = tr("dead units") if len(styles) <= MOST_WITH_THIN else ""
    if thin:
        tables["dead"] = curves(_hidden(comparison.mechanism), "dead")
    share = tr("share {kind}", kind=names[words[0]]) if len(words) == 1 else tr("share of units")
    figure, axes = _figure(drawn, title, share, thin)
    for ax, rows in axes:
        panels.draw_curves(ax, rows, styles)
        if thin:
            dead = tables["dead"]
            own = dead[(dead["layer"] == rows["layer"].iloc[0]) & dead["arm"].isin(rows["arm"])]
            panels.draw_curves(ax, own, styles, thin=thin)
        ax.set_ylim(-0.04, 1.04)
    layout.label_outer([ax for ax, _ in axes])
    caption = tr(
        "Share of (unit, example) pairs at which the activation's derivative is below 5 % of its "
        "maximum: {band}.",
        band=band(comparison),
    )
    caption += drawn.facets.note
    meanings = {
        "saturated": tr("Saturated units are near a bound of their activation."),
        "inactive": tr("Inactive units are on the flat side of a rectifier, such as a ReLU at 0."),
    }
    caption += "".join(f" {meanings[word]}" for word in words if word in meanings)
    if thin:
        caption += " " + tr(
            "Thin lines: share of units {kinds} at every example (dead).",
            kinds=either([names[word] for word in words]),
        )
    caption += omitted(comparison) + _ended(table) + drawn.left_out
    caption += coinciding(drawn.facets.parts(table))
    alt = f"{caption} {_first_layer(table)}"
    return Picture("saturation", title, caption, alt, figure, together(tables))


def _kind_words() -> dict[str, str]:
    return {"saturated": tr("saturated"), "inactive": tr("inactive"), "flat": tr("flat")}


def _kinds(comparison: Comparison) -> dict[str, str]:
    """Return what the units of each arm with hidden layers are where their activation is flat."""
    rows = comparison.runs[comparison.runs["arm"].isin(_hidden(comparison.layers)["arm"])]
    return {
        str(arm): next((kind for kind, names in _FLAT.items() if name in names), "flat")
        for arm, name in zip(rows["arm"], rows["activation"], strict=True)
    }


def symmetry(comparison: Comparison, grid: Sequence[Factor]) -> Picture:
    """Draw how many units of each hidden layer differ."""
    drawn = _layers(comparison, grid, "distinct_units", hidden=True)
    comparison, table, styles = drawn.facets.shown, drawn.table, drawn.facets.styles
    title = by(comparison, tr("Distinct hidden units"))
    figure, axes = _figure(drawn, title, tr("distinct units"))
    for ax, rows in axes:
        panels.draw_curves(ax, rows, styles)
    layout.label_outer([ax for ax, _ in axes])
    most = _hidden(comparison.mechanism)["units"].max()
    axes[0][0].set_ylim(-0.06 * most, 1.06 * most)
    caption = tr(
        "Number of units of a layer whose incoming weights differ by more than 0.1 % of the "
        "largest weight. Identical units do the work of one and stay identical, except for "
        "rounding errors: {band}.",
        band=band(comparison),
    )
    caption += drawn.facets.note
    caption += omitted(comparison) + _ended(table) + drawn.left_out
    caption += coinciding(drawn.facets.parts(table))
    alt = f"{caption} {_first_layer(table)}"
    return Picture("symmetry", title, caption, alt, figure, table)


def _hidden(layers: pd.DataFrame) -> pd.DataFrame:
    hidden: pd.DataFrame = layers[layers["kind"] == "hidden"]
    return hidden


@dataclass(frozen=True)
class _Layers:
    """What the panels of a figure of layers show, one for each layer of each of the ``facets``.

    ``table`` has the `curves` with the ``kind`` and the ``panel`` of each layer, ``names`` the name
    of each panel, in full and in short.
    """

    facets: Facets
    table: pd.DataFrame
    names: dict[float, tuple[str, str]]
    left_out: str


def _layers(
    comparison: Comparison,
    grid: Sequence[Factor],
    y: str,
    *,
    hidden: bool,
    kinds: Mapping[str, str] | None = None,
) -> _Layers:
    """Return the panels for ``y`` of all layers, or of the ``hidden`` ones; these evenly spaced.

    Arms of different ``kinds`` have panels of their own.
    """
    mechanism = comparison.mechanism
    layers = _hidden(mechanism) if hidden else mechanism
    chosen = facets(comparison, grid, MOST_PANELS // min(layers["layer"].nunique(), _MOST_ACROSS))
    chosen = chosen.apart(kinds or {})
    layers = chosen.shown.mechanism
    table = curves(_hidden(layers) if hidden else layers, y)
    about = layers[["arm", "layer", "kind", "units"]].drop_duplicates(["arm", "layer"])
    about = about[about["layer"].isin(table["layer"])]
    outputs = about["kind"] == "output"
    depths = about["layer"][outputs].nunique()
    # Where depths differ, outputs get a panel of their own, apart from hidden layers.
    about = about.assign(panel=about["layer"].astype(float).mask(outputs, np.inf))
    table = table.merge(about[["arm", "layer", "panel", "kind"]], on=["arm", "layer"])
    shown = _few(sorted(table["panel"].unique()), len(chosen.panels) > 1)
    names = {}
    for layer in shown:
        own = about[about["panel"] == layer]
        kind, units = own["kind"].iloc[0], own["units"].unique()
        output = depths > 1 and kind == "output"
        name = tr("layer {number}", number=own["layer"].iloc[0])
        details = [tr("hidden") if kind == "hidden" else tr("output")]
        if output:
            name, details = tr("output layer"), []
        details += [tr("{number} units", number=units[0])] if len(units) == 1 else []
        names[layer] = (f"{name} ({', '.join(details)})" if details else name, name)
    count = _hidden(layers)["layer"].nunique()
    few = sum(map(math.isfinite, shown)) if depths > 1 or hidden else len(shown) - 1
    left_out = ""
    if 0 < few < count:
        left_out = " " + tr("{few} of {count} hidden layers are shown.", few=few, count=count)
    return _Layers(chosen, table, names, left_out)


def _few(layers: Sequence[float], divided: bool) -> list[float]:
    """Return the hidden layers to show, evenly spaced, and the output: few if arms are divided."""
    hidden = [layer for layer in layers if math.isfinite(layer)]
    most = _MOST_ACROSS - 1 if divided else _MOST_HIDDEN
    if len(hidden) <= most:
        return list(layers)
    shown = [hidden[round(i)] for i in np.linspace(0, len(hidden) - 1, most)]
    return shown + list(layers[len(hidden) :])


def _figure(
    drawn: _Layers, title: str, ylabel: str, thin: str = ""
) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
    """Return a figure, its axes with grey lines behind, and the rows of each."""
    chosen, divided = drawn.facets, len(drawn.facets.panels) > 1
    across = len(drawn.names) if divided else 1
    columns = across if across > 1 else chosen.columns
    places = list(itertools.product(chosen.panels.items(), drawn.names.items()))
    titles: list[str | None] = []
    parts = []
    for (panel, arms), (layer, (name, short)) in places:
        words = name if not divided else panel if across == 1 else f"{panel}, {short}"
        rows = drawn.table[drawn.table["panel"] == layer]
        own = rows[rows["arm"].isin(arms)]
        # Networks of a panel may have fewer layers than those of others.
        titles.append(layout.fill(words, layout.CHARACTERS // columns) if len(own) else None)
        if len(own):
            parts.append((own, rows[rows["arm"].isin(set(chosen.grey) - set(arms))]))
    figure, axes = layout.panels(
        title,
        chosen.shown.held,
        names=titles,
        columns=columns,
        height=1.7 if len(titles) <= columns else 1.0,
        ylabel=ylabel,
        legend=[*chosen.legend(), *thin_entries(thin)],
    )
    for ax, (_, behind) in zip(axes, parts, strict=True):
        panels.draw_context(ax, behind)
    return figure, [(ax, own) for ax, (own, _) in zip(axes, parts, strict=True)]


def _ended(table: pd.DataFrame) -> str:
    if not table["diverged"].any():
        return ""
    return f" {tr('A cross ends an arm whose runs diverged.')}"


def _first_layer(table: pd.DataFrame) -> str:
    return ends(table[table["layer"] == 1], tr("Layer 1 at the end"))
