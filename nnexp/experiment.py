"""An experiment: a file of settings, the keys that it may have, and what varies in it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nnexp.config import RunConfig
from nnexp.errors import InputError, suggestion

# Keys that say where and how, and so are the same for a whole sweep.
PLACES = ("store", "force", "save_weights", "on_error", "arms")
# Keys that say which runs of an experiment.
STUDY = ("arm", "study")
SETTINGS = tuple(RunConfig.__dataclass_fields__)
_KEYS = (*SETTINGS, *PLACES, *STUDY, "defaults", "hydra")


def check_keys(file: Path, text: str, keys: Iterable[object]) -> None:
    """Refuse an experiment of which one of the top ``keys`` is unknown.

    Raises
    ------
    InputError
        With the file, the line of its ``text`` and the remedy.
    """
    for key in keys:
        if key not in _KEYS:
            root = yaml.compose(text)
            nodes = root.value if isinstance(root, yaml.MappingNode) else []
            line = 1 + next((n.start_mark.line for n, _ in nodes if n.value == str(key)), 0)
            hint = suggestion(str(key), _KEYS) or f": keys are {', '.join(_KEYS)}"
            raise InputError(f"{file}, line {line}: unknown key {str(key)!r}{hint}")


@dataclass(frozen=True)
class Design:
    """What varies in an experiment, but for its arms as such and the seed.

    ``swept`` has the values of each setting that is swept, as text (none for a range or a choice
    among choices), ``by_arms`` the settings that an arm sets.
    """

    swept: Mapping[str, tuple[str, ...]]
    by_arms: frozenset[str]

    def flaw(self, where: Mapping[str, Any], free: Collection[str]) -> str:
        """Say why ``where``, with the ``free`` settings, leaves not one run of each arm and seed.

        Empty if it does, as far as the file tells.
        """
        varying = sorted({*self.swept, *self.by_arms})
        for key, value in where.items():
            if not self.varies(key):
                return (
                    f"{key} in 'where' is not swept and no arm sets it{suggestion(key, varying)}: "
                    f"leave it out"
                )
            values = self.swept.get(key)
            if values and not any(_same(value, other) for other in values):
                return f"{key}={value} is not swept: choose from {', '.join(values)}"
        for key in self.swept:
            if key not in where and key not in free:
                return f"{key} is swept, so say at which value: add it to 'where', or use 'tuned'"
        return ""

    def varies(self, key: str) -> bool:
        """Tell whether a setting, or the choice that it belongs to, varies."""
        return key.split(".")[0] in {name.split(".")[0] for name in (*self.swept, *self.by_arms)}


def design(content: Mapping[str, Any], arms: Mapping[str, Iterable[str]]) -> Design:
    """Return the design of an experiment's ``content``, its ``arms`` given as overrides."""
    params: Any = content
    for key in ("hydra", "sweeper", "params"):
        params = params.get(key) if isinstance(params, Mapping) else None
    swept = {}
    for key, value in (params if isinstance(params, Mapping) else {}).items():
        text = str(value)
        single = re.sub(r"\[[^]]*\]", "", text)
        if key not in ("arm", "seed") and re.search(r"[,(*]", single):
            plain = re.search(r"[][(*]", text) is None
            swept[str(key)] = tuple(part.strip() for part in text.split(",")) if plain else ()
    by_arms = {given.lstrip("+~").split("=")[0] for own in arms.values() for given in own}
    return Design(swept, frozenset(by_arms))


def _same(value: object, text: str) -> bool:
    try:
        return float(str(value)) == float(text)
    except ValueError:
        return str(value) == text
