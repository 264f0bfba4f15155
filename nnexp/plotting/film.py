"""A film of training: a picture for each snapshot, all arms side by side, and as an animation."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import LogLocator
from PIL import Image, ImageSequence

from nnexp.analysis import film
from nnexp.analysis.film import Moment, Reel
from nnexp.analysis.names import arm_words
from nnexp.messages.language import tr
from nnexp.plotting import layout
from nnexp.plotting.fonts import lettering
from nnexp.plotting.frame import ANIMATION, Film, Frame
from nnexp.plotting.layout import SMALL, Look
from nnexp.plotting.styles import FAINT, NEUTRAL

Array = npt.NDArray[Any]

# Inches: of an arm's column, what stands left of all, and of the rows.
_COLUMN, _LEFT, _RIGHT = 1.75, 0.95, 0.15
_IMAGE, _LAYER, _BAR, _TOP, _BOTTOM, _GAP = 1.6, 0.34, 0.2, 0.85, 0.5, 0.5
_DPI = 110
_COLOURS = 64  # of a picture's palette
_BINS = 60
# Weights and activations beyond these shares of all frames lie at the edge.
_EDGE = 0.995
# Milliseconds of a picture, and of the last one.
_PAUSE, _END = 500, 2500
# More hidden layers are thinned out.
_MOST_LAYERS = 8
_CLASSES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#8A8A00")


def draw(reels: Sequence[Reel], arms: int) -> Film:
    """Draw ``reels``, which stand for some or all of a sweep's ``arms``."""
    with lettering(), layout.style():
        stage = _Stage(reels)
        moments = [(step, stage.epoch(step)) for step in film.steps(reels)]
        images = [stage.draw(step) for step, _ in moments]
    caption = _caption(reels, arms)
    return Film(_frames(moments, images), caption, _gif(images, moments, caption))


def read(folder: Path) -> Film | None:
    """Return the film in the ``folder`` of a sweep, as `draw` returned it; ``None`` if it has none.

    The animation says in a comment which moments its pictures show.
    """
    try:
        gif = (folder / ANIMATION).read_bytes()
        with Image.open(io.BytesIO(gif)) as animation:
            words = json.loads(animation.info["comment"])
            moments = [(int(step), float(epoch)) for step, epoch in words["moments"]]
            images = [_quantized(frame) for frame in ImageSequence.Iterator(animation)]
        return Film(_frames(moments, images), str(words["caption"]), gif)
    except (OSError, LookupError, TypeError, ValueError):
        return None


def _frames(moments: Sequence[tuple[int, float]], images: Sequence[Image.Image]) -> list[Frame]:
    return [
        Frame(step, _label(step, epoch), _png(image))
        for (step, epoch), image in zip(moments, images, strict=True)
    ]


def _label(step: int, epoch: float) -> str:
    """Return a moment in words."""
    if not step:
        return tr("before training")
    return tr("step {step} (epoch {epoch})", step=f"{step:,}", epoch=f"{round(epoch, 3):,g}")


def _quantized(picture: Image.Image) -> Image.Image:
    return picture.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True)
    return buffer.getvalue()


def _gif(
    images: Sequence[Image.Image], moments: Sequence[tuple[int, float]], caption: str
) -> bytes:
    pauses = [_PAUSE] * (len(images) - 1) + [_END]
    buffer = io.BytesIO()
    first, *others = images
    comment = json.dumps({"caption": caption, "moments": moments}).encode()
    more: Look = {"append_images": others, "duration": pauses, "loop": 0, "comment": comment}
    first.save(buffer, "gif", save_all=True, **more)
    return buffer.getvalue()


def _caption(reels: Sequence[Reel], arms: int) -> str:
    some = ""
    if len(reels) < arms:
        some = tr("{shown} of {arms} arms, ", shown=len(reels), arms=arms)
    parts = []
    if reels[0].plane is not None:
        parts.append(
            tr("the class that the network predicts at each point, with training examples")
        )
    elif reels[0].moments[0].image is not None:
        parts.append(
            tr(
                "the incoming weights of first-layer units (blue below 0, red above; one scale per "
                "arm)"
            )
        )
    if reels[0].moments[0].activations:
        parts.append(tr("the distribution of the activations of each hidden layer"))
    parts.append(tr("the norm of the loss's gradient with respect to each layer's weights"))
    return tr(
        "Training, step by step: {some}one run of each arm (n = 1), which see the same batches if "
        "their seeds are equal. From top to bottom: {parts}.",
        some=some,
        parts="; ".join(parts),
    )


