"""Losses are comparable within one function and one reduction."""

from __future__ import annotations

from nnexp.analysis.arms import compare
from nnexp.analysis.loss_scales import loss_scales
from tests.synthetic import grid, make_tables


def test_a_scale_is_a_loss_with_its_parameters_other_than_the_output() -> None:
    points = [
        {"loss": "cross_entropy"},
        {"loss": "mse", "loss.reduction": "mean", "loss.output": "sigmoid"},
        {"loss": "mse", "loss.reduction": "mean", "loss.output": "softmax"},
        {"loss": "mse", "loss.reduction": "sum", "loss.output": "softmax"},
    ]
    scales = loss_scales(compare(*make_tables(points)))
    assert [len(arms) for arms in scales.values()] == [1, 2, 1]
    assert list(scales) == ["cross_entropy", "mse (reduction mean)", "mse (reduction sum)"]


def test_what_does_not_vary_is_not_in_the_name() -> None:
    points = grid(loss=["mse"], loss__reduction=["sum"], init=["he", "xavier"])
    assert loss_scales(compare(*make_tables(points))) == {"mse": ("he", "xavier")}
