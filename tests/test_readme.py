"""Every recipe of the README runs, and the files it names are there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

README = (ROOT / "README.md").read_text("utf-8")
TOUR = README[README.index("## A tour") : README.index("### Your own data")]
RECIPES = re.findall(r"```sh\npython -m nnexp (.+)\n```", TOUR)


def test_the_tour_has_its_recipes() -> None:
    assert len(RECIPES) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_runs_to_its_page(recipe: str, tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(import numpy.+?)```", TOUR, flags=re.DOTALL)
    (tmp_path / "mine.py").write_text(source)
    command = f'"{sys.executable}" -m nnexp {recipe}'
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    outcome = subprocess.run(
        command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert outcome.returncode == 0, outcome.stderr
    (page,) = tmp_path.glob("results/sweeps/*/index.html")
    assert "<html" in page.read_text("utf-8")
    (runs,) = tmp_path.glob("results/sweeps/*/runs.csv")
    header, *rows = runs.read_text("utf-8").splitlines()
    status = header.split(",").index("status")
    assert {row.split(",")[status] for row in rows} == {"finished"}


def test_the_files_it_names_exist() -> None:
    named = re.findall(r"\]\(([^)#:]+)\)", README)
    named += re.findall(r"`((?:nnexp|conf|experiments|results|tests)/[\w./-]*\w)`", README)
    rooms = re.findall(r"\| `(nnexp/[^|]+)\|", README)
    for cell in rooms:
        folder = "nnexp"
        for name in re.findall(r"([\w/]+\.py)", cell):
            named.append(name if "/" in name else f"{folder}/{name}")
    generated = ("results/runs", "results/sweeps")
    missing = [n for n in named if not n.startswith(generated) and not (ROOT / n).exists()]
    assert missing == []


def test_make_demo_is_the_command_that_the_readme_shows() -> None:
    shown = re.search(r"make demo .*runs: (python -m nnexp .+)", README)
    assert shown
    assert shown[1] in (ROOT / "Makefile").read_text("utf-8")
