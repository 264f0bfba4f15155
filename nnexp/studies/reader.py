"""Reads the studies of ``experiments/``, and checks them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnexp.analysis.grids import SHOWN, Grid
from nnexp.analysis.outcomes import SCORES
from nnexp.config.experiment_file import LINE, Design, design, parameters, plain, read_lines
from nnexp.errors import InputError, suggestion
from nnexp.plotting.sweep_figures import FIGURES
from nnexp.plotting.training_figures import LOSS_LINE
from nnexp.studies.entry import Entry
from nnexp.studies.judgement import MAIN, ROLES, SUPPORT
from nnexp.studies.kinds import KINDS
from nnexp.studies.kinds.measurement import read_tuned
from nnexp.studies.study import Claim, Study
from nnexp.studies.topics import OTHER, TOPICS

_REQUIRED = ("title", "source", "question", "protocol", "unstated", "explanation")
# What the report shows of a study that tests a famous claim.
_FAMOUS = ("claim", "answer", "figure")
_OPTIONAL = (
    "topic",
    "headline",
    "change_our_mind",
    "figures",
    "show",
    "grids",
    "claims",
    "rows",
    "alpha",
)
_KEYS = (*_REQUIRED, *_FAMOUS, *_OPTIONAL)
# The keys that every claim has, and those that it may have.
_CLAIM = ("id", "row", "statement", "test", "expected")
_FREE = ("role", "published", "note")


def read_study(file: Path, name: str = "") -> Study | None:
    """Return the study of an experiment's file, ``None`` if the file has no claims.

    Its ``name`` is that of the experiment, by default that of the file.

    Raises
    ------
    InputError
        If the file is malformed: the file, the line, what is wrong and the remedy.
    """
    content = read_lines(file)
    if not isinstance(content, dict) or "study" not in content:
        return None
    whole = Entry(file, "experiment", content)
    if not isinstance(content["study"], dict):
        raise whole.error("study is not a mapping: give title, question, claims …")
    if "tune" in content:
        raise whole.error("tune is for sweeps without claims: give each claim 'tuned'")
    arms = {name: tuple(map(str, own)) for name, own in whole.mapping("arms", "name: […]").items()}
    varied = design(plain(content), arms)
    entry = Entry(file, "study", content["study"])
    entry.check_keys(_KEYS, (*_REQUIRED, "claims"))
    if "claim" not in entry and (alone := [key for key in _FAMOUS if key in entry]):
        raise entry.error(f"{alone[0]} is about a claim: give 'claim' too, as everybody knows it")
    claims = _claims(entry, arms, varied)
    return Study(
        name=name or file.stem,
        file=file,
        title=entry.text("title"),
        source=entry.mapping("source", "document: title, as in D2: …"),
        question=entry.text("question"),
        claim=entry.text("claim"),
        answer=entry.text("answer"),
        figure=entry.text("figure"),
        protocol=entry.text("protocol"),
        unstated=entry.text("unstated"),
        explanation=entry.text("explanation"),
        change_our_mind=entry.text("change_our_mind"),
        topic=entry.one_of("topic", entry.get("topic", OTHER), TOPICS),
        headline=_yes(entry, "headline"),
        figures=tuple(
            entry.one_of("figure", name, (*FIGURES, LOSS_LINE))
            for name in entry.items("figures", "[accuracy]")
        ),
        show=entry.mapping("show"),
        grids=_grids(entry, varied),
        claims=claims,
        rows=_rows(entry, claims),
        alpha=_alpha(entry),
        arms=arms,
        settings=_settings(plain(content)),
    )


def _yes(entry: Entry, key: str) -> bool:
    given = entry.get(key, False)
    if not isinstance(given, bool):
        raise entry.error(f"{key}={given}: give true or false")
    return given


def _settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the runs that are not arms, and what is swept."""
    own = {key: content[key] for key in content if key not in ("study", "arms", "hydra")}
    return own | {"swept": parameters(content)}


