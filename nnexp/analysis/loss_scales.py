"""Which losses can be compared: those of one function and one reduction."""

from __future__ import annotations

from nnexp.analysis.arms import Comparison
from nnexp.analysis.labels import text

# A parameter that leaves the loss of given outputs as it is.
_SAME_SCALE = "loss.output"


def loss_scales(comparison: Comparison) -> dict[str, tuple[str, ...]]:
    """Return the arms of each scale of the loss, by its name: ``mse (reduction sum)``.

    Values of different scales are not comparable: those of different losses, or of one loss with
    other parameters than its output.
    """
    runs = comparison.runs
    columns = [c for c in map(str, runs) if c.startswith("loss.") and c != _SAME_SCALE]
    first = runs.drop_duplicates("arm").to_dict("records")
    varied = [c for c in columns if len({text(row[c]) for row in first} - {""}) > 1]
    scales: dict[str, list[str]] = {}
    for row in first:
        own = [f"{c.partition('.')[2]} {text(row[c])}" for c in varied if text(row[c])]
        name = f"{text(row['loss'])} ({', '.join(own)})" if own else text(row["loss"])
        scales.setdefault(name, []).append(str(row["arm"]))
    return {name: tuple(arms) for name, arms in scales.items()}
