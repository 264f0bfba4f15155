"""The outcomes that claims measure, and the selection of runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nnexp.analysis.rates import mcnemar
from nnexp.errors import InputError, unknown
from nnexp.messages.language import tr
from nnexp.nn.layer_statistics import QUANTILES
from nnexp.store.record import DIVERGED, FAILED
from nnexp.store.tables import Tables

Mask = npt.NDArray[np.bool_]
Rows = Mapping[str, npt.NDArray[Any]]

# The columns of metrics.csv that a claim may measure.
METRICS = (
    *("train_loss", "train_accuracy", "test_loss", "test_accuracy"),
    *("validation_loss", "validation_accuracy"),
    *("batch_loss", "running_loss", "running_accuracy", "sharpness", "weights_left", "line_rise"),
    "seconds",
)
# The metrics by which a setting may be tuned: not those of the test set, which claims are about.
SCORES = ("validation_accuracy", "validation_loss", "train_accuracy", "train_loss")
# The columns of layers.csv that a claim may measure.
LAYER_VALUES = (
    *("activation_mean", "activation_std", *(f"activation_p{q:02d}" for q in QUANTILES)),
    *("saturated", "dead", "distinct_units", "gradient_mean", "gradient_std", "gradient_norm"),
    *("weight_norm", "update_ratio", "distance", "relative_distance", "activation_square"),
)
# Values that are computed from columns of layers.csv: the mean square of the activations.
_SQUARE, _SQUARED = "activation_square", ("activation_mean", "activation_std")
# The columns of layers.csv from which other values are computed.
LAYER_COLUMNS = {_SQUARE: _SQUARED}
# Outcomes of the whole curve of a column, up to an evaluation.
CURVES = (
    *("change", "smallest_fall", "largest_rise", "highest", "lowest"),
    *("drop_from_highest", "step_of_highest", "step_of_lowest"),
)
# Those of them that are in the unit of the column.
_SAME_UNIT = ("metric", *(kind for kind in CURVES if not kind.startswith("step_")))
# The columns that say which evaluation and layer a row is of.
_PLACES = ("step", "layer", "kind")


@dataclass(frozen=True)
class Outcome:
    """An outcome of a run.

    ``kind`` is ``metric`` (the column ``of`` of the metrics), ``layer`` (the column ``of`` at layer
    ``index``, counted from 1, or backward from the output, -1), ``factor_per_layer``, one of
    `CURVES` (of a column of the metrics, or of a layer if ``index`` is not 0), or ``steps_to``: the
    first step at which the column ``of`` is at least ``level``, or at most if it is a loss. There,
    ``step`` stands for the test accuracy. ``tuned`` is the best value of the setting ``of``, which
    is not measured in one run.
    """

    kind: str
    of: str
    index: int = 0
    level: float = 0.0

    @property
    def is_accuracy(self) -> bool:
        """Whether it is an accuracy or a change of one, as a fraction of the examples."""
        return self.of.endswith("accuracy") and self.kind in _SAME_UNIT

    @property
    def is_lower_better(self) -> bool:
        """Whether a lower value is the better one: of losses, and of updates to a goal."""
        return self.kind == "steps_to" or self.of.endswith("loss")

    @property
    def is_of_layers(self) -> bool:
        """Whether it is measured in ``layers.csv``."""
        return self.kind == "factor_per_layer" or self.index != 0

    @property
    def reached(self) -> str:
        """The column of ``steps_to``."""
        return "test_accuracy" if self.kind == "steps_to" and self.of == "step" else self.of

    def __str__(self) -> str:
        name = column_words(self.of)
        if self.index == -1:
            name = tr("{name} of the output layer", name=name)
        elif self.index == -2:
            name = tr("{name} of the last hidden layer", name=name)
        elif self.index:
            name = tr("{name} of layer {index}", name=name, index=self.index)
        goal = {"name": column_words(self.reached), "level": f"{self.level:g}"}
        return {
            "metric": name,
            "layer": name,
            "factor_per_layer": tr("{name}, factor from a layer to the one below", name=name),
            "smallest_fall": tr("smallest fall of the {name} between evaluations", name=name),
            "largest_rise": tr("largest rise of the {name} between evaluations", name=name),
            "steps_to": tr("updates to a {name} of {level}", **goal),
            "change": tr("change of the {name}", name=name),
            "highest": tr("highest {name}", name=name),
            "lowest": tr("lowest {name}", name=name),
            "drop_from_highest": tr("fall of the {name} from its highest value", name=name),
            "step_of_highest": tr("updates to the highest {name}", name=name),
            "step_of_lowest": tr("updates to the lowest {name}", name=name),
            "tuned": tr("best {name}", name=name),
        }[self.kind]


def column_words(column: str) -> str:
    """Return the name of a column of metrics or layers in a sentence."""
    return {
        "test_accuracy": tr("test accuracy"),
        "test_loss": tr("test loss"),
        "validation_accuracy": tr("validation accuracy"),
        "validation_loss": tr("validation loss"),
        "train_accuracy": tr("train accuracy"),
        "train_loss": tr("train loss"),
        "sharpness": tr("sharpness"),
        "seconds": tr("seconds"),
        "distance": tr("distance"),
        "distinct_units": tr("distinct units"),
        "gradient_norm": tr("gradient norm"),
        "dead": tr("share of dead units"),
        "saturated": tr("saturated share"),
        "line_rise": tr(
            "largest rise of the loss on the line from the initial to the final weights"
        ),
        _SQUARE: tr("mean square of the activations"),
    }.get(column, column.replace("_", " "))


def measured(
    outcome: Outcome, arm: str, tables: Tables, where: Mapping[str, Any], at: Mapping[str, float]
) -> pd.Series[float]:
    """Return the outcome of the runs of ``arm`` by seed, without failed runs.

    ``where`` gives the values of swept settings and ``at`` the evaluation. For runs that diverged
    before it, the last evaluation is used.

    Raises
    ------
    InputError
        If there are no such runs, several runs of a seed, or no such column or evaluation.
    """
    runs = matching(tables.runs, arm, where)
    twice = runs["seed"].duplicated()
    if twice.any():
        raise InputError(
            f"arm {arm!r} has several runs of seed {runs['seed'][twice].iloc[0]}: give the values "
            f"of swept settings in 'where'"
        )
    values = of_runs(outcome, runs, tables, at)
    seeds = runs.set_index("run_id")["seed"]
    by_seed: pd.Series[float] = values.rename(index=seeds).sort_index()
    return by_seed


def of_runs(
    outcome: Outcome, runs: pd.DataFrame, tables: Tables, at: Mapping[str, float]
) -> pd.Series[float]:
    """Return the outcome of each of the ``runs`` by its ID, without failed runs.

    ``runs`` are rows of ``tables.runs``; ``at`` is as for `measured`.

    Raises
    ------
    InputError
        If there is no such column or evaluation.
    """
    status = runs[runs["status"] != FAILED].set_index("run_id")["status"]
    source = tables.layers if outcome.is_of_layers else tables.metrics
    if outcome.of == _SQUARE and {*_SQUARED} <= {*source}:
        source = source.assign(**{_SQUARE: (source[[*_SQUARED]] ** 2).sum(axis=1, skipna=False)})
    column = outcome.reached if outcome.kind == "steps_to" else outcome.of
    if column not in source:
        raise unknown("outcome", column, map(str, source.columns))
    own = source[source["run_id"].isin(status.index)].sort_values("step", kind="stable")
    columns = {name: own[name].to_numpy() for name in own if name in (*_PLACES, *at)}
    columns[column] = own[column].to_numpy(float)
    values = {
        run_id: _measure(
            outcome,
            {name: column[rows] for name, column in columns.items()},
            at,
            status[run_id] == DIVERGED,
        )
        for run_id, rows in own.groupby("run_id", sort=False).indices.items()
    }
    by_run: pd.Series[float] = pd.Series(values, dtype=float)
    return by_run


def failures(arm: str, tables: Tables, where: Mapping[str, Any]) -> str:
    """Return how many runs of ``arm`` with the settings ``where`` failed, or ``""`` for none."""
    failed = matching(tables.runs, arm, where)["status"] == FAILED
    return f"{failed.sum()} of {len(failed)} runs of arm {arm} failed" if failed.any() else ""


def divergences(settings: Mapping[str, Mapping[str, Any]], tables: Tables) -> str:
    """Say how many runs of each arm diverged, each at its own ``settings``.

    Two arms are compared, paired by seed, by the exact test of equal rates. Empty if none diverged.
    """
    lost = {
        arm: matching(tables.runs, arm, where).set_index("seed")["status"] == DIVERGED
        for arm, where in settings.items()
    }
    if not any(own.any() for own in lost.values()):
        return ""
    words = "diverged: " + " and ".join(
        f"{own.sum()} of {len(own)} runs of arm {arm}" for arm, own in lost.items()
    )
    if len(lost) != 2:
        return words
    pairs = pd.DataFrame(lost).dropna()
    p = mcnemar(*(pairs[arm].astype(bool) for arm in lost))
    return f"{words} (p = {p:.2g} for equal rates)"


def matching(runs: pd.DataFrame, arm: str, where: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows of ``runs`` of an arm with the settings ``where``.

    Raises
    ------
    InputError
        If there are none.
    """
    if "arm" not in runs:
        raise InputError("the runs have no arms: give the study 'arms'")
    return fitting(runs, {"arm": arm, **where})


