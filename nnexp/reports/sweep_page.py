"""Tables and figures → a folder: ``summary.csv``, plots, and one self-contained page."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from nnexp.analysis.arms import Comparison, best, compare
from nnexp.analysis.doubts import unseen
from nnexp.analysis.effects import LEVEL, Effects, effects
from nnexp.analysis.findings import averaged, finding_words, findings, undecided
from nnexp.analysis.labels import range_words, signs
from nnexp.analysis.names import arm_words, counted_words, score_words, status_words
from nnexp.analysis.verdicts import MATTERS
from nnexp.messages.language import ENGLISH, language, tr
from nnexp.plotting.captions import TUNING
from nnexp.plotting.fonts import lettered
from nnexp.plotting.frame import ANIMATION, Film
from nnexp.plotting.rendering import Rendered, draw
from nnexp.reports.inline_svg import inline_svg, theme, themed
from nnexp.reports.jinja import environment
from nnexp.reports.readings import readings
from nnexp.reports.sweep_words import (
    chosen,
    file_words,
    most_seeds,
    title,
    varied,
    without_findings,
)
from nnexp.reports.tuning_section import tuning_section
from nnexp.store import versions
from nnexp.store.csv_cells import frame_to_csv
from nnexp.store.folders import fill
from nnexp.store.record import DIVERGED, FAILED, FINISHED, Record
from nnexp.store.research_object import CRATE, Contents, research_object

# The figures that open the page: from each tuple, the first that exists.
_LEADING = (("accuracy",), ("response", "cells", "differences", "final"), ("loss",))
_SPLITS = ("test", "validation", "train")
# The largest number of rows of a table on the page.
_MOST_ROWS = 500
_SCORES = [f"{split}_{score}" for split in _SPLITS for score in ("accuracy", "loss")]


def write_sweep(
    folder: Path,
    runs: pd.DataFrame,
    metrics: pd.DataFrame,
    layers: pd.DataFrame,
    trials: pd.DataFrame | None = None,
    *,
    command: str,
    records: Sequence[Record] = (),
    kept: Mapping[str, pd.DataFrame] | None = None,
    film: Film | None = None,
) -> list[Path]:
    """Write the tables, ``summary.csv``, ``effects.csv``, the plots and ``index.html``.

    The tables are those of the records, and ``command`` is the line that made them. ``trials`` are
    those by which settings were tuned, if any, as from `nnexp.store.tables.trials`. The weights,
    lines and decision regions of ``records`` that have them are drawn as well, or else the tables
    ``kept`` of another folder, as from `nnexp.plotting.record_figures.read`, and if none of the
    records has snapshots, the ``film`` of another folder. Each plot is written as PNG, as SVG, and
    as the CSV of its numbers. Files that nnexp wrote into ``folder`` before are removed. The page
    needs no other file and no network.

    Returns
    -------
    list of Path
        The files written, ``index.html`` last.

    Raises
    ------
    InputError
        If there is no run, or the folder holds files that nnexp did not write.
    """
    comparison = compare(runs, metrics, layers, trials)
    found = {"runs.csv": runs, "metrics.csv": metrics, "layers.csv": layers}
    if trials is not None and len(trials):
        found["tuning.csv"] = trials
    tables = {name: frame_to_csv(table) for name, table in found.items()}
    return write_page(
        folder, comparison, tables, command=command, records=records, kept=kept, film=film
    )


def write_page(
    folder: Path,
    comparison: Comparison,
    tables: Mapping[str, str],
    *,
    command: str,
    records: Sequence[Record] = (),
    kept: Mapping[str, pd.DataFrame] | None = None,
    film: Film | None = None,
) -> list[Path]:
    """Write what `write_sweep` writes, of runs that are compared and ``tables`` that are CSV."""
    found = effects(comparison)
    rendered = draw(comparison, records, kept)
    rendered = rendered._replace(film=rendered.film or film)
    files = page_files(comparison, found, rendered, tables, command=command, records=records)
    return fill(folder, files)


def page_files(
    comparison: Comparison,
    found: Effects,
    rendered: Rendered,
    tables: Mapping[str, str],
    *,
    command: str,
    records: Sequence[Record] = (),
    chosen_by: str = "",
) -> dict[str, str | bytes]:
    """Return the content of the files that `write_page` writes, by name, the page last.

    ``chosen_by`` is the sweeper of another package that chose the settings, if one did.
    """
    written = {"summary.csv": comparison.summary}
    if len(found.table):
        written["effects.csv"] = found.table
    files: dict[str, str | bytes] = dict(tables)
    files |= {name: frame_to_csv(table) for name, table in written.items()}
    shown = []
    page = environment().get_template("sweep.html")
    for drawing in rendered.drawings:
        files[f"{drawing.name}.svg"] = drawing.svg
        files[f"{drawing.name}.png"] = drawing.png
        files[f"{drawing.name}.csv"] = drawing.csv
        inline = inline_svg(drawing.svg.decode(), f"plot-{drawing.name}", drawing.alt)
        shown.append({"name": drawing.name, "caption": drawing.caption, "svg": inline})
    names = [drawing.name for drawing in rendered.drawings]
    leading = _leading(names)
    order = [*leading, *(name for name in names if name not in leading)]
    shown.sort(key=lambda picture: order.index(picture["name"]))
    arms = list(_arms(comparison, rendered.looks))
    most = most_seeds(comparison, found)
    if rendered.film:
        files[ANIMATION] = rendered.film.gif
    html = page.render(
        readings=readings(comparison, rendered.drawings),
        lettered=lettered(),
        theme=theme([arm["colour"] for arm in arms] + [picture["svg"] for picture in shown]),
        title=title(comparison),
        command=command,
        varied=varied(comparison, found),
        held=comparison.held,
        held_settings=comparison.held_settings,
        observed=without_findings(comparison, found, advise=not chosen_by),
        findings=findings(found.translated, comparison.at_best),
        averaged=averaged(found),
        undecided=undecided(found.translated) if most > 1 else [],
        doubts=[*chosen(chosen_by), *found.doubts, *versions.mixed(records)],
        effects=list(_effects(found.translated[:_MOST_ROWS])) if most > 1 else [],
        more_effects=len(found.table) > _MOST_ROWS,
        unseen="" if (comparison.runs["status"] == DIVERGED).any() or not most else unseen(most),
        matters=f"{100 * MATTERS:g}",
        references=[f"{f.reference} ({f.words})" for f in found.factors],
        counts=_counts(comparison.runs["status"]),
        counted=counted_words,
        arms=arms,
        number_of_arms=len(comparison.arms),
        scores=_present(comparison),
        milestones=_milestones(comparison),
        seeds=comparison.seeds,
        pictures=[p for p in shown if not p["name"].startswith(TUNING)],
        leading=len(leading),
        tuning=tuning_section(comparison),
        tuning_pictures=[p for p in shown if p["name"].startswith(TUNING)],
        runs=list(_runs(comparison)),
        number_of_runs=len(comparison.runs),
        film=_film(rendered.film) if rendered.film else None,
        tables={name: rows for name, rows in file_words().items() if name in files},
    )
    with language(ENGLISH):
        name = title(comparison)
    contents = Contents(
        name=name,
        description=f"Runs of neural networks, their tables and figures, made by: {command}",
        files={**files, "index.html": html},
        runs=comparison.runs.to_dict("records"),
    )
    files[CRATE] = research_object(contents)
    return {**files, "index.html": html}


def _film(film: Film) -> dict[str, Any]:
    """Return the frames of a film for the page: their labels, and their pictures as data."""
    pictures = [
        f"data:image/png;base64,{base64.b64encode(frame.png).decode()}" for frame in film.frames
    ]
    labels = [frame.label for frame in film.frames]
    data = json.dumps({"labels": labels, "pictures": pictures})
    return {
        "caption": film.caption,
        "file": ANIMATION,
        "labels": labels,
        "last": pictures[-1],
        "data": Markup(data),
    }


def _leading(names: Sequence[str]) -> list[str]:
    """Return the names of the figures that open the page, out of all its ``names``."""
    first = (next((n for n in choices if n in names), None) for choices in _LEADING)
    return [name for name in first if name is not None]


def _counts(statuses: pd.Series[Any]) -> dict[str, int]:
    return {status: int((statuses == status).sum()) for status in (FINISHED, DIVERGED, FAILED)}


def _present(comparison: Comparison) -> dict[str, str]:
    return {s: score_words(s) for s in _SCORES if f"{s}_mean" in comparison.summary}


def _milestones(comparison: Comparison) -> list[str]:
    """Return the accuracies, in per cent, that at least one run reached."""
    reached = comparison.summary.filter(regex=r"^steps_to_\d+_reached$").sum()
    return [str(column).split("_")[2] for column in reached.index[reached > 0]]


def _arms(comparison: Comparison, looks: Mapping[str, tuple[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table of results: of very many arms, those with the best results."""
    present, milestones = _present(comparison), _milestones(comparison)
    for row in best(comparison.summary, _MOST_ROWS).to_dict("records"):
        scored = row["runs"] - row[FAILED]
        scores = {}
        for score in present:
            low, high = (_number(score, row[f"{score}_{end}"]) for end in ("min", "max"))
            spread = range_words(low, high) if low != high else ""
            scores[score] = (_number(score, row[f"{score}_mean"]), spread)
        steps = {}
        for milestone in milestones:
            reached, median = (
                row[f"steps_to_{milestone}_reached"],
                row[f"steps_to_{milestone}_median"],
            )
            if scored:
                share = ""
                if scored > 1:
                    share = tr("reached by {reached} of {runs}", reached=reached, runs=scored)
                steps[milestone] = (tr("never") if math.isnan(median) else f"{median:g}", share)
            else:
                steps[milestone] = (tr("none"), "")
        colour, line = looks[row["arm"]]
        seconds = row["seconds_median"]
        counts = {s: row[s] for s in (FINISHED, DIVERGED, FAILED) if row[s]}
        yield {
            "label": row["arm"],
            "words": arm_words(row["arm"]),
            "colour": themed(colour),
            "dashes": "" if line == "-" else " ".join(f"{2 * d:g}" for d in line[1]),
            "counts": counts,
            "scores": scores,
            "steps": steps,
            "seconds": tr("none") if math.isnan(seconds) else f"{seconds:.2f}",
        }


