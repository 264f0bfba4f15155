"""A user's own files: CSV, NPZ and IDX, right and wrong."""

from __future__ import annotations

import gzip
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nnexp.data import Dataset, DataSettings, describe, load
from nnexp.errors import InputError
from tests.conftest import Command

Array = npt.NDArray[Any]
IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NNEXP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def data(name: str, dtype: str = "float32", **values: object) -> Dataset:
    return load(DataSettings.from_mapping({"name": name, **values}), dtype)


def refusal(name: str, **values: object) -> str:
    """Return the sentence with which a data set is refused."""
    with pytest.raises(InputError) as caught:
        describe(DataSettings.from_mapping({"name": name, **values}))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def digits() -> tuple[Array, Array, Array, Array]:
    """Return 400 training and 100 test images of MNIST as uint8, each with their labels."""
    small = data("mnist", scale="raw", train_size=400)
    pixels, test = small.train.x.astype(np.uint8), small.test.x[:100].astype(np.uint8)
    return pixels, small.train.labels, test, small.test.labels[:100]


def write_csv(path: Path, x: Array, y: Array, header: str = "") -> str:
    table = np.column_stack([y, x])
    np.savetxt(path, table, fmt="%g", delimiter=",", header=header, comments="")
    return str(path)


def write_idx(folder: Path, digits: tuple[Array, Array, Array, Array], zipped: bool) -> str:
    folder.mkdir(exist_ok=True)
    for name, array in zip(IDX, digits, strict=True):
        if array.ndim == 2:
            head = struct.pack(">4i", 2051, len(array), 28, 28)
        else:
            head = struct.pack(">2i", 2049, len(array))
        raw = head + array.astype(np.uint8).tobytes()
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(raw))
        else:
            (folder / name).write_bytes(raw)
    return str(folder)


def write_npz(path: Path, digits: tuple[Array, Array, Array, Array]) -> str:
    x, y, test_x, test_y = digits
    x, test_x = x.reshape(-1, 28, 28), test_x.reshape(-1, 28, 28)
    np.savez_compressed(path, x_train=x, y_train=y, x_test=test_x, y_test=test_y)
    return str(path)


@pytest.mark.parametrize("scale", ["unit", "shifted", "standardize"])
@pytest.mark.parametrize("form", ["csv", "idx", "idx.gz", "npz"])
def test_digits_come_back_bit_for_bit(
    tmp_path: Path, digits: tuple[Array, Array, Array, Array], form: str, scale: str
) -> None:
    if form == "csv":
        train = write_csv(tmp_path / "train.csv", digits[0], digits[1])
        test = write_csv(tmp_path / "test.csv", digits[2], digits[3])
        own = data("csv", train=train, test=test, scale=scale)
    elif form == "npz":
        own = data("npz", file=write_npz(tmp_path / "digits.npz", digits), scale=scale)
    else:
        own = data("idx", root=write_idx(tmp_path, digits, form.endswith("gz")), scale=scale)
    mnist = data("mnist", train_size=400, scale=scale)
    assert own.train.x.tobytes() == mnist.train.x.tobytes()
    assert own.train.labels.tolist() == mnist.train.labels.tolist()
    assert own.test.x.tobytes() == mnist.test.x[:100].tobytes()
    assert own.test.labels.tolist() == mnist.test.labels[:100].tolist()
    assert own.description.image_shape == (None if form == "csv" else (28, 28))
    assert own.train.x.flags.c_contiguous
    assert not own.train.x.flags.writeable


# CSV


@pytest.fixture
def table(tmp_path: Path) -> Any:
    """Return a function that writes lines into a file and returns its path."""

    def write(text: str, name: str = "table.csv") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8", newline="")
        return str(path)

    return write


