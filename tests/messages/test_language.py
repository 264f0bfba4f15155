"""Pages in another language: no message is missing, and nothing but words differs."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml
from jinja2 import nodes

import nnexp
from nnexp.analysis.arms import compare
from nnexp.analysis.effects import effects
from nnexp.analysis.findings import findings
from nnexp.cli.help import text as help_text
from nnexp.errors import InputError
from nnexp.messages.language import KOREAN, LANGUAGES, current, language, messages, tr
from nnexp.plotting import fonts, layout
from nnexp.reports.jinja import environment
from nnexp.reports.sweep_page import write_sweep
from nnexp.store.tables import Tables
from nnexp.studies.section import Section
from tests.conftest import Command, draw_only
from tests.pages import rendered, sections
from tests.reports.test_sweep_page import Page
from tests.studies.pages.test_pages import Page as StudyPage
from tests.synthetic import SETTINGS, grid, make_tables, make_tuned

PACKAGE = Path(nnexp.__file__).parent
TEMPLATES = PACKAGE / "reports" / "templates"
ALONE = "hydra.launcher.workers=1"
TINY = ("data=blobs", "data.n=100", "batch_size=20", "epochs=2", "hidden=4", ALONE)
# Words of a page that are the same in every language: names of settings, of their values, of files
# and formats, of people, and symbols.
NAMES = """
    nnexp python PNG SVG CSV GIF PDF RMS ReLU MNIST Cohen et al P csv runs summary effects metrics
    layers tuning range run batch tune seed inf randn zero he tanh relu
    Clopper Pearson McNemar Moses
"""
SAME = set(re.findall("[A-Za-z]+", " ".join(map(str, [NAMES, *SETTINGS, *SETTINGS.values()]))))


def calls() -> Iterator[tuple[str, object]]:
    """Yield where each call of ``tr`` is, and its message, or what stands there instead."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "tr":
                given = node.args[0]
                where = f"{file.relative_to(PACKAGE)}:{node.lineno}"
                yield where, given.value if isinstance(given, ast.Constant) else None
    for file in sorted(TEMPLATES.iterdir()):
        for call in environment().parse(file.read_text("utf-8")).find_all(nodes.Call):
            if getattr(call.node, "name", "") == "tr":
                given = call.args[0]
                yield f"{file.name}:{call.lineno}", getattr(given, "value", None)


def placeholders(message: str) -> set[str]:
    return {name for _, name, *_ in string.Formatter().parse(message) if name is not None}


@pytest.fixture
def lettered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw figures in any language, whether or not there is a font for it."""
    monkeypatch.setattr(fonts, "_installed", lambda families: "DejaVu Sans")


@pytest.fixture
def unsaved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the PNG files of figures, which take the longest."""
    monkeypatch.setattr(layout, "png", lambda figure: b"")


@pytest.fixture
def unlettered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no font but Matplotlib's own."""
    monkeypatch.setattr(fonts, "_installed", lambda families: "")


@pytest.mark.slow
def test_every_message_is_a_literal_and_none_is_missing_or_unused() -> None:
    found = list(calls())
    assert len(found) > 500
    assert [where for where, message in found if not isinstance(message, str)] == []
    used = {" ".join(str(message).split()) for _, message in found}
    for name in LANGUAGES[1:]:
        assert used == set(messages(name)), name


def test_a_translation_has_the_placeholders_of_its_message() -> None:
    for message, translated in messages(KOREAN).items():
        assert placeholders(translated) == placeholders(message), message
        assert translated, message


def test_no_message_is_translated_twice() -> None:
    root = yaml.compose((PACKAGE / "messages" / "ko.yaml").read_text("utf-8"))
    assert isinstance(root, yaml.MappingNode)
    keys = [key.value for key, _ in root.value]
    assert len(keys) == len(set(keys))
    assert all(re.search("[가-힣]", value.value) for _, value in root.value if letters(value.value))


def letters(text: str) -> bool:
    """Return whether a translation says anything beside its placeholders and symbols."""
    outside = "".join(literal for literal, *_ in string.Formatter().parse(text))
    return re.search("[A-Za-z]{4}", outside.replace("nbsp", "")) is not None


