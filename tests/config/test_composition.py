"""Hydra: which versions are served, who knows its private modules, and what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import hydra
import pytest

from nnexp.config import composition
from tests import ROOT
from tests.conftest import Command
from tests.test_architecture import FILES, imports


def test_one_file_alone_imports_hydras_private_modules() -> None:
    files = [*FILES, *ROOT.glob("hydra_plugins/*.py"), *ROOT.glob("tests/*.py")]
    users = [f.stem for f in files if any(n.startswith("hydra._internal") for n in imports(f))]
    assert users == ["composition"]


def test_the_versions_of_hydra_that_this_was_tried_on() -> None:
    assert composition.TRIED == ("1.3.8", "1.4")
    assert hydra.__version__.startswith(composition.TRIED)
    (lowest,) = re.findall(r'"hydra-core>=([\d.]+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert lowest == composition.TRIED[0]
    told = " ".join((ROOT / "README.md").read_text("utf-8").split())
    for tried in composition.TRIED:
        assert re.search(rf"\bHydra {re.escape(tried)}\b", told)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--cfg", "job", "-p", "init"), ["# @package init", "name: xavier"]),
        (("init=he", "-c", "job", "--resolve"), ["name: he", "lr: "]),
        (("--cfg", "hydra", "--package", "hydra.sweep"), ["dir: results/sweeps/"]),
        (("-i", "defaults"), ["init/xavier"]),
        (("--hydra-help",), ["--multirun,-m : a sweep", "Hydra"]),
        (("--shell-completion", "query=bash"), ["init=xavier"]),
        (("-h",), ["CHOICES"]),
    ],
)
def test_what_hydra_shows(
    nnexp: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: tuple[str, ...],
    parts: list[str],
) -> None:
    monkeypatch.setenv("COMP_LINE", "nnexp init=xav")
    outcome = nnexp(*words)
    assert outcome.status == 0, outcome.err
    for part in parts:
        assert part in outcome.out
    assert outcome.err == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cfg", "nosuch"), "invalid choice: 'nosuch'"),
        (("--nosuch",), "unrecognized arguments: --nosuch"),
        (("--cfg", "job", "-m"), "--multirun and --cfg exclude each other: give one of them"),
        (("--resolve",), "--resolve needs --cfg: add --cfg job"),
        (("-cn", "x"), "--config-name is not supported"),
    ],
)
def test_flags_that_mean_nothing_are_refused(
    nnexp: Command, words: tuple[str, ...], said: str
) -> None:
    outcome = nnexp(*words)
    assert outcome.status == 2
    assert said in outcome.err
    assert len(outcome.err.splitlines()) == 1
