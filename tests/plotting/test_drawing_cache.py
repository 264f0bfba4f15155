"""Drawings are kept by what they depend on: found again, never stale, within a limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.data import cache
from nnexp.plotting import drawing_cache
from nnexp.plotting.drawing_cache import kept
from nnexp.plotting.rendering import Drawing, Rendered
from nnexp.store import versions
from nnexp.store.record import Record
from nnexp.store.store import Store
from nnexp.training.execute import execute
from tests.store.test_store import DEFAULTS

DRAWN = Rendered(
    [
        Drawing(
            "loss",
            "± 1 √2",
            "alt",
            b"<svg/>",
            b"\x89PNG\x00",
            "a,b\n1,2\n",
            {"marks": [["mean", ["he"], []]]},
        )
    ],
    {"xavier": ("#0072B2", "-")},
)


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """Two runs."""
    return [execute({**DEFAULTS, "seed": seed}) for seed in (0, 1)]


def drawn_again(records: list[Record]) -> bool:
    """Return whether the figures of ``records`` are drawn, not found."""
    calls = []

    def draw() -> Rendered:
        calls.append(1)
        return DRAWN

    rendered = kept(records, draw)
    assert rendered.drawings == DRAWN.drawings
    assert {arm: tuple(look) for arm, look in rendered.looks.items()} == DRAWN.looks
    return bool(calls)


def test_runs_found_in_the_store_are_not_drawn_again(records: list[Record], tmp_path: Path) -> None:
    store = Store(tmp_path)
    for record in records:
        store.write(record)
    assert drawn_again(records)
    assert not drawn_again([store.load(record.run_id) for record in records])


CHANGES: dict[str, Callable[[Record], Any]] = {
    "its arm": lambda r: replace(r, arm="another"),
    "its seconds": lambda r: replace(r, seconds=r.seconds + 1),
    "an evaluation": lambda r: replace(r, metrics=[*r.metrics[:-1], {**r.metrics[-1], "step": 3}]),
    "a layer": lambda r: replace(r, layers=r.layers[1:]),
    "its data": lambda r: replace(r, identity={**r.identity, "data": "another"}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_a_run_is_drawn(
    records: list[Record], change: Callable[[Record], Record]
) -> None:
    assert drawn_again(records)
    assert drawn_again([change(records[0]), records[1]])
    assert drawn_again(records[::-1])
    assert not drawn_again(records)


def test_edited_code_and_another_library_draw_anew(
    records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert drawn_again(records)
    with monkeypatch.context() as patch:
        patch.setattr(versions, "digest", lambda: "edited")
        assert drawn_again(records)
    monkeypatch.setattr(drawing_cache, "version", lambda library: f"{library} 9")
    assert drawn_again(records)


def test_nothing_is_kept_if_a_library_has_no_version(
    records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing_cache, "_LIBRARIES", ("matplotlib", "no-such-library"))
    assert drawn_again(records)
    assert drawn_again(records)


def test_weights_are_drawn_anew(records: list[Record]) -> None:
    weights = {"W1": np.zeros((2, 2))}
    for _ in range(2):
        assert drawn_again([replace(records[0], weights=weights)])


@pytest.mark.parametrize("content", [b"", b"{}", b'{"drawings": [[1]], "looks": {}}', b"\xff"])
def test_a_damaged_file_is_replaced(records: list[Record], content: bytes) -> None:
    assert drawn_again(records)
    (file,) = cache.drawings().iterdir()
    file.write_bytes(content)
    assert drawn_again(records)
    assert not drawn_again(records)


def test_a_cache_that_cannot_be_written_keeps_nothing(
    records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(cache, "drawings", lambda: tmp_path / "file" / "drawings")
    assert drawn_again(records)
    assert drawn_again(records)


def test_those_used_longest_ago_are_removed(
    records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = records
    assert drawn_again([first])
    assert drawn_again([second])
    size = next(cache.drawings().iterdir()).stat().st_size
    assert not drawn_again([first])
    monkeypatch.setattr(drawing_cache, "_MOST_BYTES", 2 * size + 100)
    assert drawn_again(records)
    assert not drawn_again([first])
    assert drawn_again([second])


def test_the_cache_lists_and_clears_them(
    records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "folder", lambda: tmp_path)
    monkeypatch.setattr(cache, "drawings", lambda: tmp_path / "drawings")
    assert drawn_again(records)
    assert [file.parent.name for file in cache.files()] == ["drawings"]
    cache.clear()
    assert list(tmp_path.iterdir()) == []
