"""The figures of a sweep: which there are, by what was varied and recorded."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from nnexp.analysis.arms import QUANTILES, Comparison, curves
from nnexp.analysis.effects import Effects, Factor, effects, swept
from nnexp.plotting import (
    factor_figures,
    layer_figures,
    layout,
    signal_propagation,
    training_figures,
    tuning_figures,
)
from nnexp.plotting.captions import TUNING
from nnexp.plotting.facets import Facets, all_styles, facets
from nnexp.plotting.picture import Picture
from nnexp.plotting.styles import Style


class _Sweep(NamedTuple):
    """What the figures are drawn from."""

    comparison: Comparison
    effects: Effects
    facets: Facets
    styles: Mapping[str, Style]
    timed: bool


def pictures(
    comparison: Comparison, names: Collection[str] | None = None, timed: bool = True
) -> Iterator[Picture]:
    """Yield the figures of ``comparison``, the result first, then the mechanism.

    With ``names``, only those of its figures are drawn; ``timed`` is as for `figures`.
    """
    for name, draw in figures(comparison, timed).items():
        if names is None or name in names:
            yield draw()


def figures(comparison: Comparison, timed: bool = True) -> dict[str, Callable[[], Picture]]:
    """Return a function that draws each of the `FIGURES` that ``comparison`` has, by its name.

    A figure for each tuned setting follows. The result is empty if every run failed. Accuracies are
    also drawn by the seconds of training if ``timed``.
    """
    if comparison.metrics.empty:
        return {}
    found = effects(comparison)
    chosen = facets(comparison, found.grid)
    sweep = _Sweep(comparison, found, chosen, all_styles(comparison, chosen), timed)
    there = {*comparison.layers}
    drawn = {
        name: draw
        for name, (applies, draw) in FIGURES.items()
        if there.issuperset(LAYER_FIGURES.get(name, ())) and applies(sweep)
    }
    drawn |= {f"{TUNING}{s}": functools.partial(_tuning, setting=s) for s in comparison.tuned}
    return {name: functools.partial(_styled, draw, sweep) for name, draw in drawn.items()}


def looks(comparison: Comparison) -> dict[str, tuple[str, Any]]:
    """Return the colour and the line of each arm, as in the figures of training."""
    styles = all_styles(comparison, facets(comparison, swept(comparison)))
    return {arm: (style.colour, style.line) for arm, style in styles.items()}


def _styled(draw: Callable[[_Sweep], Picture], sweep: _Sweep) -> Picture:
    with layout.style():
        return draw(sweep)


def _always(sweep: _Sweep) -> bool:
    return True


def _has_pairs(sweep: _Sweep) -> bool:
    table = sweep.effects.table
    return len(table) > 0 and bool(table["n"].max() > 1)


def _has_two_factors(sweep: _Sweep) -> bool:
    return len(sweep.effects.grid) == 2


def _has_numeric_factor(sweep: _Sweep) -> bool:
    return factor_figures.numeric(sweep.effects.grid) is not None


def _has_validation(sweep: _Sweep) -> bool:
    return "validation_accuracy" in sweep.comparison.metrics


def _has_layers(sweep: _Sweep) -> bool:
    return len(sweep.comparison.layers) > 0


def _has_gradients(sweep: _Sweep) -> bool:
    """Tell whether there are gradients; a run may diverge before it has any."""
    return _has_layers(sweep) and len(curves(sweep.facets.shown.layers, "gradient_norm")) > 0


def _has_hidden_layers(sweep: _Sweep) -> bool:
    return _has_layers(sweep) and bool((sweep.comparison.layers["kind"] == "hidden").any())


def _has_equal_units(sweep: _Sweep) -> bool:
    if not _has_layers(sweep):
        return False
    hidden = sweep.comparison.layers[sweep.comparison.layers["kind"] == "hidden"]
    return bool((hidden["distinct_units"] < hidden["units"]).any())


def _has_depth(sweep: _Sweep) -> bool:
    return signal_propagation.has_depth(sweep.comparison)


def _learning(sweep: _Sweep, score: str) -> Picture:
    return training_figures.learning(sweep.facets, score, sweep.timed)


def _differences(sweep: _Sweep) -> Picture:
    return factor_figures.differences(sweep.comparison, sweep.styles, sweep.effects)


def _cells(sweep: _Sweep) -> Picture:
    down, across = sweep.effects.grid
    return factor_figures.cells(sweep.comparison, (down, across))


def _response(sweep: _Sweep) -> Picture:
    over = factor_figures.numeric(sweep.effects.grid)
    assert over is not None
    return factor_figures.response(sweep.comparison, over, sweep.effects.grid)


def _depth(sweep: _Sweep) -> Picture:
    chosen = facets(sweep.comparison, (), 1)  # inputs of thousands of arms would fill the memory
    inputs = signal_propagation.inputs(chosen.shown.only(chosen.styles))
    return signal_propagation.picture(sweep.comparison, inputs)


def _tuning(sweep: _Sweep, setting: str) -> Picture:
    return tuning_figures.tuning(sweep.comparison, setting)


def _validation(sweep: _Sweep) -> Picture:
    return training_figures.validation(sweep.facets)


def _has_sharpness(sweep: _Sweep) -> bool:
    metrics = sweep.facets.shown.metrics
    return "sharpness" in metrics and bool(metrics["sharpness"].notna().any())


def _has_distance(sweep: _Sweep) -> bool:
    layers = sweep.facets.shown.layers
    return "distance" in layers and bool(layers["distance"].notna().any())


def _sharpness(sweep: _Sweep) -> Picture:
    return training_figures.sharpness(sweep.facets)


def _layers(draw: Callable[[Comparison, Sequence[Factor]], Picture]) -> Callable[[_Sweep], Picture]:
    """Return what draws a figure of layers."""
    return lambda sweep: draw(sweep.comparison, sweep.effects.grid)


def _plain(
    draw: Callable[[Comparison, Mapping[str, Style]], Picture],
) -> Callable[[_Sweep], Picture]:
    """Return what draws a figure that needs the comparison and its styles alone."""
    return lambda sweep: draw(sweep.comparison, sweep.styles)


# By its name, which sweeps have a figure, and what draws it.
FIGURES: dict[str, tuple[Callable[[_Sweep], bool], Callable[[_Sweep], Picture]]] = {
    "loss": (_always, functools.partial(_learning, score="loss")),
    "accuracy": (_always, functools.partial(_learning, score="accuracy")),
    "final": (_always, _plain(training_figures.final)),
    "differences": (_has_pairs, _differences),
    "cells": (_has_two_factors, _cells),
    "response": (_has_numeric_factor, _response),
    "validation": (_has_validation, _validation),
    "sharpness": (_has_sharpness, _sharpness),
    "activations": (_has_layers, _plain(layer_figures.activations)),
    "gradients": (_has_gradients, _layers(layer_figures.gradients)),
    "distance": (_has_distance, _layers(layer_figures.distance)),
    "saturation": (_has_hidden_layers, _layers(layer_figures.saturation)),
    "symmetry": (_has_equal_units, _layers(layer_figures.symmetry)),
    "depth": (_has_depth, _depth),
}
# The columns of the statistics of layers that figures show, at every evaluation or at both ends.
LAYER_FIGURES: dict[str, tuple[str, ...]] = {
    "activations": tuple(f"activation_{q}" for q in QUANTILES),
    "gradients": ("gradient_norm",),
    "distance": ("distance",),
    "saturation": ("saturated", "dead"),
    "symmetry": ("distinct_units",),
    "depth": ("activation_mean", "activation_std", "gradient_mean", "gradient_std"),
}
