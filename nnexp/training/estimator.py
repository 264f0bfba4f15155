"""A classifier with scikit-learn's interface: ``fit``, ``predict`` and ``score`` on arrays."""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from nnexp.config.registry import CUSTOM
from nnexp.config.run_config import RunConfig
from nnexp.config.user_functions import is_custom
from nnexp.data import Dataset, Description, Split, describe, in_memory
from nnexp.errors import InputError, unknown
from nnexp.files import write_whole
from nnexp.nn.network import Network
from nnexp.threads import available_cores
from nnexp.training.builder import build_network
from nnexp.training.trainer import Trainer, train

Array = npt.NDArray[Any]
Setting = str | Mapping[str, Any]

# The default batch size of `MLP`, if there are enough examples.
_BATCH_SIZE = 100


@dataclass(kw_only=True, eq=False)
class MLP:
    """A multi-layer perceptron classifier, with the same settings as a run.

    A choice with parameters is a mapping: ``init={"name": "normal", "std": 0.01}``. If neither
    ``epochs`` nor ``steps`` is given, it trains for 5 epochs. The default ``batch_size`` is 100, or
    all examples if there are fewer. Settings are checked by `fit`.

    Attributes
    ----------
    classes_ : array, (k,)
        The labels in ascending order.
    history_ : list of dict
        The metrics of each evaluation, the first before any update. Losses are means per example,
        accuracies fractions.
    layers_ : list of dict
        The statistics of each layer at each evaluation.
    diverged_ : bool
        Whether training ended early because the loss was no longer finite.
    network_ : nnexp.nn.network.Network
        The trained network.

    Examples
    --------
    >>> model = MLP(hidden=(50,), init="he", activation="relu", epochs=3).fit(x, y)
    >>> model.score(x_test, y_test)
    """

    hidden: Sequence[int] | str | int | None = (128,)
    activation: Setting = "sigmoid"
    init: Setting = "xavier"
    bias_init: Setting = "zero"
    loss: Setting = "cross_entropy"
    targets: str = "one_hot"
    optimizer: Setting = "sgd"
    lr: float = 0.5
    batch_size: int | str | None = None
    epochs: int | None = None
    steps: int | None = None
    sampling: Setting = "shuffle"
    weight_decay: float = 0.0
    gradient: str = "backprop"
    quirk: str | Sequence[str] | None = None
    evaluate_every: float | str | None = 1
    evaluate_at: Sequence[int] = ()
    dtype: str = "float32"
    seed: int = 0

    def fit(self, x: Any, y: Any, test: tuple[Any, Any] | None = None) -> MLP:
        """Train a new network on ``x (n, features)`` and labels ``y (n,)``; return the model.

        Labels may be numbers or text. ``test`` is a pair (x, y) that is scored at each evaluation
        but not trained on.

        Raises
        ------
        InputError
            If a setting, shape, value or label is invalid.
        """
        labels = _labels(y)
        classes, numbers = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise InputError("y has only one class: give labels of two or more classes")
        examples, features = _table(x).shape
        config = self._config(examples, features, len(classes))
        train_set = _split(x, numbers.astype(np.intp), config.dtype, features)
        test_set = None
        if test is not None:
            test_set = _split(test[0], _numbers(_labels(test[1]), classes), config.dtype, features)
            if (test_set.labels < 0).any():
                raise InputError("test has a label that y does not have: use only labels of y")
        data = Dataset(describe(config.data), train_set, test_set, None)
        with threadpool_limits(1, user_api="blas"):  # as in runs: results depend on the number
            trainer = Trainer(config, data, available_cores())
            evaluations = list(train(trainer))
        self.history_: list[dict[str, Any]] = []
        self.layers_: list[dict[str, Any]] = []
        for e in evaluations:
            moment = {"epoch": e.epoch, "step": e.step, "samples": e.samples}
            self.history_.append({**moment, "seconds": e.seconds, **e.metrics})
            self.layers_.extend({**moment, **layer} for layer in e.layers)
        self.diverged_ = evaluations[-1].diverged
        if self.diverged_:
            warnings.warn(
                f"training diverged at step {evaluations[-1].step}, so predictions are not usable: "
                f"try a smaller lr than {self.lr:g}, or another init",
                RuntimeWarning,
                stacklevel=2,
            )
        self._settings = self._plain()
        self.network_ = build_network(config)  # with inputs in the order of the features
        self.network_.load_arrays(trainer.network.arrays())
        self.classes_, self._examples = classes, examples
        return self

    def predict(self, x: Any) -> Array:
        """Return the predicted labels (n,) of ``x (n, features)``.

        Raises
        ------
        InputError
            Before `fit`, or if ``x`` is invalid.
        """
        network, logits = self._logits(x)
        return self.classes_[network.loss.predict(logits)]

    def predict_proba(self, x: Any) -> Array:
        """Return the probabilities (n, classes) of ``x``, in the order of `classes_`.

        With a softmax, rows sum to 1. With several sigmoid outputs they need not, as each output
        is the probability of its own class.

        Raises
        ------
        InputError
            As for `predict`, and if the outputs are not probabilities (``loss.output=identity``).
        """
        network, logits = self._logits(x)
        if network.loss.output == "identity":
            raise InputError("loss.output=identity does not give probabilities: use predict")
        with np.errstate(over="ignore", invalid="ignore"):
            network.loss.outputs(logits)
        return logits if logits.shape[1] > 1 else np.hstack([1 - logits, logits])

    def score(self, x: Any, y: Any) -> float:
        """Return the accuracy on ``x (n, features)`` and ``y (n,)``, as a fraction.

        An example with an output that is not finite counts as wrong.

        Raises
        ------
        InputError
            As for `predict`, and if ``x`` and ``y`` differ in length.
        """
        network, logits = self._logits(x)
        numbers = _numbers(_labels(y), self.classes_)
        if len(numbers) != len(logits):
            raise _unequal(len(logits), len(numbers))
        right = (network.loss.predict(logits) == numbers) & np.isfinite(logits).all(axis=1)
        return float(right.mean())

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """Write settings, classes and weights to an ``.npz`` file and return its path.

        The history is not saved.

        Raises
        ------
        InputError
            Before `fit`, if the file exists and ``overwrite`` is false, or if it cannot be written.
        """
        network = self._fitted()
        target = Path(path)
        if target.suffix != ".npz":
            target = target.with_name(target.name + ".npz")
        if target.exists() and not overwrite:
            raise InputError(f"{target} already exists: give another name, or overwrite=True")
        arrays: dict[str, Any] = {"classes": self.classes_, "examples": np.array(self._examples)}
        arrays["settings"] = np.array(json.dumps(self._settings))
        arrays |= network.arrays()
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_whole(target, buffer.getvalue())
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str], trusted: bool = False) -> MLP:
        """Return a model written by `save`.

        A model may name functions in Python files, and importing a file runs it. So they are only
        imported if ``trusted`` is true.

        Raises
        ------
        InputError
            If the file is missing, damaged or not a model, or if it names functions and is not
            ``trusted``.
        """
        with _reading(path):
            with open(path, "rb") as stream:
                arrays = dict(np.load(stream, allow_pickle=False))
            model = cls(**json.loads(str(arrays["settings"])))
        if not trusted:
            model._refuse_functions(path)
        with _reading(path):
            model._settings = model._plain()
            model.classes_, model._examples = arrays["classes"], int(arrays["examples"])
            features, classes = len(arrays["W1"]), len(model.classes_)
            network = build_network(model._config(model._examples, features, classes))
            network.load_arrays(arrays)
        model.network_ = network
        return model

    def _refuse_functions(self, path: str | os.PathLike[str]) -> None:
        """Raise an error if a setting names the user's own function."""
        for key in CUSTOM:
            value = getattr(self, key)
            name = str(value.get("name") if isinstance(value, Mapping) else value)
            if is_custom(name):
                raise InputError(
                    f"{path} would import {key}={name}, and importing a file runs its code: "
                    f"if you trust the model and this file, use load(path, trusted=True)"
                )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def set_params(self, **settings: Any) -> MLP:
        """Change settings for the next `fit` and return the model.

        Raises
        ------
        InputError
            If a setting is unknown; no setting is changed then.
        """
        for name in settings:
            if name not in self.get_params():
                raise unknown("setting", name, self.get_params())
        for name, value in settings.items():
            setattr(self, name, value)
        return self

    def _plain(self) -> dict[str, Any]:
        """Return the settings in JSON types, with NumPy arrays and numbers converted."""

        def simple(value: Any) -> Any:
            if callable(value):
                raise InputError(
                    f"{value!r} is a function: write it to a file and give 'FILE.py:NAME'"
                )
            return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)

        plain: dict[str, Any] = json.loads(json.dumps(self.get_params(), default=simple))
        return plain

    def _config(self, examples: int, features: int, classes: int) -> RunConfig:
        """Return the checked configuration of a run on data with these sizes."""
        description = Description(
            name="arrays",
            train_size=examples,
            test_size=0,
            validation_size=0,
            features=features,
            classes=classes,
            image_shape=None,
            digest="",
            labels=tuple(range(classes)),
        )
        settings = self._plain()
        if settings["batch_size"] is None:
            settings["batch_size"] = min(_BATCH_SIZE, examples)
        data = in_memory(description, settings.pop("targets"))
        return RunConfig.from_mapping({**settings, "data": data})

    def _fitted(self) -> Network:
        network: Network | None = getattr(self, "network_", None)
        if network is None:
            raise InputError("this MLP is not trained yet: call fit(x, y), or MLP.load(path)")
        return network

    def _logits(self, x: Any) -> tuple[Network, Array]:
        """Return the network and its logits (n, k) for ``x``, computed in parts."""
        network = self._fitted()
        inputs = _inputs(x, network.theta.dtype, network.sizes[0])
        logits = np.empty((len(inputs), network.sizes[-1]), inputs.dtype)
        rows = network.evaluation_rows
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(inputs), rows):
                part = slice(start, start + rows)
                logits[part] = network.forward(inputs[part])
        return network, logits


