"""The result of a sweep: its tables, findings, figures and page."""

from __future__ import annotations

import functools
import html
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import pandas as pd

from nnexp.analysis.arms import Comparison, compare
from nnexp.analysis.effects import Effects, effects
from nnexp.analysis.findings import findings, remarks
from nnexp.analysis.names import counted_words
from nnexp.errors import unknown
from nnexp.messages.language import ENGLISH, language, tr
from nnexp.notebook.frames import typed
from nnexp.notebook.labelled_arrays import to_xarray
from nnexp.plotting import film
from nnexp.plotting.rendering import pictures
from nnexp.reports.results_table import results_table
from nnexp.reports.sweep_page import write_page
from nnexp.reports.sweep_words import title, without_findings
from nnexp.store.csv_cells import frame_to_csv
from nnexp.store.record import DIVERGED, FAILED, FINISHED, Record, csv_files
from nnexp.store.tables import Tables

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from nnexp.plotting.picture import Picture

_PAGES = Path("results/sweeps")
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Page:
    """A sweep's page, which a notebook shows as the output of its cell; a path for `open`."""

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def open(self) -> None:
        """Open the page in a web browser."""
        webbrowser.open(self.path.resolve().as_uri())

    def _repr_html_(self) -> str:
        # The page is a single file; by its address, not every front end could reach it.
        content = html.escape(self.path.read_text("utf-8"))
        style = "width: 100%; height: 80vh; min-height: 480px; border: 1px solid #ccc"
        return f'<iframe srcdoc="{content}" style="{style}"></iframe>'


def _spoken(method: Callable[Concatenate[Sweep, P], T]) -> Callable[Concatenate[Sweep, P], T]:
    """Let a method of a `Sweep` use its language."""

    def in_its_language(self: Sweep, /, *given: P.args, **options: P.kwargs) -> T:
        with language(self._lang):
            return method(self, *given, **options)

    functools.update_wrapper(in_its_language, method)
    return in_its_language


