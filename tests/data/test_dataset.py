"""Data sets: MNIST, the selection of examples, scaling, targets, toys and settings."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from omegaconf import OmegaConf

from nnexp.config.run_config import RunConfig
from nnexp.data import Dataset, DataSettings, arrays, describe, load, target_codes
from nnexp.errors import InputError
from tests import ROOT

CONF = ROOT / "conf" / "data"
FILES = ROOT / "nnexp" / "data" / "files"
NAMES = ("mnist", "fashion_mnist", "kmnist", "idx", "csv", "npz", "xor", "spirals", "blobs")
NEEDED: dict[str, dict[str, object]] = {
    "idx": {"root": "somewhere"},
    "csv": {"train": "train.csv", "test": "test.csv"},
    "npz": {"file": "digits.npz"},
}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NNEXP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def settings(name: str, **values: object) -> DataSettings:
    return DataSettings.from_mapping({"name": name, **values})


def data(name: str, dtype: str = "float32", **values: object) -> Dataset:
    return load(settings(name, **values), dtype)


@pytest.fixture
def numbered(tmp_path: Path) -> str:
    """An .npz file whose feature 0 is the row's number, with 5, 50 and 500 rows of three labels."""
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [5, 50, 500]))
    path = tmp_path / "numbered.npz"
    np.savez(
        path,
        x_train=np.column_stack([np.arange(555), np.full(555, 7)]),
        y_train=labels,
        x_test=np.array([[1000, 7], [1001, 7], [1002, 7]]),
        y_test=np.array([0, 1, 2]),
    )
    return str(path)


def rows(split: Any) -> list[int]:
    """Return the numbers of the rows that a split of ``numbered`` holds."""
    return [int(number) for number in split.x[:, 0]]


# MNIST


@pytest.mark.parametrize(
    ("file", "sha256"),
    [
        ("train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738"),
        ("train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5"),
        ("t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77"),
        ("t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351"),
    ],
)
def test_the_packaged_files_are_the_published_ones(file: str, sha256: str) -> None:
    import gzip

    raw = gzip.decompress((FILES / f"{file}.gz").read_bytes())
    assert hashlib.sha256(raw).hexdigest().startswith(sha256)


def test_mnist_is_described() -> None:
    about = describe(settings("mnist"))
    assert (about.train_size, about.test_size, about.validation_size) == (60_000, 10_000, 0)
    assert (about.features, about.classes, about.image_shape) == (784, 10, (28, 28))
    assert about.labels == tuple(range(10))
    # Part of every recorded run's identity: it must never move.
    assert about.digest == "35b4ae54c9e51524e6ee0ca4bc2f8e434b97ffde5dd5af15c3f02b75b02244e2"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mnist_is_loaded(dtype: str) -> None:
    mnist = data("mnist", dtype, train_size=2000)
    assert mnist.train.x.shape == (2000, 784)
    assert mnist.test.x.shape == (10_000, 784)
    assert mnist.validation is None
    for split in (mnist.train, mnist.test):
        assert split.x.dtype == dtype
        assert split.labels.dtype == np.intp
        assert split.x.flags.c_contiguous
        assert not split.x.flags.writeable
        assert not split.labels.flags.writeable
        assert (split.x.min(), split.x.max()) == (0, 1)
    with pytest.raises(ValueError, match="read-only"):
        mnist.train.x[0, 0] = 1