@contextmanager
def _reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn errors in reading a saved model into `InputError`."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give the path of a saved model") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} is damaged or not a saved model ({error}): save the model again"
        ) from error


def _table(x: Any) -> Array:
    """Return ``x`` as an (n, features) array of numbers, which may not be finite."""
    try:
        table = np.asarray(x)
        if table.dtype == object:
            table = table.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"x is not a table of numbers ({error}): give (examples, features)"
        ) from None
    if table.dtype.kind not in "biuf":
        raise InputError(f"x has dtype {table.dtype} instead of numbers: give (examples, features)")
    if table.ndim != 2 or not table.size:
        raise InputError(
            f"x has the shape {table.shape}: give (examples, features), as in x.reshape(len(x), -1)"
        )
    return table


def _inputs(x: Any, dtype: npt.DTypeLike, features: int) -> Array:
    """Return ``x`` as a finite, C-contiguous array (n, features) of ``dtype``."""
    table = _table(x)
    if table.shape[1] != features:
        raise InputError(f"x has {table.shape[1]} features, but the network has {features}")
    with np.errstate(over="ignore"):
        inputs = np.ascontiguousarray(table, dtype)
    bad = ~np.isfinite(inputs)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(
            f"x is {table[row, column]} in row {row}, column {column}: "
            f"give finite numbers in the range of {inputs.dtype}"
        )
    return inputs


