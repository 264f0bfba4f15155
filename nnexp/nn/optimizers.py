"""Optimisers, which compute the change of the parameters from the gradient.

``update(grad)`` overwrites the flat gradient, (size,), with the change to add to the parameters, so
after a step the gradient buffer holds the update. Adaptive optimisers process the vector in blocks
that fit into the cache.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_BLOCK = 16384


class Optimizer(Protocol):
    """The interface of an optimiser with the learning rate ``lr``."""

    lr: float

    def update(self, grad: Array) -> None:
        """Overwrite ``grad`` with the change to add to the parameters."""


def blocks(size: int) -> list[slice]:
    """Return slices that split a vector of ``size`` into blocks that fit into the cache."""
    return [slice(start, min(start + _BLOCK, size)) for start in range(0, size, _BLOCK)]


def add_decay(grad: Array, weights: Array, weight_decay: float, scratch: Array) -> None:
    """Add the gradient of (weight_decay/2)·‖weights‖² to ``grad`` in place (L2; not the biases)."""
    for block in blocks(weights.size):
        part = scratch[: block.stop - block.start]
        np.multiply(weights[block], weight_decay, out=part)
        grad[block] += part


def preview(optimizer: Optimizer, gradient: Array, part: slice) -> Array:
    """Return the change that the next update makes to a ``part`` of the parameters.

    ``gradient`` is that of the part and is overwritten; the optimiser is not changed. Optimisers
    work element by element, so only this part of their state is needed.
    """
    trial = copy.copy(optimizer)
    for name, value in vars(optimizer).items():
        if isinstance(value, np.ndarray):
            setattr(trial, name, value[part].copy())
    trial.update(gradient)
    return gradient


class SGD:
    """Gradient descent: -lr·g."""

    def __init__(self, size: int, dtype: npt.DTypeLike, lr: float) -> None:
        self.lr = lr

    def update(self, grad: Array) -> None:
        """Overwrite ``grad`` with -lr·grad."""
        grad *= -self.lr


class Momentum:
    """Momentum (heavy ball): v ← momentum·v - lr·g, and v is the change (Polyak 1964)."""

    def __init__(self, size: int, dtype: npt.DTypeLike, lr: float, momentum: float = 0.9) -> None:
        self.lr = lr
        self.momentum = momentum
        self.velocity = np.zeros(size, dtype)

    def update(self, grad: Array) -> None:
        """Overwrite ``grad`` with the new velocity."""
        grad *= self.lr
        self.velocity *= self.momentum
        self.velocity -= grad
        grad[...] = self.velocity


class Nesterov(Momentum):
    """Nesterov's momentum: momentum·v - lr·g, with v updated first (Sutskever et al. 2013)."""

    def update(self, grad: Array) -> None:
        """Overwrite ``grad`` with momentum·velocity - lr·grad."""
        grad *= -self.lr
        self.velocity *= self.momentum
        self.velocity += grad
        for block in blocks(grad.size):
            grad[block] += self.momentum * self.velocity[block]


class RMSprop:
    """s ← rho·s + (1-rho)·g²; -lr·g / (sqrt(s) + epsilon) (Tieleman & Hinton 2012)."""

    def __init__(
        self, size: int, dtype: npt.DTypeLike, lr: float, rho: float = 0.9, epsilon: float = 1e-8
    ) -> None:
        self.lr, self.rho, self.epsilon = lr, rho, epsilon
        self.square = np.zeros(size, dtype)

    def update(self, grad: Array) -> None:
        """Overwrite ``grad`` with the change."""
        for block in blocks(grad.size):
            g, s = grad[block], self.square[block]
            s *= self.rho
            s += (1 - self.rho) * g * g
            g *= -self.lr
            g /= np.sqrt(s) + self.epsilon


class Adagrad:
    """s ← s + g²; -lr·g / (sqrt(s) + epsilon) (Duchi, Hazan, Singer 2011)."""

    def __init__(self, size: int, dtype: npt.DTypeLike, lr: float, epsilon: float = 1e-8) -> None:
        self.lr, self.epsilon = lr, epsilon
        self.square = np.zeros(size, dtype)

    def update(self, grad: Array) -> None:
        """Overwrite ``grad`` with the change."""
        for block in blocks(grad.size):
            g, s = grad[block], self.square[block]
            s += g * g
            g *= -self.lr
            g /= np.sqrt(s) + self.epsilon


class Adam:
    """Bias-corrected running means of g and g²: -lr·m̂ / (sqrt(v̂) + epsilon) (Kingma & Ba 2015)."""

    def __init__(
        self,
        size: int,
        dtype: npt.DTypeLike,
        lr: float,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        self.lr, self.beta1, self.beta2, self.epsilon = lr, beta1, beta2, epsilon
        self.mean = np.zeros(size, dtype)
        self.square = np.zeros(size, dtype)
        self.steps = 0

    def update(self, grad: Array) -> None:
        """Overwrite ``grad`` with the change."""
        self.steps += 1
        rate = -self.lr / (1 - self.beta1**self.steps)
        correction = 1 / (1 - self.beta2**self.steps)
        for block in blocks(grad.size):
            g, m, v = grad[block], self.mean[block], self.square[block]
            m *= self.beta1
            m += (1 - self.beta1) * g
            v *= self.beta2
            g *= g
            g *= 1 - self.beta2
            v += g
            np.multiply(v, correction, out=g)
            np.sqrt(g, out=g)
            g += self.epsilon
            np.divide(m, g, out=g)
            g *= rate


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "adam": Adam,
}
