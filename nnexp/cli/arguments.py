"""Command-line parsers that raise `InputError`, and the flags of ``python -m nnexp``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from nnexp.errors import InputError
from nnexp.messages.language import ENGLISH, read_language

# Hydra's flags that do not apply to nnexp, with their short forms.
_OTHERS = {
    "--config-path": "-cp",
    "--config-name": "-cn",
    "--config-dir": "-cd",
    "--experimental-rerun": None,
}
_SETTINGS = ("job", "hydra", "all")
_FACTS = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


class Parser(argparse.ArgumentParser):
    """A parser that raises `InputError` for an invalid command line."""

    def error(self, message: str) -> NoReturn:
        """Raise an `InputError` instead of exiting."""
        raise InputError(f"{message}: see {self.prog} --help")


def with_store(arguments: Sequence[str]) -> list[str]:
    """Return the command line with ``store=FOLDER`` replaced by ``--store FOLDER``.

    Raises
    ------
    InputError
        If no folder is given, or more than one.
    """
    key, flag = "store=", "--store"
    words = [word for word in arguments if not word.startswith(key)]
    folders = [word.removeprefix(key) for word in arguments if word.startswith(key)]
    flags = [word for word in words if word == flag or word.startswith(f"{flag}=")]
    if len(folders) + len(flags) > 1:
        raise InputError("the store is given twice: give store=FOLDER once")
    if not all(folder.strip() for folder in folders):
        raise InputError("store= is not a folder: give store=FOLDER")
    return [*words, *(word for folder in folders for word in (flag, folder))]


def language_of(arguments: Sequence[str]) -> tuple[list[str], str]:
    """Return the command line without ``lang=…``, and the language that it asks for.

    Raises
    ------
    InputError
        If it is not supported, or is given twice.
    """
    words = [word for word in arguments if not word.startswith("lang=")]
    given = [word.removeprefix("lang=") for word in arguments if word.startswith("lang=")]
    if len(given) > 1:
        raise InputError("'lang' is given twice: give it once")
    return words, read_language(given[0]) if given else ENGLISH


def parser() -> Parser:
    """Return the parser of a run or a sweep."""
    made = Parser(prog="python -m nnexp", add_help=False)
    flag = made.add_argument
    flag("overrides", nargs="*", help="settings as key=value, dots for nested keys")
    flag("--help", "-h", action="store_true", help="show all choices and their meanings")
    flag("--version", action="store_true", help="show the version of nnexp")
    flag("--run", "-r", action="store_true", help="one run, the default")
    flag("--multirun", "-m", action="store_true", help="a sweep over every combination")
    flag("--cfg", "-c", choices=_SETTINGS, help="show the composed settings and run nothing")
    flag("--resolve", action="store_true", help="with --cfg: resolve interpolations")
    flag("--package", "-p", help="with --cfg: show only this part of the settings")
    flag("--info", "-i", nargs="?", const="all", choices=_FACTS, help="show Hydra's internals")
    flag("--hydra-help", action="store_true", help="show Hydra's flags and groups")
    flag("--shell-completion", "-sc", action="store_true", help="-sc install=bash, uninstall=bash")
    for name, short in _OTHERS.items():
        flag(name, *filter(None, [short]), help="not supported")
    return made


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the parsed command line; settings and flags may come in any order.

    Raises
    ------
    InputError
        For an unknown flag, one that does not apply to nnexp, or two that exclude each other.
    """
    options = parser().parse_intermixed_args(arguments)
    for flag in _OTHERS:
        if getattr(options, flag[2:].replace("-", "_")):
            raise InputError(
                f"{flag} is not supported by nnexp: put your own settings into experiments/"
            )
    modes = ("run", "multirun", "cfg", "info", "shell_completion")
    chosen = [f"--{name.replace('_', '-')}" for name in modes if getattr(options, name)]
    if len(chosen) > 1:
        raise InputError(f"{' and '.join(chosen)} exclude each other: give one of them")
    words = {override.partition("=")[0] for override in options.overrides}
    if options.shell_completion and not words & {"install", "uninstall", "query"}:
        raise InputError("--shell-completion needs install=bash or uninstall=bash (or zsh, fish)")
    if options.resolve and not options.cfg:
        raise InputError("--resolve needs --cfg: add --cfg job")
    return options
