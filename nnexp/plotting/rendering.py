"""Figures → the bytes of their files, in processes beside this one where the system can fork."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import multiprocessing
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from nnexp.messages.language import ENGLISH, language
from nnexp.plotting.fonts import lettered
from nnexp.plotting.frame import Film
from nnexp.process.interrupts import SIGNALS

if TYPE_CHECKING:
    import pandas as pd

    from nnexp.analysis.arms import Comparison
    from nnexp.plotting.picture import Picture
    from nnexp.store.record import Record


class Drawing(NamedTuple):
    """A picture as it is written: its words, its bytes, and its numbers as CSV.

    ``readings`` has what `nnexp.plotting.marks` says of its ``marks`` and its ``axes``.
    """

    name: str
    caption: str
    alt: str
    svg: bytes
    png: bytes
    csv: str
    readings: dict[str, list[Any]]


class Rendered(NamedTuple):
    """The drawings of a comparison, and the colour and line of each arm in all of them.

    ``film`` is of the runs that kept snapshots, if any.
    """

    drawings: list[Drawing]
    looks: dict[str, tuple[str, Any]]
    film: Film | None = None


def draw(
    comparison: Comparison,
    records: Sequence[Record] = (),
    kept: Mapping[str, pd.DataFrame] | None = None,
) -> Rendered:
    """Draw every picture; half of them in a second process where the system can fork one.

    The weights, snapshots, lines and decision regions of ``records`` that have them are drawn as
    well, or else the tables ``kept`` of `nnexp.plotting.record_figures.read`.
    """
    from nnexp.plotting.sweep_figures import looks

    styles = looks(comparison)
    tasks = [*pictures(comparison, records, kept).values()]
    if not can_fork():
        return Rendered(_drawn(tasks), styles, _film(comparison, records))
    receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)

    def help_out() -> None:
        receiver.close()  # so that sending fails instead of blocking if the parent has died
        with suppress(BrokenPipeError):
            sender.send(_drawn(tasks[1::2]))

    helper = forked(help_out)
    sender.close()
    try:
        film = _film(comparison, records)
        even = _drawn(tasks[::2])
        odd = receiver.recv()
    except EOFError:  # the helper was killed: draw its half in this process
        odd = _drawn(tasks[1::2])
    finally:
        receiver.close()  # so that the helper does not block on a result that nobody reads
        helper.join()
    pairs = itertools.zip_longest(even, odd)
    drawings = [drawing for pair in pairs for drawing in pair if drawing is not None]
    return Rendered(drawings, styles, film)


def pictures(
    comparison: Comparison,
    records: Sequence[Record] = (),
    kept: Mapping[str, pd.DataFrame] | None = None,
) -> dict[str, Callable[[], Picture]]:
    """Return a function that draws each figure of a page, by name, as in `draw`.

    Without a font for the current language, figures are in English.
    """
    drawn = _pictures(comparison, records, kept)
    if lettered():
        return drawn
    with language(ENGLISH):
        english = _pictures(comparison, records, kept)
    return {
        name: functools.partial(_in_english, translated, english[name])
        for name, translated in drawn.items()
    }


def _in_english(translated: Callable[[], Picture], english: Callable[[], Picture]) -> Picture:
    """Return a picture that is drawn in English, with the words beside it ``translated``."""
    words = translated()
    with language(ENGLISH):
        return dataclasses.replace(words, figure=english().figure)


def _pictures(
    comparison: Comparison, records: Sequence[Record], kept: Mapping[str, pd.DataFrame] | None
) -> dict[str, Callable[[], Picture]]:
    from nnexp.plotting.sweep_figures import figures

    arms = dict(zip(comparison.runs["run_id"], map(str, comparison.runs["arm"]), strict=True))
    return {
        **figures(comparison),
        **_of_records(comparison, records, kept),
        **_weight_images(records, arms),
    }


def _of_records(
    comparison: Comparison, records: Sequence[Record], kept: Mapping[str, pd.DataFrame] | None
) -> dict[str, Callable[[], Picture]]:
    if kept is None and not any(r.line or r.regions or r.weights for r in records):
        return {}
    from nnexp.plotting import record_figures

    return record_figures.pictures(comparison, records, kept)


def _weight_images(
    records: Sequence[Record], arms: Mapping[str, str]
) -> dict[str, Callable[[], Picture]]:
    if all(record.weights is None for record in records):
        return {}
    from nnexp.plotting import weight_images

    drawn = weight_images.pictures(weight_images.tabulate(records, arms))
    return {picture.name: functools.partial(_same, picture) for picture in drawn}


def _film(comparison: Comparison, records: Sequence[Record]) -> Film | None:
    if all(record.snapshots is None for record in records):
        return None
    from nnexp.analysis.film import reels
    from nnexp.plotting.film import draw

    arms = dict(zip(comparison.runs["run_id"], map(str, comparison.runs["arm"]), strict=True))
    found = reels(records, arms)
    return draw(found, len(comparison.arms)) if found else None


def _same(picture: Picture) -> Picture:
    return picture


def _drawn(tasks: Sequence[Callable[[], Picture]]) -> list[Drawing]:
    return [_drawing(task()) for task in tasks]


def _drawing(picture: Picture) -> Drawing:
    from nnexp.plotting import layout, marks

    found, figure = marks.number(picture.figure), picture.figure
    svg, png = layout.svg(figure), layout.png(figure)
    readings = {"marks": found, "axes": marks.axes(figure)}
    return Drawing(picture.name, picture.caption, picture.alt, svg, png, picture.csv, readings)


def can_fork() -> bool:
    """Return whether this process can be forked: threads of libraries would not be copied."""
    return "fork" in multiprocessing.get_all_start_methods() and threading.active_count() == 1


def forked(work: Callable[[], None]) -> multiprocessing.process.BaseProcess:
    """Start a process that does ``work`` with Ctrl-C and SIGTERM left to this one."""
    process = multiprocessing.get_context("fork").Process(target=work)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process
