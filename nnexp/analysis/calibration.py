"""Calibration of the statistics on simulated experiments with known true differences.

An experiment is a study of m = `CLAIMS` independent claims, "A is greater than B", with the same
true difference in all, in units of its standard deviation. Each claim is judged by the rules of
`nnexp.analysis.verdicts` from an interval of level 1 - alpha/m. With topping up, it is judged at
three `LOOKS`, each of level 1 - alpha/(3m), until it is decided. ``python -m
nnexp.analysis.calibration`` writes the table.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nnexp.analysis.intervals import joint_band, mean_interval, prediction_interval
from nnexp.analysis.verdicts import decided
from nnexp.files import writing
from nnexp.startup import settle
from nnexp.store.folders import check_folder, fill
from nnexp.validation import whole

Array = npt.NDArray[np.float64]
Row = dict[str, Any]

ALPHA = 0.05
CLAIMS = 5
SIZES = (5, 10, 30)
LOOKS = (10, 20, 40)
TOP_UP = "top-up"
# The smallest differences that matter. With the first, almost every interval that excludes 0
# decides a claim; with the second, intervals are often within ±S ("no difference that matters").
MATTERS = (0.5, 3.0)
POINTS = 13

# Accuracies near their ceiling are draws from the beta distribution with this mean and a + b.
_CEILING, _CONCENTRATION = 0.98, 20
_CEILING_UNIT = math.sqrt(2 * _CEILING * (1 - _CEILING) / (_CONCENTRATION + 1))
_RESAMPLES = 199

MEAN, JOHNSON, BOOTSTRAP = "mean: t", "mean: Johnson", "mean: bootstrap-t"
RUN = "further run"
# A curve has POINTS points. The deviation of a run is the same at all of them or independent at
# each, which is the hardest case for a joint band. Real curves lie between these.
CURVE_AS_ONE, CURVE_APART = "further curve: points as one", "further curve: points apart"
COLUMNS = (
    *("outcomes", "interval", "n", "truth", "matters", "coverage"),
    *("reproduced", "contradicted", "no_difference", "any_false", "standard_error"),
)


def _normal(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    return rng.standard_normal(size)


def _skewed(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    """Exponential: skewness 2."""
    return rng.standard_exponential(size) - 1


def _outliers(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
    """Normal, and one value in ten with ten times the standard deviation."""
    wild = rng.random(size) < 0.1
    return rng.standard_normal(size) * np.where(wild, 10, 1) / math.sqrt(0.9 + 0.1 * 10**2)


def _ceiling(rng: np.random.Generator, size: tuple[int, ...], mean: float = _CEILING) -> Array:
    return rng.beta(_CONCENTRATION * mean, _CONCENTRATION * (1 - mean), size)


NEAR_CEILING = "near the ceiling"
# Distributions of a run's outcome, with mean 0; for the last, accuracies, it is _CEILING.
OUTCOMES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Array]] = {
    "normal": _normal,
    "skewed": _skewed,
    "outliers": _outliers,
    NEAR_CEILING: _ceiling,
}


def differences(
    outcomes: str, rng: np.random.Generator, truth: float, size: tuple[int, ...]
) -> Array:
    """Draw paired differences with mean ``truth``, in units of their standard deviation.

    They have the distribution of the ``outcomes``. Near the ceiling, they are differences between
    two accuracies, the better one at the ceiling, in units of the standard deviation of the
    difference of two accuracies at the ceiling. The differences of two arms with equal skew would
    not be skewed, so this is the worst case.
    """
    if outcomes != NEAR_CEILING:
        return OUTCOMES[outcomes](rng, size) + truth
    better = _ceiling(rng, size)
    gap = better - _ceiling(rng, size, _CEILING - abs(truth) * _CEILING_UNIT)
    return gap / math.copysign(_CEILING_UNIT, truth)


def calibrate(experiments: int = 10_000, seed: int = 0) -> pd.DataFrame:
    """Return a table with a row for each kind of outcome, interval, number of seeds and truth.

    ``n`` is text: a number, or ``top-up``. ``truth`` and ``matters`` are the true difference and S,
    in standard deviations, empty if there are none. ``coverage`` is how often the 95 % interval of
    one claim, or for one further run or curve, covers its target; with topping up, how often the
    intervals of all three looks do, each of level 1 - alpha/3.

    The other columns are shares of experiments with a false verdict on any claim: ``reproduced`` if
    the truth is 0 or less, ``contradicted`` if it is 0 or more, ``no_difference`` (that matters) if
    its absolute value is S or more, and ``any_false`` of these. They are empty where the verdict
    would be correct. ``standard_error`` is the Monte-Carlo error of a share of 5 %.

    Raises
    ------
    InputError
        If ``experiments`` is not a whole number of at least 1, or ``seed`` not one of at least 0.
    """
    whole("experiments", experiments, 1)
    whole("seed", seed, 0)
    rows: list[Row] = []
    for number, outcomes in enumerate(OUTCOMES):
        rng = np.random.default_rng([seed, number])
        for matters, sign in itertools.product(MATTERS, (-1, 0, 1)):
            size = (experiments, CLAIMS, max(*SIZES, *LOOKS))
            sample = differences(outcomes, rng, sign * matters, size)
            for looks in (*((n,) for n in SIZES), LOOKS):
                row = _judge(sample, looks, sign * matters, matters)
                rows.append({"outcomes": outcomes, "interval": MEAN, **row})
        for n in SIZES:
            about = {"outcomes": outcomes, "n": str(n)}
            for truth in (0, *MATTERS):
                sample = differences(outcomes, rng, truth, (experiments, n))
                rows += [{**about, "truth": truth, **row} for row in _rivals(sample, truth, rng)]
            rows += [{**about, **row} for row in _further(outcomes, rng, experiments, n)]
    standard_error = math.sqrt(ALPHA * (1 - ALPHA) / experiments)
    rows = [{**row, "standard_error": standard_error} for row in rows]
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(COLUMNS))
    return table


def as_markdown(table: pd.DataFrame) -> str:
    """Return the table of `calibrate` as Markdown, in per cent, one row per outcome and n.

    It gives the worst of the truths: the lowest coverage and the highest rate of false verdicts.
    """
    false = ["reproduced", "contradicted", "no_difference", "any_false"]
    keys = ["outcomes", "n"]
    covered = table.pivot_table("coverage", keys, "interval", aggfunc="min", sort=False)
    worst = table[table["interval"] == MEAN].groupby(keys, sort=False)[false].max()
    shares = covered.join(worst)
    names = ["false " + name.replace("_", " ") for name in false[:-1]]
    heads = [*keys, *map(str, covered), *names, "any false"]
    lines = [heads, ["---"] * 2 + ["---:"] * (len(heads) - 2)]
    for (outcomes, n), row in zip(shares.index, shares.to_numpy(), strict=True):
        cells = ["" if math.isnan(share) else f"{100 * share:.1f}" for share in row]
        lines.append([outcomes, n, *cells])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def page(table: pd.DataFrame) -> str:
    """Return the table of `calibrate` as a Markdown page with explanations."""
    error = 100 * float(table["standard_error"].iloc[0])
    experiments = round(ALPHA * (1 - ALPHA) / table["standard_error"].iloc[0] ** 2)
    looks = ", ".join(map(str, LOOKS))
    return f"""\
{experiments:,} experiments a row and truth; an experiment is a study of {CLAIMS} claims. The true
difference is 0 or the smallest that matters, either way, which is {MATTERS[0]:g} or {MATTERS[1]:g}
standard deviations. All figures are per cent; the Monte-Carlo standard error of 5 is {error:.2f}.

