"""Bad input, said in one sentence that a user can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input: one sentence that names the value, the valid choices and the remedy.

    The command line prints the sentence alone and ends with status 2.
    """


class SweepStopped(RuntimeError):
    """A sweep that cannot go on: one sentence that says why; finished runs are in the store.

    The command line prints the sentence alone and ends with status 1.
    """


# What settings and choices are called elsewhere.
_ALIASES = {
    "act": "activation",
    "activation_function": "activation",
    "batch": "batch_size",
    "criterion": "loss",
    "dataset": "data",
    "epoch": "epochs",
    "hidden_layer_sizes": "hidden",
    "hidden_layers": "hidden",
    "hidden_size": "hidden",
    "hidden_sizes": "hidden",
    "initialisation": "init",
    "initialiser": "init",
    "initialization": "init",
    "initializer": "init",
    "layers": "hidden",
    "learning_rate": "lr",
    "loss_function": "loss",
    "num_epochs": "epochs",
    "glorot": "xavier",
    "kaiming": "he",
    "nll": "cross_entropy",
    "optim": "optimizer",
    "optimiser": "optimizer",
    "random_state": "seed",
}


def suggestion(name: str, choices: Iterable[str]) -> str:
    """Return ``": did you mean 'lr'?"`` if a choice resembles ``name`` or is meant, else ``""``."""
    names = sorted(choices)
    lower = name.lower()
    alias = _ALIASES.get(lower, lower)
    close = [alias] if alias in names else difflib.get_close_matches(lower, names, n=1)
    return f": did you mean {close[0]!r}?" if close else ""


def unknown(kind: str, name: object, choices: Iterable[str]) -> InputError:
    """Return the error for a misspelt choice, with the nearest valid one and the whole list."""
    names = sorted(choices)
    hint = suggestion(str(name), names) or ":"
    return InputError(f"unknown {kind} {str(name)!r}{hint} choose from {', '.join(names)}")
