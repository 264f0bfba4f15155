"""The report of all studies, from their tables alone: Markdown, figures, and one HTML page.

``results/<study>/`` holds a study's tables, figures and page, ``results/README.md`` all verdicts.
"""

from __future__ import annotations

import functools
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from nnexp.analysis.arms import Comparison, compare
from nnexp.analysis.doubts import by_chance, unseen
from nnexp.analysis.grids import grid_cells
from nnexp.analysis.outcomes import fitting
from nnexp.analysis.verdicts import (
    CONSISTENT,
    EXCEEDED,
    INCONCLUSIVE,
    MATTERS,
    SHORT_OF,
    STALE,
    UNDERPOWERED,
    in_points,
)
from nnexp.errors import InputError
from nnexp.plotting import factor_figures, layout, sweep_figures, weight_images
from nnexp.plotting.picture import Picture
from nnexp.reports.jinja import environment, link, markdown
from nnexp.store.csv_cells import frame_to_csv
from nnexp.store.folders import check_finished, check_folder, fill
from nnexp.store.tables import Tables, load, read_exactly
from nnexp.studies import claim_figures, html_report
from nnexp.studies.html_report import Section, Shown
from nnexp.studies.judging import Judgement, current, from_table, maps, to_table
from nnexp.studies.study import Study
from nnexp.sweeps.processes import WorkerPool
from nnexp.threads import available_cores

# Studies that are drawn in less time than it takes to start other processes.
_FEW = 2
# Square brackets would end a picture's description in Markdown.
_ROUND = str.maketrans("[]", "()")
_TABLES = ("runs.csv", "metrics.csv", "layers.csv", "summary.csv", "maps.csv", "claims.csv")
# What figures are drawn from, and so stays when they are drawn again.
_KEPT = (*_TABLES, *(f"{name}.csv" for name in weight_images.NAMES))


@dataclass(frozen=True)
class Chapter:
    """What the report says of one study: its judgements, its figures, and what it cost.

    ``seconds`` is the training time of its ``runs``, each on one core.
    """

    study: Study
    judgements: list[Judgement]
    pictures: list[Shown]
    runs: int
    seconds: float

    @property
    def cost(self) -> str:
        """The training time in words."""
        if not self.runs:
            return "none"
        return f"{self.seconds / 60:.1f} min" if self.seconds >= 60 else f"{self.seconds:.1f} s"


def write_tables(
    study: Study,
    tables: Tables | None,
    judgements: Sequence[Judgement],
    results: Path,
    sitting: Mapping[str, pd.DataFrame] | None = None,
) -> None:
    """Write the tables of a study's runs and claims to ``results/<study>/``.

    ``sitting`` holds those of its portraits, see `nnexp.plotting.weight_images.tabulate`. The page,
    figures and tables of the runs that went before are removed.

    Raises
    ------
    InputError
        If the runs do not give a grid of the study; nothing is written then.
    """
    folder = results / study.name
    sitting = sitting or {}
    written = {"claims": to_table(judgements), **sitting}
    if tables is not None:
        written |= tables._asdict()
        written["summary"] = compare(*tables).summary
        cells = maps(study, tables)
        if len(cells):
            written["maps"] = cells
        for grid in study.grids:
            try:
                written[grid.name] = grid_cells(tables.runs, grid)
            except InputError as error:
                raise InputError(f"{study.file}, line {grid.line}: grid: {error}") from None
    fill(folder, {f"{name}.csv": frame_to_csv(table) for name, table in written.items()})


def check_places(studies: Sequence[Study], results: Path) -> None:
    """Refuse ``results`` if the report or a study's files would go among files of others.

    Raises
    ------
    InputError
        If a folder holds files that nnexp did not write.
    """
    for folder in (results, *(results / study.name for study in studies)):
        check_folder(folder, "--results FOLDER")


def read_chapter(study: Study, results: Path) -> Chapter:
    """Return what the tables in ``results/<study>/`` give; the study has been judged.

    Raises
    ------
    InputError
        If the tables do not hold what the study's file asks for.
    """
    try:
        return _read_chapter(study, results)
    except InputError as error:
        raise InputError(f"{study.file}: {error}") from None


