"""Losses: each owns the output non-linearity and works on logits.

``loss(logits, targets, n, scratch, row)`` returns the sum of the rows' losses divided by ``n``
(the mean, when ``n`` is the number of rows) and overwrites ``logits`` with its gradient.
``logits``, ``targets`` and ``scratch`` are (rows, outputs), ``row`` is (rows, 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.activations import logistic
from nnexp.errors import InputError, unknown

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Loss:
    """A loss and the output non-linearity that it owns (``softmax``, ``sigmoid``, ``identity``)."""

    descend: Callable[[Array, Array, int, Array, Array], float]
    output: str

    def __call__(self, logits: Array, targets: Array, n: int, scratch: Array, row: Array) -> float:
        """Return Σ row losses / ``n``; overwrite ``logits`` with its gradient."""
        return self.descend(logits, targets, n, scratch, row)

    def outputs(self, logits: Array) -> None:
        """Turn ``logits`` into the network's outputs, in place."""
        OUTPUTS[self.output](logits)

    def predict(self, logits: Array) -> Array:
        """Return the class of each row, (n,); with one output unit, class 1 if it is above 1/2."""
        if logits.shape[1] > 1:
            classes: Array = np.argmax(logits, axis=1)
            return classes
        return (logits[:, 0] > (0.5 if self.output == "identity" else 0)).astype(np.intp)


def softmax(logits: Array) -> None:
    """Apply softmax to each row in place, less the row's maximum so that exp cannot overflow."""
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)


def _identity(logits: Array) -> None:
    pass


OUTPUTS: dict[str, Callable[[Array], None]] = {
    "softmax": softmax,
    "sigmoid": logistic,
    "identity": _identity,
}


def _total(array: Array) -> float:
    return float(np.sum(array, dtype=np.float64))


def cross_entropy() -> Loss:
    """Return softmax with cross-entropy -Σ_k t_k·log p_k; gradient (Σt)·p - t, over n."""

    def descend(logits: Array, targets: Array, n: int, scratch: Array, row: Array) -> float:
        np.max(logits, axis=1, keepdims=True, out=row)
        logits -= row
        np.multiply(logits, targets, out=scratch)
        loss = -_total(scratch)
        np.exp(logits, out=logits)
        np.sum(logits, axis=1, keepdims=True, out=row)
        mass, log_sum = scratch[:, :1], scratch[:, 1:2]
        np.sum(targets, axis=1, keepdims=True, out=mass)
        np.log(row, out=log_sum)
        log_sum *= mass
        loss += _total(log_sum)
        mass /= row
        logits *= mass
        logits -= targets
        logits /= n
        return loss / n

    return Loss(descend, "softmax")


def binary_cross_entropy(reduction: str = "mean") -> Loss:
    """Return sigmoid with -t·log p - (1-t)·log(1-p), its mean or sum over a row's outputs."""
    if reduction not in ("mean", "sum"):
        raise unknown("loss.reduction", reduction, ("mean", "sum"))

    def descend(logits: Array, targets: Array, n: int, scratch: Array, row: Array) -> float:
        count = n * logits.shape[1] if reduction == "mean" else n
        np.multiply(logits, targets, out=scratch)
        loss = -_total(scratch)
        np.logaddexp(logits, 0, out=scratch)
        loss += _total(scratch)
        logistic(logits)
        logits -= targets
        logits /= count
        return loss / count

    return Loss(descend, "sigmoid")


def mse(reduction: str = "mean", output: str = "sigmoid") -> Loss:
    """Return the squared error over ``output``: its mean over a row (``mean``) or ½Σ (``sum``).

    With ``sum`` the gradient is (o - t)·f', the textbook form; with ``mean`` it is that · 2/k.
    """
    if reduction not in ("mean", "sum"):
        raise unknown("loss.reduction", reduction, ("mean", "sum"))
    if output not in OUTPUTS:
        raise unknown("loss.output", output, OUTPUTS)

    def descend(logits: Array, targets: Array, n: int, scratch: Array, row: Array) -> float:
        scale = 2 / (n * logits.shape[1]) if reduction == "mean" else 1 / n
        if output == "softmax":
            np.max(logits, axis=1, keepdims=True, out=row)
            logits -= row
            np.exp(logits, out=logits)
            np.sum(logits, axis=1, keepdims=True, out=row)
            logits /= row
        else:
            OUTPUTS[output](logits)
        np.subtract(logits, targets, out=scratch)
        loss = float(np.vdot(scratch, scratch)) * scale / 2
        if output == "softmax":
            np.einsum("ij,ij->i", scratch, logits, out=row[:, 0])
            scratch -= row
            logits *= scratch
        elif output == "sigmoid":
            scratch *= logits
            np.subtract(1, logits, out=logits)
            logits *= scratch
        else:
            logits[...] = scratch
        logits *= scale
        return loss

    return Loss(descend, output)


def from_function(function: Callable[[Array, Array], tuple[Array, Array]]) -> Loss:
    """Return the loss of a plain ``(logits, targets) -> (row losses (n,), gradient (n, k))``.

    The gradient is that of each row's own loss. An attribute ``output`` of the function may name
    the output non-linearity (``softmax`` without it), which serves ``predict_proba`` alone.

    Raises
    ------
    InputError
        If the attribute names no such output; when the loss is used, if it returns anything else.
    """
    output = getattr(function, "output", "softmax")
    if output not in OUTPUTS:
        raise unknown("output of the loss", output, OUTPUTS)

    def descend(logits: Array, targets: Array, n: int, scratch: Array, row: Array) -> float:
        result = function(logits.copy(), targets)
        shapes = [logits.shape[:1], logits.shape]
        if not isinstance(result, tuple) or [np.shape(part) for part in result] != shapes:
            raise InputError("a loss must return the pair (row losses (n,), gradient (n, k))")
        losses, gradient = result
        np.divide(gradient, n, out=logits)
        return _total(losses) / n

    return Loss(descend, output)


LOSSES: dict[str, Callable[..., Loss]] = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "mse": mse,
}
