"""Tables of several runs, from records or from an output folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nnexp.config.identity import with_later
from nnexp.errors import InputError
from nnexp.store.csv_cells import unguarded_frame
from nnexp.store.folders import check_finished
from nnexp.store.record import SCORES, Record, is_setting, rows
from nnexp.store.record_files import DamagedRecord
from nnexp.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

# The columns that say what a row of the statistics of layers is of.
_PLACE = ("epoch", "step", "samples", "layer", "units")
# How the files of tables end: studies compress some, those of earlier versions by gzip.
SUFFIXES = (".csv.xz", ".csv.gz", ".csv")


class Tables(NamedTuple):
    """The tables of a sweep or of one run, as they are written."""

    runs: pd.DataFrame
    metrics: pd.DataFrame
    layers: pd.DataFrame


def tables(records: Iterable[Record]) -> Tables:
    """Return the tables of ``records``, with a row per run, per evaluation and per layer.

    They leave out the trials of tuned settings.
    """
    import pandas as pd

    records = [record for record in records if not record.tuned]
    summaries, metrics, layers = rows(records)
    keys = ["run_id", "epoch", "step"]
    runs = pd.DataFrame(summaries)
    return Tables(
        runs.astype(dict.fromkeys(SCORES, float)) if records else runs,
        pd.DataFrame(metrics) if metrics else pd.DataFrame(columns=keys),
        pd.DataFrame(layers) if layers else pd.DataFrame(columns=[*keys, "layer", "units"]),
    )


def nine_digits(layers: pd.DataFrame) -> pd.DataFrame:
    """Return statistics of layers to the digits that the tables of studies have.

    More than those of float32 would be noise that takes much room.
    """
    statistics = layers.drop(columns=[*_PLACE], errors="ignore").select_dtypes("float")
    short = {name: [float(f"{v:.9g}") for v in column] for name, column in statistics.items()}
    rounded: pd.DataFrame = layers.assign(**short)
    return rounded


def trials(records: Iterable[Record]) -> pd.DataFrame:
    """Return the trials of tuned settings among ``records``, with a row per trial.

    The columns are those of `Tables.runs`, and ``tuned`` (the settings, separated by spaces) and
    ``chosen`` (whether the trial has the values chosen for its arm).
    """
    import pandas as pd

    table: pd.DataFrame = pd.DataFrame(with_later([r.summary_row() for r in records if r.tuned]))
    return table


def read_exactly(file: Path, **how: Any) -> pd.DataFrame:
    """Return a CSV file as a table with exact floats and unescaped text.

    ``how`` is passed to `pandas.read_csv`.
    """
    import pandas as pd

    version = tuple(map(int, pd.__version__.split(".")[:2]))
    if version < (3, 1):  # the default from 3.1 on
        how["float_precision"] = "round_trip"
    return unguarded_frame(pd.read_csv(file, **how))


def load(folder: str | Path) -> Tables:
    """Read the tables of a sweep's folder or of one run's record as DataFrames.

    Raises
    ------
    InputError
        If the folder holds neither.
    """
    folder = Path(folder)
    if (folder / "run.json").is_file():
        try:
            record = Store(folder.resolve().parent).read(folder.resolve().name)
        except DamagedRecord as error:
            raise InputError(f"damaged record: {error}") from None
        if record is None:
            raise InputError(f"the run in {str(folder)!r} failed: its run.json holds the traceback")
        return tables([record])
    check_finished(folder)
    names = ("runs", "metrics", "layers")
    files = {name: table_file(folder, name) for name in names}
    missing = [file.name for file in files.values() if not file.is_file()]
    if missing:
        raise InputError(
            f"{str(folder)!r} has no {missing[0]}: give the folder of a sweep, of a run's record, "
            f"or a store of runs"
        )
    found = tables([])._asdict()
    for name, file in files.items():
        # Empty where all runs failed.
        if file.suffix != ".csv" or file.read_bytes().strip():
            found[name] = _read(file)
    runs, *others = found.values()
    return Tables(runs, *(_with_settings(table, runs) for table in others))


def table_file(folder: Path, name: str) -> Path:
    """Return the file of a table, which may be compressed and need not exist."""
    files = [folder / f"{name}{suffix}" for suffix in SUFFIXES]
    return next(filter(Path.is_file, files), files[-1])


def _with_settings(table: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return ``table`` with the settings of its runs, which a study's folder has but once."""
    missing = [name for name in runs if is_setting(str(name)) and name not in table]
    if not missing or "run_id" not in table:
        return table
    settings = runs.set_index("run_id")[missing].reindex(table["run_id"]).reset_index(drop=True)
    names = [*table.columns]
    before = names[: names.index("epoch")]
    whole: pd.DataFrame = table.join(settings)[[*before, *missing, *names[len(before) :]]]
    return whole


def load_trials(folder: str | Path) -> pd.DataFrame:
    """Read the `trials` from a sweep's folder; the table is empty if nothing was tuned."""
    file = Path(folder) / "tuning.csv"
    return _read(file) if file.is_file() else trials([])


def _read(file: Path) -> pd.DataFrame:
    # "NA" is a valid name of an arm, so only empty cells and nan are missing values.
    text = {"hidden": str, "batch_size": str, "evaluate_at": str, "arm": str}
    empty = {"keep_default_na": False, "na_values": ["", "nan"]}
    return read_exactly(file, dtype=text, **empty)
