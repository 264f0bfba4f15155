"""Records → tables: the arms of a sweep, their settings and their results.

The runs of an arm differ only in ``seed``. A diverged run counts in the means of its arm (its loss
is inf, and so is the mean); a failed run has no numbers and is only counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnexp.analysis import labels
from nnexp.analysis.labels import NAMED, Rows, values
from nnexp.errors import InputError
from nnexp.nn import layer_statistics
from nnexp.store.record import DIVERGED, FAILED, FINISHED

QUANTILES = tuple(f"p{q:02d}" for q in layer_statistics.QUANTILES)

# The columns of `runs` that are not settings.
_OUTCOME = re.compile(
    r"run_id|arm|status|step|seconds|reused|steps_to_\d+|(train|test|validation)_(loss|accuracy)"
)
_SCORES = tuple(f"{s}_{v}" for s in ("test", "train", "validation") for v in ("accuracy", "loss"))


@dataclass(frozen=True)
class Comparison:
    """Runs sorted into arms.

    ``runs``, ``metrics`` and ``layers`` are the tables of the records with the column ``arm``
    (an ordered categorical), the latter two with ``status`` as well. ``varied`` names the settings
    that differ among the arms, and ``levels`` has the values of each, with their parameters.
    ``cells`` has the values of each arm in the words of labels (``{"he, lr 1": {"init": "he", "lr":
    "lr 1"}}``). ``bundled`` names the settings that a named arm stands for. ``held`` has the most
    informative of the other settings in a line, and ``held_settings`` all of them. ``summary`` has
    a row for each arm, see `summarise`.
    """

    runs: pd.DataFrame
    metrics: pd.DataFrame
    layers: pd.DataFrame
    varied: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]
    cells: dict[str, dict[str, str]]
    bundled: tuple[str, ...]
    held: str
    held_settings: dict[str, str]
    summary: pd.DataFrame

    @property
    def arms(self) -> tuple[str, ...]:
        """The labels of the arms, in the order in which the runs came."""
        return tuple(self.runs["arm"].cat.categories)

    @property
    def factors(self) -> str:
        """What varies, in words: ``init``, or ``init, hidden and lr``."""
        named = ("arm" if name == NAMED else name.replace("_", " ") for name in self.varied)
        *others, last = list(named) or [""]
        return f"{', '.join(others)} and {last}" if others else last

    @property
    def mechanism(self) -> pd.DataFrame:
        """The rows of ``layers`` without diverged runs, except in arms where all runs diverged."""
        counts = self.summary.set_index("arm")[FINISHED]
        others = self.layers["arm"].astype(str).map(counts) > 0
        kept: pd.DataFrame = self.layers[~((self.layers["status"] == DIVERGED) & others)]
        return kept

    @property
    def seeds(self) -> str:
        """How many seeds an arm's means are over: ``n = 3``, or ``n = 2 to 3``."""
        return labels.n_words(self.summary["runs"] - self.summary[FAILED])


def compare(runs: pd.DataFrame, metrics: pd.DataFrame, layers: pd.DataFrame) -> Comparison:
    """Sort the runs into arms; a run that is given twice counts once.

    Raises
    ------
    InputError
        If there is no run.
    """
    if runs.empty:
        raise InputError("there is no run to compare: give a folder or a sweep with at least one")
    # The names that an experiment gives its arms are not the arms found below.
    runs = runs.rename(columns={"arm": NAMED})
    runs = runs.drop_duplicates("run_id").reset_index(drop=True)
    settings = [str(c) for c in runs if not _OUTCOME.fullmatch(str(c))]
    rows = [{c: labels.text(row[c]) for c in settings} for row in runs.to_dict("records")]
    varied = tuple(c for c in settings if c != "seed" and _varies(rows, c))
    bundled: tuple[str, ...] = ()
    if NAMED in varied:  # which stands for all that its value determines
        names = len(values(rows, NAMED))
        bundled = tuple(c for c in varied if c != NAMED and len(values(rows, NAMED, c)) == names)
        varied = tuple(c for c in varied if c not in bundled)
    of_run = [labels.label(row, rows, varied) for row in rows]
    runs["arm"] = pd.Categorical(of_run, categories=list(dict.fromkeys(of_run)), ordered=True)
    held = {c: v for c, v in rows[0].items() if v and c != "seed" and values(rows, c) == {v}}
    return Comparison(
        runs=runs,
        metrics=_with_arm(metrics.drop_duplicates(["run_id", "step"]), runs),
        layers=_with_arm(layers.drop_duplicates(["run_id", "step", "layer"]), runs),
        varied=varied,
        levels=labels.levels(rows, varied),
        cells=labels.cells(dict(zip(of_run, rows, strict=True)), rows, varied),
        bundled=bundled,
        held=", ".join(filter(None, (labels.held_words(held, layers), labels.seed_words(rows)))),
        held_settings=held,
        summary=summarise(runs, varied),
    )