def _read_chapter(study: Study, results: Path) -> Chapter:
    folder = results / study.name
    check_finished(folder)
    judgements = from_table(
        read_exactly(folder / "claims.csv", dtype=str, keep_default_na=False, encoding="utf-8")
    )
    judgements = current(judgements, study)
    study = _with_claims(study, judgements)
    if not (folder / "runs.csv").is_file():
        return Chapter(study, judgements, [], 0, 0.0)
    tables = load(folder)
    seconds = float(tables.runs["seconds"].sum())
    valid = [one for one in judgements if one.verdict != STALE]
    shown_of = _with_claims(study, valid)
    drawn = [*claim_figures.pictures(shown_of, valid, tables), *_of_runs(study, tables)]
    drawn += weight_images.pictures(weight_images.read(folder))
    shown = [
        Shown(
            p.name,
            p.caption,
            p.alt,
            claim_figures.claims_of(p, shown_of),
            svg=layout.svg(p.figure),
            png=layout.png(p.figure) if p.name in weight_images.NAMES else b"",
            csv=p.csv,
        )
        for p in drawn
    ]
    return Chapter(study, judgements, shown, len(tables.runs), seconds)


def _with_claims(study: Study, judgements: Sequence[Judgement]) -> Study:
    """Return ``study`` with those of its claims that ``judgements`` are of."""
    judged = {one.claim for one in judgements}
    return replace(study, claims=tuple(claim for claim in study.claims if claim.id in judged))


def _of_runs(study: Study, tables: Tables) -> Iterator[Picture]:
    """Yield the figures of the runs themselves that the study names."""
    yield from sweep_figures.pictures(_fitting(tables, study.show), study.figures)
    with layout.style():
        for grid in study.grids:
            yield factor_figures.heat_map(tables.runs, grid, _fitting(tables, grid.where).held)


def _fitting(tables: Tables, where: Mapping[str, Any]) -> Comparison:
    """Return the comparison of the runs at the settings ``where``."""
    runs = fitting(tables.runs, where)
    own = [t[t["run_id"].isin(runs["run_id"])] for t in (tables.metrics, tables.layers)]
    return compare(runs, *own)


def write_report(studies: Sequence[Study], results: Path) -> Path:
    """Draw all figures and write every page from the tables in ``results``; return the report.

    Raises
    ------
    InputError
        If the tables do not hold what a study asks for, or a folder holds files of others.
    """
    check_places(studies, results)
    chapters = _read(studies, results)
    sections = [_write_chapter(chapter, results / chapter.study.name) for chapter in chapters]
    judgements = sorted(
        (one for chapter in chapters for one in chapter.judgements), key=lambda one: _place(one.row)
    )
    documents = {d: t for c in chapters for d, t in c.study.source.items()}
    calibration = results / "calibration" / "README.md"
    text = (
        _pages()
        .get_template("report.md")
        .render(
            judgements=judgements,
            ledger=any(one.document != "papers" for one in judgements),
            coverage=Markup(coverage(judgements)),
            matters=in_points(MATTERS),
            unseen=unseen(10),
            by_chance=_by_chance(judgements),
            counts=_counted(one.verdict for one in judgements),
            stale=sorted({one.study for one in judgements if one.verdict == STALE}),
            documents=sorted(documents.items()),
            studies=[
                {
                    "name": c.study.name,
                    "claims": len(c.judgements),
                    "runs": c.runs or "",
                    "cost": c.cost,
                }
                for c in chapters
            ],
            missing=sorted({s.name for s in studies} - {c.study.name for c in chapters}),
            calibration=_own(calibration.read_text("utf-8")) if calibration.is_file() else "",
        )
    )
    words = [] if len(chapters) == len(studies) else [chapter.study.name for chapter in chapters]
    where = [] if results == Path("results") else ["--results", str(results)]
    facts = {
        "Run all of it again": shlex.join(["python", "-m", "nnexp.reproduce", *words, *where]),
        "Draw it again from the tables": shlex.join(["python", "-m", "nnexp.report", *where]),
    }
    fill(results, {"README.md": text, "report.html": html_report.render(sections, facts)})
    return results / "report.html"


