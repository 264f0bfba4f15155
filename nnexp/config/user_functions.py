"""The user's own initialisers, activations and losses, named on the command line.

``mine.py:my_init`` is a function of a file (relative to the working directory), ``package.my_init``
one of an importable module. Its source is part of a run's identity, see `nnexp.config.sources`.

The user's modules run from the bytes that were hashed and are kept separate from ``sys.modules``.
So training uses the code that the identity names, whatever the process imported before.
"""

from __future__ import annotations

import builtins
import importlib
import itertools
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.util import module_from_spec, resolve_name
from types import ModuleType
from typing import Any

from nnexp.config.sources import Module, Source, trace
from nnexp.errors import InputError

# The number of imported modules to keep.
_MOST_KEPT = 64
_kept: dict[tuple[str, str], ModuleType] = {}
# Compiled modules by file; a process can load each only once.
_compiled: dict[str, tuple[bytes, ModuleType]] = {}
_LOCK = threading.RLock()
_VERSIONS = itertools.count(1)


def is_custom(name: str) -> bool:
    """Return whether ``name`` refers to the user's code rather than to a registered choice."""
    return ":" in name or "." in name


def source_digest(name: str) -> str:
    """Return the SHA-256 of the source code of ``name``, without running it.

    Raises
    ------
    InputError
        If the file or the module does not exist.
    """
    return _trace(name).digest


def is_installed(name: str) -> bool:
    """Return whether ``name`` belongs to an installed module rather than to the user's own code."""
    try:
        return not _trace(name).modules
    except InputError:
        return False


def resolve(name: str, digest: str) -> Any:
    """Return the function or object that ``name`` refers to, from the source with this ``digest``.

    Raises
    ------
    InputError
        If the file, the module or the name in it does not exist, importing it fails, or its source
        has changed.
    """
    place, attribute = _split(name)
    with _LOCK:
        module = _kept.get((place, digest))
        if module is None:
            source = _trace(name)
            if source.digest != digest:
                raise InputError(
                    f"{name!r} has changed since the command started: run the command again"
                )
            module = _run(name, source)
            if len(_kept) >= _MOST_KEPT:
                del _kept[next(iter(_kept))]
            _kept[place, digest] = module
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise InputError(f"{name!r} not found: {place} defines no {attribute!r}") from None


def _split(name: str) -> tuple[str, str]:
    """Return the file or module, and the name in it."""
    place, _, attribute = name.rpartition(":" if ":" in name else ".")
    return place, attribute


def _trace(name: str) -> Source:
    if name.endswith(".py"):
        raise InputError(f"{name!r} names a file without a function: write {name}:NAME")
    place, _ = _split(name)
    if ":" in name and not place.endswith(".py"):
        raise InputError(f"{place!r} is not a Python file: write FILE.py:NAME")
    try:
        return trace(place)
    except InputError as error:
        raise InputError(f"{name!r} not found: {error}") from None


def _run(name: str, source: Source) -> ModuleType:
    try:
        if not source.modules:
            return importlib.import_module(source.module)
        return _Modules(source.modules).load(source.module)
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # the user's module may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{name!r} cannot be imported: {reason}") from error


class _Modules:
    """One version of a user's modules, each run when it is first imported."""

    def __init__(self, known: Mapping[str, Module]) -> None:
        self.known = known
        self.loaded: dict[str, ModuleType] = {}
        # An import statement calls ``__import__`` of the module's builtins.
        self.builtins = {**vars(builtins), "__import__": self.import_}

    def load(self, name: str) -> ModuleType:
        """Return a module, importing its packages first."""
        package, _, last = name.rpartition(".")
        parent = self.load(package) if package else None
        with _LOCK:
            if name not in self.loaded:
                if name not in self.known:
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)
                self.run(name, self.known[name], parent, last)
            return self.loaded[name]

    def run(self, name: str, known: Module, parent: ModuleType | None, last: str) -> None:
        """Create and run a module, registering it first so that circular imports work."""
        if known.spec.has_location and not known.is_source:
            module = _load_compiled(known)
        else:
            module = module_from_spec(known.spec)
        self.loaded[name] = module
        if parent is not None:
            setattr(parent, last, module)
        if known.is_source:
            module.__dict__["__builtins__"] = self.builtins
            # Libraries such as dataclasses look up the module of a class by name. A unique name
            # distinguishes this version from others and from modules that the process imported.
            module.__name__ = f"{name}@{next(_VERSIONS)}"
            sys.modules[module.__name__] = module
            try:
                exec(
                    compile(known.content, str(known.spec.origin), "exec", dont_inherit=True),
                    module.__dict__,
                )
            except BaseException:
                del self.loaded[name], sys.modules[module.__name__]
                raise

    def import_(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """Replace ``__import__`` and look in the user's modules first."""
        package = (globals or {}).get("__package__") or ""
        if level and not package:
            raise ImportError("attempted relative import with no known parent package")
        whole = resolve_name("." * level + name, package) if level else name
        top = whole.partition(".")[0]
        package_is_known = top in self.known and self.known[top].spec.has_location
        if whole not in self.known and not package_is_known:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        module = self.load(whole)
        if not fromlist:
            return self.load(top)
        names = list(fromlist)
        if "*" in names:
            names += getattr(module, "__all__", ())
        for inner in names:
            if f"{whole}.{inner}" in self.known and not hasattr(module, inner):
                self.load(f"{whole}.{inner}")
        return module


def _load_compiled(known: Module) -> ModuleType:
    file = str(known.spec.origin)
    if file not in _compiled:
        module = module_from_spec(known.spec)
        assert known.spec.loader is not None
        known.spec.loader.exec_module(module)
        _compiled[file] = known.content, module
    content, module = _compiled[file]
    if content != known.content:
        raise InputError(f"{file} has changed since it was loaded: restart the program")
    return module
