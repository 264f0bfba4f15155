"""The picture of depth: what each layer holds and what error reaches it, measured and in theory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from nnexp.analysis.arms import Comparison
from nnexp.analysis.names import moment_words
from nnexp.config import identity, registry
from nnexp.data import KINDS, DataSettings, load
from nnexp.messages.language import tr
from nnexp.nn import mean_field
from nnexp.plotting import layout, panels, scales
from nnexp.plotting.captions import band, by, omitted
from nnexp.plotting.facets import Facets, extremes_note, facets
from nnexp.plotting.marks import mark
from nnexp.plotting.picture import Picture
from nnexp.plotting.styles import Style
from nnexp.store.record import DIVERGED, FAILED

Array = npt.NDArray[Any]

MEASURES = ("activation", "error")
MOMENTS = ("before", "after")
_PROBE = 1000
# Inputs are grouped by size for the theory: as good as one by one, and faster.
_GROUPS = 40
# Below this share of its activations' mean, a layer's spread is a matter of rounding.
_ROUNDING = 1e-6
_HEIGHT = 1.6
_THEORY: dict[str, Any] = {"color": "#000000", "linestyle": (0, (4, 2)), "linewidth": 0.9}


def probe(settings: DataSettings) -> Array:
    """Return about a thousand training inputs (n, features), spread evenly over the set."""
    x = load(settings).train.x
    few: Array = x[:: max(1, len(x) // _PROBE)].copy()  # a view would keep the whole set in memory
    return few


def inputs(comparison: Comparison) -> dict[str, Array]:
    """Return the `probe` of each arm whose data ship with nnexp: no others are looked for."""
    probes: dict[str, Array] = {}
    for row in comparison.runs.drop_duplicates("arm").to_dict("records"):
        if row["data"] in KINDS and KINDS[row["data"]].shipped:
            data = identity.settings({str(k): v for k, v in row.items()})["data"]
            probes[str(row["arm"])] = probe(DataSettings.from_mapping(data))
    return probes


def has_depth(comparison: Comparison) -> bool:
    """Tell whether some arm has two hidden layers or more: else there is nothing to draw."""
    layers = comparison.layers
    if layers.empty:
        return False
    return bool(((layers["kind"] == "hidden") & (layers["layer"] > 1)).any())


def table(comparison: Comparison, x: Mapping[str, Array] | None = None) -> pd.DataFrame:
    """Return the measures of every layer before the first update and after the last.

    Columns: ``arm layer moment measure mean low high n theory``. ``measure`` is ``activation``, the
    standard deviation of a hidden layer's activations over units and examples, or ``error``, the
    root mean square of one example's gradient by the layer's pre-activations. ``low`` and ``high``
    are the lowest and the highest of ``n`` seeds. Of an arm of which some runs diverged these are
    the others'; one of which all did is empty after training. ``theory`` is filled before training
    where `nnexp.nn.mean_field` has a line, for which it takes some inputs ``x (n, features)`` of
    each arm; that of the error starts at the output's measured one.
    """
    layers = comparison.mechanism[comparison.mechanism["status"] != FAILED]
    mean, std = (layers[f"gradient_{part}"].astype(float) for part in ("mean", "std"))
    spread, middle = (layers[f"activation_{part}"].astype(float) for part in ("std", "mean"))
    spread = spread.mask(spread < _ROUNDING * middle.abs(), 0.0)
    layers = layers.assign(activation=spread, error=np.hypot(mean, std))
    steps = layers.groupby("run_id")["step"]
    moments = {
        "before": layers[layers["step"] == steps.transform("min")],
        "after": layers[layers["step"] == steps.transform("max")],
    }
    parts = []
    for moment, rows in moments.items():
        for measure in MEASURES:
            own = rows[rows["kind"] == "hidden"] if measure == "activation" else rows
            values = own[measure]
            if moment == "after":
                values = values.mask(own["status"] == DIVERGED)
            # An infinite value survives the mean, where an empty one would be left out of it.
            by_layer = values.fillna(np.inf).groupby([own["arm"], own["layer"]], observed=True)
            part = by_layer.agg(mean="mean", low="min", high="max", n="count").reset_index()
            infinite = ~np.isfinite(part["mean"])
            part[["mean", "low", "high"]] = part[["mean", "low", "high"]].mask(infinite, axis=0)
            parts.append(part.assign(moment=moment, measure=measure))
    both = pd.concat(parts, ignore_index=True)
    lines = _lines(comparison, both, x or {})
    keys = both[["arm", "layer", "moment", "measure"]].itertuples(index=False, name=None)
    both["theory"] = [lines.get(key, math.nan) for key in keys]
    order = ["arm", "layer", "moment", "measure", "mean", "low", "high", "n", "theory"]
    result: pd.DataFrame = both[order]
    return result


def picture(comparison: Comparison, x: Mapping[str, Array] | None = None) -> Picture:
    """Return the figure of `table`: activations above, errors below, before and after training.

    It is for comparisons that `has_depth`. An arm without ``x (n, features)`` has no theory.
    """
    chosen = facets(comparison, (), 1)
    with layout.style():
        return _picture(chosen, table(chosen.shown.only(chosen.styles), x), len(comparison.arms))


def _picture(chosen: Facets, rows: pd.DataFrame, count: int) -> Picture:
    """Return the figure of those of ``count`` arms that are chosen."""
    comparison, styles = chosen.shown.only(chosen.styles), chosen.styles
    title = by(comparison, tr("Spreads through depth"))
    legend = chosen.legend()[: len(styles)]
    known = bool(rows["theory"].notna().any())
    if known:
        legend.append(Line2D([], [], **_THEORY, label=tr("theory")))
    names = [moment_words(moment) for moment in MOMENTS]
    figure, parts = layout.panels(
        title,
        comparison.held,
        names=[*names, "", ""],
        columns=2,
        height=_HEIGHT,
        legend=legend,
        sharey=False,
    )
    grid = (parts[:2], parts[2:])
    nothing = False
    labels = {"activation": tr("activation (std)"), "error": tr("error (rms)")}
    for (measure, name), axes in zip(labels.items(), grid, strict=True):
        axes[1].sharey(axes[0])
        own = rows[rows["measure"] == measure]
        own = own.assign(x=own["layer"], unit="layer", diverged=0)
        positive = own.loc[own["mean"] > 0, "mean"]
        log = len(positive) > 0 and positive.max() > 6 * positive.min()
        for moment, ax in zip(MOMENTS, axes, strict=True):
            drawn = own[own["moment"] == moment]
            _draw(ax, drawn, styles, log=log)
            ax.set_ylabel(name)
        if log:
            scales.log_axis(axes[0])
        if log and (own["mean"] == 0).any():
            nothing = True
            low, high = axes[0].get_ylim()
            axes[0].set_ylim(low * (low / high) ** 0.12, high)  # room for the triangles
    layout.label_outer(parts)
    figure.align_ylabels([grid[0][0], grid[1][0]])
    caption = tr(
        "Top: the standard deviation of each hidden layer's activations over its units and a "
        "fixed sample of training examples. Bottom: the root mean square of an example's gradient "
        "with respect to each layer's pre-activations; the last layer is the output: {band}.",
        band=band(comparison),
    )
    if len(styles) < count:
        caption += extremes_note(list(styles), count, tr("are shown"))
    if known:
        caption += " " + tr(
            "Dashed: mean-field theory of random weights with mean 0; its errors start from the "
            "measured one at the output."
        )
    if nothing:
        caption += f" {tr('A triangle at the lower edge: 0, up to rounding.')}"
    caption += omitted(comparison)
    if (comparison.mechanism["status"] == DIVERGED).any():
        caption += f" {tr('Arms whose runs all diverged have no line after training.')}"
    alt = f"{caption} {_factors(rows)}".strip()
    return Picture("depth", title, caption, alt, figure, rows)


def _draw(ax: Axes, table: pd.DataFrame, styles: Mapping[str, Style], *, log: bool) -> None:
    """Draw one measure of one moment: every arm, its zeros where the axis has none, its theory."""
    shown = table.assign(mean=table["mean"].replace(0, np.nan)) if log else table
    panels.draw_curves(ax, shown, styles)
    if log:  # side by side where several arms have none
        zeros = table[table["mean"] == 0]
        place = zeros["arm"].astype(str).map({a: i for i, a in enumerate(zeros["arm"].unique())})
        panels.draw_zeros(ax, zeros.assign(x=zeros["layer"] + 0.15 * place.astype(float)), styles)
    for arm, line in table.dropna(subset="theory").groupby("arm", observed=True):
        values = line["theory"].replace(0, np.nan) if log else line["theory"]
        single: dict[str, Any] = {"marker": "_", "markersize": 12} if len(line) == 1 else {}
        ax.plot(line["x"], values, **_THEORY, **single, zorder=6, gid=mark(tr("theory"), [arm]))


def _lines(
    comparison: Comparison, measured: pd.DataFrame, x: Mapping[str, Array]
) -> dict[tuple[Any, ...], float]:
    """Return theory's values by arm, layer, moment and measure."""
    lines: dict[tuple[Any, ...], float] = {}
    before = measured[(measured["measure"] == "error") & (measured["moment"] == "before")]
    for arm, rows in comparison.runs.groupby("arm", observed=True):
        if arm not in x:
            continue
        squares = _grouped(np.mean(np.square(x[str(arm)], dtype=np.float64), axis=1))
        own = comparison.layers[comparison.layers["run_id"] == rows["run_id"].iloc[0]]
        units = own.drop_duplicates("layer").sort_values("layer")["units"]
        (first,) = rows.iloc[:1].to_dict("records")
        settings = identity.settings({str(k): v for k, v in first.items()})
        layers = _theory(settings, (x[str(arm)].shape[1], *map(int, units)), squares)
        if not layers:
            continue
        error = float(before.loc[before["arm"] == arm].set_index("layer")["mean"][len(layers)])
        lines[arm, len(layers), "before", "error"] = error
        for layer in range(len(layers) - 1, 0, -1):
            theory = layers[layer - 1]
            error *= math.sqrt(theory.backward)
            lines[arm, layer, "before", "error"] = error
            lines[arm, layer, "before", "activation"] = theory.activation_std
    return lines


