"""Grouping of runs into arms, and summaries of arms.

An arm is a group of runs that differ only in ``seed``. Diverged runs are part of the arm's means
(their loss is inf, and so is its mean). Failed runs have no numbers and are only counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from nnexp.analysis import labels
from nnexp.analysis.clock import clock
from nnexp.analysis.labels import NAMED, Rows, values
from nnexp.analysis.trials import Trials, arm_of, is_tuned
from nnexp.errors import InputError
from nnexp.messages.language import tr
from nnexp.nn import layer_statistics
from nnexp.store.record import DIVERGED, FAILED, FINISHED, is_setting

QUANTILES = tuple(f"p{q:02d}" for q in layer_statistics.QUANTILES)

# Does not affect training, and `auto` gives other steps in other sweeps.
_EVALUATED = "evaluate_at"
_SCORES = tuple(f"{s}_{v}" for s in ("test", "train", "validation") for v in ("accuracy", "loss"))


@dataclass(frozen=True)
class Comparison:
    """Runs grouped into arms.

    ``runs``, ``metrics`` and ``layers`` are the tables of the records with the column ``arm`` (an
    ordered categorical); the latter two also have ``status``. ``varied`` are the settings that
    differ between arms, and ``levels`` the values of each, including parameters of a choice.
    ``cells`` has the values of each arm in the words of its label
    (``{"he, lr 1": {"init": "he", "lr": "lr 1"}}``). ``bundled`` are the settings that a named arm
    stands for. ``held_settings`` are the settings that all runs share, ``network`` their layers in
    words and ``seed_numbers`` the seeds. ``summary`` has one row per arm, see `summarise`.
    ``tuned`` are the settings of which each arm has the values that were best in its ``trials``;
    they vary without being compared.
    """

    runs: pd.DataFrame
    metrics: pd.DataFrame
    layers: pd.DataFrame
    varied: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]
    cells: dict[str, dict[str, str]]
    bundled: tuple[str, ...]
    held_settings: dict[str, str]
    network: str
    seed_numbers: tuple[int, ...]
    summary: pd.DataFrame
    tuned: tuple[str, ...]
    trials: Mapping[str, Trials]

    @property
    def arms(self) -> tuple[str, ...]:
        """The labels of the arms, in the order of the runs."""
        return tuple(self.runs["arm"].cat.categories)

    @property
    def factors(self) -> str:
        """The settings that vary, in words: ``init``, or ``init, hidden and lr``."""
        named = (tr("arm") if name == NAMED else name.replace("_", " ") for name in self.varied)
        return labels.enumerated(list(named))

    @property
    def held(self) -> str:
        """The most important settings that all runs share, in one line."""
        tuned = tr("{settings} tuned", settings=_listed(self.tuned)) if self.tuned else ""
        seeds = labels.seed_words(self.seed_numbers)
        held = labels.held_words(self.held_settings, self.network)
        return ", ".join(filter(None, (held, tuned, seeds)))

    @property
    def at_best(self) -> str:
        """What was tuned, in words: ``each at its best lr``; empty if nothing was."""
        best = _listed(self.tuned)
        return tr("each at its best {settings}", settings=best) if self.tuned else ""

    def short(self, arm: str) -> str:
        """Return an arm's label without tuned values, which is empty if nothing else varies."""
        return ", ".join(self.cells[arm].values()) if self.tuned else arm

    @property
    def mechanism(self) -> pd.DataFrame:
        """The rows of ``layers`` for the means of arms.

        Diverged runs are omitted from an arm unless all of its runs diverged.
        """
        counts = self.summary.set_index("arm")[FINISHED]
        others = self.layers["arm"].astype(str).map(counts) > 0
        kept: pd.DataFrame = self.layers[~((self.layers["status"] == DIVERGED) & others)]
        return kept

    @property
    def seeds(self) -> str:
        """The number of seeds in the means of the arms: ``n = 3``, or ``n = 2 to 3``."""
        return labels.n_words(self.summary["runs"] - self.summary[FAILED])

    def only(self, arms: Collection[str]) -> Comparison:
        """Return the comparison with the runs of these ``arms`` alone."""
        tables = {"runs": self.runs, "metrics": self.metrics, "layers": self.layers}
        own = {name: table[table["arm"].isin(arms)] for name, table in tables.items()}
        own["runs"] = own["runs"].assign(arm=own["runs"]["arm"].cat.remove_unused_categories())
        cells = {arm: self.cells[arm] for arm in self.cells if arm in arms}
        return replace(
            self, **own, cells=cells, summary=self.summary[self.summary["arm"].isin(arms)]
        )


