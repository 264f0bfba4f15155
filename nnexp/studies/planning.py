"""Power of a study's comparisons, planned from the spread of a pilot and compared with that found.

The power is the probability that the study's seeds show a true difference of the smallest size that
matters, at the level at which the claim is judged. For a claim of equality, it is the probability
(at least) that they show it if there is no difference. A pilot of few seeds estimates the spread
poorly, and so the power.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nnexp.analysis import power
from nnexp.analysis.intervals import fewest
from nnexp.errors import InputError
from nnexp.messages.language import tr
from nnexp.store.tables import Tables
from nnexp.studies.judgement import Judgement
from nnexp.studies.kinds.comparison import Comparison
from nnexp.studies.study import Study, of_kind

# The power that a study should have.
WANTED = 0.9
# Digits of spreads and powers.
_DIGITS = 4


@dataclass(frozen=True)
class Plan:
    """What ``n`` seeds can show of a comparison, if differences spread as in a pilot.

    ``sd`` is the standard deviation of the differences of the ``pilot`` seeds, in the unit of the
    outcome. ``needed`` is the number of seeds with a power of `WANTED`, ``None`` if there is none.
    """

    n: int
    pilot: int
    sd: float
    power: float
    needed: int | None


def plans(study: Study, pilot: Tables, n: int) -> dict[str, dict[str, Any]]:
    """Return the `Plan` of each comparison as a mapping, by claim, from the tables of a pilot.

    Claims without a smallest difference that matters, or with fewer than two pairs of finite
    differences in the pilot, have none.
    """
    found = {}
    for claim, test in of_kind(study, Comparison):
        try:
            values = test.differences(pilot)["difference"].to_numpy(float)
        except InputError:  # the pilot has no runs of its arms
            continue
        sd = float(values.std(ddof=1)) if len(values) > 1 else math.nan
        if math.isfinite(sd) and test.matters:
            alpha = study.alpha / study.family(claim)
            plan = Plan(
                n=n,
                pilot=len(values),
                sd=_rounded(sd),
                power=_rounded(powered(sd, n, alpha, test)),
                needed=_needed(sd, alpha, test),
            )
            found[claim.id] = asdict(plan)
    return found


def powered(sd: float, n: int, alpha: float, test: Comparison) -> float:
    """Return the power of ``n`` pairs whose differences have the standard deviation ``sd``."""
    if n < fewest(alpha):
        return 0.0
    chance = power.power(test.matters / sd, n, alpha) if sd else 1.0
    return max(0.0, 2 * chance - 1) if test.name == "equal" else chance


def _needed(sd: float, alpha: float, test: Comparison) -> int | None:
    # Both ends of the interval have to be inside for equality.
    wanted = (1 + WANTED) / 2 if test.name == "equal" else WANTED
    return power.seeds_needed(sd, test.matters, alpha, wanted)


@dataclass(frozen=True)
class Achieved:
    """A plan beside the spread that was found, ``sd``, and what follows from it.

    ``needed`` is the number of seeds with a power of `WANTED`, ``None`` if there is none.
    """

    claim: str
    plan: Plan
    matters: float
    sd: float | None
    power: float | None
    needed: int | None


def achieved(
    study: Study, locked: Mapping[str, Mapping[str, Any]], judgements: Mapping[str, Judgement]
) -> list[Achieved]:
    """Return the plans of the ``locked`` claims beside what was found; both are by claim.

    The spread is unknown (``None``) for claims that have no judgement, or no finite one.
    """
    found = []
    for claim, test in of_kind(study, Comparison):
        if not locked.get(claim.id):
            continue
        one, sd, now, needed = judgements.get(claim.id), None, None, None
        if one is not None and one.n and one.level and one.detectable is not None:
            unit = power.detectable(1.0, one.n, 1 - one.level)
            if math.isfinite(unit) and math.isfinite(one.detectable):
                sd = one.detectable / unit
                now = powered(sd, one.n, 1 - one.level, test)
                needed = _needed(sd, 1 - one.level, test)
        plan = Plan(**locked[claim.id])
        found.append(Achieved(claim.id, plan, test.matters, sd, now, needed))
    return found


def seeds_words(needed: int | None) -> str:
    """Return a number of seeds that are needed, for readers."""
    if needed is None:
        return tr("more than {most}", most=f"{power.MOST_SEEDS:,}")
    return f"{needed:,}"


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
