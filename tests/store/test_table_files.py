"""Tables of many records are written as they are, typed in Parquet, and whole or not at all."""

from __future__ import annotations

import builtins
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nnexp.errors import InputError
from nnexp.store import table_files
from nnexp.store.record import FINISHED, Record, csv_files
from nnexp.store.table_files import TABLES, write_tables


def record(seed: int, **columns: Any) -> Record:
    """Return a record with one evaluation of two layers."""
    layers = [{"step": 0, "layer": n, "kind": "=hidden"} for n in (1, 2)]
    scores = {"train_loss": 1.5, "train_accuracy": 0.1, "test_loss": 1, "test_accuracy": 0.2}
    row = {"epoch": 0.0, "step": 0, "samples": 0, **scores}
    return Record(f"run-{seed}", {}, {**columns, "seed": seed}, FINISHED, [row], layers, 0.5)


RECORDS = [
    record(0, hidden=50, lr=1, quirk=None),
    record(1, hidden="50x50", lr=0.5, quirk=None, extra=True),
    record(2**63, hidden=None, lr=float("inf"), quirk=None),
]


def files(folder: Path, ending: str) -> dict[str, Path]:
    return {name: folder / f"{name}{ending}" for name in TABLES}


def test_csv_files_are_those_of_a_sweep(tmp_path: Path) -> None:
    counts = write_tables(files(tmp_path, ".csv"), lambda: RECORDS)
    assert counts == {"runs": 3, "metrics": 3, "layers": 6}
    for name, text in csv_files(RECORDS).items():
        assert (tmp_path / name).read_text("utf-8") == text


def test_settings_that_older_runs_lack_are_filled_in(tmp_path: Path) -> None:
    older = record(0, data="xor", init="he")
    newer = record(1, data="xor", init="he", **{"init.gain": 2.0})
    write_tables(files(tmp_path, ".csv"), lambda: [older, newer])
    with (tmp_path / "layers.csv").open() as file:
        assert [row["init.gain"] for row in csv.DictReader(file)] == ["1.0"] * 2 + ["2.0"] * 2


@pytest.mark.parametrize("rows", [0, 100])
def test_parquet_files_are_typed(
    rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(table_files, "_ROWS", rows)
    write_tables(files(tmp_path, ".parquet"), lambda: RECORDS)
    runs = parquet.read_table(tmp_path / "runs.parquet")
    types = {"lr": "double", "hidden": "string", "quirk": "null", "extra": "bool", "step": "int64"}
    assert {name: str(runs.schema.field(name).type) for name in types} == types
    assert runs["hidden"].to_pylist() == ["50", "50x50", None]
    assert runs["lr"].to_pylist() == [1.0, 0.5, float("inf")]
    assert runs["seed"].to_pylist() == ["0", "1", str(2**63)]  # it does not fit in 64 bits
    layers = parquet.read_table(tmp_path / "layers.parquet")
    assert layers["kind"].to_pylist() == ["=hidden"] * 6  # no spreadsheet reads this
    assert layers["layer"].to_pylist() == [1, 2] * 3


def test_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("older")
    calls = iter([RECORDS, [*RECORDS, record(3, new="column")]])
    with pytest.raises(InputError, match="run-3 was replaced during the export: run it again"):
        write_tables(files(tmp_path, ".csv"), lambda: next(calls))

    passes = iter(range(2))

    def fails() -> Iterator[Record]:
        yield from RECORDS
        if next(passes):
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="No space left on device"):
        write_tables(files(tmp_path, ".csv"), fails)
    assert [path.name for path in tmp_path.iterdir()] == ["runs.csv"]
    assert (tmp_path / "runs.csv").read_text() == "older"


def test_parquet_needs_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *words: Any, **how: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return imported(name, *words, **how)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="pyarrow"):
        write_tables(files(tmp_path, ".parquet"), lambda: RECORDS)
    assert not [*tmp_path.iterdir()]
