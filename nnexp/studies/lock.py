"""Locks: what a study claims and how it judges, written down before its runs begin.

A lock is a YAML file beside the study's own, ``NAME.lock``, with everything in it that decides a
verdict, and the wording of the claims. Its digest reveals edits. After the lock, a claim that
differs from its entry is a deviation, shown with both wordings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from nnexp import __version__
from nnexp.config.run_config import NUMERICS
from nnexp.errors import InputError
from nnexp.files import write_whole
from nnexp.store import versions
from nnexp.store.record import now
from nnexp.studies.study import Claim, Study

# Seeds below this one are for pilots: a confirmatory verdict uses none of them.
FIRST_SEED = 100
# The version of the format.
_FORMAT = 1
_HEAD = """\
# What the study {study} claims and how it is judged, locked before its runs began.
# Written by `{command} --lock`. Edits change the digest and are refused.
"""
_WORDING = ("row", "role", "statement")
_LISTS = ("seeds", "claims", "earlier")
_WIDTH = 100


@dataclass(frozen=True)
class LockedClaim:
    """A claim as it was locked.

    ``expected`` is the verdict that the study expected then. ``test`` has the fields of its test,
    ``family`` the number of claims that share its error rate, and ``digest`` is `Study.digest`.
    ``locked`` is when it was first locked as it is, in UTC. ``power`` is
    `nnexp.studies.planning.Plan` as a mapping; it is empty without a pilot.
    """

    id: str
    row: str
    role: str
    statement: str
    expected: str
    locked: str
    digest: str
    family: int
    test: Mapping[str, Any]
    power: Mapping[str, Any]


@dataclass(frozen=True)
class Lock:
    """The content of a lock.

    ``locked`` is its date in UTC, ``commit`` that of the study's repository, if it is in one.
    ``seeds``, ``arms`` and ``settings`` are those of the runs. ``earlier`` has the date, commit,
    digest and changed claims of each lock that this one replaced, the oldest first.
    """

    study: str
    locked: str
    commit: str | None
    nnexp: str
    numerics: int
    alpha: float
    seeds: tuple[int, ...]
    arms: Mapping[str, Any]
    settings: Mapping[str, Any]
    claims: tuple[LockedClaim, ...]
    earlier: tuple[Mapping[str, Any], ...]

    @property
    def digest(self) -> str:
        """The SHA-256 of the content."""
        return _digest(_plain(asdict(self)))

    def claim(self, name: str) -> LockedClaim | None:
        """Return the entry of a claim by its id, ``None`` if it has none."""
        return next((one for one in self.claims if one.id == name), None)


class Deviation(NamedTuple):
    """A difference between a ``claim`` and its lock: ``what`` differs, with both texts."""

    claim: str
    what: str
    old: str
    new: str


def lock_file(study: Study) -> Path:
    """Return the file of a study's lock, whether it exists or not."""
    return study.file.with_suffix(".lock")


def make_lock(
    study: Study,
    seeds: Sequence[int],
    power: Mapping[str, Mapping[str, Any]],
    earlier: Lock | None = None,
) -> Lock:
    """Return a lock of the study as it is now.

    ``seeds`` are those of its runs and ``power`` has the plans of its claims by id. Claims that are
    the same in the ``earlier`` lock keep their date, expected verdict and power, and that lock
    becomes part of the history.
    """
    moment = now()
    kept = {} if earlier is None else _kept(earlier, study, seeds)
    claims = []
    for claim in study.claims:
        plan = _plain(power.get(claim.id, {}))
        entry = LockedClaim(
            id=claim.id,
            **_wording(claim),
            expected=claim.expected,
            locked=moment,
            digest=study.digest(claim),
            family=study.family(claim),
            test=_test(claim),
            power=plan,
        )
        before = kept.get(claim.id)
        claims.append(entry if before is None else replace(before, power=before.power or plan))
    return Lock(
        study=study.name,
        locked=moment,
        commit=versions.commit_of(study.file.parent),
        nnexp=__version__,
        numerics=NUMERICS,
        alpha=study.alpha,
        seeds=tuple(seeds),
        arms=_plain(study.arms),
        settings=_plain(study.settings),
        claims=tuple(claims),
        earlier=() if earlier is None else (*earlier.earlier, _replaced(earlier, study)),
    )


def _kept(lock: Lock, study: Study, seeds: Sequence[int]) -> dict[str, LockedClaim]:
    """Return the entries of claims that are as in ``lock``, by id."""
    if (lock.numerics, lock.seeds) != (NUMERICS, tuple(seeds)):
        return {}
    changed = {one.claim for one in deviations(lock, study)}
    return {entry.id: entry for entry in lock.claims if entry.id not in changed}


