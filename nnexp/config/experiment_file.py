"""Experiment files: reading, checking, and the settings that vary."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nnexp.config.pairs import Groups, read_pairs
from nnexp.config.registry import CUSTOM, GROUPS
from nnexp.config.run_config import RunConfig
from nnexp.config.user_functions import is_installed
from nnexp.errors import InputError, suggestion
from nnexp.validation import MOST_DIGITS, TOO_LONG

# Keys of storage, execution and design, which have one value for the whole sweep.
PLACES = (
    *("store", "out", "force", "save_weights", "snapshots", "on_error", "pair", "arms", "tune"),
    "lang",
)
# Folders, which an experiment's file must not set.
_FOLDERS = {"store": "where finished runs are stored", "out": "where results are written"}
# Keys that select runs of an experiment.
STUDY = ("arm", "study")
SETTINGS = tuple(RunConfig.__dataclass_fields__)
# Keys that `read_lines` adds to a mapping: its first line, and the line of each key.
LINE, LINES = "__line__", "__lines__"
_KEYS = (*SETTINGS, *(key for key in PLACES if key not in _FOLDERS), *STUDY, "defaults", "hydra")
# Settings of Hydra that an experiment may set.
_HYDRA = ("hydra.sweeper.params", "hydra.launcher.workers", "hydra.launcher.wait")
_BASE = r"(/experiments/)?[\w-]+(/[\w-]+)*"
_DEFAULT = re.compile(rf"(?:override\s+)?/?({'|'.join(GROUPS)})")
# An interpolation of a setting, without a resolver.
_SETTING = re.compile(r"\$\{\.*(?!hydra\b)\w+(\.\w+)*\}")
# Reserved words: no arm, and all arms.
NO_NAMES = ("null", "all")
_TEXT = "tag:yaml.org,2002:str"
# Keys with a special meaning in Hydra, and YAML's merge key.
_SPECIAL, _SPECIAL_OR_MERGE = re.compile(r"_\w+_"), re.compile(r"_\w+_|<<")
# Limits on a file's size, its number of values (aliases expanded), and their nesting.
_MOST_BYTES, _MOST_NODES, _DEEPEST = 1_000_000, 100_000, 30
_NESTED = f"{{}} is nested more than {_DEEPEST} deep: make it flat"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads YAML and adds line numbers to every mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=True)
        lines = {key.value: key.start_mark.line + 1 for key, _ in node.value}
        return {**mapping, LINE: node.start_mark.line + 1, LINES: lines}


# Numbers such as 1e-4, which YAML 1.1 reads as text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+"), list("-+0123456789")
)


def plain(value: Any) -> Any:
    """Return a value of `read_lines` without line numbers."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in (LINE, LINES)}
    return [plain(v) for v in value] if isinstance(value, list) else value


def read_lines(file: Path) -> Any:
    """Return the content of an experiment's file, with line numbers in every mapping.

    Raises
    ------
    InputError
        If it is not YAML, or `checked` refuses it.
    """
    return yaml.load(checked(file), _Loader)


