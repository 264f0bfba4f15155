"""Tables and figures → a folder: ``summary.csv``, plots, and one page that explains itself."""

from __future__ import annotations

import html
import itertools
import math
import multiprocessing
import re
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2
import pandas as pd
from markupsafe import Markup

from nnexp.comparison import Comparison, compare
from nnexp.records import DIVERGED, FAILED, FINISHED, write_whole

if TYPE_CHECKING:
    from nnexp.plots import Style

_TEMPLATES = Path(__file__).parent / "templates"
_FILES = {
    "summary.csv": "a row an arm",
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
) -> list[Path]:
    """Write ``summary.csv``, the plots (PNG and SVG) and ``index.html`` into ``folder``.

    The tables are those of the records; ``command`` is the line that made them. The folder exists;
    a file of these names in it is replaced, whole. The page needs no other file and no network,
    and links to those of ``runs.csv``, ``metrics.csv``, ``layers.csv`` that lie beside it.

    Returns
    -------
    list of Path
        The files written, ``index.html`` last.

    Raises
    ------
    InputError
        If there is no run.
    """
    from nnexp import plots

    comparison = compare(runs, metrics, layers)
    files: dict[str, str | bytes] = {
        "summary.csv": comparison.summary.to_csv(index=False, lineterminator="\n")
    }
    shown = []
    for drawing in _drawings(comparison):
        files[f"{drawing.name}.svg"] = drawing.svg
        files[f"{drawing.name}.png"] = drawing.png
        inline = _inline(drawing.svg.decode(), drawing.name, drawing.alt)
        shown.append({"name": drawing.name, "caption": drawing.caption, "svg": inline})
    tables = {name: of for name, of in _FILES.items() if name in files or (folder / name).is_file()}
    files["index.html"] = (
        _environment()
        .get_template("sweep.html")
        .render(
            title=_title(comparison),
            command=command,
            levels=comparison.levels,
            held=comparison.held,
            held_settings=comparison.held_settings,
            counts=_counts(comparison.runs["status"]),
            arms=list(_arms(comparison, plots.arm_styles(comparison))),
            scores=_present(comparison),
            milestones=_milestones(comparison),
            seeds=comparison.seeds,
            pictures=shown,
            runs=list(_runs(comparison)),
            tables=tables,
        )
    )
    for name, content in files.items():
        write_whole(folder / name, content)
    return [folder / name for name in files]


class _Drawing(NamedTuple):
    """A picture as it is written: its words, and its bytes."""

    name: str
    caption: str
    alt: str
    svg: bytes
    png: bytes


def _drawings(comparison: Comparison) -> list[_Drawing]:
    """Draw every picture; half of them in a second process where the system can fork one."""
    if "fork" not in multiprocessing.get_all_start_methods() or threading.active_count() > 1:
        return _drawn(comparison, 0, 1)
    here, there = multiprocessing.get_context("fork").Pipe(duplex=False)

    def help_out() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits
        here.close()  # so that sending fails, and does not wait, once nobody listens
        with suppress(BrokenPipeError):
            there.send(_drawn(comparison, 1, 2))

    helper = multiprocessing.get_context("fork").Process(target=help_out, daemon=True)
    helper.start()
    there.close()
    mine = _drawn(comparison, 0, 2)
    try:
        others = here.recv()
    except EOFError:  # the helper was killed: its half is drawn here
        others = _drawn(comparison, 1, 2)
    helper.join()
    pairs = itertools.zip_longest(mine, others)
    return [drawing for pair in pairs for drawing in pair if drawing is not None]


def _drawn(comparison: Comparison, first: int, stride: int) -> list[_Drawing]:
    from nnexp import figures, plots

    pictures = [paint() for paint in figures.painters(comparison)[first::stride]]
    return [
        _Drawing(p.name, p.caption, p.alt, plots.svg(p.figure), plots.png(p.figure))
        for p in pictures
    ]


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


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


def _arms(comparison: Comparison, styles: Mapping[str, Style]) -> Iterator[dict[str, Any]]:
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
                share = f"by {reached} of {scored}" if scored > 1 else ""
                steps[milestone] = ("never" if math.isnan(median) else f"{median:g}", share)
            else:
                steps[milestone] = (_NOTHING, "")
        style = styles[row["arm"]]
        seconds = _NOTHING if math.isnan(row["seconds_median"]) else f"{row['seconds_median']:.2f}"
        counts = {s: row[s] for s in (FINISHED, DIVERGED, FAILED) if row[s]}
        yield {
            "label": row["arm"],
            "colour": style.colour,
            "dashes": "" if style.line == "-" else " ".join(f"{2 * d:g}" for d in style.line[1]),
            "counts": counts,
            "scores": scores,
            "steps": steps,
            "seconds": seconds,
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


def _inline(svg: str, name: str, alt: str) -> Markup:
    """Return a drawing for the page: named for who cannot see it, with ids of its own."""
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body)
    body = re.sub(r' (width|height)="[\d.]+pt"', "", body, count=2)
    label = html.escape(alt)
    return Markup(body.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1))