- **mean**: how often the 95 % interval of one claim covers the true mean, at the worst of the
  truths; topped up (looks at n = {looks}), how often the intervals of all looks do. Claims are
  judged by Student's t; two rivals stand beside it.
- **further run, further curve**: how often the 95 % interval or joint band for one further run
  holds it. A curve has {POINTS} points, which deviate as one, or each on its own, the hardest case.
- **false …**: how often a study gives that verdict on any claim for which it is false, at the worst
  of the truths. Up to 5 is promised for normal outcomes.
- **outcomes**: *skewed* is exponential, *outliers* has one value in ten from ten times the spread,
  *near the ceiling* is accuracies of {100 * _CEILING:g} % that pile up at 100 %.

{as_markdown(table)}
Where the paired differences are skewed, the promise is broken as the table shows: a sample that
missed the long tail is sure of a mean that is too near the bulk. A published figure far out in such
a tail, or a curve whose points each have their own outliers, is called inconsistent too often.
"""


def _judge(sample: Array, looks: Sequence[int], truth: float, matters: float) -> Row:
    """Return a row with the rates of false verdicts on ``sample`` (experiments, claims, seeds)."""
    covered = waiting = np.ones(sample.shape[:-1], dtype=bool)
    greater, less, same = (np.zeros_like(waiting) for _ in range(3))
    for n in looks:
        seen = sample[..., :n]
        own = mean_interval(seen, ALPHA / len(looks))
        covered = covered & (own.low <= truth) & (truth <= own.high)
        simultaneous = mean_interval(seen, ALPHA / (CLAIMS * len(looks)))
        found = decided(simultaneous.low, simultaneous.high, matters)
        greater |= waiting & found.greater
        less |= waiting & found.less
        same |= waiting & found.same
        waiting = ~(greater | less | same)
    false = {}
    if truth <= 0:
        false["reproduced"] = greater
    if truth >= 0:
        false["contradicted"] = less
    if abs(truth) >= matters:
        false["no_difference"] = same
    false["any_false"] = np.logical_or.reduce(list(false.values()))
    rates = {name: float(verdicts.any(axis=-1).mean()) for name, verdicts in false.items()}
    size = str(looks[0]) if len(looks) == 1 else TOP_UP
    about = {"n": size, "truth": truth, "matters": matters}
    return {**about, "coverage": float(covered.mean()), **rates}


def _rivals(sample: Array, truth: float, rng: np.random.Generator) -> Iterator[Row]:
    """Yield the coverage of alternatives to Student's interval for a mean."""
    yield {"interval": JOHNSON, "coverage": _share(*_johnson(sample), truth)}
    yield {"interval": BOOTSTRAP, "coverage": _share(*_bootstrap_t(sample, rng), truth)}


