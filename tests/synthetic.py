"""Tables as a sweep leaves them, made without training: several factors, seeds, and mishaps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from nnexp.plotting import layout
from nnexp.store.tables import Tables

SETTINGS: dict[str, Any] = {
    "data": "mnist",
    "data.scale": "unit",
    "data.targets": "one_hot",
    "data.train_size": None,
    "data.validation": 0,
    "init": "xavier",
    "bias_init": "zero",
    "activation": "sigmoid",
    "loss": "cross_entropy",
    "hidden": "50",
    "batch_size": 100,
    "optimizer": "sgd",
    "lr": 0.1,
    "weight_decay": 0.0,
    "epochs": 5,
    "steps": None,
    "sampling": "shuffle",
    "evaluate_every": "1 epochs",
    "evaluate_at": None,
    "gradient": "backprop",
    "quirk": None,
    "dtype": "float32",
}
STEPS_PER_EPOCH = 600


def assert_within(figure: Figure) -> None:
    """Hold that nothing of a figure is cut off at its edges."""
    layout.png(figure)
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert (box.x0 >= 0, box.y0 >= 0, box.x1 <= width, box.y1 <= height) == (True,) * 4


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours (WCAG 2.2)."""
    channels = np.array([to_rgb(first), to_rgb(second)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    low, high = sorted(linear @ (0.2126, 0.7152, 0.0722) + 0.05)
    return float(high / low)


def grid(**factors: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the points of a full grid; ``__`` in a name stands for the dot of a parameter."""
    names = [name.replace("__", ".") for name in factors]
    return [
        dict(zip(names, values, strict=True)) for values in itertools.product(*factors.values())
    ]


def make_tables(
    points: Iterable[Mapping[str, Any]],
    seeds: Iterable[int] = (0,),
    *,
    diverged: Mapping[tuple[int, int], int] | None = None,
    failed: Iterable[tuple[int, int]] = (),
    validation: bool = False,
    evaluations: int = 6,
) -> Tables:
    """Return the tables of a run at every point and seed.

    ``diverged`` says at which step the run of (point, seed) ends with an infinite loss;
    ``failed`` names the runs that have no numbers. A finished run ends at the accuracy
    0.9 - 0.04·point + 0.01·seed and the loss 0.2 + 0.1·point + 0.01·seed.
    """
    ends, failures = dict(diverged or {}), set(failed)
    sets = ("train", "test", "validation") if validation else ("train", "test")
    runs: list[dict[str, Any]] = []
    metrics: list[dict[str, Any]] = []
    layers: list[dict[str, Any]] = []
    for (k, point), seed in itertools.product(enumerate(points), seeds):
        settings = SETTINGS | dict(point) | {"seed": seed}
        key = {"run_id": f"run-{k}-{seed}", **settings}
        if (k, seed) in failures:
            runs.append({**key, "status": "failed", "step": None, "seconds": 0.1, "reused": False})
            continue
        end = ends.get((k, seed), math.inf)
        steps = [e * STEPS_PER_EPOCH for e in range(evaluations)]
        steps = [step for step in steps if step < end] + ([int(end)] if end < math.inf else [])
        rows = []
        for step in steps:
            loss, accuracy = _scores(k, seed, step / steps[-1] if step else 0.0)
            if step == end:
                loss, accuracy = math.inf, 0.1
            scores = {f"{s}_loss": loss for s in sets} | {f"{s}_accuracy": accuracy for s in sets}
            place = {"epoch": step / STEPS_PER_EPOCH, "step": step, "samples": 100 * step}
            running = {"batch_loss": loss, "running_loss": loss, "running_accuracy": accuracy}
            rows.append(
                {**key, **place, "seconds": step / 1000, **scores, **(running if step else {})}
            )
            layers += [
                {**key, **place, **row} for row in _layers(settings, k, step, math.isinf(loss))
            ]
        metrics += rows
        last = rows[-1]
        runs.append(
            key
            | {"status": "diverged" if end < math.inf else "finished", "step": last["step"]}
            | {f"{s}_{score}": last[f"{s}_{score}"] for s in sets for score in ("loss", "accuracy")}
            | {
                f"steps_to_{t}": next(
                    (r["step"] for r in rows if r["test_accuracy"] >= t / 100), None
                )
                for t in (90, 95, 97)
            }
            | {"seconds": last["seconds"], "reused": False}
        )
    keys = ["run_id", "epoch", "step"]
    return Tables(
        pd.DataFrame(runs),
        pd.DataFrame(metrics, columns=None if metrics else keys),
        pd.DataFrame(layers, columns=None if layers else [*keys, "layer", "units"]),
    )


def _scores(point: int, seed: int, done: float) -> tuple[float, float]:
    loss, accuracy = 0.2 + 0.1 * point + 0.01 * seed, 0.9 - 0.04 * point + 0.01 * seed
    rest = (1 - done) ** 2
    return loss + (2.3 - loss) * rest, accuracy + (0.1 - accuracy) * rest


def _layers(
    settings: Mapping[str, Any], point: int, step: int, broken: bool
) -> Iterable[dict[str, Any]]:
    widths = [int(w) for w in str(settings["hidden"]).split("x") if w != "none"]
    same = settings["init"] in ("zero", "constant")
    for layer, units in enumerate([*widths, 10], start=1):
        hidden = layer <= len(widths)
        level, spread = 0.5 / layer, 0.1 * (1 + point) * (1 + step / 3000)
        quantiles = {
            f"activation_p{q:02d}": math.nan if broken else level + spread * (q - 50) / 50
            for q in (5, 25, 50, 75, 95)
        }
        norm = 0.0 if same and hidden and step == 0 else 0.5**layer / (1 + step / 600)
        yield {
            "layer": layer,
            "kind": "hidden" if hidden else "output",
            "units": units,
            "activation_mean": level,
            "activation_std": spread,
            **quantiles,
            "saturated": min(1.0, 0.1 * point + step / 30000) if hidden else None,
            "dead": 0.05 * point if hidden else None,
            "gradient_mean": 0.0,
            "gradient_std": norm,
            "gradient_norm": math.nan if broken else norm,
            "weight_norm": 1.0 + step / 1000,
            "update_ratio": 0.01 if step else None,
            "distinct_units": 1 if same and hidden else units,
        }


def make_tuned(
    arms: list[dict[str, Any]],
    values: list[dict[str, Any]],
    best: list[int],
    *,
    seeds: Iterable[int] = (0, 1, 2),
    lost: Mapping[tuple[int, int], str] | None = None,
) -> tuple[Tables, pd.DataFrame]:
    """Return the tables of ``arms``, each at the best of ``values``, and their trials.

    Trials at the best value of an arm score 0.9 on average, those ``d`` values away 0.1·d less.
    ``lost`` has the status of one of the trials of an arm at a value.
    """
    own = list(seeds)
    tables = make_tables(
        [{**arm, **values[at]} for arm, at in zip(arms, best, strict=True)], own, validation=True
    )
    points = [{**arm, **value} for arm in arms for value in values]
    trials = make_tables(points, [1000 + seed for seed in own], validation=True).runs
    place = np.repeat(np.arange(len(points)), len(own))
    arm, value = place // len(values), place % len(values)
    scatter = 0.01 * (np.arange(len(place)) % len(own) - (len(own) - 1) / 2)
    trials["validation_accuracy"] = 0.9 - 0.1 * abs(value - np.array(best)[arm]) + scatter
    for (i, j), status in (lost or {}).items():
        trials.loc[np.flatnonzero((arm == i) & (value == j))[0], "status"] = status
    over = " ".join(values[0])
    return tables, trials.assign(tuned=over, chosen=value == np.array(best)[arm])
