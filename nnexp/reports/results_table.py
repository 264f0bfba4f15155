"""The final scores of a sweep's arms as a table for a paper, in Markdown or LaTeX."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from nnexp.analysis.arms import Comparison
from nnexp.analysis.intervals import mean_interval
from nnexp.analysis.names import arm_words, status_words
from nnexp.errors import unknown
from nnexp.messages.language import tr
from nnexp.store.record import DIVERGED, FAILED

_SCORES = tuple(f"{s}_{v}" for s in ("test", "validation", "train") for v in ("accuracy", "loss"))
_LEVEL = 0.95
# From here on, and below its inverse, numbers are written with a power of ten.
_LARGE = 1e6
_LATEX = {
    **{c: f"\\{c}" for c in "#$%&_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "−": "$-$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "α": r"$\alpha$",
    "∞": r"$\infty$",
}


@dataclass(frozen=True)
class Score:
    """The mean of a final score over the runs of an arm, and the half-width of its interval."""

    mean: str
    half_width: str = ""


@dataclass(frozen=True)
class ResultsTable:
    """The rows of the table: each has an arm's label, counts of runs, and scores.

    ``splits`` are the data sets of the scores, the last columns: two columns each.
    """

    splits: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str | Score, ...], ...]
    notes: tuple[str, ...]


def results_table(comparison: Comparison, form: str) -> str:
    r"""Return the final scores of each arm as a table in Markdown (``md``) or LaTeX (``tex``).

    A score is the mean over seeds ± half the width of the 95 % interval of the mean (Student's t),
    rounded to two significant digits of it; without interval for a single run. Accuracies are in
    per cent. Diverged runs are part of the means, with a loss of ∞. The LaTeX needs booktabs.

    Raises
    ------
    InputError
        If the form is unknown.
    """
    if form not in _FORMS:
        raise unknown("form of a table", form, _FORMS)
    return _FORMS[form](_tabulated(comparison))


def _tabulated(comparison: Comparison) -> ResultsTable:
    runs = comparison.runs[comparison.runs["status"] != FAILED]
    scores = [score for score in _SCORES if f"{score}_mean" in comparison.summary]
    counts = [s for s in (DIVERGED, FAILED) if comparison.summary[s].any()]
    pair = (tr("accuracy (%)"), tr("loss"))
    rows: list[tuple[str | Score, ...]] = []
    for row in comparison.summary.to_dict("records"):
        own = runs[runs["arm"].astype(str) == row["arm"]]
        cells = [_score(score, own[score].astype(float).tolist()) for score in scores]
        n = row["runs"] - row[FAILED]
        rows.append((arm_words(row["arm"]), str(n), *(str(row[s]) for s in counts), *cells))
    splits = tuple(dict.fromkeys(score.partition("_")[0] for score in scores))
    return ResultsTable(
        splits=tuple(_split_words(split) for split in splits),
        header=(
            comparison.factors or tr("runs"),
            "n",
            *map(status_words, counts),
            *pair * len(splits),
        ),
        rows=tuple(rows),
        notes=tuple(_notes(comparison, counts)),
    )


def _split_words(split: str) -> str:
    return {"test": tr("test"), "validation": tr("validation"), "train": tr("train")}[split]


def _notes(comparison: Comparison, counts: Sequence[str]) -> Iterator[str]:
    """Yield sentences on what the numbers are, for the caption."""
    if (comparison.summary["runs"] - comparison.summary[FAILED] > 1).any():
        yield tr(
            "Mean over n seeds ± half-width of its {level} % confidence interval (Student's t).",
            level=f"{100 * _LEVEL:g}",
        )
    if (comparison.summary["runs"] - comparison.summary[FAILED] == 1).any():
        yield tr("Scores without ± are of one run.")
    if DIVERGED in counts:
        yield tr("Diverged runs count with their last accuracy and a loss of ∞.")
    if FAILED in counts:
        yield tr("Failed runs are left out of n.")
    yield tr("All runs: {settings}.", settings=comparison.held)


def _score(name: str, values: Sequence[float]) -> Score:
    """Return the mean of ``values``, in per cent for an accuracy, with its half-width."""
    if not values:
        return Score("")
    share = name.endswith("accuracy")
    interval = mean_interval([100 * v for v in values] if share else values, 1 - _LEVEL)
    mean, half = float(interval.middle), float(interval.half_width)
    if math.isinf(mean):
        return Score("∞")
    if not math.isfinite(half) or half == 0:
        alone = f"{mean:.2f}" if share else f"{mean:.4g}"
        return Score(alone, "0" if half == 0 else "")
    if max(abs(mean), half) >= _LARGE or half < 1 / _LARGE:
        return Score(f"{mean:.7g}", f"{half:.2g}")
    decimals = max(0, 1 - math.floor(math.log10(half)))
    return Score(f"{mean:.{decimals}f}", f"{half:.{decimals}f}")


def _markdown(table: ResultsTable) -> str:
    def cell(value: str | Score) -> str:
        if isinstance(value, Score):
            return f"{value.mean} ± {value.half_width}" if value.half_width else value.mean
        return re.sub(r"([\\`*_\[\]<>|~$&])", r"\\\1", value)

    first = len(table.header) - 2 * len(table.splits)
    splits = [split for split in table.splits for _ in range(2)]
    scores = [f"{s} {name}" for s, name in zip(splits, table.header[first:], strict=True)]
    header = (*table.header[:first], *scores)
    rows = [[cell(value) for value in row] for row in (header, *table.rows)]
    rule = ["---", *["---:"] * (len(table.header) - 1)]
    lines = [f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:])]
    return "\n".join([*lines, "", cell(" ".join(table.notes)), ""])


def _latex(table: ResultsTable) -> str:
    def text(value: str) -> str:
        escaped = "".join(_LATEX.get(c, c) for c in value)
        return escaped.replace("±", r"$\pm$").replace(r" \%", r"\,\%")

    def cell(value: str | Score) -> str:
        if isinstance(value, str):
            return text(value)
        mean = value.mean.replace("∞", r"\infty")
        number = f"{mean} \\pm {value.half_width}" if value.half_width else mean
        return number and f"${number}$"

    first = len(table.header) - 2 * len(table.splits)
    places = range(first + 1, len(table.header), 2)
    above = [*[""] * first, *(f"\\multicolumn{{2}}{{c}}{{{split}}}" for split in table.splits)]
    lines = [f"    {' & '.join(map(cell, row))} \\\\" for row in (table.header, *table.rows)]
    return "\n".join(
        [
            "% Needs \\usepackage{booktabs} in the preamble.",
            r"\begin{table}",
            r"  \centering\small\setlength{\tabcolsep}{4pt}",
            f"  \\caption{{{text(' '.join(table.notes))}}}",
            r"  \label{tab:nnexp}",
            f"  \\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}",
            r"    \toprule",
            f"    {' & '.join(above)} \\\\",
            "    " + " ".join(f"\\cmidrule(lr){{{place}-{place + 1}}}" for place in places),
            lines[0],
            r"    \midrule",
            *lines[1:],
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


_FORMS: dict[str, Callable[[ResultsTable], str]] = {"md": _markdown, "tex": _latex}
