"""The figure of decision regions: a panel for each arm with the plane of its two features."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D

from nnexp.analysis.arms import Comparison
from nnexp.analysis.labels import either
from nnexp.analysis.names import arm_words
from nnexp.analysis.regions_table import EXAMPLE, REGION, has_regions, regions_table
from nnexp.errors import InputError
from nnexp.messages.language import tr
from nnexp.plotting import layout
from nnexp.plotting.captions import by, values_in_words
from nnexp.plotting.facets import extremes
from nnexp.plotting.layout import EDGE, Look
from nnexp.plotting.marks import mark
from nnexp.plotting.picture import Picture
from nnexp.plotting.styles import UNNAMED, Style, distinct_styles
from nnexp.store.record import Record
from nnexp.store.tables import read_exactly

NAME = "regions"
_MOST_PANELS = 12
# More cells along a side of the plane are not those of a record.
_MOST_CELLS = 1000
# How strongly a region has the colour of its class, on a light or a dark page.
_STRENGTH = 0.3
_COLUMNS = frozenset(
    ("arm", "run_id", "test_accuracy", "data", "examples", "kind", "class", "x", "until", "y")
)


def tabulate(
    comparison: Comparison, records: Sequence[Record], arms: Mapping[str, str]
) -> pd.DataFrame:
    """Return the `regions_table` of the arms that are drawn; ``arms`` has that of each run ID."""
    have = {arms[r.run_id] for r in records if r.run_id in arms and has_regions(r)}
    shown = _shown(comparison, have)
    return regions_table(records, {run_id: arm for run_id, arm in arms.items() if arm in shown})


def _shown(comparison: Comparison, arms: Collection[str]) -> list[str]:
    """Return ``arms`` in order, of very many those with the highest and the lowest accuracy."""
    if len(arms) <= _MOST_PANELS:
        return [arm for arm in comparison.arms if arm in arms]
    means = comparison.summary.set_index("arm").loc[[*arms], "test_accuracy_mean"]
    return extremes(means, _MOST_PANELS)[0]


def read(folder: Path) -> pd.DataFrame:
    """Return the table of the figure that was written to ``folder``, empty if there is none.

    Raises
    ------
    InputError
        If the file is not such a table.
    """
    file = folder / f"{NAME}.csv"
    table: pd.DataFrame = pd.DataFrame()
    if not file.is_file():
        return table
    texts = dict.fromkeys(("arm", "run_id", "data", "kind", "class"), str)
    empty = {"keep_default_na": False, "na_values": {"until": [""]}}
    try:
        table = read_exactly(file, dtype=texts, **empty)
        if not {*table} >= _COLUMNS:
            raise ValueError("columns are missing")
        rows = table[table["kind"] == REGION].groupby("run_id")["y"].nunique()
        if rows.max() > _MOST_CELLS:
            raise ValueError("there are too many rows of cells")
    except ValueError as error:
        raise InputError(f"{file} is damaged ({error}): make the page again") from None
    return table


def picture(comparison: Comparison, table: pd.DataFrame) -> Picture:
    """Draw a `regions_table`, whose arms are those of ``comparison``."""
    with layout.style():
        return _picture(comparison, table)


def _picture(comparison: Comparison, table: pd.DataFrame) -> Picture:
    arms = _shown(comparison, set(table["arm"]))
    table = table[table["arm"].isin(arms)]
    parts = {arm: table[table["arm"] == arm] for arm in arms}
    accuracies = table.groupby("arm", sort=False)["test_accuracy"].first()
    classes = sorted(set(table.loc[table["kind"] == EXAMPLE, "class"]), key=_in_order)
    styles = distinct_styles(classes)
    columns = layout.columns_of(len(parts))
    width = layout.CHARACTERS // columns
    names = [layout.fill(f"{arm_words(arm)}: {accuracies[arm]:.3f}", width) for arm in parts]
    title = by(comparison, tr("Decision regions"))
    planes = (
        table[table["kind"] == REGION].groupby("arm").agg({"x": "min", "until": "max", "y": "min"})
    )
    alike = len(planes.drop_duplicates()) == 1
    figure, axes = layout.panels(
        title,
        comparison.held,
        names=names,
        columns=columns,
        height=3.6 if columns == 1 else 1.8 if columns == 2 else 1.25,
        legend=[_entry(name, style) for name, style in styles.items()],
        sharex=alike,
        sharey=alike,
    )
    for ax, (arm, rows) in zip(axes, parts.items(), strict=True):
        _draw(ax, arm, rows, styles)
        ax.set(xlabel=tr("first feature"), ylabel=tr("second feature"))
        ax.locator_params(nbins=4)
    if alike:
        layout.label_outer(axes)
    sizes = sorted({(sum(p["kind"] == EXAMPLE), p["examples"].max()) for p in parts.values()})
    caption = tr(
        "The class that a network predicts at each point of the plane of the two features, after "
        "training. One run of each arm (n = 1): that of the median final test accuracy, which is "
        "beside its name. Marks: {counted} training examples of {data}.",
        counted=either([_counted(k, n) for k, n in sizes]),
        data=either(list(table["data"].unique())),
    )
    if len(classes) > len(styles):
        last = classes[len(styles) - 1]
        caption += " " + tr("Grey: the classes after {last}.", last=last)
    counts = {"shown": len(arms), "arms": len(comparison.arms)}
    if len(arms) < len(comparison.arms) and len(arms) < _MOST_PANELS:
        caption += " " + tr(
            "{shown} of {arms} arms are shown: the others have no finished run that recorded its "
            "regions.",
            **counts,
        )
    elif len(arms) < len(comparison.arms):
        caption += " " + tr(
            "{shown} of {arms} arms are shown: of those with recorded regions, the most and the "
            "least accurate.",
            **counts,
        )
    alt = f"{caption} {values_in_words(accuracies, tr('Test accuracy'))}"
    return Picture(NAME, title, caption, alt, figure, table)


def _counted(shown: int, every: int) -> str:
    if shown == every:
        return tr("all {number}", number=every)
    return tr("{shown} of {number}", shown=shown, number=every)


def _entry(name: str, style: Style) -> Line2D:
    dots: Look = {"linestyle": "none", "marker": style.marker, "color": style.colour, **EDGE}
    return Line2D([], [], **dots, label=tr("class {name}", name=name))


def _draw(ax: Axes, arm: str, rows: pd.DataFrame, styles: dict[str, Style]) -> None:
    """Draw the regions of a run as an image, and its examples as marks."""
    regions, examples = rows[rows["kind"] == REGION], rows[rows["kind"] == EXAMPLE]
    sheet, extent = _image(regions, styles)
    look: Look = {"origin": "lower", "aspect": "auto", "interpolation": "none", "zorder": 0.5}
    ax.imshow(sheet, extent=extent, **look, gid=mark("part", [arm]))
    for name, own in examples.groupby("class"):
        style = styles.get(str(name), UNNAMED)
        dots: Look = {"linestyle": "none", "marker": style.marker, "color": style.colour}
        dots |= {"markersize": 4, "markeredgewidth": 0.4, "markeredgecolor": "white"}
        ax.plot(own["x"], own["y"], **dots, gid=mark(tr("class {name}", name=name), [arm]))
    ax.set(xlim=extent[:2], ylim=extent[2:])
    ax.grid(visible=False)


def _image(
    regions: pd.DataFrame, styles: dict[str, Style]
) -> tuple[npt.NDArray[np.float64], tuple[float, float, float, float]]:
    """Return the colours (cells, cells, 4) of the plane, and its left, right, bottom and top."""
    middles = np.unique(regions["y"])
    cells = len(middles)
    left, right = float(regions["x"].min()), float(regions["until"].max())
    half = (middles[-1] - middles[0]) / max(1, cells - 1) / 2
    columns = (regions[["x", "until"]].to_numpy(float) - left) * (cells / (right - left))
    sheet = np.zeros((cells, cells, 4))
    rows = np.searchsorted(middles, regions["y"])
    spans = columns.round().astype(int)
    for row, (start, end), name in zip(rows, spans, regions["class"], strict=True):
        if name:  # it is empty where outputs are not finite
            sheet[row, start:end] = to_rgba(styles.get(name, UNNAMED).colour, _STRENGTH)
    return sheet, (left, right, float(middles[0] - half), float(middles[-1] + half))


def _in_order(name: str) -> tuple[int, float, str]:
    """Return what sorts numbers by size, then names."""
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name