def _replaced(lock: Lock, study: Study) -> dict[str, Any]:
    """Return what is kept of a lock that is replaced by one of ``study``."""
    changed = [one._asdict() for one in deviations(lock, study)]
    kept: dict[str, Any] = {"locked": lock.locked, "commit": lock.commit, "digest": lock.digest}
    return kept | {"numerics": lock.numerics, "seeds": list(lock.seeds), "changed": changed}


def write_lock(lock: Lock, study: Study) -> Path:
    """Write a lock beside the file of its study and return its file.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    content = {"format": _FORMAT, "digest": lock.digest, **_plain(asdict(lock))}
    how: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": _WIDTH}
    text = yaml.safe_dump(content, default_flow_style=None, **how)
    file = lock_file(study)
    write_whole(file, _HEAD.format(study=study.name, command=study.command()) + text)
    return file


def read_lock(study: Study) -> Lock | None:
    """Return the lock of a study, ``None`` if it is not locked.

    Raises
    ------
    InputError
        If the file is not a lock, was edited, is that of another study, or a newer nnexp wrote it.
    """
    file = lock_file(study)
    if not file.is_file():
        return None
    remedy = "restore it from your repository, or remove it and lock again"
    try:
        content: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
        written, digest = content.pop("format"), content.pop("digest")
        if isinstance(written, int) and written > _FORMAT:
            raise InputError(
                f"{file} was written by a newer nnexp (format {written}, this version reads up to "
                f"{_FORMAT}): update nnexp"
            )
        if digest != _digest(content):
            raise InputError(f"{file} was edited after it was written: {remedy}")
        content["claims"] = [LockedClaim(**one) for one in content["claims"]]
        lists: dict[str, Any] = {key: tuple(content[key]) for key in _LISTS}
        lock = Lock(**{**content, **lists})
    except InputError:
        raise
    except Exception:  # any content may have been altered
        raise InputError(f"{file} is not a lock: {remedy}") from None
    if lock.study != study.name:
        raise InputError(f"{file} is the lock of the study {lock.study!r}: {remedy}")
    return lock


def deviations(lock: Lock, study: Study) -> list[Deviation]:
    """Return how the claims of ``study`` differ from its lock."""
    found: list[Deviation] = []
    current = {claim.id: claim for claim in study.claims}
    for entry in lock.claims:
        if entry.id in current:
            found += _deviations(current[entry.id], entry, lock, study)
        else:
            found.append(Deviation(entry.id, "claim", entry.statement, "(left out)"))
    for name, claim in current.items():
        if lock.claim(name) is None:
            found.append(Deviation(name, "claim", "(not locked)", _one_line(claim.statement)))
    return found


def _deviations(claim: Claim, entry: LockedClaim, lock: Lock, study: Study) -> Iterator[Deviation]:
    """Yield the differences between a claim and its entry in ``lock``."""
    for key, text in _wording(claim).items():
        if text != getattr(entry, key):
            yield Deviation(claim.id, key, getattr(entry, key), text)
    if entry.digest == study.digest(claim):
        return
    then, today = (_level(lock.alpha, entry.family), _level(study.alpha, study.family(claim)))
    arms = {arm: _plain(study.arms[arm]) for arm in claim.test.arms}
    decides = [
        *_changes(entry.test, _test(claim)),
        *_changes({arm: lock.arms.get(arm) for arm in arms}, arms, "arm "),
        *_changes(lock.settings, _plain(study.settings)),
        *_changes({"error rate": then}, {"error rate": today}),
    ]
    if not decides:
        decides.append(("rules", f"digest {entry.digest}", f"digest {study.digest(claim)}"))
    yield from (Deviation(claim.id, *each) for each in decides)


def _changes(
    old: Mapping[str, Any], new: Mapping[str, Any], kind: str = ""
) -> Iterator[tuple[str, str, str]]:
    """Yield the name and both texts of each entry that differs; ``kind`` precedes the name."""
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key):
            yield f"{kind}{key}", _text(old.get(key)), _text(new.get(key))


def _level(alpha: float, family: int) -> str:
    return f"{alpha:g} / {family}" if family else f"{alpha:g}"


def _text(value: Any) -> str:
    if value is None:
        return "(none)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _wording(claim: Claim) -> dict[str, str]:
    return {key: _one_line(getattr(claim, key)) for key in _WORDING}


def _test(claim: Claim) -> dict[str, Any]:
    """Return the fields of a claim's test that are set."""
    fields: dict[str, Any] = _plain(asdict(claim.test))
    unset: tuple[Any, ...] = (None, "", [], {})
    return {key: value for key, value in fields.items() if value not in unset}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _plain(value: Any) -> Any:
    """Return ``value`` of mappings with text as keys, lists and scalars, as YAML has them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