class Sweep:
    """The runs of a sweep, grouped into arms, which differ in more than their seed.

    `nnexp.sweep` and `nnexp.load` return it. Everything is computed when it is first used.

    The tables have a column ``arm``, an ordered categorical, and an index of what the rows of
    different arms have in common. So ``pivot(columns="arm", values=…)`` puts the arms side by side:

    >>> sweep.runs.pivot(columns="arm", values="test_accuracy")            # paired by seed
    >>> curves = sweep.metrics.pivot(columns="arm", values="test_accuracy")
    >>> curves.groupby("step").mean().plot()                               # means over seeds

    Unpacking gives the first three tables: ``runs, metrics, layers = sweep``.
    """

    def __init__(
        self,
        tables: Tables,
        *,
        command: str,
        records: tuple[Record, ...] = (),
        folder: Path | None = None,
        trials: pd.DataFrame | None = None,
        kept: Mapping[str, pd.DataFrame] | None = None,
        lang: str = ENGLISH,
    ) -> None:
        # ``command`` made the tables; ``folder`` has the page, if it has been written; ``trials``
        # are those by which settings were tuned; ``kept`` are tables of figures without records.
        self._lang = lang
        self._tables = tables
        self._trials = trials
        self._kept = kept
        self._command = command
        self._records = records
        self._folder = folder

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return iter((self.runs, self.metrics, self.layers))

    @functools.cached_property
    def runs(self) -> pd.DataFrame:
        """One row per run: its settings, status and final scores. The index is ``seed``."""
        return typed(self._comparison.runs, ["seed"])

    @functools.cached_property
    def metrics(self) -> pd.DataFrame:
        """One row per evaluation of a run: losses and accuracies. The index is ``seed step``."""
        return typed(self._comparison.metrics, ["seed", "step"])

    @functools.cached_property
    def layers(self) -> pd.DataFrame:
        """One row per evaluation and layer. The index is ``seed step layer``."""
        return typed(self._comparison.layers, ["seed", "step", "layer"])

    @functools.cached_property
    def summary(self) -> pd.DataFrame:
        """One row per arm; see `nnexp.analysis.arms.summarise`."""
        return self._comparison.summary

    @functools.cached_property
    def effects(self) -> pd.DataFrame:
        """One row per comparison, with its interval; see `nnexp.analysis.effects.Effects`."""
        return self._effects.table

    @functools.cached_property
    def tuning(self) -> pd.DataFrame:
        """One row per trial by which settings were tuned; empty if nothing was tuned.

        ``chosen`` is whether the trial has the values at which its arm is compared. The index is
        ``seed``.
        """
        trials = [own.runs.assign(arm=arm) for arm, own in self._comparison.trials.items()]
        table: pd.DataFrame = pd.concat(trials) if trials else pd.DataFrame()
        if trials:
            table["arm"] = pd.Categorical(table["arm"], self._comparison.arms, ordered=True)
            table = typed(table.drop(columns="tuned"), ["seed"])
        return table

    @property
    @_spoken
    def findings(self) -> list[str]:
        """A sentence for each finding, the largest first, and for what limits them.

        It has no finding if there are too few seeds.
        """
        return [*self._findings, *remarks(self._comparison, self._effects)]

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of the figures, as `plot` takes them."""
        return tuple(self._pictures)

    @_spoken
    def plot(self, name: str) -> Figure:
        """Return a new Matplotlib figure, one of `figures`.

        Raises
        ------
        InputError
            If the sweep has no figure of this name.
        """
        from nnexp.plotting import layout

        if name not in self._pictures:
            raise unknown("figure", name, self._pictures)
        figure = self._pictures[name]().figure
        # A notebook shows it in this form, whether or not pyplot has been imported.
        figure._repr_png_ = functools.partial(layout.png, figure)  # type: ignore[attr-defined]
        return figure

    @_spoken
    def page(self, folder: str | Path | None = None) -> Page:
        """Write the page with its tables and figures to ``folder``, and return it.

        By default, this is a new folder in ``results/sweeps``, and a page that has been written is
        not written again.

        Raises
        ------
        InputError
            If the folder has files that nnexp did not write, or cannot be written.
        """
        if folder is None and self._folder is not None:
            return Page(self._folder / "index.html")
        if folder is None:
            folder = _PAGES / f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"
        csv, loaded_film = csv_files(self._records), None
        if not self._records:
            loaded = self._tables._asdict()
            if self._comparison.tuned:
                loaded["tuning"] = self._trials
            csv = {f"{name}.csv": frame_to_csv(table) for name, table in loaded.items()}
            # The tables do not have the networks of which the film is.
            loaded_film = film.read(self._folder) if self._folder is not None else None
        written = write_page(
            Path(folder),
            self._comparison,
            csv,
            command=self._command,
            records=self._records,
            kept=self._kept,
            film=loaded_film,
        )
        self._folder = Path(folder)
        return Page(written[-1])

    @_spoken
    def table(self, form: str = "md") -> str:
        """Return the arms' final scores, mean ± interval, as Markdown (``md``) or LaTeX (``tex``).

        See `nnexp.reports.results_table.results_table`.

        Raises
        ------
        InputError
            If the form is unknown.
        """
        return results_table(self._comparison, form)

    def to_xarray(self) -> xarray.Dataset:
        """Return the evaluations as an xarray ``Dataset``; needs ``pip install 'nnexp[xarray]'``.

        See `nnexp.notebook.labelled_arrays.to_xarray`.

        Raises
        ------
        InputError
            If xarray is missing, or an arm has several runs with one seed.
        """
        return to_xarray(self._comparison)

    @_spoken
    def __repr__(self) -> str:
        return f"<Sweep: {title(self._comparison)}; {self._counts()}>"

    @_spoken
    def _repr_html_(self) -> str:
        shown = ["arm", "runs", "test_accuracy_mean", "test_accuracy_std", "test_loss_mean"]
        table = self.summary[shown].to_html(index=False, float_format="{:.4f}".format, na_rep="")
        found = self._findings or [without_findings(self._comparison, self._effects)]
        found += remarks(self._comparison, self._effects)
        sentences = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in found if sentence)
        heading = html.escape(f"{title(self._comparison)}; {self._counts()}")
        return f"<p><b>{heading}</b></p><ul>{sentences}</ul>{table}"

    def _counts(self) -> str:
        status = self._comparison.summary[[FINISHED, DIVERGED, FAILED]].sum()
        others = (counted_words(s, status[s]) for s in (DIVERGED, FAILED) if status[s])
        finished = tr("{n} runs finished", n=status[FINISHED])
        if status[FINISHED] == 1:
            finished = tr("{n} run finished", n=status[FINISHED])
        return ", ".join([finished, *others])

    @functools.cached_property
    def _comparison(self) -> Comparison:
        return compare(*self._tables, self._trials)

    @property
    def _findings(self) -> list[str]:
        return findings(self._effects.translated, self._comparison.at_best)

    @functools.cached_property
    @_spoken
    def _effects(self) -> Effects:
        return effects(self._comparison)

    @functools.cached_property
    @_spoken
    def _pictures(self) -> dict[str, Callable[[], Picture]]:
        return pictures(self._comparison, self._records, self._kept)
