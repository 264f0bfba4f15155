"""Tables for a paper state means with intervals, and what the runs had in common."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnexp.analysis.arms import Comparison, compare
from nnexp.analysis.intervals import mean_interval
from nnexp.errors import InputError
from nnexp.reports.results_table import results_table
from nnexp.store.record import DIVERGED, FAILED, FINISHED
from nnexp.store.tables import tables
from tests.synthetic import SETTINGS


def compared(*runs: dict[str, Any]) -> Comparison:
    """Return runs that differ from `SETTINGS` and in their scores."""
    blank = {**SETTINGS, "seed": 0, "status": FINISHED, "step": 1, "seconds": 1.0}
    scores = {f"{s}_{v}": 0.5 for s in ("train", "test") for v in ("loss", "accuracy")}
    rows = [{**blank, **scores, "run_id": str(i), **run} for i, run in enumerate(runs)]
    return compare(pd.DataFrame(rows), *tables([])[1:])


ACCURACIES = (0.91, 0.92, 0.937)
MISHAPS = compared(
    *({"init": "he_uniform", "seed": i, "test_accuracy": a} for i, a in enumerate(ACCURACIES)),
    {"init": "a|b", "seed": 0, "status": DIVERGED, "test_loss": math.inf},
    {"init": "a|b", "seed": 1, "status": FAILED, "test_loss": None, "test_accuracy": None},
)


def rows(markdown: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.mark.slow
def test_the_interval_of_the_mean_is_students() -> None:
    from scipy import stats  # slow to load, and few tests need it

    values = np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 3.0]])
    interval = mean_interval(values)
    low, high = stats.t.interval(0.95, 2, np.mean(values[0]), stats.sem(values[0]))
    np.testing.assert_allclose((interval.low[0], interval.high[0]), (low, high))
    assert interval.half_width[1] == 0
    assert mean_interval([1.0]).half_width == math.inf
    assert mean_interval([1.0, math.inf]).half_width == math.inf


def test_markdown_has_means_with_half_widths_and_counts() -> None:
    from scipy import stats

    header, _, first, second = rows(results_table(MISHAPS, "md"))
    assert header[:5] == ["init", "n", "diverged", "failed", "test accuracy (%)"]
    half = 100 * stats.t.ppf(0.975, 2) * stats.sem(ACCURACIES)
    assert first[:5] == ["he\\_uniform", "3", "0", "0", f"92.2 ± {half:.1f}"]
    assert second[:6] == ["a\\|b", "1", "1", "1", "50.00", "∞"]
    assert first[5] == "0.5 ± 0"


def test_the_notes_say_what_the_numbers_are() -> None:
    text = results_table(MISHAPS, "md").splitlines()[-1]
    for note in (
        "half-width of its 95 % confidence interval (Student's t)",
        "Scores without ± are of one run.",
        "Diverged runs count with their last accuracy and a loss of ∞.",
        "Failed runs are left out of n.",
        "mnist, hidden 50",
    ):
        assert note in text
    alone = results_table(compared({}), "md").splitlines()[-1]
    assert "Student" not in alone


def test_latex_is_escaped_and_uses_booktabs() -> None:
    text = results_table(MISHAPS, "tex")
    assert text.splitlines()[0] == r"% Needs \usepackage{booktabs} in the preamble."
    assert r"he\_uniform & 3 & 0 & 0 & $92.2 \pm" in text
    assert r"a\textbar{}b & 1 & 1 & 1 & $50.00$ & $\infty$" in text
    assert r" &  &  &  & \multicolumn{2}{c}{test} & \multicolumn{2}{c}{train} \\" in text
    assert r"\cmidrule(lr){5-6} \cmidrule(lr){7-8}" in text
    assert r"95\,\% confidence interval" in text
    assert text.count("{") == text.count("}")
    assert text.isascii()


@pytest.mark.parametrize(
    ("loss", "shown"),
    [((1e7, 3e7), "2e+07 ± 1.3e+08"), ((0.25, 0.25001), "0.250005 ± 0.000064"), ((5, 5), "5 ± 0")],
)
def test_numbers_are_rounded_to_their_intervals(loss: tuple[float, float], shown: str) -> None:
    sample = compared(*({"seed": i, "test_loss": v} for i, v in enumerate(loss)))
    assert rows(results_table(sample, "md"))[2][3] == shown


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(InputError, match="unknown form of a table 'html': choose from md, tex"):
        results_table(MISHAPS, "html")
