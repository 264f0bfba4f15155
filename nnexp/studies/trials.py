"""The runs that a study needs beyond its own sweep to finish the tuning of its claims."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nnexp.errors import InputError
from nnexp.store.tables import Tables
from nnexp.studies.kinds.comparison import Comparison
from nnexp.studies.kinds.exponent import Exponent
from nnexp.studies.study import Study


@dataclass(frozen=True)
class Trial:
    """Further ``values`` of the setting ``over`` for some ``arms``.

    ``where`` has the values of the other swept settings.
    """

    arms: tuple[str, ...]
    over: str
    values: tuple[float, ...]
    where: Mapping[str, Any]

    def __str__(self) -> str:
        others = "".join(f", {key} {_text(value)}" for key, value in self.where.items())
        return f"{', '.join(self.arms)} {', '.join(f'{v:g}' for v in self.values)}{others}"


def trials(study: Study, tables: Tables) -> list[Trial]:
    """Return what to run next, with the arms that need the same values together.

    The result is empty if tuning is finished for every claim, or ends where `nnexp.analysis.tuning`
    says.

    Raises
    ------
    InputError
        If a claim asks for runs, settings or columns that do not exist.
    """
    wanted: dict[tuple[str, str, tuple[tuple[str, Any], ...]], set[float]] = {}
    swept = study.settings["swept"]
    for claim in study.claims if len(tables.runs) else ():
        if not isinstance(claim.test, Comparison | Exponent):
            continue
        try:
            found = list(claim.test.deciding(tables))
        except InputError as error:
            raise study.error(claim, error) from None
        for arm, own, choice in found:
            for over, value in choice.further(study.tuned):
                others = {k: v for k, v in {**own, **choice.best}.items() if k in swept}
                others.pop(over)
                wanted.setdefault((arm, over, tuple(others.items())), set()).add(value)
    together: dict[tuple[str, tuple[float, ...], tuple[tuple[str, Any], ...]], list[str]] = {}
    for (arm, over, where), values in wanted.items():
        together.setdefault((over, tuple(sorted(values)), where), []).append(arm)
    return [
        Trial(tuple(arms), over, values, dict(where))
        for (over, values, where), arms in together.items()
    ]


def announced(study: Study, found: Iterable[Trial]) -> str:
    """Return what is run next in one line: ``activations: tuning lr: sigmoid_4 8``."""
    by_setting: dict[str, list[str]] = {}
    for trial in found:
        by_setting.setdefault(trial.over, []).append(str(trial))
    words = (f"tuning {over}: {'; '.join(each)}" for over, each in by_setting.items())
    return f"{study.name}: {', '.join(words)}"


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
