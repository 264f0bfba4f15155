"""Rows of the sources: their verdicts, and the pages that say how many hold."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from nnexp.errors import InputError
from nnexp.studies.judgement import from_table, to_table
from nnexp.studies.judging import current
from nnexp.studies.rows import check_mains, counted, rows
from nnexp.studies.section import Section
from tests.pages import INITS, LOG, rendered, section


def marked(text: str, *ids: str, role: str = "main") -> str:
    for name in ids:
        text = text.replace(f"{{id: {name},", f"{{id: {name}, role: {role},")
    return text


@pytest.fixture
def inits(tmp_path: Path) -> Section:
    text = marked(INITS, "xavier_over_zero", "zero_over_randn", "readings_alike", "few")
    text = text.replace("  claims:", "  rows: {D2.1: Xavier beats zero weights.}\n  claims:", 1)
    return section(tmp_path, "d2_init", text, [], 50)


@pytest.fixture
def log(tmp_path: Path) -> Section:
    text = marked(marked(LOG, "end", "edge"), "rows", role="rival")
    return section(tmp_path, "d0_log", text, [], 40)


def test_each_row_has_one_verdict_by_its_main_claims(inits: Section, log: Section) -> None:
    found = rows([inits.study, log.study], [*inits.judgements, *log.judgements])
    assert [(row.name, row.verdict, row.study) for row in found] == [
        ("D0.1", "holds", "d0_log"),
        ("D0.2", "does not hold", "d0_log"),  # exceeded: its only claim is its main one
        ("D0.10", "does not hold", "d0_log"),
        ("D1.4", "undecided", "d0_log"),  # borderline, beside a rival reading
        ("D2.1", "holds in part", "d2_init"),
        ("D2.5", "", ""),  # two claims, neither of them main
        ("D2.7", "does not hold", "d2_init"),
        ("D3.2", "holds", "d0_log"),
        ("Glorot & Bengio 2010, 4.2", "undecided", "d2_init"),
    ]
    assert found[4].statement == "Xavier beats zero weights."
    assert found[0].statement == "The test accuracy after five epochs is 0.8895."
    assert [one.claim for one in found[3].checks["rival"]] == ["rows"]
    assert counted(found) == (
        "Of the documents' 7 claims, 2 hold, 1 holds in part, 3 do not hold and 1 is undecided. "
        "Of the papers' 1 claim, 1 is undecided."
    )


def test_a_main_claim_that_is_not_judged_leaves_its_row_stale(inits: Section) -> None:
    found = rows([inits.study], inits.judgements[1:])
    assert [row.verdict for row in found if row.name == "D2.1"] == ["stale"]
    assert counted(found).startswith("Of the documents' 2 claims, 1 does not hold and 1 is stale.")


def test_main_claims_of_a_row_stand_in_one_study(inits: Section) -> None:
    copy = replace(inits.study, name="mine", file=Path("mine.yaml"))
    check_mains([inits.study])
    with pytest.raises(
        InputError, match=r"^mine.yaml, line 24: claim 'xavier_over_zero': study 'd"
    ):
        check_mains([inits.study, copy])


def test_roles_are_in_the_table_and_need_no_new_judging(inits: Section, tmp_path: Path) -> None:
    file = tmp_path / "claims.csv"
    to_table(inits.judgements).to_csv(file, index=False)
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    roles = ["main"] * 3 + ["support"] * 2 + ["main"]
    assert [one.role for one in from_table(table)] == roles
    older = from_table(table.drop(columns="role"))
    assert {one.role for one in older} == {"support"}
    again = current(older, inits.study)
    assert [one.role for one in again] == roles
    assert [one.verdict for one in again] == [one.verdict for one in inits.judgements]


def test_the_pages_count_and_list_the_claims_of_the_sources(inits: Section, log: Section) -> None:
    pages = rendered(inits, log)
    front, page = pages["report.html"], pages["claims.html"]
    lead = front[front.index('<p class="lead">') :]
    assert lead.startswith(
        '<p class="lead">Of the documents&#39; 7 claims, 2 hold, 1 holds in part'
    )
    ledger = page[page.index('<table class="ledger') : page.index('<h2 id="verdicts">')]
    assert re.findall(r'<tr id="(D[\d.]+)">', ledger)[:4] == ["D0.1", "D0.2", "D0.10", "D1.4"]
    assert re.search(r"Xavier beats zero weights.(?:</a>)?</th>", ledger)
    assert ledger.count("supporting checks only") == 1
