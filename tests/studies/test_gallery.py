"""The gallery: which studies stand in it, in which order, and what is said of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nnexp.errors import InputError
from nnexp.studies.gallery import Exhibit, gallery
from nnexp.studies.html_report import render
from nnexp.studies.judging import judge
from nnexp.studies.markdown_report import write_report, write_tables
from nnexp.studies.reader import read_study
from nnexp.studies.rows import rows
from nnexp.studies.section import Section, Shown
from tests.pages import LOG, judgement, section

STUDY = """
study:
  title: Does {title} hold?
  source: {{Nobody 2015: A paper}}
  question: Does it?
  protocol: None.
  unstated: All of it.
  explanation: None.
  claim: Everybody knows that **{title}** holds.
  answer: It does, by 3 points.
  figure: curve-one
  claims:
    - {{id: one, row: "{title}", role: main, statement: It holds., test: computed,
       compute: softmax, given: {{logits: [1, 1]}}, published: {{probabilities: [0.5, 0.5]}},
       rounding: 0.1, expected: {expected}}}
    - {{id: two, row: "{title}, too", role: main, statement: It holds elsewhere., test: computed,
       compute: softmax, given: {{logits: [1, 1]}}, published: {{probabilities: [0.5, 0.5]}},
       rounding: 0.1, expected: reproduced}}
"""
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><path d="M0 0h9"/></svg>'
PICTURES = [Shown("pairs", "Pairs.", "Pairs", (), SVG), Shown("curve-one", "", "A curve", (), SVG)]


def study(
    folder: Path, name: str, first: str = "reproduced", expected: str = "", **found: Any
) -> Section:
    """Return a study of two main claims; the verdict on the first is ``first``."""
    file = folder / f"{name}.yaml"
    file.write_text(STUDY.format(title=name, expected=expected or first), "utf-8")
    own = read_study(file)
    assert own is not None
    verdicts = {"one": first, "two": "reproduced"} | found
    judgements = [judgement(own, c, verdict=verdicts[c.id], measured="") for c in own.claims]
    return Section(own, judgements, PICTURES, 1.0, 1)


def shown(*sections: Section) -> list[Exhibit]:
    judgements = [one for part in sections for one in part.judgements]
    return gallery(sections, rows([part.study for part in sections], judgements))


def test_surprises_come_first_and_studies_without_a_famous_claim_are_left_out(tmp_path) -> None:
    sections = [
        study(tmp_path, "holding"),
        section(tmp_path, "d0_log", LOG, [], 1),
        study(tmp_path, "mixed", "contradicted"),
        study(tmp_path, "wrong", "contradicted", two="contradicted"),
        study(tmp_path, "open", "reproduced", two="withheld"),
    ]
    assert [(one.study.name, one.verdict) for one in shown(*sections)] == [
        ("wrong", "does not hold"),
        ("mixed", "holds in part"),
        ("open", "holds in part"),
        ("holding", "holds"),
    ]


def test_the_stated_answer_stands_only_beside_the_expected_verdicts(tmp_path) -> None:
    (expected,) = shown(study(tmp_path, "expected", "contradicted"))
    assert expected.answer == "It does, by 3 points."
    (other,) = shown(study(tmp_path, "other", "contradicted", expected="reproduced"))
    assert other.answer == "Main checks: 1 contradicted, 1 reproduced."
    (stale,) = shown(study(tmp_path, "stale", "stale", "reproduced"))
    assert (stale.verdict, stale.answer) == ("stale", "Main checks: 1 stale, 1 reproduced.")


def test_the_main_figure_is_that_of_the_study(tmp_path) -> None:
    found = study(tmp_path, "found")
    assert shown(found)[0].picture == PICTURES[1]
    without = replace(found, pictures=PICTURES[:1])
    with pytest.raises(InputError, match=r"unknown figure of study 'found' 'curve-one'.*pairs"):
        shown(without)
    none = replace(without, study=replace(found.study, figure=""))
    assert shown(none)[0].picture is None
    stale = replace(study(tmp_path, "stale", "stale", "reproduced"), pictures=PICTURES[:1])
    assert shown(stale)[0].picture is None


def test_the_page_begins_with_the_gallery(tmp_path) -> None:
    sections = [study(tmp_path, "mixed", "contradicted")]
    found = rows([sections[0].study], sections[0].judgements)
    page = render(sections, {}, found, gallery(sections, found))
    top = page[page.index('<h2 id="gallery">') : page.index('<h2 id="sources">')]
    assert '<a href="#study-mixed">Does mixed hold?</a>' in top
    assert "Everybody knows that <strong>mixed</strong> holds." in top
    assert "<span>holds in part</span>" in top
    assert "It does, by 3 points." in top
    assert top.index("does not hold") < top.index("It holds elsewhere.")
    assert 'aria-label="A curve"' in top
    assert '<use href="#figure-mixed-curve.2d.one"/>' in top
    assert '<h2 id="gallery">' not in render(sections, {}, found)


def test_the_report_begins_with_the_gallery(tmp_path) -> None:
    text = STUDY.format(title="mixed", expected="reproduced").replace("figure: curve-one", "")
    (tmp_path / "one.yaml").write_text(text, "utf-8")
    own = read_study(tmp_path / "one.yaml", "papers/one")
    assert own is not None
    write_tables(own, None, judge(own, None), tmp_path / "results")
    write_report([own], tmp_path / "results")
    report = (tmp_path / "results" / "README.md").read_text("utf-8")
    top = report[: report.index("## What the sources claim")]
    assert "### Does mixed hold?" in top
    assert "The claim: Everybody knows that **mixed** holds." in top
    assert "**Holds.** It does, by 3 points. [The study](papers/one/README.md)" in top
    assert "- Holds: It holds elsewhere." in top


@pytest.mark.parametrize("key", ["answer", "figure"])
def test_an_answer_or_a_figure_needs_the_claim(tmp_path, key: str) -> None:
    lines = STUDY.format(title="x", expected="reproduced").splitlines()
    other = {"answer": "figure", "figure": "answer"}[key]
    text = "\n".join(line for line in lines if not line.startswith(("  claim:", f"  {other}:")))
    file = tmp_path / "x.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(InputError, match=f"line 3: study: {key} is for the gallery: give 'claim'"):
        read_study(file)