class _Stage:
    """A figure whose artists are moved from frame to frame."""

    def __init__(self, reels: Sequence[Reel]) -> None:
        self.reels = reels
        moments = [moment for reel in reels for moment in reel.moments]
        self.images = moments[0].image is not None
        self.layers = max(len(moment.activations) for moment in moments)
        self.rows = max(len(moment.gradients) for moment in moments)
        self.shown = _thinned(self.layers)
        heights = [_IMAGE] * self.images
        if self.shown:
            heights.append(_LAYER * len(self.shown) + 0.1)
        heights.append(_BAR * max(self.rows, 3))
        width = _LEFT + _RIGHT + _COLUMN * len(reels)
        height = _TOP + _BOTTOM + sum(heights) + _GAP * (len(heights) - 1)
        self.figure = Figure(figsize=(width, height), dpi=_DPI)
        self.title = self.figure.text(0.02, 1 - 0.08 / height, "", va="top", fontweight="bold")
        grid = GridSpec(
            len(heights), len(reels), self.figure, height_ratios=heights,
            left=_LEFT / width, right=1 - _RIGHT / width, top=1 - _TOP / height,
            bottom=_BOTTOM / height, wspace=0.15,
            hspace=_GAP * len(heights) / sum(heights),
        )  # fmt: skip
        self.axes = [[self.figure.add_subplot(cell) for cell in row] for row in _cells(grid)]
        self.heads = [
            self.axes[0][i].set_title("", fontsize=SMALL, linespacing=1.15)
            for i in range(len(reels))
        ]
        places = iter(range(len(heights)))
        if self.images:
            self._set_images(self.axes[next(places)])
        if self.shown:
            self._set_activations(self.axes[next(places)], moments)
        self._set_gradients(self.axes[next(places)], moments)

    def draw(self, step: int) -> Image.Image:
        """Return the picture of a step."""
        self.title.set_text(_label(step, self.epoch(step)))
        for place, reel in enumerate(self.reels):
            moment = reel.at(step)
            name = "\n".join(layout.wrap(arm_words(reel.arm).replace("_", " "), 20)[:2])
            accuracy = tr("test {accuracy} %", accuracy=f"{100 * moment.accuracy:.1f}")
            self.heads[place].set_text(f"{name}\n{accuracy}")
            self._move_image(place, moment)
            self._move_activations(place, moment)
            self._move_gradients(place, moment)
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=_DPI)
        return _quantized(Image.open(buffer))

    def epoch(self, step: int) -> float:
        """Return the epoch of a step."""
        return next(m.epoch for reel in self.reels for m in reel.moments if m.step == step)

    def _set_images(self, axes: Sequence[Axes]) -> None:
        self.shots: list[Any] = []
        for ax, reel in zip(axes, self.reels, strict=True):
            ax.set_xticks([])
            ax.set_yticks([])
            ax.grid(visible=False)
            if reel.plane is not None:
                self.shots.append(_map(ax, reel))
                continue
            ax.set_axis_off()
            every = np.abs(np.stack([m.image for m in reel.moments if m.image is not None]))
            finite = every[np.isfinite(every)]
            bound = float(np.quantile(finite, _EDGE)) if len(finite) else 0.0
            look: dict[str, Any] = {"cmap": "RdBu_r", "interpolation": "none"}
            bound = bound or 1.0
            shot = ax.imshow(_montage(reel.moments[0].image), vmin=-bound, vmax=bound, **look)
            self.shots.append(shot)

    def _move_image(self, place: int, moment: Moment) -> None:
        if self.images and moment.image is not None:
            plane = self.reels[place].plane
            self.shots[place].set_data(moment.image if plane else _montage(moment.image))

    def _set_activations(self, axes: Sequence[Axes], moments: Sequence[Moment]) -> None:
        self.edges = [_edges(moments, layer) for layer in self.shown]
        low, high = min(e[0] for e in self.edges), max(e[-1] for e in self.edges)
        self.hills = []
        for ax in axes:
            hills = [
                ax.fill_between([low, high], 0, 0, color="#0072B2", linewidth=0, alpha=0.85)
                for _ in self.shown
            ]
            self.hills.append(hills)
            ax.set_ylim(-0.05, len(self.shown) + 0.1)
            ax.set_xlim(low, high)
            ax.set_yticks(range(len(self.shown)))
            names = [tr("layer {number}", number=layer + 1) for layer in self.shown]
            ax.set_yticklabels(names if ax is axes[0] else [], va="bottom")
            ax.tick_params(left=False)
            ax.grid(visible=False, axis="x")
            ax.locator_params(axis="x", nbins=3)
            ax.set_xlabel(tr("activation"), fontsize=SMALL)

    def _move_activations(self, place: int, moment: Moment) -> None:
        for height, layer in enumerate(self.shown):
            verts: list[Array] = []
            if layer < len(moment.activations):
                edges = self.edges[height]
                values = moment.activations[layer]
                values = np.clip(values[np.isfinite(values)], edges[0], edges[-1])
                counts, _ = np.histogram(values, edges)
                tops = height + 0.9 * counts / max(counts.max(), 1)
                x = np.repeat(edges, 2)
                y = np.concatenate([[height], np.repeat(tops, 2), [height]])
                verts = [np.column_stack([x, y])]
            self.hills[place][height].set_verts(verts)

    def _set_gradients(self, axes: Sequence[Axes], moments: Sequence[Moment]) -> None:
        norms = np.array([n for m in moments for n in m.gradients])
        norms = norms[np.isfinite(norms) & (norms > 0)]
        high = float(norms.max()) * 2 if len(norms) else 1.0
        low = max(float(norms.min()) / 3, high * 1e-12) if len(norms) else 0.1
        self.bars = []
        for ax in axes:
            bars = ax.barh(range(self.rows), low, height=0.7, left=low, color=NEUTRAL)
            self.bars.append((bars, low))
            ax.set_xscale("log")
            ax.set_xlim(low, high)
            ax.set_ylim(-0.6, self.rows - 0.4)
            every = -(-self.rows // 8)
            ticks = [*range(0, self.rows, every)]
            ax.set_yticks(ticks)
            names = [tr("layer {number}", number=t + 1) for t in ticks]
            ax.set_yticklabels(names if ax is axes[0] else [])
            ax.tick_params(left=False)
            ax.grid(visible=False, axis="y")
            ax.xaxis.set_major_locator(LogLocator(numticks=4))
            ax.minorticks_off()
            ax.set_xlabel(tr("gradient norm"), fontsize=SMALL)

    def _move_gradients(self, place: int, moment: Moment) -> None:
        bars, low = self.bars[place]
        for bar, norm in zip(bars, [*moment.gradients, *[math.nan] * self.rows], strict=False):
            bar.set_width(norm - low if norm > low else 0)


def _cells(grid: GridSpec) -> Iterator[list[Any]]:
    rows, columns = grid.get_geometry()
    for row in range(rows):
        yield [grid[row, column] for column in range(columns)]


def _thinned(layers: int) -> list[int]:
    count = min(layers, _MOST_LAYERS)
    return np.linspace(0, layers - 1, count).round().astype(int).tolist() if layers else []


def _edges(moments: Sequence[Moment], layer: int) -> Array:
    """Return the edges of the bins for a layer's activations, the same in all frames."""
    values = np.concatenate([m.activations[layer] for m in moments if layer < len(m.activations)])
    values = values[np.isfinite(values)]
    if not len(values):
        return np.linspace(-1, 1, _BINS + 1)
    low, high = np.quantile(values, (1 - _EDGE, _EDGE))
    margin = 0.05 * (high - low) or 0.5
    return np.linspace(low - margin, high + margin, _BINS + 1)


def _montage(tiles: Array | None) -> Array:
    """Return ``tiles (n, rows, columns)`` side by side, three across, nan between them."""
    assert tiles is not None
    n, rows, columns = tiles.shape
    across = min(n, 3)
    down = -(-n // across)
    sheet = np.full((down * (rows + 1) - 1, across * (columns + 1) - 1), np.nan)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, across)
        top, left = row * (rows + 1), column * (columns + 1)
        sheet[top : top + rows, left : left + columns] = tile
    return sheet


def _map(ax: Axes, reel: Reel) -> Any:
    plane = reel.plane
    assert plane is not None
    images = [m.image for m in reel.moments if m.image is not None]
    classes = (
        int(max(plane.labels.max(), *(m.image.max() for m in reel.moments if m.image is not None)))
        + 1
    )
    colours = [_CLASSES[i % len(_CLASSES)] for i in range(classes)]
    pale = [[0.55 + 0.45 * c for c in to_rgb(name)] for name in colours]
    fills = ListedColormap(pale).with_extremes(under="#FFFFFF")  # where outputs are not finite
    look: dict[str, Any] = {"cmap": fills, "vmin": -0.5, "vmax": classes - 0.5, "origin": "lower"}
    shot = ax.imshow(images[0], extent=plane.extent, aspect="auto", **look)
    marks = [colours[label] for label in plane.labels]
    size = 60 if len(plane.points) < 10 else 7
    x, y = plane.points.T
    ax.scatter(x, y, c=marks, s=size, edgecolors="white", linewidths=0.5, zorder=3)
    for spine in ax.spines.values():
        spine.set(visible=True, color=FAINT)
    return shot