ROWS = "0,0,255\n1,10,20\n0,30,40\n1,50,60\n"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (ROWS, {}),
        (ROWS, {"header": False}),
        (ROWS.replace("\n", "\r\n"), {}),
        (ROWS.rstrip("\n"), {}),
        ("\ufeff" + ROWS, {}),
        ("\n" + ROWS.replace("\n", "\n  \n"), {}),
        (ROWS.replace(",", ", "), {}),
        (ROWS.replace("10", '"10"'), {}),
        (ROWS.replace("10", "1e1").replace("0,0", "0.0,0"), {}),
        ("label,a,b\n" + ROWS, {}),
        ("\n\nlabel,0,1\n" + ROWS, {}),
        ("9,9,9\n" + ROWS, {"header": True}),
        ("label,a,b\n" + ROWS, {"label_column": "label"}),
        ("a,label,b\n0,0,255\n10,1,20\n30,0,40\n50,1,60\n", {"label_column": "label"}),
        ("0,0,255\n10,1,20\n30,0,40\n50,1,60\n", {"label_column": 1}),
        ("0,255,0\n10,20,1\n30,40,0\n50,60,1\n", {"label_column": -1}),
    ],
)
def test_csv_in_its_many_forms(table: Any, text: str, values: dict[str, Any]) -> None:
    path = table(text)
    own = data("csv", train=path, test=path, scale="raw", **values)
    assert own.train.x.tolist() == [[0, 255], [10, 20], [30, 40], [50, 60]]
    assert own.train.labels.tolist() == [0, 1, 0, 1]
    assert own.description.digest != describe_digest(table(text + "\n1,1,1\n", "other.csv"), values)


def describe_digest(path: str, values: dict[str, object]) -> str:
    own = DataSettings.from_mapping({"name": "csv", "train": path, "test": path, **values})
    return describe(own).digest


def test_csv_fractions_keep_every_bit(table: Any) -> None:
    numbers = np.random.default_rng(0).standard_normal((20, 3))
    lines = "".join(
        f"{i % 2},{','.join(map(repr, row))}\n" for i, row in enumerate(numbers.tolist())
    )
    own = data("csv", "float64", train=table(lines), test=table(lines), scale="raw")
    assert np.array_equal(own.train.x, numbers)


def test_csv_of_one_file_is_split(table: Any) -> None:
    text = "".join(f"{i % 2},{i},9\n" for i in range(100))
    own = data("csv", train=table(text), test_fraction=0.2, scale="raw")
    assert (len(own.train.x), len(own.test.x)) == (80, 20)
    assert np.bincount(own.test.labels).tolist() == [10, 10]
    numbers = [*own.train.x[:, 0].tolist(), *own.test.x[:, 0].tolist()]
    assert sorted(numbers) == list(range(100))
    other = data("csv", train=table(text), test_fraction=0.2, scale="raw", seed=1)
    assert not np.array_equal(other.test.x, own.test.x)


@pytest.mark.parametrize(
    "text",
    [
        "dog,1,2\ncat,3,4\ndog,5,6\n",
        "kind,a,b\ndog,1,2\ncat,3,4\ndog,5,6\n",
        '"dog", 1,2\n cat,3,4\n\ndog,5,6',
    ],
)
def test_labels_that_are_text_are_numbered_in_sorted_order(table: Any, text: str) -> None:
    path = table(text)
    own = data("csv", train=path, test=table("cat,0,9\n" * 2, "test.csv"), scale="raw")
    assert own.train.x.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert own.train.labels.tolist() == [1, 0, 1]
    assert own.test.labels.tolist() == [0, 0]
    assert own.description.labels == ("cat", "dog")
    assert own.description.remarks == (
        "the labels of data=csv are text, numbered in sorted order: 'cat' 0, 'dog' 1",
    )
    swapped = data("csv", train=path, test=path, scale="raw", classes=[1, 0])
    assert swapped.description.labels == ("dog", "cat")
    assert swapped.train.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        ("dog,1,2\n1,3,4\n", "1,2,3\n", "line 1, column 1: 'dog' is not a number"),
        ("0,1,2\n1,3,4\nO,5,6\n", "0,2,3\n", "line 3, column 1: 'O' is not a number"),
        ("dog,1,2\n,3,4\n", "cat,2,3\n", "line 2, column 1: '' is not a number"),
        ("dog,1,2\ncat,x,4\n", "cat,2,3\n", "line 2, column 2: 'x' is not a number"),
        ("dog,1,2\ncat,3,4\n", "cow,2,3\n", "test.csv, line 1, column 1: no training example has"),
        ("dog,1,2\ncat,3,4\n", "1,2,3\n", "table.csv are text and those of"),
        ("0,1,2\n1,3,4\n", "cat,2,3\n", "test.csv are text and those of"),
    ],
)
def test_labels_are_text_in_every_row_or_in_none(
    table: Any, train: str, test: str, words: str
) -> None:
    paths = {"train": table(train), "test": table(test, "test.csv")}
    assert words in refusal("csv", scale="raw", header="false", **paths)


