"""Printed figures that follow from given numbers, computed again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nnexp.analysis import verdicts
from nnexp.config.experiment_file import Design
from nnexp.messages.language import tr
from nnexp.store.tables import Tables
from nnexp.studies import computations
from nnexp.studies.entry import Entry
from nnexp.studies.judgement import Judgement
from nnexp.studies.judging import repeated
from nnexp.studies.study import Claim, ClaimPicture, Study

# The figures of an array that are shown.
_MOST_FIGURES = 4


@dataclass(frozen=True)
class Computed:
    """The ``published`` quantities of the computation ``compute``, from what is ``given``.

    ``rounding`` is how far off a figure may be: one number, or one for each quantity.
    """

    compute: str
    given: Mapping[str, Any]
    published: Mapping[str, Any]
    rounding: Any
    name: str = "computed"

    KEYS: ClassVar[tuple[str, ...]] = ("compute", "given", "rounding")
    NEEDED: ClassVar[tuple[str, ...]] = ("compute", "given", "published", "rounding")
    VERDICTS: ClassVar[tuple[str, ...]] = (verdicts.REPRODUCED, verdicts.CONTRADICTED)
    FAMILY: ClassVar[str] = ""

    @staticmethod
    def rule() -> str:
        """Return how claims of this kind are judged, as Markdown."""
        return tr(
            "A printed computation is computed again: **reproduced** if every figure agrees within "
            "its rounding, otherwise **contradicted**."
        )

    @property
    def arms(self) -> tuple[str, ...]:
        """No arms: there are no runs."""
        return ()

    @property
    def where(self) -> Mapping[str, Any]:
        """No settings: there are no runs."""
        return {}

    def settings_of(self, arm: str, tables: Tables) -> Mapping[str, Any]:
        """Return no settings: there are no arms."""
        return {}

    @property
    def measures(self) -> str:
        """Nothing: there are no runs."""
        return ""

    @classmethod
    def read(cls, name: str, entry: Entry, arms: Mapping[str, Any], design: Design) -> Computed:
        """Return the test of a claim; `InputError` if one of its keys is malformed."""
        given = entry.mapping("given", "name: figures")
        published = entry.mapping("published", "name: figures")
        return cls(entry["compute"], given, published, entry["rounding"])

    def printed(self, claim: Claim) -> str:
        """Return what was published, in words."""
        return claim.note or _figures(self.published)

    def judge(self, study: Study, claim: Claim, tables: Tables | None, looks: int) -> Judgement:
        """Return the judgement of ``claim``."""
        found = computations.compute(self.compute, self.given)
        parts = {name: computations.entry(found, name) for name in self.published}
        same = all(
            computations.agrees(
                part,
                self.published[name],
                self.rounding[name] if isinstance(self.rounding, dict) else self.rounding,
            )
            for name, part in parts.items()
        )
        return Judgement(
            **repeated(study, claim),
            protocol="",
            measured=_figures(parts),
            verdict=verdicts.REPRODUCED if same else verdicts.CONTRADICTED,
        )

    @classmethod
    def draw(
        cls, study: Study, judgements: Mapping[str, Judgement], tables: Tables
    ) -> Iterator[ClaimPicture]:
        """Yield nothing: a computation has no figure."""
        yield from ()

    def explain(self, judgement: Judgement) -> Iterator[tuple[str, str]]:
        """Yield what the verdict is based on, as pairs of a term and a text."""
        rounding = self.rounding
        if isinstance(rounding, Mapping):
            text = ", ".join(f"{value:g} ({name})" for name, value in rounding.items())
        else:
            text = f"{rounding:g}"
        test = tr("computed again, within {rounding} of the published figure", rounding=text)
        yield tr("Test"), test


def _figures(quantities: Mapping[str, Any]) -> str:
    """Return named figures in words, the first few of each."""
    words = []
    for name, value in quantities.items():
        flat = np.asarray(value, float).ravel()
        more = ", …" if flat.size > _MOST_FIGURES else ""
        words.append(f"{name} = {', '.join(f'{v:.9g}' for v in flat[:_MOST_FIGURES])}{more}")
    return "; ".join(words)
