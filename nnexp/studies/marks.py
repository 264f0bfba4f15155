"""How verdicts look on the page of all studies: a symbol, a tone and a meaning for each."""

from __future__ import annotations

from typing import NamedTuple

from nnexp.analysis import verdicts


class Mark(NamedTuple):
    """How a verdict looks: the id of its symbol, its tone, and its meaning in a sentence."""

    symbol: str
    tone: str
    meaning: str


# In the order of the page.
MARKS = {
    verdicts.REPRODUCED: Mark("tick", "good", "The measurement agrees with the claim."),
    verdicts.DIRECTION: Mark(
        "half", "good", "The sign agrees with the claim; the difference may be too small to matter."
    ),
    verdicts.CONTRADICTED: Mark("cross", "bad", "The measurement shows the reverse of the claim."),
    verdicts.NO_DIFFERENCE: Mark(
        "same", "calm", "Any difference is smaller than the smallest one that matters."
    ),
    verdicts.INCONCLUSIVE: Mark(
        "question", "doubt", "The interval is too wide for a conclusion: more seeds are needed."
    ),
    verdicts.UNDERPOWERED: Mark(
        "few", "doubt", "Too few seeds for the study's number of claims: described, not judged."
    ),
    verdicts.CONSISTENT: Mark(
        "inside", "good", "The runs are consistent with the published figure."
    ),
    verdicts.BORDERLINE: Mark(
        "edge",
        "doubt",
        "The published figure lies outside its 95 % interval, but not outside the wider one that "
        "the study's figures share.",
    ),
    verdicts.EXCEEDED: Mark("up", "calm", "The runs are better than the published figure."),
    verdicts.SHORT_OF: Mark("down", "bad", "The runs are worse than the published figure."),
    verdicts.TOO_NOISY: Mark(
        "waves", "doubt", "The runs vary too much to judge the published figure."
    ),
    verdicts.WITHHELD: Mark(
        "gap", "doubt", "Some runs failed, or a setting is not tuned yet: see what was measured."
    ),
    verdicts.STALE: Mark(
        "clock", "doubt", "Not a verdict: the study has changed since the claim was judged."
    ),
}
# As MARKS, for the verdicts on rows.
ROW_MARKS = {
    verdicts.HOLDS: Mark("tick", "good", ""),
    verdicts.PARTLY: Mark("half", "calm", ""),
    verdicts.FAILS: Mark("cross", "bad", ""),
    verdicts.UNDECIDED: Mark("question", "doubt", ""),
    verdicts.STALE: MARKS[verdicts.STALE],
}
