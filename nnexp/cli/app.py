"""The command line: parse, compose, run; and say what is wrong in one sentence."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from nnexp import __version__
from nnexp.cli.arguments import parse, parser
from nnexp.config.composition import composing, opened, prepared, set_up, show
from nnexp.errors import InputError, SweepStopped, suggestion, unknown
from nnexp.interrupts import Terminated, terminable
from nnexp.plotting.rendering import start_renderer
from nnexp.store.record import FAILED, Record
from nnexp.validation import MOST_DIGITS, TOO_LONG

STOPPED, BAD_INPUT, INTERRUPTED, TERMINATED = 1, 2, 130, 143
# Hydra's own switch: raise errors, traceback and all.
_FULL_ERROR = "HYDRA_FULL_ERROR"
# Characters of a message at most.
_LONGEST = 1000


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` and return its exit status.

    0 all well, 1 a run failed or the sweep could not go on, 2 bad input, 130 interrupted,
    143 terminated.
    """
    return guarded(_main, list(sys.argv[1:] if argv is None else argv))


def guarded(work: Callable[[list[str]], int], arguments: list[str]) -> int:
    """Return the exit status of a command's ``work``; what goes wrong is said in one sentence."""
    full_error = os.environ.get(_FULL_ERROR) == "1"
    try:
        with terminable():
            return work(arguments)
    except KeyboardInterrupt as signal:
        print(
            "interrupted; runs that had ended are in the store, and the same command goes on from "
            "there; those under way begin again",
            file=sys.stderr,
        )
        return TERMINATED if isinstance(signal, Terminated) else INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has had enough, as in "nnexp --help | head".
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SweepStopped as error:
        print(f"nnexp: {error}", file=sys.stderr)
        return STOPPED
    except (InputError, HydraException, OmegaConfBaseException, OSError) as error:
        if full_error:
            raise
        print(f"nnexp: {_printable(sentence(error))}", file=sys.stderr)
        return BAD_INPUT


def _main(arguments: list[str]) -> int:
    for word in arguments:
        if not word.isprintable():
            raise InputError(f"{word!r} holds a character that cannot be printed: leave it out")
        if re.search(TOO_LONG, word):
            raise InputError(f"{word} holds a number of more than {MOST_DIGITS} digits: shorten it")
    if "--version" in arguments:
        print(f"nnexp {__version__}")
        return 0
    options = parse(arguments)
    if options.help:
        from nnexp.cli.help import text

        print(text())
        return 0
    set_up()
    if options.cfg or options.info or options.hydra_help or options.shell_completion:
        try:
            with composing(), opened() as hydra:
                show(hydra, options, parser())
        except SystemExit as end:  # it has said why
            return BAD_INPUT if end.code else 0
        return 0
    records = run(options.overrides, multirun=options.multirun)
    return int(any(record.status == FAILED for record in records))


def run(overrides: Sequence[str], *, multirun: bool, collect: bool = True) -> list[Record]:
    """Compose ``overrides`` and run them: a sweep, or a single run (a sweep of one).

    The records are returned, and with ``collect`` written to a folder with plots and a page.
    """
    # To load the libraries that draw takes as long as all that comes before.
    with start_renderer() if multirun and collect else nullcontext() as renderer, opened() as hydra:
        with composing():
            config, sweeper, callbacks = prepared(hydra, overrides, multirun=multirun)
        if not collect:
            sweeper.collects = False  # type: ignore[attr-defined]
        sweeper.renderer = renderer  # type: ignore[attr-defined]
        callbacks.on_multirun_start(config=config, config_name="config")
        records = sweeper.sweep(list(config.hydra.overrides.task))
        callbacks.on_multirun_end(config=config, config_name="config")
        # Another sweeper than nnexp's may return anything, or nothing.
        return [record for record in records or [] if isinstance(record, Record)]


def sentence(error: Exception) -> str:
    """Return one clear sentence for an error of ours, of Hydra's or of the operating system."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        return str(unknown(group or "config", name, error.options or ()))
    cause = error.__cause__ if isinstance(error, ConfigCompositionException) else error
    key = getattr(cause, "full_key", None)
    node = getattr(cause, "parent_node", None)
    if key and isinstance(node, DictConfig):
        return _unknown_key(str(key), node)
    if isinstance(error, ConfigCompositionException) and "'experiments'" in str(error):
        return "experiments is no setting of its own: write +experiments=NAME, with -m"
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override!r} is no override: write key=value without spaces around =, every "
            f"bracket closed, and the value in quotes (key=\"'…'\") if it holds more than plain "
            f"letters, digits and _-+./:"
        )
    if isinstance(error, OSError):
        return f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
    return re.sub(r"\s*\n\s*", "; ", str(error).strip())


def _printable(text: str) -> str:
    """Return ``text`` as one line that any terminal can show, its middle left out if too long."""
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return line if len(line) < _LONGEST else f"{line[: _LONGEST // 2]} … {line[-_LONGEST // 2 :]}"


def _unknown_key(key: str, node: DictConfig) -> str:
    parent, _, name = key.rpartition(".")
    keys = [str(k) for k in node if k not in ("hydra", "name", "arms")]
    hint = suggestion(name, keys) or ":"
    if parent.startswith("hydra"):
        return f"unknown key {key!r}{hint} keys of {parent} are {', '.join(keys)}"
    if not parent:
        return f"unknown key {name!r}{hint} keys are {', '.join(keys)}"
    if not keys:
        return f"{parent}={node.get('name')} has no parameter {name!r}: it takes none"
    return f"{parent}={node.get('name')} has no parameter {name!r}{hint} it takes {', '.join(keys)}"
