"""Folders of results as research objects, checked against the RO-Crate specification 1.1."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pytest

from nnexp.cli import report
from nnexp.store.research_object import Contents, research_object
from tests.cli.conftest import Judged
from tests.conftest import Command

Entities = dict[str, dict[str, Any]]


def entities(text: str) -> Entities:
    """Return the entities by id, after checking what the specification demands of every crate."""
    crate = json.loads(text)
    assert crate["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    ids = Counter(entity["@id"] for entity in crate["@graph"])
    assert ids.most_common(1)[0][1] == 1
    found = {entity["@id"]: entity for entity in crate["@graph"]}
    descriptor = found["ro-crate-metadata.json"]
    assert descriptor["@type"] == "CreativeWork"
    assert descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    root = found["./"]
    assert root["@type"] == "Dataset"
    assert all(root[key] for key in ("name", "description", "license"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", root["datePublished"])
    parts = {part["@id"] for part in root["hasPart"]}
    of_data = {name for name, e in found.items() if e["@type"] in ("File", "Dataset")} - {"./"}
    assert parts == of_data
    for entity in found.values():
        assert not re.search(r"[\s<>\"{}|\\^`]", entity["@id"])
        for value in entity.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict):  # flattened: every entity is only referred to
                    assert one.keys() == {"@id"}
                    target = one["@id"]
                    assert target in found or target.startswith("https://w3id.org/ro/crate/")
    return found


def in_folder(folder: Path) -> Entities:
    """Return the entities of a folder's crate, of which every visible file is one."""
    found = entities((folder / "ro-crate-metadata.json").read_text("utf-8"))
    files = {unquote(name): e for name, e in found.items() if e["@type"] == "File"}
    there = {p.name for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")}
    assert files.keys() == there - {"ro-crate-metadata.json"}
    for name, entity in files.items():
        content = (folder / name).read_bytes()
        assert entity["contentSize"] == str(len(content))
        assert entity["sha256"] == hashlib.sha256(content).hexdigest()
    return found


def of_type(found: Entities, kind: str) -> list[dict[str, Any]]:
    return [entity for entity in found.values() if entity["@type"] == kind]


@pytest.mark.slow
def test_a_sweep_names_its_runs_code_and_data(nnexp: Command, one_figure: None) -> None:
    words = ("data=xor", "init=xavier,zero", "hidden=2", "steps=2", "evaluate_every=1 steps")
    Path("CITATION.cff").write_text("license: CC-BY-4.0\n")
    done = nnexp("-m", *words, "out=sweep", "hydra.launcher.workers=1")
    assert done.status == 0, done.err
    found, runs = in_folder(Path("sweep")), pd.read_csv("sweep/runs.csv")
    (training,) = of_type(found, "CreateAction")
    assert sorted(training["identifier"]) == sorted(runs["run_id"].str.rpartition("-")[2])
    assert training["startTime"] == runs["started"].min()
    assert found["./"]["datePublished"] == runs["started"].max()[:10]
    assert found[training["object"]["@id"]]["sha256"] == runs["data_sha256"][0]
    assert found[training["instrument"]["@id"]]["softwareVersion"] == runs["code"][0]
    assert {one["@id"] for one in training["result"]} == {"runs.csv", "metrics.csv", "layers.csv"}
    assert found["./"]["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    assert found["./"]["name"] == "Comparing init: xavier, zero"


def test_a_study_and_its_report_name_claims_and_verdicts(judged: Judged) -> None:
    found = in_folder(judged.folder / "results" / "tiny")
    reviews = {one["claimReviewed"]: one for one in of_type(found, "ClaimReview")}
    assert len(reviews) == 2
    review = reviews["Random weights end above weights of zero."]
    assert found[review["reviewRating"]["@id"]]["name"] == "contradicted"
    assert found[review["itemReviewed"]["@id"]]["@type"] == "Claim"
    assert review["description"].endswith("(exploratory)")
    (training,) = of_type(found, "CreateAction")
    assert len(training["identifier"]) == 12
    assert found["./"]["description"].endswith("The study is not locked, so its verdicts are "
                                               "exploratory.")  # fmt: skip
    whole = in_folder(judged.folder / "results")
    assert whole["tiny/"]["@type"] == "Dataset"
    verdicts = {whole[one["reviewRating"]["@id"]]["name"] for one in of_type(whole, "ClaimReview")}
    assert verdicts == {"does not hold", "holds"}
    assert whole["./"]["license"] == {"@id": "#licence"}


@pytest.mark.slow
def test_it_is_the_same_when_it_is_drawn_again(
    judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(judged.folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    before = Path("results/tiny/ro-crate-metadata.json").read_text("utf-8")
    assert report.main([]) == 0
    assert Path("results/tiny/ro-crate-metadata.json").read_text("utf-8") == before


@pytest.mark.parametrize("citation", ["", "- a list", "title: none stated", "license: [", None])
def test_without_a_stated_licence_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, citation: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    if citation is not None:
        Path("CITATION.cff").write_text(citation)
    found = entities(research_object(Contents("A name", "A description.", {"odd name.csv": "a"})))
    assert found[found["./"]["license"]["@id"]]["name"] == "No licence stated"
    assert found["odd%20name.csv"]["name"] == "odd name.csv"


def test_runs_of_an_older_nnexp_have_what_is_known_of_them() -> None:
    rows = [{"run_id": "a-1", "data": "mnist"}, {"run_id": "b-2", "data": "xor", "started": None}]
    found = entities(research_object(Contents("n", "d", {"runs.csv": ""}, runs=rows)))
    trained = {one["name"]: one for one in of_type(found, "CreateAction")}
    assert trained.keys() == {"Training of 1 run on mnist", "Training of 1 run on xor"}
    assert all("startTime" not in one for one in trained.values())
