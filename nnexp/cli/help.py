"""The text of ``--help``: groups and their choices, other keys, and examples."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from nnexp.config.folders import experiment_files, shipped

# Keys of a configuration file that are not parameters.
_NOT_PARAMETERS = ("_target_", "defaults", "name")
COMMANDS = (
    ("runs", "list, show, compare, verify, export and prune finished runs; the cache"),
    ("reproduce", "run the studies in experiments/ and judge their claims"),
    ("verify", "train runs of a study again and compare them with its tables"),
    ("report", "write tables, plots and pages again, without training"),
    ("benchmarks", "measure the speed of training and of sweeps"),
)
GROUPS = (
    *("data", "init", "bias_init", "activation", "loss", "optimizer", "sampling"),
    *("schedule", "pruning"),
)
RECIPES = (
    (
        "initialisations compared, eight seeds each",
        "-m init=xavier,he,randn,zero 'seed=range(8)' epochs=2",
    ),
    ("activations by depth", "-m activation=sigmoid,tanh,relu hidden=50,50x50,50x50x50 lr=0.1"),
    (
        "activations compared, each at its best learning rate",
        "-m activation=sigmoid,tanh,relu lr=0.03,0.1,0.3,1 tune=lr 'seed=range(8)' epochs=1",
    ),
    ("mean squared error against cross-entropy", "-m loss=mse,cross_entropy lr=0.1,0.5,2"),
    (
        "three pairs of settings, not a grid of nine",
        "-m init=lecun,xavier,he activation=sigmoid,tanh,relu 'pair=[init,activation]'",
    ),
    (
        "batch sizes at equal updates",
        "-m batch_size=10,100,1000 steps=2000 evaluate_every='100 steps'",
    ),
    (
        "exclusive or, with and without a hidden layer",
        "-m data=xor hidden=none,4 activation=tanh lr=1 steps=2000 evaluate_every='200 steps'",
    ),
    ("your own initialiser, from a file", "-m init=xavier,mine.py:my_init"),
)


def text() -> str:
    """Return the help, based on the files in ``conf/``."""
    lines = [
        "nnexp: how does a training choice affect a neural network?",
        "",
        "  python -m nnexp key=value …        one run",
        "  python -m nnexp -m key=a,b,c …     a sweep over every combination",
        "",
        "Finished runs are stored in results/runs and reused. Tables, plots and a page",
        "(index.html) are written to a new folder in results/sweeps, or to out=FOLDER.",
        "",
        "OTHER COMMANDS (each has --help)",
        "",
        *(f"  python -m nnexp.{name:<11} {meaning}" for name, meaning in COMMANDS),
        "",
        "CHOICES (group=choice; a parameter: group.parameter=value)",
    ]
    # MNIST has only the parameters that all data sets have.
    every = shipped("conf") / "data" / "mnist.yaml"
    for group in GROUPS:
        common = _parameters(every) if group == "data" else {}
        lines += ["", f"  {group}", *_choices(shipped("conf") / group, common)]
        if group == "data":
            lines += ["", "    all data sets:", *(f"      data.{line}" for line in _keys(every))]
    for group in ("launcher", "sweeper"):
        lines += ["", f"  hydra/{group}", *_choices(shipped("conf") / "hydra" / group)]
    lines += [
        "",
        "OTHER KEYS (key=default)",
        "",
        *(f"  {line}" for line in _keys(shipped("conf") / "run.yaml")),
    ]
    names = [name.rpartition("/") for name in experiment_files()]
    if names:
        lines += ["", "EXPERIMENTS (+experiments=NAME)", ""]
    for folder, own in itertools.groupby(sorted(names), lambda name: name[0]):
        text = f"{folder and f'{folder}/: '}{' '.join(name[2] for name in own)}"
        lines += textwrap.wrap(text, 78, initial_indent="  ", subsequent_indent="    ")
    lines += ["", "RECIPES", ""]
    for meaning, recipe in RECIPES:
        lines += [f"  {meaning}:", f"    python -m nnexp {recipe}"]
    return "\n".join(
        [*lines, "", "Hydra's own options: --hydra-help; the composed settings: --cfg job"]
    )


def _choices(folder: Path, common: Mapping[str, Any] | None = None) -> list[str]:
    """Return the lines of a group: each choice, its meaning, its parameters except ``common``."""
    lines = []
    for file in sorted(folder.glob("*.yaml")):
        lines.append(f"    {file.stem:<22} {_meaning(file)}")
        parameters = [p for p in _parameters(file).items() if p not in (common or {}).items()]
        if parameters:
            shown = ", ".join(f"{key}={_text(value)}" for key, value in parameters)
            lines.append(f"    {'':<22} [{shown}]")
    return lines


def _meaning(file: Path) -> str:
    """Return the first comment of a file, except Hydra's ``# @package``."""
    lines = file.read_text("utf-8").splitlines()
    return next(line[2:] for line in lines if line.startswith("# ") and line[2] != "@")


def _parameters(file: Path) -> dict[str, Any]:
    """Return the scalar parameters of a choice and their defaults."""
    content = yaml.safe_load(file.read_text("utf-8"))
    flat: dict[str, Any] = {**content.get("data", {}), **content}
    return {k: v for k, v in flat.items() if k not in _NOT_PARAMETERS and not isinstance(v, dict)}


def _text(value: object) -> str:
    """Return a value as it is written on the command line."""
    return "null" if value is None else str(value).replace(" ", "")


def _keys(file: Path) -> list[str]:
    """Return a line ``key=default`` with its comment for each key of a file."""
    text = file.read_text("utf-8")
    root = yaml.compose(text)
    assert isinstance(root, yaml.MappingNode)
    lines = text.splitlines()
    first = min(key.start_mark.line for key, _ in root.value if key.value not in _NOT_PARAMETERS)
    while lines[first - 1].startswith("#"):
        first -= 1
    return [
        line if line.startswith("#") else line.replace(": ", "=", 1)
        for line in lines[first:]
        if line
    ]
