"""The figures of a comparison: what each shows, over which tables, and in words what it says."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnexp.analysis.arms import Comparison, curves, seeds, spreads
from nnexp.analysis.effects import effects
from nnexp.plotting import factor_figures, layout, panels, signal_propagation
from nnexp.plotting.picture import Picture as Picture
from nnexp.plotting.picture import band, by, coinciding, ends, survivors, told
from nnexp.plotting.styles import Style, arm_styles
from nnexp.store.record import DIVERGED, FAILED

# With more arms the thin lines would bury the others.
_MOST_WITH_THIN = 6
_MOST_HIDDEN = 5
# With more runs their hairlines would be a grey cloud.
_MOST_SEEDS = 60
# The longest line of an arm's label beside an axis, in characters.
_LABEL = 24
# Arms whose activations are this many times as wide as another's do not share its axis.
_FAR = 4


def pictures(comparison: Comparison, names: Collection[str] | None = None) -> Iterator[Picture]:
    """Yield the figures of ``comparison``, the result first, then the mechanism.

    Of those that it has, only the ``names`` are drawn, if any are given.
    """
    for name, paint in painters(comparison).items():
        if names is None or name in names:
            yield paint()


def painters(comparison: Comparison) -> dict[str, Callable[[], Picture]]:
    """Return what draws each figure of ``comparison``, by the figure's name.

    There is none if every run failed, none of symmetry where no unit is like another; and of what
    varied those that fit it: paired differences for one factor, cells for two, a curve over a
    numeric one.
    """
    if comparison.metrics.empty:
        return {}
    styles = arm_styles(comparison)
    draw: dict[str, Callable[[Comparison, Mapping[str, Style]], Picture]] = {
        "loss": functools.partial(_learning, score="loss"),
        "accuracy": functools.partial(_learning, score="accuracy"),
        "final": _final,
    }
    found = effects(comparison)
    if len(found.table) and found.table["n"].max() > 1:
        draw["differences"] = functools.partial(factor_figures.differences, found=found)
    if len(found.grid) == 2:
        draw["cells"] = functools.partial(factor_figures.cells, grid=found.grid)
    if (over := factor_figures.numeric(found.grid)) is not None:
        draw["response"] = functools.partial(factor_figures.response, over=over, grid=found.grid)
    if "validation_accuracy" in comparison.metrics:
        draw["validation"] = _validation
    if len(comparison.layers):
        draw["activations"] = _activations
        if len(curves(comparison.layers, "gradient_norm")):  # a run may diverge before any
            draw["gradients"] = _gradients
        hidden = comparison.layers[comparison.layers["kind"] == "hidden"]
        if len(hidden):
            draw["saturation"] = _saturation
        if (hidden["distinct_units"] < hidden["units"]).any():
            draw["symmetry"] = _symmetry
    painted: dict[str, Callable[[], Picture]] = {
        name: functools.partial(_styled, figure, comparison, styles)
        for name, figure in draw.items()
    }
    if signal_propagation.has_depth(comparison):
        painted["depth"] = functools.partial(_depth, comparison)
    return painted


def _depth(comparison: Comparison) -> Picture:
    return signal_propagation.picture(comparison, signal_propagation.inputs(comparison))


def _styled(
    figure: Callable[[Comparison, Mapping[str, Style]], Picture],
    comparison: Comparison,
    styles: Mapping[str, Style],
) -> Picture:
    with layout.style():
        return figure(comparison, styles)


def _learning(comparison: Comparison, styles: Mapping[str, Style], score: str) -> Picture:
    test = curves(comparison.metrics, f"test_{score}")
    drawn = {f"test_{score}": test}
    both = len(comparison.arms) <= _MOST_WITH_THIN
    if both:
        drawn[f"train_{score}"] = curves(comparison.metrics, f"train_{score}")
    title = f"Test {score}{by(comparison)}"
    clocks = _clocks(test, curves(comparison.metrics, "seconds")) if score == "accuracy" else {}
    figure, axes = layout.panels(
        title,
        comparison.held,
        names=("", *(f"the same means by {clock}" for clock in clocks)),
        height=(2.3, *(1.1 for _ in clocks)),
        legend=panels.legend_entries(comparison.summary, styles, "training set" if both else ""),
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
        panels.log_axis(ax)
    caption = f"{title} over training: {band(comparison)}."
    single = seeds(comparison.metrics, f"test_{score}")
    if test["n"].max() > 1 and single["run_id"].nunique() <= _MOST_SEEDS:
        panels.draw_seeds(ax, single, styles)
        drawn[f"test_{score} of a run"] = single
        caption += " Hairlines: every seed."
    if score == "loss" and any(setting.startswith("loss") for setting in comparison.varied):
        caption += " Different losses are not on one scale."
    if both:
        caption += " Thin lines: the same on the training set."
    if test["diverged"].any():
        caption += " A cross ends an arm of which a run diverged"
        caption += ": its loss is infinite from there." if score == "loss" else "."
    caption += coinciding(test, stretched)
    for ax, (clock, times) in zip(axes[1:], clocks.items(), strict=True):
        panels.draw_curves(ax, test.assign(x=times, unit=clock, n=1), styles)
        ax.locator_params(axis="y", nbins=4)
        drawn[f"test_{score} by {clock}"] = test.assign(x=times, unit=clock)
    if clocks:
        caption += (
            " By seconds: the mean time a run took to get there. Runs that share a machine slow "
            "one another down, so the seconds are no basis for a claim about speed."
        )
    alt = f"{caption} {ends(test, 'At the end')}"
    return Picture(score, title, caption, alt, figure, _together(drawn))


def _clocks(test: pd.DataFrame, seconds: pd.DataFrame) -> dict[str, pd.Series[float]]:
    """Return by which other times ``test`` is drawn: by updates where they are not in step."""
    clocks = {"seconds": seconds["mean"]}
    moving = test[test["step"] > 0]
    if (moving["x"] / moving["step"]).round(12).nunique() > 1:
        return {"updates": test["step"].astype(float), **clocks}
    return clocks


def _together(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return tables one below the other, told apart by the column ``measure``."""
    named = (table.assign(measure=measure) for measure, table in tables.items())
    both: pd.DataFrame = pd.concat(named, ignore_index=True)
    return both


