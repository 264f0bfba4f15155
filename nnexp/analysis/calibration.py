"""Calibration of the statistics: error rates in simulated experiments with known truths.

An experiment is a study of several independent claims. Each is judged from the median interval at
level 1 - alpha/claims or, with topping up, at three `LOOKS`, each of level 1 - alpha/(3·claims). A
verdict of `nnexp.analysis.verdicts` is false only if an interval misses the true median: a
difference is shown although there is none, shown to matter although it does not, or excluded
although it exists. Student's interval for the mean is included for comparison.
``python -m nnexp.analysis.calibration`` writes the tables.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from nnexp.analysis import simulated_claims
from nnexp.analysis.intervals import joint_band, median_interval, prediction_interval, t_quantile
from nnexp.analysis.simulated_claims import FALSE, SHOWN
from nnexp.analysis.verdicts import ALPHA
from nnexp.files import writing
from nnexp.process.startup import settle
from nnexp.store.folders import check_folder, fill
from nnexp.validation import whole

Array = npt.NDArray[np.float64]
Generator = np.random.Generator
Row = dict[str, Any]

SIZES = (5, 10, 20)
CLAIMS = (1, 5, 12, 20)
LOOKS = (10, 20, 40)
TOP_UP = "top-up"
# True differences in the simulations of power, in standard deviations.
DIFFERENCES = (1.0, 2.0)
POINTS = 13
# Two arms that are tuned choose among this many values, all equally good, by a validation score
# with this correlation to the outcome.
VALUES, CORRELATION = 6, 0.8
TUNED = "tuned"
EXPERIMENTS = 10_000
# The largest half-width at which a published figure is judged, in standard deviations.
CAP = 10.0

MEDIAN, STUDENT = "median", "Student's t"
RUN = "further run"
# A curve has POINTS points. The deviation of a run is the same at all of them or independent at
# each, which is the hardest case for a joint band. Real curves lie between these.
CURVE_AS_ONE, CURVE_APART = "further curve: points as one", "further curve: points apart"

MISSED, FOUND, OUTSIDE, PUBLISHED = "missed", "found", "outside", "false verdict"
COLUMNS = ("question", "outcomes", "interval", "n", "claims", "difference", "rate")


@dataclass(frozen=True)
class Outcomes:
    """A distribution of paired differences: ``draw`` returns a sample of a given size."""

    draw: Callable[[Generator, tuple[int, ...]], Array]
    mean: float = 0.0
    median: float = 0.0


def _outliers(rng: Generator, size: tuple[int, ...]) -> Array:
    return rng.standard_normal(size) * np.where(rng.random(size) < 0.1, 10, 1)


def _unequal(rng: Generator, size: tuple[int, ...]) -> Array:
    return rng.standard_normal(size) * np.exp(rng.standard_normal(size))


def _diverging(rate: float) -> Outcomes:
    """Return the differences to an arm whose runs diverge at a ``rate`` and then lose 100."""

    def draw(rng: Generator, size: tuple[int, ...]) -> Array:
        return rng.standard_normal(size) - 100 * (rng.random(size) < rate)

    return Outcomes(draw, -100 * rate, NormalDist().inv_cdf((0.5 - rate) / (1 - rate)))


def _ceiling(rng: Generator, size: tuple[int, ...]) -> Array:
    return 50 * rng.beta(49, 1, size)


# Seeds that differ in spread are a case for differences of pairs, not for spreads between seeds.
_UNLIKE = "unequal spreads"
OUTCOMES: dict[str, Outcomes] = {
    "normal": Outcomes(lambda rng, size: rng.standard_normal(size)),
    "skewed": Outcomes(lambda rng, size: rng.standard_exponential(size), 1, math.log(2)),
    "outliers": Outcomes(_outliers),
    _UNLIKE: Outcomes(_unequal),
    "ties": Outcomes(lambda rng, size: np.rint(rng.standard_normal(size))),
    "near the ceiling": Outcomes(_ceiling, 50 * 49 / 50, 50 * 0.5 ** (1 / 49)),
    **{f"{rate:.0%} diverge".replace("%", " %"): _diverging(rate) for rate in (0.1, 0.3, 0.45)},
}


def _tuned(rng: Generator, experiments: int, claims: int, sizes: Sequence[int]) -> dict[int, Array]:
    """Return the differences (experiments, claims, n) of two arms tuned on the same n seeds, by n.

    The arms and all values of the setting are equally good, so the true difference is 0.
    """
    differences: dict[int, list[Array]] = {n: [] for n in sizes}
    for _ in range(experiments):
        shape = (2, claims, VALUES, max(sizes))
        validation = rng.standard_normal(shape)
        rest = rng.standard_normal(shape)
        outcome = CORRELATION * validation + math.sqrt(1 - CORRELATION**2) * rest
        for n in sizes:
            best = validation[..., :n].mean(axis=-1).argmax(axis=-1)
            first, second = np.take_along_axis(outcome[..., :n], best[..., None, None], 2)[:, :, 0]
            differences[n].append(first - second)
    return {n: np.array(drawn) for n, drawn in differences.items()}


def calibrate(experiments: int = EXPERIMENTS, seed: int = 0) -> pd.DataFrame:
    """Return the table of all simulations with the columns `COLUMNS`, one row per rate.

    ``question`` is the event that ``rate`` counts: `MISSED`, an ``interval`` misses the truth in a
    study of ``claims`` claims; `FOUND`, a true ``difference`` between normal outcomes is found;
    `OUTSIDE`, a further run or curve lies outside its interval; `PUBLISHED`, a verdict says so, as
    the interval is within `CAP`; `FALSE` and `SHOWN`, a claim on a spread, a law or a best value is
    judged falsely, or what is true is shown. ``n`` is text: a number, or ``top-up`` for any look.

    Raises
    ------
    InputError
        If ``experiments`` is not a whole number of at least 1, or ``seed`` not one of at least 0.
    """
    whole("experiments", experiments, 1)
    whole("seed", seed, 0)
    plans = (*((n,) for n in SIZES), LOOKS)
    sizes = sorted({n for looks in plans for n in looks})
    rows: list[Row] = []
    for number, (name, outcomes) in enumerate(OUTCOMES.items()):
        rng = np.random.default_rng([seed, number])
        about = {"outcomes": name}
        sample = outcomes.draw(rng, (experiments, max(CLAIMS), max(sizes)))
        samples = {n: sample[..., :n] for n in sizes}
        for looks in plans:
            rows += [about | row for row in _missed(samples, looks, outcomes)]
        for n in SIZES:
            rows += [about | {"n": str(n)} | row for row in _further(outcomes, rng, experiments, n)]
    rng = np.random.default_rng([seed, len(OUTCOMES)])
    for n in SIZES:
        rows += [{"outcomes": "normal", "n": str(n)} | row for row in _found(rng, experiments, n)]
    rng = np.random.default_rng([seed, len(OUTCOMES) + 1])
    samples, none = _tuned(rng, experiments, max(CLAIMS), sizes), OUTCOMES["normal"]
    for looks in plans:
        rows += [{"outcomes": TUNED} | row for row in _missed(samples, looks, none)]
    draws = {name: outcomes.draw for name, outcomes in OUTCOMES.items() if name != _UNLIKE}
    rows += simulated_claims.rows(draws, experiments, seed)
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(COLUMNS))
    return table


def _student(sample: Array, alpha: float) -> tuple[Array, Array]:
    """Return Student's interval for the mean of ``sample`` (…, n)."""
    n = sample.shape[-1]
    half = t_quantile(1 - alpha / 2, n - 1) * sample.std(axis=-1, ddof=1) / math.sqrt(n)
    mean = sample.mean(axis=-1)
    return mean - half, mean + half


