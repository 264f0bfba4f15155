"""An experiment's file, which may come from anywhere, holds settings: it runs and reads nothing."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nnexp.cli import reproduce
from nnexp.config.experiment_file import checked
from nnexp.errors import InputError
from tests.conftest import Command

RUN = "data: {n: 40}\ndefaults:\n  - override /data: blobs\nbatch_size: 20\nsteps: 1\n"
CALLBACK = """hydra:
  callbacks:
    write:
      _target_: nnexp.store.record.write_whole
      _partial_: true
"""
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{this}: &{this} [{','.join(['*' + before] * 9)}]\n"
    for before, this in zip("abcdefgh", "bcdefghi", strict=True)
)
SWEEP = "hydra: {{sweeper: {{params: {{{}}}}}}}"

# What a file says beside the settings of a run, the line that is named, and what is said of it.
REFUSED = [
    (CALLBACK, 9, "'_target_' is not a key of an experiment"),
    ("hydra: {callbacks: {a: {x: 1}}}", 6, "hydra.callbacks cannot be set in an experiment: only"),
    (
        "hydra: {job_logging: {root: {level: DEBUG}}}",
        6,
        "hydra.job_logging cannot be set",
    ),
    ("hydra: {launcher: {_target_: os.getcwd}}", 6, "'_target_' is not a key"),
    ("hydra: {launcher: {nosuch: 1}}", 6, "hydra.launcher.nosuch cannot be set in an experiment"),
    ("hydra: {launcher: {scheduler: 'tcp://h:1'}}", 6, "give it on the command line"),
    (
        "hydra: {sweeper: {params: {lr: '1,2'}, x: 1}}",
        6,
        "hydra.sweeper.x cannot be set",
    ),
    ("hydra: {sweep: {dir: x}}", 6, "hydra.sweep cannot be set in an experiment"),
    ("hydra: {run: {dir: x}}", 6, "hydra.run cannot be set in an experiment"),
    ("hydra: {searchpath: ['file://x']}", 6, "hydra.searchpath cannot be set in an experiment"),
    ("hydra: {job: {env_set: {PATH: x}}}", 6, "hydra.job cannot be set in an experiment"),
    ("hydra: 5", 6, "hydra is not a mapping"),
    (SWEEP.format("hydra.callbacks: 1"), 6, "has an unknown key 'hydra.callbacks'"),
    (SWEEP.format("store: 'a,b'"), 6, "has an unknown key 'store'"),
    (SWEEP.format("lr: '${oc.env:HOME}'"), 6, "an experiment may contain only plain values"),
    ("store: elsewhere", 6, "give store=FOLDER"),
    ("quirk: ${oc.env:HOME}", 6, "'${oc.env:HOME}': an experiment may contain only a setting"),
    ("quirk: 'x ${oc.env:HOME,y}'", 6, "a setting, as in ${lr}"),
    ("quirk: ${oc.decode:'1'}", 6, "a setting, as in ${lr}"),
    ("quirk: '${oc.create:{a:1}}'", 6, "a setting, as in ${lr}"),
    ("quirk: ${hydra:runtime.cwd}", 6, "a setting, as in ${lr}"),
    ("quirk: ${hydra.job.name}", 6, "a setting, as in ${lr}"),
    ("quirk: ${now:%Y}", 6, "a setting, as in ${lr}"),
    ("quirk: ${pid:}", 6, "a setting, as in ${lr}"),
    ("quirk: ${${sampling}:HOME}", 6, "a setting, as in ${lr}"),
    ('quirk: "\\x24{oc.env:HOME}"', 6, "a setting, as in ${lr}"),
    ("study: {title: '${oc.env:HOME}'}", 6, "a setting, as in ${lr}"),
    ("evaluate_at: [{a: ['${oc.env:HOME}']}]", 6, "a setting, as in ${lr}"),
    ("arms: {a: ['lr=${oc.env:HOME}']}", 6, "an experiment may contain only plain values"),
    (r"arms: {a: ['quirk=$\{oc.env\:HOME\}']}", 6, "an experiment may contain only plain values"),
    ("arms: {a: ['quirk=${sampling}{oc.env:HOME}']}", 6, "plain values"),
    ("init: {_target_: os.system}", 6, "'_target_' is not a key"),
    ("study: {claims: [{_partial_: 1}]}", 6, "'_partial_' is not a key"),
    ("init: {<<: {name: os.system}}", 6, "'<<' is not a key"),
    ("init: json.dumps", 6, "init=json.dumps is from an installed module"),
    ("init: {name: '${quirk}'}", 6, "plain values"),
    ("arms: {a: ['+activation=numpy.tanh']}", 6, "activation=numpy.tanh is from an installed"),
    (SWEEP.format("loss: 'mse,choice(numpy.sum)'"), 6, "loss=numpy.sum is from an installed"),
    (BOMB, 0, "unknown key 'a'"),
    ("study:\n" + "".join(f"  {line}\n" for line in BOMB.splitlines()), 0, "more than 100,000 val"),
    ("study: &a [*a]", 6, "nested more than 30 deep"),
    ("study: " + "[" * 40 + "]" * 40, 6, "nested more than 30 deep"),
    ("study: " + "[" * 50_000, 0, "nested more than 30 deep"),
    ("study: '" + "x" * 1_000_000 + "'", 0, "the limit is 1,000,000"),
    ("? [lr]\n: 1", 6, "unknown key: keys are"),
    ("lr: 1\nlr: 2", 0, "found duplicate key"),
    (
        "lr: !!python/object/apply:os.getcwd []",
        6,
        "not valid YAML, could not determine a constructor",
    ),
    ("lr: \x07", 0, "not valid YAML"),
]


@pytest.mark.parametrize(
    ("text", "line", "said"), REFUSED, ids=[text[:40] for text, _, _ in REFUSED]
)
def test_what_is_no_setting_is_refused_with_file_and_line(
    quick: Command, text: str, line: int, said: str
) -> None:
    Path("experiments").mkdir()
    Path("experiments/odd.yaml").write_text(RUN + text + "\n")
    outcome = quick("-m", "+experiments=odd")
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1, outcome.err
    assert said in outcome.err
    assert ("odd.yaml, line " if line else "odd.yaml") in outcome.err
    assert not line or f"line {line}: " in outcome.err
    assert [path.name for path in Path.cwd().iterdir()] == ["experiments"]


@pytest.mark.parametrize(
    "entry",
    [
        *("/init@data: he", "/init: pkg://os", "override /hydra/sweeper: basic", "file://x: y"),
        *("override /hydra/launcher: dask", "/hydra/callbacks: x", "override /hydra/env: x"),
        *(
            "optional /init: he",
            "/init: ${sampling}",
            "/init: json.dumps",
            "/nosuch: x",
            "/init: [a]",
        ),
        *("/foo@bar", "file://x", "pkg://nnexp.x", "../config", "${sampling}", "/config"),
    ],
)
def test_defaults_choose_from_groups_alone(quick: Command, entry: str) -> None:
    Path("experiments").mkdir()
    Path("experiments/odd.yaml").write_text(f"lr: 1\ndefaults:\n  - {entry}\n")
    outcome = quick("-m", "+experiments=odd")
    assert outcome.status == 2
    assert "odd.yaml, line 3: " in outcome.err
    assert outcome.err.count("\n") == 1


def test_what_an_experiment_may_say(
    quick: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    Path("experiments").mkdir()
    Path("experiments/mine.yaml").write_text(
        RUN.replace("defaults:\n", "defaults:\n  - _self_\n")
        + "lr: 0.25\nweight_decay: ${lr}\ninit: {name: 'mine.py:init'}\n"
        + "hydra:\n  launcher: {workers: 1}\n  sweeper: {params: {seed: 'range(2)', arm: all}}\n"
        + "arms: {a: [hidden=3], b: [hidden=2, loss=own.loss]}\n"
    )
    Path("mine.py").write_text("def init(rng, i, o):\n    return rng.random((i, o))\n")
    (tmp_path / "own.py").write_text(
        "def loss(logits, targets):\n"
        "    d = logits - targets\n    return (d**2).sum(axis=1), 2 * d\n"
    )
    assert "mine.py:init" in checked(Path("experiments/mine.yaml"))
    outcome = quick("-m", "+experiments=mine", "activation=relu")
    assert outcome.status == 0, outcome.err
    (folder,) = Path("results/sweeps").iterdir()
    rows = list(csv.DictReader((folder / "runs.csv").read_text().splitlines()))
    assert [(row["arm"], row["seed"]) for row in rows] == [
        *(("a", "0"), ("b", "0"), ("a", "1"), ("b", "1"))
    ]
    assert {row["weight_decay"] for row in rows} == {"0.25"}


def test_a_study_is_read_as_strictly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("experiments").mkdir()
    Path("experiments/odd.yaml").write_text(RUN + "study: {title: x}\n" + CALLBACK)
    assert reproduce.main(["odd"]) == 2
    assert "odd.yaml, line 10: '_target_' is not a key of an experiment" in capsys.readouterr().err
    with pytest.raises(InputError, match="line 10"):
        checked(Path("experiments/odd.yaml"))