@pytest.mark.parametrize(
    ("high", "scale", "remark"),
    [("255", "unit", ""), ("16", "unit", "from 0 to 16"), ("7.5", "shifted", "0 to 7.5"),
     ("200.5", "unit", "0 to 200.5"), ("16", "raw", ""), ("16", "standardize", "")],
)  # fmt: skip
def test_features_that_are_no_pixels_are_remarked_upon(
    table: Any, high: str, scale: str, remark: str
) -> None:
    path = table(f"0,0,1\n1,{high},2\n")
    own = data("csv", train=path, test=path, scale=scale)
    assert len(own.description.remarks) == bool(remark)
    assert remark in "".join(own.description.remarks)


@pytest.mark.slow
def test_remarks_on_data_are_made_once_before_training(quick: Command, table: Any) -> None:
    path = table("dog,1,2\ncat,3,4\n" * 20)
    words = (f"data.train={path}", f"data.test={path}", "data=csv", "steps=2", "batch_size=4")
    done = quick("-m", *words, "hidden=2", "seed=0,1", "hydra.launcher.workers=1")
    assert done.status == 0, done.err
    assert done.err.count("note: the labels of data=csv are text") == 1
    assert done.err.count("note: data.scale=unit divides by 255") == 1


def test_labels_of_a_file_are_renumbered(table: Any) -> None:
    path = table("7,1,2\n3,3,4\n300,5,6\n3,7,9\n")
    own = data("csv", train=path, test=path, scale="raw")
    assert own.description.labels == (3, 7, 300)
    assert own.train.labels.tolist() == [1, 0, 2, 0]
    kept = data("csv", train=path, test=path, scale="raw", classes=[300, 3])
    assert kept.description.labels == (300, 3)
    assert kept.train.labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "0,1,2\n1,3\n",
            "table.csv, line 2, column 3: the row has 2 columns and the rows above have 3",
        ),
        ("0,1,2\n\n1,3,4,5\n", "table.csv, line 3, column 4: the row has 4 columns"),
        ("0,1,2\n1,x,4\n", "table.csv, line 2, column 2: 'x' is not a number"),
        ("0,1,2\n1,3,\n", "table.csv, line 2, column 3: '' is not a number"),
        ("0,1,x\n1,3,4\n", "table.csv, line 1, column 3: 'x' is not a number"),
        ("label,a,b\n0,1,2\n\n1,1_0,4\n", "table.csv, line 4, column 2: '1_0' is not a number"),
        ("label,a,b\n0,1,2\n1,nan,4\n", "table.csv, line 3, column 2: nan is not finite"),
        ("0,1,2\n1,1e39,4\n", "table.csv, line 2, column 2: 1e+39 is not finite in float32"),
        ("0,1,2\n\n-1,3,4\n", "table.csv, line 3, column 1: the label -1 is out of range"),
        ("0,1,2\n1.5,3,4\n", "table.csv, line 2, column 1: the label 1.5 is out of range"),
        ("", "table.csv is empty"),
        (" \n\n", "table.csv is empty"),
        ("label,a,b\n", "table.csv has only a header"),
        ("0\n1\n", "table.csv has only one column"),
        ("5,1,2\n5,3,4\n", "has only one class, the label 5"),
        ("0,1,2\n1,3,\x00\n", "table.csv"),
        ("0,1,2\n1,3," + "9" * 131073, "table.csv, line 2 is not valid CSV (field larger than"),
        ("0,1,2\n1,3," + "9," * 2**23, "table.csv, line 2 has more than 16,777,216 characters"),
        (
            "9007199254740992,1,2\n9007199254740993,3,4\n",
            "line 1, column 1: the label 9007199254740992 is out of range: labels are whole "
            "numbers from 0 to 9007199254740991",
        ),
        ("0,1,2\n1e30,3,4\n", "line 2, column 1: the label 1e+30 is out of range"),
        (
            "".join(f"{i},1,2\n" for i in range(10_001)),
            "has 10001 different labels, and at most 10000 classes are supported",
        ),
    ],
)
def test_a_bad_csv_is_refused_by_line_and_column(table: Any, text: str, words: str) -> None:
    path = table(text)
    assert words in refusal("csv", train=path, test=path, scale="raw")


