"""What a claim measures, of which runs and when: the keys that several kinds of tests share."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from nnexp.analysis.outcomes import CURVES, LAYER_VALUES, METRICS, SCORES, Outcome
from nnexp.analysis.tuning import Tuned
from nnexp.config.experiment_file import Design
from nnexp.config.single_settings import takes_any_positive
from nnexp.errors import InputError
from nnexp.studies.entry import Entry

# The widest prediction interval of an accuracy from which a figure can be judged, as half-width.
CAP = 0.01
_FORMS = (*CURVES, "factor_per_layer", "steps_to", "tuned", "layer")  # a curve may have a layer
_CLOCKS = ("epoch", "step")


def read_outcome(entry: Entry, key: str = "outcome") -> Outcome:
    """Return the outcome at ``key`` of a claim, by default the test accuracy."""
    given = entry.get(key, "test_accuracy")
    if isinstance(given, str):
        return Outcome("metric", entry.one_of(key, given, METRICS))
    form = next((form for form in _FORMS if isinstance(given, dict) and form in given), None)
    if form is None:
        raise entry.error(f"{key}={given}: give a column, or one of {', '.join(_FORMS)}")
    part = entry.part(key)
    if form == "tuned":
        part.check_keys(("tuned",), ("tuned",))
        setting = str(part["tuned"])
        if "tuned" not in entry:
            raise entry.error(
                f"the best {setting} needs tuned: {{over: {setting}, by: …}}: give it"
            )
        return Outcome("tuned", setting)
    index = _read_layer(part) if "layer" in part else 0
    if form == "layer":
        part.check_keys(("layer", "value"), ("layer", "value"))
        value = part.one_of("value of a layer", part["value"], LAYER_VALUES)
        return Outcome("layer", value, index=index)
    if form == "steps_to":
        part.check_keys(("steps_to", "of"), ("steps_to",))
        level = part.number("steps_to", part["steps_to"])
        of = part.one_of("outcome of steps_to", part["of"], METRICS) if "of" in part else "step"
        return Outcome("steps_to", of, level=level)
    part.check_keys((form, "layer") if form in CURVES else (form,), (form,))
    columns = LAYER_VALUES if index or form == "factor_per_layer" else METRICS
    return Outcome(form, part.one_of(f"outcome of {form}", part[form], columns), index=index)


def _read_layer(part: Entry) -> int:
    index = part["layer"]
    if not isinstance(index, int) or isinstance(index, bool) or not index:
        raise part.error(f"layer={index}: give 1, 2, … or -1 for the output")
    return index


def read_arm(entry: Entry, arms: Collection[str]) -> str:
    """Return the one arm of a claim."""
    return entry.one_of("arm", entry["arm"], arms)


def read_arms(entry: Entry, arms: Collection[str]) -> tuple[str, ...]:
    """Return the two ``arms`` of a claim, or its one ``arm``."""
    if "arm" in entry:
        return (read_arm(entry, arms),)
    named = entry["arms"]
    if not isinstance(named, list) or len(named) != 2:
        raise entry.error(f"arms={named} is not a pair: give arms: [A, B]")
    return tuple(entry.one_of("arm", name, arms) for name in named)


def read_where(entry: Entry, design: Design, free: Collection[str] = ()) -> dict[str, Any]:
    """Return the swept settings that a claim fixes; it need not fix the ``free`` ones."""
    where = entry.mapping("where")
    if flaw := design.flaw(where, free):
        raise entry.error(flaw)
    return where


def read_at(entry: Entry, outcome: Outcome) -> dict[str, float]:
    """Return the evaluation that a claim is about; empty for the last one."""
    if not entry.mapping("at", "{epoch: 5}"):
        return {}
    at = entry.part("at")
    at.check_keys(_CLOCKS)
    if all(key in at for key in _CLOCKS):
        raise at.error("it has both epoch and step: give one of them")
    if outcome.kind == "steps_to":
        raise at.error(f"{outcome} is not measured at one evaluation: leave 'at' out")
    (by,) = (key for key in _CLOCKS if key in at)
    at.number(by, at[by])
    return {by: at[by]}


def read_map(entry: Entry, outcome: Outcome, design: Design) -> tuple[str, ...]:
    """Return the settings over which a claim is looked at, ``epoch`` for all evaluations."""
    keys = tuple(map(str, entry.items("map", "[lr, epoch]")))
    for key in keys:
        if key != "epoch" and not design.varies(key):
            raise entry.error(f"{key} does not vary: map what is swept, or epoch")
    if "epoch" in keys and outcome.kind == "steps_to":
        raise entry.error(f"{outcome} has no map over epochs: leave it out")
    return keys


def read_tuned(entry: Entry, outcome: Outcome, design: Design | None = None) -> Tuned | None:
    """Return the settings that are chosen for each arm, ``over``, and the score ``by`` which.

    The score must be of other examples than ``outcome``. With a ``design``, further values of the
    settings are tried, so they must be swept over positive numbers and allow any other.
    """
    if not entry.mapping("tuned", "{over: lr, by: validation_accuracy}"):
        return None
    part = entry.part("tuned")
    part.check_keys(("over", "by"), ("over", "by"))
    named = part["over"]
    over = tuple(map(str, named)) if isinstance(named, list) else (str(named),)
    if not over or len({*over}) < len(over):
        raise part.error(f"over={named}: give a setting, or a list of different ones")
    tuned = Tuned(over, _read_score(part, outcome, named))
    if design is not None:
        for key in over:
            _check_values(part, key, design)
            if key in entry.mapping("where"):
                raise part.error(f"{key} is also fixed in 'where': leave one of them out")
    if outcome.kind == "tuned" and outcome.of not in over:
        raise entry.error(f"outcome={{tuned: {outcome.of}}} is not tuned: choose {', '.join(over)}")
    return tuned


def _read_score(part: Entry, outcome: Outcome, over: object) -> Outcome:
    """Return the score ``by`` which ``over`` is tuned: one of `SCORES`, or updates to one."""
    given = part["by"]
    score = Outcome("metric", str(given))
    if isinstance(given, dict):
        score = read_outcome(part, "by")
        if score.kind != "steps_to":
            raise part.error(
                f"by={given}: give {', '.join(SCORES)} or steps_to, as in steps_to: 0.9"
            )
        of = "validation_accuracy" if score.of == "step" else score.of
        score = replace(score, of=of)
    split, measured = (name.partition("_")[0] for name in (score.of, outcome.reached))
    if score.of in METRICS and split in ("test", measured):
        whose = "the claim is" if split == measured else "claims are"
        other = "validation" if split != "validation" else "train"
        raise part.error(
            f"by={given} chooses {over} on the {split} set, on which {whose} measured: "
            f"give by: {other}_accuracy"
        )
    part.one_of("score to tune by", score.of, SCORES)
    return score


def _check_values(tuned: Entry, over: str, design: Design) -> None:
    """Refuse to tune a setting that is not swept over a list of positive numbers."""
    if over not in design.swept:
        swept = ", ".join(design.swept) or "nothing"
        raise tuned.error(f"over={over} is not swept: sweep its values, or choose from {swept}")
    if not takes_any_positive(over):
        raise tuned.error(
            f"over={over} cannot be tuned, as it does not take every positive number: tune lr, "
            f"weight_decay or a parameter without an upper bound"
        )
    values = design.swept[over]
    if not values or not all(_is_positive(value) for value in values):
        given = f" ({', '.join(values)})" if values else ""
        raise tuned.error(
            f"the values of {over}{given} are not a list of positive numbers: "
            f"sweep it as in {over}: 0.1,0.5,2"
        )


def _is_positive(text: str) -> bool:
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False


def read_cap(entry: Entry, outcome: Outcome) -> float:
    """Return the half-width above which a prediction interval is too noisy."""
    if "cap" not in entry and not outcome.is_accuracy:
        raise entry.error(f"give cap, the half-width above which {outcome} is too noisy to tell")
    return entry.number("cap", entry["cap"]) if "cap" in entry else CAP


def read_better(entry: Entry, outcome: Outcome) -> str:
    """Return whether a ``higher`` or ``lower`` outcome is better."""
    usual = "higher" if outcome.is_accuracy else "lower"
    return entry.one_of("better", entry.get("better", usual), ("higher", "lower"))


def no_run(arm: str) -> InputError:
    """Return the error that no run of ``arm`` has finished."""
    return InputError(f"no run of arm {arm!r} has finished: see the sweep's failed runs")
