"""Losses: each includes the output non-linearity and works on logits.

``evaluate(logits, targets, scale, scratch, row_scratch, with_value)`` overwrites ``logits`` with
the gradient of each row's own loss, times ``scale``. It returns the sum of the rows' losses, or 0
without ``with_value``, which is faster. Neither includes the loss's constant ``factor``.
``logits``, ``targets`` and ``scratch`` are (n, outputs), ``row_scratch`` is (n, 1).
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

_BLOCK = 1024


def _one(outputs: int) -> float:
    return 1.0


@dataclass(frozen=True)
class Loss:
    """A loss and its output non-linearity: ``softmax``, ``sigmoid`` or ``identity``."""

    evaluate: Callable[[Array, Array, Scale, Array, Array, bool], float]
    output: str
    factor: Callable[[int], float] = _one

    def __call__(
        self, logits: Array, targets: Array, n: int, scratch: Array, row_scratch: Array
    ) -> float:
        """Return Σ row losses / ``n`` and overwrite ``logits`` with its gradient.

        With ``n`` the number of rows, that is the mean loss.
        """
        share = self.factor(logits.shape[1]) / n
        return self.evaluate(logits, targets, share, scratch, row_scratch, True) * share

    def outputs(self, logits: Array) -> None:
        """Turn ``logits`` into the network's outputs, in place."""
        OUTPUTS[self.output](logits)

    def predict(self, logits: Array) -> Array:
        """Return the class of each row, (n,); with one output unit, class 1 if it is above 1/2."""
        if logits.shape[1] == 1:
            return (logits[:, 0] > (0.5 if self.output == "identity" else 0)).astype(np.intp)
        classes: Array = np.empty(len(logits), np.intp)
        for start in range(0, len(logits), _BLOCK):  # argmax copies Fortran-ordered arrays
            rows = slice(start, start + _BLOCK)
            logits[rows].argmax(axis=1, out=classes[rows])
        return classes


def softmax(logits: Array) -> None:
    """Apply softmax to each row in place, minus the row's maximum so that exp cannot overflow."""
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

# As np.max and np.sum over axis 1, without their overhead.
_row_max, _row_sum = np.maximum.reduce, np.add.reduce


def _total(array: Array) -> float:
    return float(np.add.reduce(array, axis=None, dtype=np.float64))


def cross_entropy() -> Loss:
    """Return softmax with cross-entropy -Σ_k t_k·log p_k; gradient (Σt)·p - t."""

    def evaluate(
        logits: Array,
        targets: Array,
        scale: Scale,
        scratch: Array,
        row_scratch: Array,
        with_value: bool,
    ) -> float:
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
    """Return sigmoid with -t·log p - (1-t)·log(1-p), its mean or sum over a row's outputs."""
    if reduction not in ("mean", "sum"):
        raise unknown("loss.reduction", reduction, ("mean", "sum"))

    def evaluate(
        logits: Array,
        targets: Array,
        scale: Scale,
        scratch: Array,
        row_scratch: Array,
        with_value: bool,
    ) -> float:
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

    return Loss(evaluate, "sigmoid", (lambda outputs: 1 / outputs) if reduction == "mean" else _one)


def mse(reduction: str = "mean", output: str = "sigmoid") -> Loss:
    """Return the squared error over ``output``: its mean over a row (``mean``) or ½Σ (``sum``).

    With ``sum`` the gradient is (o - t)·f', the textbook form; with ``mean`` it is that · 2/k.
    """
    if reduction not in ("mean", "sum"):
        raise unknown("loss.reduction", reduction, ("mean", "sum"))
    if output not in OUTPUTS:
        raise unknown("loss.output", output, OUTPUTS)

    def evaluate(
        logits: Array,
        targets: Array,
        scale: Scale,
        scratch: Array,
        row_scratch: Array,
        with_value: bool,
    ) -> float:
        loss = 0.0
        if output == "softmax":
            _row_max(logits, axis=1, keepdims=True, out=row_scratch)
            logits -= row_scratch
            np.exp(logits, out=logits)
            _row_sum(logits, axis=1, keepdims=True, out=row_scratch)
            logits /= row_scratch
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

    return Loss(evaluate, output, (lambda outputs: 2 / outputs) if reduction == "mean" else _one)


def from_function(function: Callable[[Array, Array], tuple[Array, Array]]) -> Loss:
    """Return the loss of a plain ``(logits, targets) -> (row losses (n,), gradient (n, k))``.

    The gradient is that of each row's own loss. An attribute ``output`` of the function may name
    the output non-linearity, ``softmax`` by default; it is used by ``predict_proba`` alone.

    Raises
    ------
    InputError
        If the attribute names an unknown output, or on use, if the function returns anything else.
    """
    output = getattr(function, "output", "softmax")
    if output not in OUTPUTS:
        raise unknown("output of the loss", output, OUTPUTS)

    def evaluate(
        logits: Array,
        targets: Array,
        scale: Scale,
        scratch: Array,
        row_scratch: Array,
        with_value: bool,
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
# Those that `log_loss` computes.
LOGARITHMIC = ("cross_entropy", "binary_cross_entropy")


def log_loss(loss: Loss, logits: Array, targets: Array, epsilon: float) -> float:
    """Return the sum of the rows' losses, with ``epsilon`` added to each probability.

    ``loss`` is one of `LOGARITHMIC`, and ``logits`` and ``targets`` are (n, k). A row's loss is
    -Σ_k t_k·log(p_k + epsilon). With sigmoid outputs it is
    -Σ_k t_k·log(p_k + epsilon) + (1 - t_k)·log(1 - p_k + epsilon), or the mean. Many programs log
    this, as it is finite where a probability is 0. It is computed in float64.
    """
    p = logits.astype(np.float64)
    loss.outputs(p)
    logs = targets * np.log(p + epsilon)
    if loss.output == "sigmoid":
        logs += (1 - targets) * np.log(1 - p + epsilon)
    return -float(logs.sum()) * loss.factor(p.shape[1])