def _alpha(entry: Entry) -> float:
    alpha = entry.number("alpha", entry.get("alpha", 0.05))
    if not 0 < alpha < 1:
        raise entry.error(f"alpha={alpha}: give a share between 0 and 1, as in 0.05")
    return alpha


def _grids(entry: Entry, varied: Design) -> tuple[Grid, ...]:
    given = entry.items("grids", "- {down: init, across: lr} entries")
    grids = tuple(_grid(entry, raw, varied) for raw in given)
    names = [grid.name for grid in grids]
    for name in names:
        if names.count(name) > 1:
            raise entry.error(f"{name} appears twice: give each its own where")
    return grids


def _grid(study: Entry, raw: Any, varied: Design) -> Grid:
    if not isinstance(raw, dict):
        raise study.error(f"the grid {raw!r} is not a mapping: give down and across")
    entry = Entry(study.file, "grid", raw)
    entry.check_keys(("down", "across", "where", "tuned"), ("down", "across"))
    for key in ("down", "across"):
        if not isinstance(entry[key], str):
            raise entry.error(f"{key}={entry[key]} is not the name of a setting")
    where, tuned = entry.mapping("where"), read_tuned(entry, SHOWN)
    if tuned and tuned.by.kind != "metric":
        raise entry.error(f"a grid is tuned by a column: give by: {', '.join(SCORES)}")
    over = tuned.over if tuned else ()
    if flaw := varied.flaw(where, (entry["down"], entry["across"], *over)):
        raise entry.error(flaw)
    return Grid(entry["down"], entry["across"], where, tuned, raw[LINE])


def _claims(entry: Entry, arms: Mapping[str, Any], varied: Design) -> tuple[Claim, ...]:
    given = entry.items("claims", "'- id: …' entries")
    if not given:
        raise entry.error("there are no claims: give '- id: …' entries")
    claims: dict[str, Claim] = {}
    for raw in given:
        if not isinstance(raw, dict):
            raise entry.error(f"the claim {raw!r} is not a mapping: give id, row, statement …")
        claim = _claim(Entry(entry.file, "claim", raw), arms, varied)
        if claim.id in claims:
            raise InputError(
                f"{entry.file}, line {claim.line}: claim {claim.id!r} appears twice: rename one"
            )
        claims[claim.id] = claim
    return tuple(claims.values())


def _rows(entry: Entry, claims: Sequence[Claim]) -> dict[str, str]:
    """Return the sentences for the rows of the sources that have main claims in this study."""
    given = entry.mapping("rows", "{D2.1: what the document claims, in a sentence}")
    known = [claim.row for claim in claims if claim.role == MAIN]
    for row in given:
        if row not in known:
            hint = suggestion(str(row), known) or ":"
            raise entry.part("rows").error(
                f"no claim of the row {row!r} has role: main{hint} mark one, or leave the row out"
            )
    return {row: " ".join(str(text).split()) for row, text in given.items()}


def _claim(entry: Entry, arms: Mapping[str, Any], varied: Design) -> Claim:
    # Keys of any kind first: a misspelt one is named even if the kind is misspelt too.
    every = (key for kind in KINDS.values() for key in kind.KEYS)
    entry.check_keys((*_CLAIM, *_FREE, *every), _CLAIM)
    name = entry.one_of("test", entry["test"], KINDS)
    entry = Entry(entry.file, f"claim {entry['id']!r} ({name})", entry.content)
    if not re.fullmatch(r"[\w.+-]+", entry.text("id")):
        raise entry.error("an id names files: give letters, digits and _.+-")
    kind = KINDS[name]
    entry.check_keys((*_CLAIM, *_FREE, *kind.KEYS), kind.NEEDED)
    return Claim(
        id=entry.text("id"),
        row=entry.text("row"),
        statement=entry.text("statement"),
        test=kind.read(name, entry, arms, varied),
        expected=entry.one_of("expected verdict", entry["expected"], kind.VERDICTS),
        role=entry.one_of("role", entry.get("role", SUPPORT), ROLES),
        line=entry.content[LINE],
        published=entry.text("published"),
        note=entry.text("note"),
    )
