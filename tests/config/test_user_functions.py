"""A user's own functions: what their identity covers, and that what runs is what it covers."""

from __future__ import annotations

import hashlib
import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnexp.analysis.predictions import kept
from nnexp.config import user_functions
from nnexp.config.run_config import RunConfig
from nnexp.errors import InputError
from nnexp.training.execute import execute
from tests import ROOT
from tests.settings import RUN

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files, all of one time, into the working directory, where Python looks for modules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def write(**files: str) -> None:
        for name, text in files.items():
            path = Path(*name.split("__in__")[::-1]).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            os.utime(path, (1e9, 1e9))

    yield write
    for name in [n for n, m in sys.modules.items() if str(tmp_path) in str(m)]:
        del sys.modules[name]


def value(name: str) -> Any:
    """Return what a user's function returns, as it is now."""
    return user_functions.resolve(name, user_functions.source_digest(name))()


def lines(*text: str) -> str:
    return "\n".join(text) + "\n"


# How a function gets at X, which stands in the file that is edited: the function, the other files,
# and the file that holds X.
WAYS: dict[str, tuple[str, dict[str, str], str]] = {
    "import": (
        "mine.py:f",
        {"mine": lines("import helper", "def f(): return helper.X")},
        "helper",
    ),
    "from": (
        "mine.py:f",
        {"mine": lines("from helper import X as Y", "def f(): return Y")},
        "helper",
    ),
    "in the function": (
        "mine.py:f",
        {"mine": lines("def f():", "    import helper", "    return helper.X")},
        "helper",
    ),
    "if it is there": (
        "mine.py:f",
        {
            "mine": lines(
                *("try:", "    import nowhere as h"),
                *("except ImportError:", "    import helper as h", "def f(): return h.X"),
            )
        },
        "helper",
    ),
    "by way of another": (
        "mine.py:f",
        {
            "mine": lines("import middle", "def f(): return middle.g()"),
            "middle": lines("from helper import X", "def g(): return X"),
        },
        "helper",
    ),
    "both ways": (
        "mine.f",
        {
            "mine": lines("import other", "def f(): return other.g()", "Z = 1"),
            "other": lines("import mine", "from helper import X", "def g(): return X * mine.Z"),
        },
        "helper",
    ),
    "dotted": (
        "mine.f",
        {"mine": lines("import helper", "def f(): return helper.X")},
        "helper",
    ),
    "exported again": (
        "pk.g",
        {
            "__init____in__pk": "from .impl import g",
            "impl__in__pk": "from .x import X\ng=lambda: X",
        },
        "x__in__pk",
    ),
    "beside it in a package": (
        "pk.mod.f",
        {"__init____in__pk": "", "mod__in__pk": "from . import y\nf = lambda: y.X"},
        "y__in__pk",
    ),
    "the package itself": (
        "pk.mod.f",
        {"mod__in__pk": "from pk import X\nf = lambda: X"},
        "__init____in__pk",
    ),
    "all of a package": (
        "mine.py:f",
        {
            "mine": "from pk import *\nf = lambda: y.X",
            "__init____in__pk": "__all__ = ['y']",
        },
        "y__in__pk",
    ),
    "a submodule": (
        "mine.py:f",
        {"mine": "import pk.y\nf = lambda: pk.y.X", "__init____in__pk": ""},
        "y__in__pk",
    ),
    "a submodule under a name": (
        "mine.py:f",
        {"mine": "import pk.y as p\nf = lambda: p.X", "__init____in__pk": ""},
        "y__in__pk",
    ),
    "a folder without __init__": (
        "mine.py:f",
        {"mine": "import pk.sub.y\nf = lambda: pk.sub.y.X"},
        "y__in__sub__in__pk",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_function_imports_is_part_of_it(way: str, write: Write) -> None:
    name, files, edited = WAYS[way]
    write(**files, **{edited: "X = 1\n"})
    before = user_functions.source_digest(name)
    function = user_functions.resolve(name, before)
    write(**{edited: "X = 2\n"})  # as long as before, and of the same time
    assert user_functions.source_digest(name) != before
    assert value(name) == 2
    if "helper" not in sys.modules:
        assert function() == 1  # whoever has it keeps what it was, imports of a later time included
    write(**{edited: "X = 1\n"})
    assert user_functions.source_digest(name) == before
    assert value(name) == 1


def test_a_module_that_something_else_has_imported_is_not_taken_as_it_was(write: Write) -> None:
    write(helper="X = 1\n", mine="import helper\ndef f(): return helper.X\n")
    mine = importlib.import_module("mine")
    write(helper="X = 2\n")
    assert value("mine.f") == 2
    assert sys.modules["mine"] is mine
    assert mine.f() == 1


def test_a_file_that_stands_alone_is_told_by_its_own_digest(write: Write) -> None:
    text = "import json\nimport numpy as np\nfrom nnexp import MLP\ndef f(): return np.pi\n"
    write(mine=text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert (
        user_functions.source_digest("mine.py:f")
        == user_functions.source_digest("mine.f")
        == digest
    )


def test_helpers_of_one_name_in_two_folders(write: Write) -> None:
    text = "def f():\n    import helper\n    return helper.X\n"
    write(mine__in__a=text, helper__in__a="X = 1\n", mine__in__b=text, helper__in__b="X = 2\n")
    one, two = (
        user_functions.resolve(n, user_functions.source_digest(n))
        for n in ("a/mine.py:f", "b/mine.py:f")
    )
    assert (one(), two()) == (1, 2)
    assert "helper" not in sys.modules
    # A copy of both files is the same code.
    write(mine__in__c=text, helper__in__c="X = 1\n")
    assert user_functions.source_digest("c/mine.py:f") == user_functions.source_digest(
        "a/mine.py:f"
    )


@pytest.mark.parametrize("where", ["mine.py", "helper.py"])
def test_a_users_module_may_define_dataclasses(where: str, write: Write) -> None:
    # dataclasses looks for a class's module among those that are imported.
    defined = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass
class Scale:
    std: float = 3.0
"""
    function = "\ndef f(rng, fan_in, fan_out):\n    return Scale().std\n"
    mine = defined + function if where == "mine.py" else "from helper import Scale\n" + function
    write(helper=defined, mine=mine)
    digest = user_functions.source_digest("mine.py:f")
    assert user_functions.resolve("mine.py:f", digest)(None, 1, 1) == 3.0


def test_a_digest_runs_nothing(write: Write) -> None:
    text = "from pathlib import Path\nPath('ran').touch()\n"
    write(__init____in__pk=text, mod__in__pk=text + "import helper\nf = 1\n", helper=text)
    names = ("pk.mod.f", "pk/mod.py:f")
    for name in names:
        user_functions.source_digest(name)
        recorded = {**RUN, "batch_size": "full", "init": {"name": name, "scale": 2.0}}
        config = RunConfig.from_mapping(recorded, trusted=False)
        assert config.identity()["settings"]["init"] == {"name": "f", "scale": 2.0}
        assert config.identity()["sources"]["init"] == user_functions.source_digest(name)
    assert not Path("ran").exists()


def test_a_function_that_changed_between_reading_and_running_is_refused(write: Write) -> None:
    write(mine="def init(rng, i, o): return rng.random((i, o))\n")
    digest = user_functions.source_digest("mine.py:init")
    write(mine="def init(rng, i, o): return rng.normal((i, o))\n")
    with pytest.raises(InputError, match="has changed since the command started"):
        user_functions.resolve("mine.py:init", digest)


def test_a_module_that_is_loaded_by_a_call_is_refused(write: Write) -> None:
    text = "import importlib\nnp = importlib.import_module('numpy')\n"
    write(helper="X = 1\n", mine=text)
    user_functions.source_digest("mine.py:f")
    write(mine=text + "helper = importlib.import_module('helper')\n")
    with pytest.raises(InputError, match="write 'import helper'"):
        user_functions.source_digest("mine.py:f")


def test_all_of_an_installed_package_is_part_of_its_functions(write: Write) -> None:
    write(
        __init____in__lib="from .impl import g\n",
        impl__in__lib="from .deep import g\n",
        deep__in__lib="def g(): return 1\n",
    )
    Path("lib-1.0.dist-info").mkdir()
    code = "from nnexp.config.user_functions import resolve, source_digest as digest\n"
    code += "d = digest('lib.g')\nprint(d, resolve('lib.g', d)())"
    path = os.pathsep.join([str(Path.cwd()), str(ROOT)])

    def told() -> list[str]:
        return subprocess.run(
            [sys.executable, "-B", "-c", code],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()

    before = told()
    write(deep__in__lib="def g(): return 2\n")
    after = told()
    assert (before[1], after[1]) == ("1", "2")
    assert before[0] != after[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nowhere", "cannot be imported: ModuleNotFoundError: No module named 'nowhere'"),
        ("import pk.nowhere", "No module named 'pk.nowhere'"),
        ("from pk import nowhere", "cannot import name 'nowhere'"),
        ("from . import helper", "relative import"),
        ("def f(:", "cannot be imported: SyntaxError"),
        ("import helper\nhelper.Y", "has no attribute 'Y'"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
        ("x = 1", "defines no 'f'"),
    ],
)
def test_what_does_not_import_is_one_sentence(text: str, message: str, write: Write) -> None:
    write(mine=text + "\n", helper="X = 1\n", __init____in__pk="")
    with pytest.raises(InputError, match=message):
        value("mine.py:f")


def test_a_runs_identity_covers_the_helpers(write: Write) -> None:
    write(
        mine="import helper\ndef init(rng, i, o): return helper.SCALE * rng.random((i, o))\n",
        helper="SCALE = 1\n",
    )
    settings = {**RUN, "batch_size": "full", "init": "mine.py:init"}
    before = RunConfig.from_mapping(settings)
    write(helper="SCALE = 2\n")
    after = RunConfig.from_mapping(settings)
    assert before.run_id() != after.run_id()
    assert before.columns()["init.source"] != after.columns()["init.source"]


def test_a_network_of_a_record_is_made_with_own_functions_only_if_it_was_asked_for(
    write: Write,
) -> None:
    write(mine="def init(rng, i, o): return rng.random((i, o))\n")
    data = {"name": "mnist", "train_size": 40}
    settings = {**RUN, "data": data, "init": "mine.py:init", "epochs": None, "steps": 1}
    record = execute(settings, save_weights=True)
    assert kept(record) is None
    record.asked = True
    assert kept(record) is not None
