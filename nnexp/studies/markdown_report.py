"""The report of all studies, from their tables: Markdown, figures, and one HTML page.

``results/<study>/`` holds a study's tables, figures and page, ``results/README.md`` all verdicts.
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from nnexp.analysis.arms import Comparison, compare
from nnexp.analysis.doubts import by_chance
from nnexp.analysis.grids import Grid, grid_cells
from nnexp.analysis.outcomes import fitting
from nnexp.analysis.verdicts import STALE
from nnexp.errors import InputError
from nnexp.plotting import factor_figures, layout, sweep_figures, weight_images
from nnexp.plotting.picture import Picture
from nnexp.reports.jinja import cell, environment
from nnexp.store.csv_cells import frame_to_csv
from nnexp.store.folders import check_finished, check_folder, fill
from nnexp.store.research_object import CRATE
from nnexp.store.tables import Tables, load, read_exactly
from nnexp.studies import confirmation, html_report
from nnexp.studies.confirmation import registered
from nnexp.studies.gallery import gallery
from nnexp.studies.html_report import SAMPLED
from nnexp.studies.judgement import ANALYSES, PARTS, Judgement, from_table, to_table
from nnexp.studies.judging import current
from nnexp.studies.kinds import KINDS
from nnexp.studies.kinds.comparison import maps
from nnexp.studies.kinds.tuning_figure import tuning_pictures
from nnexp.studies.lock_section import POWER_HEADS, LockSection, lock_section
from nnexp.studies.research_objects import report_object, study_object
from nnexp.studies.row_table import row_table, verdict_counts
from nnexp.studies.rows import RULE, Row, by_analysis, by_part, check_mains, place, rows, summary
from nnexp.studies.section import Section, Shown
from nnexp.studies.study import ClaimPicture, Study
from nnexp.sweeps.processes import WorkerPool
from nnexp.threads import available_cores

# This many studies are drawn faster than other processes start.
_FEW = 2
# Square brackets would end the description of a picture in Markdown.
_ROUND = str.maketrans("[]", "()")
_TABLES = ("runs.csv", "metrics.csv", "layers.csv", "summary.csv", "maps.csv", "claims.csv")
# What figures are drawn from: kept when they are drawn again.
_KEPT = (*_TABLES, *(f"{name}.csv" for name in weight_images.NAMES))


@dataclass(frozen=True)
class Chapter:
    """The part of the report about one study: its judgements, lock, figures and cost.

    ``seconds`` is the training time of its ``runs``, each on one core.
    """

    study: Study
    judgements: list[Judgement]
    lock: LockSection
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
    images: Mapping[str, pd.DataFrame] | None = None,
) -> None:
    """Write the tables of a study's runs and claims to ``results/<study>/``.

    ``images`` holds the tables that `nnexp.plotting.weight_images.tabulate` makes of its runs. The
    page, figures and tables of earlier runs are removed. If no claim or figure looks at layers,
    their table has only the last evaluation of each run, as it would be by far the largest.

    Raises
    ------
    InputError
        If the runs lack what a grid of the study needs. Nothing is written then.
    """
    folder = results / study.name
    written = {"claims": to_table(judgements), **(images or {})}
    if tables is not None:
        if not study.looks_at_layers:
            tables = tables._replace(layers=_at_the_end(tables.layers))
        written |= tables._asdict()
        written["summary"] = compare(*tables).summary
        cells = maps(study, tables)
        if len(cells):
            written["maps"] = cells
        for grid in study.grids:
            try:
                written[grid.name] = grid_cells(_shown(study, tables, grid), grid)
            except InputError as error:
                raise InputError(f"{study.file}, line {grid.line}: grid: {error}") from None
    fill(folder, {f"{name}.csv": frame_to_csv(table) for name, table in written.items()})


def _at_the_end(layers: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the last evaluation of each run."""
    last = layers["step"] == layers.groupby("run_id")["step"].transform("max")
    ended: pd.DataFrame = layers[last]
    return ended