def _grouped(values: Array) -> Array:
    """Return the means of equal shares of ``values (n,)``, in order of size: of one mean with it.

    A value between two shares counts in each by its part.
    """
    n, groups = len(values), min(_GROUPS, len(values))
    total = np.concatenate([[0.0], np.cumsum(np.sort(values))])
    ends = np.interp(np.linspace(0, n, groups + 1), np.arange(n + 1), total)
    shares: Array = np.diff(ends) * (groups / n)
    return shares


def _theory(
    settings: Mapping[str, Any], sizes: tuple[int, ...], squares: Array
) -> list[mean_field.LayerTheory]:
    """Return what theory says of a run's layers: nothing of what it does not cover."""
    groups = ("init", "bias_init", "activation")
    own = any(settings[group]["name"] not in registry.CHOICES[group] for group in groups)
    pruned = settings.get("pruning", {"name": "none"})["name"] != "none"
    if len(sizes) < 3 or settings["quirk"] or own or pruned:
        return []
    init, bias_init, activation = (registry.read(group, settings[group]) for group in groups)
    weights, biases = (
        mean_field.moments(choice.name, **dict(choice.parameters)) for choice in (init, bias_init)
    )
    if weights is None or biases is None or weights(1, 1)[0]:
        return []
    built = registry.build("activation", activation)
    return mean_field.propagate(sizes, built, weights, biases, squares)


def _factors(rows: pd.DataFrame) -> str:
    """Return the factor per layer by which the error changes on its way back, before training."""
    own = rows[(rows["measure"] == "error") & (rows["moment"] == "before")]
    factors = []
    for arm, line in own.groupby("arm", observed=True):
        hidden = line.sort_values("layer").iloc[:-1]
        steps = len(hidden) - 1
        if steps < 1 or not hidden["mean"].iloc[-1] > 0:
            continue
        first, last = hidden.iloc[0], hidden.iloc[-1]
        factor = (first["mean"] / last["mean"]) ** (1 / steps)
        text = f"{arm} {factor:.3g}"
        if last["theory"] > 0:
            theory = f"{(first['theory'] / last['theory']) ** (1 / steps):.3g}"
            text += f" ({tr('theory {factor}', factor=theory)})"
        factors.append(text)
    if not factors:
        return ""
    return tr(
        "Before training, each hidden layer passes back the error times, on average: {factors}.",
        factors=", ".join(factors),
    )
