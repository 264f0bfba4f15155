"""Losses, which include the output non-linearity and take logits.

``evaluate(logits, targets, scale, buffers, with_value)`` overwrites ``logits`` with the gradient of
each row's own loss times ``scale``. It returns the sum of the rows' losses, or 0 if ``with_value``
is false, which is faster. Neither includes the constant ``factor`` of the loss. ``logits`` and
``targets`` are (n, outputs); ``buffers`` for intermediate results are (n, outputs) and (n, 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.errors import InputError, unknown
from nnexp.nn.activations import ONE, logistic

Array = npt.NDArray[Any]

Scale = float | Array
Buffers = tuple[Array, Array]

_BLOCK = 1024
# np.max and np.sum without their overhead.
_row_max, _row_sum = np.maximum.reduce, np.add.reduce


def _one(outputs: int) -> float:
    return 1.0


def _factor(reduction: str, mean: float) -> Callable[[int], float]:
    """Return a loss's factor by its number of outputs: ``mean`` / outputs, or 1 for ``sum``."""
    if reduction not in ("mean", "sum"):
        raise unknown("loss.reduction", reduction, ("mean", "sum"))
    return (lambda outputs: mean / outputs) if reduction == "mean" else _one


@dataclass(frozen=True)
class Loss:
    """A loss and its output non-linearity: ``softmax``, ``sigmoid`` or ``identity``."""

    evaluate: Callable[[Array, Array, Scale, Buffers, bool], float]
    output: str
    factor: Callable[[int], float] = _one

    def __call__(
        self, logits: Array, targets: Array, n: int, scratch: Array, row_scratch: Array
    ) -> float:
        """Return the sum of the row losses over ``n`` and overwrite ``logits`` with its gradient.

        If ``n`` is the number of rows, this is the mean loss.
        """
        share = self.factor(logits.shape[1]) / n
        return self.evaluate(logits, targets, share, (scratch, row_scratch), True) * share

    def outputs(self, logits: Array) -> None:
        """Convert ``logits`` to the network's outputs in place."""
        OUTPUTS[self.output](logits)

    def predict(self, logits: Array) -> Array:
        """Return the predicted class of each row, (n,).

        With one output unit, class 1 is predicted if its output is above 1/2.
        """
        if logits.shape[1] == 1:
            return (logits[:, 0] > (0.5 if self.output == "identity" else 0)).astype(np.intp)
        classes: Array = np.empty(len(logits), np.intp)
        for start in range(0, len(logits), _BLOCK):  # argmax copies Fortran-ordered arrays
            rows = slice(start, start + _BLOCK)
            logits[rows].argmax(axis=1, out=classes[rows])
        return classes


def softmax(logits: Array, row_scratch: Array | None = None) -> None:
    """Apply softmax to each row in place; subtracting the row's maximum avoids overflow."""
    rows = np.empty((len(logits), 1), logits.dtype) if row_scratch is None else row_scratch
    logits -= _row_max(logits, axis=1, keepdims=True, out=rows)
    np.exp(logits, out=logits)
    logits /= _row_sum(logits, axis=1, keepdims=True, out=rows)


def _identity(logits: Array) -> None:
    pass


OUTPUTS: dict[str, Callable[[Array], None]] = {
    "softmax": softmax,
    "sigmoid": logistic,
    "identity": _identity,
}


def _total(array: Array) -> float:
    return float(np.add.reduce(array, axis=None, dtype=np.float64))


def cross_entropy() -> Loss:
    """Return softmax with cross-entropy, -Σ_k t_k·log p_k, with gradient (Σt)·p - t."""

    def evaluate(
        logits: Array, targets: Array, scale: Scale, buffers: Buffers, with_value: bool
    ) -> float:
        scratch, row_scratch = buffers
        loss = 0.0
        _row_max(logits, axis=1, keepdims=True, out=row_scratch)
        logits -= row_scratch
        if with_value:
            np.multiply(logits, targets, out=scratch)
            loss -= _total(scratch)
        np.exp(logits, out=logits)
        _row_sum(logits, axis=1, keepdims=True, out=row_scratch)
        mass, log_sum = scratch[:, :1], scratch[:, 1:2]
        _row_sum(targets, axis=1, keepdims=True, out=mass)
        if with_value:
            np.log(row_scratch, out=log_sum)
            log_sum *= mass
            loss += _total(log_sum)
        mass /= row_scratch
        logits *= mass
        logits -= targets
        logits *= scale
        return loss

    return Loss(evaluate, "softmax")


