"""Names for Python functions that are given as settings, as in ``nnexp.sweep(init=my_init)``.

The settings of a run hold text, so a function needs a name by which any process can find it. One
that can be imported is named by its file or module. One that cannot, such as a lambda or a function
of a script or a notebook, is copied with all that it uses into a file named by its content.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import functools
import hashlib
import inspect
import operator
import re
import symtable
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from nnexp.config.user_functions import is_installed
from nnexp.errors import InputError

# The folder of the copies, inside the store.
FOLDER = ".functions"
_COPY = re.compile(rf"(?<![^'=])'?[^'=]*{re.escape(FOLDER)}/[0-9a-f]+\.py:(\w+)'?")
_DIGITS = 12
_ABOUT = '"""A function given to nnexp.sweep; runs in this store refer to this file."""\n'
# The flags of code that say which ``__future__`` features it was compiled with.
_FUTURE = functools.reduce(
    operator.or_, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
)


class NamedFunction(NamedTuple):
    """The name of a function in settings and, if it has to be copied, the file and its content."""

    name: str
    file: Path | None = None
    content: str = ""


def named(key: str, function: Any, store: Path) -> NamedFunction:
    """Return the name of ``function`` as a value of the setting ``key``.

    Raises
    ------
    InputError
        If its source cannot be read, or uses something that other processes cannot import.
    """
    try:
        if not isinstance(function, FunctionType):
            raise _CannotCopy("it is not a function written in Python")
        if (importable := _importable(function)) is not None:
            return NamedFunction(importable)
        name, text = _content(function)
    except _CannotCopy as reason:
        called = getattr(function, "__name__", None) or repr(function)
        raise InputError(
            f"{key}={called} cannot be used from here, as {reason}: put a function into a file and "
            f"give {key}='FILE.py:NAME'"
        ) from None
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    file = store / FOLDER / f"{digest}.py"
    return NamedFunction(f"{file.as_posix()}:{name}", file, text)


def without_copies(text: str) -> str:
    """Return ``text`` with the names of copied functions shortened to what the user called them."""
    return _COPY.sub(r"\1", text)


def copy_in(store: Path, name: str) -> str:
    """Return the name of a copied function for its copy in ``store``; other names unchanged."""
    if without_copies(name) == name:
        return name
    return (store / FOLDER / Path(name).name).as_posix()


class _CannotCopy(Exception):
    """The reason why a function cannot be copied, as part of a sentence."""


def _importable(function: FunctionType) -> str | None:
    """Return the name of a function of a module, or ``None`` if it has to be copied."""
    name, module = function.__name__, sys.modules.get(function.__module__)
    file = getattr(module, "__file__", None)
    if function.__module__ == "__main__" or not file or getattr(module, name, None) is not function:
        return None
    dotted = f"{function.__module__}.{name}"
    if "." in function.__module__ or is_installed(dotted):
        return dotted
    return f"{Path(file).resolve().as_posix()}:{name}"


def _content(function: FunctionType) -> tuple[str, str]:
    """Return the name of a function in its copy, and the content of the file."""
    name = function.__name__
    if not name.isidentifier():  # a lambda is named by its source
        digest = hashlib.sha256(_source(function, "f").encode()).hexdigest()
        name = f"lambda_{digest[:6]}"
    copy = _Copy(function.__globals__)
    copy.add(name, function)
    return name, "\n".join([_ABOUT, *copy.imports, *copy.constants, *copy.functions])


class _Copy:
    """The content of a copy: imports and constants, then functions."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.known: set[str] = set()
        self.imports: list[str] = []
        self.constants: list[str] = []
        self.functions: list[str] = []

    def add(self, name: str, function: FunctionType) -> None:
        """Add a function, and before it all that it uses."""
        self.known.add(name)
        source = _source(function, name)
        for used in sorted(_globals(source) - self.known):
            if used in self.names:
                self.add_value(used, self.names[used])
            elif not hasattr(builtins, used):
                raise _CannotCopy(f"it uses the name {used!r}, which is not defined")
        self.functions.append(f"\n\n{source}\n")

    def add_value(self, name: str, value: Any) -> None:
        """Add what the functions call ``name``."""
        self.known.add(name)
        if isinstance(value, ModuleType) and value.__name__ in sys.modules:
            self.imports.append(_aliased(f"import {value.__name__}", value.__name__, name))
        elif (home := _home(value)) is not None:
            module, own = home
            self.imports.append(_aliased(f"from {module} import {own}", own, name))
        elif isinstance(value, FunctionType):
            self.add(name, value)
        elif _is_literal(value):
            self.constants.append(f"{name} = {value!r}")
        else:
            kind = type(value).__name__
            raise _CannotCopy(f"it uses {name!r}, a value of type {kind} that cannot be imported")


