"""Numbers as the reports of claims write them."""

from __future__ import annotations

import math
from typing import TypeGuard

from nnexp.analysis.labels import signs
from nnexp.analysis.outcomes import Outcome

# The orders of a comparison.
RELATIONS = {"greater": "is greater than", "less": "is less than", "equal": "equals"}


def digits(outcome: Outcome, value: float) -> str:
    """Return a value of ``outcome``: accuracies with four decimals."""
    return f"{value:.4f}" if outcome.is_accuracy else f"{value:.4g}"


def number(value: float | None, sign: str = "") -> str:
    """Return a number with four digits; with ``sign`` ``+``, also the sign of a positive one."""
    if not known(value):
        return "unknown"
    if math.isinf(value):
        return "unbounded" if not sign else f"{'−' if value < 0 else '+'}∞"
    return signs(f"{value:{sign}.4g}")


def percent(share: float) -> str:
    """Return a share in per cent: ``99.5 %``."""
    return f"{100 * share:.4g} %"


def known(value: float | None) -> TypeGuard[float]:
    """Tell whether there is a value, which is not nan."""
    return value is not None and not math.isnan(value)
