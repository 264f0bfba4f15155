"""The settings of a run, typed and checked, and its identity."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from importlib.util import find_spec
from typing import Any

from nnexp import validation
from nnexp.config import single_settings
from nnexp.config.hidden_layers import format_hidden, parse_hidden
from nnexp.config.identity import columns, fingerprint, own_name, without_later, without_places
from nnexp.config.quirks import read_quirk
from nnexp.config.registry import (
    CHOICES,
    CUSTOM,
    LATER_CHOICES,
    Choice,
    as_mapping,
    read,
)
from nnexp.data import DataSettings, Description, describe
from nnexp.errors import InputError, suggestion
from nnexp.nn.losses import LOGARITHMIC

# Incremented when a change of the code changes the numbers of any run. All run IDs then change.
NUMERICS = 3

GRADIENTS = ("backprop", "numerical")
DTYPES = ("float32", "float64")
DEFAULT_EPOCHS = 5
_LARGEST_SEED = 2**63
_MOST_EVALUATIONS = 100_000
_MOST_POINTS = 1000
# The number of rows that are evaluated at once, for which memory is reserved.
_EVALUATED_AT_ONCE = 1000


@dataclass(frozen=True)
class RunConfig:
    """The checked settings of one run; equal settings give the same numbers.

    ``hidden`` holds the widths of the hidden layers. ``batch_size`` is ``None`` for the full
    batch. Exactly one of ``epochs`` and ``steps`` is set. ``evaluate_every`` is ``None`` to
    evaluate only at the first and the last step. ``quirk`` is a name, or sorted names joined by
    ``+``. ``evaluate_first`` is the number of test examples to score, and ``evaluate_epsilon`` is
    added to each probability in the loss of an evaluation; ``evaluate_sharpness`` is the number of
    training examples on which the sharpness is measured, ``evaluate_line`` that of points of the
    line from the initial to the final weights, beyond its start. ``schedule`` is ``None`` for a
    constant learning rate. ``dropout`` and ``input_dropout`` are the probabilities of leaving out a
    hidden unit and an input, ``label_dilution`` the number of copies with random labels of each
    example, ``pruning`` how connections are removed. Those with a default are part of the identity
    only if they are set, as runs stored before they existed keep their IDs.
    """

    data: DataSettings
    init: Choice
    bias_init: Choice
    activation: Choice
    loss: Choice
    hidden: tuple[int, ...]
    batch_size: int | None
    optimizer: Choice
    lr: float
    weight_decay: float
    epochs: int | None
    steps: int | None
    sampling: Choice
    evaluate_every: single_settings.Interval | None
    evaluate_at: tuple[int, ...]
    gradient: str
    quirk: str | None
    dtype: str
    seed: int
    evaluate_first: int | None = None
    evaluate_epsilon: float | None = None
    evaluate_sharpness: int | None = None
    schedule: Choice | None = None
    dropout: float | None = None
    input_dropout: float | None = None
    label_dilution: float | None = None
    pruning: Choice | None = None
    evaluate_distance: bool | None = None
    evaluate_line: int | None = None

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], *, trusted: bool = True) -> RunConfig:
        """Check a nested ``mapping``, as composed from ``conf/``, and return the typed settings.

        The user's own functions are imported only if the mapping is ``trusted``. That of a record
        is not, as it may name any file.

        Raises
        ------
        InputError
            If a setting is unknown, missing or invalid. The message names the value, the valid
            choices and the remedy.
        """
        fields = cls.__dataclass_fields__
        for key in mapping:
            if key not in fields:
                hint = suggestion(str(key), fields) or ":"
                raise InputError(f"unknown key {str(key)!r}{hint} keys are {', '.join(fields)}")
        for key, field in fields.items():
            if key not in mapping and field.default is MISSING:
                raise InputError(f"the key {key!r} is missing: give {key}=…")
        required = (key for key in CHOICES if key not in LATER_CHOICES)
        choices = {key: read(key, mapping[key], trusted=trusted) for key in required}
        epochs = single_settings.optional(
            mapping["epochs"], lambda v: validation.whole("epochs", v, 1)
        )
        steps = single_settings.optional(
            mapping["steps"], lambda v: validation.whole("steps", v, 0)
        )
        if epochs is not None and steps is not None:
            raise InputError(f"epochs={epochs} and steps={steps} exclude each other: give one")
        gradient = validation.choice("gradient", mapping["gradient"], GRADIENTS)
        dtype = validation.choice("dtype", mapping["dtype"], DTYPES)
        run = cls(
            data=_data(mapping["data"]),
            hidden=parse_hidden(mapping["hidden"]),
            batch_size=single_settings.batch_size(mapping["batch_size"]),
            lr=validation.real("lr", mapping["lr"], 0, open_=True),
            weight_decay=validation.real("weight_decay", mapping["weight_decay"], 0),
            epochs=epochs if steps is not None else epochs or DEFAULT_EPOCHS,
            steps=steps,
            evaluate_every=single_settings.optional(
                mapping["evaluate_every"], single_settings.interval
            ),
            evaluate_at=single_settings.steps_list(mapping["evaluate_at"]),
            gradient=gradient,
            quirk=read_quirk(mapping["quirk"]),
            dtype="float64" if gradient == "numerical" else dtype,
            seed=validation.whole("seed", mapping["seed"], 0, _LARGEST_SEED),
            evaluate_first=single_settings.optional(
                mapping.get("evaluate_first"), lambda v: validation.whole("evaluate_first", v, 1)
            ),
            evaluate_epsilon=single_settings.optional(
                mapping.get("evaluate_epsilon"),
                lambda v: validation.real("evaluate_epsilon", v, 0, 1, open_=True),
            ),
            evaluate_sharpness=single_settings.optional(
                mapping.get("evaluate_sharpness"),
                lambda v: validation.whole("evaluate_sharpness", v, 1),
            ),
            dropout=single_settings.rate("dropout", mapping),
            input_dropout=single_settings.rate("input_dropout", mapping),
            label_dilution=single_settings.amount("label_dilution", mapping),
            evaluate_distance=single_settings.flag("evaluate_distance", mapping),
            evaluate_line=single_settings.optional(
                mapping.get("evaluate_line"),
                lambda v: validation.whole("evaluate_line", v, 1, _MOST_POINTS),
            ),
            schedule=single_settings.later_choice("schedule", mapping),
            pruning=single_settings.later_choice("pruning", mapping),
            **choices,
        )
        _check(run)
        return run

    def to_mapping(self) -> dict[str, Any]:
        """Return the settings as a nested mapping of JSON types, the inverse of `from_mapping`."""
        mapping: dict[str, Any] = {}
        for key, field in self.__dataclass_fields__.items():
            value = getattr(self, key)
            if value is None and field.default is None:
                continue
            if isinstance(value, Choice | DataSettings):
                value = value.to_mapping()
            elif isinstance(value, single_settings.Interval):
                value = str(value)
            elif key == "hidden":
                value = format_hidden(value)
            elif key == "batch_size":
                value = value or "full"
            elif key == "evaluate_at":
                value = list(value)
            mapping[key] = value
        return without_later(mapping)

    def columns(self) -> dict[str, Any]:
        """Return the settings flattened for a table: ``init``, ``init.std``, ….

        Paths are replaced by the first digits of a SHA-256: ``data.digest`` for the user's own
        files, ``init.source`` for the user's own function.
        """
        return columns(self.to_mapping(), self.identity())

    def outputs(self) -> int:
        """Return the number of output units: one per class, or one for two classes."""
        classes = describe(self.data).classes
        if self.data.outputs is not None:
            return self.data.outputs
        return 1 if classes == 2 and self.loss.name == "binary_cross_entropy" else classes

    def sizes(self) -> tuple[int, ...]:
        """Return the layer sizes from the inputs to the outputs."""
        return (describe(self.data).features, *self.hidden, self.outputs())

    def rows(self) -> int:
        """Return the number of examples in a full batch."""
        return self.batch_size or describe(self.data).train_size

    def steps_per_epoch(self) -> int:
        """Return the number of steps per epoch, including a shorter last batch."""
        return math.ceil(describe(self.data).train_size / self.rows())

    def total_steps(self) -> int:
        """Return the number of steps of the whole run."""
        return self.steps if self.steps is not None else (self.epochs or 0) * self.steps_per_epoch()

    def identity(self) -> dict[str, Any]:
        """Return what determines the run's numbers.

        These are its settings, the version of the numerics, and the digests of the data and of the
        user's own functions.
        """
        sources = {key: source for key in CUSTOM if (source := getattr(self, key).source)}
        return {
            "numerics": NUMERICS,
            "settings": without_places(self.to_mapping()),
            "data": describe(self.data).digest,
            "sources": sources,
        }

    def has_own(self) -> bool:
        """Return whether the run uses the user's own functions."""
        return any(getattr(self, key).source for key in CUSTOM)

    def run_id(self) -> str:
        """Return ``<readable slug>-<hash of the identity>``: the name of the run's record."""
        words = [
            self.data.name,
            own_name(self.init.name),
            own_name(self.activation.name),
            format_hidden(self.hidden),
            f"lr{self.lr:g}",
            f"s{self.seed}",
        ]
        slug = "-".join(re.sub(r"[^A-Za-z0-9.+]+", "_", word)[-24:] for word in words)
        return f"{slug}-{fingerprint(self.identity())}"


