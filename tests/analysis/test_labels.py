"""The words for settings that all runs share."""

from __future__ import annotations

import pandas as pd
import pytest

from nnexp.analysis.labels import held_words, network_words


@pytest.mark.parametrize(
    ("units", "words"),
    [
        ([50, 10], "784-50-10"),
        ([300, 100, 10], "784-300-100-10"),
        ([64, 64, 64, 10], "784-64-64-64-10"),
        ([100] * 32 + [10], "784-32×100-10"),
        ([200, *[50] * 4, 200, 10], "784-200-4×50-200-10"),
        ([10] * 5, "784-5×10"),
    ],
)
def test_layer_sizes_are_listed_and_many_equal_ones_counted(units: list[int], words: str) -> None:
    layers = pd.DataFrame({"layer": range(1, len(units) + 1), "units": units})
    held = {"data": "mnist", "hidden": "x".join(map(str, units[:-1]))}
    assert held_words(held, network_words(held, layers)) == f"mnist, {words}"
