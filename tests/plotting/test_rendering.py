"""Rendering in two processes: an error is not lost, and no process is left behind."""

from __future__ import annotations

import multiprocessing

import pytest

from nnexp.analysis.arms import compare
from nnexp.plotting import sweep_figures
from nnexp.plotting.picture import Picture
from nnexp.plotting.rendering import draw
from nnexp.store.tables import tables
from nnexp.training.execute import execute
from tests.store.test_store import DEFAULTS


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, 1])
def test_a_picture_that_cannot_be_drawn_is_an_error_and_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    compared = compare(*tables([execute(DEFAULTS)]))
    figures = list(sweep_figures.figures(compared).items())[:3]

    def fail() -> Picture:
        raise RuntimeError("planted")

    figures.insert(place, ("planted", fail))
    monkeypatch.setattr(sweep_figures, "figures", lambda _: dict(figures))
    with pytest.raises(RuntimeError, match="planted"):
        draw(compared)
    assert multiprocessing.active_children() == []
