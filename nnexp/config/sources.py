"""The source files of the user's own functions, found by parsing imports without running code.

A module is the user's unless it belongs to the standard library, to an installed package or to
nnexp. Imports are looked up in the file's own folder first, as by ``python mine.py``, and then on
Python's usual search path.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path

from nnexp.errors import InputError

# The name of a module given by its path; no import statement can refer to it.
ROOT = "<own>"
_NNEXP = Path(__file__).resolve().parents[1]
_LIBRARIES = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}
_SITES = {"site-packages", "dist-packages"}

# An import: its number of leading dots, the module, and the names taken from it. Instead of the
# dots, _CALL marks a call of ``import_module`` and _ALL the names in ``__all__``.
_Import = tuple[int, str, tuple[str, ...]]
_CALL, _ALL = -1, -2


@dataclass(frozen=True)
class Module:
    """A module of the user with the content of its file, empty for a namespace package."""

    spec: ModuleSpec
    content: bytes = b""

    @property
    def is_source(self) -> bool:
        """Whether it is Python source rather than a compiled extension."""
        return isinstance(self.spec.loader, SourceFileLoader)


@dataclass(frozen=True)
class Source:
    """The code of the user's function: its module and the modules that this imports.

    ``modules`` are the user's modules by name; there are none for a function of an installed
    package. ``digest`` is their SHA-256; for a single module, that of its file.
    """

    module: str
    digest: str
    modules: Mapping[str, Module] = field(default_factory=dict)


def trace(place: str) -> Source:
    """Return the source of ``place``, the path of a Python file or a module's dotted name.

    Raises
    ------
    InputError
        If the file or module does not exist, or has no source file.
    """
    importlib.invalidate_caches()  # to find files made since Python last listed their folder
    if place.endswith(".py"):
        path = Path(place).expanduser().resolve()
        if not path.is_file():
            raise InputError(f"there is no file {str(path)!r}")
        tracer = _Tracer(path.parent)
        tracer.specs[ROOT] = spec_from_file_location(ROOT, path)
        return tracer.trace(ROOT)
    tracer = _Tracer()
    spec = tracer.find(place)
    if spec is None:
        raise InputError(
            f"No module named {place!r}; write FILE.py:NAME, or the dotted name of a module"
        )
    if not spec.origin or not Path(spec.origin).is_file():
        raise InputError(f"{place!r} has no source file; write FILE.py:NAME")
    return tracer.trace(place) if _is_users(spec) else _installed(place)


class _Tracer:
    """Follows imports through the user's modules."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.specs: dict[str, ModuleSpec | None] = {}
        self.modules: dict[str, Module] = {}

    def trace(self, root: str) -> Source:
        """Return the source of the module ``root``."""
        left = [root]
        while left:
            left += self.add(left.pop())
        contents = {n: m.content for n, m in self.modules.items() if m.spec.has_location}
        contents[""] = contents.pop(root)
        return Source(root, _digest(contents), self.modules)

    def add(self, name: str) -> Iterator[str]:
        """Add a module if it is the user's; yield the names of its package and its imports."""
        package, _, _ = name.rpartition(".")
        if package and package not in self.modules:
            yield package
        spec = self.find(name) if self.is_users(name.partition(".")[0]) else None
        if name in self.modules or spec is None or not self.is_users(name):
            return
        content = Path(str(spec.origin)).read_bytes() if spec.has_location else b""
        module = self.modules[name] = Module(spec, content)
        if module.is_source:
            inside = name if spec.submodule_search_locations is not None else package
            yield from self.imported(content, inside.split(".") if inside else [], spec)

    def imported(self, content: bytes, package: list[str], spec: ModuleSpec) -> Iterator[str]:
        """Yield the names that a module of ``package`` with this ``content`` may import."""
        for level, base, names in _imports(content):
            if level == _CALL:
                if self.is_users(base.partition(".")[0]):
                    raise InputError(
                        f"{spec.origin} imports {base!r} with a function call, so changes in it "
                        f"would not be noticed: write 'import {base}'"
                    )
            elif level == _ALL:
                if spec.submodule_search_locations is not None:
                    yield from (f"{spec.name}.{name}" for name in names)
            elif level <= len(package):
                above = package[: len(package) + 1 - level] if level else []
                whole = ".".join(filter(None, [*above, base]))
                yield whole
                yield from (f"{whole}.{name}" for name in names)

    def is_users(self, name: str) -> bool:
        """Return whether a module exists and is the user's own."""
        spec = self.find(name)
        return spec is not None and _is_users(spec)

    def find(self, name: str) -> ModuleSpec | None:
        """Return the spec of a module without importing its packages; ``None`` if not found."""
        if name not in self.specs:
            self.specs[name] = self._find(name)
        return self.specs[name]

    def _find(self, name: str) -> ModuleSpec | None:
        package, _, last = name.rpartition(".")
        if not all(part.isidentifier() for part in name.split(".")):
            return None
        if not package:
            return self._find_top(name)
        above = self.find(package)
        if above is None or above.submodule_search_locations is None:
            return None
        found = PathFinder.find_spec(last, list(above.submodule_search_locations))
        return None if found is None else _renamed(found, name)

    def _find_top(self, name: str) -> ModuleSpec | None:
        if self.folder is not None and name not in sys.stdlib_module_names:
            found = PathFinder.find_spec(name, [str(self.folder), *sys.path])
            if found is not None:
                return found
        finders = (getattr(finder, "find_spec", None) for finder in sys.meta_path)
        specs = (find(name, None) for find in finders if find is not None)
        return next((spec for spec in specs if spec is not None), None)


