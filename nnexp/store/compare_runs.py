"""Are these the same numbers? Two records compared, and what may have moved them apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnexp.config.identity import own_functions, own_name
from nnexp.config.user_functions import source_digest
from nnexp.errors import InputError
from nnexp.store.record import SPLITS, Record, Row

IDENTICAL, WITHIN, DIFFERENT = "identical to the bit", "within tolerance", "different"
# A column that tells how long something took, not what came of it.
TIMING = "seconds"


@dataclass(frozen=True)
class Tolerance:
    """How far apart the scores of two runs may lie that differ in nothing but rounding.

    Rounding is all that another BLAS or another processor changes, but training amplifies it:
    ``loss`` bounds the relative distance of losses, ``accuracy`` the distance of accuracies, of
    the training, test and validation sets. A single batch's loss may move further.
    """

    loss: float
    accuracy: float

    def __str__(self) -> str:
        return f"losses {self.loss:g} relative, accuracies {self.accuracy:g}"

    def holds(self, then: Row, now: Row) -> bool:
        """Tell whether two evaluations are of the same step and their scores near each other."""
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
    """Where a column of two runs parts: from which step on, and by how much at most.

    ``largest`` is the largest distance, inf where one of the runs alone has no finite value.
    """

    name: str
    step: int
    largest: float


@dataclass(frozen=True)
class Agreement:
    """How well the numbers of two records agree: a verdict, and where each column parts.

    ``weights`` tells whether the trained weights are equal, ``None`` where not both were kept.
    """

    verdict: str
    metrics: tuple[Deviation, ...]
    layers: tuple[Deviation, ...]
    weights: bool | None


def compare(then: Record, now: Record, tolerance: Tolerance) -> Agreement:
    """Return how well the numbers of two records agree, timing left aside."""
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


# What entries of a record's environment and identity mean.
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
    """Tell whether two values are equal to the bit, or both nan."""
    return bool(then == now or (then != then and now != now))


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the entries in which two mappings differ, nested ones by dotted names."""
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
    """Return what may have moved the numbers apart: (then, now) by what it is.

    What the record does not tell cannot be compared and is left out.
    """
    environment = differences(then.environment, now.environment)
    identity = differences(then.identity, now.identity)
    apart = (environment | identity).items()
    return {_LABELS.get(name, name): pair for name, pair in apart if pair[0] is not None}


def alike(then: Record, now: Record) -> list[str]:
    """Return what of code, data and machine both records tell, and tell alike."""
    told, today = ({**record.environment, **record.identity} for record in (then, now))
    shared = [n for n in _LABELS if told.get(n) is not None and same(told[n], today.get(n))]
    return [_LABELS[name] for name in shared]


def untold(then: Record, now: Record) -> list[str]:
    """Return what of code, data and machine the record does not tell, as older ones do not."""
    told, today = ({**record.environment, **record.identity} for record in (then, now))
    return [
        label
        for name, label in _LABELS.items()
        if told.get(name) is None and today.get(name) is not None
    ]


def with_own_functions(then: Record, named: Mapping[str, str]) -> Row:
    """Return the settings of a record with the functions that the user ``named``, by their key.

    To import a file is to run it, and a record may name any file. So only functions that the
    user's own command names are used, and only if their source is that of the run.

    Raises
    ------
    InputError
        If the run has a function that is not named, or is not the one that is.
    """
    own = own_functions(then.config)
    for key in named:
        if key not in own:
            there = ", ".join(own) or "none"
            raise InputError(f"{then.run_id} has no {key} of your own to be named: it has {there}")
    if missing := {key: name for key, name in own.items() if key not in named}:
        words = " ".join(f"{key}={name}" for key, name in missing.items())
        raise InputError(
            f"{then.run_id} was trained with {words}, and what only a record names is not "
            f"imported: if it is yours, give the same command with {words}"
        )
    for key, name in named.items():
        digest, recorded = source_digest(name), then.identity["sources"][key]
        if digest != recorded or own_name(name) != own_name(own[key]):
            raise InputError(
                f"{key}={name} is not what {then.run_id} was trained with: that was "
                f"{own_name(own[key])!r} of a source with the SHA-256 {recorded[:12]}…, and this "
                f"is {own_name(name)!r} of one with {digest[:12]}…; nothing was imported"
            )
    return {**then.config, **{key: {**then.config[key], "name": named[key]} for key in named}}


def _names(then: Row, now: Row) -> list[str]:
    return [name for name in dict.fromkeys([*then, *now]) if name != TIMING]


def _deviations(then: Sequence[Row], now: Sequence[Row]) -> Iterator[Deviation]:
    """Yield the columns that differ; a row that one of the two lacks differs in every column."""
    apart: dict[str, Deviation] = {}
    for index in range(max(len(then), len(now))):
        a = then[index] if index < len(then) else {}
        b = now[index] if index < len(now) else {}
        for name in _names(a, b):
            if not same(a.get(name), b.get(name)):
                first = apart.get(name)
                step = first.step if first else int((a or b)["step"])
                distance = max(first.largest if first else 0.0, _distance(a.get(name), b.get(name)))
                apart[name] = Deviation(name, step, distance)
    yield from apart.values()


def _distance(then: Any, now: Any) -> float:
    numbers = isinstance(then, int | float) and isinstance(now, int | float)
    distance = abs(then - now) if numbers else math.inf
    return distance if math.isfinite(distance) else math.inf


def _same_weights(then: Record, now: Record) -> bool | None:
    if then.weights is None or now.weights is None:
        return None
    # "progress" holds the seconds that the run took.
    a, b = ({k: v for k, v in r.weights.items() if k != "progress"} for r in (then, now))  # type: ignore[union-attr]
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k], equal_nan=True) for k in a)
