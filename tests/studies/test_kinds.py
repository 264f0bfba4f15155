"""A new kind of test needs its own class and a line of the registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from matplotlib.figure import Figure

from nnexp.analysis.verdicts import CONTRADICTED, REPRODUCED
from nnexp.config.experiment_file import Design
from nnexp.errors import InputError
from nnexp.plotting.picture import Picture
from nnexp.store.tables import Tables
from nnexp.studies.entry import Entry
from nnexp.studies.judgement import Judgement
from nnexp.studies.judging import judge, repeated
from nnexp.studies.kinds import KINDS
from nnexp.studies.markdown_report import write_report
from nnexp.studies.reader import read_study
from nnexp.studies.study import Claim, ClaimPicture, Study, of_kind
from nnexp.studies.study_tables import write_tables
from tests.studies.test_judging import HEAD, planted

CLAIM = "{{id: c, row: D1.1, statement: All reach {0}., test: every, arm: a, level: {0}, {1}}}"


@dataclass(frozen=True)
class Every:
    """Every run of an arm ends with at least a test accuracy."""

    arms: tuple[str, ...]
    level: float
    name: str = "every"

    KEYS: ClassVar[tuple[str, ...]] = ("arm", "level")
    NEEDED: ClassVar[tuple[str, ...]] = ("arm", "level")
    VERDICTS: ClassVar[tuple[str, ...]] = (REPRODUCED, CONTRADICTED)
    FAMILY: ClassVar[str] = ""

    where: ClassVar[Mapping[str, Any]] = {}
    measures: ClassVar[str] = "test accuracy"

    @staticmethod
    def rule() -> str:
        """Return the rule."""
        return "Every run **must** reach the level."

    def settings_of(self, arm: str, tables: Tables) -> Mapping[str, Any]:
        """Return no settings: nothing is swept."""
        return {}

    @classmethod
    def read(cls, name: str, entry: Entry, arms: Mapping[str, Any], design: Design) -> Every:
        """Read the arm and the level."""
        level = entry.number("level", entry["level"])
        return cls((entry.one_of("arm", entry["arm"], arms),), level)

    def printed(self, claim: Claim) -> str:
        """Return the level."""
        return f"{self.level:g}"

    def judge(self, study: Study, claim: Claim, tables: Tables | None, looks: int) -> Judgement:
        """Judge by the worst run."""
        assert tables is not None
        values = tables.runs.loc[tables.runs["arm"] == self.arms[0], "test_accuracy"]
        return Judgement(
            **repeated(study, claim),
            protocol="",
            measured=f"the lowest is {values.min():.2f}",
            verdict=REPRODUCED if values.min() >= self.level else CONTRADICTED,
            n=len(values),
        )

    @classmethod
    def draw(
        cls, study: Study, judgements: Mapping[str, Judgement], tables: Tables
    ) -> Iterator[ClaimPicture]:
        """Yield a line at the level of each claim."""
        for claim, test in of_kind(study, cls):
            figure = Figure()
            figure.subplots().axhline(test.level)
            words = f"The level of {claim.id}: {judgements[claim.id].verdict}."
            name = f"every-{claim.id}"
            picture = Picture(name, claim.statement, words, words, figure, tables.runs[["seed"]])
            yield ClaimPicture(picture, (claim.id,))

    def explain(self, judgement: Judgement) -> Iterator[tuple[str, str]]:
        """Yield one sentence."""
        yield "Test", f"every run of {self.arms[0]} reaches {self.level:g}"


@pytest.fixture
def every(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "every", Every)


def study_of(folder: Path, claim: str) -> Study:
    file = folder / "s.yaml"
    file.write_text(HEAD.format(claim=claim), "utf-8")
    study = read_study(file)
    assert study is not None
    return study


@pytest.mark.usefixtures("every")
def test_a_new_kind_is_read_judged_drawn_and_reported(tmp_path: Path) -> None:
    study = study_of(tmp_path, CLAIM.format(0.9, "expected: reproduced"))
    tables = planted(0.001, 0.95, 0.93)
    judgements = judge(study, tables)
    assert [one.verdict for one in judgements] == ["reproduced"]
    write_tables(study, tables, judgements, tmp_path / "results")
    results = write_report([study], tmp_path / "results").parent
    for name in ("claims.html", "README.md", "s/index.html", "s/README.md"):
        file = results / name
        text = file.read_text("utf-8")
        assert "All reach 0.9." in text
        assert "the lowest is 0.9" in text
    page, every_claim = ((results / f).read_text("utf-8") for f in ("claims.html", "README.md"))
    assert "Every run <strong>must</strong> reach the level." in page
    assert "Every run **must** reach the level." in every_claim
    assert "<dt>Test</dt><dd>every run of a reaches 0.9</dd>" in page
    own = results / "s"
    assert "`c`: every run of a reaches 0.9" in (own / "README.md").read_text("utf-8")
    assert (own / "every-c.svg").is_file()
    assert "The level of c: reproduced." in (own / "index.html").read_text("utf-8")


@pytest.mark.usefixtures("every")
@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (CLAIM.format("high", "expected: reproduced"), "'c' \\(every\\): level='high' is not a"),
        (CLAIM.format(0.9, "expected: consistent"), "unknown expected verdict 'consistent'"),
        (CLAIM.format(0.9, "cap: 1, expected: reproduced"), r"unknown key 'cap': .*level"),
    ],
)
def test_a_new_kind_refuses_what_it_does_not_take(tmp_path: Path, claim: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        study_of(tmp_path, claim)


@pytest.mark.usefixtures("every")
def test_the_digest_of_a_new_kind_has_its_own_keys(tmp_path: Path) -> None:
    claims = (CLAIM.format(level, "expected: reproduced") for level in (0.9, 0.9, 0.95))
    lower, same, higher = (study_of(tmp_path, claim) for claim in claims)
    digests = [one.digest(one.claims[0]) for one in (lower, same, higher)]
    assert digests[0] == digests[1] != digests[2]
