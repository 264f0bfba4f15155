"""What a terminal shows of a sweep that has ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nnexp.cli.progress import conclude
from nnexp.reports.sweep_report import SweepReport, sweep_report
from nnexp.store.record import Record
from nnexp.training.execute import blank, execute
from tests.store.test_store import DEFAULTS, config


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have reports without figures and page."""
    monkeypatch.setattr("nnexp.plotting.drawing_cache.kept", lambda records, draw: None)
    monkeypatch.setattr("nnexp.reports.sweep_page.page_files", lambda *tables, **words: {})


def shown(made: SweepReport, records: list[Record], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what is printed of a sweep."""
    conclude(made, records, Path("results/runs"), [Path("out/runs.csv")])
    return capsys.readouterr().out


@pytest.mark.usefixtures("no_page")
def test_of_very_many_arms_the_best_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = execute(DEFAULTS)
    records = [
        replace(
            run,
            run_id=f"run-{i}",
            columns={**run.columns, "lr": i},
            metrics=[{**run.metrics[-1], "test_accuracy": i / 1000}],
        )
        for i in range(1, 101)
    ]
    text = shown(sweep_report(records, ""), records, capsys)
    lines = [line for line in text.splitlines() if line.startswith("lr ")]
    assert [line.split()[1] for line in lines] == [str(i) for i in range(100, 60, -1)]
    assert "the 40 of 100 arms with the highest test accuracy; the others are in summary" in text
    text = shown(sweep_report(records[:40], ""), records[:40], capsys)
    assert text.count("\nlr ") == 40
    assert "the others" not in text


@pytest.mark.usefixtures("no_page")
def test_of_very_many_failed_runs_the_first_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    failed = replace(blank(config()), error="ZeroDivisionError: planted")
    records = [replace(failed, run_id=f"run-{i}") for i in range(25)]
    text = shown(sweep_report(records, ""), records, capsys)
    assert text.count("ZeroDivisionError: planted") == 10
    assert "failed: 15 more runs; all: python -m nnexp.runs list status=failed" in text
