"""The report of all studies, from their tables: figures, and pages in HTML and in Markdown.

``results/<study>/`` holds a study's tables, figures and pages. ``results/report.html`` begins with
the findings, ``results/claims.html`` lists all claims, and ``results/README.md`` is for a browser
of the repository.
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from nnexp.analysis.arms import Comparison, compare
from nnexp.analysis.doubts import by_chance
from nnexp.analysis.outcomes import fitting
from nnexp.analysis.verdicts import STALE
from nnexp.errors import InputError
from nnexp.messages.language import ENGLISH, language, tr
from nnexp.messages.language import current as current_language
from nnexp.plotting import factor_figures, layout, record_figures, sweep_figures, weight_images
from nnexp.plotting.fonts import lettered
from nnexp.plotting.picture import Picture
from nnexp.plotting.training_figures import LOSS_LINE
from nnexp.process.threads import available_cores
from nnexp.reports.jinja import cell, environment
from nnexp.store.folders import check_finished, check_folder, fill
from nnexp.store.research_object import CRATE
from nnexp.store.tables import SUFFIXES, Tables, load, read_exactly, table_file
from nnexp.studies import confirmation
from nnexp.studies.changes import changes, what_changed
from nnexp.studies.confirmation import registered
from nnexp.studies.gallery import Exhibit, by_topic, gallery, headlines
from nnexp.studies.judgement import ANALYSES, Judgement, from_table
from nnexp.studies.judging import current
from nnexp.studies.kinds import KINDS
from nnexp.studies.kinds.tuning_figure import tuning_pictures
from nnexp.studies.lock_section import lock_section, power_heads
from nnexp.studies.pages.anchors import CLAIMS, FRONT, STUDY
from nnexp.studies.pages.claims_page import claims_page, what_no_verdict_covers
from nnexp.studies.pages.front_page import front_page
from nnexp.studies.pages.rendering import duration
from nnexp.studies.pages.study_page import study_page
from nnexp.studies.planning import WANTED
from nnexp.studies.power_summary import weak_checks, what_power
from nnexp.studies.research_objects import report_object, study_object
from nnexp.studies.row_table import row_table, verdict_counts
from nnexp.studies.rows import Row, by_analysis, by_part, check_mains, place, rows, rule, summary
from nnexp.studies.section import Section, show_picture
from nnexp.studies.study import ClaimPicture, Study
from nnexp.studies.study_tables import shown
from nnexp.studies.words import analysis_words, number_of, role_words, verdict_words
from nnexp.sweeps.processes import WorkerPool

# This many studies are drawn faster than other processes start.
_FEW = 2
# Square brackets would end the description of a picture in Markdown.
_ROUND = str.maketrans("[]", "()")
_TABLES = (
    *(f"{name}{suffix}" for suffix in SUFFIXES for name in ("runs", "metrics", "layers")),
    *("summary.csv", "maps.csv", "claims.csv"),
)
# What figures are drawn from: kept when they are drawn again.
_KEPT = (*_TABLES, *(f"{name}.csv" for name in (*weight_images.NAMES, LOSS_LINE)))


def check_places(studies: Sequence[Study], results: Path) -> None:
    """Refuse ``results`` if the report or a study would be written among files of others.

    Raises
    ------
    InputError
        If a folder holds files that nnexp did not write.
    """
    for folder in (results, *(results / study.name for study in studies)):
        check_folder(folder, "--results FOLDER")


def read_section(study: Study, results: Path) -> Section:
    """Return the section of a judged study from its tables in ``results/<study>/``.

    Raises
    ------
    InputError
        If the tables lack what the study's file asks for.
    """
    try:
        return _read_section(study, results)
    except InputError as error:
        raise InputError(f"{study.file}: {error}") from None


def _read_section(study: Study, results: Path) -> Section:
    folder = results / study.name
    check_finished(folder)
    judgements = from_table(
        read_exactly(folder / "claims.csv", dtype=str, keep_default_na=False, encoding="utf-8")
    )
    tables = load(folder) if table_file(folder, "runs").is_file() else None
    judgements = current(judgements, study)
    judgements = registered(study, judgements, None if tables is None else tables.runs)
    lock = lock_section(study, judgements)
    study = _with_claims(study, judgements)
    if tables is None:
        return Section(study, judgements, [], 0.0, 0, lock)
    seconds = float(tables.runs["seconds"].sum())
    valid = [one for one in judgements if one.verdict != STALE]
    shown_of = _with_claims(study, valid)
    drawn = _drawn(shown_of, valid, tables, folder)
    if not lettered():  # the figures are in English, and the words beside them are not
        with language(ENGLISH):
            english = _drawn(shown_of, valid, tables, folder)
        pairs = zip(drawn, english, strict=True)
        drawn = [
            one._replace(picture=replace(one.picture, figure=other.picture.figure))
            for one, other in pairs
        ]
    pictures = [show_picture(one, tables.runs) for one in drawn]
    return Section(study, judgements, pictures, seconds, len(tables.runs), lock)


def _drawn(
    study: Study, judgements: Sequence[Judgement], tables: Tables, folder: Path
) -> list[ClaimPicture]:
    """Return the figures of a study's claims, and of its runs and their records."""
    others = [*_of_runs(study, tables, folder), *weight_images.pictures(weight_images.read(folder))]
    return [
        *claim_pictures(study, judgements, tables),
        *(ClaimPicture(picture, ()) for picture in others),
    ]


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


