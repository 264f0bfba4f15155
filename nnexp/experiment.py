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
# In a mapping that was read with its lines: where it begins, and where each of its keys stands.
LINE, LINES = "__line__", "__lines__"
_KEYS = (*SETTINGS, *PLACES, *STUDY, "defaults", "hydra")


class _Loader(yaml.SafeLoader):
    """Reads YAML, every mapping with its lines."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=True)
        lines = {key.value: key.start_mark.line + 1 for key, _ in node.value}
        return {**mapping, LINE: node.start_mark.line + 1, LINES: lines}


# Numbers such as 1e-4, which YAML 1.1 takes for text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+"), list("-+0123456789")
)


def plain(value: Any) -> Any:
    """Return a value of `read_lines` without the lines."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in (LINE, LINES)}
    return [plain(v) for v in value] if isinstance(value, list) else value


def read_lines(file: Path) -> tuple[str, Any]:
    """Return the text of a YAML file and what it says, every mapping with its lines.

    Raises
    ------
    InputError
        If it is no YAML, or no UTF-8.
    """
    try:
        text = file.read_text("utf-8")
        return text, yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{file}, line {line}: no YAML, {error.problem}") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: no UTF-8 text: save it as UTF-8") from None


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


def located(file: Path, sentence: str) -> InputError:
    """Return the error of a composition, with the line of ``file`` that has what it names.

    What a study says of itself has no part in a composition, and is left out. An error that names
    nothing of the file is as it was.
    """
    lines, within = [], ""
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        within = line if line[:1].strip() else within
        if not within.startswith("study:") and not line.lstrip().startswith("#"):
            lines.append((number, line))
    for given, quoted in re.findall(r"[\w.]+=(.+?) is |'(.+?)'", sentence):
        word = re.escape(given or quoted.rpartition("=")[2])
        for number, line in lines:
            if re.search(rf"(?<![\w.]){word}(?![\w.])", line):
                return InputError(f"{file}, line {number}: {sentence}")
    return InputError(sentence)


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


def parameters(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an experiment's ``content`` sweeps: ``hydra.sweeper.params``."""
    params: Any = content
    for key in ("hydra", "sweeper", "params"):
        params = params.get(key) if isinstance(params, Mapping) else None
    return params if isinstance(params, Mapping) else {}


def design(content: Mapping[str, Any], arms: Mapping[str, Iterable[str]]) -> Design:
    """Return the design of an experiment's ``content``, its ``arms`` given as overrides."""
    swept = {}
    for key, value in parameters(content).items():
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