def test_a_bad_row_is_found_far_down(table: Any) -> None:
    lines = [f"{i % 2},{i % 256},7" for i in range(5000)]
    lines[4321] = "1,12,7;"
    path = table("\n".join(lines))
    assert "table.csv, line 4322, column 3: '7;'" in refusal("csv", train=path, test=path)


def test_a_label_unseen_in_training_is_placed(table: Any) -> None:
    test = table("0,1,2\n\n2,3,4\n", "test.csv")
    sentence = refusal("csv", train=table(ROWS), test=test, scale="raw")
    assert "test.csv, line 3, column 1: no training example has the label 2" in sentence
    kept = data("csv", train=table(ROWS), test=test, scale="raw", classes=[0, 1])
    assert kept.test.x.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"label_column": 3}, "data.label_column=3: "),
        ({"label_column": -4}, "give an index from 0 to 2"),
        ({"label_column": "lable"}, "'lable': did you mean 'label'? choose from a, b, label"),
        (
            {"label_column": "label", "header": False},
            "data.label_column=label is the name",
        ),
        ({"header": False}, "line 1, column 1: 'label' is not a number"),
        ({"classes": [0, 5]}, "no training example has the label 5: choose from 0, 1"),
    ],
)
def test_csv_settings_must_fit_the_file(table: Any, values: dict[str, object], words: str) -> None:
    path = table("label,a,b\n" + ROWS)
    assert words in refusal("csv", train=path, test=path, scale="raw", **values)


def test_csv_files_must_match_and_exist(table: Any, tmp_path: Path) -> None:
    train, wide = table(ROWS), table("0,1,2,3\n", "wide.csv")
    assert "wide.csv has 4 columns" in refusal("csv", train=train, test=wide)
    missing = str(tmp_path / "missing.csv")
    assert f"data.test={missing} cannot be read" in refusal("csv", train=train, test=missing)
    assert "is not a file" in refusal("csv", train=str(tmp_path), test=train)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(gzip.compress(ROWS.encode()))
    assert "is not a CSV text file" in refusal("csv", train=str(binary), test=train)


@pytest.mark.parametrize(
    ("name", "key"), [("csv", "train"), ("npz", "file"), ("idx", "root"), ("kmnist", "root")]
)
@pytest.mark.parametrize("path", ["~nosuchuser/x", "a" * 5000, "a\0b", "\ud800"])
def test_a_path_that_cannot_be_is_refused(name: str, key: str, path: str) -> None:
    values = {"test": "x"} if name == "csv" else {}
    assert refusal(name, **{key: path}, **values).startswith(f"data.{key}=")


def test_a_changed_file_is_read_again(table: Any) -> None:
    path = table(ROWS)
    own = DataSettings.from_mapping({"name": "csv", "train": path, "test": path, "scale": "raw"})
    before = load(own)
    assert load(own) is before
    table("1,8,9\n" + ROWS)
    after = load(own)
    assert after.train.x[0].tolist() == [8, 9]
    assert after.description.digest != before.description.digest


def test_the_same_content_elsewhere_has_the_same_digest(table: Any) -> None:
    assert describe_digest(table(ROWS, "a.csv"), {}) == describe_digest(table(ROWS, "b.csv"), {})