def check_places(studies: Sequence[Study], results: Path) -> None:
    """Refuse ``results`` if the report or a study would be written among files of others.

    Raises
    ------
    InputError
        If a folder holds files that nnexp did not write.
    """
    for folder in (results, *(results / study.name for study in studies)):
        check_folder(folder, "--results FOLDER")


def read_chapter(study: Study, results: Path) -> Chapter:
    """Return the chapter of a judged study from its tables in ``results/<study>/``.

    Raises
    ------
    InputError
        If the tables lack what the study's file asks for.
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
    tables = load(folder) if (folder / "runs.csv").is_file() else None
    judgements = current(judgements, study)
    judgements = registered(study, judgements, None if tables is None else tables.runs)
    lock = lock_section(study, judgements)
    study = _with_claims(study, judgements)
    if tables is None:
        return Chapter(study, judgements, lock, [], 0, 0.0)
    seconds = float(tables.runs["seconds"].sum())
    valid = [one for one in judgements if one.verdict != STALE]
    shown_of = _with_claims(study, valid)
    drawn = [*claim_pictures(shown_of, valid, tables)]
    others = [*_of_runs(study, tables), *weight_images.pictures(weight_images.read(folder))]
    drawn += [ClaimPicture(picture, ()) for picture in others]
    shown = [
        Shown(
            p.name,
            p.caption,
            p.alt,
            claims,
            svg=layout.svg(p.figure),
            png=layout.png(p.figure) if p.name in weight_images.NAMES else b"",
            csv=p.csv,
        )
        for p, claims in drawn
    ]
    return Chapter(study, judgements, lock, shown, len(tables.runs), seconds)


def claim_pictures(
    study: Study, judgements: Sequence[Judgement], tables: Tables
) -> Iterator[ClaimPicture]:
    """Yield the figures of a study's claims, one kind of test after the other, then of tuning."""
    by_claim = {judgement.claim: judgement for judgement in judgements}
    with layout.style():
        for kind in dict.fromkeys(KINDS.values()):
            yield from kind.draw(study, by_claim, tables)
        yield from tuning_pictures(study, tables)


def _with_claims(study: Study, judgements: Sequence[Judgement]) -> Study:
    """Return ``study`` with only the claims that have ``judgements``."""
    judged = {one.claim for one in judgements}
    return replace(study, claims=tuple(claim for claim in study.claims if claim.id in judged))


def _of_runs(study: Study, tables: Tables) -> Iterator[Picture]:
    """Yield the figures of the runs themselves that the study names."""
    own = tables._replace(runs=study.own(tables.runs))
    yield from sweep_figures.pictures(_fitting(own, study.show), study.figures)
    with layout.style():
        for grid in study.grids:
            held = _fitting(own, grid.where).held
            yield factor_figures.heat_map(_shown(study, tables, grid), grid, held)


