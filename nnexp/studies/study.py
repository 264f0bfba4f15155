"""Studies and their claims.

A study is a Hydra experiment (settings, arms, what is swept) with one more key, ``study``: where
its claims come from, and the claims as data.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import Field, asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

import pandas as pd

from nnexp.analysis.grids import Grid
from nnexp.analysis.outcomes import Outcome
from nnexp.analysis.tuning import Tuned
from nnexp.analysis.verdicts import RULES, TUNING
from nnexp.config.experiment_file import Design
from nnexp.errors import InputError
from nnexp.plotting.picture import Picture
from nnexp.store.tables import Tables
from nnexp.studies.entry import Entry
from nnexp.studies.judgement import SUPPORT, Judgement

T = TypeVar("T")

PAPERS = "papers"
# The words for the tests of a study that share an error rate.
COMPARISONS, FIGURES = "comparisons", "published figures"

# Every digest holds these keys, as those of verdicts that were judged by earlier versions do; a
# test that does not have one of them has this value.
_DIGESTED: Mapping[str, Any] = {
    "arms": (),
    "outcome": asdict(Outcome("metric", "test_accuracy")),
    "where": {},
    "at": {},
    "threshold": None,
    "matters": 0.003,
    "scale": "plain",
    "map": (),
    "tuned": {},
    "value": 0.0,
    "rounding": 0.0,
    "cap": 0.01,
    "better": "higher",
    "points": {},
    "by": "step",
    "compute": "",
    "given": {},
}


class ClaimPicture(NamedTuple):
    """A picture and the ids of the claims it belongs to."""

    picture: Picture
    claims: tuple[str, ...]


class ClaimTest(Protocol):
    """How a claim is tested: a frozen dataclass whose fields decide the verdict.

    `nnexp.studies.kinds` has a class for each kind of test, registered by its names.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    # The keys of the study's file, those that cannot be left out, and the verdicts it can expect.
    KEYS: ClassVar[tuple[str, ...]]
    NEEDED: ClassVar[tuple[str, ...]]
    VERDICTS: ClassVar[tuple[str, ...]]
    # Which tests of a study share an error rate: those with the same word; empty: none.
    FAMILY: ClassVar[str]

    @staticmethod
    def rule() -> str:
        """Return how claims of this kind are judged: Markdown for readers of the report."""

    @property
    def name(self) -> str:
        """The word for it in the study's file."""

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms whose runs it needs; none if it needs no runs."""

    @property
    def where(self) -> Mapping[str, Any]:
        """The swept settings that it fixes."""

    def settings_of(self, arm: str, tables: Tables) -> Mapping[str, Any]:
        """Return the swept settings at which it looks at an arm: ``where``, and what is tuned."""

    @property
    def measures(self) -> str:
        """What is measured of a run, in words; empty if there are no runs."""

    @classmethod
    def read(cls, name: str, entry: Entry, arms: Mapping[str, Any], design: Design) -> ClaimTest:
        """Return the test of a claim; `InputError` if one of its keys is malformed.

        ``arms`` and ``design`` are those of the study's file.
        """

    def printed(self, claim: Claim) -> str:
        """Return what was published, in words."""

    def judge(self, study: Study, claim: Claim, tables: Tables | None, looks: int) -> Judgement:
        """Return the judgement of ``claim``; `InputError` if ``tables`` lack what it needs."""

    @classmethod
    def draw(
        cls, study: Study, judgements: Mapping[str, Judgement], tables: Tables
    ) -> Iterator[ClaimPicture]:
        """Yield the figures of the claims of this kind; ``judgements`` are by claim."""

    def explain(self, judgement: Judgement) -> Iterator[tuple[str, str]]:
        """Yield what the verdict is based on, as pairs of a term and a text."""


@dataclass(frozen=True)
class Claim:
    """A statement that can be judged, and its test.

    ``row`` is its place in its source and ``role`` its part in the verdict on that row, one of
    `nnexp.studies.judgement.ROLES`. ``expected`` is the verdict of earlier runs, ``line`` that of
    the study's file, ``published`` what was published, in words.
    """

    id: str
    row: str
    statement: str
    test: ClaimTest
    expected: str
    role: str = SUPPORT
    line: int = 0
    published: str = ""
    note: str = ""

    @property
    def document(self) -> str:
        """``D2`` for the row ``D2.1``; ``papers`` for a claim of the literature."""
        return document_of(self.row)


@dataclass(frozen=True)
class Study:
    """A study file: where its claims come from, what is asked, and the claims.

    ``source`` has the title of every document in its own language; ``arms`` has the overrides of
    each arm, ``settings`` the other settings of the runs, swept ones included. ``rows`` has a
    sentence for rows of the sources, by name. ``topic`` is the question under which the report
    lists the study, a key of `nnexp.studies.topics.TOPICS`; a ``headline`` is among the findings
    most worth knowing. ``claim`` is the famous claim that it tests, ``answer`` what was found if
    all verdicts are as expected, ``figure`` the main figure. ``alpha`` is the error rate that the
    comparisons of the study share. ``figures`` names the figures that are shown of the runs with
    the settings ``show``, and ``grids`` holds their heat maps.
    """

    name: str
    file: Path
    title: str
    source: Mapping[str, str]
    question: str
    claim: str
    answer: str
    figure: str
    protocol: str
    unstated: str
    explanation: str
    change_our_mind: str
    topic: str
    headline: bool
    figures: tuple[str, ...]
    show: Mapping[str, Any]
    grids: tuple[Grid, ...]
    claims: tuple[Claim, ...]
    rows: Mapping[str, str]
    alpha: float
    arms: Mapping[str, tuple[str, ...]]
    settings: Mapping[str, Any]

    def family(self, claim: Claim) -> int:
        """Return the number of claims that share an error rate with ``claim``, which is one."""
        return sum(claim.test.FAMILY == other.test.FAMILY for other in self.claims)

    @property
    def has_runs(self) -> bool:
        """Whether a claim needs runs."""
        return any(claim.test.arms for claim in self.claims)

    @property
    def tuned(self) -> dict[str, tuple[float, ...]]:
        """The settings that claims tune, and the values at which the study itself runs them."""
        every = (getattr(claim.test, "tuned", None) for claim in self.claims)
        swept = self.settings["swept"]
        return {
            key: tuple(map(float, str(swept[key]).split(",")))
            for tuned in every
            for key in (tuned.over if tuned else ())
        }

    def own(self, runs: pd.DataFrame) -> pd.DataFrame:
        """Return the ``runs`` of the study's own sweep, without those that tuning added."""
        for over, values in self.tuned.items():
            runs = runs[runs[over].isin(values)]
        return runs

    def digest(self, claim: Claim) -> str:
        """Return the identity of everything in the file that decides the verdict on ``claim``.

        The wording of the claim and its role are not part of it: they can change without the claim
        being judged again.
        """
        decides = dict(_DIGESTED) | asdict(claim.test)
        tuned: Tuned | None = getattr(claim.test, "tuned", None)
        decides["tuned"] = tuned.digested if tuned else {}
        decides["test"] = decides.pop("name")
        if claim.test.arms:
            decides["overrides"] = {arm: self.arms[arm] for arm in claim.test.arms}
            decides["settings"] = self.settings
        if claim.test.FAMILY:
            decides |= {"family": self.family(claim), "rules": RULES}
        if claim.test.FAMILY == COMPARISONS:
            decides["alpha"] = self.alpha
        if tuned:
            decides["tuning"] = TUNING
        return hashlib.sha256(repr(_ordered(decides)).encode()).hexdigest()[:16]

    def command(self) -> str:
        """Return the command that reruns it."""
        return f"python -m nnexp.reproduce {self.name}"

    def error(self, claim: Claim, error: InputError) -> InputError:
        """Return ``error`` with the file and line of the claim that it is about."""
        return InputError(f"{self.file}, line {claim.line}: claim {claim.id!r}: {error}")


def document_of(row: str) -> str:
    """Return the document that a row is of, `PAPERS` for one of the literature."""
    match = re.match(r"D\d", row)
    return match[0] if match else PAPERS


def short(name: str) -> str:
    """Return the name of a study without its folder."""
    return name.rpartition("/")[2]


def of_kind(study: Study, kind: type[T]) -> list[tuple[Claim, T]]:
    """Return the claims of ``study`` whose test is a ``kind``, each with its test."""
    return [(claim, claim.test) for claim in study.claims if isinstance(claim.test, kind)]


def _ordered(value: Any) -> Any:
    """Return ``value`` with its mappings as lists of pairs in the order of their keys."""
    if isinstance(value, Mapping):
        pairs = [(str(key), _ordered(one)) for key, one in value.items()]
        return sorted(pairs, key=lambda pair: pair[0])
    return [_ordered(one) for one in value] if isinstance(value, list | tuple) else value
