"""All that is reported of a sweep, from its records, in this process or in one beside it.

Importing this module is quick: the libraries that it needs are loaded when they are used.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, NamedTuple

from nnexp.messages.language import current, language
from nnexp.plotting.rendering import can_fork, draw, forked

if TYPE_CHECKING:
    from nnexp.store.record import Record

# What a report needs, then what drawing needs, in the order in which it is loaded.
_LIBRARIES = (
    *("nnexp.reports.sweep_page", "nnexp.plotting.drawing_cache"),
    *("matplotlib.text", "matplotlib.figure", "nnexp.plotting.sweep_figures"),
    *("matplotlib.backends.backend_svg", "matplotlib.backends.backend_agg"),
)

# The largest number of arms to show on a terminal.
_MOST_SHOWN = 40


class SweepReport(NamedTuple):
    """The content of a sweep's folder by file name, and what the terminal shows of it.

    ``summary`` are the rows of ``summary.csv`` or, if there are very many ``arms``, the best of
    them; ``findings`` and ``remarks`` are sentences.
    """

    files: dict[str, str | bytes]
    summary: list[dict[Any, Any]]
    arms: int
    findings: list[str]
    remarks: list[str]


def sweep_report(records: Sequence[Record], command: str, chosen_by: str = "") -> SweepReport:
    """Return the report of ``records``; ``command`` is the line that made them.

    ``chosen_by`` is the sweeper of another package that chose their settings, if one did.
    """
    from nnexp.analysis.arms import best, compare
    from nnexp.analysis.effects import effects
    from nnexp.analysis.findings import findings, remarks
    from nnexp.plotting.drawing_cache import kept
    from nnexp.reports import sweep_page
    from nnexp.store.record import csv_files
    from nnexp.store.tables import tables, trials

    comparison = compare(*tables(records), trials(records))
    found = effects(comparison)
    rendered = kept(records, lambda: draw(comparison, records))
    files = sweep_page.page_files(
        comparison,
        found,
        rendered,
        csv_files(records),
        command=command,
        records=records,
        chosen_by=chosen_by,
    )
    shown = best(comparison.summary, _MOST_SHOWN).to_dict("records")
    return SweepReport(
        files,
        shown,
        len(comparison.summary),
        findings(found.translated, comparison.at_best),
        remarks(comparison, found),
    )


class ReportProcess:
    """A process that loads libraries while this one trains, and then makes the report."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def report(
        self, records: Sequence[Record], command: str, chosen_by: str = ""
    ) -> SweepReport | None:
        """Return the `sweep_report` of ``records``, or ``None`` if the process died."""
        try:
            self._connection.send((current(), list(records), command, chosen_by))
            made: SweepReport = self._connection.recv()
        except (EOFError, ConnectionError):
            return None
        return made


@contextmanager
def report_process() -> Iterator[ReportProcess | None]:
    """Run a `ReportProcess` inside the block; ``None`` where the system cannot fork this one."""
    if not can_fork():
        yield None
        return
    parent_end, child_end = multiprocessing.get_context("fork").Pipe()

    def serve() -> None:
        parent_end.close()  # so that this process ends with its parent
        gc.disable()  # it would cost a tenth of the time of a process that soon ends
        with suppress(EOFError, ConnectionError):
            for name in _LIBRARIES:
                if not child_end.poll():  # figures that are kept need no library to draw them
                    importlib.import_module(name)
            tongue, *about = child_end.recv()
            with language(tongue):
                child_end.send(sweep_report(*about))

    process = forked(serve)
    child_end.close()
    try:
        yield ReportProcess(parent_end)
    finally:
        parent_end.close()
        process.kill()
        process.join()