def _data(value: object) -> DataSettings:
    """Return the checked settings of the data."""
    if isinstance(value, DataSettings):  # of arrays in memory
        return value
    return DataSettings.from_mapping(as_mapping("data", value))


def _check(run: RunConfig) -> None:
    """Refuse settings that have no meaning together, or need too much memory."""
    data = describe(run.data)
    _check_quirk(run)
    _check_dropout(run)
    _check_sharpness(run, data)
    _check_fit(run, data)
    _check_size(run)


def _check_fit(run: RunConfig, data: Description) -> None:
    """Check the settings that depend on the data: the batch size and the outputs."""
    if run.batch_size is not None and run.batch_size > data.train_size:
        raise InputError(
            f"batch_size={run.batch_size} is larger than the {data.train_size} training examples "
            f"of {data.name}: give at most {data.train_size}, or batch_size=full"
        )
    outputs = run.outputs()
    if outputs not in (data.classes, 1) or (outputs == 1 and data.classes > 2):
        raise InputError(
            f"data.outputs={outputs} does not fit {data.classes} classes: "
            f"give {data.classes}" + (" or 1" if data.classes == 2 else "")
        )
    parameters = dict(run.loss.parameters)
    softmax = run.loss.name == "cross_entropy" or parameters.get("output") == "softmax"
    if softmax and outputs == 1:
        raise InputError(
            f"loss={run.loss.name} does not fit one output unit, since a softmax over it is "
            f"always 1: use loss=binary_cross_entropy, or data.outputs=2"
        )
    if run.evaluate_first is not None and run.evaluate_first > data.test_size:
        raise InputError(
            f"evaluate_first={run.evaluate_first} is larger than the {data.test_size} test "
            f"examples of {data.name}: give at most {data.test_size}, or null for all"
        )
    if run.evaluate_epsilon is not None and run.loss.name not in LOGARITHMIC:
        raise InputError(
            f"evaluate_epsilon={run.evaluate_epsilon:g} does not fit loss={run.loss.name}, which "
            f"has no logarithm of a probability: use loss={' or loss='.join(LOGARITHMIC)}"
        )
    if run.evaluate_at and run.evaluate_at[-1] > run.total_steps():
        raise InputError(
            f"evaluate_at={run.evaluate_at[-1]} is beyond the end of the run, "
            f"which has {run.total_steps()} steps"
        )


