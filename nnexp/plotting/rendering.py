"""Figures → the bytes of their files, by processes beside this one where the system can fork."""

from __future__ import annotations

import functools
import gc
import itertools
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, NamedTuple

from nnexp.interrupts import SIGNALS

if TYPE_CHECKING:
    from nnexp.analysis.arms import Comparison
    from nnexp.plotting.picture import Picture
    from nnexp.store.record import Record


class Drawing(NamedTuple):
    """A picture as it is written: its words, its bytes, and its numbers as CSV."""

    name: str
    caption: str
    alt: str
    svg: bytes
    png: bytes
    csv: str


class Gallery(NamedTuple):
    """The pictures of a comparison, and by which colour and line each arm goes in all of them."""

    drawings: list[Drawing]
    looks: dict[str, tuple[str, Any]]


class Studio:
    """A process that loads the drawing libraries while this one is busy with other things."""

    def __init__(self, line: Connection) -> None:
        self._line = line

    def order(self, records: Sequence[Record]) -> None:
        """Have the figures of ``records`` drawn, without waiting for them."""
        with suppress(BrokenPipeError):
            self._line.send(list(records))

    def gallery(self) -> Gallery | None:
        """Return the figures that were ordered, or ``None`` if the process was lost."""
        try:
            gallery: Gallery = self._line.recv()
        except (EOFError, ConnectionError):
            return None
        return gallery


@contextmanager
def studio() -> Iterator[Studio | None]:
    """Open a studio for a while; ``None`` where the system cannot fork this process."""
    if not _can_fork():
        yield None
        return
    here, there = multiprocessing.get_context("fork").Pipe()

    def serve() -> None:
        here.close()  # so that it ends with whoever might order
        gc.disable()  # which would cost a tenth of the time of a process that soon ends
        from nnexp.analysis.arms import compare
        from nnexp.plotting import sweep_figures  # noqa: F401
        from nnexp.store.tables import tables

        with suppress(EOFError, ConnectionError):
            records = there.recv()
            there.send(draw(compare(*tables(records)), records))

    process = _forked(serve)
    there.close()
    try:
        yield Studio(here)
    finally:
        here.close()
        process.kill()
        process.join()


def draw(comparison: Comparison, records: Sequence[Record] = ()) -> Gallery:
    """Draw every picture; half of them in a second process where the system can fork one.

    Of the ``records`` that kept their weights, portraits are drawn as well.
    """
    from nnexp.plotting.styles import arm_styles
    from nnexp.plotting.sweep_figures import painters

    looks = {arm: (s.colour, s.line) for arm, s in arm_styles(comparison).items()}
    to_paint = [*painters(comparison).values(), *_portraits(comparison, records)]
    if not _can_fork():
        return Gallery(_drawn(to_paint), looks)
    here, there = multiprocessing.get_context("fork").Pipe(duplex=False)

    def help_out() -> None:
        here.close()  # so that sending fails, and does not wait, once nobody listens
        with suppress(BrokenPipeError):
            there.send(_drawn(to_paint[1::2]))

    helper = _forked(help_out)
    there.close()
    try:
        mine = _drawn(to_paint[::2])
        others = here.recv()
    except EOFError:  # the helper was killed: its half is drawn here
        others = _drawn(to_paint[1::2])
    finally:
        here.close()  # lest it wait to send what nobody takes
        helper.join()
    pairs = itertools.zip_longest(mine, others)
    drawings = [drawing for pair in pairs for drawing in pair if drawing is not None]
    return Gallery(drawings, looks)


def _portraits(comparison: Comparison, records: Sequence[Record]) -> list[Callable[[], Picture]]:
    if all(record.weights is None for record in records):
        return []
    from nnexp.plotting import weight_images

    arms = dict(zip(comparison.runs["run_id"], map(str, comparison.runs["arm"]), strict=True))
    pictures = weight_images.pictures(weight_images.sit(records, arms))
    return [functools.partial(_same, picture) for picture in pictures]


def _same(picture: Picture) -> Picture:
    return picture


def _drawn(to_paint: Sequence[Callable[[], Picture]]) -> list[Drawing]:
    from nnexp.plotting import layout

    return [
        Drawing(p.name, p.caption, p.alt, layout.svg(p.figure), layout.png(p.figure), p.csv)
        for p in (paint() for paint in to_paint)
    ]


def _can_fork() -> bool:
    return "fork" in multiprocessing.get_all_start_methods() and threading.active_count() == 1


def _forked(work: Callable[[], None]) -> multiprocessing.process.BaseProcess:
    """Start a process that does ``work``; Ctrl-C and SIGTERM are for this one alone."""
    process = multiprocessing.get_context("fork").Process(target=work)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process
