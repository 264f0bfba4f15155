"""The text of ``--help``: every group with its choices, the other keys, and recipes to copy."""

from __future__ import annotations

from pathlib import Path

from nnexp.config.hydra_source import experiment_folders, shipped

GROUPS = ("data", "init", "bias_init", "activation", "loss", "optimizer", "sampling")
RECIPES = (
    (
        "initialisations compared, five seeds each",
        "-m init=xavier,he,randn,zero 'seed=range(5)' epochs=2",
    ),
    ("activations by depth", "-m activation=sigmoid,tanh,relu hidden=50,50x50,50x50x50 lr=0.1"),
    ("mean squared error against cross-entropy", "-m loss=mse,cross_entropy lr=0.1,0.5,2"),
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
    """Return the help, read from ``conf/`` itself."""
    lines = [
        "nnexp: what does this training choice do to a neural network?",
        "",
        "  python -m nnexp key=value …        one run",
        "  python -m nnexp -m key=a,b,c …     a sweep over every combination",
        "",
        "Finished runs are kept in the store and reused; tables, plots and a page (index.html)",
        "appear in a folder of results/sweeps/, or in hydra.run.dir=… (hydra.sweep.dir=… with -m).",
        "",
        "CHOICES (group=choice; a parameter: group.parameter=value)",
    ]
    for group in GROUPS:
        common = _common() if group == "data" else {}
        lines += ["", f"  {group}", *_choices(shipped("conf") / group, common)]
        if group == "data":
            lines += _data_keys()
    for group in ("launcher", "sweeper"):
        lines += ["", f"  hydra/{group}", *_choices(shipped("conf") / "hydra" / group)]
    lines += ["", "OTHER KEYS (key=default)", "", *_keys(shipped("conf") / "run.yaml")]
    names = sorted({p.stem for folder in experiment_folders() for p in folder.glob("*.yaml")})
    if names:
        lines += ["", "EXPERIMENTS (+experiments=NAME)", "", f"  {' '.join(names)}"]
    lines += ["", "RECIPES", ""]
    for meaning, recipe in RECIPES:
        lines += [f"  {meaning}:", f"    python -m nnexp {recipe}"]
    return "\n".join(
        [*lines, "", "Hydra's own options: --hydra-help; the composed settings: --cfg job"]
    )


def _choices(folder: Path, common: dict[str, str] | None = None) -> list[str]:
    """Return the lines of a group: each choice, what it means, its parameters but ``common``."""
    lines = []
    for path in sorted(folder.glob("*.yaml")):
        comments, parameters = _read(path)
        lines.append(f"    {path.stem:<22} {comments[0]}")
        own = [f"{k}={v}" for k, v in parameters.items() if (common or {}).get(k) != v]
        if own:
            lines.append(f"    {'':<22} [{', '.join(own)}]")
    return lines


def _read(path: Path) -> tuple[list[str], dict[str, str]]:
    """Return a file's leading comments and its parameters with their defaults."""
    lines = path.read_text("utf-8").splitlines()
    comments = [line[1:].strip() for line in lines if line.startswith("# ")]
    pairs = [line.partition("#")[0].partition(":") for line in lines if not line.startswith("#")]
    parameters = {key.strip(): value.strip() for key, _, value in pairs if value.strip()}
    for key in ("name", "_target_"):
        parameters.pop(key, None)
    return [c for c in comments if not c.startswith("@")], parameters


def _common() -> dict[str, str]:
    """Return the parameters that every data set has: those of MNIST, which has no others."""
    return _read(shipped("conf") / "data" / "mnist.yaml")[1]


def _data_keys() -> list[str]:
    body = (shipped("conf") / "data" / "mnist.yaml").read_text("utf-8").splitlines()[2:]
    return ["", "    every set:", *(f"      data.{line.replace(': ', '=', 1)}" for line in body)]


def _keys(path: Path) -> list[str]:
    """Return the scalar keys of the main configuration with their comments."""
    body = path.read_text("utf-8").partition("\n# The network")[2]
    lines = [line for line in body.splitlines()[1:] if line]
    return [
        f"  {line}" if line.startswith("#") else f"  {line.replace(': ', '=', 1)}" for line in lines
    ]
