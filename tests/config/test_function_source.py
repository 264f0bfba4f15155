"""A function given as a setting is copied with what it uses, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.config.function_source import NamedFunction, named, without_copies
from nnexp.config.user_functions import resolve, source_digest
from nnexp.errors import InputError

WIDTH = 0.5
TABLE = np.ones(3)


def helper(values: Any) -> Any:
    return values * WIDTH


def closure() -> Any:
    scale = 2.0
    return lambda rng, i, o: scale * rng.random((i, o))


def copied(function: Any, store: Path) -> tuple[NamedFunction, Any]:
    """Return the name of a function, and the function that its copy defines."""
    found = named("init", function, store)
    assert found.file is not None
    found.file.parent.mkdir(exist_ok=True)
    found.file.write_text(found.content)
    return found, resolve(found.name, source_digest(found.name))


def test_a_copy_has_what_the_function_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper, "__module__", "__main__")  # so that it cannot be imported

    def mine(rng: np.random.Generator, fan_in: int, fan_out: int, std: float = WIDTH) -> Any:
        return helper(np.full((fan_in, fan_out), std))  # a comment, which is left out

    found, copy = copied(mine, tmp_path)
    assert copy(None, 2, 3).tolist() == [[0.25] * 3] * 2
    assert found.content.partition("\n\n")[2] == (
        "import numpy as np\nWIDTH = 0.5\n\n\n"
        "def helper(values):\n    return values * WIDTH\n\n\n\n"
        "def mine(rng, fan_in, fan_out, std=0.5):\n"
        "    return helper(np.full((fan_in, fan_out), std))\n"
    )
    assert without_copies(f"init='{found.name}' lr=1") == "init=mine lr=1"


def test_lambdas_on_one_line_are_told_apart(tmp_path: Path) -> None:
    both = [lambda rng, i, o: np.zeros((i, o)), lambda rng, i, o: np.ones((i, o))]
    copies = [copied(function, tmp_path) for function in both]
    assert [copy(None, 1, 1).item() for _, copy in copies] == [0, 1]
    assert len({found.name.rpartition(":")[2] for found, _ in copies}) == 2


def test_a_default_is_copied_as_it_was_when_the_function_was_made(tmp_path: Path) -> None:
    made = [lambda rng, i, o, by=b: np.full((i, o), by) for b in (1, 3)]
    assert [copied(f, tmp_path)[1](None, 1, 1).item() for f in made] == [1, 3]


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (np.tanh, "it is not a function written in Python"),
        (closure(), "it uses the variable 'scale' of the function around it"),
        (lambda rng, i, o: TABLE, "it uses 'TABLE', a value of type ndarray"),
        (lambda rng, i, o: nowhere, "it uses the name 'nowhere', which is not defined"),  # type: ignore[name-defined]  # noqa: F821
        (lambda rng, i, o, x=TABLE: x, "a default of its parameters is of type ndarray"),
        (eval("lambda rng, i, o: 1"), "its source cannot be read"),
    ],
)
def test_what_cannot_be_copied_is_refused(function: Any, reason: str) -> None:
    with pytest.raises(InputError, match="put a function into a file") as refused:
        named("init", function, Path("store"))
    assert reason in str(refused.value)
