"""Studies: the files of ``experiments/`` that hold claims, read and checked.

A study is a Hydra experiment (settings, arms, what is swept) with one more key, ``study``: where
its claims come from, and the claims as data. Only that key is read here; Hydra composes the rest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nnexp.analysis.grids import Grid
from nnexp.analysis.outcomes import Outcome
from nnexp.analysis.verdicts import MATTERS, RULES, TESTS

# The widest prediction of an accuracy that still tells.
CAP = 0.01
# Tests that compare arms, or an arm with a threshold; together they are a study's family.
ORDERS = TESTS
# What a claim says but is not judged by. ``published`` decides where a computation is checked.
_WORDING = frozenset({"id", "row", "statement", "expected", "note", "line", "published"})


@dataclass(frozen=True)
class Claim:
    """A statement that can be judged: its source, the runs it needs, and a test one can read.

    ``line`` is where its file has it.

    ``arms`` holds two arms (paired by seed), one (against ``threshold`` or a published figure), or
    none (``computed``). ``where`` fixes swept settings, ``at`` the evaluation (``{"epoch": 5}``;
    empty: the last), ``map`` names the settings over which it is also described, ``tuned`` the
    setting chosen for each arm by a score (``{"over": "lr", "by": "validation_accuracy"}``).
    """

    id: str
    row: str
    statement: str
    test: str
    expected: str
    line: int = 0
    published: Any = None
    note: str = ""
    arms: tuple[str, ...] = ()
    outcome: Outcome = field(default_factory=lambda: Outcome("metric", "test_accuracy"))
    where: Mapping[str, Any] = field(default_factory=dict)
    at: Mapping[str, float] = field(default_factory=dict)
    threshold: float | None = None
    matters: float = MATTERS
    scale: str = "plain"
    map: tuple[str, ...] = ()
    tuned: Mapping[str, str] = field(default_factory=dict)
    value: float = 0.0
    rounding: Any = 0.0
    cap: float = CAP
    better: str = "higher"
    points: Mapping[float, float] = field(default_factory=dict)
    by: str = "step"
    compute: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def document(self) -> str:
        """``D2`` for the row ``D2.1``; ``papers`` for a claim of the literature."""
        match = re.match(r"D\d", self.row)
        return match[0] if match else "papers"


@dataclass(frozen=True)
class Study:
    """A study file: where its claims come from, what is asked, and the claims.

    ``source`` has the title of every document in its own language; ``arms`` the overrides of each
    arm, ``settings`` the other settings of the runs, swept ones included; ``alpha`` is shared by
    the ``family`` claims; ``figures`` names the figures of the runs that are shown, of the runs
    with the settings ``show``, and ``grids`` the heat maps of them.
    """

    name: str
    file: Path
    title: str
    source: Mapping[str, str]
    question: str
    protocol: str
    unstated: str
    explanation: str
    change_our_mind: str
    figures: tuple[str, ...]
    show: Mapping[str, Any]
    grids: tuple[Grid, ...]
    claims: tuple[Claim, ...]
    alpha: float
    arms: Mapping[str, tuple[str, ...]]
    settings: Mapping[str, Any]
    has_runs: bool

    @property
    def family(self) -> int:
        """How many claims share the error rate ``alpha``: the comparisons of the file."""
        return sum(claim.test in ORDERS for claim in self.claims)

    def digest(self, claim: Claim) -> str:
        """Return the identity of all in the file that decides the verdict on ``claim``.

        Its wording does not: a claim may be worded anew without being judged anew.
        """
        decides = {k: v for k, v in asdict(claim).items() if k not in _WORDING}
        if claim.test == "computed":
            decides["published"] = claim.published
        else:
            decides["overrides"] = {arm: self.arms[arm] for arm in claim.arms}
            decides["settings"] = self.settings
        if claim.test in ORDERS:
            decides |= {"alpha": self.alpha, "family": self.family, "rules": RULES}
        return hashlib.sha256(repr(_ordered(decides)).encode()).hexdigest()[:16]

    def command(self) -> str:
        """Return the line that reruns it."""
        return f"python -m nnexp.reproduce {self.name}"


def _ordered(value: Any) -> Any:
    """Return ``value`` with its mappings as lists of pairs in the order of their keys."""
    if isinstance(value, Mapping):
        pairs = [(str(key), _ordered(one)) for key, one in value.items()]
        return sorted(pairs, key=lambda pair: pair[0])
    return [_ordered(one) for one in value] if isinstance(value, list | tuple) else value
