"""What a page shows of a study: its judgements and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from nnexp.analysis.names import arm_words
from nnexp.messages.language import tr
from nnexp.plotting import layout, marks, weight_images
from nnexp.plotting.compact_svg import compact
from nnexp.studies.judgement import Judgement
from nnexp.studies.lock_section import LockSection, not_locked
from nnexp.studies.study import ClaimPicture, Study


@dataclass(frozen=True)
class Shown:
    """A picture with its ``caption`` and ``alt``, the alternative text.

    ``svg`` is a whole SVG document and ``png`` a PNG file. One of them may be empty; the one that
    takes fewer bytes in the page is shown. ``claims`` holds the ids of the claims it belongs to,
    ``csv`` its numbers, as in ``<name>.csv`` in the folder of its study. ``readings`` are the marks
    and axes of the SVG, as in `nnexp.plotting.marks`, with the seed of a run in place of its ID,
    or what to read of it in words.
    """

    name: str
    caption: str
    alt: str
    claims: tuple[str, ...] = ()
    svg: bytes = b""
    png: bytes = b""
    csv: str = ""
    readings: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """What the page shows of a study.

    ``seconds`` is the total training time of its ``runs``, and ``lock`` what is said of its lock.
    """

    study: Study
    judgements: list[Judgement]
    pictures: list[Shown]
    seconds: float
    runs: int
    lock: LockSection = field(default_factory=not_locked)


def show_picture(drawn: ClaimPicture, runs: pd.DataFrame) -> Shown:
    """Return a picture as a page shows it; ``runs`` has the arm and the seed of every run in it."""
    picture, claims = drawn
    name, caption, alt, csv = picture.name, picture.caption, picture.alt, picture.csv
    labels = zip(runs["arm"], runs["seed"], strict=True)
    own = dict(zip(runs["run_id"], labels, strict=True))
    found = [
        [kind, [*filter(None, arms)], [_read(kind, arms, own.get(run), run) for run in ids]]
        for kind, arms, ids in marks.number(picture.figure)
    ]
    svg = compact(layout.svg(picture.figure))
    png = layout.png(picture.figure) if name in weight_images.NAMES else b""
    readings = {"marks": found, "axes": marks.axes(picture.figure)}
    return Shown(name, caption, alt, claims, svg, png, csv, readings)


def _read(kind: str, arms: Sequence[str], own: tuple[str, int] | None, run: str) -> int | str:
    """Return what to read of a run in a mark of ``arms``: its seed, and its arm if not clear.

    ``own`` are the arm and seed of the ``run``; without them, it is the seed of a pair, or words.
    """
    if own is None:
        return int(run) if kind == "pairs" and run.isdecimal() else run
    arm, seed = own
    return seed if len(arms) == 1 else tr("{arm}: seed {seed}", arm=arm_words(arm), seed=seed)
