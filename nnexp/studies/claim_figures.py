"""The figures of claims: every pair beside its verdict, where a claim holds, published curves."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nnexp.plotting import layout, panels, scales
from nnexp.plotting.layout import FAINT, INK, NEUTRAL, words_on
from nnexp.plotting.picture import Picture
from nnexp.store.tables import Tables
from nnexp.studies.judging import Judgement, band, differences, maps
from nnexp.studies.study import ORDERS, Claim, Study

_WIDTH = 5.4
# The names of the pictures, the latter two followed by their claim's id.
_PAIRS, _MAP, _CURVE = "pairs", "map", "curve"
# Columns of a map that can be read at half a page's width.
_MOST_ACROSS = 6
_OURS, _THEIRS = "#0072B2", "#D55E00"
_SMALL = 9.0


def pictures(study: Study, judgements: Sequence[Judgement], tables: Tables) -> list[Picture]:
    """Return the figures of a study's claims: one of all comparisons, one of each map and curve."""
    told = {judgement.claim: judgement for judgement in judgements}
    compared = [claim for claim in study.claims if claim.test in ORDERS]
    drawn = []
    with layout.style():
        if compared:
            pairs = {claim.id: differences(claim, tables) for claim in compared}
            drawn.append(_pairs(study, compared, pairs, told))
        cells = maps(study, tables)
        for claim in compared:
            if claim.map:
                drawn.append(_map(claim, cells[cells["claim"] == claim.id], told[claim.id]))
        for claim in study.claims:
            if claim.test == "curve":
                drawn.append(_curve(claim, band(claim, tables), told[claim.id]))
    return drawn


def claims_of(picture: Picture, study: Study) -> tuple[str, ...]:
    """Return the ids of the claims of ``study`` that a picture of `pictures` belongs to."""
    if picture.name == _PAIRS:
        return tuple(claim.id for claim in study.claims if claim.test in ORDERS)
    kind, _, name = picture.name.partition("-")
    return (name,) if kind in (_MAP, _CURVE) else ()


def _pairs(
    study: Study,
    claims: Sequence[Claim],
    pairs: Mapping[str, pd.DataFrame],
    told: Mapping[str, Judgement],
) -> Picture:
    groups: dict[str, list[Claim]] = {}
    for claim in claims:
        unit = "percentage points" if _in_points(claim) else _unit(claim)
        groups.setdefault(unit, []).append(claim)
    labels = {claim.id: textwrap.wrap(_label(claim), 24) for claim in claims}
    heights = [0.75 + sum(0.24 + 0.16 * len(labels[c.id]) for c in g) for g in groups.values()]
    figure = Figure(figsize=(_WIDTH, 0.75 + sum(heights)), layout="constrained")
    title = "Differences, pair by pair"
    figure.suptitle(title, x=0.02, ha="left", fontweight="bold")
    axes = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights).ravel()
    for ax, (unit, own) in zip(axes, groups.items(), strict=True):
        _draw_pairs(ax, unit, own, pairs, told, labels)
    level = 100 * (told[claims[0].id].level or 0)
    counts = [len(pairs[claim.id]) for claim in claims]
    n = f"n = {min(counts)}" + (f" to {max(counts)}" if min(counts) < max(counts) else "")
    sure = f"{100 * (1 - study.alpha):.4g} %"
    together = f" (together {sure} for the {study.family} comparisons of the study)"
    together = together if study.family > 1 else ""
    caption = (
        f"Each dot is a seed ({n}): first arm − second arm. The bar is the median with its "
        f"{level:.4g} % interval{together}; grey: differences too small to matter."
    )
    spoken = " ".join(f"{told[c.id].statement} {told[c.id].verdict}." for c in claims)
    table = pd.concat([pairs[claim.id].assign(claim=claim.id) for claim in claims])
    return Picture(_PAIRS, title, caption, f"{caption} {spoken}", figure, table)