def summarise(runs: pd.DataFrame, varied: Iterable[str] = ()) -> pd.DataFrame:
    """Return a row for each arm of ``runs``, which has the column ``arm``.

    Columns: ``arm``, the ``varied`` settings, the counts ``runs finished diverged failed``;
    ``_mean _std _min _max`` over seeds of every final loss and accuracy (diverged runs included,
    failed ones excluded; ``_std`` with n - 1, empty for one run or an infinite loss);
    ``seconds_median``; and for ``steps_to_90`` …: ``_reached``, how many runs got there, and
    ``_median``, where a run that never did counts as later than any other (empty: never).
    """
    summary: pd.DataFrame = runs.drop_duplicates("arm").set_index("arm")[list(varied)]
    summary = summary.assign(runs=runs["arm"].value_counts())
    for status in (FINISHED, DIVERGED, FAILED):
        summary[status] = (runs["status"] == status).groupby(runs["arm"], observed=True).sum()
    scores = [s for s in _SCORES if s in runs or not s.startswith("validation")]
    scored = runs[runs["status"] != FAILED].reindex(columns=[*runs, *set(scores).difference(runs)])
    by_arm = scored.astype(dict.fromkeys(scores, float)).groupby("arm", observed=True)
    for score in scores:
        for statistic in ("mean", "std", "min", "max"):
            summary[f"{score}_{statistic}"] = by_arm[score].agg(statistic)
        infinite = ~np.isfinite(summary[f"{score}_mean"])
        summary[f"{score}_std"] = summary[f"{score}_std"].mask(infinite)
    summary["seconds_median"] = by_arm["seconds"].median()
    for column in (c for c in map(str, runs) if c.startswith("steps_to_")):
        steps = scored[column].astype(float).fillna(np.inf).groupby(scored["arm"], observed=True)
        summary[f"{column}_median"] = steps.median().replace(np.inf, np.nan)
        summary[f"{column}_reached"] = by_arm[column].count().reindex(summary.index, fill_value=0)
    summary.index = summary.index.astype(str)
    return _flat(summary)