def _effects(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table of effects."""
    for row in table.to_dict("records"):
        low, high = row["low"], row["high"]
        size = row["effect_size"]
        yield {
            "factor": row["factor"],
            "level": f"{row['level']} − {row['reference']}"
            if row["kind"] == LEVEL
            else tr(
                "{level}, minus that {reference}", level=row["level"], reference=row["reference"]
            ),
            "n": row["n"],
            "difference": signs(f"{100 * row['difference']:+.2f}"),
            "interval": signs(range_words(f"{100 * low:+.2f}", f"{100 * high:+.2f}"))
            if math.isfinite(low)
            else tr("none"),
            "size": tr("none") if math.isnan(size) else signs(f"{size:.2f}".replace("inf", "∞")),
            "better": f"{row['superiority']:.2f}",
            "finding": finding_words(row["finding"]),
        }


def _runs(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table of runs, or only the first of very many."""
    present = _present(comparison)
    for row in comparison.runs[:_MOST_ROWS].to_dict("records"):
        yield {
            "run_id": row["run_id"],
            "arm": arm_words(row["arm"]),
            "seed": row["seed"],
            "status": row["status"],
            "ended": status_words(row["status"]),
            "scores": [_number(score, row.get(score, math.nan)) for score in present],
            "step": tr("none") if pd.isna(row["step"]) else f"{row['step']:g}",
            "seconds": tr("none") if pd.isna(row["seconds"]) else f"{row['seconds']:.2f}",
            "reused": bool(row["reused"]),
        }


def _number(score: str, value: float) -> str:
    if math.isnan(value):
        return tr("none")
    if math.isinf(value):
        return "∞"
    return f"{value:.4f}" if score.endswith("accuracy") else f"{value:.4g}"