def compare(
    runs: pd.DataFrame,
    metrics: pd.DataFrame,
    layers: pd.DataFrame,
    trials: pd.DataFrame | None = None,
) -> Comparison:
    """Group the runs into arms; duplicate runs count once.

    ``trials``, if not empty, are those by which settings were tuned, as from
    `nnexp.store.tables.trials`.

    Raises
    ------
    InputError
        If there are no runs.
    """
    if runs.empty:
        raise InputError("there are no runs to compare: give a folder or a sweep with runs")
    # The names that an experiment gives its arms are kept under another name.
    runs = runs.rename(columns={"arm": NAMED})
    runs = runs.drop_duplicates("run_id").reset_index(drop=True)
    tuned = () if trials is None or trials.empty else tuple(str(trials["tuned"].iloc[0]).split())
    for setting in tuned:
        if trials is not None and setting not in runs:  # all runs have its default
            runs[setting] = trials.loc[trials["chosen"].astype(bool), setting].iloc[0]
    settings = [str(c) for c in runs if is_setting(str(c))]
    columns = [labels.texts(runs[c].tolist()) for c in settings]
    rows = [dict(zip(settings, cells, strict=True)) for cells in zip(*columns, strict=True)]
    fixed = [c for c in settings if not is_tuned(c, tuned)]
    varied = tuple(c for c in fixed if c != "seed" and _varies(rows, c))
    bundled: tuple[str, ...] = ()
    if NAMED in varied:  # a named arm stands for the settings that it determines
        names = len(values(rows, NAMED))
        bundled = tuple(c for c in varied if c != NAMED and len(values(rows, NAMED, c)) == names)
        varied = tuple(c for c in varied if c not in bundled)
    others = [c for c in settings if c != _EVALUATED]
    if _EVALUATED in varied and len(values(rows, *others)) == len(rows):
        # Runs of different sweeps, which differ in what they compare as well.
        varied = tuple(c for c in varied if c != _EVALUATED)
    of_run = [labels.label(row, rows, varied, tuned) for row in rows]
    runs["arm"] = pd.Categorical(of_run, categories=list(dict.fromkeys(of_run)), ordered=True)
    held = {c: v for c in fixed if (v := rows[0][c]) and c != "seed" and values(rows, c) == {v}}
    return Comparison(
        runs=runs,
        metrics=_with_arm(metrics.drop_duplicates(["run_id", "step"]), runs),
        layers=_with_arm(layers.drop_duplicates(["run_id", "step", "layer"]), runs),
        varied=varied,
        levels=labels.levels(rows, varied),
        cells=labels.cells(dict(zip(of_run, rows, strict=True)), rows, varied),
        bundled=bundled,
        held_settings=held,
        network=labels.network_words(held, layers) if "hidden" in held else "",
        seed_numbers=tuple(sorted({int(row["seed"]) for row in rows})),
        summary=summarise(runs, (*varied, *tuned)),
        tuned=tuned,
        trials=_trials(trials, tuned, dict(zip(of_run, rows, strict=True))),
    )


def _listed(settings: Iterable[str]) -> str:
    """Return settings in words: ``lr and batch size``."""
    return labels.listed(labels.spaced(settings))