def test_a_language_holds_within_its_block() -> None:
    assert (current(), tr("seed {seed}", seed=3)) == ("en", "seed 3")
    with language(KOREAN):
        assert (current(), tr("seed {seed}", seed=3)) == ("ko", "시드 3")
        with language("en"):
            assert tr("seed {seed}", seed=3) == "seed 3"
        assert tr("seed\n  {seed}", seed=3) == "시드 3"  # as a template may break it
    assert current() == "en"


INITS = make_tables(grid(init=["xavier", "he", "zero"]), range(8))


def test_findings_in_korean() -> None:
    compared = compare(*INITS)
    with language(KOREAN):
        first, second = findings(effects(compared).translated)
    assert first == "최종 테스트 정확도: zero은(는) xavier보다 8.0%p 낮다 (8쌍 모두에서 같음)."
    assert second.startswith("최종 테스트 정확도: he은(는) xavier보다 4.0%p 낮다")


def test_the_tables_of_effects_stay_english() -> None:
    compared = compare(*make_tables(grid(init=["xavier", "he"], lr=[0.1, 1.0]), range(8)))
    english = effects(compared)
    with language(KOREAN):
        korean = effects(compared)
    assert korean.table.equals(english.table)
    assert english.translated is english.table
    assert list(korean.translated["reference"])[-1] == "lr 0.1에서의"
    assert list(english.table["reference"])[-1] == "at lr 0.1"


def swept(name: str) -> tuple[Tables, object]:
    """Return the tables of a sweep and of its trials."""
    if name == "tuned":
        arms, values = grid(init=["xavier", "zero"]), grid(lr=[0.1, 0.5, 2.0])
        return make_tuned(arms, values, [0, 1], seeds=range(7), lost={(1, 0): "diverged"})
    return {
        "alone": make_tables([{}]),
        "few seeds": make_tables(grid(init=["xavier", "randn", "zero"]), range(2)),
        "mishaps": make_tables(
            grid(init=["xavier", "randn", "zero"]),
            range(8),
            diverged={(1, 0): 900},
            failed=[(2, 1)],
        ),
        "two factors": make_tables(
            grid(init=["xavier", "zero"], activation=["tanh", "relu", "sigmoid"]),
            range(8),
            validation=True,
        ),
        "numbers": make_tables(
            grid(init=["xavier", "he", "zero"], lr=[0.01, 0.1, 1.0, 10.0]), range(2)
        ),
    }[name], None


def english_words(text: str) -> list[str]:
    """Return the words of a text that are English, and no names."""
    return sorted({word for word in re.findall(r"[A-Za-z]{2,}", text) if word not in SAME})


def said(page: Page) -> str:
    """Return all that a page says, also to those who hear it and of what is pointed at."""
    heard = [
        str(value)
        for _, attributes in page.elements
        for name in ("aria-label", "title", "alt", "placeholder", "data-label")
        if (value := attributes.get(name))
    ]
    return " ".join([page.text, *heard])


def without_code(file: Path) -> Path:
    """Take the commands and the names of settings out of a page."""
    text = file.read_text("utf-8")
    file.write_text(re.sub(r"(<(code|pre)\b[^>]*>).*?(</\2>)", r"\1\3", text), "utf-8")
    return file


@pytest.mark.slow
@pytest.mark.usefixtures("lettered", "unsaved")
@pytest.mark.parametrize(
    "name", ["mishaps", "alone", "few seeds", "two factors", "numbers", "tuned"]
)
def test_a_page_of_a_sweep_has_no_english_sentence_in_korean(tmp_path: Path, name: str) -> None:
    tables, trials = swept(name)
    with language(KOREAN):
        write_sweep(tmp_path, *tables, trials, command="python -m nnexp -m lang=ko")
    page = Page(without_code(tmp_path / "index.html"))
    assert '<html lang="ko">' in page.source
    assert english_words(said(page)) == []
    strings = re.findall(r"""(?:"|`)([A-Z][a-z]+(?: [a-z]+)*)(?:"|`)""", page.source)
    assert set(strings) <= {"Enter", "Escape", "Infinity"}


