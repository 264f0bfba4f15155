"""Hydra: which versions are served, who knows its private modules, and what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import hydra
import pytest
from hydra.errors import HydraException

from nnexp.config import composition
from tests import ROOT
from tests.conftest import Command
from tests.test_architecture import FILES, imports


def test_one_file_alone_imports_hydras_private_modules() -> None:
    files = [*FILES, *ROOT.glob("hydra_plugins/*.py"), *ROOT.glob("tests/*.py")]
    named = [f for f in files if "hydra._internal" in f.read_text("utf-8")]
    users = [f.stem for f in named if any(n.startswith("hydra._internal") for n in imports(f))]
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


@pytest.mark.parametrize(
    "words",
    [
        ["lr=0.5", "seed=3"],
        ["lr=1e-3", "data=xor", "data.seed=4"],
        ["init=normal", "init.std=1", "optimizer=adam", "optimizer.beta1=0.5"],
        ["hidden=50x50", "batch_size=full", "steps=7", "epochs=null"],
        ["evaluate_every='200 steps'", "evaluate_at=[1,2]"],
        ["evaluate_at=3", "data.label_noise=0"],
        ["quirk='1e-3'", 'hidden="a=b"', "dtype=float64"],
        ["hidden=null", "batch_size=1.0", "save_weights=true"],
        ["seed=${batch_size}", "lr=0.1"],
        ["quirk=???"],
        ["init={name:he}", "seed=1"],
        ["++lr=3"],
    ],
    ids=" ".join,
)
def test_settings_are_those_that_omegaconf_gives(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    composition.set_up()
    with composition.opened() as hydra:
        quick = composition.Composer(hydra.config_loader).compose(words)
        monkeypatch.setattr(composition, "_replace", lambda settings, override: False)
        assert composition.Composer(hydra.config_loader).compose(words) == quick


@pytest.mark.parametrize("word", ["lrr=1", "init.std=1", "lr.x=1", "data.first.x=2"])
def test_an_unknown_key_is_still_an_error(word: str) -> None:
    composition.set_up()
    with composition.opened() as hydra, pytest.raises(HydraException):
        composition.Composer(hydra.config_loader).compose([word])


def test_omegaconf_does_not_compose_each_of_many_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bases, parsers, slow = [], [], []
    base, make = composition.Composer.base, composition.OverridesParser.create
    monkeypatch.setattr(
        composition.Composer, "base", lambda self, groups: bases.append(1) or base(self, groups)
    )
    monkeypatch.setattr(
        composition.OverridesParser, "create", lambda *loader: parsers.append(1) or make(*loader)
    )
    monkeypatch.setattr(
        composition.ConfigLoaderImpl, "_apply_overrides_to_config", lambda *_: slow.append(1)
    )
    composition.set_up()
    with composition.opened() as hydra:
        composer = composition.Composer(hydra.config_loader)
        for seed in range(5):
            settings = composer.compose(["init=he", f"seed={seed}", "lr=0.5"])
            assert (settings["seed"], settings["lr"]) == (seed, 0.5)
    assert (len(bases), len(parsers), slow) == (1, 1, [])