def test_a_large_csv_is_read_in_little_memory(table: Any) -> None:
    line = ",".join(["1"] + ["255"] * 784) + "\n"
    path = table((line + "0" + line[1:]) * 500)
    tracemalloc.start()
    own = describe(DataSettings.from_mapping({"name": "csv", "train": path, "test": path}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert own.train_size == 1000
    assert peak < 8 * os.path.getsize(path)


# NPZ


@pytest.mark.parametrize("shape", [(4,), (2, 2), (2, 2, 1), (2, 1, 2)])
def test_npz_images_are_flattened(tmp_path: Path, shape: tuple[int, ...]) -> None:
    x = np.arange(40).reshape(10, *shape)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(10)[:, None] % 2)
    own = data("npz", file=str(tmp_path / "a.npz"), test_fraction=0.2, scale="raw")
    assert own.train.x.shape == (8, 4)
    image = {(2, 2): (2, 2), (2, 2, 1): (2, 2)}.get(shape)
    assert own.description.image_shape == image


GOOD: dict[str, Any] = {
    "x_train": np.arange(8).reshape(4, 2),
    "y_train": np.array([0, 1, 0, 1]),
    "x_test": np.arange(4).reshape(2, 2),
    "y_test": np.array([0, 1]),
}


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x_train": None}, "has no array 'x_train', only y_train, x_test, y_test"),
        ({"x_test": None}, "has no array 'x_test', only x_train, y_train, y_test: give"),
        ({"x_train": np.arange(4)}, "x_train has the shape (4,)"),
        ({"x_train": np.full((4, 2), "a")}, "x_train has the shape (4, 2) and the type <U1"),
        ({"x_train": np.ones((4, 2), complex)}, "the type complex128"),
        ({"x_train": np.zeros((4, 0))}, "x_train has the shape (4, 0)"),
        ({"x_train": np.full((4, 2), object())}, "x_train holds Python objects: give"),
        (
            {"x_train": np.array([[1, 2], [3, np.nan], [5, 6], [7, 8]])},
            "x_train[1]: feature 1 is nan",
        ),
        ({"x_train": np.full((4, 2), -1e300)}, "x_train[0]: feature 0 is -1e+300"),
        ({"x_test": np.ones((2, 3))}, "x_train have the shape (2,) and those of x_test have (3,)"),
        ({"y_train": np.arange(3)}, "y_train has the shape (3,)"),
        ({"y_train": np.ones(4)}, "the type float64: give 4 whole numbers"),
        ({"y_train": np.eye(4, dtype=int)}, "y_train has the shape (4, 4)"),
        ({"y_train": np.array([0, 1, -2, 1])}, "y_train[2]: the label -2 is out of range"),
        ({"y_train": np.array([0, 1, 2**63, 1], np.uint64)}, "the label 9223372036854775808 is"),
        ({"y_test": np.array([0, 9])}, "y_test[1]: no training example has the label 9"),
    ],
)
def test_bad_arrays_are_refused(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    kept = {name: array for name, array in {**GOOD, **arrays}.items() if array is not None}
    np.savez(tmp_path / "bad.npz", **kept)
    sentence = refusal("npz", file=str(tmp_path / "bad.npz"), scale="raw")
    assert "bad.npz" in sentence
    assert words in sentence


def test_bad_npz_files_are_refused(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    np.savez_compressed(good, **GOOD)
    whole = good.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 8] ^= 0xFF
    single = tmp_path / "single.npy"
    np.save(single, np.ones(3))
    for content in (b"", b"hello", whole[:-30], whole[: len(whole) // 2], single.read_bytes()):
        bad.write_bytes(content)
        assert "bad.npz is not an .npz file, or is incomplete" in refusal("npz", file=str(bad))
    bad.write_bytes(flipped)
    assert "bad.npz is damaged (" in refusal("npz", file=str(bad))
    np.savez(bad, **GOOD)
    bad.write_bytes(bad.read_bytes().replace(bytes(GOOD["x_train"]), bytes(64)))
    assert "bad.npz is damaged (Bad CRC-32" in refusal("npz", file=str(bad))
    assert "cannot be read" in refusal("npz", file=str(tmp_path / "missing.npz"))
    both = refusal("npz", file=str(good), scale="raw", test_fraction=0.5)
    assert "already has test arrays" in both


def test_standardizing_beyond_float32_is_refused(tmp_path: Path) -> None:
    x_train = np.array([[1, 1], [1 + 1e-15, 2], [1, 3], [1, 5]]) * 1e-30
    np.savez(tmp_path / "far.npz", **{**GOOD, "x_train": x_train, "x_test": np.full((2, 2), 3e38)})
    own = DataSettings.from_mapping(
        {"name": "npz", "file": str(tmp_path / "far.npz"), "scale": "standardize"}
    )
    with pytest.raises(InputError, match="feature 0 hardly varies in the training set"):
        load(own)
    assert np.isfinite(load(own, "float64").test.x).all()


def test_long_doubles_beyond_float32_are_refused(tmp_path: Path) -> None:
    long = np.full((4, 2), np.finfo(np.longdouble).max)
    np.savez(tmp_path / "long.npz", **{**GOOD, "x_train": long})
    assert "not finite in float32" in refusal("npz", file=str(tmp_path / "long.npz"), scale="raw")


def npz_member(shape: str, descr: str = "|u1", more: bytes = b"") -> bytes:
    """Return what x_train.npy holds if its header names this shape and type."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n" + more


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (npz_member("(4, 2)", more=bytes(64 << 20)), "does not match its header"),
        (npz_member("(1000000000000, 2)"), "does not match its header"),
        (npz_member("(-4, -2)", more=bytes(8)), "does not match its header"),
        (npz_member("(" * 200 + ")" * 200), "is damaged"),
        (npz_member("(4, 2)", "|u0"), "is damaged"),
        (npz_member("(4, 2)", "|O", bytes(64)), "x_train holds Python objects"),
        (b"\x93NUMPY\x09\x00", "is damaged"),
        (b"", "is damaged"),
    ],
)
def test_an_array_is_not_inflated_where_its_header_is_wrong(
    tmp_path: Path, member: bytes, words: str
) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_train.npy", member)
    tracemalloc.start()
    sentence = refusal("npz", file=str(path), test_fraction=0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "bomb.npz" in sentence
    assert words in sentence
    assert peak < 4 << 20


def test_an_array_larger_than_the_memory_is_refused(tmp_path: Path) -> None:
    path, declared = tmp_path / "bomb.npz", 1 << 50
    member = npz_member(f"({declared}, 1)")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", member)
    raw = path.read_bytes()
    # The directory of the archive is made to lie as the array's header does.
    at = raw.index(b"PK\x01\x02")
    size = len(member) + declared
    extra = struct.pack("<HHQ", 1, 8, size)
    entry = bytearray(raw[at : raw.index(b"PK\x05\x06")])
    entry[24:28] = b"\xff" * 4
    entry[30:32] = struct.pack("<H", len(extra))
    end = bytearray(raw[raw.index(b"PK\x05\x06") :])
    end[12:16] = struct.pack("<I", len(entry) + len(extra))
    path.write_bytes(raw[:at] + bytes(entry) + extra + bytes(end))
    assert "GiB of memory, but this machine has only" in refusal("npz", file=str(path))


def test_the_memory_that_data_may_take_is_an_option(
    tmp_path: Path,
    digits: tuple[Array, Array, Array, Array],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, labels, *_ = digits
    table, fractions = tmp_path / "table.csv", tmp_path / "fractions.csv"
    rows = [
        ",".join(map(str, [label, *map(int, row)])) for label, row in zip(labels, x, strict=True)
    ]
    table.write_text("\n".join(rows) + "\n")
    fractions.write_text("\n".join(f"{row},0.5" for row in rows) + "\n")
    np.savez_compressed(tmp_path / "mine.npz", x_train=x, y_train=labels)
    write_idx(tmp_path, digits, True)
    # 400 images of 784 pixels: 0.3 MiB as bytes, 2.4 MiB as float64.
    monkeypatch.setenv("NNEXP_MEMORY", "0.001")
    assert data("csv", train=str(table), test=str(table)).train.x.shape == (400, 784)
    assert "fractions.csv needs" in refusal("csv", train=str(fractions), test=str(fractions))
    monkeypatch.setenv("NNEXP_MEMORY", "0.0001")
    for name, settings in (
        ("csv", {"train": str(table), "test": str(fractions)}),
        ("npz", {"file": str(tmp_path / "mine.npz"), "test_fraction": 0.5}),
        ("idx", {"root": str(tmp_path)}),
        ("blobs", {"n": 10_000}),
    ):
        sentence = refusal(name, **settings)
        assert "NNEXP_MEMORY=0.0001 allows only 0.1 MiB" in sentence
        assert "increase NNEXP_MEMORY" in sentence
    for wrong in ("2GB", "0", "-1", "nan", ""):
        monkeypatch.setenv("NNEXP_MEMORY", wrong)
        assert f"NNEXP_MEMORY={wrong} is invalid" in refusal("idx", root=str(tmp_path))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_npz_file_is_packed_as_numpy_packs_it(tmp_path: Path, method: int) -> None:
    path = tmp_path / "other.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x_train.npy", npz_member("(4, 2)", more=bytes(8)))
    assert "write it with numpy.savez" in refusal("npz", file=str(path))


# IDX


def test_a_raw_file_and_a_gzipped_one_are_the_same_data(
    tmp_path: Path, digits: tuple[Array, Array, Array, Array]
) -> None:
    roots = [write_idx(tmp_path / name, digits, name == "gz") for name in ("raw", "gz")]
    raw, zipped = (describe(DataSettings.from_mapping({"name": "idx", "root": r})) for r in roots)
    assert raw == zipped
    changed = (*digits[:3], 9 - digits[3])
    other = write_idx(tmp_path / "other", changed, False)
    assert describe(DataSettings.from_mapping({"name": "idx", "root": other})).digest != raw.digest


def damaged(raw: bytes) -> dict[str, bytes]:
    return {
        "is empty": b"",
        "is not an IDX file": b"\0\0",
        "is not an IDX file of": struct.pack(">4i", 2052, 1, 1, 1) + raw[16:],
        "is truncated or altered": raw[:-1],
        "truncated or altered: its header implies": raw + b"\0",
        "contains no": raw[:4] + struct.pack(">i", 0) + raw[8:],
    }


@pytest.mark.parametrize("file", IDX)
def test_damaged_idx_files_are_refused(
    tmp_path: Path, digits: tuple[Array, Array, Array, Array], file: str
) -> None:
    root = write_idx(tmp_path, digits, False)
    whole = (tmp_path / file).read_bytes()
    for words, content in damaged(whole).items():
        (tmp_path / file).write_bytes(content)
        sentence = refusal("idx", root=root)
        assert file in sentence
        assert words in sentence
    zipped = gzip.compress(whole)
    (tmp_path / file).unlink()
    flipped = bytearray(zipped)
    flipped[len(zipped) // 2] ^= 0xFF
    for content in (zipped[:-9], b"", b"not gzip", bytes(flipped)):
        (tmp_path / f"{file}.gz").write_bytes(content)
        assert f"{file}.gz" in refusal("idx", root=root)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (struct.pack(">4I", 2051, 400, 28, 28), "implies 313616 bytes but it has more"),
        (struct.pack(">4I", 2051, 0, 28, 28), "contains no images"),
        (struct.pack(">4I", 2051, *(2**32 - 1,) * 3), "GiB of memory"),
        (b"nonsense, nonsense", "is not an IDX file of images"),
    ],
)
@pytest.mark.slow
def test_a_gzip_file_is_inflated_no_further_than_its_header_promises(
    tmp_path: Path, digits: tuple[Array, Array, Array, Array], header: bytes, words: str
) -> None:
    root = write_idx(tmp_path, digits, True)
    with gzip.open(tmp_path / f"{IDX[0]}.gz", "wb") as bomb:
        bomb.write(header)
        for _ in range(64):
            bomb.write(bytes(1 << 20))
    tracemalloc.start()
    sentence = refusal("idx", root=root)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert f"{IDX[0]}.gz" in sentence
    assert peak < 4 << 20
    assert words in sentence


def test_idx_files_must_belong_together(
    tmp_path: Path, digits: tuple[Array, Array, Array, Array]
) -> None:
    root = write_idx(tmp_path, (digits[0], digits[1][:-1], *digits[2:]), False)
    sentence = refusal("idx", root=root)
    assert "has 400 images and" in sentence
    assert "399 labels" in sentence
    write_idx(tmp_path, digits, False)
    pixels = digits[2].astype(np.uint8).tobytes()
    (tmp_path / IDX[2]).write_bytes(struct.pack(">4i", 2051, 100, 14, 56) + pixels)
    assert "28x28 pixels and those of" in refusal("idx", root=root)
    (tmp_path / IDX[3]).unlink()
    missing = refusal("idx", root=root)
    assert f"has no {IDX[3]} (nor {IDX[3]}.gz)" in missing
    assert "put the four files" in missing


def test_idx_takes_any_image_size_and_labels(tmp_path: Path) -> None:
    for part, n in (("train", 6), ("t10k", 3)):
        pixels = bytes(range(12)) * n
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(
            struct.pack(">4i", 2051, n, 3, 4) + pixels
        )
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(
            struct.pack(">2i", 2049, n) + bytes([5, 65, 200] * (n // 3))
        )
    own = data("idx", root=str(tmp_path), scale="raw")
    assert own.description.image_shape == (3, 4)
    assert own.description.labels == (5, 65, 200)
    assert own.train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert own.train.x[0].tolist() == list(range(12))
