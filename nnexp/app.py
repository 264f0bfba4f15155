"""The command line: parse, compose, run; and say what is wrong in one sentence."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from hydra import version
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
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nnexp import __version__
from nnexp.config_source import NnexpSearchPath, NnexpSource, shipped
from nnexp.errors import InputError, suggestion, unknown
from nnexp.launcher import check_overrides
from nnexp.records import FAILED, Record

BAD_INPUT, INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` and return its exit status.

    0 all well, 1 a run failed, 2 bad input, 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _main(arguments)
    except KeyboardInterrupt:
        print(
            "interrupted; what was finished is in the store: the same command goes on from there",
            file=sys.stderr,
        )
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has had enough, as in "nnexp --help | head".
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (InputError, HydraException, OmegaConfBaseException, OSError) as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        print(f"nnexp: {sentence(error)}", file=sys.stderr)
        return BAD_INPUT


def _main(arguments: list[str]) -> int:
    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    args = parser.parse_intermixed_args(arguments)
    if args.help:
        from nnexp.help import text

        print(text())
        return 0
    if "--version" in arguments:
        print(f"nnexp {__version__}")
        return 0
    set_up()
    if args.cfg or args.info or args.hydra_help or args.shell_completion:
        os.environ.setdefault("HYDRA_FULL_ERROR", "1")
        _run_hydra(args, parser, _task, str(shipped("conf")), "config")
        return 0
    records = run(args.overrides, multirun=args.multirun)
    return int(any(record.status == FAILED for record in records))


def _refuse(message: str) -> NoReturn:
    raise InputError(f"{message}: see python -m nnexp --help")


def set_up() -> None:
    """Make nnexp's sources and resolvers known to Hydra."""
    version.setbase("1.3")
    OmegaConf.register_new_resolver("pid", os.getpid, replace=True)
    for plugin in (NnexpSource, NnexpSearchPath):
        Plugins.instance().register(plugin)


def run(overrides: Sequence[str], *, multirun: bool) -> list[Record]:
    """Compose ``overrides`` and run them: a sweep, or a single run (a sweep of one)."""
    search_path = create_automatic_config_search_path(None, None, str(shipped("conf")))
    GlobalHydra.instance().clear()
    hydra = Hydra.create_main_hydra2("nnexp", search_path)
    mode = "MULTIRUN" if multirun else "RUN"
    try:
        check_overrides(hydra.config_loader, overrides)
        records = hydra.multirun("config", _task, [*overrides, f"hydra.mode={mode}"])
    finally:
        GlobalHydra.instance().clear()
    return list(records)


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
    if isinstance(error, OverrideParseException):
        return f"{error.override!r} is no override: write key=value (quote spaces and commas)"
    if isinstance(error, OSError):
        return f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
    return re.sub(r"\s*\n\s*", "; ", str(error).strip())


def _unknown_key(key: str, node: DictConfig) -> str:
    parent, _, name = key.rpartition(".")
    keys = [str(k) for k in node if k not in ("hydra", "name", "arms")]
    hint = suggestion(name, keys) or ":"
    if not parent:
        return f"unknown key {name!r}{hint} keys are {', '.join(keys)}"
    if not keys:
        return f"{parent}={node.get('name')} has no parameter {name!r}: it takes none"
    return f"{parent}={node.get('name')} has no parameter {name!r}{hint} it takes {', '.join(keys)}"
