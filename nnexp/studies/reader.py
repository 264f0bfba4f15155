"""Reads the studies of ``experiments/``, and checks them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnexp.analysis.grids import Grid
from nnexp.analysis.outcomes import LAYER_VALUES, METRICS, SCORES, Outcome
from nnexp.analysis.verdicts import BETTER, COMPARED, CONTRADICTED, PUBLISHED, REPRODUCED
from nnexp.config.experiment_file import LINE, LINES, Design, design, parameters, plain, read_lines
from nnexp.errors import InputError, suggestion
from nnexp.studies.study import ORDERS, Claim, Study

_REQUIRED = ("title", "source", "question", "protocol", "unstated", "explanation")
_KEYS = (*_REQUIRED, "change_our_mind", "figures", "show", "grids", "claims", "alpha")
_CLAIM = ("id", "row", "statement", "test", "expected")
_FREE = ("published", "note")
_RUNS = ("outcome", "where", "at")
_TESTS = {
    **dict.fromkeys(
        ORDERS, (*_RUNS, "arms", "arm", "threshold", "matters", "scale", "map", "tuned")
    ),
    "published": (*_RUNS, "arm", "value", "rounding", "cap", "better"),
    "curve": ("where", "outcome", "arm", "points", "by", "rounding", "cap", "better"),
    "computed": ("compute", "given", "rounding"),
}
_NEEDED = {
    "published": ("arm", "value", "rounding"),
    "curve": ("arm", "points", "by", "rounding"),
    "computed": ("compute", "given", "published", "rounding"),
}
_SHAPES = ("layer", "factor_per_layer", "smallest_fall", "steps_to", "change")
FIGURES = (
    "loss",
    "accuracy",
    "final",
    "activations",
    "gradients",
    "saturation",
    "symmetry",
    "depth",
)


def read_study(file: Path) -> Study | None:
    """Return the study of an experiment's file, ``None`` if the file holds no claims.

    Raises
    ------
    InputError
        If the file is malformed: the file, the line, what is wrong and the remedy.
    """
    content = read_lines(file)
    if not isinstance(content, dict) or "study" not in content:
        return None
    return _Reader(file).study(content)


@dataclass
class _Reader:
    """Checks one file; whatever is wrong is said with the file and the line."""

    file: Path

    def error(self, line: int, message: str) -> InputError:
        return InputError(f"{self.file}, line {line}: {message}")

    def study(self, content: dict[str, Any]) -> Study:
        text = content["study"]
        if not isinstance(text, dict):
            raise self.error(content[LINE], "study is no mapping: give title, question, claims …")
        line = text[LINE]
        self.keys("study", text, _KEYS, (*_REQUIRED, "claims"))
        if not isinstance(text["source"], dict):
            raise self.error(line, f"source={text['source']}: give document: title, as in D2: …")
        arms = self.arms(content)
        varied = design(plain(content), arms)
        claims = text["claims"]
        if not isinstance(claims, list) or not claims:
            raise self.error(line, "claims is no list with a claim in it: give '- id: …' entries")
        read = tuple(self.claim(claim, arms, varied, line) for claim in claims)
        seen: set[str] = set()
        for claim, raw in zip(read, claims, strict=True):
            if claim.id in seen:
                raise self.error(raw[LINE], f"claim {claim.id!r} is there twice: rename one")
            seen.add(claim.id)
        figures = text.get("figures") or []
        for figure in figures:
            self.one_of(line, "figure", figure, FIGURES)
        alpha = self.number(line, "alpha", text.get("alpha", 0.05))
        if not 0 < alpha < 1:
            raise self.error(line, f"alpha={alpha}: give a share between 0 and 1, as in 0.05")
        words = {key: _words(text.get(key, "")) for key in (*_REQUIRED, "change_our_mind")}
        return Study(
            **(words | {"source": plain(text["source"])}),
            name=self.file.stem,
            file=self.file,
            figures=tuple(figures),
            show=plain(text.get("show") or {}),
            grids=self.grids(text.get("grids") or [], varied, line),
            claims=read,
            alpha=alpha,
            arms=arms,
            settings=self.settings(content),
            has_runs=any(claim.test != "computed" for claim in read),
        )

    def grids(self, raw: Any, varied: Design, line: int) -> tuple[Grid, ...]:
        if not isinstance(raw, list):
            raise self.error(line, "grids is no list: give '- {down: init, across: lr}' entries")
        read = tuple(self.grid(grid, varied, line) for grid in raw)
        for grid in read:
            if [other.name for other in read].count(grid.name) > 1:
                raise self.error(line, f"{grid.name} is there twice: give each its own where")
        return read

    def grid(self, raw: Any, varied: Design, line: int) -> Grid:
        if not isinstance(raw, dict):
            raise self.error(line, f"the grid {raw!r} is no mapping: give down and across")
        line = raw[LINE]
        self.keys("grid", raw, ("down", "across", "where", "tuned"), ("down", "across"))
        for key in ("down", "across"):
            if not isinstance(raw[key], str):
                raise self.error(line, f"grid: {key}={plain(raw[key])} is no setting's name")
        for key in ("where", "tuned"):
            if not isinstance(raw.get(key, {}), dict):
                raise self.error(line, f"grid: {key}={raw[key]} is no mapping, as in {{lr: 0.1}}")
        if "tuned" in raw:
            self.tuned("grid", raw["tuned"])
        given = plain(raw)
        free = (given["down"], given["across"], given.get("tuned", {}).get("over"))
        if flaw := varied.flaw(given.get("where", {}), free):
            raise self.error(line, f"grid: {flaw}")
        return Grid(
            given["down"], given["across"], given.get("where", {}), given.get("tuned", {}), line
        )

    def settings(self, content: dict[str, Any]) -> dict[str, Any]:
        given = plain(content)
        own = {key: given[key] for key in given if key not in ("study", "arms", "hydra")}
        return own | {"swept": parameters(given)}

    def arms(self, content: dict[str, Any]) -> dict[str, tuple[str, ...]]:
        arms = content.get("arms") or {}
        if not isinstance(arms, dict):
            raise self.error(content[LINE], f"arms={arms}: give each a name and its overrides")
        return {name: tuple(map(str, given)) for name, given in plain(arms).items()}

    def claim(self, raw: Any, arms: Mapping[str, Any], varied: Design, line: int) -> Claim:
        if not isinstance(raw, dict):
            raise self.error(line, f"the claim {raw!r} is no mapping: give id, row, statement …")
        line = raw[LINE]
        every = dict.fromkeys(key for own in _TESTS.values() for key in own)
        self.keys("claim", raw, (*_CLAIM, *_FREE, *every), _CLAIM)
        test = raw["test"]
        self.one_of(line, "test", test, _TESTS)
        what = f"claim {raw['id']!r} ({test})"
        if not re.fullmatch(r"[\w.+-]+", str(raw["id"])):
            raise self.error(line, f"{what}: an id names files: give letters, digits and _.+-")
        self.keys(what, raw, (*_CLAIM, *_FREE, *_TESTS[test]), _NEEDED.get(test, ()))
        self.one_of(line, "verdict expected", raw["expected"], _verdicts(test))
        values: dict[str, Any] = {key: _words(raw[key]) for key in ("id", "row", "statement")}
        values |= {"test": test, "expected": raw["expected"], "line": line}
        values["note"] = _words(raw.get("note", ""))
        values["published"] = plain(raw.get("published"))
        if test == "computed":
            given = plain(raw["given"])
            if not isinstance(given, dict) or not isinstance(values["published"], dict):
                raise self.error(line, f"{what}: given and published are mappings, name: figures")
            return Claim(
                **values, compute=raw["compute"], given=given, rounding=plain(raw["rounding"])
            )
        outcome = self.outcome(line, raw.get("outcome", "test_accuracy"))
        values["outcome"] = outcome
        values["arms"] = self.arms_of(line, what, raw, arms)
        for key in ("where", "at", "tuned"):
            mapping = raw.get(key) or {}
            if not isinstance(mapping, dict):
                raise self.error(line, f"{what}: {key}={mapping} is no mapping, as in {{lr: 0.1}}")
            values[key] = plain(mapping)
        if flaw := varied.flaw(values["where"], values["tuned"].values()):
            raise self.error(line, f"{what}: {flaw}")
        if values["at"]:
            self.keys(f"{what}, at", raw["at"], ("epoch", "step"), ())
            if len(values["at"]) > 1:
                raise self.error(line, f"{what}: at has epoch and step: give one of them")
            for key, value in values["at"].items():
                self.number(line, f"at: {key}", value)
            if outcome.kind == "steps_to":
                raise self.error(line, f"{what}: {outcome} has no 'at': leave it out")
        for key in ("threshold", "matters", "cap", "value", "rounding"):
            if key in raw:
                values[key] = self.number(line, key, raw[key])
        if test in ORDERS:
            self.compared(line, what, raw, outcome)
            given = raw.get("map") or []
            if not isinstance(given, list):
                raise self.error(line, f"{what}: map={given} is no list, as in [lr, epoch]")
            values["map"] = tuple(map(str, given))
            if values.get("matters", 0) < 0 or not math.isfinite(values.get("matters", 0)):
                raise self.error(line, f"{what}: matters={raw['matters']}: give 0 or more")
            for key in values["map"]:
                if key != "epoch" and not varied.varies(key):
                    raise self.error(
                        line, f"{what}: {key} does not vary: map what is swept, or epoch"
                    )
            values["scale"] = raw.get("scale", "plain")
            self.one_of(line, "scale", values["scale"], ("plain", "log10"))
            if values["scale"] == "log10" and values.get("threshold", 1) <= 0:
                raise self.error(line, f"{what}: threshold={raw['threshold']} has no log10")
            if "epoch" in values["map"] and outcome.kind == "steps_to":
                raise self.error(line, f"{what}: {outcome} has no map over epochs: leave it out")
            return Claim(**values)
        if not outcome.is_accuracy and "cap" not in raw:
            raise self.error(
                line, f"{what}: give cap, the half-width above which {outcome} is too noisy to tell"
            )
        values["better"] = raw.get("better", "higher" if outcome.is_accuracy else "lower")
        self.one_of(line, "better", values["better"], BETTER)
        if test == "curve":
            values["by"] = raw["by"]
            self.one_of(line, "by", raw["by"], ("step", "epoch"))
            points = plain(raw["points"])
            if not isinstance(points, dict) or not points:
                raise self.error(line, f"{what}: points is no mapping, {raw['by']}: figure")
            values["points"] = {
                self.number(line, "points", k): self.number(line, "points", v)
                for k, v in points.items()
            }
        return Claim(**values)

    def arms_of(
        self, line: int, what: str, raw: dict[str, Any], arms: Mapping[str, Any]
    ) -> tuple[str, ...]:
        given = raw.get("arms", [raw["arm"]] if "arm" in raw else [])
        named = tuple(given) if isinstance(given, list) else (given,)
        two = "arms" in raw
        if len(named) != (2 if two else 1) or (two and "arm" in raw):
            raise self.error(line, f"{what}: give arms: [A, B], or arm: A with a threshold")
        for name in named:
            self.one_of(line, "arm", name, arms)
        return named

    def compared(self, line: int, what: str, raw: dict[str, Any], outcome: Outcome) -> None:
        if ("threshold" in raw) != ("arm" in raw):
            raise self.error(line, f"{what}: a threshold goes with arm: A, and arms: [A, B] alone")
        if "matters" not in raw and (not outcome.is_accuracy or raw.get("scale") == "log10"):
            raise self.error(
                line, f"{what}: give matters, the smallest difference of {outcome} that matters"
            )
        if raw["test"] == "equal" and "map" in raw:
            raise self.error(line, f"{what}: a map is of greater or less, which have a direction")
        if "tuned" in raw:
            self.tuned(what, raw["tuned"])

    def tuned(self, what: str, raw: dict[str, Any]) -> None:
        self.keys(f"{what}, tuned", raw, ("over", "by"), ("over", "by"))
        self.one_of(raw[LINE], "score to tune by", raw["by"], SCORES)

    def outcome(self, line: int, raw: Any) -> Outcome:
        if isinstance(raw, str):
            self.one_of(line, "outcome", raw, METRICS)
            return Outcome("metric", raw)
        shape = next((s for s in _SHAPES if isinstance(raw, dict) and s in raw), None)
        if shape is None:
            raise self.error(
                line, f"outcome={plain(raw)}: give a column, or one of {', '.join(_SHAPES)}"
            )
        if shape == "layer":
            self.keys("outcome", raw, ("layer", "value"), ("layer", "value"))
            self.one_of(line, "value of a layer", raw["value"], LAYER_VALUES)
            if (
                not isinstance(raw["layer"], int)
                or isinstance(raw["layer"], bool)
                or not raw["layer"]
            ):
                raise self.error(line, f"layer={raw['layer']}: give 1, 2, … or -1 for the output")
            return Outcome("layer", raw["value"], index=raw["layer"])
        if shape == "steps_to":
            level = self.number(line, "steps_to", raw["steps_to"])
            return Outcome("steps_to", "step", level=level)
        columns = LAYER_VALUES if shape == "factor_per_layer" else METRICS
        self.keys("outcome", raw, (shape,), (shape,))
        self.one_of(line, f"outcome of {shape}", raw[shape], columns)
        return Outcome(shape, raw[shape])

    def keys(
        self, what: str, mapping: dict[str, Any], known: tuple[str, ...], needed: tuple[str, ...]
    ) -> None:
        line = mapping[LINE]
        for key in mapping:
            if key not in (*known, LINE, LINES):
                hint = suggestion(str(key), known) or ":"
                keys = ", ".join(dict.fromkeys(known))
                raise self.error(
                    mapping[LINES].get(str(key), line),
                    f"{what} has an unknown key {key!r}{hint} keys are {keys}",
                )
        for key in needed:
            if mapping.get(key) is None:
                raise self.error(line, f"{what} lacks {key!r}: give {key}: …")

    def one_of(self, line: int, kind: str, value: Any, choices: Any) -> None:
        if not isinstance(value, str) or value not in choices:
            hint = suggestion(str(value), choices) or ":"
            raise self.error(
                line, f"unknown {kind} {value!r}{hint} choose from {', '.join(choices)}"
            )

    def number(self, line: int, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(line, f"{key}={value!r} is no number")
        return float(value)


def _verdicts(test: str) -> tuple[str, ...]:
    if test in ORDERS:
        return COMPARED
    return (REPRODUCED, CONTRADICTED) if test == "computed" else PUBLISHED


def _words(value: Any) -> str:
    return str(value).strip()
