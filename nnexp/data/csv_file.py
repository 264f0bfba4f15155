"""CSV files with one example per row: one column is the label, the others are the features.

Labels are whole numbers, or text that is numbered in sorted order.

Files are read with NumPy. If that fails, a slower reader reads the file again and reports the line
and column of the error, both counted from 1.
"""

from __future__ import annotations

import csv
import functools
import itertools
import warnings
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TextIO

import numpy as np
import numpy.typing as npt

from nnexp import validation
from nnexp.data.base import (
    LARGEST_LABEL,
    Kind,
    Raw,
    Source,
    Stamp,
    checksum,
    combined,
    compact,
    span,
    stamp,
    unfit,
    user_path,
)
from nnexp.errors import InputError, unknown

HEADERS = ("auto", "true", "false")

# The maximum number of characters in a line. Splitting a line takes about 50 bytes per field.
_LONGEST_LINE = 2**24


class Table(NamedTuple):
    """The content of a CSV file, and what is needed to locate its rows."""

    x: npt.NDArray[Any]  # (n, features), uint8 if it fits, else float64
    labels: npt.NDArray[Any]  # (n,), intp, or text
    file: Stamp
    header: int  # number of lines before the first row
    column: int  # of the label, from 0

    def place(self, row: int) -> str:
        """Return the file, line and column of the label of ``row`` (from 0)."""
        return _place(self.file, self.header, row, self.column)


@dataclass(frozen=True)
class Csv:
    """CSV files ``train`` and ``test``, or one file with a ``test_fraction`` to set aside.

    ``label_column`` is an index from 0 (negative ones count from the end) or a name in the header.
    """

    train: str
    test: str | None
    test_fraction: float | None
    header: str
    label_column: int | str

    def state(self) -> Hashable:
        """Return the stamps of the files; raise `InputError` if one is missing."""
        return self._stamps()

    def read(self, seed: int) -> Raw:
        """Return the examples; an `InputError` names the file, line and column."""
        stamps = self._stamps()
        train, *others = (_table(file, self.header, self.label_column) for file in stamps)
        test = others[0] if others else None
        if test is not None and test.x.shape[1] != train.x.shape[1]:
            raise InputError(
                f"{test.file.path} has {test.x.shape[1] + 1} columns and {train.file.path} "
                f"{train.x.shape[1] + 1}: give files with the same columns"
            )
        names, labels = _numbered(train, test)
        return Raw(
            train.x,
            labels[0],
            None if test is None else test.x,
            None if test is None else labels[1],
            digest=combined(checksum(file) for file in stamps),
            span=span(train.x),
            test_fraction=self.test_fraction,
            place=train.place if test is None else test.place,
            names=names,
        )

    def _stamps(self) -> tuple[Stamp, ...]:
        train = stamp("train", self.train)
        return (train,) if self.test is None else (train, stamp("test", self.test))


def _numbered(
    train: Table, test: Table | None
) -> tuple[tuple[str, ...], list[npt.NDArray[np.intp]]]:
    """Return the names of text labels (empty for numbers) and the numeric labels of each file."""
    both = [train] if test is None else [train, test]
    texts = [table for table in both if table.labels.dtype.kind == "U"]
    if not texts:
        return (), [table.labels for table in both]
    if len(texts) < len(both):
        other = next(table for table in both if table.labels.dtype.kind != "U")
        raise InputError(
            f"the labels of {texts[0].file.path} are text and those of {other.file.path} are "
            "numbers: use one kind in both files"
        )
    names = np.unique(train.labels)
    for table in both:
        unseen = ~np.isin(table.labels, names)
        if unseen.any():
            row = int(np.argmax(unseen))
            raise InputError(
                f"{table.place(row)}: no training example has the label "
                f"{str(table.labels[row])!r}: correct it or remove the row"
            )
    return tuple(names.tolist()), [np.searchsorted(names, table.labels) for table in both]


