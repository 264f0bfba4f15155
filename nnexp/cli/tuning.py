"""Tuning in a sweep: settings that are chosen for each arm by trials, with seeds of their own.

The points of the sweep give the arms, the values to try and the seeds to compare. Trials are the
same runs with other seeds, so that choosing does not flatter the runs that are compared. All of
them hold out the same examples, by which values are chosen.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nnexp.config.identity import with_later
from nnexp.config.run_config import RunConfig
from nnexp.data import DataSettings, describe
from nnexp.errors import InputError, SweepStopped, suggestion
from nnexp.messages.language import tr
from nnexp.store.record import Record
from nnexp.store.tables import trials as table_of
from nnexp.sweeps.jobs import Job

# Trials have the seeds from the next multiple of this number on.
_APART = 1000
# The share of the training examples to hold out if the user does not say.
_HELD_OUT = 10
_NOT_TUNED = {
    "seed": "trials have seeds of their own",
    "data": "scores on different data cannot be compared",
    "arm": "arms are what is compared",
    "evaluate_every": "it does not affect training",
    "evaluate_at": "it does not affect training",
    "evaluate_first": "it does not affect training",
    "evaluate_epsilon": "it does not affect training",
    "evaluate_sharpness": "it does not affect training",
    "evaluate_distance": "it does not affect training",
    "evaluate_line": "it does not affect training",
}


def read_tuned(given: object, points: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the settings that ``tune`` names; none if it is ``None``.

    Raises
    ------
    InputError
        If it does not name settings that the ``points`` of the sweep vary and that can be tuned.
    """
    names = [given] if isinstance(given, str) else given
    if names is None:
        return ()
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise InputError(
            f"tune={given} names no settings: give a swept setting, as in tune=lr, or several, "
            f"as in tune=[lr,batch_size]"
        )
    values: dict[str, set[str]] = {}
    for key, _, value in (word.partition("=") for point in points for word in point):
        values.setdefault(key.lstrip("+"), set()).add(value)
    swept = [key for key, own in values.items() if len(own) > 1]
    for name in names:
        root = name.partition(".")[0]
        if root in _NOT_TUNED:
            raise InputError(
                f"tune={name}: {root} cannot be tuned, as {_NOT_TUNED[root]}: tune a setting of "
                f"training, such as lr"
            )
        if name not in swept:
            remedy = ": give several values separated by commas, as in lr=0.03,0.1,0.3,1"
            hint = suggestion(name, swept) or remedy
            raise InputError(f"tune={name}: {name!r} is not swept{hint}")
    return tuple(dict.fromkeys(names))


def holding_out(jobs: Sequence[Job]) -> list[Job]:
    """Return ``jobs``, with a tenth of the training examples held out where none are.

    Raises
    ------
    InputError
        If there are too few examples.
    """
    return [
        job if job.config.data.holds_out else Job(_holding_out(job.config), job.label, job.arm)
        for job in jobs
    ]


def _holding_out(config: RunConfig) -> RunConfig:
    data = config.data
    size, count = _examples(replace(data, train_size=None))
    if count == 0:
        raise InputError(
            f"tune needs examples to choose by, and data={data.name} has only {size} training "
            f"examples: give data.validation=N, or more examples"
        )
    held = replace(config, data=replace(data, validation=count))
    try:
        return RunConfig.from_mapping(held.to_mapping())
    except InputError as error:
        raise InputError(
            f"{error} (tune holds out {count} of {size} training examples; data.validation=N "
            f"holds out N)"
        ) from None


def _examples(data: DataSettings) -> tuple[int, int]:
    """Return the number of training examples, and that of those to hold out."""
    size = describe(data).train_size
    return size, size // _HELD_OUT