@pytest.mark.slow
def test_mnist_has_its_published_statistics() -> None:
    whole = data("mnist")
    assert np.bincount(whole.train.labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert whole.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert whole.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    # The mean and deviation that every PyTorch tutorial normalises with: 0.1307 and 0.3081.
    assert math.isclose(whole.train.x.mean(dtype=np.float64), 0.1307, abs_tol=5e-5)
    assert math.isclose(whole.train.x.std(dtype=np.float64), 0.3081, abs_tol=5e-5)


def test_two_loads_are_equal_and_the_second_is_kept() -> None:
    first = data("mnist", train_size=300)
    assert data("mnist", train_size=300) is first
    for size in (301, 302):
        data("mnist", train_size=size)
    again = data("mnist", train_size=300)
    assert again is not first
    assert again.train.x.tobytes() == first.train.x.tobytes()
    assert again.train.labels.tobytes() == first.train.labels.tobytes()


def test_importing_and_loading_stays_light() -> None:
    code = (
        "import sys, nnexp.data as d;"
        "d.load(d.DataSettings.from_mapping({'name': 'mnist', 'train_size': 10}));"
        "print([m for m in ('pandas', 'pooch', 'requests', 'rich', 'matplotlib', 'hydra')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_only_two_precisions_exist() -> None:
    with pytest.raises(InputError, match="float16 is invalid: choose float32 or float64"):
        data("xor", "float16")


# Selection


def test_classes_are_kept_and_renumbered_in_the_given_order() -> None:
    pair = data("mnist", classes=[8, 3])
    assert pair.description.labels == (8, 3)
    assert pair.description.classes == 2
    assert np.bincount(pair.train.labels).tolist() == [5851, 6131]
    assert np.bincount(pair.test.labels).tolist() == [974, 1010]
    whole = data("mnist")
    assert np.array_equal(pair.train.x, whole.train.x[np.isin(whole.train.labels, [8, 3])])


def test_the_first_examples_are_those_of_the_file_and_classes_stay() -> None:
    five = data("mnist", first=5)
    assert five.train.labels.tolist() == [5, 0, 4, 1, 9]
    assert (five.description.train_size, five.description.classes) == (5, 10)
    assert five.description.labels == tuple(range(10))
    whole = data("mnist")
    assert five.train.x.tobytes() == whole.train.x[:5].tobytes()
    assert five.test.x.tobytes() == whole.test.x.tobytes()
    assert five.description.digest == whole.description.digest


def test_the_first_examples_are_taken_before_any_other_selection(numbered: str) -> None:
    def drawn(**values: Any) -> Dataset:
        return data("npz", file=numbered, scale="raw", **values)

    whole = drawn()
    labels = whole.train.labels[:300]
    assert rows(drawn(first=300).train) == list(range(300))
    assert rows(drawn(first=555).train) == rows(whole.train)
    kept = drawn(first=300, classes=[2, 1])
    assert rows(kept.train) == np.flatnonzero(labels > 0).tolist()
    assert kept.train.labels.tolist() == (2 - labels[labels > 0]).tolist()
    held = drawn(first=300, validation=3)
    assert held.validation is not None
    assert (len(held.train.x), len(held.validation.x)) == (297, 3)
    assert sorted(rows(held.train) + rows(held.validation)) == list(range(300))
    both = drawn(first=300, validation=3, train_size=10)
    assert len(both.train.x) == 10
    assert set(rows(both.train)) < set(rows(held.train))


def test_the_first_examples_come_before_a_test_fraction_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    np.savez(path, x_train=np.arange(100)[:, None], y_train=np.arange(100) % 3)
    part = data("npz", file=str(path), scale="raw", test_fraction=0.2, first=15)
    assert (len(part.train.x), len(part.test.x)) == (12, 3)
    assert sorted(rows(part.train) + rows(part.test)) == list(range(15))
    # The first example has the label 0.
    with pytest.raises(InputError, match=r"data.first=1: none of these examples has a label"):
        data("npz", file=str(path), scale="raw", test_fraction=0.2, first=1, classes=[1, 2])


def test_a_toy_can_be_cut_short_too() -> None:
    assert np.array_equal(data("blobs", first=7).train.x, data("blobs").train.x[:7])


def test_subsets_are_balanced_nested_and_in_the_order_of_the_file(numbered: str) -> None:
    previous: set[int] = set()
    for size in (1, 3, 10, 15, 60, 200, 555):
        part = data("npz", file=numbered, scale="raw", train_size=size)
        numbers = rows(part.train)
        assert len(numbers) == size == part.description.train_size
        assert numbers == sorted(numbers)
        assert previous < set(numbers)
        previous = set(numbers)
        counts = np.bincount(part.train.labels, minlength=3)
        available = np.array([5, 50, 500])
        # As even as it can be: a class has fewer than the largest, less one, only if exhausted.
        assert all((counts >= counts.max() - 1) | (counts == available))


def test_a_subset_of_mnist_has_as_many_of_each_digit() -> None:
    assert np.bincount(data("mnist", train_size=1000).train.labels).tolist() == [100] * 10
    odd = np.bincount(data("mnist", train_size=1003).train.labels)
    assert sorted(odd.tolist()) == [100] * 7 + [101] * 3


def test_subsets_follow_from_their_own_seed(numbered: str) -> None:
    def drawn(seed: int) -> list[int]:
        return rows(data("npz", file=numbered, scale="raw", train_size=30, seed=seed).train)

    assert drawn(1) == drawn(1)
    assert drawn(0) != drawn(1)


def test_what_is_drawn_stays_the_same_in_every_version(tmp_path: Path) -> None:
    """A set's settings are part of a run's identity: they must select the same rows for ever."""
    path = tmp_path / "sixty.npz"
    np.savez(path, x_train=np.arange(60)[:, None], y_train=np.arange(60) % 3)
    values: dict[str, Any] = {"test_fraction": 0.1, "validation": 6, "train_size": 6}
    drawn = data("npz", file=str(path), scale="raw", label_noise=0.5, **values)
    assert rows(drawn.test) == [23, 27, 28, 31, 35, 45]
    assert rows(drawn.validation) == [11, 18, 21, 43, 44, 49]
    assert rows(drawn.train) == [8, 13, 36, 39, 46, 47]
    assert drawn.train.labels.tolist() == [2, 2, 1, 0, 2, 2]


def test_validation_is_held_out_of_training(numbered: str) -> None:
    plain = data("npz", file=numbered, scale="raw")
    held = data("npz", file=numbered, scale="raw", validation=12)
    assert held.validation is not None
    assert held.description.validation_size == 12
    assert held.description.train_size == 543
    assert np.bincount(held.validation.labels).tolist() == [4, 4, 4]
    assert sorted(rows(held.train) + rows(held.validation)) == rows(plain.train)
    assert np.array_equal(held.test.x, plain.test.x)
    # The subset is taken from what is left.
    small = data("npz", file=numbered, scale="raw", validation=12, train_size=100)
    assert small.validation is not None
    assert rows(small.validation) == rows(held.validation)
    assert set(rows(small.train)) < set(rows(held.train))
    assert np.bincount(small.train.labels).tolist() == [1, 46, 53]


def test_the_end_of_the_file_is_held_out_of_training(numbered: str) -> None:
    plain = data("npz", file=numbered, scale="raw")
    held = data("npz", file=numbered, scale="raw", validation_last=12)
    assert held.validation is not None
    assert (held.description.validation_size, held.description.train_size) == (12, 543)
    assert rows(held.train) + rows(held.validation) == rows(plain.train)
    some = data("npz", file=numbered, scale="raw", first=100, validation_last=12)
    assert some.validation is not None
    assert rows(some.train) + rows(some.validation) == rows(plain.train)[:100]


@pytest.mark.slow
def test_label_noise_replaces_a_fraction_by_other_classes() -> None:
    clean = data("mnist")
    noisy = data("mnist", label_noise=0.3)
    changed = clean.train.labels != noisy.train.labels
    assert changed.sum() == 18_000
    assert np.array_equal(clean.test.labels, noisy.test.labels)
    assert np.array_equal(clean.train.x, noisy.train.x)
    # Each of the nine other classes is as likely: 2000 expected, standard deviation 42.
    shifts = (noisy.train.labels - clean.train.labels)[changed] % 10
    counts = np.bincount(shifts, minlength=10)
    assert counts[0] == 0
    assert all(abs(counts[1:] - 2000) < 5 * 42)
    # A smaller fraction changes some of the same labels, to the same classes.
    less = data("mnist", label_noise=0.1)
    some = clean.train.labels != less.train.labels
    assert some.sum() == 6000
    assert np.array_equal(less.train.labels[some], noisy.train.labels[some])


def test_label_noise_of_one_leaves_no_label_right() -> None:
    clean = data("mnist", train_size=500)
    noisy = data("mnist", train_size=500, label_noise=1.0, validation=0)
    assert not np.any(clean.train.labels == noisy.train.labels)


def test_validation_labels_are_not_disturbed(numbered: str) -> None:
    clean = data("npz", file=numbered, scale="raw", validation=12)
    noisy = data("npz", file=numbered, scale="raw", validation=12, label_noise=0.5)
    assert clean.validation is not None
    assert noisy.validation is not None
    assert np.array_equal(clean.validation.labels, noisy.validation.labels)
    assert np.sum(clean.train.labels != noisy.train.labels) == round(0.5 * 543)


def test_a_single_file_is_split_class_by_class(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    labels = np.repeat([0, 1, 2], [10, 100, 1])
    np.savez(path, x_train=np.arange(111)[:, None], y_train=labels)
    both = data("npz", file=str(path), scale="raw", test_fraction=0.3)
    assert np.bincount(both.test.labels).tolist() == [3, 30]
    assert np.bincount(both.train.labels).tolist() == [7, 70, 1]
    assert sorted(rows(both.train) + rows(both.test)) == list(range(111))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"train_size": 60_001}, "data.train_size=60001 is more than the 60000 available training"),
        ({"train_size": 55_001, "validation": 5000}, "data.train_size=55001 is more than the 55"),
        ({"first": 60_001}, "data.first=60001 is more than the 60000 training examples"),
        ({"first": 5, "train_size": 6}, "data.train_size=6 is more than the 5 available training"),
        ({"first": 1, "classes": [3, 8]}, "data.first=1: none of these examples has a label of"),
        ({"first": 5, "validation": 1}, "data.validation=1 leaves a class without"),
        ({"validation": 60_000}, "data.validation=60000 leaves a class without"),
        ({"validation": 70_000}, "data.validation=70000 leaves a class without"),
        ({"classes": [1, 12]}, "no training example has the label 12: choose from 0, 1, 2"),
    ],
)
def test_a_setting_must_fit_the_data(values: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        describe(settings("mnist", **values))


# Scaling


@pytest.fixture
def ramp(tmp_path: Path) -> str:
    """An .npz file whose first feature takes each value from 0 to 255, the second is 7."""
    path = tmp_path / "ramp.npz"
    x = np.column_stack([np.arange(256), np.full(256, 7)]).astype(np.uint8)
    y = np.arange(256) % 2
    np.savez(path, x_train=x, y_train=y, x_test=x[:4] + 10, y_test=y[:4])
    return str(path)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_scale_is_exact(ramp: str, dtype: str) -> None:
    pixels = np.arange(256).astype(dtype)
    unit = data("npz", dtype, file=ramp).train.x[:, 0]
    assert np.array_equal(unit, pixels / 255)
    shifted = data("npz", dtype, file=ramp, scale="shifted").train.x[:, 0]
    assert np.array_equal(shifted, pixels / 255 * 0.99 + 0.01)
    assert math.isclose(shifted.min(), 0.01, rel_tol=1e-6)
    assert math.isclose(shifted.max(), 1.0, rel_tol=1e-6)
    assert np.array_equal(data("npz", dtype, file=ramp, scale="raw").train.x[:, 0], pixels)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-12)])
