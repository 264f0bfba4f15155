"""Rendering in a process beside this one: the same figures, and no process is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest

from nnexp.analysis.arms import compare
from nnexp.plotting import sweep_figures
from nnexp.plotting.picture import Picture
from nnexp.plotting.rendering import draw, start_renderer
from nnexp.reports.sweep_page import write_sweep
from nnexp.store.record import Record
from nnexp.store.tables import tables
from nnexp.training.execute import execute
from tests.store.test_store import DEFAULTS

needs_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork"
)


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """Two runs of one arm and one of another."""
    return [execute({**DEFAULTS, **s}) for s in ({"seed": 0}, {"seed": 1}, {"init": "zero"})]


@pytest.fixture
def three_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw three figures: two in one process and one in another."""
    every = sweep_figures.figures
    monkeypatch.setattr(sweep_figures, "figures", lambda c: dict([*every(c).items()][:3]))


@needs_fork
@pytest.mark.usefixtures("three_figures")
def test_it_draws_what_is_drawn_here(records: list[Record]) -> None:
    with start_renderer() as renderer:
        assert renderer is not None
        renderer.start(records)
        rendered = renderer.result()
    assert rendered == draw(compare(*tables(records)))
    assert rendered is not None
    assert [d.name for d in rendered.drawings] == ["loss", "accuracy", "final"]
    assert list(rendered.looks) == ["xavier", "zero"]
    assert multiprocessing.active_children() == []


@pytest.mark.slow
@needs_fork
@pytest.mark.usefixtures("three_figures")
def test_a_lost_process_costs_no_figure(records: list[Record], tmp_path: Path) -> None:
    with start_renderer() as renderer:
        assert renderer is not None
        (child,) = multiprocessing.active_children()
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        renderer.start(records)
        written = write_sweep(tmp_path, *tables(records), command="", renderer=renderer)
    (tmp_path / "alone").mkdir()
    alone = write_sweep(tmp_path / "alone", *tables(records), command="")
    assert [path.name for path in written] == [path.name for path in alone]
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in alone]


@needs_fork
@pytest.mark.usefixtures("three_figures")
@pytest.mark.parametrize("place", [0, 1])
def test_a_picture_that_cannot_be_drawn_is_an_error_and_holds_nobody_up(
    records: list[Record], monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    compared = compare(*tables(records))
    figures = list(sweep_figures.figures(compared).items())

    def fail() -> Picture:
        raise RuntimeError("planted")

    figures.insert(place, ("planted", fail))
    monkeypatch.setattr(sweep_figures, "figures", lambda _: dict(figures))
    with start_renderer() as renderer:
        assert renderer is not None
        renderer.start(records)
        assert renderer.result() is None
    with pytest.raises(RuntimeError, match="planted"):
        draw(compared)
    assert multiprocessing.active_children() == []


@needs_fork
def test_it_ends_though_nothing_was_ordered_and_never_hears_of_ctrl_c() -> None:
    with start_renderer():
        (child,) = multiprocessing.active_children()
        os.kill(child.pid or 0, signal.SIGINT)
        child.join(0.3)
        assert child.is_alive()
    assert multiprocessing.active_children() == []


def test_there_is_none_where_threads_forbid_to_fork() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with start_renderer() as renderer:
            assert renderer is None
    finally:
        done.set()
        thread.join()