def _read(studies: Sequence[Study], results: Path) -> list[Chapter]:
    """Return the chapters of the studies that were judged, drawn by all cores where that pays."""
    judged = [study for study in studies if (results / study.name / "claims.csv").is_file()]
    draw = functools.partial(read_chapter, results=results)
    if len(judged) <= _FEW:
        return list(map(draw, judged))
    with WorkerPool(available_cores()) as workers:
        calls = [workers.submit(functools.partial(draw, study)) for study in judged]
        return [call.result() for call in calls]


def coverage(judgements: Sequence[Judgement]) -> str:
    """Return the table from rows of the ledger to studies to verdicts, as Markdown."""
    lines = ["| row | study: verdicts |", "|---|---|"]
    rows: dict[str, dict[str, list[str]]] = {}
    for one in sorted(judgements, key=lambda one: _place(one.row)):
        rows.setdefault(one.row, {}).setdefault(one.study, []).append(one.verdict)
    for row, studies in rows.items():
        told = [
            f"[{_cell(name)}]({link(name)}/README.md): {_counted(verdicts)}"
            for name, verdicts in sorted(studies.items())
        ]
        lines.append(f"| {_cell(row)} | {'; '.join(told)} |")
    return "\n".join(lines)


def _by_chance(judgements: Sequence[Judgement]) -> str:
    found = Counter(one.verdict for one in judgements)
    outside = found[EXCEEDED] + found[SHORT_OF]
    judged = outside + found[CONSISTENT]
    return by_chance(judged, outside) if judged else ""


def _counted(verdicts: Iterable[str]) -> str:
    counts = Counter(verdict for verdict in verdicts if verdict != STALE)
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()) or STALE


def _write_chapter(chapter: Chapter, folder: Path) -> Section:
    """Write a study's figures and page into ``folder``; return what the HTML page says of it."""
    files: dict[str, str | bytes] = {}
    for picture in chapter.pictures:
        files |= {f"{picture.name}.svg": picture.svg, f"{picture.name}.csv": picture.csv}
    text = (
        _pages()
        .get_template("study.md")
        .render(
            study=chapter.study,
            judgements=chapter.judgements,
            pictures=chapter.pictures,
            runs=chapter.runs,
            cost=chapter.cost,
            tables=[name for name in _TABLES if (folder / name).is_file()],
        )
    )
    fill(folder, {**files, "README.md": text}, keep=_KEPT)
    return Section(
        chapter.study, chapter.judgements, chapter.pictures, chapter.seconds, chapter.runs
    )


def _place(row: str) -> tuple[int, int, str]:
    """Return the place of a row: the documents in order, then the papers."""
    match = re.fullmatch(r"D(\d+)\.(\d+)", row)
    return (int(match[1]), int(match[2]), "") if match else (99, 0, row)


def _numbers(one: Judgement) -> str:
    """Say what a comparison rests on beside its interval."""
    parts = [f"{100 * (one.level or 0):.4g} % interval"]
    if one.effect_size is not None:
        parts.append(f"effect size {one.effect_size:.2f}")
    if one.superiority is not None:
        parts.append(f"P(first above second) {one.superiority:.2f}")
    scale, unit = (100, " points") if " points " in one.measured else (1, "")
    parts.append(f"what matters {scale * (one.matters or 0):.3g}{unit}")
    parts.append(f"n = {one.n} would have shown {scale * (one.detectable or 0):.3g}{unit}")
    if one.verdict in (INCONCLUSIVE, UNDERPOWERED):
        more = "more than 10 000" if one.seeds_needed is None else str(one.seeds_needed)
        parts.append(f"{more} seeds would show what matters")
    if one.holds_in:
        parts.append(f"holds in {one.holds_in}")
    return "; ".join(parts)


def _own(text: str) -> Markup:
    """Return a page of nnexp's own as Markdown, but for HTML that somebody may have put there."""
    return Markup(text.replace("<", "&lt;"))


def _cell(text: object) -> Markup:
    """Return a text as a cell of a table in Markdown."""
    one_line = markdown(" ".join(str(text).split()))
    return Markup(re.sub(r"(?<!\\)((?:\\\\)*)\|", r"\1\\|", one_line))


def _pages() -> Environment:
    pages = environment(html=False)
    pages.filters["cell"] = _cell
    pages.filters["alt"] = lambda text: " ".join(text.split()).translate(_ROUND)
    pages.filters["numbers"] = _numbers
    return pages
