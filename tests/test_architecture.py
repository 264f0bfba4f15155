"""Imports run one way, the core needs NumPy alone, nothing draws from global random state."""

from __future__ import annotations

import ast
import functools
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import nnexp

PACKAGE = Path(nnexp.__file__).parent

# A package imports only those before it.
LAYERS = (
    "errors messages process rng validation files",
    "nn data config store training sweeps",
    "analysis plotting reports studies cli",
    "notebook report runs reproduce verify benchmarks __main__",
)
ORDER = " ".join(LAYERS).split()
# Which packages may import what is slow to load or belongs to the command line.
USERS = {
    "matplotlib": {"plotting", "studies", "benchmarks", "notebook"},
    "hydra": {"config", "cli"},
    "omegaconf": {"config", "cli"},
    "sklearn": {"training", "benchmarks"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def package_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


@functools.cache
def nodes(file: Path) -> list[ast.AST]:
    """Return all nodes of the syntax tree of ``file``."""
    return list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))


@functools.cache
def imports(file: Path) -> tuple[str, ...]:
    """Return the dotted name of every module that ``file`` imports, wherever it does."""
    names: list[str] = []
    for node in nodes(file):
        if isinstance(node, ast.Import):
            names += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            names += (f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(names)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_a_package_imports_only_those_before_it(file: Path) -> None:
    package = package_of(file)
    if package == "__init__":
        return  # lazy: it imports what is asked for
    assert package in ORDER, f"{package} has no place in the order of packages"
    used = {name.split(".")[1] for name in imports(file) if name.startswith("nnexp.")}
    assert used - {package, "__version__"} <= set(ORDER[: ORDER.index(package)])


def test_no_two_modules_import_each_other() -> None:
    names = {".".join(f.relative_to(PACKAGE.parent).with_suffix("").parts): f for f in FILES}
    graph = {
        name: {n for used in imports(f) for n in (used, used.rpartition(".")[0]) if n in names}
        - {name}
        for name, f in names.items()
    }
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(names)


@pytest.mark.parametrize("library", USERS)
def test_who_imports_what_is_slow_to_load(library: str) -> None:
    users = {package_of(f) for f in FILES if any(n.split(".")[0] == library for n in imports(f))}
    assert users <= USERS[library]


def test_one_file_imports_hydras_private_modules() -> None:
    users = {f.name for f in FILES if any(n.startswith("hydra._internal") for n in imports(f))}
    assert users == {"composition.py"}


def test_the_core_needs_numpy_alone() -> None:
    for file in (PACKAGE / "nn").glob("*.py"):
        used = {name.split(".")[0] for name in imports(file)} - set(sys.stdlib_module_names)
        assert used <= {"numpy", "nnexp"}


def test_the_package_itself_and_training_load_nothing_heavy() -> None:
    code = """
import sys
import nnexp, nnexp.training.trainer, nnexp.training.estimator
nnexp.MLP(hidden=(2,), epochs=1).fit([[0], [1]], [0, 1]).predict([[0]])
heavy = ("pandas", "matplotlib", "hydra", "omegaconf", "jinja2", "rich", "pooch", "sklearn")
print(*(name for name in heavy if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_nothing_draws_from_global_random_state() -> None:
    allowed = {"Generator", "SeedSequence", "default_rng"}
    for file in FILES:
        names = {name for name in imports(file) if name.split(".")[0] in ("random", "secrets")}
        names |= {name for name in imports(file) if name.startswith("numpy.random")}
        assert not names, f"{file} imports {names}"
        for node in nodes(file):
            match node:
                case ast.Attribute(ast.Attribute(ast.Name("np" | "numpy"), "random"), name):
                    assert name in allowed, f"{file}:{node.lineno} uses np.random.{name}"
