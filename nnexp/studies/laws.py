"""Laws that claims name: formulas of the settings of a run.

Each is a function whose arguments are named after settings, such as ``hidden``, as the tables of
runs hold them. It returns the predicted outcome as a float.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from nnexp import validation
from nnexp.config.hidden_layers import parse_hidden
from nnexp.errors import InputError, unknown


def born_dead(hidden: object) -> float:
    """Return the probability that a layer of a ReLU network passes nothing on, before training.

    For one input other than 0, symmetric weights and biases of 0, each unit is off with probability
    1/2, so a layer of N units is off with 2⁻ᴺ, whatever the layers below. For several inputs this
    is an upper bound (Lu, Shin, Su, Karniadakis 2019).
    """
    return 1 - math.prod(1 - 2.0**-width for width in parse_hidden(str(hidden)))


def length_ratio(hidden: object) -> float:
    """Return E[M²]/E[M]² of the mean square M of the last hidden layer's activations.

    It is over draws of the weights of a ReLU network with Gaussian weights of variance 2/fan-in and
    biases of 0, for one input. A layer of n units multiplies M by 2/n times the sum of n squares
    of ReLU(g), with g standard normal: mean 1, mean square 1 + 5/n. Hanin & Rolnick 2018 prove that
    the variance grows exponentially in the sum of 1/n.
    """
    return math.prod(1 + 5 / width for width in parse_hidden(str(hidden)))


def edge_of_stability(lr: object) -> float:
    """Return 2/lr, the sharpness at which full-batch gradient descent becomes unstable.

    It is that of a quadratic loss (Cohen, Kaur, Li, Kolter, Talwalkar 2021).
    """
    return 2 / validation.real("lr", float(str(lr)), 0, open_=True)


LAWS: dict[str, Callable[..., float]] = {
    "born_dead": born_dead,
    "length_ratio": length_ratio,
    "edge_of_stability": edge_of_stability,
}


def predicted(law: str, settings: Mapping[str, Any]) -> float:
    """Return the outcome that ``law`` predicts for runs with these ``settings``, by name.

    Raises
    ------
    InputError
        If the law is unknown, a setting that it needs is missing, or a value does not fit.
    """
    if law not in LAWS:
        raise unknown("law", law, LAWS)
    needed = inspect.signature(LAWS[law]).parameters
    missing = [name for name in needed if name not in settings]
    if missing:
        raise InputError(f"the law {law} needs the setting {missing[0]}, which the runs lack")
    return float(LAWS[law](**{name: settings[name] for name in needed}))
