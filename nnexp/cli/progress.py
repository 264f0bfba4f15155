"""Progress of a sweep on the terminal, and the summary after it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from rich.console import Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from nnexp.cli.notebook_cell import Cell
from nnexp.cli.terminal import terminal
from nnexp.reports.sweep_report import SweepReport
from nnexp.store.record import DIVERGED, FAILED, FINISHED, Record
from nnexp.sweeps.jobs import Job
from nnexp.training.trainer import Evaluation

T = TypeVar("T")

# Findings printed below the table.
_FINDINGS_SHOWN = 3
# Failed runs listed below it, each in two lines.
_FAILURES_SHOWN = 10
# Seconds between lines if standard error is not a terminal.
_LOG_EVERY = 10.0
# Seconds between updates of a status line on a terminal.
_SHOW_EVERY = 1.0
# The largest number of arms shown live.
_ARMS_SHOWN = 12


class Display:
    """Live progress on a terminal or in a notebook, otherwise a line every few seconds.

    The live display shows the number of runs done, running, failed and left, the elapsed and
    remaining time, and each arm's mean test accuracy so far.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.console = terminal(stderr=True)
        self.labels = {job.run_id: job.label for job in jobs}
        self.scores: dict[str, list[float]] = {job.label: [] for job in jobs}
        self.total = len(jobs)
        self.done = self.failed = self.diverged = self.running = 0
        self.started_at = self.logged_at = time.monotonic()
        self.moment = ""
        columns = (
            BarColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            TextColumn("elapsed,"),
            TimeRemainingColumn(),
            TextColumn("remaining"),
        )
        self.progress = Progress(*columns, console=self.console)
        self.task = self.progress.add_task("", total=self.total)
        self.live = Live(console=self.console, get_renderable=self._render, transient=True)
        self.cell = Cell() if self.console.is_jupyter else None

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self.live.start()
        self._show()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.console.is_terminal:
            self.live.stop()
        self.running = 0
        self._show()

    def started(self, total: int, reused: Sequence[Record]) -> None:
        """Print and count the runs that are already in the store."""
        if reused:
            self.say(f"{len(reused)} of {total} already in the store")
        for record in reused:
            self._count(record)

    def evaluated(self, job: Job, evaluation: Evaluation) -> None:
        """Show the latest evaluation of a run."""
        metrics = evaluation.metrics
        self.moment = (
            f"epoch {evaluation.epoch:.4g}, step {evaluation.step}: "
            f"test accuracy {metrics['test_accuracy']:.4f}, loss {metrics['test_loss']:.4f}"
        )
        if self.total == 1 and self.cell is None:
            self.say(self.moment)
        elif self.total > 1:
            self.moment = f"{job.label}, {self.moment}"
        self._show(_SHOW_EVERY)

    def recorded(self, record: Record) -> None:
        """Count a finished run."""
        self._count(record)

    def noted(self, message: str) -> None:
        """Print a message."""
        self.say(message)

    def tick(self, running: int) -> None:
        """Update the number of running jobs; without a terminal, log every few seconds."""
        self.running = running
        now = time.monotonic()
        if self.cell is not None or self.console.is_terminal:
            self._show(_SHOW_EVERY)
        elif self.total > 1 and now - self.logged_at > _LOG_EVERY:
            self.logged_at = now
            self.say(f"{self._status()} after {now - self.started_at:.0f} s")

    def say(self, line: str) -> None:
        """Print a line above the live display."""
        self.console.print(line, soft_wrap=True)

    def _count(self, record: Record) -> None:
        self.done += 1
        self.failed += record.status == FAILED
        self.diverged += record.status == DIVERGED
        if record.status != FAILED:
            label = self.labels[record.run_id]
            self.scores[label].append(record.metrics[-1]["test_accuracy"])

    def _status(self) -> str:
        left = self.total - self.done - self.running
        counts = {"running": self.running, "diverged": self.diverged, "failed": self.failed}
        parts = [f"{count} {name}" for name, count in counts.items() if count]
        return ", ".join([f"{self.done} of {self.total} done", *parts, f"{left} left"])

    def _show(self, every: float = 0.0) -> None:
        """Update the display of a notebook, if the last update is ``every`` seconds ago."""
        now = time.monotonic()
        if self.cell is not None and now - self.logged_at >= every:
            self.logged_at = now
            status = f"{self._status()} after {now - self.started_at:.0f} s"
            lines = map(", ".join, self._means())
            self.cell.show(self.done, self.total, [status, *filter(None, [*lines, self.moment])])

    def _means(self) -> Iterator[tuple[str, str, str]]:
        """Yield the last arms and their mean test accuracies so far."""
        known = [(label, scores) for label, scores in self.scores.items() if scores]
        for label, scores in known[-_ARMS_SHOWN:]:
            mean = sum(scores) / len(scores)
            yield label, f"test accuracy {mean:.4f}", f"n = {len(scores)}"

    def _render(self) -> Group:
        self.progress.update(self.task, completed=self.done, description=self._status())
        table = Table(box=None, show_header=False, pad_edge=False)
        for row in self._means():
            table.add_row(*row)
        return Group(table, self.moment, self.progress)


