"""The gradient by central differences, which is slow but independent of backpropagation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.errors import InputError
from nnexp.nn.network import Network

Array = npt.NDArray[Any]


def numerical_gradient(network: Network, x: Array, targets: Array, h: float = 1e-4) -> float:
    """Return the mean loss of ``x (n, i)``, ``targets (n, k)`` and write ``network.grad``.

    The derivative by each parameter p is (loss(p + h) - loss(p - h)) / 2h, which takes two forward
    passes.

    Raises
    ------
    InputError
        If the network is not float64. In float32, rounding errors exceed the differences.
    """
    if network.theta.dtype != np.float64:
        raise InputError(
            "a numerical gradient needs dtype=float64: float32 differences are mostly rounding"
        )
    theta, loss = network.theta, _loss(network, x, targets)
    for j, parameter in enumerate(theta):
        theta[j] = parameter + h
        above = _loss(network, x, targets)
        theta[j] = parameter - h
        network.grad[j] = (above - _loss(network, x, targets)) / (2 * h)
        theta[j] = parameter
    return loss


def _loss(network: Network, x: Array, targets: Array) -> float:
    network.forward(x)
    return network.compute_loss(targets)