def test_standardising_uses_the_training_set_alone(ramp: str, dtype: str, tolerance: float) -> None:
    scaled = data("npz", dtype, file=ramp, scale="standardize")
    assert abs(scaled.train.x[:, 0].mean()) < tolerance
    assert abs(scaled.train.x[:, 0].std() - 1) < tolerance
    assert not scaled.train.x[:, 1].any()
    # 0 … 255 has the mean 127.5 and the variance (256² - 1) / 12.
    expected = (np.array([10, 11, 12, 13]) - 127.5) / math.sqrt((256**2 - 1) / 12)
    assert np.allclose(scaled.test.x[:, 0], expected, atol=tolerance)
    # A feature that never varies in training is 0 in the test too, whatever it is there.
    assert not scaled.test.x[:, 1].any()


def test_standardising_uses_the_subset_that_is_trained_on() -> None:
    small = data("mnist", "float64", scale="standardize", train_size=50)
    pixels = data("mnist", "float64", scale="raw", train_size=50).train.x
    varies = pixels.std(axis=0) > 0
    assert 0 < varies.sum() < 784
    assert np.abs(small.train.x.mean(axis=0)).max() < 1e-12
    assert np.allclose(small.train.x.std(axis=0), varies, atol=1e-12)


def test_standardising_uses_the_first_examples_alone(ramp: str) -> None:
    scaled = data("npz", "float64", file=ramp, scale="standardize", first=3)
    # 0, 1, 2 have the mean 1 and the variance 2/3; the test set has 10, 11, 12, 13.
    assert np.allclose(scaled.train.x[:, 0], np.array([-1, 0, 1]) * math.sqrt(1.5), atol=1e-12)
    assert np.allclose(scaled.test.x[:, 0], np.arange(9, 13) * math.sqrt(1.5), atol=1e-12)


