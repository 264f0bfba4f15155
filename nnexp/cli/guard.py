"""Run commands and report errors as one sentence and an exit status."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nnexp.config.folders import GROUP
from nnexp.errors import InputError, SweepStopped, suggestion, unknown
from nnexp.process.interrupts import Terminated, terminable

if TYPE_CHECKING:
    from omegaconf import DictConfig

STOPPED, BAD_INPUT, INTERRUPTED, TERMINATED = 1, 2, 130, 143
# The message of an interrupted command that trains.
RESUMABLE = "Interrupted. Finished runs are saved; rerun to resume."
# Hydra's environment variable that shows tracebacks.
_FULL_ERROR = "HYDRA_FULL_ERROR"
# The largest number of characters in a message.
_LONGEST = 1000


def guarded(
    work: Callable[[list[str]], int], arguments: list[str], interrupted: str = "Interrupted."
) -> int:
    """Run ``work(arguments)`` and return its exit status, printing an error as one sentence.

    ``interrupted`` is the message after Ctrl-C or SIGTERM.
    """
    full_error = os.environ.get(_FULL_ERROR) == "1"
    try:
        with terminable():
            status = work(arguments)
            sys.stdout.flush()
            return status
    except KeyboardInterrupt as signal:
        print(interrupted, file=sys.stderr)
        return TERMINATED if isinstance(signal, Terminated) else INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe, as in "nnexp --help | head".
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SweepStopped as error:
        print(f"nnexp: {error}", file=sys.stderr)
        return STOPPED
    except Exception as error:
        if full_error or not is_refusal(error):
            raise
        print(f"nnexp: {_printable(sentence(error))}", file=sys.stderr)
        return BAD_INPUT


@contextmanager
def refusing() -> Iterator[None]:
    """Turn errors about the input into an `InputError` of one sentence within a ``with`` block.

    Raises
    ------
    InputError
        Instead of any error for which `is_refusal` is true.
    """
    try:
        yield
    except Exception as error:
        if os.environ.get(_FULL_ERROR) == "1" or not is_refusal(error):
            raise
        raise InputError(_printable(sentence(error))) from None


def is_refusal(error: Exception) -> bool:
    """Return whether an error says what is wrong with the input."""
    if isinstance(error, InputError | OSError):
        return True
    # Loading Hydra takes longer than --help, so it is imported only for its errors.
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from nnexp.store.record_files import DamagedRecord

    return isinstance(error, DamagedRecord | HydraException | OmegaConfBaseException)


def sentence(error: Exception) -> str:
    """Return an error of nnexp, Hydra or the operating system as one sentence."""
    if isinstance(error, InputError):
        return str(error)
    from hydra.errors import (
        ConfigCompositionException,
        MissingConfigException,
        OverrideParseException,
    )
    from omegaconf import DictConfig

    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        missing = str(error.missing_cfg_file)
        inside = missing.startswith(f"{GROUP}/")  # names of experiments have folders
        group, _, name = missing.partition("/") if inside else missing.rpartition("/")
        return str(unknown(group or "config", name, error.options or ()))
    cause = error.__cause__ if isinstance(error, ConfigCompositionException) else error
    key = getattr(cause, "full_key", None)
    node = getattr(cause, "parent_node", None)
    if key and isinstance(node, DictConfig):
        return _unknown_key(str(key), node)
    if isinstance(error, ConfigCompositionException) and "'experiments'" in str(error):
        return "experiments=NAME needs a plus sign: write +experiments=NAME, with -m"
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override!r} is not a valid override: write key=value without spaces around =, "
            f"close every bracket, and quote a value (key=\"'…'\") that holds anything other than "
            f"letters, digits and _-+./:"
        )
    if isinstance(error, OSError):
        return f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
    return re.sub(r"\s*\n\s*", "; ", str(error).strip())


def _printable(text: str) -> str:
    """Return ``text`` as one printable line, without its middle if it is too long."""
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
        return f"{parent}={node.get('name')} has no parameter {name!r}: it takes no parameters"
    return f"{parent}={node.get('name')} has no parameter {name!r}{hint} it takes {', '.join(keys)}"
