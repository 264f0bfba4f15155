"""A user's own initialiser, activation or loss, named on the command line and never registered.

``mine.py:my_init`` is a function of a file (relative to the working directory); ``package.my_init``
one of an importable module. Its source is part of a run's identity.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from nnexp.errors import InputError


def is_custom(name: str) -> bool:
    """Tell whether ``name`` refers to a user's code rather than to a registered choice."""
    return ":" in name or "." in name


def resolve(name: str) -> Any:
    """Return the function or object that ``name`` refers to.

    Raises
    ------
    InputError
        If the file, the module or the name in it does not exist, or the file does not import.
    """
    module, attribute = _module(name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        file = module.__file__
        raise InputError(f"{name!r} not found: {file} defines no {attribute!r}") from None


def source_digest(name: str) -> str:
    """Return the SHA-256 of the source file behind ``name``."""
    module, _ = _module(name)
    return hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest()


def _module(name: str) -> tuple[ModuleType, str]:
    if name.endswith(".py"):
        raise InputError(f"{name!r} names a file and no function in it: write {name}:NAME")
    if ":" in name:
        file, _, attribute = name.rpartition(":")
        path = Path(file).expanduser().resolve()
        if not path.is_file():
            raise InputError(f"{name!r} not found: there is no file {str(path)!r}")
        return _import_file(str(path), path.stat().st_mtime_ns), attribute
    dotted, _, attribute = name.rpartition(".")
    try:
        module = importlib.import_module(dotted)
    except (Exception, SystemExit) as error:  # what a user's module raises; ValueError for ".name"
        remedy = "write FILE.py:NAME, or the dotted name of an installed module"
        raise InputError(f"{name!r} does not import: {error}; {remedy}") from error
    if not module.__file__:
        raise InputError(f"{name!r} not found: {dotted!r} has no source file")
    return module, attribute


@lru_cache(maxsize=32)
def _import_file(path: str, changed: int) -> ModuleType:
    """Import a file, anew when it has ``changed``, under a name that no package can have."""
    spec = importlib.util.spec_from_file_location(f"nnexp custom {path}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path!r} is no Python file: write FILE.py:NAME")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise InputError(f"{path!r} does not import: {type(error).__name__}: {error}") from error
    return module
