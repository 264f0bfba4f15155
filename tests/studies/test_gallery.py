"""The gallery: what is said of each study, in which order, and which findings come first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nnexp.errors import InputError
from nnexp.studies.gallery import Exhibit, by_topic, gallery, headlines
from nnexp.studies.judging import judge
from nnexp.studies.markdown_report import write_report
from nnexp.studies.reader import read_study
from nnexp.studies.rows import rows
from nnexp.studies.section import Section, Shown
from nnexp.studies.study_tables import write_tables
from tests.pages import LOG, judgement, rendered, section

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


def test_surprises_come_first(tmp_path) -> None:
    sections = [
        study(tmp_path, "holding"),
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


def test_a_study_without_main_claims_has_no_verdict(tmp_path) -> None:
    whole = study(tmp_path, "whole")
    claims = tuple(replace(claim, role="support", row="D9.1") for claim in whole.study.claims)
    judged = [replace(one, role="support", row="D9.1") for one in whole.judgements]
    own = replace(whole.study, claims=claims)
    (exhibit,) = shown(replace(whole, study=own, judgements=judged))
    assert (exhibit.verdict, exhibit.rows) == ("", [])
    assert exhibit.answer == "It does, by 3 points."
    (counted,) = shown(replace(whole, study=replace(own, answer=""), judgements=judged))
    assert counted.answer == "Checks: 2 reproduced."


def marked(section: Section, **keys: Any) -> Section:
    return replace(section, study=replace(section.study, **keys))


def test_the_ten_findings_are_headlines_first_then_surprises(tmp_path) -> None:
    sections = [
        *(study(tmp_path, f"holding{i}") for i in range(9)),
        *(marked(study(tmp_path, f"headline{i}"), headline=True) for i in range(2)),
        *(study(tmp_path, f"mixed{i}", "contradicted") for i in range(2)),
        marked(study(tmp_path, "no_figure", "contradicted"), figure="", headline=True),
        marked(study(tmp_path, "open", "withheld", "reproduced", two="withheld"), headline=True),
        marked(study(tmp_path, "unforeseen", "contradicted", "reproduced"), headline=True),
        marked(study(tmp_path, "stale", "stale", "reproduced"), headline=True),
    ]
    names = [one.study.name for one in headlines(shown(*sections))]
    assert names[:2] == ["mixed0", "mixed1"]
    assert names[2:] == [*(f"holding{i}" for i in range(6)), "headline0", "headline1"]


def test_every_study_stands_under_the_question_of_its_topic(tmp_path) -> None:
    sections = [
        marked(study(tmp_path, "b"), topic="losses"),
        marked(study(tmp_path, "a", "contradicted"), topic="losses"),
        section(tmp_path, "d0_log", LOG, [], 1),
        marked(study(tmp_path, "c"), topic="initialisation"),
    ]
    found = {q: [one.study.name for one in own] for q, own in by_topic(shown(*sections)).items()}
    assert found == {
        "How should the weights start?": ["c"],
        "Which loss?": ["a", "b"],
        "Other questions": ["d0_log"],
    }
    assert [*found] == ["How should the weights start?", "Which loss?", "Other questions"]


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
    drawn = replace(found.study, figure="accuracy", figures=("accuracy",))
    assert shown(replace(found, study=drawn))[0].picture is None  # the runs lack what it needs
    stale = replace(study(tmp_path, "stale", "stale", "reproduced"), pictures=PICTURES[:1])
    assert shown(stale)[0].picture is None


def test_the_front_page_begins_with_the_findings(tmp_path) -> None:
    pages = rendered(study(tmp_path, "mixed", "contradicted"))
    page = pages["report.html"]
    top = page[page.index('<h2 id="findings">') : page.index('<h2 id="questions">')]
    assert '<a href="mixed/index.html">Does mixed hold?</a>' in top
    assert "Everybody knows that <strong>mixed</strong> holds." in top
    assert "<span>holds in part</span>" in top
    assert "It does, by 3 points." in top
    assert 'aria-label="A curve"' in top
    own = pages["mixed/index.html"]
    assert own.index("It does, by 3 points.") < own.index('aria-label="A curve"')
    assert own.index("does not hold") < own.index("It holds elsewhere.")
    assert own.index('aria-label="A curve"') < own.index('aria-label="Pairs"')


def test_the_report_begins_with_the_findings(tmp_path) -> None:
    text = STUDY.format(title="mixed", expected="reproduced").replace("figure: curve-one", "")
    (tmp_path / "one.yaml").write_text(text, "utf-8")
    own = read_study(tmp_path / "one.yaml", "papers/one")
    assert own is not None
    write_tables(own, None, judge(own, None), tmp_path / "results")
    write_report([own], tmp_path / "results")
    report = (tmp_path / "results" / "README.md").read_text("utf-8")
    top = report[: report.index("## What the sources claim")]
    assert "- [Does mixed hold?](papers/one/README.md) **Holds.** It does, by 3 points." in top
    page = (tmp_path / "results" / "papers" / "one" / "README.md").read_text("utf-8")
    parts = ["The claim: Everybody knows", "**It does, by 3 points.**", "## Why", "## Protocol"]
    places = [page.index(part) for part in parts]
    assert places == sorted(places)
    for name in ("report.html", "claims.html", "papers/one/index.html"):
        assert "Made by nnexp" in (tmp_path / "results" / name).read_text("utf-8")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("topic: depht", "unknown topic 'depht': did you mean 'depth'"),
        ("headline: 3", "headline=3: give true or false"),
    ],
)
def test_a_topic_and_a_headline_are_checked(tmp_path, line: str, message: str) -> None:
    text = STUDY.format(title="x", expected="reproduced").replace("  claim:", f"  {line}\n  claim:")
    file = tmp_path / "x.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(InputError, match=f"line 3: study: {message}"):
        read_study(file)


@pytest.mark.parametrize("key", ["answer", "figure"])
def test_an_answer_or_a_figure_needs_the_claim(tmp_path, key: str) -> None:
    lines = STUDY.format(title="x", expected="reproduced").splitlines()
    other = {"answer": "figure", "figure": "answer"}[key]
    text = "\n".join(line for line in lines if not line.startswith(("  claim:", f"  {other}:")))
    file = tmp_path / "x.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(InputError, match=f"line 3: study: {key} is about a claim: give 'claim'"):
        read_study(file)