def _renamed(spec: ModuleSpec, name: str) -> ModuleSpec:
    """Return a ``spec`` that was found by the last part of its name, under the full ``name``."""
    places = spec.submodule_search_locations
    folders = None if places is None else list(places)
    if spec.has_location and spec.origin is not None:
        found = spec_from_file_location(name, spec.origin, submodule_search_locations=folders)
        assert found is not None
        return found
    found = ModuleSpec(name, spec.loader, origin=spec.origin, is_package=folders is not None)
    found.submodule_search_locations = folders
    return found


def _is_users(spec: ModuleSpec) -> bool:
    """Return whether a module is the user's own; namespace packages count as such."""
    is_package = spec.submodule_search_locations is not None
    if not spec.has_location or spec.origin is None:
        return is_package and spec.origin in (None, "namespace")
    return spec.name == ROOT or _is_users_file(spec.origin, spec.name.count(".") + is_package)


@functools.lru_cache(maxsize=4096)
def _is_users_file(origin: str, depth: int) -> bool:
    """Return whether a file is the user's; its top-level package is ``depth`` folders above."""
    file = Path(origin).resolve()
    if not file.is_file() or not _SITES.isdisjoint(file.parts):
        return False
    if not {*_LIBRARIES, _NNEXP}.isdisjoint(file.parents):
        return False
    home = [*file.parents][min(depth, len(file.parents) - 1)]
    return not any(home.glob("*.dist-info"))  # installed there by pip


@functools.lru_cache(maxsize=4096)
def _imports(content: bytes) -> tuple[_Import, ...]:
    """Return all imports of a module, including those inside functions."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()  # importing it raises this error
    found: list[_Import] = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found += [(0, alias.name, ()) for alias in names]
            case ast.ImportFrom(module=module, names=names, level=level):
                found.append((level, module or "", tuple(alias.name for alias in names)))
            case ast.Assign(
                targets=[ast.Name(id="__all__")],
                value=ast.List(elts=parts) | ast.Tuple(elts=parts),
            ):
                words = [part.value for part in parts if isinstance(part, ast.Constant)]
                found.append((_ALL, "", tuple(map(str, words))))
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                found.append((_CALL, name, ()))
    return tuple(found)


@functools.lru_cache(maxsize=64)
def _installed(place: str) -> Source:
    """Return the source of an installed module: all files of its package.

    The result is cached, because an imported module does not change until the process ends.
    """
    tracer = _Tracer()
    spec, top = tracer.find(place), tracer.find(place.partition(".")[0])
    assert spec is not None
    assert top is not None
    contents = {"": Path(str(spec.origin)).read_bytes()}
    for folder in top.submodule_search_locations or ():
        files = (file for file in Path(folder).rglob("*.py") if file.is_file())
        contents |= {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}
    return Source(place, _digest(contents))


def _digest(contents: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of a single file's content, or of the names and digests of several."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    if len(digests) == 1:
        return digests[""]
    lines = (f"{digest} {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
