"""What the tests share: a folder of their own to run in, and the command line in this process."""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nnexp.process.startup import COLLECTED
from nnexp.process.threads import ONE_THREAD
from tests import ROOT


def pytest_configure() -> None:
    os.environ.update(ONE_THREAD)
    # As in a command: collections at every 700 objects take a twentieth of the time.
    gc.set_threshold(COLLECTED)


@pytest.fixture(scope="session", autouse=True)
def nothing_waits_for_a_disk() -> Iterator[None]:
    """Leave out syncs in this process, which take longer than all else that writes a record.

    Tests of the order of syncs count them, and those that cut the power run in other processes.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(autouse=True)
def own_drawings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the drawings of a test from other tests, as some draw only a part of the figures."""
    folder = functools.cache(lambda: tmp_path_factory.mktemp("drawings"))
    monkeypatch.setattr("nnexp.data.cache.drawings", folder)


class Outcome(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


Command = Callable[..., Outcome]


def first_of_each_kind(cases: Mapping[str, Sequence[tuple[Any, ...]]]) -> list[Any]:
    """Return the parameters of a test: the quick suite has the first of each kind."""
    return [
        pytest.param(*case, id=f"{kind} {i}", marks=[pytest.mark.slow] if i else [])
        for kind, own in cases.items()
        for i, case in enumerate(own)
    ]


@pytest.fixture
def nnexp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Run ``python -m nnexp`` with these words, in an empty folder."""
    from nnexp.cli import app

    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Outcome:
        capfd.readouterr()
        status = app.main(list(words))
        return Outcome(status, *capfd.readouterr())

    return run


def without_pages(patch: pytest.MonkeyPatch) -> None:
    """Have sweeps end with their tables alone, without the page and its slow plots."""
    patch.setattr(
        "nnexp.reports.sweep_page.page_files",
        lambda comparison, found, rendered, tables, **words: dict(tables),
    )
    patch.setattr("nnexp.plotting.drawing_cache.kept", lambda records, draw: None)
    patch.setattr("nnexp.cli.app.report_process", nullcontext)


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have studies end with their tables, without the report, which takes longer."""
    report = "nnexp.studies.markdown_report.write_report"
    monkeypatch.setattr(report, lambda studies, results: results)


@pytest.fixture
def quick(nnexp: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run ``python -m nnexp`` as `nnexp` does, but without pages."""
    without_pages(monkeypatch)
    return nnexp


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Open a pseudo-terminal: the descriptor to read from, and the one a command writes to."""
    if not hasattr(os, "openpty"):
        pytest.skip("this system has no pseudo-terminals")
    try:
        ends = os.openpty()
    except OSError as error:
        pytest.skip(f"this machine has no pseudo-terminals ({error})")
    yield ends
    for end in ends:
        os.close(end)


def draw_only(patch: pytest.MonkeyPatch, *names: str) -> None:
    """Draw only these figures of sweeps."""
    from nnexp.plotting import sweep_figures

    every = sweep_figures.figures
    patch.setattr(
        sweep_figures,
        "figures",
        lambda *how: {name: draw for name, draw in every(*how).items() if name in names},
    )


@pytest.fixture
def one_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the first figure of a sweep alone, in tests of what stands beside the figures."""
    from nnexp.plotting import sweep_figures

    every = sweep_figures.figures
    monkeypatch.setattr(sweep_figures, "figures", lambda *how: dict([*every(*how).items()][:1]))


@pytest.fixture(scope="session")
def known_studies() -> Callable[..., object]:
    """Return `read_study`, which reads each of nnexp's own studies once."""
    from nnexp.studies.reader import read_study

    once = functools.cache(read_study)
    shipped = ROOT / "experiments"

    def read(file: Path, name: str = "") -> object:
        return once(file, name) if shipped in file.parents else read_study(file, name)

    return read