def _without_curves_of_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of a figure without the curves of single runs: metrics.csv.xz has them."""
    if "measure" not in table:
        return table
    kept: pd.DataFrame = table[~table["measure"].str.endswith(" of a run")].dropna(
        axis=1, how="all"
    )
    return kept


def _of_runs(study: Study, tables: Tables, folder: Path) -> Iterator[Picture]:
    """Yield the figures of the runs themselves that the study names."""
    own = tables._replace(runs=study.own(tables.runs))
    comparison = _fitting(own, study.show)
    # Its runs may come from several machines, so their seconds say little.
    for picture in sweep_figures.pictures(comparison, study.figures, timed=False):
        yield replace(picture, table=_without_curves_of_runs(picture.table))
    drawn = record_figures.pictures(comparison, (), record_figures.read([folder]))
    yield from (draw() for name, draw in drawn.items() if name in study.figures)
    with layout.style():
        for grid in study.grids:
            held = _fitting(own, grid.where).held
            yield factor_figures.heat_map(shown(study, tables, grid), grid, held)


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
    sections = _sections(studies, results)
    judgements = sorted(
        (one for section in sections for one in section.judgements), key=lambda one: place(one.row)
    )
    judged = [section.study for section in sections]
    names = {study.name for study in judged}
    found = rows([study for study in studies if study.name in names], judgements)
    exhibits = gallery(sections, found)
    by_study = {one.study.name: one for one in exhibits}
    for section in sections:
        _write_study(section, by_study[section.study.name], results / section.study.name)
    calibration = results / "calibration" / "README.md"
    text = (
        _pages()
        .get_template("report.md")
        .render(
            judgements=judgements,
            headlines=headlines(exhibits),
            topics=by_topic(exhibits),
            ledger=any(one.document != "papers" for one in judgements),
            summary=summary(found),
            groups=_groups(found, judgements),
            row_rule=rule(),
            analysis_rule=confirmation.rule(),
            rules=[kind.rule() for kind in dict.fromkeys(KINDS.values())],
            sampled=what_no_verdict_covers(),
            what_changed=what_changed(sections, found),
            changes=sorted(changes(sections), key=lambda pair: place(pair[0].row)),
            what_power=what_power(sections, found),
            wanted=f"{WANTED:.0%}",
            weak=sorted(weak_checks(sections), key=lambda one: place(one.judgement.row)),
            stale=sorted({one.study for one in judgements if one.verdict == STALE}),
            documents=sorted({d: t for study in judged for d, t in study.source.items()}.items()),
            studies=[
                {
                    "name": section.study.name,
                    "claims": len(section.judgements),
                    "runs": section.runs or "",
                    "cost": _cost(section),
                }
                for section in sections
            ],
            missing=sorted({study.name for study in studies} - names),
            calibration=_own(calibration.read_text("utf-8")) if calibration.is_file() else "",
        )
    )
    words = [] if len(sections) == len(studies) else [study.name for study in judged]
    where = [] if results == Path("results") else ["--results", str(results)]
    facts = {
        tr("Run all of it again"): shlex.join(["python", "-m", "nnexp.reproduce", *words, *where]),
        tr("Draw it again from the tables"): shlex.join(["python", "-m", "nnexp.report", *where]),
    }
    pages = {
        "README.md": text,
        CLAIMS: claims_page(sections, found),
        FRONT: front_page(sections, exhibits, found, facts),
    }
    fill(results, {CRATE: report_object(judged, found, pages), **pages})
    return results / FRONT


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


def _sections(studies: Sequence[Study], results: Path) -> list[Section]:
    """Return the sections of the judged studies, drawn on all cores if there are many."""
    judged = [study for study in studies if (results / study.name / "claims.csv").is_file()]
    draw = functools.partial(_read_in, current_language(), results)
    if len(judged) <= _FEW:
        return list(map(draw, judged))
    with WorkerPool(available_cores()) as workers:
        calls = [workers.submit(functools.partial(draw, study)) for study in judged]
        return [call.result() for call in calls]


def _read_in(tongue: str, results: Path, study: Study) -> Section:
    """Return the section of a study in a language, in whichever process this is called."""
    with language(tongue):
        return read_section(study, results)


def _write_study(section: Section, exhibit: Exhibit, folder: Path) -> None:
    """Write a study's figures and pages into ``folder``."""
    files: dict[str, str | bytes] = {}
    # The page has all figures, and the README the main one, or all if the study names none.
    drawn = [exhibit.picture] if exhibit.picture else section.pictures
    files |= {f"{picture.name}.svg": picture.svg for picture in drawn}
    files |= {f"{picture.name}.csv": picture.csv for picture in section.pictures}
    tables = [name for name in _TABLES if (folder / name).is_file()]
    files["README.md"] = (
        _pages()
        .get_template("study.md")
        .render(
            study=section.study,
            exhibit=exhibit,
            judgements=section.judgements,
            lock=section.lock,
            power_heads=power_heads(),
            pictures=section.pictures,
            runs=section.runs,
            cost=_cost(section),
            tables=tables,
            page=STUDY,
        )
    )
    files[STUDY] = study_page(section, exhibit, tables)
    kept = [name for name in _KEPT if name not in files and (folder / name).is_file()]
    every = {**files, **{name: (folder / name).read_bytes() for name in kept}}
    lock = section.lock.sentences[0]
    files[CRATE] = study_object(section.study, section.judgements, lock, folder, every)
    fill(folder, files, keep=_KEPT)


def _cost(section: Section) -> str:
    return duration(section.seconds) if section.runs else tr("none")


def _details(study: Study, judgement: Judgement) -> str:
    """Return what a verdict is based on, on one line."""
    (claim,) = (claim for claim in study.claims if claim.id == judgement.claim)
    pairs = claim.test.explain(judgement)
    return "; ".join(text if term == tr("Test") else f"{term}: {text}" for term, text in pairs)


def _own(text: str) -> Markup:
    """Return a page that nnexp wrote as Markdown, with any HTML in it escaped."""
    return Markup(text.replace("<", "&lt;"))


def _pages() -> Environment:
    pages = environment(html=False)
    pages.filters["cell"] = cell
    pages.filters["alt"] = lambda text: " ".join(text.split()).translate(_ROUND)
    pages.filters["details"] = _details
    pages.filters["oneline"] = lambda text: " ".join(text.split())
    pages.filters |= {"verdict": verdict_words, "analysis": analysis_words, "role": role_words}
    pages.globals["number_of"] = number_of
    return pages
