"""Texts of studies as HTML: what is set, and what stays text."""

from __future__ import annotations

import re

import pytest
from markupsafe import Markup

from nnexp.reports.prose import phrase, prose


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a <i> & b", "a &lt;i&gt; &amp; b"),
        ("`a**b**` and **c `d`**", "<code>a**b**</code> and <strong>c <code>d</code></strong>"),
        ("`<script>`", "<code>&lt;script&gt;</code>"),
        ("a ` b ** c", "a ` b ** c"),
        ("train_size 2 * 3 and *this*", "train_size 2 * 3 and <em>this</em>"),
        ("39 760 of n = 5", "39\u00a0760 of n\u00a0=\u00a05"),
        ("# 1. no heading", "# 1. no heading"),
    ],
)
def test_a_phrase(text: str, expected: str) -> None:
    assert phrase(text) == Markup(expected)


def test_prose() -> None:
    assert prose("one\ntwo\n\nthree:\n- a\n  b\n- c") == (
        "<p>one\ntwo</p>\n<p>three:</p>\n<ul>\n<li>a\nb</li>\n<li>c</li>\n</ul>"
    )
    assert prose("") == ""
    assert prose("- only") == "<ul>\n<li>only</li>\n</ul>"


@pytest.mark.parametrize("url", ["https://a.org/b?c=d", "http://a.org", "xor/runs.csv", "#top"])
def test_links_to_the_web_and_beside_the_page(url: str) -> None:
    assert phrase(f"see [it]({url})") == f'see <a href="{url}">it</a>'


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "&#106;avascript:alert(1)",
        "<java\tscript:alert(1)>",
        "data:text/html,<script>",
        "file:///etc/passwd",
        "mailto:a@b.org",
        "//elsewhere.org",
    ],
)
def test_other_links_are_text(url: str) -> None:
    assert "<a" not in phrase(f"[it]({url})")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "- <b>item</b>",
        "<https://a.org>",
        "![picture](https://a.org/b.png)",
        "<!-- hidden -->",
    ],
)
def test_html_and_images_are_text(text: str) -> None:
    tags = set(re.findall(r"<(\W?\w*)", prose(text)))
    assert tags <= {"p", "/p", "ul", "/ul", "li", "/li", "a", "/a"}