@functools.lru_cache(maxsize=4)
def _table(file: Stamp, header: str, label_column: int | str) -> Table:
    try:
        names, skipped = _header(file, header, label_column)
        values, texts = _read_fast(file, skipped), None
        if values is None:
            values, texts = _read_carefully(file, names, skipped, label_column)
    except UnicodeDecodeError as error:
        raise InputError(f"{file.path} is not a CSV text file in UTF-8: save it as one") from error
    column = _label_index(file, names, values.shape[1], label_column)
    if (bad := unfit(values)) is not None:
        value = values[bad]
        raise InputError(
            f"{_place(file, skipped, *bad)}: {value:g} is not finite in float32: "
            "give finite numbers"
        )
    x = compact(np.ascontiguousarray(np.delete(values, column, axis=1)))
    if texts is not None:
        return Table(x, texts, file, skipped, column)
    labels = values[:, column]
    wrong = (labels < 0) | (labels != np.floor(labels)) | (labels > LARGEST_LABEL)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{_place(file, skipped, row, column)}: the label {labels[row]:.16g} is out of range: "
            f"labels are whole numbers from 0 to {LARGEST_LABEL} in the column that "
            "data.label_column gives"
        )
    return Table(x, labels.astype(np.intp), file, skipped, column)


def _header(file: Stamp, header: str, label_column: int | str) -> tuple[list[str] | None, int]:
    """Return the names of the columns, if the file has them, and the number of lines to skip.

    With ``auto``, the first row is a header if its label is not a number. The exception is a
    file with text labels: the labels of both the first and the second row are text, and the other
    fields of the first row are numbers.
    """
    with _open(file) as text:
        rows = _rows(file, text)
        line, fields = next(rows, (0, []))
        _, second = next(rows, (0, []))
    if not fields:
        raise InputError(f"{file.path} is empty: give a CSV file with one example per row")
    named = isinstance(label_column, str)
    if header == "auto":
        first = 0 if named else _label_index(file, None, len(fields), label_column)
        text_label = not named and _number(fields[first]) is None
        if text_label and first < len(second) and _number(second[first]) is None:
            text_label = None in map(_number, fields[:first] + fields[first + 1 :])
        header = "true" if named or text_label else "false"
    if header == "false" and named:
        raise InputError(
            f"data.label_column={label_column} is the name of a column, but with data.header=false "
            "columns have no names: give an index from 0, or data.header=true"
        )
    if header == "false":
        return None, 0
    return [field.strip() for field in fields], line


def _label_index(
    file: Stamp, names: list[str] | None, columns: int, label_column: int | str
) -> int:
    """Return the index of the label column, from 0."""
    if columns < 2:
        raise InputError(
            f"{file.path} has only one column: give a label and features, separated by commas"
        )
    if isinstance(label_column, str):
        if names is None or label_column not in names:
            raise unknown(f"data.label_column of {file.path}", label_column, names or ())
        return names.index(label_column)
    if not -columns <= label_column < columns:
        raise InputError(
            f"data.label_column={label_column}: {file.path} has {columns} columns: "
            f"give an index from 0 to {columns - 1}, or a name in its header"
        )
    return label_column % columns


def _read_fast(file: Stamp, skipped: int) -> npt.NDArray[Any] | None:
    """Return the values (n, columns), or ``None`` if NumPy cannot read the file."""
    values = _count_values(file)
    for dtype in (np.uint8, np.float64):
        validation.memory(file.path, values * np.dtype(dtype).itemsize)
        with _open(file) as text, warnings.catch_warnings():
            warnings.simplefilter("error")  # for an empty file, or a fraction read as an integer
            try:
                return np.loadtxt(
                    _lines(file, text),
                    dtype,
                    comments=None,
                    delimiter=",",
                    skiprows=skipped,
                    ndmin=2,
                    quotechar='"',
                )
            except (ValueError, Warning):
                continue
    return None


def _count_values(file: Stamp) -> int:
    """Return how many values a file has at most."""
    with open(file.location, "rb") as raw:
        blocks = iter(functools.partial(raw.read, 2**20), b"")
        return sum(block.count(b",") + block.count(b"\n") for block in blocks)


