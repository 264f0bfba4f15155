"""Errors that are reported to the user as one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Invalid input. The message names the value, the valid choices and the remedy.

    The command line prints only the message and exits with status 2.
    """


class InputTypeError(InputError, TypeError):
    """Input of an invalid type, where other libraries' callers expect a `TypeError`."""


class SweepStopped(RuntimeError):
    """A sweep that had to stop. The message gives the reason; finished runs are in the store.

    The command line prints only the message and exits with status 1.
    """


# Names of settings and choices in other libraries, in lower case.
SYNONYMS = {
    # settings
    "act": "activation",
    "activation_function": "activation",
    "alpha": "weight_decay",
    "batch": "batch_size",
    "criterion": "loss",
    "dataset": "data",
    "epoch": "epochs",
    "eta": "lr",
    "hidden_layer_sizes": "hidden",
    "hidden_layers": "hidden",
    "dropout_rate": "dropout",
    "hidden_dropout": "dropout",
    "hidden_size": "hidden",
    "hidden_sizes": "hidden",
    "initialisation": "init",
    "initialiser": "init",
    "initialization": "init",
    "initializer": "init",
    "kernel_initializer": "init",
    "bias_initializer": "bias_init",
    "l2": "weight_decay",
    "layers": "hidden",
    "learning_rate": "lr",
    "learning_rate_init": "lr",
    "loss_function": "loss",
    "max_iter": "epochs",
    "num_epochs": "epochs",
    "optim": "optimizer",
    "optimiser": "optimizer",
    "prune": "pruning",
    "random_state": "seed",
    "solver": "optimizer",
    # initialisers
    "glorot": "xavier",
    "glorot_normal": "xavier",
    "glorot_uniform": "xavier_uniform",
    "xavier_normal": "xavier",
    "kaiming": "he",
    "kaiming_normal": "he",
    "kaiming_uniform": "he_uniform",
    "he_normal": "he",
    "lecun_normal": "lecun",
    "random_normal": "normal",
    "gaussian": "normal",
    "random_uniform": "uniform",
    "standard_normal": "randn",
    "zeros": "zero",
    "ones": "constant",
    "ortho": "orthogonal",
    # activations
    "logistic": "sigmoid",
    "linear": "identity",
    "swish": "silu",
    "heaviside": "step",
    "leakyrelu": "leaky_relu",
    # losses
    "ce": "cross_entropy",
    "nll": "cross_entropy",
    "log_loss": "cross_entropy",
    "crossentropyloss": "cross_entropy",
    "categorical_crossentropy": "cross_entropy",
    "sparse_categorical_crossentropy": "cross_entropy",
    "softmax_cross_entropy": "cross_entropy",
    "bce": "binary_cross_entropy",
    "bceloss": "binary_cross_entropy",
    "bcewithlogitsloss": "binary_cross_entropy",
    "binary_crossentropy": "binary_cross_entropy",
    "mean_squared_error": "mse",
    "mseloss": "mse",
    "squared_error": "mse",
    # data
    "fashionmnist": "fashion_mnist",
}
# Choices of other libraries that nnexp lacks; similar names in nnexp mean something else.
_ABSENT = frozenset(
    {"adamw", "trunc_normal", "truncated_normal", "nadam", "adadelta", "softmax", "hinge", "lbfgs"}
)


def suggestion(name: str, choices: Iterable[str]) -> str:
    """Return ``": did you mean 'lr'?"`` if a choice is similar to ``name``, else ``""``."""
    names = sorted(choices)
    lower = name.lower()
    meant = SYNONYMS.get(lower, lower)
    if meant in names:
        return f": did you mean {meant!r}?"
    # The name of a study may be given without its folder.
    whole = {name.rpartition("/")[2]: name for name in names} | {name: name for name in names}
    close = [] if lower in _ABSENT else difflib.get_close_matches(lower, whole, n=1)
    return f": did you mean {whole[close[0]]!r}?" if close else ""


def unknown(kind: str, name: object, choices: Iterable[str]) -> InputError:
    """Return the error for an unknown choice, with the nearest valid one and the full list."""
    names = sorted(choices)
    hint = suggestion(str(name), names) or ":"
    return InputError(f"unknown {kind} {str(name)!r}{hint} choose from {', '.join(names)}")
