"""A classifier with scikit-learn's interface: ``fit``, ``predict`` and ``score`` on arrays."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from nnexp.errors import InputError, unknown
from nnexp.nn.losses import softmax
from nnexp.nn.network import Network
from nnexp.training import array_runs, checkpoint, model_file, scikit_learn, user_arrays
from nnexp.training.builder import build_network
from nnexp.training.trainer import Evaluation, Trainer, train

Array = npt.NDArray[Any]
Setting = str | Mapping[str, Any]


@dataclass(kw_only=True, eq=False, repr=False)
class MLP:
    """A multi-layer perceptron classifier, with the same settings as a run.

    It is an estimator in scikit-learn's sense, for `clone`, pipelines, cross-validation and
    searches, and does not need scikit-learn. Settings are checked by `fit`. The same settings, seed
    and data give the same numbers, to the bit on the same machine, and those of a run with them.

    Features are used as they are given. Scale them if their ranges differ, for example with
    scikit-learn's `StandardScaler` in a pipeline.

    Parameters
    ----------
    hidden : sequence of int, str, int or None, default=(128,)
        The number of units of each hidden layer: ``(512, 256)``, ``"512x256"``, ``"29*100"`` (29
        layers of 100), ``128``; ``None`` for no hidden layer.
    activation : str or mapping, default="sigmoid"
        The activation of the hidden layers. This and the other choices are names, or mappings with
        parameters such as ``{"name": "leaky_relu", "slope": 0.1}``. For all names, run
        ``python -m nnexp --help``.
    init : str or mapping, default="xavier"
        How the weights are drawn, such as ``{"name": "normal", "std": 0.01}``.
    bias_init : str or mapping, default="zero"
        How the biases are drawn.
    loss : str or mapping, default="cross_entropy"
        ``"cross_entropy"`` (softmax), ``"binary_cross_entropy"`` (sigmoid outputs) or ``"mse"``,
        the mean per example.
    targets : str, default="one_hot"
        The outputs to learn for the right class and the others: ``"one_hot"`` (1 and 0) or
        ``"soft"``.
    optimizer : str or mapping, default="sgd"
        ``"sgd"``, ``"momentum"``, ``"nesterov"``, ``"rmsprop"``, ``"adagrad"`` or ``"adam"``.
    lr : float, default=0.5
        The learning rate, for gradients that are means over the batch. The default is for
        ``"sgd"``; ``"adam"`` needs about 0.001.
    batch_size : int, "full" or None, default=None
        Examples per update. ``None`` means 100, or all examples if there are fewer.
    epochs : int or None, default=None
        Passes through the examples. If neither ``epochs`` nor ``steps`` is given, 5, or more if 5
        epochs make fewer than 200 updates: as many as make 200. So up to 100 examples, it is 200
        epochs, and from 4000 examples on 5.
    steps : int or None, default=None
        Updates, instead of ``epochs``.
    sampling : str, default="shuffle"
        The order of the examples in an epoch: ``"shuffle"``, ``"replacement"``,
        ``"independent"`` or ``"sequential"``.
    schedule : str or mapping, default="constant"
        How the learning rate changes: ``"constant"``, ``"step"`` or ``"cosine"``, such as
        ``{"name": "cosine", "warmup": 1}`` (in epochs).
    weight_decay : float, default=0.0
        The factor c of the penalty c/2·‖weights‖², which does not include the biases.
    dropout : float, default=0.0
        The probability of leaving out each hidden unit in a training step.
    input_dropout : float, default=0.0
        The probability of leaving out each input in a training step.
    label_dilution : float, default=0.0
        The number of copies of each example with random labels, which are drawn anew in each epoch:
        an example has its own label with the probability 1 / (1 + ``label_dilution``).
    pruning : str or mapping, default="none"
        How connections are removed before the training that counts: ``"none"``, ``"rewind"`` or
        ``"redraw"``, such as ``{"name": "rewind", "rounds": 3, "fraction": 0.2}``. `fit` then
        trains once more for each round.
    gradient : str, default="backprop"
        ``"backprop"``, or ``"numerical"`` for central differences, which are slow and in float64.
    quirk : str, sequence of str or None, default=None
        A documented bug of published code to reproduce, or several.
    evaluate_every : float, str or None, default=1
        The interval of the rows of `history_`: a number of epochs or ``"100 steps"``; ``None`` for
        only the first and the last.
    evaluate_at : sequence of int, default=()
        Further steps at which to evaluate.
    dtype : str, default="float32"
        ``"float32"`` or ``"float64"``: the precision of weights, features and probabilities.
    seed : int, default=0
        The seed of the weights and of the order of the examples, from 0 on.

    Attributes
    ----------
    classes_ : array, (k,)
        The labels in ascending order, of their own dtype.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : array of object, (n_features_in_,)
        The names of the columns, if `fit` was given a DataFrame whose column names are all text.
        Other names in `predict` are an error.
    coefs_ : list of array, (fan_in, fan_out)
        The weights of each layer.
    intercepts_ : list of array, (fan_out,)
        The biases of each layer; with ``quirk="position_bias"`` (batch_size, fan_out).
    n_iter_ : int
        The number of epochs trained, including one that was not completed.
    loss_curve_ : list of float
        The mean loss of the training examples in each epoch, each before the update of its batch.
        With another ``evaluate_every`` than 1, there is one mean for each interval between
        evaluations instead.
    history_ : list of dict
        The metrics of each evaluation, the first before any update. Losses are means per example,
        accuracies fractions, ``seconds`` the training time.
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

    With scikit-learn, the best of six settings by cross-validation:

    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> model = make_pipeline(StandardScaler(), MLP(activation="relu", init="he"))
    >>> search = GridSearchCV(model, {"mlp__lr": [0.05, 0.1, 0.2], "mlp__hidden": [(20,), (50,)]})
    >>> search.fit(x, y).best_params_
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
    schedule: Setting = "constant"
    weight_decay: float = 0.0
    dropout: float = 0.0
    input_dropout: float = 0.0
    label_dilution: float = 0.0
    pruning: Setting = "none"
    gradient: str = "backprop"
    quirk: str | Sequence[str] | None = None
    evaluate_every: float | str | None = 1
    evaluate_at: Sequence[int] = ()
    dtype: str = "float32"
    seed: int = 0

    def fit(self, x: Any, y: Any, test: tuple[Any, Any] | None = None) -> MLP:
        """Train a new network on ``x (n, features)`` and labels ``y (n,)``; return the model.

        Labels are whole numbers or text. ``test`` is a pair (x, y) that is scored at each
        evaluation but not trained on.

        Raises
        ------
        InputError
            If a setting, shape, value or label is invalid. It is a `ValueError`.
        """
        names, table = user_arrays.feature_names(x), user_arrays.table(x)
        labels = user_arrays.labels(y)
        classes = user_arrays.distinct(labels)
        settings, (examples, features) = array_runs.plain(self.get_params()), table.shape
        config = array_runs.configure(settings, examples, features, len(classes))
        inputs = user_arrays.finite(table, config.dtype, features)
        train_set, test_set = user_arrays.split(inputs, labels, classes), None
        if test is not None:
            inputs = user_arrays.inputs(test[0], config.dtype, features, names)
            test_set = user_arrays.split(inputs, user_arrays.labels(test[1]), classes)
        with threadpool_limits(1, user_api="blas"):  # as in runs: results depend on the number
            trainer = array_runs.trainer(config, train_set, test_set)
            evaluations = list(train(trainer))
        self.history_: list[dict[str, Any]] = []
        self.layers_: list[dict[str, Any]] = []
        self._keep(trainer, classes, names)
        self._record(evaluations)
        return self

    def partial_fit(self, x: Any, y: Any, classes: Any = None) -> MLP:
        """Train for one epoch on ``x (n, features)`` and labels ``y (n,)``; return the model.

        The weights and the state of the optimiser are those of the last call, or of `fit`. So k
        calls with the same examples are a `fit` of k epochs, to the bit if that is evaluated only
        at the ends of epochs, as by default. Each call adds an evaluation of its examples to
        `history_`; ``epochs``, ``steps``, ``evaluate_every`` and ``evaluate_at`` are not used.
        Fewer examples than ``batch_size`` are one batch. Other settings, such as ``lr``, may change
        between calls, but not the shape of the network, the optimiser or the dtype.

        ``classes`` are all labels that may follow, (k,). They are required in the first call.

        Raises
        ------
        InputError
            As for `fit`, and if labels, features or settings do not fit the calls before, or the
            network is to be pruned.
        """
        names, table = user_arrays.feature_names(x), user_arrays.table(x)
        labels, known = user_arrays.labels(y), self._known(classes)
        begun, features = hasattr(self, "network_"), table.shape[1]
        if begun:
            fitted = getattr(self, "feature_names_in_", None)
            user_arrays.check_names(names, fitted)
            names, features = fitted, self.n_features_in_
        settings = array_runs.for_one_epoch(array_runs.plain(self.get_params()), len(table))
        config = array_runs.configure(settings, len(table), features, len(known))
        if config.pruning is not None:
            raise InputError(
                f"partial_fit cannot train rounds of pruning={config.pruning.name}: use fit, or "
                f"pruning='none'"
            )
        inputs = user_arrays.finite(table, config.dtype, features)
        train_set = user_arrays.split(inputs, labels, known)
        trainer = array_runs.trainer(config, train_set)
        skipped = self._restore(trainer) if begun else 0
        with threadpool_limits(1, user_api="blas"):
            evaluations = [] if begun else [trainer.evaluate()]
            trainer.advance(trainer.progress.step + config.steps_per_epoch())
            evaluations.append(trainer.evaluate())
        if not begun:
            self.history_, self.layers_ = [], []
        self._keep(trainer, known, names)
        self._record(evaluations, skipped)
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
        """Return the probabilities (n, k) of ``x``, in the order of `classes_`; rows sum to 1.

        Several sigmoid outputs are divided by their sum, as in scikit-learn's one-vs-rest
        classifiers.

        Raises
        ------
        InputError
            As for `predict`, and if the outputs are not probabilities (``loss.output=identity``).
        """
        network, logits = self._logits(x)
        output = network.loss.output
        if output == "identity":
            raise InputError("loss.output=identity does not give probabilities: use predict")
        with np.errstate(over="ignore", invalid="ignore"):
            if logits.shape[1] == 1:
                network.loss.outputs(logits)
                return np.hstack([1 - logits, logits])
            if output == "sigmoid":
                logits = -np.logaddexp(0, -logits)  # logarithms: all may be too small for a float
            softmax(logits)
        return logits

    def score(self, x: Any, y: Any) -> float:
        """Return the accuracy on ``x (n, features)`` and ``y (n,)``, as a fraction.

        An example with an output that is not finite counts as wrong.

        Raises
        ------
        InputError
            As for `predict`, and if ``x`` and ``y`` differ in length.
        """
        network, logits = self._logits(x)
        numbers = user_arrays.numbers(user_arrays.labels(y), self.classes_)
        user_arrays.check_lengths(len(logits), len(numbers))
        right = (network.loss.predict(logits) == numbers) & np.isfinite(logits).all(axis=1)
        return float(right.mean())

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """Write the trained model to an ``.npz`` file and return its path.

        Raises
        ------
        InputError
            Before `fit`, if the file exists and ``overwrite`` is false, or if it cannot be written.
        """
        network, names = self._fitted(), getattr(self, "feature_names_in_", None)
        training = {
            "examples": self._examples,
            "history": self.history_,
            "layers": self.layers_,
            "diverged": self.diverged_,
            "label_dtype": self.classes_.dtype.str,
            "feature_names": None if names is None else names.tolist(),
        }
        text = self.classes_.dtype == object
        arrays = {
            "classes": self.classes_.astype(str) if text else self.classes_,
            "settings": np.array(json.dumps(self._settings)),
            "training": np.array(json.dumps(training)),
        }
        return model_file.write(path, arrays | network.arrays() | self._optimizer, overwrite)

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
        with model_file.reading(path):
            arrays = model_file.read(path)
            model = cls(**json.loads(str(arrays["settings"])))
            function = array_runs.own_function(model.get_params())
        if function and not trusted:
            raise InputError(
                f"{path} would import {function}, and importing a file runs its code: "
                f"if you trust the model and this file, use load(path, trusted=True)"
            )
        with model_file.reading(path):
            training = json.loads(str(arrays["training"]))
            model._settings = array_runs.plain(model.get_params())
            model._examples = training["examples"]
            model.classes_ = arrays["classes"].astype(training["label_dtype"])
            model.history_, model.layers_ = training["history"], training["layers"]
            model.diverged_ = training["diverged"]
            if training["feature_names"] is not None:
                model.feature_names_in_ = np.array(training["feature_names"], dtype=object)
            model._optimizer = {k: v for k, v in arrays.items() if k.startswith("optimizer.")}
            model.network_ = model._rebuilt(arrays)
        return model

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by name. No setting is an estimator, so ``deep`` has no effect."""
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

    @property
    def n_features_in_(self) -> int:
        """The number of features."""
        return self._fitted().sizes[0]

    @property
    def coefs_(self) -> list[Array]:
        """The weights of each layer, (fan_in, fan_out)."""
        return list(self._fitted().weights)

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of each layer, (fan_out,)."""
        return list(self._fitted().biases)

    @property
    def n_iter_(self) -> int:
        """The number of epochs trained, including one that was not completed."""
        self._fitted()
        epochs: float = self.history_[-1]["epoch"]
        return math.ceil(epochs)

    @property
    def loss_curve_(self) -> list[float]:
        """The mean training loss in each epoch, or in each interval between evaluations."""
        self._fitted()
        losses = [row["running_loss"] for row in self.history_]
        return [loss for loss in losses if loss is not None]

    def __sklearn_tags__(self) -> Any:
        return scikit_learn.tags()

    def __repr__(self) -> str:
        """Return the settings that are not the default."""
        given = [(f.name, repr(getattr(self, f.name)), repr(f.default)) for f in fields(self)]
        return f"MLP({', '.join(f'{name}={value}' for name, value, d in given if value != d)})"

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for pickling, with the arrays of the network for its functions."""
        state = self.__dict__.copy()
        network: Network | None = state.pop("network_", None)
        return state if network is None else {**state, "network_": network.arrays()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "network_" in state:
            self.network_ = self._rebuilt(state["network_"])

    def _known(self, classes: Any) -> Array:
        """Return all labels that `partial_fit` may be given, in ascending order."""
        given = None
        if classes is not None:
            given = user_arrays.distinct(user_arrays.labels(classes), "classes")
        fitted: Array | None = getattr(self, "classes_", None)
        if fitted is None:
            if given is None:
                raise InputError(
                    "classes must be passed on the first call to partial_fit: give all labels "
                    "that may follow, as in classes=np.unique(y)"
                )
            return given
        if given is not None and not np.array_equal(given, fitted):
            raise InputError(
                f"classes={given.tolist()} is not {fitted.tolist()}, those of the calls before: "
                f"leave classes out, or start with a new MLP"
            )
        return fitted

    def _keep(self, trainer: Trainer, classes: Array, names: Array | None) -> None:
        """Keep what is needed to predict and to continue: the network in the order of features."""
        self._settings = array_runs.plain(self.get_params())
        self._examples, self.classes_ = len(trainer.data.train.labels), classes
        state = checkpoint.state(trainer)
        self._optimizer = {k: v for k, v in state.items() if k.startswith("optimizer.")}
        self.network_ = build_network(trainer.config)
        self.network_.load_arrays(state)
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _record(self, evaluations: Iterable[Evaluation], skipped: int = 0) -> None:
        """Add evaluations to the history; ``skipped`` steps were counted but not taken."""
        for e in evaluations:
            moment = {"epoch": e.epoch, "step": e.step - skipped, "samples": e.samples}
            self.history_.append({**moment, "seconds": e.seconds, **e.metrics})
            self.layers_.extend({**moment, **layer} for layer in e.layers)
            self.diverged_ = e.diverged
        if self.diverged_:
            warnings.warn(
                f"training diverged at step {self.history_[-1]['step']}, so predictions are not "
                f"usable: try a smaller lr than {self.lr:g}, or another init",
                RuntimeWarning,
                stacklevel=3,
            )

    def _restore(self, trainer: Trainer) -> int:
        """Have ``trainer`` continue after the epochs so far; return by how much it miscounts steps.

        Its steps are counted as if all epochs had had as many examples, since the order of the
        examples depends on the number of the epoch.
        """
        last, step = self.history_[-1], self.n_iter_ * trainer.config.steps_per_epoch()
        progress = np.array([step, last["samples"], last["seconds"], math.nan])
        state = {**self.network_.arrays(), **self._optimizer, "progress": progress}
        same_dtype = self.network_.theta.dtype == trainer.network.theta.dtype
        if not (same_dtype and checkpoint.fits(trainer, state, step)):
            raise InputError(
                "partial_fit cannot continue, since the shape of the network, the optimizer or the "
                "dtype was changed: change it back, or call fit to start again"
            )
        checkpoint.restore(trainer, state)
        return int(step - last["step"])

    def _rebuilt(self, arrays: Mapping[str, Array]) -> Network:
        """Return the trained network with the parameters in ``arrays``."""
        settings = array_runs.for_one_epoch(self._settings, self._examples)
        features = len(arrays["W1"])
        config = array_runs.configure(settings, self._examples, features, len(self.classes_))
        network = build_network(config)
        network.load_arrays(arrays)
        return network

    def _fitted(self) -> Network:
        network: Network | None = getattr(self, "network_", None)
        if network is None:
            raise scikit_learn.not_fitted(
                "this MLP is not trained yet: call fit(x, y), or MLP.load(path)"
            )
        return network

    def _logits(self, x: Any) -> tuple[Network, Array]:
        """Return the network and its logits (n, k) for ``x``, computed in parts."""
        network, names = self._fitted(), getattr(self, "feature_names_in_", None)
        inputs = user_arrays.inputs(x, network.theta.dtype, network.sizes[0], names)
        logits = np.empty((len(inputs), network.sizes[-1]), inputs.dtype)
        rows = network.evaluation_rows
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(inputs), rows):
                part = slice(start, start + rows)
                logits[part] = network.forward(inputs[part])
        return network, logits