@pytest.mark.parametrize("kind", ["uint8", "int32", "float32", "float64"])
@pytest.mark.parametrize("scale", ["unit", "shifted", "raw", "standardize"])
def test_the_bits_do_not_depend_on_how_pixels_are_stored(
    tmp_path: Path, kind: str, scale: str
) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 256, (1500, 9)), rng.integers(0, 3, 1500)

    def bits(stored: str) -> bytes:
        path = tmp_path / f"{stored}.npz"
        np.savez(path, x_train=x.astype(stored), y_train=y, x_test=x[:9], y_test=y[:9])
        return data("npz", file=str(path), scale=scale).train.x.tobytes()

    assert bits(kind) == bits("uint8")


def test_features_that_are_not_pixels_are_not_divided(tmp_path: Path) -> None:
    for name, factor, bounds in (("small", 1.0, "0 to 1"), ("large", 300.0, "0 to 300")):
        path = tmp_path / f"{name}.npz"
        np.savez(path, x_train=np.eye(4) * factor, y_train=[0, 1, 0, 1])
        file: dict[str, object] = {"file": str(path), "test_fraction": 0.5}
        with pytest.raises(InputError, match=f"data.scale=unit is for pixels.*from {bounds}"):
            describe(settings("npz", **file))
        assert describe(settings("npz", scale="raw", **file)).train_size == 2


