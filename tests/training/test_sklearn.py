"""MLP as an estimator of scikit-learn: its own checks, its tools, and what they rely on."""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnexp import MLP
from nnexp.errors import InputError

EPOCHS = 5


def model(**settings: Any) -> MLP:
    return MLP(**{"hidden": (6,), "batch_size": 20, "epochs": EPOCHS, "seed": 3, **settings})


def blobs(n: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Return ``n`` examples of 3 features around three corners, and their colours."""
    rng = np.random.default_rng(0)
    classes = np.arange(n) % 3
    return 2 * np.eye(3)[classes] + 0.3 * rng.standard_normal((n, 3)), COLOURS[classes]


COLOURS = np.array(["red", "green", "blue"])
X, Y = blobs()


# scikit-learn's own checks.


@pytest.mark.slow
@pytest.mark.parametrize("mlp", [MLP(), MLP(hidden=(8,), epochs=40, evaluate_every=None)], ids=repr)
def test_scikit_learns_checks_of_estimators(mlp: MLP) -> None:
    from sklearn.utils import estimator_checks

    warnings.filterwarnings("ignore", message="Estimator MLP does not inherit from")  # it need not
    results = estimator_checks.check_estimator(mlp, on_fail=None, on_skip=None)
    assert len(results) > 40
    assert [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"] == []
    assert [r["check_name"] for r in results if r["status"] == "skipped"] in (
        [],
        ["check_array_api_input"],  # needs an environment variable
    )
    estimator_checks.check_dataframe_column_names_consistency("MLP", mlp)


# scikit-learn's tools.


@pytest.mark.slow
def test_a_pipeline_is_the_model_on_scaled_features() -> None:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), model()).fit(1000 * X, Y)
    scaled = StandardScaler().fit_transform(1000 * X)
    assert np.array_equal(
        pipeline.predict_proba(1000 * X), model().fit(scaled, Y).predict_proba(scaled)
    )
    assert "MLP" in pipeline._repr_html_()


def test_a_search_finds_the_learning_rate_that_learns() -> None:
    from sklearn.model_selection import GridSearchCV, cross_val_score

    search = GridSearchCV(model(), {"lr": [1e-6, 0.5], "hidden": [(6,), "4x4"]}, cv=3).fit(X, Y)
    assert search.best_params_ == {"lr": 0.5, "hidden": (6,)}
    assert search.best_score_ == cross_val_score(model(), X, Y, cv=3).mean() > 0.9


def test_calibration_and_learning_curves() -> None:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import learning_curve

    calibrated = CalibratedClassifierCV(model(), cv=2).fit(X, Y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1, rtol=1e-6)
    assert calibrated.score(X, Y) > 0.9
    sizes, train_scores, test_scores = learning_curve(model(), X, Y, train_sizes=[30, 60], cv=3)
    assert (list(sizes), train_scores.shape) == ([30, 60], (2, 3))
    assert test_scores[-1].mean() > 0.9


def test_a_clone_has_the_very_parameters_and_is_not_trained() -> None:
    from sklearn.base import clone
    from sklearn.exceptions import NotFittedError

    fitted = model(init={"name": "normal", "std": 0.1}, hidden=[5]).fit(X, Y)
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params()
    assert copied.hidden is not fitted.hidden
    assert not hasattr(copied, "classes_")
    for name in ("predict", "predict_proba"):
        with pytest.raises(NotFittedError, match="not trained yet") as caught:
            getattr(copied, name)(X)
        assert isinstance(caught.value, InputError)
        assert isinstance(pickle.loads(pickle.dumps(caught.value)), NotFittedError)
    for name in ("coefs_", "intercepts_", "n_iter_", "loss_curve_", "n_features_in_"):
        assert not hasattr(copied, name)


# Attributes.


@pytest.mark.parametrize("settings", [{}, {"activation": "tanh", "hidden": "4x5"}], ids=str)
def test_coefs_are_the_weights_in_the_order_of_the_features(settings: dict[str, Any]) -> None:
    x = np.hstack([np.zeros((90, 40)), X, np.zeros((90, 40))])  # training sorts these columns
    fitted = model(bias_init="randn", **settings).fit(x, Y)
    a = x
    layers = list(zip(fitted.coefs_, fitted.intercepts_, strict=True))
    for i, (w, b) in enumerate(layers):
        z = a @ w + b
        a = z if i == len(layers) - 1 else np.tanh(z) if settings else 1 / (1 + np.exp(-z))
    expected = np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.predict_proba(x), expected, atol=1e-6)
    assert fitted.n_features_in_ == 83


def test_the_loss_curve_has_the_mean_loss_of_every_epoch() -> None:
    x, y = X[:80], Y[:80]
    fitted = model(epochs=3, batch_size=80).fit(x, y)
    before = [row["train_loss"] for row in fitted.history_[:-1]]  # one batch, before its update
    np.testing.assert_allclose(fitted.loss_curve_, before, rtol=1e-6)
    assert fitted.n_iter_ == 3
    assert model(epochs=None, steps=6, batch_size=20).fit(x, y).n_iter_ == 2
    assert len(model(evaluate_every=None).fit(x, y).loss_curve_) == 1


@pytest.mark.parametrize("dtype", ["U5", object, int, float, bool])
def test_labels_keep_their_dtype(dtype: Any, tmp_path: Path) -> None:
    text = dtype in ("U5", object)
    y = (Y if text else np.searchsorted(np.unique(Y), Y) % (2 if dtype is bool else 3)).astype(
        dtype
    )
    fitted = model().fit(X, y)
    for each in (fitted, MLP.load(fitted.save(tmp_path / "model"))):
        assert each.classes_.dtype == y.dtype == each.predict(X).dtype
        assert np.array_equal(each.classes_, np.unique(y))
        assert each.score(X, y) == np.mean(each.predict(X) == y)
        if text:
            assert each.score(X, Y) == each.score(X, Y.astype(object)) > 0.9


@pytest.mark.parametrize("loss", [{"name": "mse", "reduction": "sum"}, "binary_cross_entropy"])
def test_probabilities_of_sigmoid_outputs_sum_to_1(loss: Any) -> None:
    fitted = model(loss=loss, dtype="float64").fit(X, Y)
    a = 1 / (1 + np.exp(-(X @ fitted.coefs_[0] + fitted.intercepts_[0])))
    outputs = 1 / (1 + np.exp(-(a @ fitted.coefs_[1] + fitted.intercepts_[1])))
    expected = outputs / outputs.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.predict_proba(X), expected)
    fitted.intercepts_[-1][...] -= 1e4  # all outputs are 0 as floats
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1)


def test_few_examples_are_trained_for_more_epochs_by_default() -> None:
    quick = MLP(hidden=(2,), evaluate_every=None)
    assert quick.fit(X, Y).n_iter_ == 200
    assert quick.set_params(batch_size=30).fit(X, Y).n_iter_ == 67
    assert quick.set_params(batch_size=2).fit(X, Y).n_iter_ == 5


def test_a_model_shows_the_settings_that_are_not_the_default() -> None:
    assert repr(MLP()) == "MLP()"
    assert repr(MLP(lr=0.1, hidden=(50,), init="he")) == "MLP(hidden=(50,), init='he', lr=0.1)"
    assert repr(MLP(hidden=np.array([128]))) == "MLP(hidden=array([128]))"


# DataFrames and sparse matrices.


def test_the_columns_of_a_table_are_those_of_fit() -> None:
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    fitted = model().fit(table, pd.Series(Y))
    assert fitted.feature_names_in_.tolist() == ["a", "b", "c"]
    assert np.array_equal(fitted.predict_proba(table), model().fit(X, Y).predict_proba(X))
    with pytest.raises(InputError, match="must be in the same order"):
        fitted.predict(table[["b", "a", "c"]])
    with pytest.raises(InputError, match=r"unseen at fit time:\n- d\n.*yet now missing:\n- c\n"):
        fitted.fit(table, Y, test=(table.rename(columns={"c": "d"}), Y))
    with pytest.warns(UserWarning, match="X does not have valid feature names, but MLP was fitted"):
        fitted.predict(X)
    with pytest.raises(InputError, match="column name 0 among names that are text"):
        fitted.fit(table.rename(columns={"b": 0}), Y)
    assert not hasattr(fitted.fit(X, Y), "feature_names_in_")
    with pytest.warns(UserWarning, match="X has feature names, but MLP was fitted without"):
        fitted.predict(table)


def test_sparse_input_is_refused_in_a_sentence() -> None:
    from scipy import sparse

    for kind in (sparse.csr_array, sparse.coo_matrix):
        for use in (lambda x: model().fit(x, Y), model().fit(X, Y).predict):
            with pytest.raises(InputError, match=r"^x is a sparse co*s?.*: give x\.toarray\(\)$"):
                use(kind(X))


def test_a_column_of_labels_is_taken_with_one_warning() -> None:
    with pytest.warns(UserWarning, match="A column-vector y was passed") as caught:
        fitted = model().fit(X, Y[:, None])
    assert len(caught) == 1
    assert np.array_equal(fitted.predict_proba(X), model().fit(X, Y).predict_proba(X))


# Epoch by epoch, and pickled.

OPTIMIZERS = [
    {},
    {"optimizer": "adam", "lr": 0.05},
    {"optimizer": "momentum", "sampling": "replacement", "batch_size": 7},
    {"quirk": "updated_weights", "dtype": "float64", "bias_init": "randn"},
]


def counts(mlp: MLP) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in mlp.history_]


@pytest.mark.parametrize("settings", OPTIMIZERS, ids=str)
def test_epochs_one_by_one_are_a_fit_to_the_bit(settings: dict[str, Any], tmp_path: Path) -> None:
    x = X * (np.abs(X) > 0.3)  # some zeros
    whole, parts = model(**settings).fit(x, Y), model(**settings)
    for epoch in range(EPOCHS):
        parts.partial_fit(x, Y, classes=COLOURS if epoch == 0 else None)
        if epoch == 1:
            parts = pickle.loads(pickle.dumps(parts))
        if epoch == 2:
            parts = MLP.load(parts.save(tmp_path / "model"))
    assert all(map(np.array_equal, parts.coefs_, whole.coefs_))
    assert all(map(np.array_equal, parts.intercepts_, whole.intercepts_))
    assert counts(parts) == counts(whole)
    assert parts.layers_ == whole.layers_
    assert (parts.n_iter_, parts.loss_curve_) == (EPOCHS, whole.loss_curve_)
    longer = model(**settings, epochs=EPOCHS - 1).fit(x, Y).partial_fit(x, Y)
    assert np.array_equal(longer.coefs_[0], whole.coefs_[0])


def test_chunks_of_different_sizes_count_their_own_steps() -> None:
    parts = model()
    for start, stop in ((0, 50), (50, 60), (60, 90)):
        parts.partial_fit(X[start:stop], Y[start:stop], classes=COLOURS)
    assert [row["step"] for row in parts.history_] == [0, 3, 4, 6]
    assert [row["samples"] for row in parts.history_] == [0, 50, 60, 90]
    assert (parts.n_iter_, len(parts.loss_curve_)) == (3, 3)
    again = pickle.loads(pickle.dumps(parts.partial_fit(X[:5], Y[:5])))
    assert np.array_equal(again.predict_proba(X), parts.predict_proba(X))


def test_what_an_epoch_cannot_continue_with_is_refused() -> None:
    with pytest.raises(InputError, match="classes must be passed on the first call"):
        model().partial_fit(X, Y)
    with pytest.raises(InputError, match="the label red is not one of the classes: blue, green"):
        model().partial_fit(X, Y, classes=["green", "blue"])
    begun = model().partial_fit(X, Y, classes=COLOURS)
    before = [w.copy() for w in begun.coefs_]
    with pytest.raises(InputError, match=r"not .*those of the calls before"):
        begun.partial_fit(X, Y, classes=["green", "blue"])
    with pytest.raises(InputError, match="X has 2 features, but MLP is expecting 3"):
        begun.partial_fit(X[:, :2], Y)
    for change in ({"hidden": (5,)}, {"optimizer": "adam"}, {"dtype": "float64"}):
        with pytest.raises(InputError, match="partial_fit cannot continue"):
            copy.deepcopy(begun).set_params(**change).partial_fit(X, Y)
    assert all(map(np.array_equal, begun.coefs_, before))
    slower = copy.deepcopy(begun).set_params(lr=1e-9).partial_fit(X, Y)
    np.testing.assert_allclose(slower.coefs_[0], before[0], atol=1e-7)


def test_an_epoch_that_diverges_says_so() -> None:
    settings = {"activation": "relu", "loss": {"name": "mse", "output": "identity"}, "lr": 1e9}
    with pytest.warns(RuntimeWarning, match="diverged at step"):
        parts = model(**settings).partial_fit(X, Y, classes=COLOURS)
    assert parts.diverged_


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam", "activation": "gelu"}], ids=str)
def test_a_pickled_model_is_the_model(settings: dict[str, Any]) -> None:
    fitted = model(**settings).fit(X, Y).set_params(hidden=(2,))
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))
    assert again.get_params() == fitted.get_params()
    assert again.history_ == fitted.history_
    assert repr(pickle.loads(pickle.dumps(model()))) == repr(model())