def _split(x: Any, labels: npt.NDArray[np.intp], dtype: npt.DTypeLike, features: int) -> Split:
    """Return the checked examples and their labels."""
    inputs = _inputs(x, dtype, features)
    if len(inputs) != len(labels):
        raise _unequal(len(inputs), len(labels))
    return Split(inputs, labels)


def _unequal(rows: int, labels: int) -> InputError:
    return InputError(f"x has {rows} rows and y has {labels} labels: give one label per row")


def _labels(y: Any) -> Array:
    """Return ``y`` as an (n,) array of numbers or of text; raise `InputError` otherwise."""
    labels = np.asarray(y)
    if labels.dtype == object and len({type(label) for label in labels.ravel()}) == 1:
        labels = np.asarray(labels.tolist())
    if labels.ndim != 1 or not len(labels):
        raise InputError(f"y has the shape {labels.shape}: give (examples,), one label per row")
    if labels.dtype.kind not in "biufU":
        raise InputError("y mixes types of labels: give only numbers or only text")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise InputError("y has a label that is not finite: give a class for every example")
    return labels


def _numbers(labels: Array, classes: Array) -> npt.NDArray[np.intp]:
    """Return the position of each label in ``classes`` (ascending), or -1 if it is not there."""
    if (labels.dtype.kind == "U") != (classes.dtype.kind == "U"):
        raise InputError(
            f"y has labels of type {labels.dtype}, but the classes have type {classes.dtype}: "
            f"give labels of the same type"
        )
    place = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    numbers: npt.NDArray[np.intp] = np.where(classes[place] == labels, place, -1)
    return numbers
