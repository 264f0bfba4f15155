"""Comparison of two records: whether their numbers agree, and possible causes if they do not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnexp.config.function_source import copy_in, without_copies
from nnexp.config.identity import own_functions, own_name
from nnexp.config.user_functions import source_digest
from nnexp.errors import InputError
from nnexp.store.record import SPLITS, Record, Row

IDENTICAL, WITHIN, DIFFERENT = "identical to the bit", "within tolerance", "different"
# The column of elapsed time, which is not compared.
TIMING = "seconds"


@dataclass(frozen=True)
class Tolerance:
    """Largest differences in scores that rounding alone may explain.

    Another BLAS or processor only rounds differently, but training amplifies this. ``loss``
    bounds the relative difference of losses and ``accuracy`` the absolute difference of
    accuracies on the training, test and validation sets. The losses of single batches are not
    bounded, as they may differ more.
    """

    loss: float
    accuracy: float

    def __str__(self) -> str:
        return f"losses {self.loss:g} relative, accuracies {self.accuracy:g}"

    def holds(self, then: Row, now: Row) -> bool:
        """Return whether two evaluations are of the same step and their scores agree."""
        scores = [name for name in _names(then, now) if name.startswith(SPLITS)]
        return then["step"] == now["step"] and all(
            self._near(name, then.get(name), now.get(name)) for name in scores
        )

    def _near(self, name: str, then: Any, now: Any) -> bool:
        if same(then, now):
            return True
        if then is None or now is None or not math.isfinite(then - now):
            return False
        accuracy = name.endswith("_accuracy")
        most = self.accuracy if accuracy else self.loss * max(abs(then), abs(now))
        return bool(abs(then - now) <= most)


TOLERANCES = {"float32": Tolerance(0.01, 0.005), "float64": Tolerance(1e-6, 1e-3)}


@dataclass(frozen=True)
class Deviation:
    """A column that differs between two runs: the first step where it does, and by how much.

    ``largest`` is the largest absolute difference; inf if a value is missing, not finite or
    not a number in either run.
    """

    name: str
    step: int
    largest: float


@dataclass(frozen=True)
class Agreement:
    """How well two records agree: a verdict, and the columns that differ.

    ``weights`` is whether the trained weights are equal; ``None`` unless both runs saved them.
    """

    verdict: str
    metrics: tuple[Deviation, ...]
    layers: tuple[Deviation, ...]
    weights: bool | None


def compare(then: Record, now: Record, tolerance: Tolerance) -> Agreement:
    """Return how well the numbers of two records agree, ignoring elapsed time."""
    metrics = tuple(_deviations(then.metrics, now.metrics))
    layers = tuple(_deviations(then.layers, now.layers))
    weights = _same_weights(then, now)
    verdict = DIFFERENT
    if then.status == now.status and len(then.metrics) == len(now.metrics):
        if not metrics and not layers and weights is not False:
            verdict = IDENTICAL
        elif all(map(tolerance.holds, then.metrics, now.metrics)):
            verdict = WITHIN
    return Agreement(verdict, metrics, layers, weights)


# Descriptions of the entries of a record's environment and identity.
_LABELS = {
    "nnexp": "version of nnexp",
    "commit": "code (commit)",
    "dirty": "code (uncommitted changes)",
    "code": "code (SHA-256)",
    "numerics": "code (version of the numerics)",
    "data": "data (SHA-256)",
    "python": "Python",
    "numpy": "NumPy",
    "blas": "BLAS",
    "blas_threads": "BLAS threads",
}


def same(then: Any, now: Any) -> bool:
    """Return whether two values are exactly equal, or both nan."""
    return bool(then == now or (then != then and now != now))


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the entries that differ between two mappings, nested ones by dotted names."""
    found: dict[str, tuple[Any, Any]] = {}
    for key in dict.fromkeys([*then, *now]):
        a, b = then.get(key), now.get(key)
        if isinstance(a, Mapping) or isinstance(b, Mapping):
            inner = differences(a or {}, b or {})
            found |= {f"{key}.{name}": pair for name, pair in inner.items()}
        elif not same(a, b):
            found[key] = (a, b)
    return found


