"""The figures of a sweep: which there are, by what was varied and recorded."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping

from nnexp.analysis.arms import Comparison, curves
from nnexp.analysis.effects import effects
from nnexp.plotting import (
    factor_figures,
    layer_figures,
    layout,
    signal_propagation,
    training_figures,
)
from nnexp.plotting.picture import Picture
from nnexp.plotting.styles import Style, arm_styles


def pictures(comparison: Comparison, names: Collection[str] | None = None) -> Iterator[Picture]:
    """Yield the figures of ``comparison``, the result first, then the mechanism.

    With ``names``, only those of its figures are drawn.
    """
    for name, draw in figures(comparison).items():
        if names is None or name in names:
            yield draw()


def figures(comparison: Comparison) -> dict[str, Callable[[], Picture]]:
    """Return a function that draws each figure of ``comparison``, by the figure's name.

    The result is empty if every run failed. Symmetry is drawn only where units coincide. Paired
    differences need two seeds, cells two factors, and a curve a numeric factor.
    """
    if comparison.metrics.empty:
        return {}
    styles = arm_styles(comparison)
    draw: dict[str, Callable[[Comparison, Mapping[str, Style]], Picture]] = {
        "loss": functools.partial(training_figures.learning, score="loss"),
        "accuracy": functools.partial(training_figures.learning, score="accuracy"),
        "final": training_figures.final,
    }
    measured = effects(comparison)
    if len(measured.table) and measured.table["n"].max() > 1:
        draw["differences"] = functools.partial(factor_figures.differences, measured=measured)
    if len(measured.grid) == 2:
        draw["cells"] = functools.partial(factor_figures.cells, grid=measured.grid)
    if (over := factor_figures.numeric(measured.grid)) is not None:
        draw["response"] = functools.partial(factor_figures.response, over=over, grid=measured.grid)
    if "validation_accuracy" in comparison.metrics:
        draw["validation"] = training_figures.validation
    if len(comparison.layers):
        draw["activations"] = layer_figures.activations
        if len(curves(comparison.layers, "gradient_norm")):  # a run may diverge before any
            draw["gradients"] = layer_figures.gradients
        hidden = comparison.layers[comparison.layers["kind"] == "hidden"]
        if len(hidden):
            draw["saturation"] = layer_figures.saturation
        if (hidden["distinct_units"] < hidden["units"]).any():
            draw["symmetry"] = layer_figures.symmetry
    drawn: dict[str, Callable[[], Picture]] = {
        name: functools.partial(_styled, figure, comparison, styles)
        for name, figure in draw.items()
    }
    if signal_propagation.has_depth(comparison):
        drawn["depth"] = functools.partial(_depth, comparison)
    return drawn


def _depth(comparison: Comparison) -> Picture:
    return signal_propagation.picture(comparison, signal_propagation.inputs(comparison))


def _styled(
    figure: Callable[[Comparison, Mapping[str, Style]], Picture],
    comparison: Comparison,
    styles: Mapping[str, Style],
) -> Picture:
    with layout.style():
        return figure(comparison, styles)
