"""Images of saved weights: first-layer weights, confusion matrix and most confident mistakes.

`tabulate` makes tables from records; `pictures` draws them, or those that `read` finds in a folder.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from nnexp.analysis import predictions
from nnexp.analysis.labels import enumerated
from nnexp.errors import InputError
from nnexp.messages.language import tr
from nnexp.plotting import layout
from nnexp.plotting.cell_maps import Cell, draw_cells
from nnexp.plotting.layout import SMALL, WIDTH
from nnexp.plotting.picture import Picture
from nnexp.plotting.styles import NEUTRAL
from nnexp.store.record import FINISHED, Record
from nnexp.store.tables import read_exactly

Array = npt.NDArray[Any]

NAMES = ("weights", "arms", "confusion", "mistakes")
_MOST_UNITS, _UNITS_ACROSS, _OUTPUTS_ACROSS = 64, 8, 5
# More arms are not shown side by side.
_MOST_ARMS = 8
_MISTAKES_ACROSS = 6
# With more classes their counts, or all of their names, would not be legible.
_MOST_COUNTED = 12
_MOST_NAMED = 24
# A weight beyond this quantile of all that are shown has the last colour.
_QUANTILE = 0.995
_MOST_LISTED = 5
# Written into an SVG as they are, a pixel a number.
_PIXELS: dict[str, Any] = {"interpolation": "none"}


def tabulate(records: Sequence[Record], arms: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """Return the tables to draw, by the name of the picture.

    ``arms`` maps the ids of eligible runs to their arms. ``weights``, ``confusion`` and
    ``mistakes`` are of the most accurate, see `nnexp.analysis.predictions`; ``arms`` has a few
    units of the first run of each arm, where these are two to eight and their images of one size.
    Only finished runs on images that kept their weights are shown; there is nothing if there is
    none.

    Raises
    ------
    InputError
        If the data of a run, or a user's own function, no longer exist.
    """
    ended = [r for r in records if r.weights and r.status == FINISHED and r.run_id in arms]
    ranked = sorted(ended, key=lambda r: -r.metrics[-1]["test_accuracy"])
    best = next((run for record in ranked if (run := predictions.kept(record))), None)
    if best is None or best.data.test is None:
        return {}
    answers = predictions.answers(best.network, best.data.test)
    tables = {"weights": predictions.weights(best, arms[best.record.run_id], _MOST_UNITS)}
    tables["confusion"] = predictions.confusion(best, answers)
    if len(worst := predictions.mistakes(best, answers)):
        tables["mistakes"] = worst
    first: dict[str, predictions.Kept] = {}
    for record in ended if len({arms[r.run_id] for r in ended}) <= _MOST_ARMS else []:
        arm = arms[record.run_id]
        if arm not in first and (run := predictions.kept(record)):
            first[arm] = run
    sizes = {run.data.description.image_shape for run in first.values()}
    if len(first) > 1 and len(sizes) == 1:
        few = [predictions.weights(run, arm, _UNITS_ACROSS) for arm, run in first.items()]
        tables["arms"] = pd.concat(few, ignore_index=True)
    finished = sum(r.status == FINISHED and r.run_id in arms for r in records)
    some = f"the best of the {len(ended)} of {finished} runs with saved weights"
    for table in tables.values():
        table.insert(0, "among", some if len(ended) < finished else "")
    return {name: tables[name] for name in NAMES if name in tables}


def read(folder: Path) -> dict[str, pd.DataFrame]:
    """Return the tables of `tabulate` that were written to ``folder``, each as ``<name>.csv``.

    Raises
    ------
    InputError
        If a file is not such a table.
    """
    texts = dict.fromkeys(
        ("among", "arm", "run_id", "kind", "class", "true", "predicted", "what"), str
    )
    tables = {}
    for file in (folder / f"{name}.csv" for name in NAMES):
        if file.is_file():
            try:
                table = read_exactly(file, dtype=texts, keep_default_na=False)
            except ValueError as error:
                raise InputError(f"{file} is damaged ({error}): run the study again") from None
            tables[file.stem] = table
    return tables


def pictures(tables: Mapping[str, pd.DataFrame]) -> list[Picture]:
    """Draw the tables of `tabulate`."""
    draw = {"weights": _weights, "arms": _arms, "confusion": _confusion}
    with layout.style():
        drawn = [draw_one(tables[name]) for name, draw_one in draw.items() if name in tables]
        if "mistakes" in tables and "confusion" in tables:
            drawn.append(_mistakes(tables["mistakes"], _wrong(tables["confusion"])))
    return drawn


def _weights(table: pd.DataFrame) -> Picture:
    tiles, run_id = _tiles(table), str(table["run_id"].iloc[0])
    units, hidden = int(table["units"].iloc[0]), table["kind"].iloc[0] == "hidden"
    across, gap = min(len(tiles), _UNITS_ACROSS if hidden else _OUTPUTS_ACROSS), (2, 2)
    title = tr("Weights of the first layer")
    figure, ax = _figure(title, run_id, tiles, across, gap, beside=0.9)
    _draw_tiles(figure, ax, tiles, across, gap)
    if not hidden:
        for (x, y), name in zip(_corners(tiles, across, gap), table["class"], strict=True):
            ax.text(x + 1, y + 1, name, va="top", fontsize="small")
        which = tr("the units are the outputs, in the order of their classes")
    elif len(tiles) < units:
        which = tr(
            "the {shown} units of {units} with the largest norm, largest first",
            shown=len(tiles),
            units=units,
        )
    else:
        which = tr("all {units} units, the largest norm first", units=units)
    caption = f"{_tiles_words(which, tr('One scale for all'))} {_whose(table)}"
    low, high = (f"{norm:.3g}" for norm in (table["norm"].min(), table["norm"].max()))
    alt = f"{caption} {tr('The norms are from {low} to {high}.', low=low, high=high)}"
    return Picture("weights", title, caption, alt, figure, table)


def _arms(table: pd.DataFrame) -> Picture:
    arms = list(dict.fromkeys(table["arm"]))
    title = tr("Weights of the first layer by arm")
    labels = {arm: textwrap.wrap(str(arm).replace("_", " "), 15) for arm in arms}
    shape = _shape(table)
    left, right, top, bottom = 1.25, 0.5, 0.4, 0.08
    tile = (WIDTH - left - right) / _UNITS_ACROSS * shape[0] / shape[1] + 0.06
    heights = [max(tile, 0.17 * len(lines)) for lines in labels.values()]
    total = top + sum(heights) + bottom
    figure = Figure(figsize=(WIDTH, total))
    head: dict[str, Any] = {"va": "top", "fontsize": "large", "fontweight": "bold"}
    figure.suptitle(title, x=0.02, y=1 - 0.08 / total, ha="left", **head)
    place = {"left": left / WIDTH, "right": 1 - right / WIDTH, "hspace": 0}
    place |= {"top": 1 - top / total, "bottom": bottom / total}
    rows: dict[str, Any] = {"height_ratios": heights, "gridspec_kw": place}
    axes = figure.subplots(len(arms), 1, squeeze=False, **rows).ravel()
    spans = []
    for ax, (arm, lines) in zip(axes, labels.items(), strict=True):
        tiles = _tiles(table[table["arm"] == arm])
        bound, size = _bound(tiles), len(tiles)
        blank = np.full((_UNITS_ACROSS - size, *shape), np.nan)
        sheet = _montage(np.concatenate([tiles, blank]), _UNITS_ACROSS, (1, 2))
        ax.imshow(sheet, cmap="RdBu_r", vmin=-bound, vmax=bound, **_PIXELS)
        beside: dict[str, Any] = {"transform": ax.transAxes, "va": "center", "fontsize": "small"}
        ax.text(-0.02, 0.5, "\n".join(lines), ha="right", **beside)
        ax.text(1.02, 0.5, f"±{bound:.2g}", ha="left", **beside)
        ax.set_axis_off()
        alike = len(np.unique(tiles.reshape(len(tiles), -1).round(6), axis=0))
        differ = tr("{number} of {size} differ", number=alike, size=size)
        spans.append(f"{arm} ±{bound:.2g}, {differ}")
    order = {"hidden": tr("hidden units by their norm"), "output": tr("outputs by their class")}
    which = tr(
        "{most} units at most of one run of each arm (n = 1), {order}",
        most=_UNITS_ACROSS,
        order=enumerated([order[kind] for kind in dict.fromkeys(table["kind"])]),
    )
    caption = _tiles_words(which, tr("Each arm has its own scale, given beside it"))
    return Picture("arms", title, caption, f"{caption} {'; '.join(spans)}.", figure, table)


def _confusion(table: pd.DataFrame) -> Picture:
    known = table[table["predicted"] != predictions.NONE]
    names = list(dict.fromkeys(table["true"]))
    classes, n = len(names), int(table["n"].sum())
    counts = known["n"].to_numpy(int).reshape(classes, classes)
    run_id, wrong = str(table["run_id"].iloc[0]), _wrong(table)
    off = np.where(np.eye(classes, dtype=bool), 0, counts)
    title = tr("Confusion matrix")
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    ax = figure.subplots()
    _entitle(ax, title, run_id)
    errors = ScalarMappable(LogNorm(1, max(int(off.max()), 2)), "YlOrRd")
    shown = range(0, classes, -(-classes // _MOST_NAMED))
    labels = [name if k in shown else "" for k, name in enumerate(names)]
    draw_cells(ax, _counted_cells(counts, errors), labels, labels, size=SMALL)
    ax.set_aspect("equal")
    ax.set_xlabel(tr("predicted class"))
    ax.set_ylabel(tr("true class"))
    figure.colorbar(errors, ax=ax, shrink=0.7, label=tr("errors (log scale)"), format="%g")
    caption = tr(
        "Test images by true class (row) and predicted class (column): {wrong} of {n} are wrong. "
        "Errors are coloured on a log scale and blank where there are none; the correct diagonal "
        "is grey. {whose}",
        wrong=wrong,
        n=n,
        whose=_whose(table),
    )
    order = np.argsort(-off, axis=None, kind="stable")[:_MOST_LISTED]
    cells = [divmod(int(place), classes) for place in order]
    errors_in_words = ", ".join(
        tr("{true} for {taken} {count}", true=names[i], taken=names[j], count=off[i, j])
        for i, j in cells
        if off[i, j]
    )
    alt = caption
    if errors_in_words:
        alt += f" {tr('Most frequent errors: {errors}.', errors=errors_in_words)}"
    return Picture("confusion", title, caption, alt, figure, table)


def _counted_cells(counts: Array, errors: ScalarMappable) -> list[Cell]:
    """Return the cells of a confusion matrix ``counts (classes, classes)``, wrong ones coloured."""
    blank, correct = (0.0, 0.0, 0.0, 0.0), mpl.colormaps["Greys"](0.2)
    cells = []
    for (row, column), count in np.ndenumerate(counts):
        colour = errors.to_rgba(np.asarray(count)) if count else blank
        words = str(count) if count and len(counts) <= _MOST_COUNTED else ""
        cells.append(Cell(row, column, correct if row == column else colour, words))
    return cells


def _wrong(confusion: pd.DataFrame) -> int:
    return int(confusion.loc[confusion["true"] != confusion["predicted"], "n"].sum())


def _mistakes(table: pd.DataFrame, wrong: int) -> Picture:
    tiles, run_id = _tiles(table), str(table["run_id"].iloc[0])
    # Two lines of text above each.
    across, gap = min(len(tiles), _MISTAKES_ACROSS), (round(tiles.shape[2] * 0.55), 4)
    title = tr("The most confident mistakes")
    figure, ax = _figure(title, run_id, tiles, across, gap)
    grey: dict[str, Any] = {"cmap": "gray_r", "vmin": tiles.min(), "vmax": tiles.max()}
    ax.imshow(_montage(tiles, across, gap), **grey, **_PIXELS)
    labels = []
    corners = _corners(tiles, across, gap)
    for row, (left, top) in zip(table.to_dict("records"), corners, strict=True):
        true, taken, output = row["true"], row["predicted"], row["output"]
        texts = {"true": true, "taken": taken, "output": f"{output:.3g}"}
        labels.append(tr("{true} taken for {taken}, {output}", **texts))
        ax.text(
            left + tiles.shape[2] / 2, top - 0.5, f"{true} → {taken}\n{output:.3f}",
            ha="center", va="bottom", fontsize="small", linespacing=1.1,
        )  # fmt: skip
    outputs = {"probability": tr("probability"), "output": tr("output")}
    caption = tr(
        "The {shown} of {wrong} wrong test images whose wrong class has the highest {what}: true "
        "class → predicted class, and that {what}. {whose}",
        shown=len(tiles),
        wrong=wrong,
        what=outputs.get(table["what"].iloc[0], table["what"].iloc[0]),
        whose=_whose(table),
    )
    alt = f"{caption} {'; '.join(labels[:_MOST_LISTED])}."
    return Picture("mistakes", title, caption, alt, figure, table)


def _whose(table: pd.DataFrame) -> str:
    run, counts = table["run_id"].iloc[0], re.findall(r"\d+", table["among"].iloc[0])
    if len(counts) != 2:
        return tr("One run (n = 1): {run}.", run=run)
    return tr(
        "One run (n = 1), the best of the {kept} of {finished} runs with saved weights: {run}.",
        kept=counts[0],
        finished=counts[1],
        run=run,
    )


def _tiles_words(which: str, scale: str) -> str:
    return tr(
        "Each tile is a unit's incoming weights, where the image has its pixels: {which}. {scale}, "
        "blue below 0 and red above; {share} % of the weights lie beyond it.",
        which=which,
        scale=scale,
        share=f"{100 * (1 - _QUANTILE):g}",
    )


def _shape(table: pd.DataFrame) -> tuple[int, int]:
    """Return the rows and columns of the images in a table, by the name of the last pixel."""
    row, column = map(int, str(table.columns[-1]).split(","))
    return row + 1, column + 1


def _tiles(table: pd.DataFrame) -> Array:
    """Return the images in a table (n, rows, columns)."""
    pixels = [c for c in table if re.fullmatch(r"\d+,\d+", str(c))]
    tiles: Array = table[pixels].to_numpy(float).reshape(-1, *_shape(table))
    return tiles


def _bound(tiles: Array) -> float:
    return float(np.quantile(np.abs(tiles), _QUANTILE)) or 1.0


def _draw_tiles(figure: Figure, ax: Axes, tiles: Array, across: int, gap: tuple[int, int]) -> None:
    bound = _bound(tiles)
    sheet = _montage(tiles, across, gap)
    image = ax.imshow(sheet, cmap="RdBu_r", vmin=-bound, vmax=bound, **_PIXELS)
    figure.colorbar(image, ax=ax, extend="both", shrink=0.6, label=tr("weight"), pad=0.02)


def _figure(
    title: str,
    run_id: str,
    tiles: Array,
    across: int,
    gap: tuple[int, int],
    beside: float = 0,
) -> tuple[Figure, Axes]:
    """Return a figure for a montage of ``tiles (n, rows, columns)``, and its empty axes.

    ``beside`` is the width, in inches, of what stands to its right.
    """
    height, width = _size(tiles, across, gap)
    inches = min(WIDTH - beside, 0.8 * across) * height / width
    figure = Figure(figsize=(WIDTH, 0.65 + inches), layout="constrained")
    ax = figure.subplots()
    _entitle(ax, title, run_id)
    ax.set_axis_off()
    return figure, ax


def _entitle(ax: Axes, title: str, run_id: str) -> None:
    figure = ax.get_figure()
    assert figure is not None
    figure.suptitle(title, x=0.02, ha="left", fontsize="large", fontweight="bold")
    ax.set_title(textwrap.fill(run_id, 56), fontsize="small", color=NEUTRAL, loc="left")


def _size(tiles: Array, across: int, gap: tuple[int, int]) -> tuple[int, int]:
    """Return the rows and columns of a montage: its gaps stand above and left of each tile."""
    n, rows, columns = tiles.shape
    return -(-n // across) * (rows + gap[0]), across * (columns + gap[1])


def _montage(tiles: Array, across: int, gap: tuple[int, int]) -> Array:
    """Return ``tiles (n, rows, columns)`` side by side, nan between them."""
    _, rows, columns = tiles.shape
    sheet = np.full(_size(tiles, across, gap), np.nan)
    for tile, (left, top) in zip(tiles, _corners(tiles, across, gap), strict=True):
        sheet[top : top + rows, left : left + columns] = tile
    return sheet


def _corners(tiles: Array, across: int, gap: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the column and row of each tile's first pixel in its montage."""
    n, rows, columns = tiles.shape
    places = (divmod(i, across) for i in range(n))
    return [(gap[1] + j * (columns + gap[1]), gap[0] + i * (rows + gap[0])) for i, j in places]
