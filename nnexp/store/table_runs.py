"""Runs as the tables of a folder have them, to compare with runs that are trained again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nnexp.config.identity import fingerprint
from nnexp.config.run_config import NUMERICS, RunConfig
from nnexp.store.compare_runs import Agreement, Tolerance, compare, same
from nnexp.store.record import SPLITS, Record, Row
from nnexp.store.tables import Tables, nine_digits

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TableAgreement:
    """How well a run agrees with the tables.

    ``agreement`` covers every number, ``digits`` is the number of significant digits to which all
    losses and accuracies agree, and ``place`` says where they agree least. Both are ``None`` and
    ``""`` if these are equal.
    """

    agreement: Agreement
    digits: int | None
    place: str


def ids_by_numerics(config: RunConfig) -> dict[str, int]:
    """Return the ``run_id`` that a run has under this and each earlier version of the numerics."""
    identity, slug = config.identity(), config.run_id().rpartition("-")[0]
    return {
        f"{slug}-{fingerprint({**identity, 'numerics': version})}": version
        for version in range(1, NUMERICS + 1)
    }


def compare_with_tables(
    run: Record, run_id: str, tables: Tables, tolerance: Tolerance
) -> TableAgreement:
    """Return how well ``run`` agrees with the run ``run_id`` in ``tables``, except for times.

    The tables may have some columns alone, and that of layers some evaluations and nine digits.
    """
    import pandas as pd

    status = tables.runs.set_index("run_id")["status"][run_id]
    then = replace(
        run,
        status=str(status),
        metrics=_measured(tables.metrics, run_id),
        layers=_measured(nine_digits(tables.layers), run_id),
        weights=None,
    )
    kept = {row["step"] for row in then.layers}
    layers = _as_in(tables.layers, [row for row in run.layers if row["step"] in kept])
    rounded: list[Any] = nine_digits(pd.DataFrame(layers)).to_dict("records")
    now = replace(run, metrics=_as_in(tables.metrics, run.metrics), layers=rounded, weights=None)
    digits, place = _digits(then.metrics, now.metrics)
    return TableAgreement(compare(then, now, tolerance), digits, place)


def _names(table: pd.DataFrame) -> list[str]:
    """Return the columns that are measured, which follow the settings."""
    names = [str(name) for name in table.columns]
    return names[names.index("epoch") :]


def _measured(table: pd.DataFrame, run_id: str) -> list[Row]:
    own = table.loc[table["run_id"] == run_id, _names(table)]
    rows: list[Row] = own.to_dict("records")
    return rows


def _as_in(table: pd.DataFrame, rows: Sequence[Row]) -> list[Row]:
    """Return ``rows`` with the columns of ``table``, in which what is missing is nan."""
    names = _names(table)
    return [{name: _or_nan(row.get(name)) for name in names} for row in rows]


def _or_nan(value: Any) -> Any:
    return math.nan if value is None else value


def _digits(then: Sequence[Row], now: Sequence[Row]) -> tuple[int | None, str]:
    """Return to how many significant digits all scores agree, and where they agree least."""
    worst, place = 0.0, ""
    for old, new in zip(then, now, strict=False):
        for name in filter(_is_score, old):
            apart = _apart(old[name], new[name])
            if apart > worst:
                worst = apart
                place = f"{name} at step {old['step']:g}: {old[name]:.9g} then, {new[name]:.9g} now"
    if not worst:
        return None, ""
    return (max(0, math.floor(-math.log10(worst))) if worst < math.inf else 0), place


def _is_score(name: str) -> bool:
    return name.startswith(SPLITS)


def _apart(a: float, b: float) -> float:
    """Return the relative difference of two numbers; inf if only one of them is finite."""
    if same(a, b):
        return 0.0
    finite = math.isfinite(a) and math.isfinite(b)
    return abs(a - b) / max(abs(a), abs(b)) if finite else math.inf
