"""Folders that nnexp fills: files of others are never touched, and a stop shows nothing stale."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import nnexp as package
from nnexp.analysis import calibration
from nnexp.cli import report, reproduce
from nnexp.errors import InputError
from nnexp.reports.sweep_page import write_sweep
from nnexp.store.folders import MARKER, check_finished, check_folder, fill
from nnexp.store.research_object import CRATE
from nnexp.studies import markdown_report
from tests import ROOT
from tests.conftest import Command, draw_only
from tests.synthetic import grid, make_tables

TINY = ("data=xor", "steps=2", "hidden=3")
OLD = {"index.html": "old page", "runs.csv": "old", "loss.svg": "old", "cells.svg": "old"}
NEW = {"runs.csv": "new", "loss.svg": "new", "effects.csv": "new", "index.html": "new page"}


def content(folder: Path) -> dict[str, str]:
    """Return what a user sees in a folder: the text of every file that is not hidden."""
    return {p.name: p.read_text("utf-8") for p in folder.iterdir() if not p.name.startswith(".")}


def test_a_folder_is_filled_anew_and_keeps_the_files_of_others(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "sweep"
    assert [path.name for path in fill(folder, OLD)] == list(OLD)
    (folder / "notes.txt").write_text("mine")
    fill(folder, NEW)
    assert content(folder) == {**NEW, "notes.txt": "mine"}
    fill(folder, {"effects.csv": "third"}, keep=["runs.csv"])
    assert content(folder) == {"effects.csv": "third", "runs.csv": "new", "notes.txt": "mine"}
    assert {p.name for p in folder.iterdir()} - content(folder).keys() == {MARKER}


@pytest.mark.parametrize("name", ["index.html", "runs.csv", "README.md", "thesis.tex"])
def test_a_folder_of_others_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=f"such as '{name}': give another folder with --out F$"):
        check_folder(tmp_path, "--out F")
    with pytest.raises(InputError, match="files that nnexp did not write"):
        fill(tmp_path, NEW)
    assert content(tmp_path) == {name: "mine"}


def test_an_empty_folder_a_new_one_and_one_of_folders_are_fine(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / ".gitignore").write_text("*")
    for folder in (tmp_path, tmp_path / "runs", tmp_path / "new"):
        check_folder(folder)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file: give another folder"):
        check_folder(tmp_path / "file")


@pytest.mark.usefixtures("one_figure")
@pytest.mark.slow
def test_a_folder_of_an_older_version_is_known_by_its_page(tmp_path: Path) -> None:
    write_sweep(tmp_path, *make_tables(grid(init=["xavier", "zero"]), (0, 1)), command="old")
    (tmp_path / MARKER).unlink()
    (tmp_path / CRATE).unlink()  # older versions wrote none
    (tmp_path / "notes.txt").write_text("mine")
    fill(tmp_path, NEW)
    assert content(tmp_path) == {**NEW, "notes.txt": "mine"}


def test_a_marker_reaches_no_file_outside_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    folder.mkdir()
    (tmp_path / "mine.txt").write_text("mine")
    names = ["../mine.txt", str(tmp_path / "mine.txt"), "runs.csv"]
    (folder / MARKER).write_text(json.dumps({"finished": True, "files": names}))
    fill(folder, NEW)
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"files": 3, "finished": true}', "\xff"])
def test_a_damaged_marker_counts_as_unfinished(tmp_path: Path, text: str) -> None:
    (tmp_path / MARKER).write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="is incomplete"):
        check_finished(tmp_path)
    fill(tmp_path, NEW)
    check_finished(tmp_path)


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, OLD)
    written = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "effects.csv":
            raise OSError(28, "No space left on device")
        return written(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        fill(tmp_path, NEW)
    assert content(tmp_path) == OLD
    check_finished(tmp_path)


# Fills the folder argv[1] again and again, each time in a process that is killed at a later one of
# its changes to files, and says after each kill what is there; ends with a fill that is not killed.
KILLED = """
import json, os, signal, sys
from pathlib import Path
from nnexp.errors import InputError
from nnexp.store.folders import check_finished, fill

OLD, NEW = {old}, {new}
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")

def killed_at(count):
    def hook(event, arguments):
        nonlocal count
        changes = event in CHANGES or event == "open" and arguments[2] & os.O_CREAT
        count -= changes
        if changes and count < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