def curves(table: pd.DataFrame, y: str) -> pd.DataFrame:
    """Return ``y`` over training by arm: ``arm [layer] step x unit mean low high n diverged``.

    ``x`` is the time of training in ``unit``: ``updates`` if every run was given a number of
    steps, else ``epochs``.

    ``table`` is the ``metrics`` or ``layers`` of a `Comparison`; ``low`` and ``high`` are the
    lowest and the highest seed, ``n`` is the number of runs, and ``diverged`` how many of them do
    so in the end. A step is there only if every run of the arm has a value: in ``metrics`` a
    diverged run keeps its last one (a loss of inf), in ``layers`` its arm's curve ends with it.
    """
    keys = ["arm", "layer"] if "layer" in table else ["arm"]
    # Most columns are settings, and to carry them along takes most of the time.
    needed = {*keys, "run_id", "status", "epoch", "step", "steps", y}
    table = table.loc[table["status"] != FAILED, [c for c in table if c in needed]]
    wide = table.pivot(index=[*keys, "step"], columns="run_id", values=y).astype(float).sort_index()
    runs = table.drop_duplicates("run_id").set_index("run_id")
    diverged = list(runs.index[runs["status"] == DIVERGED])
    if "layer" not in table:
        wide[diverged] = wide.groupby(level=keys, observed=True)[diverged].ffill()
    expected = runs["arm"].value_counts().reindex(wide.index.get_level_values("arm"))
    wide = wide[wide.count(axis=1).to_numpy() == expected.to_numpy()]
    lost = runs["arm"][diverged].value_counts().reindex(wide.index.get_level_values("arm"))
    by_steps = "steps" in runs and bool(runs["steps"].notna().all())
    clock = table.drop_duplicates([*keys, "step"]).set_index([*keys, "step"], drop=False)
    times = clock["step" if by_steps else "epoch"].astype(float)
    columns = {
        "x": times.reindex(wide.index),
        "unit": "updates" if by_steps else "epochs",
        "mean": wide.mean(axis=1),
        "low": wide.min(axis=1),
        "high": wide.max(axis=1),
        "n": wide.count(axis=1),
        "diverged": lost.to_numpy(),
    }
    return _flat(pd.DataFrame(columns))


def seeds(metrics: pd.DataFrame, y: str) -> pd.DataFrame:
    """Return ``y`` over training by run: ``arm run_id step x value``, with the ``x`` of `curves`.

    A run that diverged ends with its last finite value.
    """
    rows = metrics[metrics["status"] != FAILED]
    by_steps = "steps" in rows and bool(rows["steps"].notna().all())
    single = rows[["arm", "run_id", "step"]].assign(
        x=rows["step" if by_steps else "epoch"].astype(float), value=rows[y].astype(float)
    )
    finite: pd.DataFrame = single[np.isfinite(single["value"])].reset_index(drop=True)
    return finite


def spreads(layers: pd.DataFrame) -> pd.DataFrame:
    """Return each layer's quantiles of activation before the first update and after the last.

    Columns: ``arm layer moment`` (``before`` or ``after``), ``p05 p25 p50 p75 p95``, each the mean
    over seeds; empty after training where a run of the arm diverged.
    """
    columns = [f"activation_{q}" for q in QUANTILES]
    needed = ["run_id", "arm", "status", "layer", "step", *columns]
    layers = layers.loc[layers["status"] != FAILED, needed]
    last = layers.groupby("run_id")["step"].transform("max")
    before, after = layers[layers["step"] == 0], layers[layers["step"] == last]
    moments = []
    for moment, table in (("before", before), ("after", after)):
        values = table[columns].astype(float)
        if moment == "after":
            values = values.mask(table["status"] == DIVERGED)
        # An infinite value survives the mean, where an empty one would be left out of it.
        by_layer = values.fillna(np.inf).groupby([table["arm"], table["layer"]], observed=True)
        mean = by_layer.mean().replace(np.inf, np.nan).set_axis(list(QUANTILES), axis=1)
        moments.append(_flat(mean).assign(moment=moment))
    both: pd.DataFrame = pd.concat(moments, ignore_index=True)
    return both


def _with_arm(table: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    of_run = runs.set_index("run_id")[["arm", "status"]]
    known = table[table["run_id"].isin(of_run.index)].reset_index(drop=True)
    own = of_run.reindex(known["run_id"])
    placed: pd.DataFrame = known.assign(arm=own["arm"].array, status=own["status"].array)
    return placed


def _flat(indexed: pd.DataFrame) -> pd.DataFrame:
    table: pd.DataFrame = indexed.reset_index()
    return table


def _varies(rows: Rows, column: str) -> bool:
    """Return whether ``column`` varies; for ``init.std`` and the like, within the same choice."""
    root = column.partition(".")[0]
    if root == column:
        return len(values(rows, column)) > 1
    return len(values(rows, root, column)) > len(values(rows, root))
