"""The command ``python -m nnexp``, which composes the settings and runs them.

What needs Hydra or NumPy is imported when it is used: ``--help`` is quick, and the process that
makes the report is started before them.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnexp import __version__
from nnexp.cli.arguments import parse, parser
from nnexp.cli.guard import BAD_INPUT, RESUMABLE, guarded
from nnexp.errors import InputError
from nnexp.messages.language import language, read_language
from nnexp.reports.sweep_report import ReportProcess, report_process
from nnexp.validation import MOST_DIGITS, TOO_LONG

if TYPE_CHECKING:
    from nnexp.store.record import Record
    from nnexp.store.store import Store
    from nnexp.sweeps.jobs import Job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` and return its exit status.

    0: success; 1: a run failed, or the sweep had to stop; 2: invalid input; 130: interrupted;
    143: terminated.
    """
    return guarded(_main, list(sys.argv[1:] if argv is None else argv), RESUMABLE)


def _main(arguments: list[str]) -> int:
    check_characters(arguments)
    if "--version" in arguments:
        print(f"nnexp {__version__}")
        return 0
    options = parse(arguments)
    if options.help:
        from nnexp.cli.help import text

        print(text())
        return 0
    if options.cfg or options.info or options.hydra_help or options.shell_completion:
        return _show(options)
    # Loading the libraries of the report is slow, so another process does it in the meantime.
    with report_process() as process:
        from nnexp.cli.wrong_guesses import check_guesses
        from nnexp.config.composition import set_up
        from nnexp.store.record import FAILED

        set_up()
        check_guesses(options.overrides, multirun=options.multirun)
        records = run(options.overrides, multirun=options.multirun, process=process)
        return int(any(record.status == FAILED for record in records))


def _show(options: argparse.Namespace) -> int:
    """Print what Hydra's flags ask for, and return the exit status."""
    from nnexp.config.composition import composing, opened, set_up, show

    set_up()
    try:
        with composing(), opened() as hydra:
            show(hydra, options, parser())
    except SystemExit as end:  # Hydra has printed the reason
        return BAD_INPUT if end.code else 0
    return 0


def check_characters(words: Sequence[str]) -> None:
    """Refuse words that no setting can hold.

    Raises
    ------
    InputError
        For the first word with an unprintable character, or a number of too many digits.
    """
    for word in words:
        if not word.isprintable():
            raise InputError(f"{word!r} contains an unprintable character: remove it")
        if re.search(TOO_LONG, word):
            raise InputError(
                f"{word} contains a number of more than {MOST_DIGITS} digits: shorten it"
            )


def run(
    overrides: Sequence[str],
    *,
    multirun: bool,
    collect: bool = True,
    process: ReportProcess | None = None,
) -> list[Record]:
    """Compose ``overrides``, run the sweep or the single run, and return the records.

    With ``collect``, also write a folder with tables, plots and a page, which a ``process`` makes
    if one is given.
    """
    from nnexp.cli.search import Trials, search
    from nnexp.config.composition import composing, opened, prepared

    trials = Trials()
    command = shlex.join(["python", "-m", "nnexp", *(["-m"] if multirun else []), *overrides])
    with opened() as hydra:
        with composing():
            config, sweeper, callbacks = prepared(hydra, overrides, trials, multirun=multirun)
        with language(read_language(config.lang)):
            callbacks.on_multirun_start(config=config, config_name="config")
            if hasattr(sweeper, "collects"):
                sweeper.collects = collect
                sweeper.command = command  # type: ignore[attr-defined]
                sweeper.process = process  # type: ignore[attr-defined]
                records: list[Record] = sweeper.sweep(list(config.hydra.overrides.task))
            else:
                records = search(
                    sweeper, trials, config, collects=collect, command=command, process=process
                )
            callbacks.on_multirun_end(config=config, config_name="config")
        return records


def plan(overrides: Sequence[str]) -> tuple[list[Job], Store]:
    """Return the jobs of a sweep, without running them, and the store of its runs.

    Raises
    ------
    InputError
        For any invalid point.
    """
    from nnexp.cli.search import Trials
    from nnexp.config.composition import composing, opened, prepared
    from nnexp.store.store import Store

    with opened() as hydra:
        with composing():
            config, sweeper, _ = prepared(hydra, overrides, Trials(), multirun=True)
        own: Any = sweeper
        return own.plan(list(config.hydra.overrides.task)), Store(Path(config["store"]))


def check(overrides: Sequence[str]) -> None:
    """Refuse invalid ``overrides`` of the store or the launcher.

    Raises
    ------
    InputError
        For the first invalid override.
    """
    from nnexp.cli.search import Trials
    from nnexp.config.composition import composing, opened, prepared

    with composing(), opened() as hydra:
        sweeper: Any = prepared(hydra, overrides, Trials(), multirun=True)[1]
        sweeper.check()
