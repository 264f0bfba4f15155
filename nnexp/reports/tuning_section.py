"""What a sweep's page says of its tuning: how values were chosen, and every trial."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from nnexp.analysis.arms import Comparison
from nnexp.analysis.labels import listed, n_words, seed_words, spaced
from nnexp.analysis.names import counted_words, score_words, status_words
from nnexp.analysis.trials import SCORE, Trials, value_text
from nnexp.messages.language import tr
from nnexp.store.record import DIVERGED, FAILED


def tuning_section(comparison: Comparison) -> dict[str, Any]:
    """Return what the template ``tuning.html`` shows; empty if nothing was tuned."""
    trials = comparison.trials
    if not trials:
        return {}
    seeds = {int(seed) for own in trials.values() for seed in own.runs["seed"]}
    counts = [int(n) for own in trials.values() for n in own.table["runs"]]
    rows = [row for arm, own in trials.items() for row in _runs(comparison, arm, own)]
    lost = [row["status"] for row in rows if row["status"] in (DIVERGED, FAILED)]
    return {
        "settings": spaced(comparison.tuned),
        "named": listed(spaced(comparison.tuned)),
        "score": score_words(SCORE),
        "held_out": comparison.held_settings.get("data.validation", ""),
        "n": n_words(counts),
        "seeds": seed_words(seeds),
        "lost": ", ".join(counted_words(s, lost.count(s)) for s in (DIVERGED, FAILED) if s in lost),
        "arms": list(_arms(comparison)),
        "trials": rows,
    }


def _arms(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Yield a row per arm: its best values, and what was tried."""
    for arm, own in comparison.trials.items():
        values = []
        for setting, best in own.best.items():
            tried = list(dict.fromkeys(map(value_text, own.table[setting])))
            edges = {"smallest": tr("smallest tried"), "largest": tr("largest tried")}
            values.append(
                {
                    "best": value_text(best),
                    "tried": ", ".join(tried),
                    "edge": edges.get(own.edge(setting), ""),
                }
            )
        (score,) = own.chosen["score"]
        yield {
            "label": comparison.short(arm) or tr("the network"),
            "values": values,
            "score": tr("none") if math.isnan(score) else f"{score:.4f}",
            "trials": len(own.runs),
        }


def _runs(comparison: Comparison, arm: str, own: Trials) -> Iterator[dict[str, Any]]:
    """Yield a row per trial of an arm, by its values and seed."""
    for row in own.runs.to_dict("records"):
        score = row.get(SCORE, math.nan)
        yield {
            "run_id": row["run_id"],
            "arm": comparison.short(arm) or tr("the network"),
            "values": [value_text(row[setting]) for setting in own.over],
            "seed": row["seed"],
            "status": row["status"],
            "ended": status_words(row["status"]),
            "score": tr("none") if score is None or math.isnan(score) else f"{score:.4f}",
            "chosen": tr("yes") if row["chosen"] else "",
        }