def checked(file: Path) -> str:
    """Return the text of an experiment's file, after checking that it holds only settings.

    The file may come from anywhere. So it must not make Hydra create objects, read the environment,
    choose where to write, or expand without limit.

    Raises
    ------
    InputError
        If it does. The message names the file, the line and the remedy.
    """
    size = file.stat().st_size
    if size > _MOST_BYTES:
        raise InputError(f"{file} has {size:,} bytes: the limit is {_MOST_BYTES:,}")
    try:
        text = file.read_text("utf-8")
        root = yaml.compose(text, _Loader)
    except UnicodeDecodeError:
        raise InputError(f"{file}: not UTF-8 text: save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        if "nesting depth" in str(error.problem):
            raise InputError(_NESTED.format(file)) from None
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{file}, line {line}: not valid YAML, {error.problem}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{file}: not valid YAML, {' '.join(str(error).split())}") from None
    except RecursionError:
        raise InputError(_NESTED.format(file)) from None
    if root is None:
        return text
    if not isinstance(root, yaml.MappingNode):
        what = repr(root.value) if isinstance(root, yaml.ScalarNode) else "a list"
        raise InputError(f"{file} contains {what}: write settings, as in lr: 0.1")
    _Check(file).top(root)
    return text


class _Check:
    """Checks the nodes of one file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.seen = 0

    def error(self, node: yaml.Node, message: str) -> InputError:
        return InputError(f"{self.file}, line {node.start_mark.line + 1}: {message}")

    def top(self, root: yaml.MappingNode) -> None:
        for key, node in root.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.error(key, f"unknown key: keys are {', '.join(_KEYS)}")
            interpolated = key.value not in ("arms", "defaults", "hydra")
            special = _SPECIAL if key.value == "study" else _SPECIAL_OR_MERGE
            self.plain(node, interpolated, special)
            if key.value in _FOLDERS:
                raise self.error(
                    key,
                    f"an experiment cannot choose {_FOLDERS[key.value]}: give {key.value}=FOLDER "
                    f"on the command line",
                )
            if key.value not in _KEYS:
                hint = suggestion(key.value, _KEYS) or f": keys are {', '.join(_KEYS)}"
                raise self.error(key, f"unknown key {key.value!r}{hint}")
            if key.value == "defaults":
                self.defaults(node)
            elif key.value == "hydra":
                self.hydra(node)
            elif key.value == "arms":
                for name, arm in _pairs(node):
                    if name.tag != _TEXT or name.value.lower() in NO_NAMES:
                        raise self.error(
                            name, f"an arm cannot be called {name.value!r}: give another name"
                        )
                    for given in arm.value if isinstance(arm, yaml.SequenceNode) else ():
                        setting, _, value = str(given.value).partition("=")
                        self.function(given, setting, value)
            elif key.value in CUSTOM:
                inner = [value for k, value in _pairs(node) if k.value == "name"]
                for named in inner or [node]:
                    if isinstance(named, yaml.ScalarNode):
                        self.function(named, key.value, named.value)

    def plain(
        self, node: yaml.Node, interpolated: bool, special: re.Pattern[str], depth: int = 0
    ) -> None:
        """Refuse keys that are ``special`` to Hydra, and interpolations of more than a setting."""
        self.seen += 1
        if self.seen > _MOST_NODES:
            raise self.error(node, f"more than {_MOST_NODES:,} values: write fewer aliases")
        if depth > _DEEPEST:
            raise self.error(node, f"nested more than {_DEEPEST} deep: make it flat")
        if isinstance(node, yaml.ScalarNode):
            if re.search(TOO_LONG, node.value):
                raise self.error(node, f"a number of more than {MOST_DIGITS} digits: shorten it")
            for match in re.finditer(r"\$\\*{", node.value):
                if not interpolated or not _SETTING.match(node.value, match.start()):
                    allowed = "a setting, as in ${lr}" if interpolated else "plain values"
                    raise self.error(
                        node, f"{node.value!r}: an experiment may contain only {allowed}"
                    )
            return
        for child in node.value:
            if isinstance(child, tuple):
                key, child = child
                if not isinstance(key, yaml.ScalarNode) or special.fullmatch(key.value):
                    name = key.value if isinstance(key, yaml.ScalarNode) else "?"
                    raise self.error(key, f"{name!r} is not a key of an experiment: leave it out")
            self.plain(child, interpolated, special, depth + 1)

    def defaults(self, node: yaml.Node) -> None:
        entries = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for entry in entries:
            if isinstance(entry, yaml.ScalarNode) and re.fullmatch(_BASE, entry.value):
                continue
            pairs = _pairs(entry)
            match = _DEFAULT.fullmatch(pairs[0][0].value) if len(pairs) == 1 else None
            choice = pairs[0][1] if pairs else entry
            if match is None or not isinstance(choice, yaml.ScalarNode) or "://" in choice.value:
                raise self.error(
                    entry,
                    f"defaults of an experiment choose one of {', '.join(GROUPS)}, as in "
                    f"'- override /init: he': give anything else on the command line",
                )
            self.function(choice, match[1], choice.value)

    def hydra(self, node: yaml.Node) -> None:
        mappings = ("hydra", "hydra.sweeper", "hydra.launcher", _HYDRA[0])
        for path, key, value in [("hydra", node, node), *_paths(node, "hydra", 2)]:
            if path in mappings and not isinstance(value, yaml.MappingNode):
                raise self.error(key, f"{path} is not a mapping: write it as in {{lr: '0.1,1'}}")
            if path in (*mappings, *_HYDRA):
                continue
            if path == "hydra.launcher.scheduler":
                raise self.error(
                    key, f"{path} decides where code runs: give it on the command line"
                )
            hint = suggestion(path, _HYDRA)
            raise self.error(
                key,
                f"{path} cannot be set in an experiment{hint or ':'} only {', '.join(_HYDRA)} can",
            )
        known = (*SETTINGS, "arm")
        params = (value for path, _, value in _paths(node, "hydra", 2) if path == _HYDRA[0])
        for key, value in itertools.chain.from_iterable(map(_pairs, params)):
            if key.value.split(".")[0] not in known:
                hint = suggestion(key.value, known) or f": keys are {', '.join(known)}"
                raise self.error(key, f"{_HYDRA[0]} has an unknown key {key.value!r}{hint}")
            self.function(value, key.value, str(value.value))

    def function(self, node: yaml.Node, setting: str, value: str) -> None:
        """Refuse a function of an installed module."""
        group = setting.strip().lstrip("+").partition("@")[0].removesuffix(".name")
        if group not in CUSTOM:
            return
        if "$" in value:
            raise self.error(node, f"{group}={value}: an experiment may contain only plain values")
        for name in re.findall(r"(?<![\w./\\~-])[^\W\d]\w*(?:\.\w+)+(?![\w.]*:)", value):
            if is_installed(name):
                raise self.error(
                    node,
                    f"{group}={name} is from an installed module: give it on the command line, "
                    f"or name a function in a file of your own",
                )


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    """Return the keys and values of a mapping; an empty list for any other node."""
    return node.value if isinstance(node, yaml.MappingNode) else []


def _paths(node: yaml.Node, path: str, depth: int) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """Yield the dotted path, key node and value node of each key of nested mappings."""
    for key, value in _pairs(node):
        yield f"{path}.{key.value}", key, value
        if depth > 1:
            yield from _paths(value, f"{path}.{key.value}", depth - 1)


def located(file: Path, sentence: str) -> InputError:
    """Return an error of composition, with the line of ``file`` that it is about if there is one.

    That is the first line that contains a value quoted in ``sentence``. The section ``study`` is
    not searched, as it takes no part in composition.
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
    """The settings that vary in an experiment, other than ``arm`` and ``seed``.

    ``swept`` maps each swept setting to its values as text (empty for ranges and nested choices).
    ``by_arms`` holds the settings that any arm sets, ``pairs`` those that change together.
    """

    swept: Mapping[str, tuple[str, ...]]
    by_arms: frozenset[str]
    pairs: Groups = ()

    def flaw(self, where: Mapping[str, Any], free: Collection[str]) -> str:
        """Return why ``where`` does not select one run per arm and seed.

        The ``free`` settings may vary. The result is empty if nothing in the file speaks against
        it.
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
        settled = {*where, *free}
        settled |= {key for group in self.pairs if settled & {*group} for key in group}
        for key in self.swept:
            if key not in settled:
                return f"{key} is swept: give its value in 'where', or use 'tuned'"
        return ""

    def varies(self, key: str) -> bool:
        """Return whether a setting, or the choice that it belongs to, varies."""
        return key.split(".")[0] in {name.split(".")[0] for name in (*self.swept, *self.by_arms)}


def parameters(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the swept settings of an experiment, ``hydra.sweeper.params``."""
    params: Any = content
    for key in ("hydra", "sweeper", "params"):
        params = params.get(key) if isinstance(params, Mapping) else None
    return params if isinstance(params, Mapping) else {}


def design(content: Mapping[str, Any], arms: Mapping[str, Iterable[str]]) -> Design:
    """Return the design of an experiment, given its ``arms`` as overrides."""
    swept = {}
    for key, value in parameters(content).items():
        text = str(value)
        single = re.sub(r"\[[^]]*\]", "", text)
        if key not in ("arm", "seed") and re.search(r"[,(*]", single):
            listed = re.search(r"[][(*]", text) is None
            swept[str(key)] = tuple(part.strip() for part in text.split(",")) if listed else ()
    by_arms = {given.lstrip("+~").split("=")[0] for own in arms.values() for given in own}
    return Design(swept, frozenset(by_arms), read_pairs(plain(content.get("pair"))))


def _same(value: object, text: str) -> bool:
    try:
        return float(str(value)) == float(text)
    except ValueError:
        return str(value) == text
