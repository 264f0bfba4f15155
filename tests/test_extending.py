"""What a contributor adds takes the few files that nnexp/README.md names, and its page is whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests import ROOT
from tests.reports.test_sweep_page import Page

pytestmark = pytest.mark.slow

# For each addition the files that it takes, and what each gets at its end.
INITIALISER = {
    "nnexp/nn/initializers.py": '''

def signs(rng: np.random.Generator, fan_in: int, fan_out: int, size: float = 0.3) -> Array:
    """Set every weight to plus or minus ``size``."""
    return size * np.sign(randn(rng, fan_in, fan_out))


INITIALIZERS["signs"] = signs
''',
    "conf/init/signs.yaml": "# plus or minus init.size\nname: signs\nsize: 0.3\n",
}
ACTIVATION = {
    "nnexp/nn/activations.py": """

def _arctan(z: Array, scratch: Array) -> None:
    np.arctan(z, out=z)


def _arctan_backward(delta: Array, a: Array, z: Array) -> None:
    np.cos(a, out=a)
    delta *= a
    delta *= a


ACTIVATIONS["arctan"] = lambda: Activation(_arctan, _arctan_backward)
""",
    "conf/activation/arctan.yaml": "# arctan(z)\nname: arctan\n",
}
DATA = {
    "nnexp/data/disc.py": '''"""A disc in the plane: one class inside, one outside."""

from dataclasses import dataclass

import numpy as np

from nnexp.data.base import Kind, Raw, span
from nnexp.rng import stream


@dataclass(frozen=True)
class Disc:
    def state(self):
        return None

    def read(self, seed):
        x = stream(seed, "toy", 1).standard_normal((200, 2))
        y = (np.hypot(*x.T) > 1).astype(np.intp)
        return Raw(x, y, x, y, digest="disc-1", span=span(x))


KINDS = {"disc": Kind({}, lambda values: Disc(), scale="raw", shipped=True)}
''',
    "nnexp/data/settings.py": "\nfrom nnexp.data import disc\n\nKINDS |= disc.KINDS\n",
    "conf/data/disc.yaml": "# inside or outside a disc\nname: disc\nscale: raw\n",
}
FIGURE = {
    "nnexp/plotting/training_figures.py": '''

def clock(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    """Draw the seconds of training over its updates."""
    figure, (ax,) = layout.panels("Seconds", comparison.held)
    ax.plot(comparison.metrics["step"], comparison.metrics["seconds"], "o")
    return Picture("clock", "Seconds", "Seconds.", "Seconds.", figure, comparison.metrics)
''',
    "nnexp/plotting/sweep_figures.py": '    "clock": (_always, _plain(training_figures.clock)),\n',
}
# Where it goes if not at the end.
AFTER = {
    "nnexp/plotting/sweep_figures.py": '    "final": (_always, _plain(training_figures.final)),\n'
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a sweep by a copy of nnexp, MNIST left out, with every addition."""
    copy = tmp_path_factory.mktemp("extended")
    for name in ("nnexp", "conf", "hydra_plugins"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("*.gz"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for file, text in (INITIALISER | ACTIVATION | DATA | FIGURE).items():
        before = (copy / file).read_text("utf-8") if (copy / file).is_file() else ""
        end = before.index(AFTER[file]) + len(AFTER[file]) if file in AFTER else len(before)
        (copy / file).write_text(before[:end] + text + before[end:], "utf-8")
    words = ["data=disc", "init=xavier,signs", "activation=tanh,arctan", "hidden=8x8", "steps=20"]
    done = subprocess.run(
        [sys.executable, "-m", "nnexp", "-m", *words, "hydra.sweep.dir=sweep"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert set(pd.read_csv(copy / "sweep" / "runs.csv")["status"]) == {"finished"}
    return copy / "sweep"


def test_an_initialiser_and_an_activation_are_two_files_each(folder: Path) -> None:
    assert (len(INITIALISER), len(ACTIVATION)) == (2, 2)
    page = Page(folder / "index.html")
    theory = pd.read_csv(folder / "depth.csv").groupby("arm")["theory"].count()
    assert {arm for arm, lines in theory.items() if lines} == {"xavier, tanh", "xavier, arctan"}
    for words in ("xavier, arctan", "signs (size 0.3), tanh", "signs (size 0.3), arctan"):
        assert words in page.text
    drawn = {"accuracy", "loss", "final", "cells", "activations", "gradients", "depth"}
    assert {f"figure-{name}" for name in drawn} <= set(page.attributes("figure", "id"))


def test_a_data_set_is_three_files(folder: Path) -> None:
    assert len(DATA) == 3
    assert "Held fixed disc (scale raw), hidden 8x8" in Page(folder / "index.html").text


def test_a_figure_of_a_page_is_two_files(folder: Path) -> None:
    assert len(FIGURE) == 2
    assert "figure-clock" in Page(folder / "index.html").attributes("figure", "id")
    assert {path.suffix for path in folder.glob("clock.*")} == {".svg", ".png", ".csv"}