# Targets


def test_target_codes() -> None:
    codes = target_codes("one_hot", 3, 3, "float32")
    assert codes.dtype == np.float32
    assert codes.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    soft = target_codes("soft", 2, 2, np.float64)
    assert soft.tolist() == [[0.99, 0.01], [0.01, 0.99]]
    assert target_codes("one_hot", 2, 1, np.float64).tolist() == [[0], [1]]
    assert target_codes("soft", 2, 1, np.float64).tolist() == [[0.01], [0.99]]
    assert not codes.flags.writeable


@pytest.mark.parametrize(("classes", "outputs"), [(10, 1), (10, 9), (2, 3)])
def test_outputs_must_fit_the_classes(classes: int, outputs: int) -> None:
    with pytest.raises(InputError, match=f"data.outputs={outputs} does not fit {classes} classes"):
        target_codes("one_hot", classes, outputs, "float32")


# Toys


def test_xor_is_the_four_points() -> None:
    xor = data("xor")
    for split in (xor.train, xor.test):
        assert split.x.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
        assert split.labels.tolist() == [0, 1, 1, 0]
    assert (xor.description.features, xor.description.classes) == (2, 2)
    assert xor.description.image_shape is None


@pytest.mark.parametrize("name", ["spirals", "blobs"])
def test_toys_are_drawn_from_their_seed(name: str) -> None:
    toy = data(name, n=600, classes=3)
    assert toy.train.x.shape == toy.test.x.shape == (600, 2)
    assert np.bincount(toy.train.labels).tolist() == [200, 200, 200]
    assert not np.array_equal(toy.train.x, toy.test.x)
    other = data(name, n=600, classes=3, seed=1)
    assert not np.array_equal(toy.train.x, other.train.x)
    load(settings("xor")), load(settings("xor"), "float64")
    assert data(name, n=600, classes=3).train.x.tobytes() == toy.train.x.tobytes()


def test_spirals_without_noise_lie_on_their_arms() -> None:
    toy = data("spirals", "float64", noise=0, classes=4, turns=2)
    radius = np.hypot(*toy.train.x.T)
    assert radius.max() <= 1
    angle = np.arctan2(toy.train.x[:, 1], toy.train.x[:, 0])
    expected = 2 * np.pi * (2 * radius + toy.train.labels / 4)
    assert np.allclose(np.cos(angle - expected), 1, atol=1e-9)


