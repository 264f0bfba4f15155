"""Composition of a sweep's points into checked jobs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser

from nnexp.cli.progress import followed
from nnexp.config.composition import Composer, quoted, unquoted
from nnexp.config.early_evaluations import compares_starts, early_steps
from nnexp.config.experiment_file import NO_NAMES, PLACES, STUDY
from nnexp.config.function_source import without_copies
from nnexp.config.registry import GROUPS
from nnexp.config.run_config import RunConfig
from nnexp.config.single_settings import AUTO
from nnexp.errors import InputError, unknown
from nnexp.messages.language import tr
from nnexp.sweeps.jobs import Job


def read_arms(loader: ConfigLoader, arms: object) -> dict[str, list[str]]:
    """Return the checked arms of an experiment, as a mapping of names to overrides.

    Raises
    ------
    InputError
        If the arms are not a mapping, a name is invalid, or an override is a sweep or not a
        setting of a run.
    """
    if not isinstance(arms, Mapping):
        raise InputError(f"arms={arms} is not a mapping: give each arm a name and its overrides")
    parser = OverridesParser.create(loader)
    for name, overrides in arms.items():
        if not isinstance(name, str) or not name.isprintable() or not name.strip():
            raise InputError(f"{name!r} is not a valid name of an arm: use printable characters")
        if name.lower() in NO_NAMES:
            raise InputError(f"an arm cannot be called {name!r}: give another name")
        whole = isinstance(overrides, list) and all(isinstance(o, str) for o in overrides)
        if not whole:
            raise InputError(
                f"the arm {name!r} is {overrides}: give a list of overrides, as in [init=he, lr=1]"
            )
        for override in parser.parse_overrides(overrides):
            key = str(override.key_or_group)
            if key in (*PLACES, *STUDY) or key.startswith("hydra"):
                raise InputError(
                    f"the arm {name!r} sets {key!r}, which is not a setting of a run: remove it"
                )
            if override.is_sweep_override():
                raise InputError(
                    f"the arm {name!r} sweeps {override.input_line!r}: give one value, or more arms"
                )
    return dict(arms)


def compose_jobs(
    composer: Composer, points: Sequence[Sequence[str]], arms: Mapping[str, Sequence[str]]
) -> list[Job]:
    """Return the checked job of each point, as in `composed`.

    Raises
    ------
    InputError
        For the first invalid point, or if two points give the same run.
    """
    jobs: dict[str, Job] = {}
    for point, job in zip(points, composed(composer, points, arms), strict=True):
        if job.run_id in jobs:
            raise InputError(
                f"{' '.join(point) or 'no override'} gives a run that the sweep already has: "
                f"remove it"
            )
        jobs[job.run_id] = job
    return list(jobs.values())


def composed(
    composer: Composer,
    points: Sequence[Sequence[str]],
    arms: Mapping[str, Sequence[str]],
    *,
    whole: bool = True,
) -> Iterator[Job]:
    """Yield the checked job of each point; its own overrides take precedence over its arm's.

    If the points are the ``whole`` sweep, ``evaluate_at=auto`` depends on what they compare.

    If any point overrides a setting of its arm, jobs are not named after their arms, as the names
    would no longer describe them.

    Raises
    ------
    InputError
        For the first invalid point.
    """
    named = not overridden(points, arms)
    shared = set.intersection(*map(set, points)) if len(points) > 1 else set()
    configs, early = [], []
    for point in followed(points, tr("runs composed")):
        settings = composer.compose(expand(point, arms))
        configs.append(RunConfig.from_mapping(scientific(settings)))
        # A study measures at the steps that it states.
        auto = settings["evaluate_at"] == AUTO and "study" not in settings
        early.append(auto and whole)
    if any(early) and compares_starts(configs, settings["tune"]):
        steps = early_steps(configs)
        configs = [
            replace(config, evaluate_at=steps) if auto else config
            for config, auto in zip(configs, early, strict=True)
        ]
    for point, config in zip(points, configs, strict=True):
        words = (o for o in point if o not in shared and not o.startswith("seed="))
        label = without_copies(" ".join(words))
        yield Job(config, label, arm_of(point) if named else None)


def expand(point: Sequence[str], arms: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the overrides of a point, with ``arm=NAME`` replaced by the arm's overrides.

    A choice with parameters, ``init={name:normal,std:0.1}``, becomes an override for each.
    """
    own = [word for o in point if not o.startswith("arm=") for word in _parts(o)]
    name = arm_of(point)
    if name is None:
        return own
    if not arms:
        raise InputError(f"arm={name}: no arms are defined: choose an experiment that has arms")
    if name not in arms:
        raise unknown("arm", name, arms)
    keys = set(map(_key, own))
    return [o for o in arms[name] if _key(o) not in keys] + own


def _parts(override: str) -> list[str]:
    """Return an override, or those of the name and the parameters of a choice."""
    key, _, value = override.partition("=")
    if key not in GROUPS or not value.startswith("{"):
        return [override]
    parts = OverridesParser.create().parse_override(override).value()
    if not isinstance(parts, dict) or not isinstance(parts.get("name"), str):
        raise InputError(f"{override} has no name: write {key}={{name:NAME,PARAMETER:VALUE}}")
    words = {key if k == "name" else f"{key}.{k}": v for k, v in parts.items()}
    return [f"{k}={quoted(v) if isinstance(v, str) else json.dumps(v)}" for k, v in words.items()]


def overridden(points: Iterable[Sequence[str]], arms: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the settings that points set to another value than their arm."""
    keys = {
        _key(own)
        for point in points
        for own in arms.get(arm_of(point) or "", ())
        if any(_key(given) == _key(own) and _value(given) != _value(own) for given in point)
    }
    return sorted(keys)


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+")


def _value(override: str) -> str:
    return override.partition("=")[2].strip("'\"")


def arm_of(point: Sequence[str]) -> str | None:
    """Return the name of a point's arm, if it has one."""
    given = [o for o in point if o.startswith("arm=")]
    if not given or given[-1] == "arm=null":
        return None
    name = given[-1].removeprefix("arm=")
    return unquoted(given[-1]) if name[:1] in ("'", '"') else name


def scientific(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a configuration that determines a run's numbers."""
    return {k: v for k, v in settings.items() if k not in (*PLACES, *STUDY)}
