"""Computations that claims about code or arithmetic name: a document's examples, computed again.

Each takes plain numbers, lists and names, as a study's file gives them under ``given``, and returns
named quantities, floats or float64 arrays. They use the same code as training does.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnexp.errors import InputError, suggestion, unknown
from nnexp.studies.computations.arguments import Array, Quantities, numbers
from nnexp.studies.computations.bias_gradients import bias_gradients
from nnexp.studies.computations.facts import (
    correlation_length,
    deep_linear,
    derivative_bound,
    label_mixup,
    parameter_count,
)
from nnexp.studies.computations.gradients import gradient_agreement, gradient_cost, loss_gradient
from nnexp.studies.computations.neuron import faster_neuron, one_neuron
from nnexp.studies.computations.printed import cross_entropy_of, forward, softmax
from nnexp.studies.computations.random_relu import born_dead_share, length_moments

COMPUTATIONS: dict[str, Callable[..., Quantities]] = {
    "forward": forward,
    "softmax": softmax,
    "cross_entropy_of": cross_entropy_of,
    "loss_gradient": loss_gradient,
    "gradient_agreement": gradient_agreement,
    "deep_linear": deep_linear,
    "derivative_bound": derivative_bound,
    "parameter_count": parameter_count,
    "label_mixup": label_mixup,
    "correlation_length": correlation_length,
    "gradient_cost": gradient_cost,
    "bias_gradients": bias_gradients,
    "one_neuron": one_neuron,
    "faster_neuron": faster_neuron,
    "born_dead_share": born_dead_share,
    "length_moments": length_moments,
}


def compute(name: str, given: Mapping[str, Any]) -> Quantities:
    """Return the quantities of the computation ``name`` with the arguments ``given``.

    Raises
    ------
    InputError
        For an unknown computation, an unknown or missing argument, or a value that does not fit.
    """
    if name not in COMPUTATIONS:
        raise unknown("computation", name, COMPUTATIONS)
    function = COMPUTATIONS[name]
    parameters = inspect.signature(function).parameters
    takes = f"it takes {', '.join(parameters)}"
    for key in given:
        if key not in parameters:
            hint = suggestion(str(key), parameters) or ":"
            raise InputError(f"compute={name} has no argument {str(key)!r}{hint} {takes}")
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in given:
            raise InputError(f"compute={name} needs the argument {key!r}: {takes}")
    return function(**given)


def entry(quantities: Quantities, name: str) -> float | Array:
    """Return the quantity ``name``, or a part of an array: ``dW[1,2]`` an entry, ``p[0]`` a row.

    Raises
    ------
    InputError
        If there is no such quantity, or the array is smaller.
    """
    match = re.fullmatch(r"(.*?)(?:\[([\d, ]+)\])?", name)
    base, index = (match[1], match[2]) if match else (name, None)
    if base not in quantities:
        raise unknown("quantity", base, quantities)
    value = quantities[base]
    if index is None:
        return value
    try:
        part = np.asarray(value)[tuple(int(number) for number in index.split(","))]
    except (IndexError, ValueError):
        shape = np.shape(value)
        raise InputError(f"{name} is not a part of {base}, which has the shape {shape}") from None
    return part if np.ndim(part) else float(part)


def agrees(quantity: float | Array, published: object, rounding: float) -> bool:
    """Tell whether a quantity is, in every entry, within ``rounding`` of the published figures.

    Both have the same shape. Where nan is published nan must be computed, and inf where inf is.
    """
    figures = numbers("published", published)
    computed = np.asarray(quantity, np.float64)
    if figures.shape != computed.shape:
        return False
    with np.errstate(invalid="ignore"):
        near = np.abs(computed - figures) <= rounding
    exactly = (computed == figures) | (np.isnan(computed) & np.isnan(figures))
    return bool(np.all(np.where(np.isfinite(figures), near, exactly)))
