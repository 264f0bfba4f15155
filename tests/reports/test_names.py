"""Names of arms and files that a page, a figure, a terminal or a table might take for more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import nnexp as package
from nnexp.cli.terminal import terminal
from nnexp.plotting import layout
from tests.conftest import Command
from tests.reports.test_sweep_page import Page

NAMES = [
    "[/b]",
    "[bold]",
    r"$\frac$",
    "a_b^c $x$",
    "<script>alert(1)</script>",
    '"><img src=x>',
    "=1+1",
    "x" * 300,
    "many words " * 30,
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\U0001f986 :smile:",
    "a,b",
    'it\'s \\ "quoted\\"',
    "{a: 1}",
]
INITS = ["xavier", "he", "zero", "randn", "lecun"]
TINY = ("data=blobs", "data.n=40", "batch_size=20", "steps=2", "hidden=3")
ALONE = "hydra.launcher.workers=1"


def define(names: list[str]) -> None:
    """Write the experiment ``odd`` that has arms of these names."""
    Path("experiments").mkdir(exist_ok=True)
    arms = {n: [f"init={INITS[i % 5]}", f"lr={0.1 * (i + 1):g}"] for i, n in enumerate(names)}
    text = f"# @package _global_\n{json.dumps({'arms': arms}, ensure_ascii=False)}\n"
    Path("experiments/odd.yaml").write_text(text, "utf-8")


@pytest.mark.slow
def test_a_sweep_of_arms_with_any_names_ends_with_all_its_files(nnexp: Command) -> None:
    define(NAMES)
    done = nnexp("-m", "+experiments=odd", *TINY, "arm=all", "out=sweep", ALONE)
    assert done.status == 0, done.err
    assert package.load("sweep").runs["arm"].to_list() == NAMES
    page = Page(Path("sweep/index.html"))
    told = "".join(done.out.split())
    for name in NAMES:
        assert " ".join(name.split()) in page.text
        assert "".join(name[:20].split()) in told
    tags = [tag for tag, _ in page.elements]
    # The script of the page, and the data of its figures.
    assert (tags.count("script"), tags.count("img")) == (2, 0)


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "a\u202eb", "\x00", " ", ""])
def test_an_arm_whose_name_cannot_be_printed_is_refused(quick: Command, name: str) -> None:
    define([name, "plain"])
    done = quick("-m", "+experiments=odd", *TINY, "arm=all")
    assert done.status == 2
    assert "is not a valid name of an arm: use printable characters" in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not Path("results").exists()


@pytest.mark.usefixtures("one_figure")
@pytest.mark.slow
def test_the_name_of_a_file_is_a_name(nnexp: Command) -> None:
    names = [f"{name}.py" for name in ("[/b]", "$x_{$", r"$\frac$", "<b>")]
    for scale, name in enumerate(names):  # the same source would be the same run
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(f"def f(rng, i, o):\n    return {scale} + rng.random((i, o))\n")
    functions = ",".join(f"'{name}:f'" for name in names)
    done = nnexp("-m", *TINY, f"init=zero,{functions}", "out=sweep", ALONE)
    assert done.status == 0, done.err
    page = Page(Path("sweep/index.html"))
    for name in names:
        assert f"{name}:f" in done.out
        assert f"{name}:f" in page.text


def test_powers_of_ten_are_set_and_all_else_is_drawn_as_it_is() -> None:
    def drawn(label: str) -> bytes:
        with layout.style():
            figure = Figure()
            ax = figure.subplots()
            ax.plot([1, 1e6], [1, 1e6])
            ax.set_yscale("log")
            ax.set_xticks([1, 1e6], ["a", label])
            figure.legend(["$x_1$"])
            figure.text(0, 0, label)
            return layout.svg(figure)

    plain, dollars = drawn("tick"), drawn(r"$\frac$")
    assert (
        plain.count(b"<!-- $\\mathdefault{10^{") == dollars.count(b"<!-- $\\mathdefault{10^{") > 2
    )
    assert dollars.count(b">$\\frac$</text>") == 2


def test_a_terminal_prints_brackets_and_colons_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal(width=80).print("[/b] [red]x[/red] :smile:")
    assert capsys.readouterr().out == "[/b] [red]x[/red] :smile:\n"
