"""What a page shows of a study: its judgements and pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

from nnexp.studies.judgement import Judgement
from nnexp.studies.lock_section import LockSection, not_locked
from nnexp.studies.study import Study


@dataclass(frozen=True)
class Shown:
    """A picture with its ``caption`` and ``alt``, the alternative text.

    ``svg`` is a whole SVG document and ``png`` a PNG file. One of them may be empty; the one that
    takes fewer bytes in the page is shown. ``claims`` holds the ids of the claims it belongs to,
    ``csv`` its numbers, as in ``<name>.csv`` in the folder of its study.
    """

    name: str
    caption: str
    alt: str
    claims: tuple[str, ...] = ()
    svg: bytes = b""
    png: bytes = b""
    csv: str = ""


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