def _shown(study: Study, tables: Tables, grid: Grid) -> pd.DataFrame:
    """Return the runs that a grid shows: those that tuning added only if the grid is tuned."""
    return tables.runs if grid.tuned else study.own(tables.runs)


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
        If the tables lack what a study asks for, a folder holds files of others, or several studies
        have main claims of one row.
    """
    check_places(studies, results)
    check_mains(studies)
    chapters = _read(studies, results)
    judgements = sorted(
        (one for chapter in chapters for one in chapter.judgements), key=lambda one: place(one.row)
    )
    judged = {chapter.study.name for chapter in chapters}
    found = rows([study for study in studies if study.name in judged], judgements)
    sections = [_write_chapter(one, found, results / one.study.name) for one in chapters]
    exhibits = gallery(sections, found)
    documents = {d: t for c in chapters for d, t in c.study.source.items()}
    calibration = results / "calibration" / "README.md"
    text = (
        _pages()
        .get_template("report.md")
        .render(
            judgements=judgements,
            exhibits=exhibits,
            ledger=any(one.document != "papers" for one in judgements),
            summary=summary(found),
            groups=_groups(found, judgements),
            row_rule=RULE,
            analysis_rule=confirmation.RULE,
            parts=PARTS,
            rules=[kind.RULE for kind in dict.fromkeys(KINDS.values())],
            sampled=SAMPLED,
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
    page = html_report.render(sections, facts, found, exhibits)
    pages = {"README.md": text, "report.html": page}
    own = [chapter.study for chapter in chapters]
    fill(results, {CRATE: report_object(own, found, pages), **pages})
    return results / "report.html"


def _groups(found: Sequence[Row], judgements: Sequence[Judgement]) -> dict[str, dict[str, Any]]:
    """Return by analysis: the table of its rows, the counts of its checks, and those by chance."""
    own, checks = by_analysis(found), by_analysis(judgements)
    groups = {}
    for name in ANALYSES:
        parts = by_part(checks.get(name, []), found)
        if name in own or name in checks:
            groups[name] = {
                "rows": Markup(row_table(own[name])) if name in own else "",
                "checks": [(p, len(j), verdict_counts(j, name)) for p, j in parts.items()],
                "by_chance": by_chance(one.verdict for one in checks.get(name, ())),
            }
    return groups


def _read(studies: Sequence[Study], results: Path) -> list[Chapter]:
    """Return the chapters of the judged studies, drawn on all cores if there are many."""
    judged = [study for study in studies if (results / study.name / "claims.csv").is_file()]
    draw = functools.partial(read_chapter, results=results)
    if len(judged) <= _FEW:
        return list(map(draw, judged))
    with WorkerPool(available_cores()) as workers:
        calls = [workers.submit(functools.partial(draw, study)) for study in judged]
        return [call.result() for call in calls]


def _write_chapter(chapter: Chapter, found: Sequence[Row], folder: Path) -> Section:
    """Write a study's figures and page into ``folder``; return its section of the HTML page."""
    files: dict[str, str | bytes] = {}
    for picture in chapter.pictures:
        files |= {f"{picture.name}.svg": picture.svg, f"{picture.name}.csv": picture.csv}
    text = (
        _pages()
        .get_template("study.md")
        .render(
            study=chapter.study,
            judgements=chapter.judgements,
            lock=chapter.lock,
            power_heads=POWER_HEADS,
            rows=[row for row in found if row.study == chapter.study.name],
            pictures=chapter.pictures,
            runs=chapter.runs,
            cost=chapter.cost,
            tables=[name for name in _TABLES if (folder / name).is_file()],
        )
    )
    files["README.md"] = text
    kept = [name for name in _KEPT if name not in files and (folder / name).is_file()]
    every = {**files, **{name: (folder / name).read_bytes() for name in kept}}
    lock = chapter.lock.sentences[0]
    files[CRATE] = study_object(chapter.study, chapter.judgements, lock, folder, every)
    fill(folder, files, keep=_KEPT)
    return Section(
        chapter.study,
        chapter.judgements,
        chapter.pictures,
        chapter.seconds,
        chapter.runs,
        chapter.lock,
    )


def _details(study: Study, judgement: Judgement) -> str:
    """Return what a verdict is based on, on one line."""
    (claim,) = (claim for claim in study.claims if claim.id == judgement.claim)
    pairs = claim.test.explain(judgement)
    return "; ".join(text if term == "Test" else f"{term}: {text}" for term, text in pairs)


def _own(text: str) -> Markup:
    """Return a page that nnexp wrote as Markdown, with any HTML in it escaped."""
    return Markup(text.replace("<", "&lt;"))


def _pages() -> Environment:
    pages = environment(html=False)
    pages.filters["cell"] = cell
    pages.filters["alt"] = lambda text: " ".join(text.split()).translate(_ROUND)
    pages.filters["details"] = _details
    return pages
