"""The README of the package has no links that work only in the repository."""

from __future__ import annotations

import importlib.util
import re
import sys
from types import ModuleType
from typing import Any

import pytest

from tests import ROOT

README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the build hook, without hatchling, which only builds need."""
    name = "hatchling.metadata.plugin.interface"
    interface = ModuleType(name)
    interface.MetadataHookInterface = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, name, interface)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def metadata(hook: Any, **given: Any) -> str:
    made = hook.Readme()
    made.root = str(ROOT)
    made.update(given)
    return str(given["readme"]["text"])


def test_links_are_absolute_if_the_repository_has_an_address(hook: Any) -> None:
    text = metadata(hook, urls={"Repository": "https://example.org/nnexp/"})
    assert "](https://example.org/nnexp/raw/main/results/demo/page.png)" in text
    assert "](https://example.org/nnexp/blob/main/nnexp/README.md#your-own-functions)" in text
    assert text.count("](") == README.count("](")
    assert not re.search(r"\]\((?!https://|#)", text)


def test_without_an_address_links_are_text_and_images_are_left_out(hook: Any) -> None:
    text = metadata(hook)
    assert "](" not in text
    assert "page.png" not in text
    assert "[Details]" not in text
    assert "init=[my_function" in text  # code is kept
    assert hook.portable("[a](https://a.org) [b](#b) ![c](c.png)", "").startswith(
        "[a](https://a.org) [b](#b)"
    )
