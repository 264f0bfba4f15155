"""Every recipe of every README runs, and what it names is there."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnexp.cli import app, report, reproduce, runs, verify
from nnexp.data.idx import FILES
from nnexp.data.mnist import PACKAGED, PUBLICATIONS
from tests import ROOT
from tests.conftest import without_pages

READMES = {
    name: (ROOT / name).read_text("utf-8")
    for name in (
        "README.md",
        "nnexp/README.md",
        "nnexp/data/README.md",
        "nnexp/sweeps/README.md",
        "experiments/README.md",
        "tests/README.md",
    )
}
# They make an environment, which the Makefile does too, or need one that is not on this machine.
ELSEWHERE = ("python -m venv", ".venv/bin/python -m pip", "pip install")
# It needs another package.
OPTUNA = "hydra/sweeper=optuna"
# Written by commands, or drawn later.
GENERATED = ("results/runs", "results/sweeps")
CLUSTERS = ("dask_jobqueue", "dask_kubernetes")
COMMANDS = {
    "nnexp": app.main,
    "nnexp.report": report.main,
    "nnexp.reproduce": reproduce.main,
    "nnexp.runs": runs.main,
    "nnexp.verify": verify.main,
}
# Two sweeps for the recipes that look at finished runs; their weights are never trained far.
SWEEPS = ("init=xavier", "init=he")
# Recipes that train for long on MNIST, or would download, run as written on its first images. So
# does that of make demo, which .ci/run runs on all of them.
LONG = re.compile(
    r"\.venv|nnexp\.reproduce|\+experiments|data=fashion_mnist|tcp://HOST|seed=range\(8\)"
    r"|hidden=50,50x50|loss=mse,|quirk=none,|:sparse"
)
IMAGES = {"train": 200, "t10k": 100}
# The shipped study that a folder of one's own has, and so runs alone: all others take 40 minutes.
# It has few and short runs, as the recipes ask for more.
STUDY = "xor"
SHORT = {
    "steps: 2000": "steps: 40",
    "every: 200 steps": "every: 20 steps",
    "(100,120)": "(100,103)",
}
LOOKS = (10, 12)


def blocks(language: str) -> list[tuple[str, str]]:
    """Return the README and the text of every block of code in ``language``."""
    pattern = rf"^```{language}\n(.*?)^```$"
    return [
        (name, code)
        for name, text in READMES.items()
        for code in re.findall(pattern, text, flags=re.DOTALL | re.MULTILINE)
    ]


def commands(code: str) -> list[str]:
    """Return the commands of a block, continued lines joined and comments taken out."""
    lines = re.sub(r"\\\n\s*", "", code).splitlines()
    return [command for line in lines if (command := re.sub(r"(^|\s+)#.*", "", line))]


RECIPES = [
    (name, ours)
    for name, code in blocks("sh")
    if (
        ours := [
            c for c in commands(code) if not c.startswith(("make ", *ELSEWHERE)) and OPTUNA not in c
        ]
    )
]


def test_the_readmes_have_their_recipes() -> None:
    assert len(RECIPES) >= 12
    assert {name for name, _ in RECIPES} == set(READMES) - {"tests/README.md"}


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that recipes name, and a store with two finished sweeps."""
    folder = tmp_path_factory.mktemp("furnished")
    for name in ("train", "test"):
        rows = [[i % 3, i, 2 * i] for i in range(120)]
        (folder / f"{name}.csv").write_text("".join(f"{a},{b},{c}\n" for a, b, c in rows))
    x, y = np.arange(240.0).reshape(120, 2), np.arange(120) % 3
    np.savez(folder / "mine.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    shutil.copytree(ROOT / "nnexp" / "data" / "files", folder / "FOLDER")
    shutil.copytree(ROOT / "results" / "demo", folder / "results" / "demo")
    for _, code in blocks("python"):
        if "def sparse(" in code:
            (folder / "mine.py").write_text(code)
    (folder / "experiments").mkdir()
    study = (ROOT / "experiments" / "documents" / f"{STUDY}.yaml").read_text("utf-8")
    for long, short in SHORT.items():
        assert study.count(long) == 1
        study = study.replace(long, short)
    (folder / "experiments" / f"{STUDY}.yaml").write_text(study, "utf-8")
    for name in ("mnist", "fashion_mnist"):
        fill_cache(folder / "cache" / name, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        without_pages(patch)
        for number, words in enumerate(SWEEPS):
            small = ("data=mnist", "hidden=50", "steps=2", f"hydra.sweep.dir=sweep{number}")
            assert app.main(["-m", words, *small]) == 0
    return folder


def fill_cache(cache: Path, name: str) -> None:
    """Put MNIST's first images into a cache, sealed as if they were the whole set ``name``."""
    cache.mkdir(parents=True)
    for file, sha256 in zip(FILES, PUBLICATIONS[name].raw, strict=True):
        count = IMAGES[file.partition("-")[0]]
        header, size = (16, 784) if "images" in file else (8, 1)
        with gzip.open(PACKAGED / f"{file}.gz") as stream:
            head, items = stream.read(header), stream.read(count * size)
        (cache / file).write_bytes(head[:4] + count.to_bytes(4, "big") + head[8:] + items)
        state = (cache / file).stat()
        (cache / f"{file}.seal").write_text(f"{sha256} {state.st_size} {state.st_mtime_ns}")


@pytest.fixture
def folder(furnished: Path, tmp_path: Path) -> Path:
    """A copy of the furnished folder."""
    return shutil.copytree(furnished, tmp_path / "folder")


def run(folder: Path, command: str) -> str:
    """Run a command of a README with this Python and return what it prints."""
    command = re.sub(r"^(\.venv/bin/)?python ", f"{shlex.quote(sys.executable)} ", command)
    outcome = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert outcome.returncode == 0, f"{command}\n{outcome.stdout}{outcome.stderr}"
    return outcome.stdout


def real(command: str, folder: Path) -> str:
    """Return a command with values in place of a README's placeholders."""
    names = {
        "RUN": [p.parent.name for p in folder.glob("results/runs/[!.]*/run.json")],
        "FOLDER": ["sweep0", "sweep1"] if "nnexp.report" in command else ["FOLDER"],
    }
    for word, values in names.items():
        each = iter(values)
        command = re.sub(rf"\b{word}\b", lambda _, each=each: next(each), command)
    return command


@pytest.mark.slow
@pytest.mark.usefixtures("one_figure")
@pytest.mark.parametrize(("readme", "recipe"), RECIPES, ids=[f"{n} {c[0]}" for n, c in RECIPES])
def test_a_recipe_runs(
    readme: str,
    recipe: list[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    known_studies: Callable[..., object],
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(reproduce, "read_study", known_studies)
    monkeypatch.setattr(reproduce, "LOOKS", LOOKS)
    for command in recipe:
        with monkeypatch.context() as patch:
            if LONG.search(command):
                patch.setenv("NNEXP_CACHE", str(folder / "cache"))
            if "HOST" in command:
                on_a_cluster(command, folder)
            elif command.startswith(".venv/"):
                run(folder, real(command, folder))
            else:  # in this process, where a page has one figure
                python, _, module, *words = shlex.split(real(command, folder))
                assert python == "python"
                patch.setattr("sys.argv", [module, *words])
                status = COMMANDS[module](words)
                # With fewer seeds, a verdict may differ from the one that the study expects.
                assert status == int("(expected: " in capfd.readouterr().out), command
    trained = [c for c in recipe if "-m nnexp " in c]
    pages = list(folder.glob("results/sweeps/*/index.html"))
    assert len(pages) == len(trained)
    for page in pages:
        assert "<html" in page.read_text("utf-8")
        assert set(pd.read_csv(page.with_name("runs.csv"))["status"]) == {"finished"}


def on_a_cluster(command: str, folder: Path) -> None:
    """Run a sweep on a cluster of one worker."""
    distributed = pytest.importorskip("distributed")
    workers = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(**workers) as cluster:
        run(folder, command.replace("tcp://HOST:8786", cluster.scheduler_address))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("readme", "code"),
    [block for block in blocks("python") if not any(name in block[1] for name in CLUSTERS)],
    ids=lambda value: value if value in READMES else "",
)
def test_a_program_runs(
    readme: str, code: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NNEXP_CACHE", str(folder / "cache"))
    (folder / "program.py").write_text(code, "utf-8")
    run(folder, "python program.py")


@pytest.mark.parametrize("readme", READMES)
def test_what_a_readme_names_exists(readme: str) -> None:
    text, place = READMES[readme], (ROOT / readme).parent
    links = [place / link for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)]
    named = re.findall(r"`((?:nnexp|conf|experiments|results|tests)/[\w./-]*\w/?)`", text)
    files = links + [ROOT / name for name in named if not name.startswith(GENERATED)]
    assert [str(file) for file in files if not file.exists()] == []


def test_anchors_lead_to_headings() -> None:
    for readme, text in READMES.items():
        for file, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
            target = (ROOT / readme).parent / file if file else ROOT / readme
            titles = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), flags=re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
            assert anchor in slugs, f"{readme}: {file}#{anchor}"


def test_targets_of_make_exist() -> None:
    rules = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
    for text in READMES.values():
        for words in re.findall(r"(?:^|`)make ([a-z ]+?)(?:`|  |$)", text, flags=re.MULTILINE):
            assert set(words.split()) <= set(rules)


def test_make_demo_is_the_command_that_the_readme_shows() -> None:
    shown = re.search(r"make demo .*runs: (python -m nnexp .+)", READMES["README.md"])
    assert shown
    assert shown[1] in (ROOT / "Makefile").read_text("utf-8")


def test_the_main_readme_stays_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= 8192