def _read_carefully(
    file: Stamp, names: list[str] | None, skipped: int, label_column: int | str
) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    """Return the values (n, columns), float64, and the labels (n,) if all of them are text.

    Text labels have the value 0. Raises an `InputError` that names the invalid field.
    """
    table: list[npt.NDArray[Any]] = []
    texts: list[str] = []
    first_text: InputError | None = None
    column = 0
    with _open(file) as text:
        for line, fields in _rows(file, text, skipped):
            if table and len(fields) != len(table[0]):
                raise InputError(
                    f"{file.path}, line {line}, column {min(len(fields), len(table[0])) + 1}: "
                    f"the row has {len(fields)} columns and the rows above have {len(table[0])}: "
                    "give every row the same number of columns"
                )
            if not table:
                column = _label_index(file, names, len(fields), label_column)
            numbers = [_number(field) for field in fields]
            if bad := [i for i, number in enumerate(numbers) if number is None]:
                # If labels have been text so far, the error is in another column.
                invalid = next((i for i in bad if i != column or not texts), column)
                wrong = _not_a_number(file, line, invalid, fields)
                label = fields[column].strip()
                if bad != [column] or not label:
                    raise wrong
                first_text = first_text or wrong
                texts.append(label)
                numbers[column] = 0.0
            table.append(np.array(numbers, np.float64))
    if not table:
        raise InputError(f"{file.path} has only a header: give one example per row")
    if first_text is not None and len(texts) < len(table):
        raise first_text
    return np.stack(table), np.array(texts) if texts else None


def _not_a_number(file: Stamp, line: int, column: int, fields: list[str]) -> InputError:
    return InputError(
        f"{file.path}, line {line}, column {column + 1}: {fields[column]!r} is not a number: give "
        "numbers (labels may be text if all of them are; for a header in the first line, give "
        "data.header=true)"
    )


def _number(field: str) -> float | None:
    try:
        return None if "_" in field else float(field)
    except ValueError:
        return None


def _open(file: Stamp) -> TextIO:
    return open(file.location, encoding="utf-8-sig", newline="")


def _lines(file: Stamp, text: TextIO) -> Iterator[str]:
    """Yield the lines of a file; refuse very long lines, which could fill the memory."""
    for number in itertools.count(1):
        line = text.readline(_LONGEST_LINE + 1)
        if len(line) > _LONGEST_LINE:
            raise InputError(
                f"{file.path}, line {number} has more than {_LONGEST_LINE:,} characters: "
                "put each example on its own line"
            )
        if not line:
            return
        yield line


def _rows(file: Stamp, text: TextIO, skipped: int = 0) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number from 1, fields) of each row after ``skipped`` lines that is not blank."""
    reader = csv.reader(_lines(file, text))
    try:
        for fields in reader:
            if reader.line_num > skipped and (len(fields) > 1 or "".join(fields).strip()):
                yield reader.line_num, fields
    except csv.Error as error:
        raise InputError(
            f"{file.path}, line {reader.line_num} is not valid CSV ({error}): give numbers "
            "separated by commas"
        ) from error


def _place(file: Stamp, skipped: int, row: int, column: int) -> str:
    with _open(file) as text:
        line, _ = next(itertools.islice(_rows(file, text, skipped), row, None))
    return f"{file.path}, line {line}, column {column + 1}"


def _make(values: Mapping[str, object]) -> Source:
    train, test, fraction = values["train"], values["test"], values["test_fraction"]
    if train is None:
        raise InputError(
            "data=csv needs data.train=FILE, and data.test=FILE or data.test_fraction=0.2"
        )
    if (test is None) == (fraction is None):
        which = "neither" if test is None else "both"
        raise InputError(
            f"data=csv was given {which} of data.test and data.test_fraction: give either a test "
            "file or the fraction of data.train to set aside, such as 0.2"
        )
    header = values["header"]
    label = values["label_column"]
    if fraction is not None:
        fraction = validation.real("data.test_fraction", fraction, 0, 1, open_=True)
    return Csv(
        train=user_path("train", train),
        test=None if test is None else user_path("test", test),
        test_fraction=fraction,
        header=validation.choice("data.header", str(header).lower(), HEADERS),
        label_column=label
        if isinstance(label, str)
        else validation.whole("data.label_column", label),
    )


KINDS = {
    "csv": Kind(
        {
            "train": None,
            "test": None,
            "test_fraction": None,
            "header": "auto",
            "label_column": 0,
        },
        _make,
    )
}
