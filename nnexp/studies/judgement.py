"""Judgements: the rows of ``claims.csv``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import pandas as pd

from nnexp.analysis import verdicts

# The verdict on a row combines those of its main claims. Others support it, or are rival readings.
ROLES = (MAIN, SUPPORT, RIVAL) = ("main", "support", "rival")
# The word for the test of a computation.
COMPUTED = "computed"
# What the report counts apart: checks by role, and computations among those that support.
PARTS = (*ROLES, COMPUTED)
# Whether a claim was locked before its runs began, on seeds that no pilot used, or not.
ANALYSES = (CONFIRMATORY, EXPLORATORY) = ("confirmatory", "exploratory")


@dataclass(frozen=True)
class Judgement:
    """A row of ``claims.csv``: a claim, what was measured, and the verdict.

    For a comparison, ``first`` and ``second`` are the medians of the two arms, or a median and the
    threshold, and ``difference`` is the median of the paired differences; for a published figure,
    they are the mean, that figure and the first minus the second. ``low`` and ``high`` bound the
    interval at ``level`` that the verdict is based on. ``detectable`` is the difference that ``n``
    runs would have shown with a power of 80 %, and ``seeds_needed`` is how many runs would show
    ``matters``. ``digest`` is `Study.digest` when the claim was judged; it is empty in the tables
    of an older nnexp, which have no ``role``. ``analysis`` is one of `ANALYSES`, ``reason`` is
    why it is exploratory. What does not apply is empty.
    """

    study: str
    claim: str
    document: str
    row: str
    statement: str
    test: str
    published: str
    outcome: str
    protocol: str
    measured: str
    verdict: str
    expected: str
    n: int | None = None
    first: float | None = None
    second: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    effect_size: float | None = None
    superiority: float | None = None
    matters: float | None = None
    detectable: float | None = None
    seeds_needed: int | None = None
    holds_in: str = ""
    note: str = ""
    digest: str = ""
    role: str = SUPPORT
    analysis: str = EXPLORATORY
    reason: str = ""

    @property
    def part(self) -> str:
        """With which checks it is counted, one of `PARTS`."""
        return COMPUTED if (self.role, self.test) == (SUPPORT, COMPUTED) else self.role

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one in the study's file; a stale one is not compared."""
        return self.verdict in (self.expected, verdicts.STALE)


# Values of columns that the tables of an older nnexp do not have.
_MISSING = {"role": SUPPORT, "analysis": EXPLORATORY}


def to_table(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """Return judgements as the table of ``claims.csv``."""
    rows = [asdict(one) | {"as_expected": one.as_expected} for one in judgements]
    table: pd.DataFrame = pd.DataFrame(rows).astype({"n": "Int64", "seeds_needed": "Int64"})
    return table


def from_table(table: pd.DataFrame) -> list[Judgement]:
    """Return the judgements in a ``claims.csv`` that was read with every cell as text."""
    kinds = {field.name: str(field.type) for field in fields(Judgement)}
    judgements = []
    for row in table.to_dict("records"):
        values: dict[str, Any] = {}
        for name, kind in kinds.items():
            text = row.get(name, _MISSING.get(name, ""))
            if kind == "str":
                values[name] = text
            elif text:
                values[name] = int(text) if kind.startswith("int") else float(text)
        judgements.append(Judgement(**values))
    return judgements