def conclude(
    made: SweepReport,
    records: Sequence[Record],
    store: Path,
    written: Sequence[Path],
) -> None:
    """Print a table with one row per arm, the findings, failed runs and written files."""
    console = terminal(width=None if sys.stdout.isatty() else 100)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("arm", overflow="fold")
    for name in ("test accuracy", "test loss", "seconds", "status"):
        table.add_column(name, justify="left" if name == "status" else "right")
    for row in made.summary:
        counts = [(row[k], k) for k in (FINISHED, DIVERGED, FAILED)]
        several = row["runs"] > 1
        status = ", ".join(f"{n} {k}" if several else k for n, k in counts if n)
        scored = row["runs"] > row[FAILED]
        cells = [
            _with_std(row, "test_accuracy", ".4f"),
            _with_std(row, "test_loss", ".4g"),
            f"{row['seconds_median']:.2f}",
        ]
        table.add_row(str(row["arm"]), *(cells if scored else ["", "", ""]), status)
    console.print(table)
    if len(made.summary) < made.arms:
        console.print(
            f"the {len(made.summary)} of {made.arms} arms with the highest test accuracy; "
            f"the others are in summary.csv",
            style="dim",
        )
    if any(row["runs"] > 1 for row in made.summary):
        console.print(
            "mean ± standard deviation over seeds; median seconds of training", style="dim"
        )
    for finding in made.findings[:_FINDINGS_SHOWN]:
        console.print(f"found   {finding}", soft_wrap=True)
    if len(made.findings) > _FINDINGS_SHOWN:
        console.print(f"        and {len(made.findings) - _FINDINGS_SHOWN} more, on the page")
    for remark in made.remarks:
        console.print(f"note    {remark}", soft_wrap=True)
    failed = [record for record in records if record.status == FAILED]
    place = "" if str(store) == "results/runs" else f" --store {store}"
    for record in failed[:_FAILURES_SHOWN]:
        last = (record.error or "").strip().splitlines()[-1]
        show = f"python -m nnexp.runs show{place} {record.run_id}"
        for line in (f"failed: {record.run_id}: {last}", f"  details: {show}"):
            console.print(line, style="red", soft_wrap=True)
    if len(failed) > _FAILURES_SHOWN:
        show = f"python -m nnexp.runs list{place} status=failed"
        line = f"failed: {len(failed) - _FAILURES_SHOWN} more runs; all: {show}"
        console.print(line, style="red", soft_wrap=True)
    plots = [path.stem for path in written if path.suffix == ".png"]
    tables = [path.name for path in written if path.suffix == ".csv" and path.stem not in plots]
    for line in (
        f"page    {written[0].parent}/index.html",
        f"tables  {' '.join(tables)}",
        f"plots   {' '.join(plots)} (each .png .svg .csv)" if plots else "plots   none",
        f"runs    {store}/",
    ):
        console.print(line, soft_wrap=True)


def _with_std(row: Mapping[Any, Any], score: str, style: str) -> str:
    mean, std = row[f"{score}_mean"], row[f"{score}_std"]
    return f"{mean:{style}}" + (f" ± {std:.2g}" if std == std else "")


def followed(items: Sequence[T], done: str) -> Iterator[T]:
    """Yield ``items`` and, if this takes long, show how many are ``done``.

    A status line is updated on a terminal; otherwise a line is printed every few seconds.
    """
    console, shown_at = terminal(stderr=True), time.monotonic()
    every = _SHOW_EVERY if console.is_terminal else _LOG_EVERY
    status = console.status("")
    try:
        for count, item in enumerate(items, 1):
            yield item
            now = time.monotonic()
            if now - shown_at > every:
                shown_at = now
                line = f"{count} of {len(items)} {done}"
                if console.is_terminal:
                    status.update(line)
                    status.start()
                else:
                    console.print(line, highlight=False)
    finally:
        status.stop()