def _trials(
    table: pd.DataFrame | None, tuned: tuple[str, ...], arms: Mapping[str, Mapping[str, str]]
) -> dict[str, Trials]:
    """Return the trials in ``table`` of each of the ``arms``, given a row of settings of each."""
    if table is None or not tuned:
        return {}
    table = table.rename(columns={"arm": NAMED})
    columns = [c for row in arms.values() for c in row if c in table]
    rows = table[list(dict.fromkeys(columns))].to_dict("records")
    places: dict[frozenset[tuple[str, str]], list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(arm_of(row, tuned), []).append(place)
    keys = {arm: arm_of(row, tuned) for arm, row in arms.items()}
    return {a: Trials(tuned, table.iloc[places[key]]) for a, key in keys.items() if key in places}


def summarise(runs: pd.DataFrame, varied: Iterable[str] = ()) -> pd.DataFrame:
    """Return one row per arm of ``runs``, which has the column ``arm``.

    Columns: ``arm``, the ``varied`` settings, the counts ``runs finished diverged failed``;
    ``_mean _std _min _max`` over seeds of every final loss and accuracy (including diverged but not
    failed runs; ``_std`` with n - 1, empty for one run or an infinite loss); ``seconds_median``;
    and for each ``steps_to_90`` …: ``_reached``, the number of runs that reached it, and
    ``_median``, in which runs that did not count as infinite (empty if the median is infinite).
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


def best(summary: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return ``summary``, or of more than ``most`` arms those with the highest test accuracy."""
    return summary if len(summary) <= most else summary.nlargest(most, "test_accuracy_mean")


def curves(table: pd.DataFrame, y: str) -> pd.DataFrame:
    """Return ``y`` over training by arm: ``arm [layer] step x unit mean low high n diverged``.

    ``table`` is the ``metrics`` or ``layers`` of a `Comparison`. ``x`` is the training time in
    ``unit``, ``updates`` or ``epochs``, see `nnexp.analysis.clock.clock`. ``low``
    and ``high`` are the lowest and highest seed, ``n`` is the number of runs and ``diverged`` the
    number of them that diverged by the end of training.

    A step is included only if every run of the arm has a value there. In ``metrics``, a diverged
    run keeps its last value (a loss of inf); in ``layers``, the curve of its arm ends with it.
    """
    keys = ["arm", "layer"] if "layer" in table else ["arm"]
    # Most columns are settings; omitting them saves most of the time.
    needed = {*keys, "run_id", "status", "epoch", "step", "steps", y}
    table = table.loc[table["status"] != FAILED, [c for c in table if c in needed]]
    runs = table.drop_duplicates("run_id").set_index("run_id").sort_index()
    # A column for each run of an arm, not of the sweep, which may have thousands of arms.
    place = runs.groupby("arm", observed=True).cumcount()
    wide = table.assign(place=place[table["run_id"]].to_numpy())
    wide = wide.pivot(index=[*keys, "step"], columns="place", values=y).astype(float).sort_index()
    ended = runs[runs["status"] == DIVERGED]
    if "layer" not in table:
        last = wide.groupby(level=keys, observed=True).ffill()
        for column, arms in ended["arm"].groupby(place[ended.index]):
            own = wide.index.get_level_values("arm").isin(arms)
            wide.loc[own, column] = last.loc[own, column]
    expected = runs["arm"].value_counts().reindex(wide.index.get_level_values("arm"))
    wide = wide[wide.count(axis=1).to_numpy() == expected.to_numpy()]
    lost = ended["arm"].value_counts().reindex(wide.index.get_level_values("arm"))
    by = clock(table)
    moments = table.drop_duplicates([*keys, "step"]).set_index([*keys, "step"], drop=False)
    columns = {
        "x": moments[by].astype(float).reindex(wide.index),
        "unit": "updates" if by == "step" else "epochs",
        "mean": wide.mean(axis=1),
        "low": wide.min(axis=1),
        "high": wide.max(axis=1),
        "n": wide.count(axis=1),
        "diverged": lost.to_numpy(),
    }
    return _flat(pd.DataFrame(columns))


def seeds(metrics: pd.DataFrame, y: str) -> pd.DataFrame:
    """Return ``y`` over training by run: ``arm run_id step x value``, with ``x`` as in `curves`.

    A diverged run ends with its last finite value.
    """
    rows = metrics[metrics["status"] != FAILED]
    single = rows[["arm", "run_id", "step"]].assign(
        x=rows[clock(rows)].astype(float), value=rows[y].astype(float)
    )
    finite: pd.DataFrame = single[np.isfinite(single["value"])].reset_index(drop=True)
    return finite


def spreads(layers: pd.DataFrame) -> pd.DataFrame:
    """Return each layer's activation quantiles before the first and after the last update.

    Columns: ``arm layer moment`` (``before`` or ``after``), ``p05 p25 p50 p75 p95``. Quantiles are
    means over seeds, and empty after training if a run of the arm diverged.
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
        # The mean skips empty values but keeps infinite ones.
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