def _further(outcomes: str, rng: np.random.Generator, experiments: int, n: int) -> Iterator[Row]:
    """Yield the coverage of the intervals for one further run and one further curve."""
    runs = OUTCOMES[outcomes](rng, (experiments, n + 1))
    for interval, alpha in ((RUN, ALPHA), (CURVE_AS_ONE, ALPHA / POINTS)):
        further = prediction_interval(runs[:, :n], alpha)
        covered = _share(further.low, further.high, runs[:, n])
        yield {"interval": interval, "coverage": covered}
    curves = OUTCOMES[outcomes](rng, (experiments, n + 1, POINTS))
    low, high = joint_band(curves[:, :n], ALPHA)
    inside = (low <= curves[:, n]) & (curves[:, n] <= high)
    yield {"interval": CURVE_APART, "coverage": float(inside.all(axis=-1).mean())}


def _share(low: Array, high: Array, value: Array | float) -> float:
    return float(((low <= value) & (value <= high)).mean())


def _johnson(sample: Array) -> tuple[Array, Array]:
    """Return the interval of Johnson (1978), Student's interval shifted by the skewness."""
    n = sample.shape[-1]
    t = mean_interval(sample, ALPHA)
    cubes = ((sample - sample.mean(axis=-1, keepdims=True)) ** 3).sum(axis=-1)
    third = cubes * n / ((n - 1) * (n - 2))
    shift = third / (6 * n * t.sd**2)
    return t.low + shift, t.high + shift


def _bootstrap_t(sample: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the bootstrap-t interval (Efron 1982, ch. 10); all samples share the resamples."""
    n = sample.shape[-1]
    weights = rng.multinomial(n, np.full(n, 1 / n), _RESAMPLES) / n
    centred = sample - sample.mean(axis=-1, keepdims=True)
    means = centred @ weights.T
    variances = centred**2 @ weights.T - means**2
    equal = variances < 1e-12  # values are equal up to rounding
    sds = np.sqrt(np.where(equal, 1, variances) * n / (n - 1))
    ts = np.where(equal, np.copysign(np.inf, means), means / sds)
    tail = round((_RESAMPLES + 1) * ALPHA / 2)
    ts.partition((tail - 1, _RESAMPLES - tail), axis=-1)
    sd, mean = sample.std(axis=-1, ddof=1), sample.mean(axis=-1)
    return mean - ts[:, _RESAMPLES - tail] * sd, mean - ts[:, tail - 1] * sd


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the simulation and write ``calibration.csv`` and ``README.md``."""
    settle()
    parser = argparse.ArgumentParser(
        prog="python -m nnexp.analysis.calibration", description=__doc__
    )
    parser.add_argument("--out", type=Path, default=Path("results/calibration"), metavar="FOLDER")
    options = parser.parse_args(arguments)
    check_folder(options.out, "--out FOLDER")
    with writing(options.out):
        options.out.mkdir(parents=True, exist_ok=True)
    table = calibrate()
    rows = table.to_csv(index=False, lineterminator="\n", float_format="%.6g")
    fill(options.out, {"calibration.csv": rows, "README.md": page(table)})
    print(f"{as_markdown(table)}\nwritten to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
