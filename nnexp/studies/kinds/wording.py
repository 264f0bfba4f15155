"""Numbers as the reports of claims write them."""

from __future__ import annotations

import math
import re
from typing import TypeGuard

from nnexp.analysis import power
from nnexp.analysis.labels import signs
from nnexp.analysis.outcomes import Outcome
from nnexp.messages.language import tr


def related(what: str, order: str, other: str) -> str:
    """Return what a comparison tests: ``xavier is greater than he``."""
    return {
        "greater": tr("{what} is greater than {other}", what=what, other=other),
        "less": tr("{what} is less than {other}", what=what, other=other),
        "equal": tr("{what} equals {other}", what=what, other=other),
    }[order]


def seeds_to_show(needed: int | None) -> str:
    """Return how many seeds would show what matters; ``None``: too many to count."""
    return str(needed or tr("more than {most}", most=power.MOST_SEEDS))


def interval_term(level: float) -> str:
    """Return the term for an interval at a ``level``: ``95 % interval``."""
    return tr("{level} interval", level=percent(level))


def against(first: float | None, second: float | None) -> str:
    """Return what was measured and what it is compared with."""
    return tr("{first} against {second}", first=number(first), second=number(second))


def held_words(text: str) -> str:
    """Return where a claim holds, as a judgement has it: ``3 of 8 cells, reversed in 2``."""
    numbers = dict(zip(("held", "total", "others"), re.findall(r"\d+", text), strict=False))
    if "combinations" in text:
        return tr("{held} of {total} combinations", **numbers)
    if "reversed" in text:
        return tr("{held} of {total} cells, reversed in {others}", **numbers)
    return tr("{held} of {total} cells, not in {others}", **numbers)


def detectable_term(n: int | None) -> str:
    """Return the term for what ``n`` runs would have shown."""
    return tr("Detectable with n = {n}", n=n)


def capitalised(text: str) -> str:
    """Return ``text`` as the beginning of a sentence."""
    return f"{text[:1].upper()}{text[1:]}"


def digits(outcome: Outcome, value: float) -> str:
    """Return a value of ``outcome``: accuracies with four decimals."""
    return f"{value:.4f}" if outcome.is_accuracy else f"{value:.4g}"


def number(value: float | None, sign: str = "") -> str:
    """Return a number with four digits; with ``sign`` ``+``, also the sign of a positive one."""
    if not known(value):
        return tr("unknown")
    if math.isinf(value):
        return tr("unbounded") if not sign else f"{'−' if value < 0 else '+'}∞"
    return signs(f"{value:{sign}.4g}")


def percent(share: float) -> str:
    """Return a share in per cent: ``99.5 %``."""
    return f"{100 * share:.4g} %"


def known(value: float | None) -> TypeGuard[float]:
    """Tell whether there is a value, which is not nan."""
    return value is not None and not math.isnan(value)
