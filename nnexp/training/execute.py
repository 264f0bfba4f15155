"""One run, from its settings to its record, in whatever process it finds itself."""

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
from nnexp.store.record import DIVERGED, FAILED, FINISHED, Record
from nnexp.training.checkpoint import fits, restore, state
from nnexp.training.trainer import Evaluation, Trainer, train


def execute(
    mapping: Mapping[str, Any],
    *,
    save_weights: bool = False,
    shorter: Record | None = None,
    threads: int = 1,
    report: Callable[[Evaluation], None] = lambda evaluation: None,
) -> Record:
    """Train the run whose settings are ``mapping`` and return its record, failed or not.

    BLAS has one thread throughout: its results depend on the number. With ``shorter``, the same
    run to an earlier step whose weights were kept, it goes on from there. More ``threads`` change
    no number. ``report`` is told of every evaluation as it is made.
    """
    config = RunConfig.from_mapping(mapping)
    record = blank(config)
    record.environment = {**environment()}
    try:
        with _blas().limit(limits=1, user_api="blas"), np.errstate(all="ignore"):
            trainer = Trainer(config, load(config.data, np.dtype(config.dtype)), threads)
            record.environment["form"] = trainer.form
            kept = (shorter and shorter.weights) or {}
            reached = shorter.metrics[-1]["step"] if shorter else 0
            if shorter and fits(trainer, kept, reached):
                restore(trainer, kept)
                record.metrics, record.layers = list(shorter.metrics), list(shorter.layers)
                record.parent = {"run_id": shorter.run_id, "step": reached}
            for evaluation in train(trainer):
                _note(record, evaluation)
                report(evaluation)
        record.status = DIVERGED if evaluation.diverged else FINISHED
        if save_weights:
            record.weights = state(trainer)
    except (Exception, SystemExit):  # a user's own function may raise anything
        record.error = traceback.format_exc()
    return record


def blank(config: RunConfig) -> Record:
    """Return the record of a run that has not begun: failed, until it ends otherwise."""
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


def _note(record: Record, evaluation: Evaluation) -> None:
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
    """Return what besides the settings may move a result's last bits: versions, BLAS, machine."""
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
