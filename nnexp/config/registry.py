"""The groups of choices with parameters, such as ``init``, and how a choice is read and built."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nnexp import validation
from nnexp.config import user_functions
from nnexp.data.sampling import SAMPLINGS
from nnexp.errors import InputError, unknown
from nnexp.nn import activations, losses
from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.initializers import BIAS_INITIALIZERS, INITIALIZERS
from nnexp.nn.losses import LOSSES
from nnexp.nn.optimizers import OPTIMIZERS
from nnexp.nn.pruning import PRUNINGS
from nnexp.nn.schedules import SCHEDULES

# The smallest and the largest value of parameters that have one.
RANGES = {
    "momentum": (0.0, 1.0),
    "rho": (0.0, 1.0),
    "beta1": (0.0, 1.0 - 1e-9),
    "beta2": (0.0, 1.0 - 1e-9),
    "std": (0.0, math.inf),
    "gain": (0.0, math.inf),
    "alpha": (0.0, math.inf),
    "slope": (0.0, 1.0),
    "epsilon": (0.0, math.inf),
    "warmup": (0.0, math.inf),
    "every": (1e-9, math.inf),
    "factor": (0.0, 1.0),
    "final": (0.0, 1.0),
    "rounds": (1, 100),
    "fraction": (0.0, 1.0),
    "output": (0.0, 1.0),
}

CHOICES: dict[str, Mapping[str, Callable[..., Any]]] = {
    "init": INITIALIZERS,
    "bias_init": BIAS_INITIALIZERS,
    "activation": ACTIVATIONS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "sampling": SAMPLINGS,
    "schedule": SCHEDULES,
    "pruning": PRUNINGS,
}
# Groups that were added later, with the choice that runs without them have.
LATER_CHOICES = {"schedule": "constant", "pruning": "none"}
# Parameters that choices got later, with the value at which they change nothing. Choices without
# them accept this value, which an experiment's ``init: {name: …}`` inherits from the default.
ADDED: dict[str, dict[str, Any]] = {"init": {"gain": 1.0}}
GROUPS = ("data", *CHOICES)
# Groups that accept the user's own functions.
CUSTOM = ("init", "bias_init", "activation", "loss")


@dataclass(frozen=True)
class Choice:
    """A named choice with its parameters, such as ``normal`` with ``std`` 0.01.

    For the user's own function, ``source`` is the SHA-256 of its source code, see
    `nnexp.config.user_functions`.
    """

    name: str
    parameters: tuple[tuple[str, Any], ...] = ()
    source: str = ""

    def to_mapping(self) -> dict[str, Any]:
        """Return ``{"name": …, parameter: value, …}``."""
        return {"name": self.name, **dict(self.parameters)}


def build(key: str, choice: Choice) -> Any:
    """Return the initialiser, loss or other object that ``choice`` of the group ``key`` names."""
    parameters = dict(choice.parameters)
    if key == "sampling":
        return SAMPLINGS[choice.name]
    if key == "schedule":
        return functools.partial(SCHEDULES[choice.name], **parameters)
    if user_functions.is_custom(choice.name):
        return _build_custom(key, user_functions.resolve(choice.name, choice.source), parameters)
    entry = CHOICES[key][choice.name]
    if key in ("init", "bias_init"):
        return lambda rng, fan_in, fan_out: entry(rng, fan_in, fan_out, **parameters)
    if key == "optimizer":
        return lambda size, dtype, lr: entry(size, dtype, lr, **parameters)
    return entry(**parameters)


def _build_custom(key: str, function: Any, parameters: dict[str, Any]) -> Any:
    if key in ("init", "bias_init"):
        return lambda rng, fan_in, fan_out: function(rng, fan_in, fan_out, **parameters)
    applied = functools.update_wrapper(functools.partial(function, **parameters), function)
    adapter = activations.from_function if key == "activation" else losses.from_function
    return adapter(applied)


def defaults_of(key: str, name: str) -> dict[str, Any]:
    """Return the parameters of a choice: those of its function that have a default.

    Raises
    ------
    InputError
        If ``name`` refers to code that does not exist or is not a function.
    """
    if key == "sampling":
        return {}
    if user_functions.is_custom(name):
        return _defaults_of_custom(key, name, user_functions.source_digest(name))
    return dict(_known_defaults(key, name))


@functools.cache
def _known_defaults(key: str, name: str) -> dict[str, Any]:
    return _defaults(CHOICES[key][name])


def _defaults_of_custom(key: str, name: str, source: str) -> dict[str, Any]:
    function = user_functions.resolve(name, source)
    if not callable(function):
        raise InputError(f"{key}={name} is not a function")
    return _defaults(function)


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if isinstance(p.default, int | float | str)}


def read(key: str, value: object, *, trusted: bool = True) -> Choice:
    """Return the choice of the group ``key`` given by a name or a mapping with parameters.

    Unless the value is ``trusted``, the user's own functions are not imported, and their
    parameters are not checked.

    Raises
    ------
    InputError
        For an unknown name or parameter, or a parameter out of range.
    """
    mapping = as_mapping(key, value if not isinstance(value, str) else {"name": value})
    name = str(mapping.get("name"))
    given = {k: v for k, v in mapping.items() if k != "name"}
    registry = CHOICES[key]
    own = key in CUSTOM and user_functions.is_custom(name)
    if not own and name not in registry:
        raise unknown(key, name, registry)
    source = user_functions.source_digest(name) if own else ""
    if own and not trusted:
        return Choice(name, tuple(given.items()), source)
    defaults = _defaults_of_custom(key, name, source) if own else defaults_of(key, name)
    parameters: dict[str, Any] = {}
    for parameter, default in defaults.items():
        v = given.pop(parameter, default)
        if not own and not isinstance(default, str):
            low, high = RANGES.get(parameter, (-math.inf, math.inf))
            full = f"{key}.{parameter}"
            if isinstance(default, int):
                v = validation.whole(full, v, int(low), int(high))
            else:
                v = validation.real(full, v, low, high)
        elif isinstance(v, float):
            v += 0.0  # -0.0 is 0.0
        parameters[parameter] = v
    given = {k: v for k, v in given.items() if ADDED.get(key, {}).get(k, ...) != v}
    if given:
        takes = f"it takes {', '.join(defaults)}" if defaults else "it takes no parameters"
        raise InputError(f"{key}={name} has no parameter {next(iter(given))!r}: {takes}")
    choice = Choice(name, tuple(parameters.items()), source)
    if key == "loss" or own:
        build(key, choice)  # for the checks of its constructor
    if name == "uniform" and parameters["low"] > parameters["high"]:
        raise InputError(f"{key}.low={parameters['low']} is above {key}.high={parameters['high']}")
    return choice


def as_mapping(key: str, value: object) -> Mapping[str, Any]:
    """Return ``value`` if it is a mapping; raise `InputError` otherwise."""
    if not isinstance(value, Mapping):
        raise InputError(
            f"{key}={value} is not a choice: write {key}=NAME, or {key}.PARAMETER=VALUE"
        )
    return value
