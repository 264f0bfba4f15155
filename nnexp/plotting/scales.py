"""Scales and ticks of axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator, SymmetricalLogLocator

# Values that are named on an axis.
MOST_TICKS = 7


# The width of a character of a tick's label, and some air, as a share of an axis.
_CHARACTER = 0.032


def log_axis(ax: Axes) -> Axes:
    """Make the y axis, and those that share it, logarithmic: plain numbers where it spans little.

    With no positive value on it the axis stays as it is.
    """
    if not any(
        np.isfinite(sharer.dataLim.minposy) for sharer in ax.get_shared_y_axes().get_siblings(ax)
    ):
        return ax
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.yaxis.set_minor_locator(NullLocator())
    little = high < 300 * low
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if little else (1,), numticks=7))
    if little:
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return ax


def start_axis(ax: Axes, first: float) -> Axes:
    """Make the x axis, of the time of training, logarithmic from its ``first`` evaluation on.

    What is before training, at 0, is on it as well.
    """
    ax.set_xscale("symlog", linthresh=first)
    ticks = SymmetricalLogLocator(base=10, linthresh=first)
    ticks.set_params(numticks=MOST_TICKS)
    ax.xaxis.set_major_locator(ticks)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return ax


def stretch_axis(ax: Axes, threshold: float) -> Axes:
    """Make the x axis linear within ±``threshold`` and logarithmic beyond, past all that it has."""
    ax.set_xscale("symlog", linthresh=threshold)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    low, high = ax.dataLim.intervalx
    low, high = min(1.6 * low, -threshold), max(1.6 * high, threshold)
    ax.set_xlim(low, high)
    for subs in ((1, 2, 5), (1, 3), (1,)):
        ticks = SymmetricalLogLocator(base=10, linthresh=threshold, subs=subs)
        ax.xaxis.set_major_locator(ticks)
        shown = [tick for tick in ticks() if low <= tick <= high]
        if len(shown) <= MOST_TICKS and _apart(ax, shown):
            break
    return ax


def _apart(ax: Axes, ticks: Sequence[float]) -> bool:
    """Tell whether the labels of ``ticks`` stand apart on the x axis."""
    places = ax.transAxes.inverted().transform(
        ax.transData.transform([(tick, 0.0) for tick in ticks])
    )[:, 0]
    halves = np.array([_CHARACTER * len(f"{tick:g}") / 2 for tick in ticks])
    return bool((np.diff(places) > halves[1:] + halves[:-1]).all())


def symlog_axis(ax: Axes, low: float, high: float) -> Axes:
    """Make the y axis linear within ±1 and logarithmic beyond, from below ``low`` to ``high``."""
    ax.set_yscale("symlog", linthresh=1)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_ylim(low - 0.2 * max(1, -low), 1.4 * max(1, high))
    return ax
