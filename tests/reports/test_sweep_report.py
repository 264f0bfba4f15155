"""The report in a process beside this one: the same files, and no process is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nnexp.plotting import sweep_figures
from nnexp.plotting.picture import Picture
from nnexp.reports.sweep_report import report_process, sweep_report
from nnexp.store.record import Record
from nnexp.training.execute import execute
from tests import ROOT
from tests.store.test_store import DEFAULTS

needs_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork"
)


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """Two runs of one arm and one of another."""
    return [execute({**DEFAULTS, **s}) for s in ({"seed": 0}, {"seed": 1}, {"init": "zero"})]


@pytest.fixture
def three_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw three figures: two in one process and one in another."""
    every = sweep_figures.figures
    monkeypatch.setattr(sweep_figures, "figures", lambda c: dict([*every(c).items()][:3]))


@needs_fork
@pytest.mark.usefixtures("three_figures")
@pytest.mark.slow
def test_it_reports_what_is_reported_here(records: list[Record]) -> None:
    with report_process() as process:
        assert process is not None
        made = process.report(records, "a command")
    here = sweep_report(records, "a command")
    assert made is not None
    assert made.files == here.files
    assert [name for name in made.files if name.endswith(".png")] == [
        *("loss.png", "accuracy.png", "final.png", "regions.png")
    ]
    assert list(made.files)[-1] == "index.html"
    assert [row["arm"] for row in made.summary] == ["xavier", "zero"]
    assert made.findings == here.findings
    assert multiprocessing.active_children() == []


@needs_fork
def test_a_lost_process_reports_nothing(records: list[Record]) -> None:
    with report_process() as process:
        assert process is not None
        (child,) = multiprocessing.active_children()
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        assert process.report(records, "") is None


@needs_fork
def test_an_error_there_reports_nothing(
    records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Picture:
        raise RuntimeError("planted")

    monkeypatch.setattr(sweep_figures, "figures", lambda _: {"planted": fail})
    with report_process() as process:
        assert process is not None
        assert process.report(records, "") is None
    assert multiprocessing.active_children() == []


@needs_fork
def test_it_ends_though_nothing_was_ordered_and_never_hears_of_ctrl_c() -> None:
    with report_process():
        (child,) = multiprocessing.active_children()
        os.kill(child.pid or 0, signal.SIGINT)
        child.join(0.3)
        assert child.is_alive()
    assert multiprocessing.active_children() == []


def test_there_is_none_where_threads_forbid_to_fork() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with report_process() as process:
            assert process is None
    finally:
        done.set()
        thread.join()


def loaded(code: str) -> set[str]:
    """Return the modules loaded by ``code``, in a process of its own, that cost most to load."""
    slow = "{'numpy', 'pandas', 'hydra', 'rich', 'matplotlib', 'matplotlib.figure'}"
    code += f"\nimport sys\nprint(*{slow} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {*done.stdout.splitlines()[-1].split()}


def test_help_loads_no_library_that_is_slow_to_load() -> None:
    assert loaded("from nnexp.cli.app import main; main(['--help'])") == set()


@pytest.mark.slow
@needs_fork
def test_a_run_loads_no_library_of_its_report(tmp_path: Path) -> None:
    words = ["data=xor", "steps=1", f"store={tmp_path}/runs", f"out={tmp_path}/out"]
    code = f"from nnexp.cli.app import main; main({words})"
    assert loaded(code) == {"numpy", "hydra", "rich"}


@pytest.mark.slow
def test_figures_that_are_kept_need_no_library_to_draw_them(
    records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NNEXP_CACHE", str(tmp_path))
    code = """
from nnexp.reports.sweep_report import sweep_report
from nnexp.training.execute import execute
from tests.store.test_store import DEFAULTS
record = execute({**DEFAULTS, "steps": 1, "epochs": None})
record.seconds = 0.0
for row in record.metrics:
    row["seconds"] = 0.0
made = sweep_report([record], "")
assert "loss.png" in made.files and "index.html" in made.files
"""
    assert "matplotlib.figure" in loaded(code)
    assert "matplotlib.figure" not in loaded(code)
