"""Execution of one run, from its settings to its record, in this process or a worker."""

from __future__ import annotations

import functools
import platform
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from nnexp.config.run_config import RunConfig
from nnexp.data import load
from nnexp.store import versions
from nnexp.store.record import DIVERGED, FAILED, FINISHED, Record, now, to_csv
from nnexp.training.checkpoint import fits, restore, state
from nnexp.training.decision_regions import decision_regions
from nnexp.training.lottery import prepared
from nnexp.training.snapshots import Snapshots, snapshot_steps
from nnexp.training.trainer import Evaluation, evaluation_steps, train


def execute(
    mapping: Mapping[str, Any],
    *,
    save_weights: bool = False,
    snapshots: int = 0,
    prefix: Record | None = None,
    threads: int = 1,
    report: Callable[[Evaluation], None] = lambda evaluation: None,
) -> Record:
    """Train a run with the settings ``mapping`` and return its record, failed or not.

    BLAS uses one thread, as its results depend on the number of threads. ``prefix`` is a record of
    the same run with fewer steps and with saved weights, from which training continues.
    ``snapshots`` is the largest number of evaluations at which parameters are kept; such a run
    starts from its first step. ``threads`` does not affect results. ``report`` is called with every
    evaluation.
    """
    config = RunConfig.from_mapping(mapping)
    record = blank(config)
    record.environment, record.started = {**environment()}, now()
    try:
        with _blas().limit(limits=1, user_api="blas"), np.errstate(all="ignore"):
            trainer = prepared(config, load(config.data, config.dtype, ordered=True), threads)
            record.environment["form"] = trainer.form
            taken = Snapshots(snapshot_steps(evaluation_steps(config), snapshots))
            prefix = None if snapshots else prefix
            kept = (prefix and prefix.weights) or {}
            reached = prefix.metrics[-1]["step"] if prefix else 0
            if prefix and fits(trainer, kept, reached):
                restore(trainer, kept)
                record.metrics, record.layers = list(prefix.metrics), list(prefix.layers)
                if config.evaluate_line:  # the line to the end of the shorter run
                    record.metrics[-1] = {**record.metrics[-1], "line_rise": None}
                record.parent = {"run_id": prefix.run_id, "step": reached}
                record.started = prefix.started
            for evaluation in train(trainer):
                _append(record, evaluation)
                if evaluation.step in taken.steps:
                    taken.take(evaluation.step, trainer.network.arrays())
                report(evaluation)
            regions = decision_regions(trainer.network, trainer.data)
            record.regions = to_csv(regions) if regions else ""
            record.line = to_csv(evaluation.line) if evaluation.line else ""
        record.status = DIVERGED if evaluation.diverged else FINISHED
        if save_weights:
            record.weights = state(trainer)
        record.snapshots = taken.arrays()
    except (Exception, SystemExit):  # the user's own functions may raise anything
        record.error = traceback.format_exc()
    return record


def blank(config: RunConfig) -> Record:
    """Return the record of a run that has not started, marked as failed until it ends."""
    return Record(
        run_id=config.run_id(),
        config=config.to_mapping(),
        columns=config.columns(),
        status=FAILED,
        metrics=[],
        layers=[],
        seconds=0.0,
        identity=config.identity(),
    )


def _append(record: Record, evaluation: Evaluation) -> None:
    moment = {
        "epoch": evaluation.epoch,
        "step": evaluation.step,
        "samples": evaluation.samples,
    }
    record.metrics.append({**moment, "seconds": evaluation.seconds, **evaluation.metrics})
    record.layers.extend({**moment, **layer} for layer in evaluation.layers)
    record.seconds = evaluation.seconds


@functools.cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


@functools.cache
def environment() -> dict[str, Any]:
    """Return the versions, BLAS and machine, which may affect the last digits of results."""
    blas = [lib for lib in _blas().info() if lib["user_api"] == "blas"]
    return {
        **versions.code(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": [f"{b['internal_api']} {b['version']} ({b.get('architecture')})" for b in blas],
        "blas_threads": 1,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "byteorder": sys.byteorder,
    }