def _check_size(run: RunConfig) -> None:
    """Refuse a network that does not fit into memory, or too many evaluations."""
    sizes = run.sizes()
    parameters = sum((i + 1) * o for i, o in itertools.pairwise(sizes))
    units = max(run.rows(), _EVALUATED_AT_ONCE) * sum(sizes)
    # Parameters, gradients and two moments; activations, their inputs and deltas, and with dropout
    # masks and their products; the targets of each class.
    dropout = run.dropout is not None or run.input_dropout is not None
    numbers = (
        4 * parameters + (5 if dropout else 3) * units + describe(run.data).classes * run.outputs()
    )
    layers = "x".join(map(str, sizes))
    what = f"a network of {layers} units ({parameters:,} parameters) in batches of {run.rows()}"
    validation.memory(what, numbers * (4 if run.dtype == "float32" else 8))
    if run.evaluate_every is not None:
        count = run.total_steps() / run.evaluate_every.steps(run.steps_per_epoch())
        if count > _MOST_EVALUATIONS:
            raise InputError(
                f"evaluate_every={run.evaluate_every} makes {count:.0f} evaluations in "
                f"{run.total_steps()} steps, and at most {_MOST_EVALUATIONS} are allowed: "
                f"give a larger interval, or none"
            )


def _check_quirk(run: RunConfig) -> None:
    if run.quirk and run.gradient == "numerical":
        raise InputError(f"quirk={run.quirk} changes backpropagation: it needs gradient=backprop")
    changed = ("dropout", "input_dropout", "pruning")
    for key in changed if run.quirk else ():
        if (value := getattr(run, key)) is not None:
            given = value if isinstance(value, float) else value.name
            raise InputError(
                f"{key}={given} does not fit quirk={run.quirk}, which changes the same rules of "
                f"training: leave one of them out"
            )
    plain = {"reduction": "sum", "output": "sigmoid"}
    if "plain_hidden_error" in (run.quirk or "") and dict(run.loss.parameters) != plain:
        raise InputError(
            "quirk=plain_hidden_error needs loss=mse loss.reduction=sum loss.output=sigmoid"
        )


def _check_sharpness(run: RunConfig, data: Description) -> None:
    given = run.evaluate_sharpness
    if given is None:
        return
    if given > data.train_size:
        raise InputError(
            f"evaluate_sharpness={given} is larger than the {data.train_size} training examples of "
            f"{data.name}: give at most {data.train_size}, or null to measure none"
        )
    if run.quirk:
        raise InputError(
            f"evaluate_sharpness={given} does not fit quirk={run.quirk}, which changes the "
            f"gradient: leave one of them out"
        )
    if find_spec("scipy") is None:
        raise InputError(
            f"evaluate_sharpness={given} needs the package scipy: pip install 'nnexp[sharpness]'"
        )


def _check_dropout(run: RunConfig) -> None:
    if run.dropout is not None and not run.hidden:
        raise InputError(
            f"dropout={run.dropout:g} leaves out hidden units, and hidden=none has none: leave it "
            f"out, or give input_dropout={run.dropout:g}"
        )
