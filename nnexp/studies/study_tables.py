"""The tables of a study's folder: its runs and claims, and no more than those are judged from."""

from __future__ import annotations

import lzma
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from nnexp.analysis.arms import compare
from nnexp.analysis.grids import Grid, grid_cells
from nnexp.analysis.outcomes import CURVES, LAYER_COLUMNS, Outcome, fitting
from nnexp.errors import InputError
from nnexp.plotting.sweep_figures import LAYER_FIGURES
from nnexp.store.csv_cells import frame_to_csv
from nnexp.store.folders import fill
from nnexp.store.record import is_setting
from nnexp.store.tables import Tables
from nnexp.studies.judgement import Judgement, to_table
from nnexp.studies.kinds.comparison import maps
from nnexp.studies.study import Claim, Study

# The largest tables, which pandas reads as they are.
COMPRESSED = ("runs.csv.xz", "metrics.csv.xz", "layers.csv.xz")
# Metrics of the batches, in which figures show nothing.
_ALONG_THE_WAY = ("batch_loss", "running_loss", "running_accuracy")
# What a row of the statistics of layers is about.
_PLACE = ("run_id", "epoch", "step", "samples", "layer", "kind", "units")
# Figures of the network before the first update and after the last one.
_AT_ENDS = {"activations", "depth"}
# Evaluations this near to the time of a claim, in epochs or steps, may be the one it is about.
_NEAR = 0.01


def write_tables(
    study: Study,
    tables: Tables | None,
    judgements: Sequence[Judgement],
    results: Path,
    images: Mapping[str, pd.DataFrame] | None = None,
) -> None:
    """Write the tables of a study's runs and claims to ``results/<study>/``.

    ``images`` holds the tables of figures that are drawn from records: weights, predictions and
    lines. The pages, figures and tables of earlier runs are removed. The largest tables are
    compressed, the settings of runs are in their own table alone, and metrics and the statistics of
    layers are those that `metrics_of` and `layers_of` keep.

    Raises
    ------
    InputError
        If the runs lack what a grid of the study needs. Nothing is written then.
    """
    folder = results / study.name
    written = {"claims": to_table(judgements), **(images or {})}
    if tables is not None:
        written |= {
            "runs": tables.runs,
            "metrics": _measured(metrics_of(study, tables), tables.runs),
            "layers": _measured(layers_of(study, tables), tables.runs),
            "summary": compare(*tables).summary,
        }
        cells = maps(study, tables)
        if len(cells):
            written["maps"] = cells
        for grid in study.grids:
            try:
                written[grid.name] = grid_cells(shown(study, tables, grid), grid)
            except InputError as error:
                raise InputError(f"{study.file}, line {grid.line}: grid: {error}") from None
    fill(folder, dict(_file(name, frame_to_csv(table)) for name, table in written.items()))


def _file(name: str, text: str) -> tuple[str, str | bytes]:
    """Return a table's file and its content."""
    if f"{name}.csv.xz" in COMPRESSED:
        return f"{name}.csv.xz", lzma.compress(text.encode())
    return f"{name}.csv", text


def metrics_of(study: Study, tables: Tables) -> pd.DataFrame:
    """Return the metrics without the losses and accuracies along the way that no claim is about."""
    looked_at: set[str] = set()
    for claim in study.claims:
        outcome: Outcome | None = getattr(claim.test, "outcome", None)
        looked_at |= {outcome.of, outcome.reached} if outcome is not None else set()
    names = [n for n in tables.metrics if n not in _ALONG_THE_WAY or n in looked_at]
    found: pd.DataFrame = tables.metrics[names]
    return found


def layers_of(study: Study, tables: Tables) -> pd.DataFrame:
    """Return the statistics of layers that the claims and figures of ``study`` look at.

    These are columns and evaluations of some runs. Of every run, the sizes of its layers are kept,
    in the rows of its last evaluation.
    """
    layers = tables.layers
    kept = _is_last(layers)
    columns: set[str] = set()
    figures = {name: own for name, own in LAYER_FIGURES.items() if name in study.figures}
    if figures:
        columns |= {name for own in figures.values() for name in own}
        own = layers["run_id"].isin(fitting(study.own(tables.runs), study.show)["run_id"])
        kept |= own if figures.keys() - _AT_ENDS else own & (layers["step"] == 0)
    for claim in study.claims:
        outcome: Outcome | None = getattr(claim.test, "outcome", None)
        if outcome is not None and outcome.is_of_layers:
            columns |= {*LAYER_COLUMNS.get(outcome.of, (outcome.of,))}
            kept |= _looked_at(claim, outcome, tables)
    names = [name for name in layers if name in columns or name in _PLACE]
    found: pd.DataFrame = layers.loc[kept, names]
    return found


def shown(study: Study, tables: Tables, grid: Grid) -> pd.DataFrame:
    """Return the runs that a grid shows: those that tuning added only if the grid is tuned."""
    return tables.runs if grid.tuned else study.own(tables.runs)


def _looked_at(claim: Claim, outcome: Outcome, tables: Tables) -> pd.Series[bool]:
    """Return which rows of the statistics of layers ``claim`` needs, besides the last ones."""
    layers, at = tables.layers, getattr(claim.test, "at", {})
    own = layers["run_id"].isin(tables.runs.loc[tables.runs["arm"].isin(claim.test.arms), "run_id"])
    if outcome.kind in CURVES or getattr(claim.test, "points", {}):
        return own
    for by, value in at.items():  # epochs are fractions of steps and may be rounded
        own &= (layers[by].astype(float) - value).abs() < _NEAR
    return own if at else own & False


def _is_last(layers: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows are of the last evaluation of a run."""
    return layers["step"] == layers.groupby("run_id")["step"].transform("max")


def _measured(table: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return ``table`` without the settings that ``runs`` has too."""
    settings = [name for name in table if name in runs and is_setting(str(name))]
    own: pd.DataFrame = table.drop(columns=settings)
    if "seconds" in own:  # more digits of a clock are noise, and take much room
        own["seconds"] = own["seconds"].round(4)
    return own
