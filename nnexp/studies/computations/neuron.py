"""A single sigmoid neuron, trained on one example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnexp import validation
from nnexp.errors import InputError
from nnexp.studies.computations.arguments import Array, Quantities, made
from nnexp.studies.computations.networks import network_of

_KEYS = ("weight", "bias", "loss", "lr")


def one_neuron(
    weight: float,
    bias: float,
    loss: object,
    lr: float,
    steps: int,
    x: float = 1.0,
    target: float = 0.0,
) -> Quantities:
    """Return the ``outputs`` (steps + 1,) of a sigmoid neuron during gradient descent, in float64.

    The first is that of the given ``weight`` and ``bias``. The only example is ``x`` with its
    ``target``, and ``loss`` is ``mse`` or ``binary_cross_entropy`` with its parameters.
    """
    given = {"weight": weight, "bias": bias, "lr": lr, "x": x, "target": target}
    own = {key: validation.real(key, value) for key, value in given.items()}
    network = network_of(
        made("activation", "identity"),
        made("loss", loss),
        [np.array([[own["weight"]]])],
        [np.array([own["bias"]])],
        1,
    )
    batch, wanted = np.array([[own["x"]]]), np.array([[own["target"]]])
    outputs: Array = np.empty(validation.whole("steps", steps, 0) + 1)
    for step in range(len(outputs)):
        logits = network.forward(batch).copy()
        network.loss.outputs(logits)
        outputs[step] = logits[0, 0]
        network.compute_loss(wanted)
        network.backward(batch)
        network.theta -= own["lr"] * network.grad
    return {"outputs": outputs}


def faster_neuron(
    first: Mapping[str, Any], second: Mapping[str, Any], steps: int, target: float = 0.0
) -> Quantities:
    """Return whether the ``first`` of two neurons is nearer to its target: ``faster``, 1 or 0.

    Each is given by its weight, bias, loss and lr, as for `one_neuron`.
    """
    errors = []
    for name, given in (("first", first), ("second", second)):
        if not isinstance(given, Mapping) or set(given) != set(_KEYS):
            raise InputError(f"{name}={given} is not a neuron: give {', '.join(_KEYS)}")
        outputs = np.asarray(one_neuron(**given, steps=steps, target=target)["outputs"])
        errors.append(abs(outputs[-1] - target))
    return {"faster": float(errors[0] < errors[1])}