def _median(sample: Array, alpha: float) -> tuple[Array, Array]:
    interval = median_interval(sample, alpha)
    return interval.low, interval.high


_INTERVALS = {MEDIAN: _median, STUDENT: _student}


def _missed(
    samples: Mapping[int, Array], looks: Sequence[int], outcomes: Outcomes
) -> Iterator[Row]:
    """Yield how often a study misses a truth; ``samples`` are (experiments, claims, n), by n."""
    size = str(looks[0]) if len(looks) == 1 else TOP_UP
    for name, truth in ((MEDIAN, outcomes.median), (STUDENT, outcomes.mean)):
        for claims in CLAIMS:
            missed = np.zeros(len(samples[looks[0]]), dtype=bool)
            for n in looks:
                seen = samples[n][:, :claims]
                low, high = _INTERVALS[name](seen, ALPHA / claims / len(looks))
                missed |= ((low > truth) | (high < truth)).any(axis=-1)
            yield {
                **{"question": MISSED, "interval": name, "n": size, "claims": claims},
                "rate": float(missed.mean()),
            }


def _found(rng: Generator, experiments: int, n: int) -> Iterator[Row]:
    """Yield how often a difference between normal outcomes is found."""
    sample = rng.standard_normal((experiments, n))
    for name, interval in _INTERVALS.items():
        for claims in CLAIMS:
            low, _ = interval(sample, ALPHA / claims)
            for difference in DIFFERENCES:
                yield {
                    **{"question": FOUND, "interval": name, "claims": claims},
                    "difference": difference,
                    "rate": float((low > -difference).mean()),
                }