def causes(then: Record, now: Record) -> dict[str, tuple[Any, Any]]:
    """Return possible causes of a difference: description to pair (then, now).

    Entries that the older record lacks are omitted (see `unrecorded`).
    """
    environment = differences(then.environment, now.environment)
    identity = differences(then.identity, now.identity)
    changed = (environment | identity).items()
    return {_LABELS.get(name, name): pair for name, pair in changed if pair[0] is not None}


def unchanged(then: Record, now: Record) -> list[str]:
    """Return the aspects of code, data and machine that are equal in both records."""
    old, new = ({**record.environment, **record.identity} for record in (then, now))
    shared = [n for n in _LABELS if old.get(n) is not None and same(old[n], new.get(n))]
    return [_LABELS[name] for name in shared]


def unrecorded(then: Record, now: Record) -> list[str]:
    """Return the aspects of code, data and machine that only the newer record has."""
    old, new = ({**record.environment, **record.identity} for record in (then, now))
    return [
        label
        for name, label in _LABELS.items()
        if old.get(name) is None and new.get(name) is not None
    ]


def with_own_functions(then: Record, named: Mapping[str, str], store: Path) -> Row:
    """Return the settings of a record with the user's own functions, ``named`` by key.

    Importing a file runs it, and a record may name any file. So a function is used only if the
    user's command names it and its source is the one the run was trained with. For a function
    that was copied into the ``store``, its own name is enough.

    Raises
    ------
    InputError
        If a function is missing from ``named``, is not used by the run, or has another source.
    """
    own = own_functions(then.config)
    for key in named:
        if key not in own:
            keys = ", ".join(own) or "none"
            raise InputError(
                f"{key} of {then.run_id} is not a function of your own; those that are: {keys}"
            )
    if missing := {key: name for key, name in own.items() if key not in named}:
        words = " ".join(f"{key}={without_copies(name)}" for key, name in missing.items())
        raise InputError(
            f"{then.run_id} was trained with {words}, which is not imported unless the command "
            f"names it: if it is yours, add {words} to the command"
        )
    copied = {key: copy_in(store, own[key]) for key in own}
    given = {k: copied[k] if v == without_copies(own[k]) else v for k, v in named.items()}
    for key, name in given.items():
        digest, recorded = source_digest(name), then.identity["sources"][key]
        if digest != recorded or own_name(name) != own_name(own[key]):
            raise InputError(
                f"{key}={name} is not what {then.run_id} was trained with: "
                f"that was {own_name(own[key])!r} (SHA-256 {recorded[:12]}…), "
                f"this is {own_name(name)!r} (SHA-256 {digest[:12]}…). Nothing was imported."
            )
    return {**then.config, **{key: {**then.config[key], "name": given[key]} for key in given}}


def _names(then: Row, now: Row) -> list[str]:
    return [name for name in dict.fromkeys([*then, *now]) if name != TIMING]


def _deviations(then: Sequence[Row], now: Sequence[Row]) -> Iterator[Deviation]:
    """Yield the columns that differ; a row missing from either differs in every column."""
    found: dict[str, Deviation] = {}
    for index in range(max(len(then), len(now))):
        a = then[index] if index < len(then) else {}
        b = now[index] if index < len(now) else {}
        for name in _names(a, b):
            if not same(a.get(name), b.get(name)):
                first = found.get(name)
                step = first.step if first else int((a or b)["step"])
                distance = max(first.largest if first else 0.0, _distance(a.get(name), b.get(name)))
                found[name] = Deviation(name, step, distance)
    yield from found.values()


def _distance(then: Any, now: Any) -> float:
    numbers = isinstance(then, int | float) and isinstance(now, int | float)
    distance = abs(then - now) if numbers else math.inf
    return distance if math.isfinite(distance) else math.inf


def _same_weights(then: Record, now: Record) -> bool | None:
    if then.weights is None or now.weights is None:
        return None
    # "progress" includes the elapsed time.
    a, b = ({k: v for k, v in r.weights.items() if k != "progress"} for r in (then, now))  # type: ignore[union-attr]
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k], equal_nan=True) for k in a)
