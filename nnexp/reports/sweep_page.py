"""Tables and figures → a folder: ``summary.csv``, plots, and one self-contained page."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from nnexp.analysis.arms import Comparison, best, compare
from nnexp.analysis.doubts import unseen
from nnexp.analysis.effects import LEVEL, Effects, effects
from nnexp.analysis.findings import averaged, finding_words, findings, undecided
from nnexp.analysis.intervals import fewest
from nnexp.analysis.labels import listed, range_words, setting_words, signs, spaced
from nnexp.analysis.names import arm_words, counted_words, score_words, status_words
from nnexp.analysis.verdicts import ALPHA, MATTERS
from nnexp.language import ENGLISH, language, tr
from nnexp.plotting.captions import TUNING
from nnexp.plotting.fonts import lettered
from nnexp.plotting.frame import ANIMATION, Film
from nnexp.plotting.rendering import Rendered, draw
from nnexp.reports.inline_svg import inline_svg, theme, themed
from nnexp.reports.jinja import environment
from nnexp.reports.readings import readings
from nnexp.reports.tuning_section import tuning_section
from nnexp.store import versions
from nnexp.store.csv_cells import frame_to_csv
from nnexp.store.folders import fill
from nnexp.store.record import DIVERGED, FAILED, FINISHED, Record
from nnexp.store.research_object import CRATE, Contents, research_object

# The figures that open the page: from each tuple, the first that exists.
_LEADING = (("accuracy",), ("response", "cells", "differences", "final"), ("loss",))
_SPLITS = ("test", "validation", "train")
# More arms are described by the best and the worst.
_MOST_OBSERVED = 8
# The largest number of rows of a table on the page, and of a setting's values in words.
_MOST_ROWS, _MOST_LEVELS = 500, 20
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
    most = _most_seeds(comparison, found)
    if rendered.film:
        files[ANIMATION] = rendered.film.gif
    html = page.render(
        readings=readings(comparison, rendered.drawings),
        lettered=lettered(),
        theme=theme([arm["colour"] for arm in arms] + [picture["svg"] for picture in shown]),
        title=title(comparison),
        command=command,
        varied=_varied(comparison, found),
        held=comparison.held,
        held_settings=comparison.held_settings,
        observed=without_findings(comparison, found, advise=not chosen_by),
        findings=findings(found.said, comparison.at_best),
        averaged=averaged(found),
        undecided=undecided(found.said) if most > 1 else [],
        doubts=[*_chosen(chosen_by), *found.doubts, *versions.mixed(records)],
        effects=list(_effects(found.said[:_MOST_ROWS])) if most > 1 else [],
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
        tables={name: rows for name, rows in _file_words().items() if name in files},
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


def _file_words() -> dict[str, str]:
    """Return what a row of each table is."""
    return {
        "summary.csv": tr("one row per arm"),
        "effects.csv": tr("one row per comparison"),
        "runs.csv": tr("one row per run"),
        "metrics.csv": tr("one row per evaluation"),
        "layers.csv": tr("one row per evaluation and layer"),
        "tuning.csv": tr("one row per trial of tuning"),
    }


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


def title(comparison: Comparison) -> str:
    """Return what a sweep compares, as the title of its page."""
    tuned = f", {comparison.at_best}" if comparison.tuned else ""
    if len(comparison.levels) == 1:
        [(setting, levels)] = comparison.levels.items()
        return tr(
            "Comparing {setting}: {levels}{tuned}",
            setting=setting_words(setting),
            levels=_in_words(levels),
            tuned=tuned,
        )
    if comparison.varied:
        return tr("Comparing {compared}{tuned}", compared=comparison.factors, tuned=tuned)
    if comparison.tuned:
        return tr("One arm at its best {settings}", settings=listed(spaced(comparison.tuned)))
    if len(comparison.runs) == 1:
        return tr("One run")
    return tr("{number} runs of the same settings", number=len(comparison.runs))


def _varied(comparison: Comparison, found: Effects) -> dict[str, str]:
    """Return the levels of each setting if several vary; those that change together are one."""
    joined = {name: f for f in found.grid if len(f.settings) > 1 for name in f.settings}
    varied = {}
    for setting, levels in comparison.levels.items():
        if setting in joined:
            factor = joined[setting]
            varied[factor.words] = _in_words(factor.levels, "; ")
        else:
            varied[setting_words(setting)] = _in_words(levels)
    return varied if len(comparison.levels) > 1 else {}


def _in_words(levels: Iterable[str], separator: str = ", ") -> str:
    """Return the values of a setting, or only the first of very many."""
    levels = list(levels)
    first, more = separator.join(levels[:_MOST_LEVELS]), len(levels) - _MOST_LEVELS
    return tr("{first} and {number} more", first=first, number=more) if more > 0 else first


def without_findings(comparison: Comparison, found: Effects, *, advise: bool = True) -> str:
    """Return what was `observed` if there are too few seeds for findings, else an empty text."""
    needed = _fewest_seeds(found)
    if _most_seeds(comparison, found) >= needed:
        return ""
    return observed(comparison, needed if advise else 0)


def observed(comparison: Comparison, needed: int) -> str:
    """Return the arms' final test accuracies in a sentence, and the command for findings.

    They need ``needed`` seeds; 0 omits the command. The sentence is empty if every run failed.
    """
    means = 100 * comparison.summary.set_index("arm")["test_accuracy_mean"].dropna()
    if means.empty:
        return ""
    one = comparison.seeds == "n = 1"
    ranked = means.sort_values(ascending=False, kind="stable")
    digits = 1 if ranked.round(1).nunique() == ranked.nunique() else 2
    if len(ranked) == 1 and not comparison.varied:
        values, count = f"{ranked.iloc[0]:.{digits}f} %", tr("one seed")
    else:
        names = [comparison.short(str(arm)) or str(arm) for arm in ranked.index]
        words = [f"{a} {mean:.{digits}f} %" for a, mean in zip(names, ranked, strict=True)]
        separator = "; " if any("," in name for name in names) else ", "
        values, count = separator.join(words), tr("one seed each")
        if comparison.tuned:
            count = tr("one seed {at_best}", at_best=comparison.at_best)
        if len(words) > _MOST_OBSERVED:
            values = f"{separator.join(words[:3])} … {words[-1]}"
            count = tr("{count} of {arms} arms, highest first", count=count, arms=len(words))
    if not one:
        count = tr("means over seeds ({n})", n=comparison.seeds)
        if comparison.tuned:
            at_best = comparison.at_best
            count = tr("means over seeds {at_best} ({n})", at_best=at_best, n=comparison.seeds)
    said = {"values": values, "count": count, "needed": needed}
    if not needed:
        return tr("Final test accuracy: {values}; {count}.", values=values, count=count)
    if one:
        return tr(
            "Final test accuracy: {values}; {count}: add 'seed=range({needed})' for intervals.",
            **said,
        )
    return tr(
        "Final test accuracy: {values}; {count}: add 'seed=range({needed})' for findings.", **said
    )


def _chosen(sweeper: str) -> list[str]:
    """Return what a page cannot show if a sweeper chose its settings by their results."""
    if not sweeper:
        return []
    return [
        tr(
            "{sweeper} chose these settings by the validation losses of earlier runs, so the runs "
            "are not a fair comparison: to compare the best settings with others, run a sweep of "
            "them with new seeds.",
            sweeper=sweeper,
        )
    ]


def _most_seeds(comparison: Comparison, found: Effects) -> int:
    """Return the seeds of the comparison that has most, or of the arm if none are compared."""
    if len(found.table):
        return int(found.table["n"].max())
    return int((comparison.summary["runs"] - comparison.summary[FAILED]).max())


def _fewest_seeds(found: Effects) -> int:
    """Return the seeds that findings need: more for more comparisons."""
    return int(found.table["fewest"].max()) if len(found.table) else fewest(ALPHA)


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
