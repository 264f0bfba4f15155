"""Tables and figures → a folder: ``summary.csv``, plots, and one page that explains itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nnexp.analysis.arms import Comparison, compare
from nnexp.analysis.effects import LEVEL, Effects, effects
from nnexp.analysis.findings import findings, undecided
from nnexp.plotting.rendering import Renderer, draw
from nnexp.reports.inline_svg import inline_svg, theme, themed
from nnexp.reports.jinja import environment
from nnexp.store import versions
from nnexp.store.csv_cells import frame_to_csv
from nnexp.store.folders import fill
from nnexp.store.record import DIVERGED, FAILED, FINISHED, Record

_FILES = {
    "summary.csv": "a row an arm",
    "effects.csv": "a row a comparison",
    "runs.csv": "a row a run",
    "metrics.csv": "a row an evaluation",
    "layers.csv": "a row an evaluation and layer",
}
_NOTHING = "none"
_SCORES = {
    f"{split}_{score}": f"{split} {score}"
    for split in ("test", "validation", "train")
    for score in ("accuracy", "loss")
}


def write_sweep(
    folder: Path,
    runs: pd.DataFrame,
    metrics: pd.DataFrame,
    layers: pd.DataFrame,
    *,
    command: str,
    renderer: Renderer | None = None,
    records: Sequence[Record] = (),
) -> list[Path]:
    """Write the tables, ``summary.csv``, ``effects.csv``, the plots and ``index.html``.

    The tables are those of the records; ``command`` is the line that made them; a ``renderer`` has
    been given the order for their figures; without one, ``records`` are those of whose weights a
    portrait may be drawn. A plot is written as PNG, as SVG, and as the CSV of its numbers. The
    files that nnexp wrote into ``folder`` before are removed. The page needs no other file and no
    network.

    Returns
    -------
    list of Path
        The files written, ``index.html`` last.

    Raises
    ------
    InputError
        If there is no run, or the folder holds files that nnexp did not write.
    """
    comparison = compare(runs, metrics, layers)
    found = {"runs.csv": runs, "metrics.csv": metrics, "layers.csv": layers}
    tables = {name: frame_to_csv(table) for name, table in found.items()}
    return write_page(
        folder, comparison, tables, command=command, renderer=renderer, records=records
    )


def write_page(
    folder: Path,
    comparison: Comparison,
    tables: Mapping[str, str],
    *,
    command: str,
    renderer: Renderer | None = None,
    records: Sequence[Record] = (),
) -> list[Path]:
    """Write what `write_sweep` writes, of runs that are compared and ``tables`` that are CSV."""
    found = effects(comparison)
    written = {"summary.csv": comparison.summary}
    if len(found.table):
        written["effects.csv"] = found.table
    files: dict[str, str | bytes] = dict(tables)
    files |= {name: frame_to_csv(table) for name, table in written.items()}
    shown = []
    page = environment().get_template("sweep.html")
    rendered = (renderer.result() if renderer is not None else None) or draw(comparison, records)
    for drawing in rendered.drawings:
        files[f"{drawing.name}.svg"] = drawing.svg
        files[f"{drawing.name}.png"] = drawing.png
        files[f"{drawing.name}.csv"] = drawing.csv
        inline = inline_svg(drawing.svg.decode(), f"plot-{drawing.name}", drawing.alt)
        shown.append({"name": drawing.name, "caption": drawing.caption, "svg": inline})
    arms = list(_arms(comparison, rendered.looks))
    files["index.html"] = page.render(
        theme=theme([arm["colour"] for arm in arms] + [picture["svg"] for picture in shown]),
        title=_title(comparison),
        command=command,
        levels=comparison.levels,
        held=comparison.held,
        held_settings=comparison.held_settings,
        findings=findings(found.table),
        undecided=undecided(found.table),
        doubts=[*found.doubts, *versions.mixed(records)],
        effects=list(_effects(found)),
        references=[f"{f.reference} ({f.name})" for f in found.factors],
        counts=_counts(comparison.runs["status"]),
        arms=arms,
        scores=_present(comparison),
        milestones=_milestones(comparison),
        seeds=comparison.seeds,
        pictures=shown,
        runs=list(_runs(comparison)),
        tables={name: rows for name, rows in _FILES.items() if name in files},
    )
    return fill(folder, files)


def _title(comparison: Comparison) -> str:
    if len(comparison.levels) == 1:
        [(setting, levels)] = comparison.levels.items()
        return f"Comparing {setting}: {', '.join(levels)}"
    if comparison.varied:
        return f"Comparing {comparison.factors}"
    return "One run" if len(comparison.runs) == 1 else f"{len(comparison.runs)} runs alike"


def _counts(statuses: pd.Series[Any]) -> dict[str, int]:
    return {status: int((statuses == status).sum()) for status in (FINISHED, DIVERGED, FAILED)}


def _present(comparison: Comparison) -> dict[str, str]:
    return {k: v for k, v in _SCORES.items() if f"{k}_mean" in comparison.summary}


def _milestones(comparison: Comparison) -> list[str]:
    """Return the accuracies, in per cent, that at least one run reached."""
    reached = comparison.summary.filter(regex=r"^steps_to_\d+_reached$").sum()
    return [str(column).split("_")[2] for column in reached.index[reached > 0]]


def _arms(comparison: Comparison, looks: Mapping[str, tuple[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield what the page's table says of each arm."""
    for row in comparison.summary.to_dict("records"):
        scored = row["runs"] - row[FAILED]
        scores = {}
        for score in _present(comparison):
            low, high = (_number(score, row[f"{score}_{end}"]) for end in ("min", "max"))
            spread = f"{low} to {high}" if low != high else ""
            scores[score] = (_number(score, row[f"{score}_mean"]), spread)
        steps = {}
        for milestone in _milestones(comparison):
            reached, median = (
                row[f"steps_to_{milestone}_reached"],
                row[f"steps_to_{milestone}_median"],
            )
            if scored:
                share = f"reached by {reached} of {scored}" if scored > 1 else ""
                steps[milestone] = ("never" if math.isnan(median) else f"{median:g}", share)
            else:
                steps[milestone] = (_NOTHING, "")
        colour, line = looks[row["arm"]]
        seconds = _NOTHING if math.isnan(row["seconds_median"]) else f"{row['seconds_median']:.2f}"
        counts = {s: row[s] for s in (FINISHED, DIVERGED, FAILED) if row[s]}
        yield {
            "label": row["arm"],
            "colour": themed(colour),
            "dashes": "" if line == "-" else " ".join(f"{2 * d:g}" for d in line[1]),
            "counts": counts,
            "scores": scores,
            "steps": steps,
            "seconds": seconds,
        }


