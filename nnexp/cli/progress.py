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

from nnexp.analysis.names import arm_words, counted_words, status_words
from nnexp.cli.notebook_cell import Cell
from nnexp.cli.terminal import terminal
from nnexp.messages.language import current, language, tr
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
        self.language = current()
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
            TextColumn(tr("elapsed,")),
            TimeRemainingColumn(),
            TextColumn(tr("remaining")),
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
            self.say(tr("{n} of {total} already in the store", n=len(reused), total=total))
        for record in reused:
            self._count(record)

    def evaluated(self, job: Job, evaluation: Evaluation) -> None:
        """Show the latest evaluation of a run."""
        metrics = evaluation.metrics
        self.moment = tr(
            "epoch {epoch}, step {step}: test accuracy {accuracy}, loss {loss}",
            epoch=f"{evaluation.epoch:.4g}",
            step=evaluation.step,
            accuracy=f"{metrics['test_accuracy']:.4f}",
            loss=f"{metrics['test_loss']:.4f}",
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
            self.say(self._status_after(now))

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
        parts = [tr("{n} of {total} done", n=self.done, total=self.total)]
        parts += [tr("{n} running", n=self.running)] if self.running else []
        counts = {DIVERGED: self.diverged, FAILED: self.failed}
        parts += [counted_words(status, n) for status, n in counts.items() if n]
        return ", ".join([*parts, tr("{n} left", n=left)])

    def _status_after(self, now: float) -> str:
        seconds = f"{now - self.started_at:.0f}"
        return tr("{status} after {seconds} s", status=self._status(), seconds=seconds)

    def _show(self, every: float = 0.0) -> None:
        """Update the display of a notebook, if the last update is ``every`` seconds ago."""
        now = time.monotonic()
        if self.cell is not None and now - self.logged_at >= every:
            self.logged_at = now
            lines = [self._status_after(now), *map(", ".join, self._means()), self.moment]
            self.cell.show(self.done, self.total, list(filter(None, lines)))

    def _means(self) -> Iterator[tuple[str, str, str]]:
        """Yield the last arms and their mean test accuracies so far."""
        known = [(label, scores) for label, scores in self.scores.items() if scores]
        for label, scores in known[-_ARMS_SHOWN:]:
            mean = sum(scores) / len(scores)
            yield label, tr("test accuracy {mean}", mean=f"{mean:.4f}"), f"n = {len(scores)}"

    def _render(self) -> Group:
        table = Table(box=None, show_header=False, pad_edge=False)
        with language(self.language):  # rich calls this in a thread of its own
            self.progress.update(self.task, completed=self.done, description=self._status())
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
    table.add_column(tr("arm"), overflow="fold")
    for name in (tr("test accuracy"), tr("test loss"), tr("seconds")):
        table.add_column(name, justify="right")
    table.add_column(tr("status"))
    for row in made.summary:
        counts = {status: row[status] for status in (FINISHED, DIVERGED, FAILED)}
        several = row["runs"] > 1
        status = ", ".join(
            counted_words(k, n) if several else status_words(k) for k, n in counts.items() if n
        )
        scored = row["runs"] > row[FAILED]
        cells = [
            _with_std(row, "test_accuracy", ".4f"),
            _with_std(row, "test_loss", ".4g"),
            f"{row['seconds_median']:.2f}",
        ]
        table.add_row(arm_words(row["arm"]), *(cells if scored else ["", "", ""]), status)
    console.print(table)
    if len(made.summary) < made.arms:
        line = tr(
            "the {shown} of {arms} arms with the highest test accuracy; the others are in "
            "summary.csv",
            shown=len(made.summary),
            arms=made.arms,
        )
        console.print(line, style="dim")
    if any(row["runs"] > 1 for row in made.summary):
        line = tr("mean ± standard deviation over seeds; median seconds of training")
        console.print(line, style="dim")
    for finding in made.findings[:_FINDINGS_SHOWN]:
        console.print(tr("found   {finding}", finding=finding), soft_wrap=True)
    if len(made.findings) > _FINDINGS_SHOWN:
        more = len(made.findings) - _FINDINGS_SHOWN
        console.print(tr("        and {number} more, on the page", number=more))
    for remark in made.remarks:
        console.print(tr("note    {remark}", remark=remark), soft_wrap=True)
    failed = [record for record in records if record.status == FAILED]
    place = "" if str(store) == "results/runs" else f" --store {store}"
    for record in failed[:_FAILURES_SHOWN]:
        last = (record.error or "").strip().splitlines()[-1]
        show = f"python -m nnexp.runs show{place} {record.run_id}"
        for line in (
            tr("failed: {run}: {reason}", run=record.run_id, reason=last),
            tr("  details: {command}", command=show),
        ):
            console.print(line, style="red", soft_wrap=True)
    if len(failed) > _FAILURES_SHOWN:
        show = f"python -m nnexp.runs list{place} status=failed"
        more = len(failed) - _FAILURES_SHOWN
        line = tr("failed: {number} more runs; all: {command}", number=more, command=show)
        console.print(line, style="red", soft_wrap=True)
    plots = [path.stem for path in written if path.suffix == ".png"]
    tables = [path.name for path in written if path.suffix == ".csv" and path.stem not in plots]
    for line in (
        tr("page    {file}", file=f"{written[0].parent}/index.html"),
        tr("tables  {names}", names=" ".join(tables)),
        tr("plots   {names} (each .png .svg .csv)", names=" ".join(plots))
        if plots
        else tr("plots   none"),
        tr("runs    {folder}", folder=f"{store}/"),
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
                line = tr("{count} of {total} {done}", count=count, total=len(items), done=done)
                if console.is_terminal:
                    status.update(line)
                    status.start()
                else:
                    console.print(line, highlight=False)
    finally:
        status.stop()
