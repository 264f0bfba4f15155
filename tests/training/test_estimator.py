"""The core in scikit-learn's manner: the same numbers as a run, on a caller's own arrays."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import nnexp
from nnexp import MLP
from nnexp.config.run_config import RunConfig
from nnexp.data import DataSettings, load
from nnexp.errors import InputError
from nnexp.training.trainer import Trainer, train

BLOBS = {"name": "blobs", "n": 300, "classes": 3, "features": 4, "std": 0.3}


def data(dtype: str = "float64") -> Any:
    return load(DataSettings.from_mapping(BLOBS), dtype)


def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Return 300 examples, and their classes as words."""
    train_set = data().train
    return train_set.x, np.array(["red", "green", "blue"])[train_set.labels]


def model(**settings: Any) -> MLP:
    return MLP(**{"hidden": (12,), "batch_size": 30, "epochs": 8, **settings})


SETTINGS = [
    {},
    {"init": {"name": "normal", "std": 0.3}, "activation": "tanh", "optimizer": "momentum"},
    {"loss": {"name": "mse", "reduction": "sum"}, "targets": "soft", "hidden": "8x8", "seed": 3},
    {"epochs": None, "steps": 15, "evaluate_every": "4 steps", "sampling": "replacement"},
    {"epochs": 1, "gradient": "numerical", "batch_size": "full"},
    {"epochs": 1, "quirk": "position_bias", "hidden": None, "weight_decay": 0.1},
    {"quirk": ("updated_weights", "position_bias"), "optimizer": "adam", "lr": 0.01},
    {"dropout": 0.3, "input_dropout": 0.1, "label_dilution": 1},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_fit_is_the_run_of_the_same_settings(settings: dict[str, Any]) -> None:
    mine = model(**settings)
    named = mine.get_params()
    named["data"] = {**BLOBS, "targets": named.pop("targets")}
    config = RunConfig.from_mapping(named)
    sets = data(config.dtype)
    evaluations = list(train(Trainer(config, sets)))
    mine.fit(data().train.x, data().train.labels, test=(data().test.x, data().test.labels))
    assert len(mine.history_) == len(evaluations)
    for row, evaluation in zip(mine.history_, evaluations, strict=True):
        assert {key: row[key] for key in evaluation.metrics} == evaluation.metrics
        assert (row["step"], row["epoch"]) == (evaluation.step, evaluation.epoch)
    rows = [{"step": e.step, **layer} for e in evaluations for layer in e.layers]
    assert [{key: row[key] for key in rows[0]} for row in mine.layers_] == rows


def test_defaults_are_those_of_the_command_line() -> None:
    root = Path(nnexp.__file__).parent
    folder = next(p for p in (root / "conf", root.parent / "conf") if p.is_dir())
    run = yaml.safe_load((folder / "run.yaml").read_text(encoding="utf-8"))
    for group in run.pop("defaults"):
        run |= group if isinstance(group, dict) else {}
    defaults = MLP().get_params()
    assert defaults.pop("targets") == "one_hot"
    assert defaults.pop("batch_size") is None  # the run's, as far as there are examples
    fitted = MLP(epochs=1).fit(np.zeros((150, 2)), np.arange(150) % 2)
    assert fitted.history_[-1]["step"] == math.ceil(150 / run["batch_size"])
    assert (defaults.pop("hidden"), defaults.pop("evaluate_at")) == ((run["hidden"],), ())
    assert defaults == {name: run[name] for name in defaults}


def test_words_as_labels() -> None:
    x, y = blobs()
    fitted = model().fit(x, y)
    assert fitted.classes_.tolist() == ["blue", "green", "red"]
    predicted = fitted.predict(x)
    assert set(predicted) <= set(y)
    assert fitted.score(x, y) == np.mean(predicted == y) > 0.9
    probabilities = fitted.predict_proba(x)
    assert probabilities.shape == (300, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert np.array_equal(fitted.classes_[probabilities.argmax(axis=1)], predicted)


@pytest.mark.parametrize(
    "labels", [[-1, 7], [1.0, 2.0], [False, True], ["no", "yes"]], ids=lambda v: type(v[0]).__name__
)
def test_two_classes_of_any_kind_with_one_output(labels: list[Any]) -> None:
    x, _ = blobs()
    y = np.array(labels)[(x[:, 0] > np.median(x[:, 0])).astype(int)]
    fitted = model(loss="binary_cross_entropy", epochs=30).fit(x, y)
    assert fitted.network_.sizes == (4, 12, 1)
    probabilities = fitted.predict_proba(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert np.array_equal(
        fitted.predict(x), np.array(labels)[(probabilities[:, 1] > 0.5).astype(int)]
    )
    assert fitted.score(x, y) > 0.9
    assert model().fit(x, y).network_.sizes == (4, 12, 2)


def test_object_arrays_and_lists_serve_too() -> None:
    x, y = blobs()
    expected = model().fit(x, y).history_[-1]["train_loss"]
    for inputs, labels in ((x.tolist(), y.tolist()), (x.astype(object), y.astype(object))):
        assert model().fit(inputs, labels).history_[-1]["train_loss"] == expected
    assert model().fit(np.asfortranarray(x), y).history_[-1]["train_loss"] == expected


def test_the_history_has_the_test_set_only_where_one_is_given() -> None:
    x, y = blobs()
    without = model().fit(x, y).history_
    assert [row["step"] for row in without] == list(range(0, 81, 10))
    assert not any("test" in key for row in without for key in row)
    fitted = model().fit(x, y, test=(x[:50], y[:50]))
    assert fitted.history_[-1]["test_accuracy"] == fitted.score(x[:50], y[:50])
    assert fitted.history_[-1]["train_accuracy"] == fitted.score(x, y)


def test_fit_begins_anew_and_leaves_the_callers_arrays() -> None:
    x, y = blobs()
    x = x.astype(np.float32)
    before = x.copy()
    once = model(seed=5).fit(x, y)
    first = once.predict_proba(x)
    assert np.array_equal(once.fit(x, y).predict_proba(x), first)
    assert np.array_equal(x, before)
    assert not np.array_equal(once.set_params(seed=6).fit(x, y).predict_proba(x), first)


def test_numpy_numbers_are_numbers() -> None:
    x, y = blobs()
    settings = {
        "lr": np.float32(0.5),
        "seed": np.int64(3),
        "hidden": np.array([12]),
        "epochs": np.int8(8),
    }
    assert model(**settings).fit(x, y).history_[-1]["step"] == 80


def test_a_diverged_fit_says_so() -> None:
    x, y = blobs()
    settings = {"activation": "relu", "loss": {"name": "mse", "output": "identity"}, "lr": 1e6}
    with pytest.warns(RuntimeWarning, match=r"diverged at step \d+, .*a smaller lr than 1e\+06"):
        fitted = model(**settings).fit(x, y)
    assert fitted.diverged_
    assert fitted.history_[-1]["train_loss"] == math.inf
    assert fitted.score(x, y) == fitted.history_[-1]["train_accuracy"]
    assert not model().fit(x, y).diverged_


def test_a_saved_model_has_the_settings_of_its_fit(tmp_path: Path) -> None:
    x, y = blobs()
    fitted = model(activation="tanh").fit(x, y)
    fitted.set_params(activation="relu", hidden=(3,))
    again = MLP.load(fitted.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict_proba(x), fitted.predict_proba(x))
    assert again.activation == "tanh"


def test_a_function_is_to_be_written_into_a_file() -> None:
    x, y = blobs()
    with pytest.raises(InputError, match=r"is a function: write it to a file and give 'FILE.py:"):
        model(activation=np.tanh).fit(x, y)


def test_scikit_learns_parameters() -> None:
    mlp = model(lr=0.1)
    assert mlp.get_params()["lr"] == 0.1
    assert MLP(**mlp.get_params()).get_params() == mlp.get_params()
    assert mlp.set_params(lr=0.2, hidden=(3,)) is mlp
    assert (mlp.lr, mlp.hidden) == (0.2, (3,))
    with pytest.raises(InputError, match="did you mean 'batch_size'"):
        mlp.set_params(lr=0.3, batchsize=10)
    assert mlp.lr == 0.2


# Saved and loaded.


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_loaded_model_is_the_saved_one(settings: dict[str, Any], tmp_path: Path) -> None:
    x, y = blobs()
    fitted = model(**settings).fit(x, y)
    path = fitted.save(tmp_path / "model")
    assert path == tmp_path / "model.npz"
    loaded = MLP.load(path)
    assert np.array_equal(loaded.predict_proba(x), fitted.predict_proba(x))
    assert np.array_equal(loaded.predict(x), fitted.predict(x))
    assert loaded.score(x, y) == fitted.score(x, y)
    assert loaded.lr == fitted.lr
    refitted = loaded.fit(x, y)
    assert refitted.history_[-1]["train_loss"] == fitted.history_[-1]["train_loss"]


def test_a_file_is_not_overwritten_in_silence(tmp_path: Path) -> None:
    x, y = blobs()
    fitted = model().fit(x, y)
    path = fitted.save(tmp_path / "model.npz")
    content = path.read_bytes()
    with pytest.raises(InputError, match="overwrite=True"):
        model(seed=1).fit(x, y).save(path)
    assert path.read_bytes() == content
    model(seed=1).fit(x, y).save(path, overwrite=True)
    assert path.read_bytes() != content
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="cannot write"):
        fitted.save(tmp_path / "no folder" / "model.npz")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    x, y = blobs()
    path = model().fit(x, y).save(tmp_path / "model.npz")
    content = path.read_bytes()
    with pytest.raises(InputError, match="does not exist"):
        MLP.load(tmp_path / "other.npz")
    for damaged in (b"", b"no zip", content[: len(content) // 2], content[:200] + content[204:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged or not a saved model"):
            MLP.load(path)
    with np.load(tmp_path / model().fit(x, y).save(tmp_path / "whole.npz")) as file:
        arrays = dict(file)
    changes: dict[str, Any] = {
        "W2": arrays["W2"][:-1],
        "b1": arrays["b1"].astype(np.float64),
        "settings": np.array("{"),
        "classes": arrays["classes"][:2],
    }
    for name, value in changes.items():
        np.savez(path, **{**arrays, name: value})
        with pytest.raises(InputError, match="damaged or not a saved model"):
            MLP.load(path)
    del arrays["b2"]
    np.savez(path, **arrays)
    with pytest.raises(InputError, match="b2"):
        MLP.load(path)


# Bad input.

X = np.arange(12.0).reshape(6, 2)
Y = np.array([0, 1, 0, 1, 0, 1])


def altered(value: float) -> np.ndarray:
    x = X.copy()
    x[4, 1] = value
    return x


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (altered(np.nan), Y, "nan in row 4, column 1"),
        (altered(np.inf), Y, "inf in row 4, column 1"),
        (altered(1e300), Y, "in the range of float32"),
        (X[:, 0], Y, r"shape \(6,\)"),
        (X.reshape(3, 2, 2), Y[:3], r"x.reshape\(len\(x\), -1\)"),
        (X[:0], Y[:0], "x has no examples"),
        (X, Y[:0], "y has the shape"),
        (X[:, :0], Y, "a minimum of 1 is required"),
        ([[1.0], [1.0, 2.0]], Y[:2], "not a table of numbers"),
        ([["a", "b"]] * 6, Y, "instead of numbers"),
        (X + 1j, Y, "Complex data not supported"),
        (X, Y[:5], "6 rows and y has 5"),
        (X, np.eye(2)[Y], "one label per row"),
        (X, Y * 0, "two or more classes"),
        (X, [0, 1, 0, 1, 0, np.nan], "not finite"),
        (X, Y / 2, r"Unknown label type: y has continuous values such as 0\.5"),
        (X, np.array([0, "a", 0, 1, 0, 1], object), "mixes types"),
        (X, np.array([None] * 6), "types of labels"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(x: Any, y: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        MLP(batch_size=2).fit(x, y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -1}, "lr=-1"),
        ({"activation": "rleu"}, "did you mean 'relu'"),
        ({"init": {"name": "normal", "sdt": 1}}, "'sdt'"),
        ({"hidden": (0,)}, "hidden"),
        ({"batch_size": 7}, "larger than the 6 training examples"),
        ({"epochs": 1, "steps": 1}, "exclude each other"),
        ({"dtype": "float16"}, "float16"),
        ({"targets": "sort"}, "soft"),
        ({"seed": -1}, "seed"),
        ({"seed": object()}, "seed"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MLP(**{"batch_size": 2, **settings}).fit(X, Y)


def test_a_model_refuses_what_it_was_not_trained_for() -> None:
    for use in (MLP().predict, MLP().predict_proba, MLP().save):
        with pytest.raises(InputError, match="not trained yet"):
            use(X)
    with pytest.raises(InputError, match="not trained yet"):
        MLP().score(X, Y)
    fitted = MLP(batch_size=2, loss={"name": "mse", "output": "identity"}).fit(X, Y)
    with pytest.raises(InputError, match="X has 3 features, but MLP is expecting 2"):
        fitted.predict(np.ones((2, 3)))
    with pytest.raises(InputError, match="nan"):
        fitted.predict(altered(np.nan))
    with pytest.raises(InputError, match="6 rows and y has 5"):
        fitted.score(X, Y[:5])
    with pytest.raises(InputError, match="of the same type"):
        fitted.score(X, ["a"] * 6)
    with pytest.raises(InputError, match="not give probabilities"):
        fitted.predict_proba(X)
    with pytest.raises(InputError, match="the label 2 is not one of the classes: 0, 1"):
        fitted.fit(X, Y, test=(X, Y + 1))
    assert fitted.score(X, Y + 5) == 0  # labels it never saw are missed


def test_the_default_batch_is_at_most_all_examples() -> None:
    x, y = blobs()
    fitted = MLP(hidden=(5,), epochs=1).fit(x[:80], y[:80])
    assert fitted.history_[-1]["step"] == 1
    assert fitted.batch_size is None
    with pytest.raises(InputError, match="larger than the 80 training examples"):
        MLP(hidden=(5,), epochs=1, batch_size=100).fit(x[:80], y[:80])


def test_a_loaded_model_imports_no_file_unless_it_is_trusted(tmp_path: Path) -> None:
    x, y = blobs()
    ran, code = tmp_path / "ran", tmp_path / "mine.py"
    code.write_text(
        f"open({str(ran)!r}, 'w').close()\n"
        "def mine(rng, fan_in, fan_out):\n    return rng.random((fan_in, fan_out))\n",
        encoding="utf-8",
    )
    for setting in (f"{code}:mine", {"name": f"{code}:mine"}):
        path = model(init=setting).fit(x, y).save(tmp_path / "model", overwrite=True)
        code.write_text(code.read_text("utf-8") + "\n", encoding="utf-8")  # not yet imported
        ran.unlink()
        with pytest.raises(InputError, match=r"would import init=.*trusted=True"):
            MLP.load(path)
        assert not ran.exists()
        assert MLP.load(path, trusted=True).score(x, y) > 0
        assert ran.exists()