def binary_cross_entropy(reduction: str = "mean") -> Loss:
    """Return sigmoid with -t·log p - (1-t)·log(1-p), averaged or summed over the outputs."""
    factor = _factor(reduction, 1)

    def evaluate(
        logits: Array, targets: Array, scale: Scale, buffers: Buffers, with_value: bool
    ) -> float:
        scratch, _ = buffers
        loss = 0.0
        if with_value:
            np.multiply(logits, targets, out=scratch)
            loss -= _total(scratch)
            np.logaddexp(logits, 0, out=scratch)
            loss += _total(scratch)
        logistic(logits)
        logits -= targets
        logits *= scale
        return loss

    return Loss(evaluate, "sigmoid", factor)


def mse(reduction: str = "mean", output: str = "sigmoid") -> Loss:
    """Return the squared error of ``output``: the mean over the k outputs, or half the sum.

    With ``sum``, the gradient is (o - t)·f', as in textbooks; with ``mean``, it is 2/k times that.
    """
    factor = _factor(reduction, 2)
    if output not in OUTPUTS:
        raise unknown("loss.output", output, OUTPUTS)

    def evaluate(
        logits: Array, targets: Array, scale: Scale, buffers: Buffers, with_value: bool
    ) -> float:
        scratch, row_scratch = buffers
        loss = 0.0
        if output == "softmax":
            softmax(logits, row_scratch)
        else:
            OUTPUTS[output](logits)
        np.subtract(logits, targets, out=scratch)
        if with_value:
            np.einsum("ij,ij->i", scratch, scratch, out=row_scratch[:, 0])
            loss = _total(row_scratch) / 2
        if output == "softmax":
            np.einsum("ij,ij->i", scratch, logits, out=row_scratch[:, 0])
            scratch -= row_scratch
            logits *= scratch
        elif output == "sigmoid":
            scratch *= logits
            np.subtract(ONE, logits, out=logits)
            logits *= scratch
        else:
            np.copyto(logits, scratch)
        logits *= scale
        return loss

    return Loss(evaluate, output, factor)


def from_function(function: Callable[[Array, Array], tuple[Array, Array]]) -> Loss:
    """Return a loss from ``(logits, targets) -> (row losses (n,), gradient (n, k))``.

    The gradient is that of each row's own loss. An attribute ``output`` of the function may name
    the output non-linearity (default ``softmax``), which is only used by ``predict_proba``.

    Raises
    ------
    InputError
        If the attribute names an unknown output or, on use, if the function returns anything else.
    """
    output = getattr(function, "output", "softmax")
    if output not in OUTPUTS:
        raise unknown("output of the loss", output, OUTPUTS)

    def evaluate(
        logits: Array, targets: Array, scale: Scale, buffers: Buffers, with_value: bool
    ) -> float:
        result = function(logits.copy(), targets)
        shapes = [logits.shape[:1], logits.shape]
        if not isinstance(result, tuple) or [np.shape(part) for part in result] != shapes:
            raise InputError("a loss must return the pair (row losses (n,), gradient (n, k))")
        losses, gradient = result
        np.multiply(gradient, scale, out=logits)
        return _total(losses)

    return Loss(evaluate, output)


LOSSES: dict[str, Callable[..., Loss]] = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "mse": mse,
}
# The losses that `log_loss` supports.
LOGARITHMIC = ("cross_entropy", "binary_cross_entropy")


def log_loss(loss: Loss, logits: Array, targets: Array, epsilon: float) -> float:
    """Return the sum of the rows' losses, with ``epsilon`` added to each probability.

    ``loss`` is one of `LOGARITHMIC`, and ``logits`` and ``targets`` are (n, k). A row's loss is
    -Σ_k t_k·log(p_k + epsilon). With sigmoid outputs it is
    -Σ_k t_k·log(p_k + epsilon) + (1 - t_k)·log(1 - p_k + epsilon), or the mean. Many programs
    report this, as it is finite if a probability is 0. It is computed in float64.
    """
    p = logits.astype(np.float64)
    loss.outputs(p)
    logs = targets * np.log(p + epsilon)
    if loss.output == "sigmoid":
        logs += (1 - targets) * np.log(1 - p + epsilon)
    return -float(logs.sum()) * loss.factor(p.shape[1])
