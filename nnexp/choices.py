"""The choices of a run that have parameters: what each group offers, and how one is read."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nnexp import activations, checks, custom, losses
from nnexp.activations import ACTIVATIONS
from nnexp.errors import InputError, unknown
from nnexp.initializers import BIAS_INITIALIZERS, INITIALIZERS
from nnexp.losses import LOSSES
from nnexp.optimizers import OPTIMIZERS
from nnexp.sampling import SAMPLINGS

_RANGES = {
    "momentum": (0.0, 1.0),
    "rho": (0.0, 1.0),
    "beta1": (0.0, 1.0 - 1e-9),
    "beta2": (0.0, 1.0 - 1e-9),
    "std": (0.0, math.inf),
    "gain": (0.0, math.inf),
    "alpha": (0.0, math.inf),
    "slope": (0.0, 1.0),
    "epsilon": (0.0, math.inf),
}

CHOICES: dict[str, Mapping[str, Callable[..., Any]]] = {
    "init": INITIALIZERS,
    "bias_init": BIAS_INITIALIZERS,
    "activation": ACTIVATIONS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "sampling": SAMPLINGS,
}
# The groups that take a user's own function.
CUSTOM = ("init", "bias_init", "activation", "loss")


@dataclass(frozen=True)
class Choice:
    """A named choice with the parameters it takes, such as ``normal`` with ``std`` 0.01."""

    name: str
    parameters: tuple[tuple[str, Any], ...] = ()

    def to_mapping(self) -> dict[str, Any]:
        """Return ``{"name": …, parameter: value, …}``."""
        return {"name": self.name, **dict(self.parameters)}


def build(key: str, choice: Choice) -> Any:
    """Return what ``choice`` of the group ``key`` stands for: an initialiser, a loss …."""
    parameters = dict(choice.parameters)
    if key == "sampling":
        return SAMPLINGS[choice.name]
    if custom.is_custom(choice.name):
        return _build_custom(key, custom.resolve(choice.name), parameters)
    entry = CHOICES[key][choice.name]
    if key in ("init", "bias_init"):
        return lambda rng, fan_in, fan_out: entry(rng, fan_in, fan_out, **parameters)
    if key == "optimizer":
        return lambda size, dtype, lr: entry(size, dtype, lr, **parameters)
    return entry(**parameters)


def _build_custom(key: str, function: Any, parameters: dict[str, Any]) -> Any:
    if not callable(function):
        raise InputError(f"{key}: {function!r} is not a function")
    if key in ("init", "bias_init"):
        return lambda rng, fan_in, fan_out: function(rng, fan_in, fan_out, **parameters)
    applied = functools.update_wrapper(functools.partial(function, **parameters), function)
    adapter = activations.from_function if key == "activation" else losses.from_function
    return adapter(applied)


def _parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the parameters a choice takes: those of its function that have a default."""
    signature = inspect.signature(function)
    empty = inspect.Parameter.empty
    return {p.name: p.default for p in signature.parameters.values() if p.default is not empty}


def read(key: str, value: object) -> Choice:
    """Return the choice that ``value``, a name or a mapping with parameters, makes in a group.

    Raises
    ------
    InputError
        For an unknown name or parameter, or a parameter out of its range.
    """
    mapping = as_mapping(key, value if not isinstance(value, str) else {"name": value})
    name = str(mapping.get("name"))
    given = {k: v for k, v in mapping.items() if k != "name"}
    registry = CHOICES[key]
    if custom.is_custom(name):
        if key not in CUSTOM:
            raise unknown(key, name, registry)
        build(key, Choice(name, tuple(given.items())))
        return Choice(name, tuple(sorted(given.items())))
    if name not in registry:
        raise unknown(key, name, registry)
    defaults = {} if key == "sampling" else _parameters(registry[name])
    parameters: dict[str, Any] = {}
    for parameter, default in defaults.items():
        v = given.pop(parameter, default)
        bounds = _RANGES.get(parameter, (-math.inf, math.inf))
        text = isinstance(default, str)
        parameters[parameter] = str(v) if text else checks.real(f"{key}.{parameter}", v, *bounds)
    if given:
        takes = f"it takes {', '.join(defaults)}" if defaults else "it takes no parameter"
        raise InputError(f"{key}={name} has no parameter {next(iter(given))!r}: {takes}")
    choice = Choice(name, tuple(parameters.items()))
    if key == "loss":
        build(key, choice)  # which refuses words that are no choice
    if name == "uniform" and parameters["low"] > parameters["high"]:
        raise InputError(f"{key}.low={parameters['low']} is above {key}.high={parameters['high']}")
    return choice


def as_mapping(key: str, value: object) -> Mapping[str, Any]:
    """Return ``value`` if it is a mapping, as a group's choice always is."""
    if not isinstance(value, Mapping):
        raise InputError(f"{key}={value} is no choice: write {key}=NAME, or {key}.PARAMETER=VALUE")
    return value