def _draw_pairs(
    ax: Axes,
    unit: str,
    claims: Sequence[Claim],
    pairs: Mapping[str, pd.DataFrame],
    told: Mapping[str, Judgement],
    labels: Mapping[str, list[str]],
) -> None:
    sizes = []
    for row, claim in enumerate(claims):
        scale = 100 if _in_points(claim) else 1
        values = pairs[claim.id]["difference"].to_numpy(float) * scale
        values = values[np.isfinite(values)]
        area: dict[str, Any] = {"color": FAINT, "linewidth": 0, "zorder": 0}
        ax.fill_betweenx(
            [row - 0.42, row + 0.42], -claim.matters * scale, claim.matters * scale, **area
        )
        judgement = told[claim.id]
        ax.text(
            1.01, row, judgement.verdict, transform=ax.get_yaxis_transform(), va="center",
            fontsize=_SMALL, fontweight="bold" if judgement.verdict == "reproduced" else "normal",
        )  # fmt: skip
        if not len(values):
            continue
        sizes.append(abs(float(np.median(values))) or claim.matters * scale)
        y = row + 0.16 + np.linspace(0, 0.16, len(values)) if len(values) > 1 else [row + 0.2]
        ax.plot(values, y, "o", color=_OURS, markersize=3.2, alpha=0.55, markeredgewidth=0)
        bounds = np.array([judgement.low, judgement.high], float) * scale
        if np.isfinite(bounds).all():
            ax.plot(bounds, [row - 0.08] * 2, color=INK, linewidth=2)
        ax.plot(np.median(values), row - 0.08, "D", color=INK, markersize=5, clip_on=False)
    ax.axvline(0, color=NEUTRAL, linewidth=1)
    if sizes and max(sizes) > panels.FAR * min(sizes):
        matters = min(claim.matters for claim in claims) * (100 if _in_points(claims[0]) else 1)
        threshold = 10.0 ** np.ceil(np.log10(max(matters, min(sizes) / 10)))
        scales.stretch_axis(ax, threshold)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5))
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:.4g}")
    ax.set_yticks(range(len(claims)), ["\n".join(labels[c.id]) for c in claims])
    ax.tick_params(axis="y", length=0, labelsize=_SMALL)
    ax.set_ylim(len(claims) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(textwrap.fill(unit, 48))


def _in_points(claim: Claim) -> bool:
    return claim.outcome.is_accuracy and claim.scale == "plain"


def _unit(claim: Claim) -> str:
    return f"log10 of the {claim.outcome}" if claim.scale == "log10" else str(claim.outcome)


def _label(claim: Claim) -> str:
    if claim.threshold is not None:
        return f"{_name(claim.arms[0])} - {claim.threshold:g}"
    named = " - ".join(map(_name, claim.arms))
    where = ", ".join(f"{k} {v}" for k, v in {**claim.where, **claim.at}.items())
    tuned = f"at its best {claim.tuned['over']} each" if claim.tuned else ""
    about = ", ".join(filter(None, (where, tuned)))
    return f"{named} ({about})" if about else named


def _name(arm: str) -> str:
    return arm.replace("_", " ")


def _map(claim: Claim, cells: pd.DataFrame, judgement: Judgement) -> Picture:
    keys = list(claim.map)
    if len(keys) == 2 and cells[keys[1]].nunique() > _MOST_ACROSS:
        keys.reverse()
    across, down = (keys[-1], keys[:-1])
    scale = 100 if _in_points(claim) else 1
    table = cells.assign(down=[" ".join(map(str, r)) for r in cells[down].to_numpy()] or "")
    rows, columns = list(dict.fromkeys(table["down"])), sorted(set(table[across]), key=_number)
    values = np.full((len(rows), len(columns)), np.nan)
    size = (max(4.2, 1.6 + 0.72 * len(columns)), 1.7 + 0.46 * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    ax = figure.subplots()
    texts = []
    for cell in table.to_dict("records"):
        i, j = rows.index(cell["down"]), columns.index(cell[across])
        values[i, j] = cell["difference"] * scale
        doubt = " ?" if cell["holds"] == "unclear" else ""
        texts.append((j, i, f"{values[i, j]:+.3g}{doubt}"))
    known = values[np.isfinite(values)]
    most = max(np.abs(known).max(), 1e-12) if known.size else 1.0
    norm = TwoSlopeNorm(0, -most, most)
    image = ax.imshow(values, cmap="PuOr_r", norm=norm, aspect="auto")
    for j, i, text in texts:
        colour = words_on(image.to_rgba(values[i, j])[:3])
        ax.text(j, i, text, ha="center", va="center", color=colour, fontsize=_SMALL)
    ax.set_xticks(range(len(columns)), [_text(c) for c in columns])
    ax.set_yticks(range(len(rows)) if down else [], rows if down else [])
    ax.set_xlabel(across)
    ax.set_ylabel(" ".join(down))
    ax.grid(visible=False)
    title = "\n".join(textwrap.wrap(f"Where it holds: {claim.statement}", int(9.5 * size[0])))
    figure.suptitle(title, x=0.02, ha="left", fontsize=10.5, fontweight="bold")
    direction = "second − first" if claim.test == "less" else "first − second"
    unit = "percentage points" if scale == 100 else _unit(claim)
    n = cells["n"]
    seeds = f"n = {n.min()}" if n.min() == n.max() else f"n = {n.min()} to {n.max()}"
    caption = (
        f"Median difference in each cell, {direction} arm, in {unit} ({seeds} pairs per cell). "
        "Above 0 the claim holds in that cell, below 0 its reverse; ?: the plain 95 % interval "
        f"includes 0. It holds in {judgement.holds_in}. Descriptive."
    )
    told = title.replace("\n", " ")
    return Picture(f"{_MAP}-{claim.id}", told, caption, caption, figure, cells)


def _curve(claim: Claim, table: pd.DataFrame, judgement: Judgement) -> Picture:
    figure = Figure(figsize=(_WIDTH, 5.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    scale = 100 if claim.outcome.is_accuracy else 1
    _draw_curve(above, table, 1)
    values = table.filter(regex="^(published|run )").to_numpy(float)
    values = values[np.isfinite(values)]
    if not claim.outcome.is_accuracy and values.min() > 0 and values.max() > 8 * values.min():
        scales.log_axis(above)
        above.set_ylim(0.7 * values.min(), 1.4 * values.max())
    above.set_ylabel(str(claim.outcome))
    above.legend()
    _draw_curve(below, table.set_index("at").sub(table["mean"].to_numpy(), axis=0), scale)
    below.axhline(0, color=NEUTRAL, linewidth=1)
    below.set_ylabel("− our mean\n(points)" if scale == 100 else "− our mean")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    below.set_xlabel("updates" if claim.by == "step" else "epochs")
    figure.suptitle(
        "\n".join(textwrap.wrap(claim.statement, 58)), x=0.02, ha="left", fontsize=10.5,
        fontweight="bold",
    )  # fmt: skip
    caption = (
        f"The published figures and our runs (n = {judgement.n}); below, both minus the mean of "
        f"our runs. {judgement.measured}: {judgement.verdict}. The joint 95 % prediction band "
        "contains a whole new run in 95 of 100 cases."
    )
    name = f"{_CURVE}-{claim.id}"
    return Picture(name, claim.statement, caption, caption, figure, table)


def _draw_curve(ax: Axes, table: pd.DataFrame, scale: float) -> None:
    """Draw the published points over our runs; ``at`` is a column of ``table``, or its index."""
    at = table["at"].to_numpy(float) if "at" in table else table.index.to_numpy(float)
    runs = [column for column in table if str(column).startswith("run ")]
    if np.isfinite(table["high"]).all():
        look: dict[str, Any] = {"color": _OURS, "alpha": 0.18, "linewidth": 0}
        low, high = table["low"] * scale, table["high"] * scale
        ax.fill_between(at, low, high, **look, label="joint 95 % band")
    for place, run in enumerate(runs):
        label = f"our runs (n = {len(runs)})" if not place else None
        ax.plot(at, table[run] * scale, color=_OURS, linewidth=0.7, alpha=0.6, label=label)
    look = {"color": _THEIRS, "markersize": 5.5, "zorder": 4, "label": "published"}
    ax.plot(at, table["published"] * scale, "o", **look)


def _number(value: Any) -> Any:
    try:
        return (0, float(value))
    except (TypeError, ValueError):
        return (1, str(value))


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)