def _effects(found: Effects) -> Iterator[dict[str, Any]]:
    """Yield what the page's table says of each comparison."""
    for row in found.table.to_dict("records"):
        low, high = row["low"], row["high"]
        size = row["effect_size"]
        yield {
            "factor": row["factor"],
            "level": f"{row['level']} less {row['reference']}"
            if row["kind"] == LEVEL
            else f"{row['level']} less that {row['reference']}",
            "n": row["n"],
            "difference": f"{100 * row['difference']:+.2f}",
            "interval": f"{100 * low:+.2f} to {100 * high:+.2f}"
            if math.isfinite(low)
            else _NOTHING,
            "size": _NOTHING if math.isnan(size) else f"{size:.2f}".replace("inf", "∞"),
            "better": f"{row['superiority']:.2f}",
            "finding": row["finding"],
        }


def _runs(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Yield what the page's list says of each run."""
    for row in comparison.runs.to_dict("records"):
        yield {
            "run_id": row["run_id"],
            "arm": row["arm"],
            "seed": row["seed"],
            "status": row["status"],
            "scores": [_number(score, row.get(score, math.nan)) for score in _present(comparison)],
            "step": _NOTHING if pd.isna(row["step"]) else f"{row['step']:g}",
            "seconds": _NOTHING if pd.isna(row["seconds"]) else f"{row['seconds']:.2f}",
            "reused": bool(row["reused"]),
        }


def _number(score: str, value: float) -> str:
    if math.isnan(value):
        return _NOTHING
    if math.isinf(value):
        return "∞"
    return f"{value:.4f}" if score.endswith("accuracy") else f"{value:.4g}"
