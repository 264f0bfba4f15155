"""The worked examples of a document: a forward pass, a softmax, a cross-entropy."""

from __future__ import annotations

import numpy as np

from nnexp import validation
from nnexp.data import target_codes
from nnexp.errors import InputError
from nnexp.nn import losses
from nnexp.studies.computations.arguments import Quantities, made, numbers, rows_of, sequence
from nnexp.studies.computations.networks import check_chain, network_of

_LAYOUTS = ("in_out", "out_in")


def forward(
    x: object,
    weights: object,
    biases: object,
    activation: object = "sigmoid",
    output: str = "identity",
    layout: str = "in_out",
) -> Quantities:
    """Return ``A1`` (pre-activations), ``Z1`` (activations), ``A2``, …, ``Y`` (outputs).

    ``x`` is (i,) or (n, i), and so are the quantities; ``weights`` is a list of matrices, (in, out)
    or, with ``layout=out_in``, (out, in); ``biases`` a list of (out,). The network is float64. A
    layer's pre-activations are the logits of the network that is cut off behind it.
    """
    batch = rows_of("x", x)
    validation.choice("layout", layout, _LAYOUTS)
    loss = losses.mse(output=validation.choice("output", output, losses.OUTPUTS))
    matrices = [numbers("weights", matrix, 2) for matrix in sequence("weights", weights)]
    if layout == "out_in":
        matrices = [matrix.T for matrix in matrices]
    vectors = [numbers("biases", vector, 1) for vector in sequence("biases", biases)]
    check_chain(batch.shape[1], matrices, vectors)
    quantities: Quantities = {}
    act = made("activation", activation)
    for depth in range(1, len(matrices) + 1):
        network = network_of(act, loss, matrices[:depth], vectors[:depth], len(batch))
        logits = network.forward(batch)
        if depth > 1:
            quantities[f"Z{depth - 1}"] = network.activations[depth - 2][: len(batch)].copy()
        quantities[f"A{depth}"] = logits.copy()
    loss.outputs(logits)
    quantities["Y"] = logits.copy()
    shape = (*np.asarray(x).shape[:-1], -1)
    return {name: np.reshape(value, shape) for name, value in quantities.items()}


def softmax(logits: object, shifted: bool = True) -> Quantities:
    """Return ``probabilities``, the softmax of ``logits`` (k,) or (n, k), row by row.

    The core shifts each row by its maximum. ``shifted=false`` is the formula as it stands,
    exp(z) / Σ exp(z), which is nan where exp overflows.
    """
    z = rows_of("logits", logits)
    if not isinstance(shifted, bool):
        raise InputError(f"shifted={shifted} is invalid: give true or false")
    if shifted:
        losses.softmax(z)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            np.exp(z, out=z)
            z /= z.sum(axis=1, keepdims=True)
    return {"probabilities": z.reshape(np.asarray(logits).shape)}


def cross_entropy_of(
    labels: object, probabilities: object = None, gradient: object = None
) -> Quantities:
    """Return ``loss``, ``probabilities`` and ``gradient`` from a printed table (n, k) of either.

    ``labels`` is (n,), from 0. The gradient, of the mean loss by the logits, is (p - t) / n, so
    that a printed gradient gives the probabilities back. Each row is normalised anew: printed
    figures sum to 1 within their rounding.
    """
    if (probabilities is None) == (gradient is None):
        raise InputError("give one of probabilities and gradient: a table of (n, k) figures")
    name = "gradient" if probabilities is None else "probabilities"
    table = numbers(name, gradient if probabilities is None else probabilities, 2)
    n, classes = table.shape
    classes_of = [validation.whole("labels", v, 0, classes - 1) for v in sequence("labels", labels)]
    if len(classes_of) != n:
        raise InputError(f"labels={labels}: give {n} of them, one a row of {name}")
    targets = target_codes("one_hot", classes, classes, np.float64)[classes_of]
    p = table if gradient is None else n * table + targets
    if not (p > 0).all():
        raise InputError(f"{name} makes a probability that is not above 0: check the figures")
    p = np.log(p)
    descent = p.copy()
    loss = losses.cross_entropy()(descent, targets, n, np.empty_like(p), np.empty((n, 1)))
    losses.softmax(p)
    return {"loss": loss, "probabilities": p, "gradient": descent}
