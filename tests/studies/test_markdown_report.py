"""Text of a study in the Markdown of its report: set as it is meant, and never HTML or a link."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from nnexp.reports.jinja import markdown
from nnexp.studies import markdown_report
from nnexp.studies.gallery import Exhibit
from nnexp.studies.judgement import ROLES
from nnexp.studies.lock import Deviation
from nnexp.studies.lock_section import LockSection, power_heads
from nnexp.studies.row_table import row_table
from nnexp.studies.rows import Row
from tests.pages import INITS, judgement, section


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain words, 0.5 [0.1, 0.9] and d2_init", "plain words, 0.5 [0.1, 0.9] and d2_init"),
        ("**bold** and `code_<b>`", "**bold** and `code_<b>`"),
        ("**bold `code` <b>**", "**bold `code` &lt;b&gt;**"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("[a](javascript:alert(1))", "[a\\](javascript:alert(1))"),
        ("![a][b] and [b]: x", "![a\\][b] and [b\\]: x"),
        ("a ` b ** c *d*", "a \\` b \\*\\* c \\*d\\*"),
        ("_a_ $x$ ~~y~~ \\", "\\_a\\_ \\$x\\$ \\~\\~y\\~\\~ \\\\"),
        ("- a list\n* of two", "- a list\n* of two"),
        ("# no heading\n+ no list", "\\# no heading\n\\+ no list"),
        ("| a |\n|---|", "\\| a \\|\n\\|---\\|"),
        ("`code\n- <b>x</b>`", "`code - <b>x</b>`"),
    ],
)
def test_text_as_markdown(text: str, expected: str) -> None:
    assert markdown(text) == expected
    assert markdown(markdown(text)) == expected


@pytest.mark.parametrize("text", ["a | b", "`a | <b>`", "`a \\| <b>`", "a\n\\|", "`a\\\\| <b>`"])
def test_no_cell_of_a_table_ends_early(text: str) -> None:
    cell = markdown_report._pages().filters["cell"](text)
    assert "\n" not in cell
    assert all(len(slashes) % 2 for slashes in re.findall(r"(\\*)\|", cell))


def test_studies_of_any_name_and_row_keep_to_their_cells_and_links(tmp_path: Path) -> None:
    study = section(tmp_path, "a", INITS, [], 50).study
    found = judgement(study, study.claims[0], measured="", verdict="reproduced")
    one = replace(found, study="x](a:b)|<b>[y", row="D2.1 | [z](a:b) <i>")
    statement = "[z](a:b) <i> | x"
    row = Row(one.row, "D2", statement, "holds", one.study, {role: [one] for role in ROLES})
    *_, line = row_table([row]).splitlines()
    cell = r"[x\](a:b)\|&lt;b&gt;[y](x%5D%28a%3Ab%29%7C%3Cb%3E%5By/README.md): 1 reproduced"
    assert line == (
        r"| D2.1 \| [z\](a:b) &lt;i&gt; | [z\](a:b) &lt;i&gt; \| x | **holds** "
        f"| {cell} | {cell} | {cell} |"
    )


def test_the_page_of_a_locked_study_shows_deviations_changes_and_power(tmp_path: Path) -> None:
    study = section(tmp_path, "a", INITS, [], 50).study
    lock = LockSection(
        sentences=("Locked on a day.",),
        deviations=(Deviation("few", "statement", "x | y", "z"),),
        power=(
            ("few", "0.3 points", "0.2 points (n = 8)", "10", "0.93", "9", "0.4 points", "0.5"),
        ),
        changes=(("few", "reproduced", "inconclusive"),),
    )
    template = markdown_report._pages().get_template("study.md")
    exhibit = Exhibit(study, "", "Checks: none.", [], None)
    empty = {"judgements": [], "pictures": [], "tables": [], "runs": 0, "cost": "", "page": ""}
    about = {"study": study, "exhibit": exhibit, "lock": lock, "power_heads": power_heads()}
    text = template.render(**about, **empty)
    lines = text[text.index("## Lock") : text.index("## Figures")].splitlines()
    assert "- Locked on a day." in lines
    assert r"| few | statement | x \| y | z |" in lines
    assert "| few | reproduced | inconclusive |" in lines
    head, rule, row = lines[-4:-1] if not lines[-1] else lines[-3:]
    assert head.startswith("| check | smallest difference that matters | spread in the pilot |")
    assert rule == "|" + "---|" * len(power_heads())
    assert row == "| few | 0.3 points | 0.2 points (n = 8) | 10 | 0.93 | 9 | 0.4 points | 0.5 |"
