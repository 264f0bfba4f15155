"""What the tests share: a folder of their own to run in, and the command line in this process."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import pytest

from nnexp.store.folders import fill
from nnexp.threads import ONE_THREAD


def pytest_configure() -> None:
    import os

    os.environ.update(ONE_THREAD)


class Outcome(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def nnexp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Run ``python -m nnexp`` with these words, in an empty folder."""
    from nnexp.cli import app

    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Outcome:
        monkeypatch.setattr("sys.argv", ["nnexp", *words])
        capfd.readouterr()
        status = app.main(list(words))
        return Outcome(status, *capfd.readouterr())

    return run


@pytest.fixture
def quick(nnexp: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run ``python -m nnexp`` as `nnexp` does, but without the page and its slow plots."""
    monkeypatch.setattr(
        "nnexp.reports.sweep_page.write_page",
        lambda folder, comparison, tables, **words: fill(folder, tables),
    )
    monkeypatch.setattr("nnexp.cli.app.start_renderer", nullcontext)
    return nnexp
