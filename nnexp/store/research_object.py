"""Folders of results as research objects: ``ro-crate-metadata.json``, for archives such as Zenodo.

The file follows the RO-Crate Metadata Specification 1.1 (https://w3id.org/ro/crate/1.1). It names
the files with their digests, the runs, the code and data that made them, claims with their
verdicts, and the licence.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from nnexp import __version__
from nnexp.store.tables import SUFFIXES

CRATE = "ro-crate-metadata.json"
_SPECIFICATION = "https://w3id.org/ro/crate/1.1"
# The specification's context does not define digests.
_CONTEXT = [f"{_SPECIFICATION}/context", {"sha256": "https://schema.org/sha256"}]
_FORMATS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".md": "text/markdown",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".xz": "application/x-xz",
    ".gz": "application/gzip",
}
_TABLES = (
    *(f"{name}{suffix}" for suffix in SUFFIXES for name in ("runs", "metrics", "layers")),
    "tuning.csv",
)
_LICENCES = "https://spdx.org/licenses/"
_UNSTATED = {
    "@id": "#licence",
    "@type": "CreativeWork",
    "name": "No licence stated",
    "description": "Give license: in a CITATION.cff file in the folder in which nnexp runs.",
}

Entity = dict[str, Any]


@dataclass(frozen=True)
class Review:
    """A claim by its ``id``, in words, its ``verdict``, and a sentence on what it is based on."""

    id: str
    claim: str
    verdict: str
    basis: str


@dataclass(frozen=True)
class Contents:
    """What is in a folder of results.

    ``name`` and ``description`` are a title and a sentence. ``files`` has the files by name, and
    ``folders`` the titles of folders that are research objects too. ``runs`` are rows of
    ``runs.csv``, and ``reviews`` the claims with their verdicts.
    """

    name: str
    description: str
    files: Mapping[str, str | bytes]
    folders: Mapping[str, str] = field(default_factory=dict)
    runs: Iterable[Mapping[Any, Any]] = ()
    reviews: Iterable[Review] = ()


def research_object(contents: Contents) -> str:
    """Return the content of ``ro-crate-metadata.json`` for a folder.

    The licence is that of ``CITATION.cff`` in the working directory. The date of publication is
    that on which the last run began, or today's if it is not recorded.
    """
    runs = list(contents.runs)
    licence = _licence(Path.cwd() / "CITATION.cff")
    parts = [*(_file(*each) for each in contents.files.items() if each[0] != CRATE)]
    parts += [
        {"@id": f"{quote(name)}/", "@type": "Dataset", "name": title}
        for name, title in contents.folders.items()
    ]
    actions, made = _actions(runs, set(contents.files))
    reviews, claims = _reviews(contents.reviews)
    root: Entity = {
        "@id": "./",
        "@type": "Dataset",
        "name": contents.name,
        "description": contents.description,
        "datePublished": _published(runs),
        "license": _to(licence),
        "hasPart": list(map(_to, parts)),
        "mentions": list(map(_to, [*actions, *reviews])),
    }
    descriptor: Entity = {
        "@id": CRATE,
        "@type": "CreativeWork",
        "conformsTo": {"@id": _SPECIFICATION},
        "about": _to(root),
    }
    entities = [descriptor, root, licence, *parts, *actions, *made, *reviews, *claims]
    unique = {entity["@id"]: entity for entity in entities}
    # An entity a line.
    graph = ",\n".join(json.dumps(entity, ensure_ascii=False) for entity in unique.values())
    return f'{{"@context": {json.dumps(_CONTEXT)}, "@graph": [\n{graph}\n]}}\n'


def _to(entity: Entity) -> Entity:
    return {"@id": entity["@id"]}


def _named(*words: str) -> str:
    """Return the id of an entity that is not a file."""
    return f"#{quote(' '.join(filter(None, words)), safe='')}"


def _file(name: str, content: str | bytes) -> Entity:
    data = content.encode() if isinstance(content, str) else content
    return {
        "@id": quote(name),
        "@type": "File",
        "name": name,
        "encodingFormat": _FORMATS.get(Path(name).suffix, "application/octet-stream"),
        "contentSize": str(len(data)),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _licence(citation: Path) -> Entity:
    """Return the licence that a citation file states."""
    try:
        stated = yaml.safe_load(citation.read_text("utf-8"))["license"]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return _UNSTATED
    return _spdx(str(stated))


def _spdx(name: str) -> Entity:
    """Return a licence by its identifier, such as ``MIT``."""
    return {"@id": f"{_LICENCES}{quote(name)}", "@type": "CreativeWork", "name": name}


def _published(runs: Iterable[Mapping[Any, Any]]) -> str:
    started = [moment for row in runs if (moment := _known(row.get("started")))]
    return max(started)[:10] if started else datetime.now(timezone.utc).date().isoformat()


def _known(value: Any) -> str:
    """Return a cell as text, empty if it is missing."""
    return "" if value is None or value != value else str(value)


def _actions(
    runs: Iterable[Mapping[Any, Any]], files: set[str]
) -> tuple[list[Entity], list[Entity]]:
    """Return the training of the runs, an action for each code and data, and these."""
    groups: dict[tuple[str, str, str], list[Mapping[Any, Any]]] = {}
    for row in runs:
        version = _known(row.get("code")) or __version__
        group = (version, str(row["data"]), _known(row.get("data_sha256")))
        groups.setdefault(group, []).append(row)
    own_licence = _spdx("MIT")
    actions: list[Entity] = []
    made: dict[str, Entity] = {}
    for number, ((version, data, digest), own) in enumerate(groups.items(), 1):
        code: Entity = {
            "@id": _named("nnexp", version),
            "@type": "SoftwareApplication",
            "name": "nnexp",
            "softwareVersion": version,
            "license": _to(own_licence),
        }
        source: Entity = {
            "@id": _named("data", data, digest),
            "@type": "CreativeWork",
            "name": data,
        }
        source |= {"sha256": digest} if digest else {}
        made |= {one["@id"]: one for one in (code, source, own_licence)}
        started = [moment for row in own if (moment := _known(row.get("started")))]
        actions.append(
            {
                "@id": f"#training-{number}",
                "@type": "CreateAction",
                "name": f"Training of {len(own)} run{'s' * (len(own) > 1)} on {data}",
                # A run's ID ends in its digest, which tells it from all others.
                "identifier": [str(row["run_id"]).rpartition("-")[2] for row in own],
                **({"startTime": min(started)} if started else {}),
                "instrument": _to(code),
                "object": _to(source),
                "result": [{"@id": quote(name)} for name in _TABLES if name in files],
            }
        )
    return actions, [*made.values()]


def _reviews(reviews: Iterable[Review]) -> tuple[list[Entity], list[Entity]]:
    """Return the reviews, and the claims and verdicts that they are about."""
    found: list[Entity] = []
    about: dict[str, Entity] = {}
    for one in reviews:
        claim = {"@id": _named("claim", one.id), "@type": "Claim", "name": one.claim}
        verdict = {"@id": _named("verdict", one.verdict), "@type": "Rating", "name": one.verdict}
        about |= {claim["@id"]: claim, verdict["@id"]: verdict}
        found.append(
            {
                "@id": _named("review", one.id),
                "@type": "ClaimReview",
                "claimReviewed": one.claim,
                "description": one.basis,
                "itemReviewed": _to(claim),
                "reviewRating": _to(verdict),
            }
        )
    return found, [*about.values()]