@pytest.mark.slow
@pytest.mark.usefixtures("unlettered")
def test_without_a_font_figures_are_english_and_the_page_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_only(monkeypatch, "accuracy", "final")
    with language(KOREAN):
        write_sweep(tmp_path / "ko", *INITS, command="")
    write_sweep(tmp_path / "en", *INITS, command="")
    for file in (tmp_path / "en").glob("*.png"):
        assert (tmp_path / "ko" / file.name).read_bytes() == file.read_bytes(), file.name
    page = Page(tmp_path / "ko" / "index.html")
    assert "한글 글꼴이 설치되어 있지 않아 그림은 영어로 되어 있다." in page.text
    assert "학습 중 init별 테스트 정확도" in page.text


@pytest.mark.slow
@pytest.mark.usefixtures("lettered", "unsaved")
def test_the_tables_of_a_page_do_not_depend_on_its_language(tmp_path: Path) -> None:
    tables, trials = swept("two factors")
    for name in LANGUAGES:
        with language(name):
            write_sweep(tmp_path / name, *tables, trials, command="")
    english = sorted((tmp_path / "en").glob("*.csv"))
    assert len(english) > 8
    for file in english:
        assert (tmp_path / "ko" / file.name).read_bytes() == file.read_bytes(), file.name


@pytest.mark.slow
@pytest.mark.usefixtures("lettered", "one_figure")
def test_a_second_language_trains_nothing(nnexp: Command) -> None:
    sweep = ("-m", *TINY, "init=xavier,zero", "seed=range(6)")
    first, second = nnexp(*sweep, "out=en"), nnexp(*sweep, "out=ko", "lang=ko")
    assert (first.status, second.status) == (0, 0)
    assert "12개 중 12개는 이미 저장소에 있음" in second.err
    assert "결과    최종 테스트 정확도: " in second.out
    assert Path("ko/metrics.csv").read_bytes() == Path("en/metrics.csv").read_bytes()
    assert '<html lang="en">' in Path("en/index.html").read_text("utf-8")
    assert '<html lang="ko">' in Path("ko/index.html").read_text("utf-8")


def test_an_unknown_language_is_refused_before_anything_is_written(nnexp: Command) -> None:
    done = nnexp("-m", *TINY, "init=xavier,zero", "lang=de")
    assert (done.status, done.err) == (2, "nnexp: unknown lang 'de': choose from en, ko\n")
    assert not Path("results").exists()
    several = nnexp("-m", *TINY, "lang=en,ko")
    assert (several.status, "'lang' cannot be swept" in several.err) == (2, True)


def test_the_help_names_the_key() -> None:
    assert "lang=en             # language of pages, findings and verdicts: en or ko" in help_text()


@pytest.mark.usefixtures("one_figure")
@pytest.mark.slow
def test_a_sweep_of_a_notebook_speaks_korean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny = {"data": "xor", "hidden": 3, "steps": 2, "workers": 1}
    sweep = nnexp.sweep(**tiny, init=["xavier", "zero"], seed=range(2), lang="ko")
    assert repr(sweep) == "<Sweep: init 비교: xavier, zero; 실행 4개 완료>"
    page = sweep.page("page").path.read_text("utf-8")
    assert '<html lang="ko">' in page
    assert nnexp.load("page", lang="ko").page().path == Path("page/index.html")
    assert nnexp.load("page").page().path != Path("page/index.html")
    with pytest.raises(InputError, match="unknown lang 'de': choose from en, ko"):
        nnexp.load("page", lang="de")


@pytest.mark.slow
@pytest.mark.usefixtures("lettered")
def test_the_report_has_no_english_sentence_in_korean(tmp_path: Path) -> None:
    with language(KOREAN):
        made = sections(tmp_path)
        pages = rendered(*made)
    own = set(study_words(made))
    for name, html in pages.items():
        file = tmp_path / "page.html"
        file.write_text(html, "utf-8")
        words = english_words(said(StudyPage(without_code(file))))
        assert [word for word in words if word not in own] == [], name


def study_words(made: Sequence[Section]) -> Iterator[str]:
    """Yield the words that come from studies: their texts and what was measured."""
    for one in made:
        texts = [one.study.file.read_text("utf-8"), *(j.measured for j in one.judgements)]
        for text in texts:
            yield from re.findall("[A-Za-z]+", text)
