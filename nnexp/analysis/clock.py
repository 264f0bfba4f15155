"""The clock of curves over training: updates or epochs, and whether they begin densely."""

from __future__ import annotations

import numpy as np
import pandas as pd

# At least so many evaluations in the first tenth of the longest interval are a dense start.
_FEWEST, _SHARE = 3, 0.1


def clock(table: pd.DataFrame) -> str:
    """Return the column that measures training, ``step`` or ``epoch``, in a table of evaluations.

    It is ``step`` if the length of every run was given in steps, or if the first steps of runs of
    equal epochs are shown, which are tiny fractions of an epoch.
    """
    if "steps" in table and table["steps"].notna().all():
        return "step"
    moving = table[table["step"] > 0]
    alike = (moving["epoch"] / moving["step"]).round(12).nunique() == 1
    return "step" if alike and starts_densely(moving["step"]) else "epoch"


def starts_densely(times: pd.Series[float]) -> bool:
    """Return whether evaluations at these ``times`` show the start of training in more detail."""
    moments = np.unique(np.append(times.to_numpy(float), 0.0))
    longest = np.diff(moments).max(initial=0.0)
    return int(np.count_nonzero(moments[1:] < _SHARE * longest)) >= _FEWEST