def test_blobs_share_their_centres_between_training_and_test() -> None:
    toy = data("blobs", "float64", n=3000, classes=3, features=5, std=0.1)
    assert toy.train.x.shape == (3000, 5)
    for label in range(3):
        train, test = (s.x[s.labels == label] for s in (toy.train, toy.test))
        # Means of 1000 points: 0.1 / √1000 each, so their difference has 0.0045.
        assert np.abs(train.mean(axis=0) - test.mean(axis=0)).max() < 5 * 0.0045
        assert np.allclose(train.std(axis=0), 0.1, rtol=0.15)


def test_toys_take_validation_and_noise_too() -> None:
    toy = data("blobs", n=90, validation=30, train_size=45, label_noise=0.2)
    assert toy.validation is not None
    assert (len(toy.train.x), len(toy.validation.x), len(toy.test.x)) == (45, 30, 90)


# Settings


@pytest.mark.parametrize("name", NAMES)
def test_the_yaml_of_a_set_has_its_keys_and_defaults(name: str) -> None:
    tree = OmegaConf.load(CONF / f"{name}.yaml")
    text = (CONF / f"{name}.yaml").read_text().splitlines()
    if name == "xor":  # Hydra reads a package header from the very first lines alone
        assert text.pop(0) == "# @package _global_"
        assert tree.batch_size == "full"
        tree = tree.data
    assert text[0].startswith("# ")
    mapping = OmegaConf.to_container(tree)
    assert isinstance(mapping, dict)
    made = DataSettings.from_mapping({**mapping, **NEEDED.get(name, {})})  # type: ignore[dict-item]
    assert list(made.to_mapping()) == [key for key in mapping if key != "first"]
    assert made == settings(name, **NEEDED.get(name, {}))
    cut = settings(name, first=3, **NEEDED.get(name, {}))
    assert list(cut.to_mapping()) == list(mapping)