def _further(outcomes: Outcomes, rng: Generator, experiments: int, n: int) -> Iterator[Row]:
    """Yield how often a new run or curve lies outside its interval or band."""
    runs = outcomes.draw(rng, (experiments, n + 1))
    curves = outcomes.draw(rng, (experiments, n + 1, POINTS))
    bands = {CURVE_APART: (joint_band(curves[:, :n], ALPHA), curves[:, n])}
    for interval, alpha in ((RUN, ALPHA), (CURVE_AS_ONE, ALPHA / POINTS)):
        own = prediction_interval(runs[:, :n], alpha)
        bands[interval] = ((own.low[:, None], own.high[:, None]), runs[:, n, None])
    for interval, ((low, high), further) in bands.items():
        outside = ((further < low) | (further > high)).any(axis=-1)
        judged = ((high - low) / 2 <= CAP).all(axis=-1)
        for question, counted in ((OUTSIDE, outside), (PUBLISHED, outside & judged)):
            yield {"question": question, "interval": interval, "rate": float(counted.mean())}


def as_markdown(table: pd.DataFrame, question: str) -> str:
    """Return the rates for a ``question`` in the table of `calibrate` as Markdown, in per cent."""
    asked = table[table["question"] == question].copy()
    across = {
        MISSED: lambda row: f"{row['interval']}, {_claims(row['claims'])}",
        FOUND: lambda row: f"{row['interval']}, {row['difference']:g} sd",
        FALSE: lambda row: _claims(row["claims"]),
        SHOWN: lambda row: _claims(row["claims"]),
    }.get(question, lambda row: row["interval"])
    asked["across"] = asked.apply(across, axis=1)
    keys = ["n", "claims"] if question == FOUND else ["outcomes", "n"]
    rates = asked.pivot_table("rate", keys, "across", sort=False)
    heads = [*keys, *map(str, rates)]
    lines = [heads, ["---"] * 2 + ["---:"] * (len(heads) - 2)]
    for names, row in zip(rates.index, rates.to_numpy(), strict=True):
        cells = [f"{name:g}" if isinstance(name, float) else str(name) for name in names]
        lines.append([*cells, *(f"{100 * rate:.1f}" for rate in row)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _claims(count: float) -> str:
    return "1 claim" if count == 1 else f"{count:g} claims"


def page(table: pd.DataFrame, experiments: int) -> str:
    """Return the table of `calibrate`, from this number of experiments, as a Markdown page."""
    error = 100 * math.sqrt(ALPHA * (1 - ALPHA) / experiments)
    looks = ", ".join(map(str, LOOKS))
    return f"""\
{experiments:,} experiments a row; an experiment is a study. All figures are per cent; the
Monte-Carlo standard error of 5 is {error:.2f}. *Skewed* differences are exponential, *outliers*
have one value in ten with ten times the spread, *unequal spreads* differ between seeds, *ties* are
rounded to whole standard deviations, *near the ceiling* is accuracies of 98 % against a threshold.
In the rows named after a share, one arm diverges in some of its runs and is then 100 standard
deviations lower. In the rows *tuned*, each of two equal arms uses the best of {VALUES} equally good
values of a setting, chosen on the same seeds by a validation score with a correlation of
{CORRELATION:g} to the outcome.

### Studies with a false verdict

How often the intervals of a study miss at least one truth. Every false verdict takes such a miss,
and where nothing differs, every miss is a false direction. Up to 5 is wanted. Topped up, a study
looks at n = {looks}. Claims are judged by the median difference; Student's t, which is for the
mean, stands beside it.

{as_markdown(table, MISSED)}
With fewer seeds than the level takes there is no interval and no verdict: the rate is 0. The median
interval keeps its rate except with ten seeds, many claims and an arm that diverges in nearly half
of its runs: the median then lies between the runs that diverge and those that do not. Student's t
shows differences of means that are not there where a sample missed the rare runs. Tuning two arms
on the seeds that are compared flatters neither: the best of several values varies less than a
single one, so there are fewer false verdicts.

### Differences found

How often a true difference of 1 or 2 standard deviations is found, if outcomes are normal. What
the median finds less is the price of the first table.

{as_markdown(table, FOUND)}
### Published figures and curves

How often a new run, or curve of {POINTS} points, lies outside the interval or joint band for
it. A curve's points deviate as one, or each on its own, the hardest case. Up to 5 is wanted.

{as_markdown(table, OUTSIDE)}
How often a further run of the same arm is *exceeded* or *short of*. Intervals with a half-width
above {CAP:g} standard deviations are too noisy to be judged, so runs that are seen to diverge give
no verdict. These verdicts are unreliable where outcomes are skewed and the points of a curve
deviate each on its own.

{as_markdown(table, PUBLISHED)}
### Spreads, laws and best values

How often a study of claims on these has a false verdict. Up to 5 is wanted. *Spreads*: two arms
with the same distribution, in studies of one and five claims. *Laws*: three shares of runs that
are as predicted, off by just the smallest deviation that matters, 0.15, or off by twice as much.
*Best values*: of settings tried in steps of a factor of 1.26; the optimum varies between seeds by
a factor of 1.12, and differences are in log10.

{_by_kind(table, FALSE)}
How often what is true is shown: that spreads differ, that a law holds or does not, that best
values differ by more than a factor of 1.4.

{_by_kind(table, SHOWN)}"""


def _by_kind(table: pd.DataFrame, question: str) -> str:
    """Return the tables of the rates for a ``question``, one for each kind of claim."""
    kinds = (table[table["interval"] == kind] for kind in simulated_claims.KINDS)
    return "\n".join(as_markdown(own, question) for own in kinds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the simulations and write ``calibration.csv`` and ``README.md``."""
    settle()
    parser = argparse.ArgumentParser(
        prog="python -m nnexp.analysis.calibration", description=__doc__
    )
    parser.add_argument("--out", type=Path, default=Path("results/calibration"), metavar="FOLDER")
    options = parser.parse_args(arguments)
    check_folder(options.out, "--out FOLDER")
    with writing(options.out):
        options.out.mkdir(parents=True, exist_ok=True)
    table = calibrate(EXPERIMENTS)
    text = page(table, EXPERIMENTS)
    rows = table.to_csv(index=False, lineterminator="\n", float_format="%.6g")
    fill(options.out, {"calibration.csv": rows, "README.md": text})
    print(f"{text}\nwritten to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
