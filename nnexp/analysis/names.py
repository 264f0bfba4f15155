"""The words of tables for readers: names of scores, units, arms, and of how runs ended."""

from __future__ import annotations

from nnexp.messages.language import tr
from nnexp.store.record import DIVERGED, FAILED, FINISHED

# The unit of the axis along a line of weights.
SHARE_OF_LINE = "share of the way from initial to final weights"


def score_words(column: str) -> str:
    """Return the name of a column of losses or accuracies: ``test accuracy``."""
    return {
        "test_accuracy": tr("test accuracy"),
        "test_loss": tr("test loss"),
        "validation_accuracy": tr("validation accuracy"),
        "validation_loss": tr("validation loss"),
        "train_accuracy": tr("train accuracy"),
        "train_loss": tr("train loss"),
    }[column]


def status_words(status: str) -> str:
    """Return how a run ended."""
    return {
        FINISHED: tr("finished"),
        DIVERGED: tr("diverged"),
        FAILED: tr("failed"),
    }[status]


def counted_words(status: str, n: int) -> str:
    """Return how many runs ended like this: ``2 diverged``."""
    return {
        FINISHED: tr("{n} finished", n=n),
        DIVERGED: tr("{n} diverged", n=n),
        FAILED: tr("{n} failed", n=n),
    }[status]


def unit_words(unit: str) -> str:
    """Return the unit of an axis of `nnexp.analysis.arms.curves`."""
    return {
        "updates": tr("updates"),
        "epochs": tr("epochs"),
        "seconds": tr("seconds"),
        "layer": tr("layer"),
        SHARE_OF_LINE: tr("share of the way from initial to final weights"),
    }[unit]


def moment_words(moment: str) -> str:
    """Return before or after which part of a run layers were measured: ``before training``."""
    return {"before": tr("before training"), "after": tr("after training")}[moment]


def arm_words(arm: str) -> str:
    """Return the label of an arm, which is made of settings unless nothing varies."""
    return {"this run": tr("this run"), "all runs": tr("all runs")}.get(arm, arm)
