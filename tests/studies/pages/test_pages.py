"""The report's pages: what they say, what they show, and what they refuse."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from pathlib import Path

import pytest

from nnexp.analysis.verdicts import COMPARED, PUBLISHED, STALE, WITHHELD
from nnexp.errors import InputError
from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.initializers import INITIALIZERS
from nnexp.plotting.styles import FAINT, INK, NEUTRAL, choice_styles
from nnexp.reports.inline_svg import dark_colours
from nnexp.studies.lock_section import LockSection
from nnexp.studies.pages.sources import short_source
from nnexp.studies.planning import Achieved, Plan
from nnexp.studies.section import Section, Shown
from tests.pages import INITS, LOG, rendered, section
from tests.reports.test_sweep_page import Page as Parsed
from tests.synthetic import contrast

SVG = (
    '<?xml version="1.0"?>\n<svg width="40pt" height="20pt" viewBox="0 0 40 20">'
    "<metadata>who and when</metadata><defs>\n"
    '  <style type="text/css">*{stroke-linejoin: round}</style>\n </defs>'
    '<g id="axes"><use href="#mark"/><path clip-path="url(#clip)"/></g></svg>'
)
# The head of a PNG of 300 by 200 pixels is all of it that the page reads.
PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x0dIHDR" + (300).to_bytes(4, "big") + (200).to_bytes(4, "big")


class Page(Parsed):
    """A page taken apart, with what a reader fills in."""

    def handle_starttag(self, tag, attrs):
        """Take note of an element; what is filled in has no end."""
        super().handle_starttag(tag, attrs)
        if tag == "input":
            self.open.pop()


@pytest.fixture
def inits(tmp_path: Path) -> Section:
    """Return a study of five comparisons with a picture of two of them."""
    picture = Shown("pairs", "Every pair.", "a > b", ("xavier_over_zero", "few"), SVG.encode())
    return section(tmp_path, "d2_init", INITS, [picture], 50)


@pytest.fixture
def log(tmp_path: Path) -> Section:
    """Return a study of published figures, a curve and a computation."""
    return section(tmp_path, "d0_log", LOG, [], 40)


def page(folder: Path, name: str, *sections: Section, **facts: str) -> Page:
    path = folder / "page.html"
    path.write_text(rendered(*sections, **facts)[name], "utf-8")
    return Page(path)


def test_the_front_page_says_what_was_found(inits, log, tmp_path):
    found = page(tmp_path, "report.html", inits, log, Machine="**2** cores")
    assert "12 checks in 2 studies with 90 runs (18.8 min of training) decide this." in found.text
    assert "Machine 2 cores" in found.text
    assert not re.search(r"\bD\d\.\d", found.text)
    for one in (inits, log):
        assert found.text.count(one.study.title) == 1
        assert f"{one.study.name}/index.html" in found.attributes("a", "href")


def test_all_checks_are_on_one_page(inits, log, tmp_path):
    found = page(tmp_path, "claims.html", inits, log)
    counted = (
        "2 reproduced 1 direction only 1 contradicted 1 no difference that matters 1 inconclusive"
    )
    assert counted in found.text
    assert "1 verdict differs from that of earlier runs" in found.text
    chance = "3 of 4 published figures and curves lie outside their 95 % interval or band; 0.2 wou"
    assert chance in found.text
    for one in [*inits.judgements, *log.judgements]:
        assert f'data-row="{one.row}"'.replace("&", "&amp;") in found.source
        assert one.statement in found.text


def test_a_study_begins_with_its_answer_and_explains_it_before_the_evidence(inits, tmp_path):
    study = replace(inits.study, claim="Xavier is best.", answer="It is.", figure="pairs")
    text = page(tmp_path, "d2_init/index.html", replace(inits, study=study)).text
    parts = [
        *(study.title, "Does scaling the weights", "Xavier is best.", "Main checks:"),
        *("Every pair.", "Why", "Zero weights leave", "What the sources claim", "6 checks"),
        *("Protocol", "Batch 1, in the file's order", "What the source leaves unstated", "Lock"),
        *("Run it again", "python -m nnexp.reproduce d2_init", "50 runs, 10.4 min of training."),
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_every_verdict_has_a_symbol_and_a_tone_of_its_own_words(inits, log, tmp_path):
    found = page(tmp_path, "claims.html", inits, log)
    badge = r'<li><span class="verdict \w+"><svg [^>]+><use href="#([\w-]+)"/></svg><span>([^<]+)<'
    symbols = {verdict: symbol for symbol, verdict in re.findall(badge, found.source)}
    assert symbols.keys() == {*COMPARED, *PUBLISHED, WITHHELD, STALE}
    tiles = re.findall(r'name="verdict" value="([^"]+)"', found.source)
    assert {*tiles} == {f"exploratory {one}" for one in (*COMPARED, *PUBLISHED)}
    assert len(set(symbols.values())) == len(symbols)
    drawn = re.findall(r'<symbol id="([\w-]+)"[^>]*>(.+?)</symbol>', found.source)
    assert {name for name, _ in drawn} == set(symbols.values())
    assert len({shape for _, shape in drawn}) == len(drawn)


def test_confirmatory_and_exploratory_verdicts_are_counted_apart(inits, log):
    confirmed = [replace(one, analysis="confirmatory") for one in inits.judgements]
    inits = replace(inits, judgements=confirmed, lock=LockSection(("Locked on a day.",)))
    pages = rendered(inits, log)
    texts = {name: " ".join(re.sub("<[^>]+>", " ", one).split()) for name, one in pages.items()}
    front, source = texts["report.html"], pages["claims.html"]
    assert "Confirmatory: Of the documents&#39; 1 claim, 1 does not hold. Of the papers" in front
    assert "Exploratory: Of the documents&#39; 4 claims, 2 hold and 2 do not hold." in front
    assert source.count('<table class="ledger card">') == 2
    tiles = re.findall(r'name="verdict" value="(\w+) [^"]+"', source)
    assert {*tiles} == {"confirmatory", "exploratory"}
    marked = re.findall(r'data-analysis="(\w+)"', source)
    assert marked.count("confirmatory") == len(confirmed)
    assert marked.count("exploratory") == len(log.judgements)
    assert "Exploratory: 3 of 4 published figures" in texts["claims.html"]
    assert "Locked on a day." in texts["d2_init/index.html"]
    assert 'id="changes"' not in source


def test_what_changed_on_unseen_seeds_is_listed_over_all_studies(inits, log, tmp_path):
    confirmed = [replace(one, analysis="confirmatory") for one in inits.judgements]
    changed = (
        ("he_over_xavier", "reproduced", "inconclusive"),
        ("zero_over_randn", "direction only", "contradicted"),
    )
    lock = LockSection(("Locked on a day.",), changes=changed)
    inits = replace(inits, judgements=confirmed, lock=lock)
    found = page(tmp_path, "claims.html", inits, log)
    sentence = (
        "When a study was locked, it stated which verdict it expected of each check, after a "
        "pilot. On unseen seeds, 2 of 6 checks came out otherwise: 0 of 2 main checks and 2 of 4 "
        "supporting checks. The most common change (1 of 2) is from direction only to "
        "contradicted. In 1 of 2, the difference turned out to be in the other direction."
    )
    assert sentence in found.text
    rows = found.source[found.source.index('id="changes"') : found.source.index('id="claims"')]
    cells = re.findall(r"<tr><td[^>]*>([^<]+).+?<a href=\"#(claim[^\"]+)\">([^<]+)<", rows, re.S)
    assert [place for _, place, _ in cells] == [
        "claim-d2_init-zero_over_randn",
        "claim-d2_init-he_over_xavier",
    ]
    assert re.findall(r"</svg><span>([^<]+)</span>", rows) == [
        *("direction only", "contradicted"),
        *("reproduced", "inconclusive"),
    ]


def test_checks_with_too_few_seeds_are_listed_over_all_studies(inits, log, tmp_path):
    """Of three checks with a plan, one has enough seeds and one is inconclusive."""
    plans = (
        # claim, seeds, power and seeds needed as planned, and seeds needed by the spread found
        ("xavier_over_zero", 10, 0.95, 9, 8),
        ("he_over_xavier", 10, 0.31, 1200, None),
        ("zero_over_randn", 10, 0.31, None, 12),
    )
    planned = tuple(
        Achieved(claim, Plan(n, 2, 0.1, power, needed), 0.003, 0.1, 0.5, then)
        for claim, n, power, needed, then in plans
    )
    judgements = [
        replace(one, verdict="inconclusive" if one.claim == "he_over_xavier" else "reproduced")
        for one in inits.judgements
    ]
    lock = LockSection(("Locked on a day.",), planned=planned)
    inits = replace(inits, judgements=judgements, lock=lock)
    found = page(tmp_path, "claims.html", inits, log)
    assert (
        "As planned from pilots, it was 90% or more for 1 of 3 checks: 1 of 3 supporting checks. "
        "There was no time for enough seeds for the other 2, so they could miss a difference that "
        "is just large enough to matter. For 1 of them, the difference that was found was clear "
        "enough for a verdict; 1 remained inconclusive."
    ) in found.text
    rows = found.source[found.source.index('id="power"') : found.source.index('id="claims"')]
    assert re.findall(r'href="#(claim[^"]+)"', rows) == ["claim-d2_init-he_over_xavier"]
    assert re.findall(r'<td data-label="[^"]+">([^<]+)', rows) == [
        *("10", "0.31", "1,200", "more than 10,000")
    ]


@pytest.mark.parametrize("of_study", [False, True])
def test_the_numbers_behind_a_check(inits, log, tmp_path, of_study):
    names = ("d2_init/index.html", "d0_log/index.html") if of_study else ("claims.html",)
    text = " ".join(page(tmp_path, name, inits, log).text for name in names)
    assert (
        "Test xavier is greater than zero Median difference +2.87 points "
        "99 % interval +2.51 to +3.23 points Runs n = 10 pairs, by seed "
        "Effect size +7.3 standard deviations P(xavier higher) 1.00 "
        "Smallest difference that matters 0.3 points Detectable with n = 10 0.21 points "
        "Holds in 14 of 20 cells, reversed in 2 "
        "Outcome test accuracy Settings lr 0.1, epoch 5"
    ) in text
    assert "Median difference −1.2 in log10 99 % interval −∞ to +∞ in log10" in text
    assert (
        "95 % prediction interval 0.8838 to 0.8964, rounding included Too noisy above ±0.01" in text
    )
    assert "Test every point lies within the joint prediction band of a new run of numpy" in text
    assert "Test computed again, within 0 of the published figure" in text
    assert "Expected reproduced, as in earlier runs: a check against regression" in text


def test_an_interval_is_drawn_to_scale(inits, tmp_path):
    # Worked by hand: from 0 - 0.003 to 0.0323 are 0.0353, drawn from 4 % to 96 %.
    source = page(tmp_path, "claims.html", inits).source
    first = source[source.index('id="claim-d2_init-xavier_over_zero"') :]
    drawn = first[first.index('<svg class="scale"') : first.index("</svg>")]
    assert 'x="4.0%"' in drawn  # the grey band begins at -S
    assert 'width="15.64%"' in drawn  # 92 · 0.006 / 0.0353
    assert 'x1="11.82%" x2="11.82%"' in drawn  # 0: 4 + 92 · 0.003 / 0.0353
    assert 'x1="77.24%" x2="96.0%"' in drawn  # the interval: 4 + 92 · 0.0281 / 0.0353
    assert 'cx="86.62%"' in drawn  # its mean: 4 + 92 · 0.0317 / 0.0353
    assert source.count('<svg class="scale"') == 5  # an infinite interval is not drawn


def test_a_long_list_of_published_figures_is_short_in_the_table(inits, tmp_path):
    figures = ", ".join(f"0.1{i:07}" for i in range(12))
    long = replace(inits, judgements=[replace(inits.judgements[0], published=figures)])
    found = page(tmp_path, "claims.html", long)
    cell = found.source[found.source.index('data-label="Published"') :]
    assert cell[: cell.index("</td>")].endswith("0.10000006, …")
    assert found.text.count("0.10000011") == 1


def test_the_claims_are_in_the_order_of_their_documents(inits, log, tmp_path):
    found = page(tmp_path, "claims.html", inits, log)
    rows = re.findall(r'data-row="([^"]+)"', found.source)
    assert rows[:5] == ["D0.1", "D0.2", "D0.10", "D1.4", "D1.4"]
    assert rows[5:] == [
        *["D2.1"] * 2,
        *["D2.5"] * 2,
        "D2.7",
        "D3.2",
        "Glorot &amp; Bengio 2010, 4.2",
    ]


def test_old_links_to_rows_and_checks_still_lead_to_them(inits, log, tmp_path):
    found = page(tmp_path, "claims.html", inits, log)
    ids = {a["id"] for _, a in found.elements if "id" in a}
    assert {"D0.1", "D0.10", "D2.1", "claim-d2_init-few", "claims", "sources"} <= ids
    front = page(tmp_path, "report.html", inits, log)
    assert {"study-d2_init", "study-d0_log"} <= {a["id"] for _, a in front.elements if "id" in a}


def test_titles_are_in_their_own_language(inits, log, tmp_path):
    source = page(tmp_path, "report.html", inits, log).source
    assert (
        '<cite><span lang="ko">소프트맥스 회귀를 이용한 mnist 이미지 분류</span></cite>' in source
    )
    assert "<cite>Understanding the difficulty" in source
    assert '<cite>Fund18. <span lang="ko">딥러닝 들여다보기</span></cite>' in source


@pytest.mark.parametrize(
    ("key", "title", "short"),
    [
        ("D1", "a blog post on depth (2020, in Korean: 깊이)", "Blog post on depth (2020)"),
        ("D2", "a tutorial, by hand (undated, in Korean: 신경망)", "Tutorial, by hand (undated)"),
        ("D3", "Neural networks", "D3"),
        ("He et al. 2015", "a title (2015)", "He et al. 2015"),
    ],
)
def test_a_source_in_few_words_has_no_code_if_its_title_describes_it(key, title, short):
    assert short_source(key, title) == short


def test_a_picture_is_on_the_page_of_its_study_once(inits, log, tmp_path):
    found = page(tmp_path, "d2_init/index.html", inits, log)
    ids = [a["id"] for _, a in found.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert ids.count("figure-d2_init-pairs") == 1
    targets = {*found.attributes("use", "href"), *found.attributes("a", "href")}
    assert {t for t in targets if t.startswith("#") and t[1:] not in ids} == {
        "#f0-mark"  # the one that the drawing itself lacks
    }
    assert found.attributes("svg", "aria-label") == ["a > b"]


@pytest.mark.slow
def test_the_smaller_of_two_files_is_shown(inits, tmp_path):
    def shown(svg: bytes, png: bytes) -> str:
        pictures = [Shown("p", "c", "a", (), svg, png)]
        return page(tmp_path, "d2_init/index.html", replace(inits, pictures=pictures)).source

    assert "<image" not in shown(SVG.encode(), PNG * 30)
    small = shown(SVG.encode().replace(b"<path", b"<path d='" + b"M 0 0" * 200 + b"'"), PNG)
    assert 'viewBox="0 0 300 200"><image width="300" height="200" href="data:image/png;' in small
    assert 'id="figure-d2_init-p-axes"' not in small
    assert "<image" in shown(b"", PNG * 30)
    assert "<image" not in shown(SVG.encode(), b"")


def test_pages_need_no_network_and_lead_to_one_another(inits, log, tmp_path):
    pages = rendered(inits, log)
    for name, source in pages.items():
        (tmp_path / "page.html").write_text(source, "utf-8")
        found = Page(tmp_path / "page.html")
        assert not found.attributes("script", "src")
        assert found.attributes("link", "href") == ["data:,"]
        assert "http" not in source.replace("http-equiv", "")
        assert any("default-src 'none'" in c for c in found.attributes("meta", "content"))
        ids = {a["id"] for _, a in found.elements if "id" in a}
        for link in map(str, found.attributes("a", "href")):
            path, _, place = link.partition("#")
            if path.endswith(".csv"):
                continue
            file = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
            own = ids if not path else {*re.findall(r' id="([^"]+)"', pages[file])}
            assert not place or place in own, (name, link)


def test_a_figure_links_to_its_numbers(inits, tmp_path):
    shown = Shown("pairs", "c", "a", ("xavier_over_zero",), SVG.encode(), csv="seed,difference\n")
    found = page(tmp_path, "d2_init/index.html", replace(inits, pictures=[shown]))
    assert found.attributes("a", "href").count("pairs.csv") == 1


def test_the_same_sections_give_the_same_pages(inits, log):
    assert rendered(inits, log) == rendered(inits, log)


def test_texts_are_set_and_never_run(inits, tmp_path):
    source = page(tmp_path, "d2_init/index.html", inits).source
    assert "<p>Batch 1, in the file's order, squared error; <strong>only the" in source
    assert "<li>the rate is therefore halved, &amp; so is every gradient;</li>" in source
    assert "<li>&lt;b&gt;targets&lt;/b&gt; are 0.01 and 0.99.</li>" in source


@pytest.mark.slow
@pytest.mark.parametrize("field", ["row", "statement", "published", "measured", "protocol", "note"])
def test_nothing_that_a_judgement_says_is_run(inits, tmp_path, field):
    """What was measured names the arms of failed runs, for example."""
    first, *others = inits.judgements
    said = replace(first, **{field: "<img src=x onerror=alert(1)> [1, 2]"})
    made = replace(inits, judgements=[said, *others], pictures=[])
    for name in rendered(made):
        assert "img" not in {tag for tag, _ in page(tmp_path, name, made).elements}


@pytest.mark.slow
def test_studies_and_claims_of_odd_names_have_ids_of_their_own(inits, tmp_path):
    names = ["a-b", "a", "a b", "a.b", 'a"><img src=x onerror=alert(1)>', "javascript:alert(1)"]
    claims = {"a-b": "c", "a": "b-c"}
    several = []
    for name in names:
        study = replace(inits.study, name=name)
        renamed = claims.get(name, "c")
        claim = replace(inits.study.claims[0], id=renamed)
        study = replace(study, claims=(claim,))
        own = [replace(inits.judgements[0], study=name, claim=renamed, role="support")]
        several.append(replace(inits, study=study, judgements=own, pictures=[]))
    for file in ("report.html", "claims.html", f"{names[-1]}/index.html"):
        found = page(tmp_path, file, *several)
        ids = [a["id"] for _, a in found.elements if "id" in a]
        assert len(ids) == len(set(ids))
        assert all(re.fullmatch(r"[\w.-]+", str(name), re.ASCII) for name in ids)
        for link in found.attributes("a", "href"):
            safe = r"(?:(?:\.\./)?[\w.%-]+(?:/index)?\.html|[\w.%-]+/index\.html)?(?:#[\w.-]+)?"
            assert re.fullmatch(safe, str(link), re.ASCII), link
        assert "img" not in {tag for tag, _ in found.elements}


def test_what_is_drawn_can_be_seen_on_a_dark_page():
    on_dark = dark_colours()
    sheet, grid = on_dark["#ffffff"], on_dark[FAINT.lower()]
    lines = set(on_dark.values()) - {sheet, grid}
    assert min(contrast(colour, sheet) for colour in lines) > 3
    assert min(contrast(on_dark[words], sheet) for words in (INK, NEUTRAL)) > 7
    for names in (INITIALIZERS, ACTIVATIONS):
        colours = {style.colour.lower() for style in choice_styles(list(names)).values()}
        assert len({on_dark[colour] for colour in colours}) == len(colours)


def test_what_cannot_be_shown_is_refused(inits):
    with pytest.raises(InputError, match="a report needs a study"):
        rendered()
    with pytest.raises(InputError, match="study 'd2_init' appears 2 times"):
        rendered(inits, inits)
    empty = replace(inits, pictures=[Shown("loss", "c", "a")])
    with pytest.raises(InputError, match="picture 'loss' is empty"):
        rendered(empty)
    foreign = replace(inits, pictures=[Shown("loss", "c", "a", ("fewer",), SVG.encode())])
    with pytest.raises(InputError, match=r"unknown claim of picture 'loss' 'fewer'.*mean 'few'"):
        rendered(foreign)
    verdict = replace(inits, judgements=[replace(inits.judgements[0], verdict="reproducd")])
    with pytest.raises(InputError, match="verdict 'reproducd': did you mean 'reproduced'"):
        rendered(verdict)
    claim = replace(inits, judgements=[replace(inits.judgements[0], claim="no", role="support")])
    with pytest.raises(InputError, match="unknown claim of study 'd2_init' 'no'"):
        rendered(claim)
