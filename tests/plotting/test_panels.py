"""Panels of very many runs: the size of their figures does not grow with the number of runs."""

from __future__ import annotations

import pytest

from nnexp.analysis.arms import compare
from nnexp.plotting import layout
from nnexp.plotting.sweep_figures import figures
from tests.synthetic import grid, make_tables


@pytest.mark.slow
@pytest.mark.parametrize("name", ["final", "differences"])
def test_the_marks_of_very_many_runs_are_an_image(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("panels", "paired_differences"):
        monkeypatch.setattr(f"nnexp.plotting.{module}.MOST_MARKS", 10)
    sizes, images = [], []
    for n in (8, 20, 60):
        comparison = compare(*make_tables(grid(init=["xavier", "zero"]), range(n)))
        svg = layout.svg(figures(comparison)[name]().figure).decode()
        sizes.append(svg.count("<use "))
        images.append("<image " in svg)
    assert images == [False, True, True]
    assert sizes[2] < sizes[1] + 10  # labels differ in their characters