def fitting(runs: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows of ``runs`` with the settings ``where``.

    Raises
    ------
    InputError
        If there are none, or a setting is not a column of ``runs``.
    """
    chosen = runs
    for key, value in where.items():
        if key not in chosen:
            raise unknown("setting", key, map(str, chosen.columns))
        chosen = chosen[_equal(chosen[key], value)]
    if chosen.empty:
        raise InputError(f"there are no runs with {described(where, {})}")
    return chosen


def described(where: Mapping[str, Any], at: Mapping[str, float]) -> str:
    """Return settings and the time of an evaluation as text: ``lr 0.1, epoch 5``."""
    pairs = [f"{key} {value}" for key, value in {**where, **at}.items()]
    return ", ".join(pairs)


def _equal(column: pd.Series[Any], value: Any) -> Mask:
    if isinstance(value, bool) or not isinstance(value, int | float):
        nothing = column.isna() if value in (None, "none") else False
        return np.asarray((column.astype(str) == str(value)) | nothing)
    return np.asarray(pd.to_numeric(column, errors="coerce") == value)


def _measure(outcome: Outcome, rows: Rows, at: Mapping[str, float], diverged: bool) -> float:
    """Return the outcome of one run from its ``rows``, in the order of the steps."""
    chosen = _moment(rows, at, diverged)
    until = rows["step"] <= rows["step"][chosen][0]
    if outcome.kind == "steps_to":
        return _steps_to(outcome, {name: column[until] for name, column in rows.items()})
    if outcome.index:
        own = rows["layer"] == _layer(outcome.index, rows["layer"])
        chosen, until = chosen & own, until & own
    now = rows[outcome.of][chosen]
    if outcome.kind in CURVES:
        return _of_curve(outcome.kind, rows["step"][until], rows[outcome.of][until])
    if outcome.kind in ("metric", "layer"):
        return float(now[0])
    layers: npt.NDArray[np.intp] = np.argsort(rows["layer"][chosen], kind="stable")
    hidden = now[layers][rows["kind"][chosen][layers] == "hidden"]
    if len(hidden) < 2:
        raise InputError("a factor per layer needs at least two hidden layers")
    with np.errstate(divide="ignore", invalid="ignore"):
        return float((hidden[0] / hidden[-1]) ** (1 / (len(hidden) - 1)))


def _layer(index: int, layers: npt.NDArray[Any]) -> int:
    """Return the number of the layer ``index``, which may count backward from the output."""
    count = int(layers.max())
    if not 0 < abs(index) <= count:
        raise InputError(f"there is no layer {index}: the run has {count} layers")
    return index if index > 0 else count + 1 + index


def _steps_to(outcome: Outcome, rows: Rows) -> float:
    column = rows[outcome.reached]
    loss = outcome.reached.endswith("loss")
    reached = rows["step"][column <= outcome.level if loss else column >= outcome.level]
    return float(reached[0]) if len(reached) else math.inf


def _of_curve(kind: str, steps: npt.NDArray[Any], curve: npt.NDArray[Any]) -> float:
    """Return what ``kind``, one of `CURVES`, says of a curve, without missing values."""
    there = ~np.isnan(curve)
    steps, curve = steps[there], curve[there]
    if not len(curve):
        return math.nan
    with np.errstate(invalid="ignore"):  # of two infinite losses
        changes = np.diff(curve)
    measures: dict[str, Callable[[], float]] = {
        "change": lambda: curve[-1] - curve[0],
        "smallest_fall": lambda: (-changes).min(initial=math.inf),
        "largest_rise": lambda: changes.max(initial=-math.inf),
        "highest": curve.max,
        "lowest": curve.min,
        "drop_from_highest": lambda: curve.max() - curve[-1],
        "step_of_highest": lambda: steps[curve.argmax()],
        "step_of_lowest": lambda: steps[curve.argmin()],
    }
    return float(measures[kind]())


def _moment(rows: Rows, at: Mapping[str, float], diverged: bool) -> Mask:
    """Return a mask of the rows of the evaluation ``at``, or the last if a run diverged earlier."""
    steps = rows["step"]
    last: Mask = steps == steps.max()
    if not at:
        return last
    ((by, value),) = at.items()
    clock = rows[by].astype(float)
    # Epochs are fractions of steps and may be rounded, so they match within 0.01 steps.
    tolerance = 0.01 * clock.max() / max(steps.max(), 1) if by == "epoch" else 0.0
    chosen: Mask = np.abs(clock - value) <= tolerance
    if chosen.any():
        return chosen
    if clock.max() < value and diverged:
        return last
    if clock.max() < value:
        raise InputError(f"the runs end at {by} {clock.max():g}, before {value:g}: train longer")
    raise InputError(f"the runs were not evaluated at {by} {value:g}: add it to evaluate_at")