def _aliased(statement: str, own: str, name: str) -> str:
    return statement if own == name else f"{statement} as {name}"


def _home(value: Any) -> tuple[str, str] | None:
    """Return the module from which a function or class can be imported, and its name there."""
    name = getattr(value, "__name__", None)
    for module in (getattr(value, "__module__", None), type(value).__module__):
        known = sys.modules.get(module) if module not in (None, "__main__") else None
        if isinstance(name, str) and known and getattr(known, name, None) is value:
            return known.__name__, name
    return None


def _source(function: FunctionType, name: str) -> str:
    """Return the source of a function under ``name``, with its defaults as they are now.

    Comments, annotations and decorators are left out.
    """
    if function.__code__.co_freevars:
        variable = function.__code__.co_freevars[0]
        raise _CannotCopy(f"it uses the variable {variable!r} of the function around it")
    try:
        lines, _ = inspect.findsource(function)
        tree = ast.parse("".join(lines))
    except (OSError, TypeError, SyntaxError):
        raise _CannotCopy("its source cannot be read") from None
    imports = [*_imports(tree)]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Lambda | ast.FunctionDef):
            continue
        decorators = getattr(node, "decorator_list", [])
        if function.__code__.co_firstlineno == min(n.lineno for n in (node, *decorators)):
            source = _rewritten(node, function, name)
            if _is_source(source, function, imports):
                return source
    raise _CannotCopy("its source has changed since it was defined")


def _rewritten(node: ast.Lambda | ast.FunctionDef, function: FunctionType, name: str) -> str:
    arguments = node.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        argument.annotation = None
    arguments.defaults = [_literal(value) for value in function.__defaults__ or ()]
    own = function.__kwdefaults__ or {}
    arguments.kw_defaults = [
        _literal(own[a.arg]) if a.arg in own else None for a in arguments.kwonlyargs
    ]
    if isinstance(node, ast.Lambda):
        return f"{name} = {ast.unparse(node)}"
    node.name, node.returns, node.decorator_list = name, None, []
    return ast.unparse(node)


def _literal(value: Any) -> ast.expr:
    if not _is_literal(value):
        raise _CannotCopy(f"a default of its parameters is of type {type(value).__name__}")
    return ast.parse(repr(value), mode="eval").body


def _is_literal(value: Any) -> bool:
    """Return whether a value is equal to its written form."""
    if isinstance(value, tuple):
        return all(map(_is_literal, value))
    try:
        return value is None or (
            isinstance(value, bool | int | float | str) and ast.literal_eval(repr(value)) == value
        )
    except (ValueError, SyntaxError):  # inf, nan and subclasses such as NumPy's float64
        return False


def _is_source(source: str, function: FunctionType, imports: Iterable[ast.stmt]) -> bool:
    """Return whether a source compiles to the code of ``function``.

    Python compiles a call of ``np.zeros`` in another way where the same file imports ``np``.
    """
    text = "\n".join([*map(ast.unparse, imports), source])
    flags = function.__code__.co_flags & _FUTURE
    module = compile(text, "<copy>", "exec", flags, dont_inherit=True)
    codes = (code for code in module.co_consts if isinstance(code, CodeType))
    return any(_equal(code, function.__code__) for code in codes)


def _imports(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield the import statements of a module outside its functions and classes."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _imports(child)


def _equal(first: CodeType, second: CodeType) -> bool:
    """Return whether two pieces of code do the same, whatever their names and lines."""
    parts = ("co_code", "co_names", "co_varnames", "co_cellvars", "co_freevars")
    if any(getattr(first, part) != getattr(second, part) for part in parts):
        return False
    pairs = list(zip(first.co_consts, second.co_consts, strict=False))
    return len(first.co_consts) == len(second.co_consts) and all(
        _equal(a, b)
        if isinstance(a, CodeType) and isinstance(b, CodeType)
        else type(a) is type(b) and a == b
        for a, b in pairs
    )


def _globals(source: str) -> set[str]:
    """Return the global names that the functions of a source use."""
    left = symtable.symtable(source, "<copy>", "exec").get_children()
    names = set()
    while left:
        table = left.pop()
        names |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
        left += table.get_children()
    return names
