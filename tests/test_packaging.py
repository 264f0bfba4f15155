"""The README of the package has no links that work only in a repository."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

import pytest

from tests import ROOT

README = (ROOT / "README.md").read_text("utf-8")
# As pytest does, which needs the same.
TOML: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")


@pytest.fixture(scope="module")
def hook() -> dict[str, Any]:
    """Return the settings of the hook that makes the package's README."""
    settings = TOML.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    hook: dict[str, Any] = settings["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    return hook


def changed(text: str, hook: dict[str, Any]) -> str:
    """Return ``text`` as the hook changes it."""
    for one in hook["substitutions"]:
        text = re.sub(one["pattern"], one["replacement"], text)
    return text


def test_relative_links_are_text_and_images_are_left_out(hook: dict[str, Any]) -> None:
    assert hook["fragments"] == [{"path": "README.md"}]
    text = changed(README, hook)
    assert "](" in README
    assert "](" not in text
    assert "page.png" not in text
    assert "Details" in text
    assert "[Details]" not in text
    assert "init=[my_function" in text  # code is kept


def test_other_links_are_kept(hook: dict[str, Any]) -> None:
    kept = "[a](https://a.org) [b](#b) "
    assert changed(f"{kept}![c](c.png)", hook) == kept
