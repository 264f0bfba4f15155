"""Sharpness: the largest eigenvalue of the Hessian of the training loss.

It is found by Lanczos iterations (ARPACK, by `scipy.sparse.linalg.eigsh`) on products of the
Hessian with vectors, which are central differences of gradients in float64, or one-sided ones
where a ReLU has its kink on the other side. Cohen, Kaur, Li, Kolter, Talwalkar 2021 ("Gradient
descent on neural networks typically occurs at the edge of stability") measure it in the same way:
gradient descent of learning rate lr is stable while it is below 2 / lr.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.nn.network import Network
from nnexp.rng import stream

Array = npt.NDArray[Any]

# The length of the step between two gradients, whose difference is then exact to about six digits.
# A longer one would cross the kinks of ReLU units: their jumps are not part of the Hessian, but
# would dominate it after division by the step.
_STEP = 1e-8
# Forward and backward differences that are further apart than this, relative to the smaller one,
# have a kink on one side all the same: there, only the other one is of the Hessian.
_KINK = 0.1
_TOLERANCE = 1e-4  # of the eigenvalue
_MOST_RESTARTS = 100


class Sharpness:
    """Measures the sharpness of ``network`` on the examples ``x (n, p)``, ``targets (n, k)``.

    The loss is the mean over these examples, without weight decay.
    """

    def __init__(self, network: Network, x: Array, targets: Array) -> None:
        self.x, self.targets = x.astype(np.float64), np.asfortranarray(targets, np.float64)
        self.network = Network(network.sizes, network.activation, network.loss, len(x), np.float64)
        self.start = stream(0, "sharpness").standard_normal(self.network.theta.size)
        self.gradient = self.network.grad  # at the parameters that are measured

    def measure(self, theta: Array) -> float:
        """Return the largest eigenvalue at the parameters ``theta (size,)``.

        nan if the parameters or the gradients are not finite, or the iterations do not converge.
        """
        from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

        if not np.isfinite(theta).all():
            return math.nan
        self.network.theta[...] = theta
        self.gradient = self._gradient(self.network.theta.copy())
        first = self._product(self.start)
        if not np.isfinite(first).all():
            return math.nan
        if not first.any():
            return 0.0
        size = len(self.start)
        operator = LinearOperator((size, size), matvec=self._product, dtype=np.float64)
        try:
            (largest,) = eigsh(
                operator,
                k=1,
                which="LA",
                v0=self.start,
                tol=_TOLERANCE,
                maxiter=_MOST_RESTARTS,
                return_eigenvectors=False,
            )
        except ArpackError:
            return math.nan
        return float(largest)

    def _product(self, vector: Array) -> Array:
        """Return the Hessian times ``vector (size,)``."""
        vector = vector.ravel()
        length = float(np.linalg.norm(vector))
        if length == 0:
            return np.zeros_like(vector)
        step = _STEP / length * vector
        theta = self.network.theta.copy()
        above = self._gradient(theta + step)
        below = self._gradient(theta - step)
        self.network.theta[...] = theta
        forward, backward = above - self.gradient, self.gradient - below
        if _kinked(forward, backward):
            smooth = min(forward, backward, key=lambda d: float(np.linalg.norm(d)))
            one_sided: Array = smooth * (length / _STEP)
            return one_sided
        product: Array = (above - below) * (length / (2 * _STEP))
        return product

    def _gradient(self, theta: Array) -> Array:
        network = self.network
        network.theta[...] = theta
        network.forward(self.x)
        network.compute_loss(self.targets)
        network.backward(self.x)
        gradient: Array = network.grad.copy()
        return gradient


def _kinked(forward: Array, backward: Array) -> bool:
    """Return whether two one-sided differences of a gradient show a jump on one side."""
    smaller = min(np.linalg.norm(forward), np.linalg.norm(backward))
    return bool(np.linalg.norm(forward - backward) > _KINK * smaller)