def trial_jobs(jobs: Sequence[Job]) -> list[Job]:
    """Return the trials of the sweep of ``jobs``: as many seeds, apart from those of the jobs.

    Raises
    ------
    InputError
        If these seeds would be too large.
    """
    seeds = sorted({job.config.seed for job in jobs})
    first = (seeds[-1] // _APART + 1) * _APART
    own = {seed: first + i for i, seed in enumerate(seeds)}
    RunConfig.from_mapping({**jobs[0].config.to_mapping(), "seed": own[seeds[-1]]})
    return [Job(replace(job.config, seed=own[job.config.seed]), job.label, job.arm) for job in jobs]


def chosen(jobs: Sequence[Job], trials: Sequence[Record], tuned: tuple[str, ...]) -> list[Job]:
    """Return those of ``jobs`` with the best values of their arm, by the records of ``trials``.

    The records are marked as trials, and those with the best values as chosen.

    Raises
    ------
    SweepStopped
        If trials are missing, as the sweep stops when a run fails.
    """
    if len(trials) < len(jobs):
        raise SweepStopped(
            f"a trial failed, and {len(jobs) - len(trials)} of {len(jobs)} trials were not run, as "
            f"on_error=stop: finished ones are saved"
        )
    from nnexp.analysis.trials import Trials, arm_of, values_of

    settings = with_later([record.columns for record in trials])
    by_arm: dict[Any, list[Record]] = {}
    for record, own in zip(trials, settings, strict=True):
        record.tuned = tuned
        by_arm.setdefault(arm_of(own, tuned), []).append(record)
    best = {a: values_of(Trials(tuned, table_of(own)).best, tuned) for a, own in by_arm.items()}

    def have_best(settings: Sequence[Mapping[str, Any]]) -> Iterator[bool]:
        return (best.get(arm_of(own, tuned)) == values_of(own, tuned) for own in settings)

    for record, best_values in zip(trials, have_best(settings), strict=True):
        record.chosen = best_values
    compared = have_best(with_later([job.blank.columns for job in jobs]))
    return list(itertools.compress(jobs, compared))


def best_words(jobs: Sequence[Job]) -> str:
    """Return which runs were chosen, for the terminal: ``best: activation=relu lr=0.1``."""
    from nnexp.analysis.labels import listed

    labels = listed(list(dict.fromkeys(job.label for job in jobs)))
    return tr("best: {settings}", settings=labels)


def tuning_notes(
    given: Sequence[Job], trials: Sequence[Job], tuned: tuple[str, ...]
) -> Iterator[str]:
    """Yield notes on the ``trials`` of the jobs that were ``given``; none if nothing is tuned."""
    if not tuned:
        return
    from nnexp.analysis.labels import enumerated, seed_words

    pairs = zip(given, trials, strict=True)
    held = (new.config.data for old, new in pairs if not old.config.data.holds_out)
    for data in dict.fromkeys(held):
        size, _ = _examples(replace(data, validation=0, train_size=None))
        yield tr(
            "note: {count} of {size} training examples of data={data} are held out to tune by; "
            "data.validation=N holds out N",
            count=data.validation,
            size=size,
            data=data.name,
        )
    yield tr(
        "note: {trials} trials tune {settings}, with {seeds}; each arm is then run at its best "
        "value with the seeds of the sweep",
        trials=len(trials),
        settings=enumerated(tuned),
        seeds=seed_words(job.config.seed for job in trials),
    )


def check_arms(jobs: Sequence[Job], tuned: tuple[str, ...]) -> None:
    """Refuse what is not a setting of all runs, and arms in which it has only one value.

    Raises
    ------
    InputError
        For the first of them.
    """
    from nnexp.analysis.trials import arm_of, values_of

    values: dict[Any, list[tuple[str, ...]]] = {}
    for settings in with_later([job.blank.columns for job in jobs]):
        for setting in tuned:
            if setting not in settings:
                raise InputError(
                    f"tune={setting}: {setting!r} is not a setting of every run: tune one that is, "
                    f"such as lr"
                )
        own = values.setdefault(arm_of(settings, tuned), [])
        own.append(values_of(settings, tuned))
    for own in values.values():
        for setting, tried in zip(tuned, zip(*own, strict=True), strict=True):
            if len(set(tried)) == 1:
                raise InputError(
                    f"tune={setting}: an arm has only {setting}={tried[0]}, as {setting} changes "
                    f"together with another setting: sweep it for every arm"
                )
