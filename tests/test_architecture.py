"""The house: imports run one way, the core needs NumPy alone, nothing draws from global state."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nnexp

PACKAGE = Path(nnexp.__file__).parent

# A module imports only those that stand before it. A new module gets its place here.
ROOMS = """
errors streams threads surroundings interrupts processes checks sources custom locks
files folders terminal cells
initializers activations losses optimizers sampling
network gradients mechanism theory quirks delayed lanes
data
choices config experiment assembly progress steps training resuming computations
records versions store tables
markup comparison statistics verdicts effects calibration outcomes studies claims
styles sheets inline plots picture responses depth figures answers portraits studio
evidence webpage book page
worker estimator verification upkeep
arguments config_source composition help
sweep display dask_crew launcher
app reproduction reproduce report runs peers bench __main__
"""
DATA_ROOMS = """
source scaling selection cache download
idx mnist csv_file npz toys
settings dataset __init__
"""
ORDER, DATA_ORDER = ROOMS.split(), DATA_ROOMS.split()
FILES = sorted(PACKAGE.rglob("*.py"))

# Who may know of what weighs much or belongs to the command line.
HEAVY = {
    "matplotlib": {
        *("styles", "sheets", "plots", "picture", "responses", "depth", "figures", "portraits"),
        *("evidence", "studio", "book", "bench"),
    },
    "hydra": {"composition", "config_source", "help", "launcher", "app", "reproduction"},
    "omegaconf": {"composition", "config_source", "help", "launcher", "app", "reproduction"},
}


def imports(file: Path) -> Iterator[str]:
    """Yield the dotted name of every module that ``file`` imports, wherever it does."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inner(file: Path, package: str) -> set[str]:
    """Return the modules of ``package`` (dotted, with its dot) that ``file`` imports."""
    names = (name.removeprefix(package) for name in imports(file) if name.startswith(package))
    return {name.split(".")[0] for name in names} - {"__version__"}


@pytest.mark.parametrize(
    "file", [f for f in FILES if f != PACKAGE / "__init__.py"], ids=lambda f: f.stem
)
def test_imports_run_one_way(file: Path) -> None:
    room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert room in ORDER, f"{file.name} has no place in the order of imports"
    above = set(ORDER[: ORDER.index(room)])
    assert inner(file, "nnexp.") - {room} <= above
    if room == "data":
        assert file.stem in DATA_ORDER, f"{file.name} has no place in the order of imports"
        above = set(DATA_ORDER[: DATA_ORDER.index(file.stem)])
        assert inner(file, "nnexp.data.") <= above


@pytest.mark.parametrize("library", HEAVY)
def test_who_imports_what_is_heavy(library: str) -> None:
    users = {file.stem for file in FILES if any(n.split(".")[0] == library for n in imports(file))}
    assert users <= HEAVY[library]


def test_the_core_and_the_package_itself_load_numpy_alone() -> None:
    code = """
import sys
import nnexp, nnexp.training, nnexp.estimator
heavy = ("pandas", "matplotlib", "hydra", "omegaconf", "jinja2", "rich", "pooch")
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
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Attribute(ast.Attribute(ast.Name("np" | "numpy"), "random"), name):
                    assert name in allowed, f"{file}:{node.lineno} uses np.random.{name}"
