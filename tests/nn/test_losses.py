"""Losses: naive float64 formulas, means over the batch, reductions, and extreme logits."""

from __future__ import annotations

import inspect
import itertools
import math

import numpy as np
import pytest

from nnexp.errors import InputError
from nnexp.nn.losses import (
    LOSSES,
    OUTPUTS,
    Loss,
    binary_cross_entropy,
    cross_entropy,
    from_function,
    mse,
    softmax,
)

RANGES = {"reduction": ("mean", "sum"), "output": tuple(OUTPUTS)}


def cases() -> dict[str, Loss]:
    """Return every registered loss with all its reductions and outputs."""
    found = {}
    for name, factory in LOSSES.items():
        keys = list(inspect.signature(factory).parameters)
        for values in itertools.product(*(RANGES[key] for key in keys)):
            found[" ".join([name, *values])] = factory(**dict(zip(keys, values, strict=True)))
    return found


every_loss = pytest.mark.parametrize("case", cases())


def evaluate(
    loss: Loss, logits: np.ndarray, targets: np.ndarray, n: int | None = None
) -> tuple[float, np.ndarray]:
    """Return the loss and its gradient; scratch is filled with nan, so that none can leak."""
    gradient, scratch = logits.copy(), np.full_like(logits, np.nan)
    row = np.full((len(logits), 1), np.nan, logits.dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # as training does: 1 / exp(1e4) is right
        value = loss(gradient, targets.astype(logits.dtype), n or len(logits), scratch, row)
    assert gradient.dtype == logits.dtype
    return value, gradient


def batch(n: int = 7, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return 3 * rng.standard_normal((n, k)), rng.random((n, k))


def naive_outputs(z: np.ndarray, output: str) -> np.ndarray:
    if output == "softmax":
        return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return 1 / (1 + np.exp(-z)) if output == "sigmoid" else z


def naive(case: str, z: np.ndarray, t: np.ndarray) -> float:
    """Return the loss as a textbook writes it, from the outputs."""
    name, *options = case.split()
    o = naive_outputs(z, cases()[case].output)
    if name == "cross_entropy":
        return float(np.mean(np.sum(-t * np.log(o), axis=1)))
    if name == "binary_cross_entropy":
        terms = -t * np.log(o) - (1 - t) * np.log(1 - o)
    else:
        terms = (o - t) ** 2 / (2 if "sum" in options else 1)
    over_a_row = terms.sum(axis=1) if "sum" in options else terms.mean(axis=1)
    return float(over_a_row.mean())


@every_loss
def test_a_loss_is_its_naive_formula(case: str) -> None:
    z, t = batch()
    assert evaluate(cases()[case], z, t)[0] == pytest.approx(naive(case, z, t), rel=1e-13)


@every_loss
def test_a_row_repeated_changes_neither_the_mean_nor_its_share_of_the_gradient(case: str) -> None:
    z, t = batch()
    once, gradient = evaluate(cases()[case], z, t)
    twice, gradients = evaluate(cases()[case], np.vstack([z, z]), np.vstack([t, t]))
    assert twice == pytest.approx(once, rel=1e-14)
    np.testing.assert_allclose(2 * gradients[: len(z)], gradient, rtol=1e-14)


@every_loss
def test_n_divides_the_sum_over_rows(case: str) -> None:
    z, t = batch()
    total, gradient = evaluate(cases()[case], z, t, n=1)
    mean, mean_gradient = evaluate(cases()[case], z, t)
    assert total == pytest.approx(len(z) * mean, rel=1e-14)
    np.testing.assert_allclose(gradient, len(z) * mean_gradient, rtol=1e-14)
    rows = [evaluate(cases()[case], z[i : i + 1], t[i : i + 1], n=1)[0] for i in range(len(z))]
    assert total == pytest.approx(sum(rows), rel=1e-13)


@pytest.mark.parametrize("output", OUTPUTS)
def test_mse_sum_is_half_and_mean_a_kth(output: str) -> None:
    z, t = batch(k=4)
    mean, mean_gradient = evaluate(mse("mean", output), z, t)
    half, half_gradient = evaluate(mse("sum", output), z, t)
    assert mean == pytest.approx(half * 2 / 4, rel=1e-14)
    np.testing.assert_allclose(mean_gradient, half_gradient * 2 / 4, rtol=1e-13)


def test_binary_cross_entropy_sum_is_k_times_the_mean() -> None:
    z, t = batch(k=4)
    mean, mean_gradient = evaluate(binary_cross_entropy("mean"), z, t)
    total, gradient = evaluate(binary_cross_entropy("sum"), z, t)
    assert total == pytest.approx(4 * mean, rel=1e-14)
    np.testing.assert_allclose(gradient, 4 * mean_gradient, rtol=1e-13)


def test_one_sigmoid_unit_is_a_softmax_over_two() -> None:
    # sigmoid(z) is the second output of softmax((0, z)): the two cross-entropies are one.
    z, t = batch(k=1)
    one, gradient = evaluate(binary_cross_entropy(), z, t)
    two, gradients = evaluate(
        cross_entropy(), np.hstack([np.zeros_like(z), z]), np.hstack([1 - t, t])
    )
    assert one == pytest.approx(two, rel=1e-13)
    np.testing.assert_allclose(gradient, gradients[:, 1:], rtol=1e-12)


def test_softmax_rows_sum_to_1() -> None:
    z = np.random.default_rng(0).uniform(-1e4, 1e4, (50, 10))
    for dtype, tolerance in ((np.float64, 1e-15), (np.float32, 1e-6)):
        y = z.astype(dtype)
        softmax(y)
        assert (y >= 0).all()
        np.testing.assert_allclose(y.sum(axis=1), 1, rtol=0, atol=10 * tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_of_extreme_logits(dtype: str) -> None:
    z = np.array([[1e4, -1e4, 0], [1e4, -1e4, 0], [-1e4, -1e4, -1e4]], dtype)
    t = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype)
    value, gradient = evaluate(cross_entropy(), z, t)  # row losses 0, 2e4 and ln 3
    assert value == pytest.approx((0 + 2e4 + math.log(3)) / 3, rel=1e-7)
    right = np.array([[0, 0, 0], [1, -1, 0], [1 / 3, 1 / 3, -2 / 3]]) / 3
    np.testing.assert_allclose(gradient, right, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binary_cross_entropy_of_extreme_logits(dtype: str) -> None:
    z = np.array([[1e4], [-1e4], [1e4], [-1e4]], dtype)
    t = np.array([[1], [0], [0], [1]], dtype)
    value, gradient = evaluate(binary_cross_entropy(), z, t)  # row losses 0, 0, 1e4, 1e4
    assert value == pytest.approx(2e4 / 4, rel=1e-7)
    np.testing.assert_allclose(gradient, np.array([[0], [0], [1], [-1]]) / 4, atol=1e-7)


@every_loss
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_logits_give_finite_numbers(case: str, dtype: str) -> None:
    z = np.array([[1e4, -1e4, 0, 90], [-1e4, -1e4, -90, -1e4]], dtype)
    value, gradient = evaluate(cases()[case], z, np.eye(4, dtype=dtype)[[1, 3]])
    assert math.isfinite(value)
    assert value > 0.1
    assert np.isfinite(gradient).all()


@every_loss
def test_not_a_number_stays_visible(case: str) -> None:
    z, t = batch()
    z[2, 1] = np.nan
    assert math.isnan(evaluate(cases()[case], z, t)[0])


@pytest.mark.parametrize("loss", [cross_entropy(), binary_cross_entropy()])
@pytest.mark.parametrize("infinite", [np.inf, -np.inf])
def test_no_cross_entropy_of_an_infinite_logit_is_finite(loss: Loss, infinite: float) -> None:
    z, t = batch()
    z[2, 1] = infinite
    assert not math.isfinite(evaluate(loss, z, t)[0])


@every_loss
def test_float32_is_float64_within_rounding(case: str) -> None:
    z, t = batch(n=100, k=10)
    z, t = z.astype(np.float32), t.astype(np.float32)
    value, gradient = evaluate(cases()[case], z, t)
    exact, exact_gradient = evaluate(cases()[case], z.astype(float), t.astype(float))
    assert value == pytest.approx(exact, rel=1e-6)
    np.testing.assert_allclose(gradient, exact_gradient, rtol=0, atol=1e-6 / len(z) * 10)


@pytest.mark.parametrize(
    ("loss", "logits", "classes"),
    [
        (cross_entropy(), [[-3, 2, 1], [0.5, 0.1, 0.4]], [1, 0]),
        (mse("sum", "identity"), [[0.2, 0.9], [1.1, 0.9]], [1, 0]),
        (binary_cross_entropy(), [[-0.1], [0.1]], [0, 1]),  # sigmoid above 1/2: logit above 0
        (mse("sum", "identity"), [[0.4], [0.6]], [0, 1]),
    ],
)
def test_predictions(loss: Loss, logits: list[list[float]], classes: list[int]) -> None:
    assert loss.predict(np.array(logits)).tolist() == classes


def test_a_plain_function_becomes_a_loss() -> None:
    def absolute(logits: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.abs(logits - targets).sum(axis=1), np.sign(logits - targets)

    absolute.output = "identity"  # type: ignore[attr-defined]
    loss, (z, t) = from_function(absolute), batch()
    value, gradient = evaluate(loss, z, t)
    assert value == pytest.approx(np.abs(z - t).sum() / len(z))
    np.testing.assert_allclose(gradient, np.sign(z - t) / len(z))
    assert loss.output == "identity"


def test_misspelt_options_and_wrong_functions_are_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'mean'"):
        mse("maen")
    with pytest.raises(InputError, match="did you mean 'sum'"):
        binary_cross_entropy("summ")
    with pytest.raises(InputError, match="did you mean 'softmax'"):
        mse("sum", "softmx")
    total = from_function(lambda logits, targets: (np.abs(logits).sum(), logits))
    with pytest.raises(InputError, match="pair"):
        evaluate(total, *batch())
