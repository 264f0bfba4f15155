"""The command line: parse, compose, run; and say what is wrong in one sentence."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NoReturn

from hydra import version
from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra._internal.utils import _run_hydra, create_automatic_config_search_path, get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nnexp import __version__
from nnexp.checks import MOST_DIGITS, TOO_LONG
from nnexp.config_source import NnexpSearchPath, NnexpSource, shipped
from nnexp.errors import InputError, SweepStopped, suggestion, unknown
from nnexp.interrupts import Terminated, terminable
from nnexp.launcher import check_overrides, composing
from nnexp.records import FAILED, Record
from nnexp.studio import studio

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
    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    args = parser.parse_intermixed_args(arguments)
    if args.help:
        from nnexp.help import text

        print(text())
        return 0
    for name in ("config_name", "config_path", "config_dir", "experimental_rerun"):
        if getattr(args, name):
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} is not for nnexp: put your own settings into experiments/")
    actions = ("multirun", "cfg", "info", "shell_completion")
    if sum(bool(getattr(args, name)) for name in actions) > 1:
        raise InputError("-m, --cfg, --info and --shell-completion exclude each other: give one")
    words = [override.partition("=")[0] for override in args.overrides]
    if args.shell_completion and not {"install", "uninstall", "query"}.intersection(words):
        raise InputError("--shell-completion needs install=bash or uninstall=bash (or zsh, fish)")
    set_up()
    if args.cfg or args.info or args.hydra_help or args.shell_completion:
        try:
            with composing(), _errors_raised():
                _run_hydra(args, parser, _task, str(shipped("conf")), "config")
        except SystemExit as end:  # it has said why
            return BAD_INPUT if end.code else 0
        return 0
    records = run(args.overrides, multirun=args.multirun)
    return int(any(record.status == FAILED for record in records))


@contextmanager
def _errors_raised() -> Iterator[None]:
    """Make Hydra raise its errors, which otherwise end the process."""
    before = os.environ.get(_FULL_ERROR)
    os.environ[_FULL_ERROR] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_FULL_ERROR]
        else:
            os.environ[_FULL_ERROR] = before


def refuse(message: str) -> NoReturn:
    """Take a command line that cannot be parsed for bad input."""
    raise InputError(f"{message}: see python -m nnexp --help")


def set_up() -> None:
    """Make nnexp's sources and resolvers known to Hydra."""
    version.setbase("1.3")
    OmegaConf.register_new_resolver("pid", os.getpid, replace=True)
    for plugin in (NnexpSource, NnexpSearchPath):
        Plugins.instance().register(plugin)


def run(overrides: Sequence[str], *, multirun: bool, collect: bool = True) -> list[Record]:
    """Compose ``overrides`` and run them: a sweep, or a single run (a sweep of one).

    The records are returned, and with ``collect`` written to a folder with plots and a page.
    """
    # To load the libraries that draw takes as long as all that comes before.
    with studio() if multirun and collect else nullcontext() as artist:
        search_path = create_automatic_config_search_path(None, None, str(shipped("conf")))
        GlobalHydra.instance().clear()
        hydra = Hydra.create_main_hydra2("nnexp", search_path)
        mode = f"hydra.mode={'MULTIRUN' if multirun else 'RUN'}"
        try:
            with composing():
                check_overrides(hydra.config_loader, overrides)
                words = [*overrides, mode]
                config = hydra.compose_config("config", words, RunMode.MULTIRUN, True)
                context = HydraContext(hydra.config_loader, Callbacks(config))
                sweeper = Plugins.instance().instantiate_sweeper(
                    config=config, hydra_context=context, task_function=_task
                )
            if not collect:
                sweeper.collects = False  # type: ignore[attr-defined]
            sweeper.artist = artist  # type: ignore[attr-defined]
            context.callbacks.on_multirun_start(config=config, config_name="config")
            records = sweeper.sweep(list(config.hydra.overrides.task))
            context.callbacks.on_multirun_end(config=config, config_name="config")
            # Another sweeper than nnexp's may return anything, or nothing.
            return [record for record in records or [] if isinstance(record, Record)]
        finally:
            GlobalHydra.instance().clear()


def _task(config: DictConfig) -> None:
    """Stand for the task function that Hydra asks for: nnexp's sweeper runs the jobs itself."""


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
