"""The figures of a comparison over training: loss, accuracy, and where every run ended."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nnexp.analysis.arms import Comparison, curves, seeds
from nnexp.analysis.clock import starts_densely
from nnexp.analysis.loss_scales import loss_scales
from nnexp.analysis.names import SHARE_OF_LINE, score_words, unit_words
from nnexp.messages.language import tr
from nnexp.plotting import layout, panels, scales
from nnexp.plotting.captions import band, by, coinciding, ends, values_in_words
from nnexp.plotting.facets import Block, Facets, extremes, extremes_note
from nnexp.plotting.layout import Look
from nnexp.plotting.legends import arm_labels, thin_entries
from nnexp.plotting.marks import mark
from nnexp.plotting.picture import Picture, together
from nnexp.plotting.styles import Style
from nnexp.store.record import DIVERGED, FAILED, FINISHED

# The name of the figure of the loss along a line.
LOSS_LINE = "line"
# With more runs their hairlines would be a grey cloud.
_MOST_SEEDS = 60
# The longest line of an arm's label beside an axis, in characters.
_LABEL = 24
# More arms would make the figure of final accuracies longer than a screen.
_MOST_ROWS = 30


def learning(facets: Facets, score: str, timed: bool = True) -> Picture:
    """Draw the test ``score`` (``loss`` or ``accuracy``) over training.

    Losses of different scales have panels of their own. Accuracies are drawn by updates too where
    arms differ in them, and by seconds if ``timed``.
    """
    comparison = facets.shown
    test = curves(comparison.metrics, f"test_{score}")
    drawn = {f"test_{score}": test}
    if facets.thin:
        drawn[f"train_{score}"] = curves(comparison.metrics, f"train_{score}")
    single = seeds(comparison.metrics, f"test_{score}")
    few = single["run_id"].nunique() <= _MOST_SEEDS
    if facets.plain and test["n"].max() > 1 and few:
        drawn[f"test_{score} of a run"] = single
    title = by(comparison, tr("Test loss") if score == "loss" else tr("Test accuracy"))
    losses = loss_scales(comparison) if score == "loss" else {"": comparison.arms}
    clocks: dict[str, pd.Series[float]] = {}
    if score == "accuracy" and len(facets.panels) == 1:
        clocks = _clocks(test)
        if timed:
            clocks["seconds"] = curves(comparison.metrics, "seconds")["mean"]
    blocks = facets.blocks(losses)
    unit = tr("loss (mean per example)") if score == "loss" else tr("accuracy (share correct)")
    figure, axes = _figure(title, facets, blocks, unit, tr("training set"), clocks)
    stretched = _draw_blocks(axes, facets, blocks, drawn, score == "loss")
    if not clocks:
        layout.label_outer(list(itertools.chain(*axes)))
    caption = tr("{title} over training: {band}.", title=title, band=band(comparison))
    caption += facets.note
    if f"test_{score} of a run" in drawn:
        caption += f" {tr('Hairlines: single seeds.')}"
    if starts_densely(test["x"]):
        unit = unit_words(test["unit"].iloc[0])
        caption += f" {tr('The axis of {unit} is logarithmic, to show the start.', unit=unit)}"
    if len(losses) > 1:
        caption += f" {_not_comparable()}"
    if facets.thin:
        caption += f" {tr('Thin lines: the same on the training set.')}"
    if test["diverged"].any() and score == "loss":
        caption += " " + tr(
            "A cross ends an arm if a run of it diverged: its loss is infinite from there."
        )
    elif test["diverged"].any():
        caption += f" {tr('A cross ends an arm if a run of it diverged.')}"
    caption += coinciding(facets.parts(test), stretched)
    for (ax,), (clock, times) in zip(axes[len(blocks) :], clocks.items(), strict=True):
        means = test.assign(x=times, unit=clock, n=1)
        _draw(ax, facets, {clock: means}, facets.panels[""], comparison.arms)
        ax.locator_params(axis="y", nbins=4)
        drawn[f"test_{score} by {clock}"] = test.assign(x=times, unit=clock)
    if "seconds" in clocks:
        caption += " " + tr(
            "By seconds: the mean training time of the runs. Runs that share a machine slow each "
            "other down, so the seconds do not support claims about speed."
        )
    alt = f"{caption} {ends(test, tr('At the end'))}"
    return Picture(score, title, caption, alt, figure, together(drawn))


def _not_comparable() -> str:
    return tr("Different losses are not comparable: each has its own axis.")


def _figure(
    title: str,
    facets: Facets,
    blocks: Sequence[Block],
    unit: str,
    thin: str,
    clocks: Collection[str] = (),
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure, and the axes of each block, and of each clock, which has a single one."""
    columns = facets.columns
    rows = [-(-len(block.panels) // columns) for block in blocks]
    names: list[str | None] = []
    for block in blocks:
        names += [textwrap.fill(name, layout.CHARACTERS // columns) for name in block.panels]
        names += [None] * (-len(names) % columns)
    names += [tr("the same means by {clock}", clock=unit_words(clock)) for clock in clocks]
    single = len(blocks) + len(facets.panels) == 2
    height = 2.3 if single else 1.9 if sum(rows) == 1 else (1.6, 1.3, 1.0)[columns - 1]
    figure, axes = layout.panels(
        title,
        facets.shown.held,
        names=names,
        columns=columns,
        height=(*[height] * sum(rows), *(1.1 for _ in clocks)),
        ylabel="" if single else unit,
        legend=[*facets.legend(), *thin_entries(thin if facets.thin else "")],
        sharex=not clocks,
        sharey=True if len(blocks) == 1 else "row",
    )
    if single:
        axes[0].set_ylabel(unit)
    sizes = [len(block.panels) for block in blocks] + [1 for _ in clocks]
    ends = list(itertools.accumulate(sizes, initial=0))
    parts = [axes[start:end] for start, end in itertools.pairwise(ends)]
    for own in parts[: len(blocks)]:
        for ax in own[columns::columns] if len(blocks) > 1 else ():
            ax.sharey(own[0])
    return figure, parts


def _draw_blocks(
    axes: Sequence[Sequence[Axes]],
    facets: Facets,
    blocks: Sequence[Block],
    tables: Mapping[str, pd.DataFrame],
    are_losses: bool,
) -> bool:
    """Draw the panels of each block; return whether an axis of losses became logarithmic."""
    main, stretched = next(iter(tables.values())), False
    for own, block in zip(axes, blocks, strict=False):
        for ax, arms in zip(own, block.panels.values(), strict=True):
            _draw(ax, facets, tables, arms, block.arms)
        rows = main[main["arm"].isin(block.arms)]
        positive = rows.loc[np.isfinite(rows["mean"]) & (rows["mean"] > 0), "mean"]
        if are_losses and positive.max() > 6 * positive.min():
            scales.log_axis(own[0])
            stretched = True
    return stretched


def _draw(
    ax: Axes,
    facets: Facets,
    tables: Mapping[str, pd.DataFrame],
    arms: Collection[str],
    comparable: Collection[str],
) -> None:
    """Draw a panel of ``arms``: the first of ``tables``, the training set thin, and single runs.

    Grey lines are drawn of arms that are ``comparable``.
    """
    (_, main), *others = tables.items()
    behind = (set(facets.grey) & set(comparable)) - set(arms)
    panels.draw_context(ax, main[main["arm"].isin(behind)])
    panels.draw_curves(ax, main[main["arm"].isin(arms)], facets.styles)
    for name, table in others:
        own = table[table["arm"].isin(arms)]
        if "run_id" in own:
            panels.draw_seeds(ax, own, facets.styles)
        else:
            panels.draw_curves(ax, own, facets.styles, thin=score_words(name))
    if len(facets.panels) > 1:
        ax.locator_params(axis="y", nbins=4)
        if ax.get_xscale() == "linear":
            ax.locator_params(axis="x", nbins=4)


def _clocks(test: pd.DataFrame) -> dict[str, pd.Series[float]]:
    """Return the updates of ``test`` where arms differ in them."""
    moving = test[test["step"] > 0]
    if (moving["x"] / moving["step"]).round(12).nunique() > 1:
        return {"updates": test["step"].astype(float)}
    return {}


def validation(facets: Facets) -> Picture:
    """Draw the validation accuracy over training."""
    comparison = facets.shown
    drawn = {"validation_accuracy": curves(comparison.metrics, "validation_accuracy")}
    if facets.thin:
        drawn["test_accuracy"] = curves(comparison.metrics, "test_accuracy")
    held_out = drawn["validation_accuracy"]
    title = by(comparison, tr("Validation accuracy"))
    blocks = facets.blocks({"": comparison.arms})
    unit = tr("accuracy (share correct)")
    figure, (axes,) = _figure(title, facets, blocks, unit, tr("test set"))
    for ax, arms in zip(axes, facets.panels.values(), strict=True):
        _draw(ax, facets, drawn, arms, comparison.arms)
    layout.label_outer(axes)
    caption = tr(
        "{title} over training, on examples held out of the training set: {band}.",
        title=title,
        band=band(comparison),
    )
    caption += facets.note
    if facets.thin:
        caption += f" {tr('Thin lines: the same on the test set.')}"
    caption += coinciding(facets.parts(held_out))
    alt = f"{caption} {ends(held_out, tr('At the end'))}"
    return Picture("validation", title, caption, alt, figure, together(drawn))


def sharpness(facets: Facets) -> Picture:
    """Draw the sharpness over training and, for plain gradient descent, the edge of stability."""
    comparison = facets.shown
    found = curves(comparison.metrics, "sharpness")
    title = by(comparison, tr("Sharpness"))
    blocks = facets.blocks({"": comparison.arms})
    unit = tr("largest Hessian eigenvalue")
    figure, (axes,) = _figure(title, facets, blocks, unit, "")
    edges = _edges(comparison)
    for ax, arms in zip(axes, facets.panels.values(), strict=True):
        _draw(ax, facets, {"sharpness": found}, arms, comparison.arms)
        for arm in arms:
            if arm in edges:
                dotted: Look = {"linestyle": (0, (1, 2)), "gid": mark("edge", [arm])}
                ax.axhline(edges[arm], color=facets.styles[arm].colour, **dotted)
    values = [*found["mean"][found["mean"] > 0], *edges.values()]
    if values and max(values) > 6 * min(values):
        scales.log_axis(axes[0])
    layout.label_outer(axes)
    caption = tr(
        "{title} over training: the largest eigenvalue of the Hessian of the training loss, "
        "{band}.",
        title=title,
        band=band(comparison),
    )
    caption += facets.note
    if edges:
        caption += " " + tr(
            "Dotted: 2/lr of each arm, above which full-batch gradient descent is unstable (Cohen "
            "et al. 2021)."
        )
    alt = f"{caption} {ends(found, tr('At the end'))}"
    return Picture("sharpness", title, caption, alt, figure, together({"sharpness": found}))


def _edges(comparison: Comparison) -> dict[str, float]:
    """Return 2/lr of each arm that is trained by plain gradient descent of one rate."""
    runs = comparison.runs
    if not {"optimizer", "lr"} <= {*runs}:
        return {}
    plain = runs[runs["optimizer"] == "sgd"]
    if "schedule" in plain:
        plain = plain[plain["schedule"] == "constant"]
    rates = plain.groupby("arm", observed=True)["lr"].unique()
    return {str(arm): 2 / float(own[0]) for arm, own in rates.items() if len(own) == 1}


def line(facets: Facets, table: pd.DataFrame) -> Picture:
    """Draw the training loss along the line from the initial to the final weights of each run.

    ``table`` is a `nnexp.analysis.line_table.line_table` of the arms of ``facets``.
    """
    comparison = facets.shown
    table = table[table["run_id"].isin(comparison.runs["run_id"])]
    table = table.assign(arm=pd.Categorical(table["arm"], comparison.arms, ordered=True))
    table = table.sort_values(["arm", "run_id", "fraction"], ignore_index=True)
    # A point of a line takes the place of an evaluation.
    points = table.assign(
        status=FINISHED,
        step=table.groupby("run_id").cumcount(),
        epoch=table["fraction"],
    )
    unit = {"unit": SHARE_OF_LINE}
    train, single = curves(points, "train_loss").assign(**unit), seeds(points, "train_loss")
    drawn = {"train_loss": train}
    if facets.thin:
        drawn["test_loss"] = curves(points, "test_loss").assign(**unit)
    few = single["run_id"].nunique() <= _MOST_SEEDS
    if facets.plain and train["n"].max() > 1 and few:
        drawn["train_loss of a run"] = single
    title = by(comparison, tr("Loss on the way to the final weights"))
    losses = loss_scales(comparison)
    blocks = facets.blocks(losses)
    figure, axes = _figure(title, facets, blocks, tr("loss (mean per example)"), tr("test set"))
    stretched = _draw_blocks(axes, facets, blocks, drawn, are_losses=True)
    layout.label_outer(list(itertools.chain(*axes)))
    caption = tr(
        "The training loss along the straight line from the weights of each run before training to "
        "those after it: {band}.",
        band=band(comparison),
    )
    caption += facets.note
    if "train_loss of a run" in drawn:
        caption += f" {tr('Hairlines: single seeds.')}"
    if len(losses) > 1:
        caption += f" {_not_comparable()}"
    if facets.thin:
        caption += f" {tr('Thin lines: the same on the test set.')}"
    without = len(comparison.runs) - table["run_id"].nunique()
    if without:
        caption += " " + tr(
            "{without} of {runs} runs have no line: they diverged, failed or did not measure it.",
            without=without,
            runs=len(comparison.runs),
        )
    caption += coinciding(facets.parts(train), stretched)
    alt = f"{caption} {ends(train, tr('At the final weights'))}"
    return Picture(LOSS_LINE, title, caption, alt, figure, table)


def final(comparison: Comparison, styles: Mapping[str, Style]) -> Picture:
    """Draw the final test accuracy of every run; of very many arms, the highest and the lowest."""
    title = by(comparison, tr("Final test accuracy"))
    summary, others = comparison.summary, pd.Series(dtype=float)
    if len(summary) > _MOST_ROWS:
        by_arm = summary.set_index("arm")
        arms, rest = extremes(by_arm["test_accuracy_mean"], _MOST_ROWS)
        others = by_arm.loc[rest, "test_accuracy_mean"]
        summary = by_arm.loc[arms].reset_index()
    labels = arm_labels(summary, _LABEL)
    figure, (ax,) = layout.panels(
        title,
        comparison.held,
        height=0.1 + 0.17 * sum(2 + label.count("\n") for label in [*labels, ""]),
        margins=(0.3 + 0.075 * max(map(len, "\n".join(labels).split("\n"))), 0.65),
    )
    panels.draw_final(ax, comparison.runs, summary, styles, list(others))
    caption = tr(
        "Each mark is a run; the bar and the number are the mean ({n}).", n=comparison.seeds
    )
    if comparison.seeds == "n = 1":
        caption = tr("Each mark is a run, one seed each (n = 1).")
    if len(others):
        row = tr("have a row")
        caption += extremes_note(list(summary["arm"]), len(comparison.summary), row)
        caption += " " + tr("Grey: the means of the others, the thick part their middle half.")
    if summary[DIVERGED].any():
        caption += f" {tr('A cross marks a diverged run, which counts in the mean.')}"
    if summary[FAILED].any():
        caption += f" {tr('Failed runs have no accuracy.')}"
    means = summary.set_index("arm")["test_accuracy_mean"]
    drawn = comparison.runs[["arm", "seed", "status", "test_accuracy", "run_id"]]
    return Picture(
        "final", title, caption, f"{caption} {values_in_words(means, tr('Means'))}", figure, drawn
    )