def test_every_set_has_its_yaml() -> None:
    assert {path.stem for path in CONF.glob("*.yaml")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_settings_survive_json_and_pickle(name: str) -> None:
    values: dict[str, object] = {"train_size": 3, "label_noise": 0.5, **NEEDED.get(name, {})}
    if name not in ("spirals", "blobs"):
        values["classes"] = [1, 0]
    made = settings(name, **values)
    assert DataSettings.from_mapping(json.loads(json.dumps(made.to_mapping()))) == made
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert hash(again) == hash(made)
    assert not {"root", "train", "test", "file"} & set(made.identity())
    assert made.identity()["name"] == name


def test_identity_ignores_where_files_lie() -> None:
    here, there = settings("npz", file="a.npz"), settings("npz", file="b/a.npz")
    assert here != there
    assert here.identity() == there.identity()
    assert here.identity() != settings("npz", file="a.npz", train_size=5).identity()


def test_without_first_nothing_says_so() -> None:
    plain, cut = settings("mnist"), settings("mnist", first=5)
    assert settings("mnist", first=None) == plain
    assert "first" not in {**plain.to_mapping(), **plain.identity()}
    assert cut.to_mapping()["first"] == cut.identity()["first"] == 5


def committed_runs() -> list[dict[str, Any]]:
    """Return the rows of a sweep recorded with numerics 1, before ``data.first`` was there."""
    text = (ROOT / "results" / "demo" / "runs.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.parametrize("row", committed_runs(), ids=lambda row: row["run_id"])
def test_a_recorded_run_keeps_its_id_and_columns(
    row: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnexp.config.run_config.NUMERICS", 1)
    names = [name for name in row if name.partition(".")[0] in RunConfig.__dataclass_fields__]
    mapping: dict[str, Any] = {}
    for name in names:
        group, _, key = name.partition(".")
        value = yaml.safe_load(row[name]) if row[name] else None
        if key:
            inner = mapping[group] if isinstance(mapping[group], dict) else {"name": mapping[group]}
            mapping[group] = {**inner, key: value}
        else:
            mapping[group] = value
    run = RunConfig.from_mapping(mapping)
    assert run.run_id() == row["run_id"]
    assert list(run.columns()) == names
    other = RunConfig.from_mapping({**mapping, "data": {**mapping["data"], "first": 1000}})
    assert other.run_id() != row["run_id"]
    assert other.columns()["data.first"] == 1000


def test_whole_floats_are_integers() -> None:
    assert settings("mnist", train_size=1e3) == settings("mnist", train_size=1000)
    assert settings("mnist", validation=None) == settings("mnist", validation=0)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("mnst", {}, "unknown data set 'mnst': did you mean 'mnist'?"),
        (None, {}, "unknown data set 'None'"),
        ("mnist", {"train_sise": 5}, "'data.train_sise' of data=mnist: did you mean 'train_size'"),
        ("mnist", {"root": "x"}, "unknown key 'data.root' of data=mnist"),
        ("mnist", {"scale": "unitt"}, "unknown data.scale 'unitt': did you mean 'unit'?"),
        ("mnist", {"targets": "onehot"}, "did you mean 'one_hot'?"),
        ("mnist", {"classes": [1]}, "data.classes=[1] is invalid: give a list of two or more"),
        (
            "mnist",
            {"classes": [1, 1]},
            "data.classes=[1, 1] is invalid: give a list",
        ),
        ("mnist", {"classes": 3}, "data.classes=3 is invalid: give a list of two or more"),
        ("mnist", {"classes": ["a", "b"]}, "data.classes=a is invalid: give a whole number"),
        ("mnist", {"outputs": 0}, "data.outputs=0 is invalid: give a whole number from 1"),
        ("mnist", {"first": 0}, "data.first=0 is invalid: give a whole number from 1"),
        ("mnist", {"first": -5}, "data.first=-5 is invalid: give a whole number from 1"),
        ("mnist", {"first": 2.5}, "data.first=2.5 is invalid: give a whole number from 1"),
        ("mnist", {"first": "5"}, "data.first=5 is invalid: give a whole number from 1"),
        ("mnist", {"train_size": 0}, "data.train_size=0 is invalid: give a whole number from 1"),
        ("mnist", {"train_size": 2.5}, "data.train_size=2.5 is invalid: give a whole number"),
        ("mnist", {"train_size": True}, "data.train_size=True is invalid: give a whole number"),
        ("mnist", {"validation": -1}, "data.validation=-1 is invalid: give a whole number from 0"),
        (
            "mnist",
            {"label_noise": 1.5},
            "label_noise=1.5 is invalid: give a number from 0 to 1",
        ),
        (
            "mnist",
            {"label_noise": math.nan},
            "data.label_noise=nan is invalid: give a number",
        ),
        ("mnist", {"label_noise": "x"}, "data.label_noise=x is invalid: give a number"),
        ("mnist", {"seed": -1}, "data.seed=-1 is invalid: give a whole number from 0"),
        ("kmnist", {"root": 5}, "data.root=5 is invalid: give the path"),
        ("idx", {}, "data=idx needs data.root=FOLDER"),
        ("npz", {}, "data=npz needs data.file=FILE"),
        (
            "npz",
            {"file": "x", "test_fraction": 1},
            "=1 is invalid: give a number above 0 and below 1",
        ),
        ("csv", {}, "data=csv needs data.train=FILE"),
        ("csv", {"train": "x"}, "neither of data.test and data.test_fraction"),
        ("csv", {"train": "x", "test": "y", "test_fraction": 0.5}, "both of data.test and"),
        ("csv", {"train": "x", "test": "y", "header": "maybe"}, "unknown data.header 'maybe'"),
        (
            "csv",
            {"train": "x", "test": "y", "label_column": 0.5},
            "data.label_column=0.5 is invalid",
        ),
        (
            "spirals",
            {"classes": [0, 1]},
            "data.classes=[0, 1] is invalid: give a whole",
        ),
        ("spirals", {"n": 3, "classes": 4}, "data.n=3: give at least one example for each of 4"),
        ("spirals", {"noise": -0.1}, "data.noise=-0.1 is invalid: give a number from 0"),
        ("spirals", {"turns": math.inf}, "data.turns=inf is invalid: give a number from 0"),
        ("blobs", {"features": 0}, "data.features=0 is invalid: give a whole number from 1"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(
    name: object, values: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        DataSettings.from_mapping({"name": name, **values})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_arrays_are_what_a_notebook_wants() -> None:
    x_train, y_train, x_test, y_test = arrays("mnist", classes=[3, 8], train_size=100)
    assert x_train.shape == (100, 784)
    assert x_train.dtype == np.float32
    assert set(y_train.tolist()) == set(y_test.tolist()) == {3, 8}
    assert len(x_test) == len(y_test) == 1984