folder = Path(sys.argv[1])
for count in range(1000):
    fill(folder, OLD)
    child = os.fork()
    if child == 0:
        killed_at(count)
        fill(folder, NEW)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        check_finished(folder)
        finished = True
    except InputError:
        finished = False
    seen = {{p.name: p.read_text() for p in folder.iterdir() if not p.name.startswith(".")}}
    print(json.dumps([status, finished, seen]))
    if status == 0:
        break
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process for each kill")
def test_a_kill_at_any_moment_leaves_the_old_the_new_or_no_page(tmp_path: Path) -> None:
    script = textwrap.dedent(KILLED).format(old=OLD, new=NEW)
    root = Path(package.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "sweep")],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found[-1] == [0, True, NEW]
    assert {status for status, _, _ in found[:-1]} == {-signal.SIGKILL}
    assert sum(not finished for _, finished, _ in found) > len(OLD) + len(NEW) - 2
    for _, finished, seen in found:
        if finished or "index.html" in seen:  # before anything moved, or after all did
            assert seen in (OLD, NEW)


@pytest.mark.parametrize(
    ("mode", "key"), [((), "hydra.run.dir"), (("-m",), "hydra.sweep.dir")], ids=["run", "sweep"]
)
def test_runs_are_refused_among_files_of_others_before_they_train(
    nnexp: Command, mode: tuple[str, ...], key: str
) -> None:
    Path("site").mkdir()
    Path("site/index.html").write_text("my home page")
    done = nnexp(*mode, *TINY, f"{key}=site")
    assert done.status == 2
    assert f"'index.html': give another folder with {key}=FOLDER" in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert content(Path("site")) == {"index.html": "my home page"}
    assert not Path("results").exists()


@pytest.mark.slow
def test_a_smaller_sweep_in_the_same_folder_leaves_no_figure_of_the_larger(
    nnexp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_only(monkeypatch, "loss", "cells")
    words = ("-m", *TINY, "hydra.sweep.dir=sweep", "hydra.launcher.workers=1")
    assert nnexp(*words, "init=xavier,zero", "lr=0.1,1", "seed=0,1").status == 0
    assert Path("sweep/cells.svg").is_file()
    assert nnexp(*words, "init=xavier").status == 0
    left = {path.name for path in Path("sweep").iterdir()}
    assert not {"cells.svg", "cells.csv", "cells.png", "effects.csv"} & left
    assert {"loss.svg", "runs.csv", "index.html"} <= left


def test_an_unfinished_sweep_is_not_read(quick: Command) -> None:
    words = ("init=xavier,zero", "hydra.sweep.dir=sweep", "hydra.launcher.workers=1")
    assert quick("-m", *TINY, *words).status == 0
    said = json.loads(Path("sweep", MARKER).read_text())
    Path("sweep", MARKER).write_text(json.dumps({**said, "finished": False}))
    with pytest.raises(InputError, match="'sweep' is incomplete because nnexp was stopped while"):
        package.load("sweep")
    assert report.main(["sweep", "--out", "page"]) == 2
    assert not Path("page").exists()


@pytest.mark.parametrize("place", [".", "tiny"])
def test_studies_are_refused_among_files_of_others_before_they_train(
    nnexp: Command, capfd: pytest.CaptureFixture[str], place: str
) -> None:
    Path("experiments").mkdir()
    Path("experiments/tiny.yaml").write_text(STUDY, "utf-8")
    folder = Path("mine", place)
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("my notes")
    assert reproduce.main(["tiny", "--results", "mine"]) == 2
    assert "'README.md': give another folder with --results FOLDER" in capfd.readouterr().err
    assert not Path("results").exists()
    assert report.main(["--results", "mine"]) == 2
    assert content(folder) == {"README.md": "my notes"}


STUDY = """\
# @package _global_
study:
  title: Even odds
  source: {D2: A document}
  question: Is it even?
  protocol: Computed.
  unstated: Nothing.
  explanation: It is.
  claims:
    - id: even
      row: D3.2
      statement: A softmax of equal logits is even.
      test: computed
      compute: softmax
      given: {logits: [1, 1]}
      published: {probabilities: [0.5, 0.5]}
      rounding: 0.0005
      expected: reproduced
"""


def test_calibration_is_refused_among_files_of_others(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("my notes")
    with pytest.raises(InputError, match="give another folder with --out FOLDER"):
        calibration.main(["--out", str(tmp_path)])


def test_the_committed_results_are_known_as_nnexp_s_own() -> None:
    results = ROOT / "results"
    markdown_report.check_places(reproduce.sound(), results)
    for name in ("demo", "calibration", "benchmarks"):
        check_folder(results / name)
