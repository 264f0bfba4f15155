"""How verdicts look on the pages of the report: a symbol and a tone for each."""

from __future__ import annotations

from typing import NamedTuple

from nnexp.analysis import verdicts


class Mark(NamedTuple):
    """How a verdict looks: the id of its symbol, and its tone."""

    symbol: str
    tone: str


# In the order of the page.
MARKS = {
    verdicts.REPRODUCED: Mark("tick", "good"),
    verdicts.DIRECTION: Mark("half", "good"),
    verdicts.CONTRADICTED: Mark("cross", "bad"),
    verdicts.NO_DIFFERENCE: Mark("same", "calm"),
    verdicts.INCONCLUSIVE: Mark("question", "doubt"),
    verdicts.UNDERPOWERED: Mark("few", "doubt"),
    verdicts.CONSISTENT: Mark("inside", "good"),
    verdicts.BORDERLINE: Mark("edge", "doubt"),
    verdicts.EXCEEDED: Mark("up", "calm"),
    verdicts.SHORT_OF: Mark("down", "bad"),
    verdicts.TOO_NOISY: Mark("waves", "doubt"),
    verdicts.WITHHELD: Mark("gap", "doubt"),
    verdicts.STALE: Mark("clock", "doubt"),
}
# As MARKS, for the verdicts on rows.
ROW_MARKS = {
    verdicts.HOLDS: Mark("tick", "good"),
    verdicts.PARTLY: Mark("half", "calm"),
    verdicts.FAILS: Mark("cross", "bad"),
    verdicts.UNDECIDED: Mark("question", "doubt"),
    verdicts.STALE: MARKS[verdicts.STALE],
}
