"""The committed results: every row of the ledger is judged, and small studies judged again."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnexp.cli import reproduce, verify
from nnexp.studies.judgement import Judgement, from_table
from nnexp.studies.judging import current
from nnexp.studies.row_table import row_table
from nnexp.studies.rows import by_analysis, check_mains, counted, rows
from nnexp.studies.study import Study
from nnexp.studies.topics import OTHER
from tests import ROOT
from tests.conftest import Command

RESULTS = ROOT / "results"
# The ledger of the five documents' checkable statements.
ROWS = {"D0": 7, "D1": 10, "D2": 7, "D3": 6, "D4": 4}
LEDGER = [f"{document}.{i}" for document, count in ROWS.items() for i in range(1, count + 1)]
FILES = {f"{f.parent.name}/{f.stem}": f for f in sorted((ROOT / "experiments").glob("*/*.yaml"))}
# Some studies of papers are not judged yet: their runs, on seeds that no pilot used, are to come.
JUDGED = [name for name in FILES if (RESULTS / name / "claims.csv").is_file()]
# Outcomes on another processor may differ by so much: the last bits of a product of matrices.
ELSEWHERE = 0.003


@pytest.fixture(scope="module")
def shipped(known_studies: Callable[[Path, str], Study | None]) -> list[Study]:
    return [study for name, file in FILES.items() if (study := known_studies(file, name))]


@pytest.fixture(scope="module")
def studies(shipped: list[Study]) -> list[Study]:
    found = [study for study in shipped if study.name in JUDGED]
    assert len(found) == len(JUDGED)
    return found


def committed(study: Study) -> list[Judgement]:
    table = pd.read_csv(RESULTS / study.name / "claims.csv", dtype=str, keep_default_na=False)
    return current(from_table(table), study)


def test_the_ledger_has_34_rows() -> None:
    assert len(LEDGER) == 34


@pytest.mark.parametrize("row", LEDGER)
def test_every_row_has_main_claims_in_one_study_and_a_sentence(
    studies: list[Study], row: str
) -> None:
    (study,) = (s for s in studies if any(c.row == row and c.role == "main" for c in s.claims))
    assert study.rows[row].endswith(".")


def test_every_study_of_a_document_is_judged(shipped: list[Study]) -> None:
    assert {s.name for s in shipped if s.name.startswith("documents/")} <= {*JUDGED}


def test_no_two_studies_decide_a_row(shipped: list[Study]) -> None:
    check_mains(shipped)


def test_no_check_stands_in_two_studies(shipped: list[Study]) -> None:
    found: dict[str, str] = {}
    for study in shipped:
        for claim in study.claims:
            decides = [asdict(claim.test), [study.arms[arm] for arm in claim.test.arms]]
            if claim.test.arms:
                decides.append(study.settings)
            assert found.setdefault(repr(decides), study.name) == study.name, claim.id


@pytest.mark.parametrize("name", JUDGED)
def test_every_claim_is_judged_and_as_the_study_expects(studies: list[Study], name: str) -> None:
    (study,) = (study for study in studies if study.name == name)
    judgements = {one.claim: one for one in committed(study)}
    assert list(judgements) == [claim.id for claim in study.claims]
    for claim in study.claims:
        one = judgements[claim.id]
        assert (one.row, one.statement, one.role) == (claim.row, claim.statement, claim.role)
        assert one.verdict == claim.expected, claim.id


@pytest.mark.slow
def test_the_report_has_the_table_of_rows(studies: list[Study]) -> None:
    judgements = [one for study in studies for one in committed(study)]
    found, text = rows(studies, judgements), (RESULTS / "README.md").read_text("utf-8")
    for own in by_analysis(found).values():
        assert row_table(own) in text
        assert counted(own) in text
    assert sum(bool(row.verdict) for row in found if row.document != "papers") == 34


def test_the_report_names_every_claim(studies: list[Study]) -> None:
    source = (RESULTS / "README.md").read_text("utf-8")
    text = html.unescape(re.sub(r"\\([^\w\s])", r"\1", source))
    for study in studies:
        assert f"]({study.name}/README.md)" in text
        for claim in study.claims:
            assert " ".join(claim.statement.split()) in text


def test_every_study_answers_a_claim_under_a_question(shipped: list[Study]) -> None:
    for study in shipped:
        assert study.claim.endswith("."), study.name
        assert study.answer.endswith("."), study.name
        assert study.topic != OTHER, study.name


def test_the_front_page_has_ten_findings_and_leads_to_every_study() -> None:
    page = (RESULTS / "report.html").read_text("utf-8")
    assert page.count('<article class="finding card">') == 10
    links = {*re.findall(r'href="([^"#]+/index\.html)"', page)}
    assert links == {f"{name}/index.html" for name in JUDGED}
    assert all((RESULTS / link).is_file() for link in links)


def test_the_results_are_small_enough_to_send() -> None:
    def size(*files: Path) -> float:
        return sum(file.stat().st_size for file in files if file.is_file()) / 1e6

    assert size(RESULTS / "report.html") <= 1.5
    assert all(size(RESULTS / name / "index.html") <= 1 for name in JUDGED)
    # The store of runs is not committed.
    folders = (".", "demo", "benchmarks", "calibration", *JUDGED)
    assert size(*(file for name in folders for file in (RESULTS / name).iterdir())) <= 20


@pytest.mark.slow
def test_runs_of_three_cheap_studies_agree_with_the_committed_tables() -> None:
    studies = ("xor", "d1_untrained", "arithmetic")
    assert verify.main([*studies, "--results", str(RESULTS)]) == 0


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_a_small_study_gives_the_committed_verdicts_again(
    nnexp: Command, studies: list[Study]
) -> None:
    name = "documents/d1_untrained"
    (study,) = (study for study in studies if study.name == name)
    assert reproduce.main([name]) == 0
    again = from_table(pd.read_csv(f"results/{name}/claims.csv", dtype=str, keep_default_na=False))
    for ours, theirs in zip(again, committed(study), strict=True):
        assert (ours.claim, ours.verdict, ours.n) == (theirs.claim, theirs.verdict, theirs.n)
        if ours.first is not None:
            figures = [(ours.first, theirs.first), (ours.second, theirs.second)]
            assert np.allclose(*zip(*figures, strict=True), rtol=0, atol=ELSEWHERE)
