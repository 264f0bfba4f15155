"""A command on a machine that lacks something: it does the same, and says nothing of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

SWEEP = ("-m", "data=blobs", "data.n=100", "epochs=1", "hidden=4", "seed=0,1")
# Nothing can be made below a file.
NOWHERE = "/dev/null/nowhere"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="environments of POSIX")


def nnexp(
    folder: Path, *words: str, module: str = "nnexp", closed: str = "", **environment: str | None
) -> subprocess.CompletedProcess[str]:
    """Run a command in ``folder``, with ``closed`` streams, in another environment."""
    changed = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", module, *words],
        cwd=folder,
        env={name: value for name, value in changed.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=100,
    )


def pages(folder: Path) -> list[Path]:
    return list(folder.glob("results/sweeps/*/index.html"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "lacking",
    [
        {"HOME": NOWHERE, "XDG_CACHE_HOME": None, "XDG_CONFIG_HOME": None, "MPLCONFIGDIR": None},
        {"HOME": None, "PATH": NOWHERE}
        | {"TERM": "dumb", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
    ],
    ids=["a home that is not there", "no home, no programs, no characters but ASCII"],
)
def test_a_sweep_where_something_is_missing(tmp_path: Path, lacking: dict[str, str | None]) -> None:
    (tmp_path / "temporary").mkdir()
    outcome = nnexp(tmp_path, *SWEEP, TMPDIR=str(tmp_path / "temporary"), **lacking)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stderr in ("", "2 runs to train\n")
    assert "2 finished" in outcome.stdout
    assert len(pages(tmp_path)) == 1
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.slow
def test_characters_that_a_terminal_lacks_are_written_as_escapes(tmp_path: Path) -> None:
    words = ("data=csv", "data.train=größe.csv")
    outcome = nnexp(tmp_path, *words, LC_ALL="C.UTF-8", PYTHONIOENCODING="ascii")
    assert outcome.returncode == 2
    assert "gr\\xf6\\xdfe.csv" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


@pytest.mark.slow
def test_closed_streams(tmp_path: Path) -> None:
    closed = "<&- >&- 2>&-"
    outcome = nnexp(tmp_path, *SWEEP, closed=closed)
    assert outcome.returncode == 0, outcome.stderr
    assert len(pages(tmp_path)) == 1
    assert outcome.stderr in ("", "2 runs to train\n")
    listed = nnexp(tmp_path, "list", module="nnexp.runs", closed=closed)
    assert listed.returncode == 0
    refused = nnexp(tmp_path, "seed=x", closed=closed)
    assert refused.returncode == 2
    assert refused.stdout == ""


@pytest.mark.slow
def test_a_report_without_a_home(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "results" / "demo", tmp_path / "demo")
    outcome = nnexp(
        tmp_path,
        *("demo", "--out", "drawn"),
        module="nnexp.report",
        HOME=NOWHERE,
        XDG_CACHE_HOME=None,
        XDG_CONFIG_HOME=None,
        MPLCONFIGDIR=None,
        PYTHONIOENCODING="ascii",
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stderr == ""
    assert (tmp_path / "drawn" / "index.html").is_file()


NOISY = """
import warnings
import numpy as np

def init(rng, fan_in, fan_out):
    warnings.warn("a leaking tap")
    return np.full((fan_in, fan_out), np.mean([])) + np.log(np.zeros((fan_in, fan_out)))

def activation(z):
    return np.log(z), np.exp(1e3 * z) / 0
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_arithmetic_warns_of_nothing_and_a_users_own_warnings_are_shown(
    tmp_path: Path, workers: int
) -> None:
    (tmp_path / "mine.py").write_text(NOISY)
    functions = ("init=he,mine.py:init", "activation=relu,mine.py:activation")
    outcome = nnexp(tmp_path, *SWEEP, *functions, f"hydra.launcher.workers={workers}")
    assert outcome.returncode == 0, outcome.stderr
    assert "diverged" in outcome.stdout
    assert "UserWarning: a leaking tap" in outcome.stderr
    assert "RuntimeWarning" not in outcome.stderr


def test_garbage_is_collected_rarely() -> None:
    load = "import gc; from nnexp.process.startup import settle"
    code = f"{load}; settle(); print(gc.get_threshold()[0])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) >= 10_000


UNKNOWN_USER = """
import pwd, sys

def getpwuid(uid):
    raise KeyError(uid)

pwd.getpwuid = getpwuid  # as for a user ID that a container's image does not know
from nnexp.__main__ import main
print("status", main(["data=blobs", "data.n=100", "epochs=1", "hidden=4", "out=page"]), sys.argv)
import nnexp
print("digits", len(nnexp.dataset("mnist")[0]))
"""


@pytest.mark.slow
def test_a_script_of_an_unknown_user_without_home(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "HOME" and not k.startswith("XDG")}
    outcome = subprocess.run(
        [sys.executable, "-c", UNKNOWN_USER, "own words"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(ROOT), "NNEXP_CACHE": ""},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "status 0 ['-c', 'own words']" in outcome.stdout, outcome.stderr
    assert "digits 60000" in outcome.stdout
    assert "Matplotlib" not in outcome.stderr
    page = (tmp_path / "page" / "index.html").read_text("utf-8")
    assert "python -m nnexp data=blobs data.n=100 epochs=1 hidden=4 out=page" in page