def _validation(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    held_out = curves(comparison.metrics, "validation_accuracy")
    drawn = {"validation_accuracy": held_out}
    title = f"Validation accuracy{by(comparison)}"
    both = len(comparison.arms) <= _MOST_WITH_THIN
    legend = panels.legend_entries(comparison.summary, styles, "test set" if both else "")
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
    return Picture("validation", title, caption, alt, figure, _together(drawn))


def _final(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    summary = comparison.summary
    title = f"Final test accuracy{by(comparison)}"
    labels = panels.arm_labels(summary, _LABEL)
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
        caption += " A cross is a run that diverged: it counts in the mean."
    if summary[FAILED].any():
        caption += " A failed run has no accuracy."
    means = summary.set_index("arm")["test_accuracy_mean"]
    drawn = comparison.runs[["arm", "seed", "status", "test_accuracy", "run_id"]]
    return Picture("final", title, caption, f"{caption} {told(means, 'Means')}", figure, drawn)


def _activations(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
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
        names=panels.arm_labels(shown, 48 // columns),
        columns=columns,
        height=1.5,
        legend=panels.box_entries(),
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
            panels.symlog_axis(ax, low, high)
    caption = (
        "What each layer (the last is the output) gives for a fixed sample of training images, "
        "hollow before the first update, filled after the last. Box: the middle half; whiskers: "
        f"5 % to 95 %; stroke: the median; each the mean over seeds ({comparison.seeds})."
    )
    if alone:
        caption += " Each arm has a scale of its own."
    caption += survivors(comparison)
    if (table[table["moment"] == "after"].isna().any(axis=1)).any():
        caption += " An arm of which all runs diverged has no box after training."
    after = table[table["moment"] == "after"].dropna()
    width = (after["p95"] - after["p05"]).groupby(after["arm"], observed=True).mean()
    alt = f"{caption} {told(width, 'Whiskers after training span, on average over layers')}"
    return Picture("activations", title, caption, alt, figure, table)


def _gradients(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    table = curves(comparison.mechanism, "gradient_norm")
    title = f"Gradient norm of each layer{by(comparison)}"
    figure, axes = _layer_panels(comparison, styles, table, title, "gradient norm of the weights")
    for ax, rows in axes:
        panels.draw_curves(ax, rows.assign(mean=rows["mean"].replace(0, np.nan)), styles)
        panels.draw_zeros(ax, rows, styles)
    panels.log_axis(axes[0][0])
    layout.label_outer([ax for ax, _ in axes])
    caption = (
        "Frobenius norm of the gradient of the loss by each layer's weights, on a fixed sample of "
        f"training images: {band(comparison)}."
    )
    if (table["mean"] == 0).any():
        caption += " A triangle at the lower edge: exactly 0."
    caption += survivors(comparison) + _ended(table) + _left_out(comparison, axes)
    caption += coinciding(table, stretched=True)
    alt = f"{caption} {_first_layer(table)}"
    return Picture("gradients", title, caption, alt, figure, table)


def _saturation(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    hidden = comparison.mechanism[comparison.mechanism["kind"] == "hidden"]
    table, dead = curves(hidden, "saturated"), curves(hidden, "dead")
    title = f"Saturation of the hidden layers{by(comparison)}"
    both = len(comparison.arms) <= _MOST_WITH_THIN
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
        caption += " Thin lines: share of units that are so at every example (dead)."
    caption += (
        survivors(comparison) + _ended(table) + _left_out(comparison, axes) + coinciding(table)
    )
    alt = f"{caption} {_first_layer(table)}"
    drawn = _together({"saturated": table} | ({"dead": dead} if both else {}))
    return Picture("saturation", title, caption, alt, figure, drawn)


def _symmetry(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    hidden = comparison.mechanism[comparison.mechanism["kind"] == "hidden"]
    table = curves(hidden, "distinct_units")
    title = f"Distinct hidden units{by(comparison)}"
    figure, axes = _layer_panels(comparison, styles, table, title, "distinct units")
    for ax, rows in axes:
        panels.draw_curves(ax, rows, styles)
    layout.label_outer([ax for ax, _ in axes])
    axes[0][0].set_ylim(-0.06 * hidden["units"].max(), 1.06 * hidden["units"].max())
    caption = (
        "How many units of a layer differ by more than 0.1 % of the largest in their incoming "
        "weights; units that are alike do the work of one, and would stay so for ever but for "
        f"rounding, which can part them: {band(comparison)}."
    )
    caption += (
        survivors(comparison) + _ended(table) + _left_out(comparison, axes) + coinciding(table)
    )
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
    """Return a figure with a panel a layer (hidden ones spread evenly), and each one's rows."""
    about = comparison.mechanism[["arm", "layer", "kind", "units"]].drop_duplicates(
        ["arm", "layer"]
    )
    about = about[about["layer"].isin(table["layer"])]
    outputs = about["kind"] == "output"
    depths = about["layer"][outputs].nunique()
    # Where depths differ, the output of one network stands not beside a hidden layer of another.
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
        told = [kind] if name.startswith("layer") else []
        told += [f"{units[0]} units"] if len(units) == 1 else []
        names.append(f"{name} ({', '.join(told)})" if told else name)
    legend = panels.legend_entries(comparison.summary, styles, thin)
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
    return f" Shown are {shown} of {count} hidden layers." if shown < count else ""


def _first_layer(table: pd.DataFrame) -> str:
    return ends(table[table["layer"] == 1], "Layer 1 at the end")
