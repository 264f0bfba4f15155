"""The flags of ``python -m nnexp``: Hydra's own, of those that mean something here."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from nnexp.errors import InputError

# What Hydra knows and nnexp does not, with the short forms.
_OTHERS = {
    "--config-path": "-cp",
    "--config-name": "-cn",
    "--config-dir": "-cd",
    "--experimental-rerun": None,
}
_SETTINGS = ("job", "hydra", "all")
_FACTS = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


class Parser(argparse.ArgumentParser):
    """A parser that takes a command line it cannot read for bad input."""

    def error(self, message: str) -> NoReturn:
        """Raise an `InputError`, where argparse would end the process."""
        raise InputError(f"{message}: see {self.prog} --help")


def parser() -> Parser:
    """Return the parser of a run or a sweep."""
    made = Parser(prog="python -m nnexp", add_help=False)
    flag = made.add_argument
    flag("overrides", nargs="*", help="settings as key=value, dots for nested keys")
    flag("--help", "-h", action="store_true", help="every choice with a line of meaning")
    flag("--version", action="store_true", help="the version of nnexp")
    flag("--run", "-r", action="store_true", help="one run, as without any flag")
    flag("--multirun", "-m", action="store_true", help="a sweep over every combination")
    flag("--cfg", "-c", choices=_SETTINGS, help="the composed settings, nothing run")
    flag("--resolve", action="store_true", help="with --cfg: interpolations resolved")
    flag("--package", "-p", help="with --cfg: this part of the settings alone")
    flag("--info", "-i", nargs="?", const="all", choices=_FACTS, help="facts about Hydra")
    flag("--hydra-help", action="store_true", help="Hydra's flags and groups")
    flag("--shell-completion", "-sc", action="store_true", help="-sc install=bash, uninstall=bash")
    for name, short in _OTHERS.items():
        flag(name, *filter(None, [short]), help="not for nnexp")
    return made


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what a command line says, settings and flags in any order.

    Raises
    ------
    InputError
        For an unknown flag, one that is not for nnexp, or two that exclude each other.
    """
    options = parser().parse_intermixed_args(arguments)
    for flag in _OTHERS:
        if getattr(options, flag[2:].replace("-", "_")):
            raise InputError(f"{flag} is not for nnexp: put your own settings into experiments/")
    deeds = ("run", "multirun", "cfg", "info", "shell_completion")
    chosen = [f"--{name.replace('_', '-')}" for name in deeds if getattr(options, name)]
    if len(chosen) > 1:
        raise InputError(f"{' and '.join(chosen)} exclude each other: give one of them")
    words = {override.partition("=")[0] for override in options.overrides}
    if options.shell_completion and not words & {"install", "uninstall", "query"}:
        raise InputError("--shell-completion needs install=bash or uninstall=bash (or zsh, fish)")
    if options.resolve and not options.cfg:
        raise InputError("--resolve belongs to --cfg: add --cfg job")
    return options
