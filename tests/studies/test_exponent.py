"""Claims on power laws: planted exponents, what has none, and how often verdicts are false."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from nnexp.errors import InputError
from nnexp.store.tables import Tables
from nnexp.studies.judging import judge
from nnexp.studies.kinds.exponent import Exponent
from nnexp.studies.reader import read_study
from nnexp.studies.study import Study
from tests.studies.test_judging import HEAD
from tests.synthetic import make_tables

BATCHES = (8, 16, 32, 64)
FILE = HEAD.replace("{claim}", "{{id: c, row: D1.1, statement: s, {claim}, expected: reproduced}}")
SWEPT = 'hydra: {sweeper: {params: {batch_size: "8,16,32,64", seed: range(10)}}}'
CLAIM = "test: exponent, arm: a, over: batch_size, outcome: test_loss, matters: 0.1"
VALUES = "values: [8, 16, 32, 64]"


@pytest.fixture
def study(tmp_path: Path) -> Any:
    """Return what reads a study of one claim, given as the rest of a YAML flow mapping."""

    def make(*parts: str) -> Study:
        (tmp_path / "s.yaml").write_text(FILE.format(claim=", ".join((CLAIM, *parts))) + SWEPT)
        read = read_study(tmp_path / "s.yaml")
        assert read is not None
        return read

    return make


@functools.cache
def without_loss(seeds: int) -> Tables:
    """Return the runs of `planted` before their test loss is known."""
    points = [{"arm": "a", "batch_size": str(batch)} for batch in BATCHES]
    return make_tables(points, range(seeds), evaluations=2)


def planted(exponent: float, noise: float = 0.02, seeds: int = 10, seed: int = 0) -> Tables:
    """Return runs whose final test loss is 5 · batch_size ** exponent, each off by noise."""
    tables = without_loss(seeds)
    rng = np.random.default_rng(seed)
    off = {run: np.exp(noise * rng.standard_normal()) for run in tables.runs["run_id"]}
    metrics = tables.metrics
    law = 5 * metrics["batch_size"].astype(float) ** exponent
    return tables._replace(metrics=metrics.assign(test_loss=law * metrics["run_id"].map(off)))


@pytest.mark.parametrize(
    ("exponent", "claim", "verdict"),
    [
        (-1, "equal_to: -1", "reproduced"),
        (-0.7, "equal_to: -1", "contradicted"),
        (-0.7, "more_than: -1", "reproduced"),
        (-1.3, "more_than: -1", "contradicted"),
        (-0.97, "more_than: -1", "no difference that matters"),
        (-0.7, "less_than: 0", "reproduced"),
        (-0.91, "equal_to: -1", "inconclusive"),
    ],
)
def test_a_planted_exponent_gets_its_verdict(
    study: Any, exponent: float, claim: str, verdict: str
) -> None:
    (found,) = judge(study(VALUES, claim), planted(exponent))
    assert found.verdict == verdict
    assert found.n == 10
    assert found.first == pytest.approx(exponent, abs=0.03)
    assert found.low is not None
    assert found.high is not None
    reference = float(claim.split()[1])
    assert found.low < exponent - reference < found.high
    assert found.outcome == "exponent of the test loss by batch size"


def test_without_noise_the_exponent_is_exact_at_any_of_the_values(study: Any) -> None:
    for values in ([8, 64], [16, 32, 64]):
        (found,) = judge(study(f"values: {values}", "equal_to: -1"), planted(-1, noise=0))
        assert found.first == pytest.approx(-1, abs=1e-12)
        assert found.verdict == "reproduced"


def test_the_slope_is_that_of_least_squares(study: Any) -> None:
    claims = study(VALUES, "equal_to: -1")
    tables = planted(-1, noise=0.5)
    test = claims.claims[0].test
    assert isinstance(test, Exponent)
    table = test.outcomes(tables)
    x, y = np.log(BATCHES), np.log(table.to_numpy())
    slopes = ((x - x.mean()) * (y - y.mean(axis=1, keepdims=True))).sum(axis=1)
    np.testing.assert_allclose(test.slopes(table), slopes / ((x - x.mean()) ** 2).sum())


def test_a_seed_without_an_exponent_withholds_the_verdict(study: Any) -> None:
    for outcome in (np.inf, 0.0, -1.0):
        tables = planted(-1)
        metrics = tables.metrics
        metrics.loc[(metrics["seed"] == 3) & (metrics["batch_size"] == "64"), "test_loss"] = outcome
        claims = study(VALUES, "equal_to: -1")
        (found,) = judge(claims, tables)
        assert found.verdict == "withheld"
        assert found.measured.startswith("1 of 10 seeds have no exponent, as their test loss is")
        assert found.first is None
        pictures = list(Exponent.draw(claims, {"c": found}, tables))
        assert len(pictures) == 1


def test_the_figure_has_every_run_and_the_claimed_slope(study: Any) -> None:
    claims, tables = study(VALUES, "equal_to: -0.5"), planted(-1)
    judgements = judge(claims, tables)
    ((picture, shown),) = Exponent.draw(claims, {"c": judgements[0]}, tables)
    assert shown == ("c",)
    assert isinstance(picture.figure, Figure)
    (ax,) = picture.figure.axes
    lines = [line.get_xydata() for line in ax.get_lines()]
    dots, claimed = lines[: len(tables.runs) // len(BATCHES)], lines[-1]
    assert {len(line) for line in dots} == {len(BATCHES)}
    slopes = np.diff(np.log(claimed[:, 1])) / np.diff(np.log(claimed[:, 0]))
    np.testing.assert_allclose(slopes, -0.5)
    assert list(picture.table.columns) == ["seed", *BATCHES, "exponent"]
    terms = dict(claims.claims[0].test.explain(judgements[0]))
    assert terms["Runs"] == "n = 10 seeds, each at 4 values"
    assert terms["Test"].endswith("by batch size equals −0.5")


@pytest.mark.slow
def test_false_verdicts_are_rare_and_a_difference_that_matters_is_seen(study: Any) -> None:
    # At n = 10 the interval of one claim covers the median with 97.9 %. Runs are off by 10 %, so a
    # slope by 0.0645 = 0.1 / (ln 2 · √5), and its true difference here is 0, S or 3 S.
    equal, count = study(VALUES, "equal_to: -1"), 40
    found = {
        exponent: [
            judge(equal, planted(exponent, noise=0.1, seed=i))[0].verdict for i in range(count)
        ]
        for exponent in (-1.0, -0.9, -0.7)
    }
    assert found[-1.0].count("contradicted") == 0
    # At the edge, S, either finding would be false: 2.1 % of 40 are 0.8, and 5 has a chance of 1
    # in 600.
    assert sum(v != "inconclusive" for v in found[-0.9]) < 5
    assert found[-0.7].count("contradicted") > 0.9 * count
    assert found[-1.0].count("reproduced") > 0.5 * count


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([VALUES], "give one of equal_to, more_than, less_than"),
        ([VALUES, "equal_to: 1", "less_than: 2"], "give one of equal_to"),
        (["values: [8]", "equal_to: 1"], "give two or more different values of batch_size"),
        (["values: [8, 8]", "equal_to: 1"], "give two or more different values of batch_size"),
        (["values: [0, 8]", "equal_to: 1"], "above 0"),
        (["values: [8, a]", "equal_to: 1"], "values='a' is not a number"),
        (["values: [8, 9]", "equal_to: 1"], "batch_size 9"),
    ],
)
def test_what_is_refused(study: Any, parts: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        judge(study(*parts), planted(-1))


@pytest.mark.parametrize(
    "change", [("over: batch_size", "over: weight_decay"), ("matters: 0.1", "matters: -1")]
)
def test_keys_that_are_refused(study: Any, tmp_path: Path, change: tuple[str, str]) -> None:
    study(VALUES, "equal_to: -1")
    file = tmp_path / "s.yaml"
    file.write_text(file.read_text().replace(*change))
    with pytest.raises(InputError, match=r"weight_decay does not vary|matters=-1: give 0 or more"):
        read_study(file)
