"""Bad input: status 2, one sentence that names value and remedy, no traceback, nothing written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests import ROOT
from tests.conftest import Command, first_of_each_kind

# By kind: the words of a command line, and what its one sentence must say.
CASES = {
    "unknown key": [
        ("inti=xavier", ["unknown key 'inti'", "did you mean 'init'"]),
        ("initt.std=1", ["unknown key 'initt'", "did you mean 'init'"]),
        ("+a.b=1", ["unknown key 'a'", "keys are"]),
        ("learning_rate=0.1", ["unknown key 'learning_rate'", "did you mean 'lr'? keys are"]),
        ("-m +learning_rate=0.1,1", ["unknown key 'learning_rate'", "did you mean 'lr'? keys are"]),
        ("epoch=3", ["did you mean 'epochs'"]),
        ("hidden_layers=3", ["did you mean 'hidden'"]),
        ("+hidden_sizes=3", ["did you mean 'hidden'"]),
        ("batch=3", ["did you mean 'batch_size'"]),
        ("optim=adam", ["did you mean 'optimizer'"]),
        ("act=relu", ["did you mean 'activation'"]),
        ("initializer=he", ["did you mean 'init'"]),
        ("+initializer=he", ["did you mean 'init'"]),
        ("alpha=0.1", ["did you mean 'weight_decay'"]),
    ],
    "key that lies elsewhere": [
        ("momentum=0.9", ["'momentum' is not a key", "optimizer=momentum optimizer.momentum=0.9"]),
        ("optimizer=nesterov +momentum=0.9", ["is not a key: write optimizer.momentum=0.9"]),
        ("std=0.1", ["'std' is not a key: write init=normal init.std=0.1"]),
        ("train_size=100", ["'train_size' is not a key: write data.train_size=100"]),
        ("workers=1", ["'workers' is not a key: write hydra.launcher.workers=1"]),
        ("optimizer.lr=0.1", ["'optimizer.lr' is not a key: write lr=0.1"]),
    ],
    "unknown choice": [
        ("init=xaver", ["unknown init 'xaver'", "did you mean 'xavier'", "orthogonal"]),
        (
            "activation=rleu",
            ["unknown activation 'rleu'", "did you mean 'relu'", "choose from elu"],
        ),
        ("loss=crossentropy", ["did you mean 'cross_entropy'"]),
        ("optimizer=sdg", ["did you mean 'sgd'"]),
        ("sampling=shufle", ["did you mean 'shuffle'"]),
        ("data=mnsit", ["did you mean 'mnist'"]),
        ("bias_init=he", ["unknown bias_init 'he'", "constant, normal, rand, randn, zero"]),
        ("gradient=backprob", ["did you mean 'backprop'"]),
        ("dtype=float16", ["unknown dtype 'float16'", "float32"]),
        ("quirk=update_weights", ["did you mean 'updated_weights'"]),
        ("optimizer=adamw", ["unknown optimizer 'adamw': choose from"]),
        ("init=truncated_normal", ["unknown init 'truncated_normal': choose from"]),
        ("save_weights=maybe", ["save_weights 'maybe'"]),
        ("on_error=ignore", ["on_error 'ignore'", "continue, stop"]),
    ],
    "name of another library": [
        ("init=glorot", ["'glorot': did you mean 'xavier'"]),
        ("activation=Relu", ["'Relu': did you mean 'relu'"]),
        ("init=he_normal", ["'he_normal': did you mean 'he'"]),
        ("init=glorot_uniform", ["did you mean 'xavier_uniform'"]),
        ("init=kaiming_uniform", ["did you mean 'he_uniform'"]),
        ("init=lecun_normal", ["did you mean 'lecun'"]),
        ("activation=logistic", ["did you mean 'sigmoid'"]),
        ("activation=linear", ["did you mean 'identity'"]),
        ("activation=swish", ["did you mean 'silu'"]),
        ("loss=bce", ["did you mean 'binary_cross_entropy'"]),
        ("loss=ce", ["did you mean 'cross_entropy'"]),
        ("loss=categorical_crossentropy", ["did you mean 'cross_entropy'"]),
        ("loss=binary_crossentropy", ["did you mean 'binary_cross_entropy'"]),
        ("optimizer=Adam", ["did you mean 'adam'"]),
    ],
    "parameter of a choice": [
        ("init=xavier init.std=1", ["init=xavier has no parameter 'std'"]),
        ("init=normal init.sdt=1", ["did you mean 'std'"]),
        ("init=normal init.std=-1", ["init.std=-1", "from 0"]),
        ("init=uniform init.low=1 init.high=0", ["init.low=1", "above init.high=0"]),
        ("optimizer=momentum optimizer.momentum=1.5", ["optimizer.momentum=1.5", "to 1"]),
        ("loss=mse loss.reduction=avg", ["loss.reduction 'avg'", "mean, sum"]),
    ],
    "tuning": [
        ("-m lr=1 tune=lr", ["'lr' is not swept: give several values separated by commas"]),
        ("-m lr=0.1,1 tune=learning_rate", ["is not swept: did you mean 'lr'?"]),
        ("-m lr=0.1,1 tune=lr,init", ["'tune' cannot be swept: give tune=[lr,batch_size]"]),
        ("-m seed=0,1 tune=seed", ["seed cannot be tuned", "trials have seeds of their own"]),
        ("-m data.first=99,999 tune=data.first", ["data cannot be tuned"]),
        ("-m evaluate_at=1,2 tune=evaluate_at", ["it does not affect training"]),
        ("-m init.name=he,zero tune=init.name", ["'init.name' is not a setting of every run"]),
        ("-m lr=0.1,1 seed=9223372036854775808 tune=lr", ["seed=9223372036854776000 is"]),
        ("-m lr=0.1,1 tune=[]", ["tune=[] names no settings", "as in tune=lr"]),
        ("-m data=xor lr=0.1,1 tune=lr", ["data=xor has only 4 training examples"]),
        (
            "-m data=blobs data.n=20 batch_size=19 lr=0.1,1 tune=lr",
            ["batch_size=19", "(tune holds out 2 of 20 training examples"],
        ),
        ("tune=lr", ["tune=lr is for sweeps: add -m"]),
        ("lr=0.1,1 tune=lr", ["add -m to run them all"]),
    ],
    "not one name": [
        ("init=[he,zero]", ["init=[he,zero]", "give one name"]),
        ("init=null", ["init=null", "give one name"]),
        ("~init", ["'~init'", "give init="]),
    ],
    "wrong type": [
        ("lr=fast", ["lr=fast", "number"]),
        ("batch_size=1.5", ["batch_size=1.5"]),
        ("hidden=abc", ["hidden=abc", "512x256"]),
        ("hidden=true", ["hidden=True"]),
        ("hidden=10x", ["hidden=10x"]),
        ("hidden=[1.5]", ["hidden=[1.5]"]),
        ("seed=1.5", ["seed=1.5"]),
        ("evaluate_every=often", ["evaluate_every=often"]),
    ],
    "out of range": [
        ("lr=-0.1", ["lr=-0.1", "above 0"]),
        ("lr=0", ["lr=0", "above 0"]),
        ("lr=nan", ["lr=nan"]),
        ("lr=inf", ["lr=inf"]),
        ("weight_decay=-1", ["weight_decay=-1", "from 0"]),
        ("batch_size=0", ["batch_size=0", "from 1", "full"]),
        ("hidden=[0]", ["hidden=0", "from 1"]),
        ("hidden=0", ["hidden=0", "write hidden=none"]),
        ("epochs=0", ["epochs=0", "from 1"]),
        ("steps=-3", ["steps=-3", "from 0"]),
        ("seed=-1", ["seed=-1", "from 0"]),
        ("evaluate_every=0", ["evaluate_every=0", "100 steps"]),
        ("data.label_noise=2", ["data.label_noise=2"]),
    ],
    "more than the data hold": [
        ("batch_size=60001", ["batch_size=60001", "60000 training examples", "batch_size=full"]),
        ("data.train_size=60001", ["60001"]),
        ("data.classes=[0,11]", ["11"]),
    ],
    "settings that exclude each other": [
        ("epochs=1 steps=2", ["epochs=1 and steps=2", "give one"]),
        ("evaluate_at=[5] steps=3", ["evaluate_at=5", "3 steps"]),
        ("data.classes=[0,1] data.outputs=1", ["loss=cross_entropy", "binary_cross_entropy"]),
        ("loss=mse loss.output=softmax data.classes=[0,1] data.outputs=1", ["loss=mse"]),
        ("data.outputs=1 loss=binary_cross_entropy", ["data.outputs=1", "10 classes"]),
        ("data.outputs=7", ["data.outputs=7", "give 10"]),
        ("quirk=plain_hidden_error", ["loss=mse loss.reduction=sum"]),
        ("loss=mse evaluate_epsilon=1e-7", ["evaluate_epsilon=1e-07", "use loss=cross_entropy or"]),
        ("evaluate_first=10001", ["evaluate_first=10001", "10000 test examples", "null for all"]),
        ("evaluate_first=0", ["evaluate_first=0", "from 1"]),
        ("evaluate_epsilon=0", ["evaluate_epsilon=0", "above 0 and below 1"]),
        ("quirk=updated_weights+plain_hidden_error", ["loss=mse loss.reduction=sum"]),
        (
            "quirk=[underived_bias,position_bias]",
            ["quirk=position_bias+underived_bias", "give one"],
        ),
        ("quirk=updated_weights+none", ["unknown quirk 'none'"]),
        ("-m quirk=none,updated_weights+", ["unknown quirk ''"]),
        ("quirk=underived_bias gradient=numerical", ["gradient=backprop"]),
    ],
    "file": [
        ("data=npz data.file=nowhere.npz", ["nowhere.npz"]),
        ("data=csv", ["data.train=FILE"]),
        ("data=idx data.root=nowhere", ["nowhere", "train-images-idx3-ubyte"]),
    ],
    "function of one's own": [
        ("init=nowhere.py:mine", ["nowhere.py"]),
        ("init=no_such_module.mine", ["no_such_module", "FILE.py:NAME"]),
    ],
    "too large": [
        (
            "hidden=1000000x1000000",
            ["1,000,796,000,010 parameters", "14,935.4 GiB", "this machine"],
        ),
        ("data=xor hidden=[1000000000,1000000000]", ["parameters", "GiB", "smaller"]),
        ("data=blobs data.n=1000000000 data.features=1000", ["data.n=1000000000", "GiB"]),
        ("data=xor steps=1000000", ["1000000 evaluations", "evaluate_every"]),
    ],
    "syntax": [
        ("hidden", ["'hidden'", "key=value"]),
        ("data:csv", ["'data:csv' is not a valid override: write data=csv"]),
        ("data: csv", ["'data:' is not a valid override: write data=csv"]),
        ("lr=0.1 lr=0.2", ["'lr' is given twice"]),
        ("lr=" + "1" * 5000, ["a number of more than 1000 digits"]),
        ("hidden=" + "[" * 500, ["is not a valid override: write key=value"]),
        ("hidden=abc\x1bdef", [r"'hidden=abc\x1bdef'", "an unprintable character"]),
        ("hidden=" + "a" * 100_000, ["hidden=aaa", "aaa is not a list of widths"]),
    ],
    "sweep without -m": [
        ("seed=1,2", ["2 values to sweep", "add -m"]),
        (
            "hidden=128,64",
            ["2 values to sweep", "hidden=128x64 for one network with layers", "add -m"],
        ),
        ("lr=[0.1,0.5]", ["lr takes one number: write lr=0.1,0.5 with -m"]),
        ("lr=glob(*)", ["lr=glob(*)", "lr has no choices"]),
    ],
    "sweep": [
        ("-m seed=range(1000000000)", ["1000000000 points", "to 100000"]),
        ("-m seed=1,1", ["seed=1", "already"]),
        ("-m store=a,b", ["'store' cannot be swept"]),
        ("-m out=x,y", ["'out' cannot be swept"]),
        ("-m init=xavier,zeros", ["unknown init 'zeros': did you mean 'zero'"]),
        ("-m lr=0.1,-1", ["lr=-1"]),
        ("-m seed=range(0)", ["0 points: give from 1 to 100000"]),
        ("-m seed=range(0,3,0)", ["seed=range(0,3,0)", "the step of a range must not be 0"]),
        ("-m lr=range(nan,3)", ["lr=range(nan,3)", "finite bounds"]),
        ("-m lr=range(1,inf)", ["lr=range(1,inf)", "finite bounds"]),
        ("-m lr=interval(0,1)", ["lr=interval(0,1)", "infinitely many values"]),
        ("-m lr=glob(*)", ["lr=glob(*)", "lr has no choices"]),
        ("-m init=glob(zzz*)", ["init=glob(zzz*) matches no choice", "choose from constant"]),
        ("-m seed=0..9", ["seed=0..9 is not a range", "write seed=range(10), or values sep"]),
        ("-m epochs=2..4", ["write epochs=range(2,5)", "commas, with -m"]),
        ("-m lr=1e-3..1e-1", ["lr=1e-3..1e-1 is not a range: write values separated by commas"]),
    ],
    "experiment": [
        ("+experiments=nosuch", ["unknown experiments 'nosuch'"]),
        ("-m experiments=xor", ["write +experiments=NAME"]),
        ("-m +experiments=arithmetic", ["has no runs", "python -m nnexp.reproduce arithmetic"]),
        ("arm=a", ["arm=a", "no arms are defined"]),
        ("++arms=5", ["arms=5 is not a mapping"]),
        ("++arms.a=5 arm=a", ["the arm 'a' is 5", "list of overrides"]),
    ],
    "folder": [
        ("out=x hydra.run.dir=y", ["out and hydra.run.dir both set the output folder"]),
        ("-m out=x hydra.sweep.dir=y", ["out and hydra.sweep.dir both set the output folder"]),
        ("-m hydra.run.dir=x", ["hydra.run.dir is for single runs, without -m: give out=FOLDER"]),
        ("hydra.sweep.dir=x", ["hydra.sweep.dir is for sweeps, with -m: give out=FOLDER"]),
        ("out=5", ["out=5 is not a folder: give out=FOLDER"]),
        ("store=null", ["store=None"]),
    ],
    "setting of Hydra": [
        ("hydra/launcher=locl", ["did you mean 'local'"]),
        ("hydra/launcher=basic", ["hydra/launcher=local"]),
        ("-m hydra/sweeper=basic lr=0.1,1", ["hydra/sweeper=basic writes no tables and no page"]),
        ("hydra.launcher.workers=-1", ["hydra.launcher.workers=-1"]),
        ("hydra.launcher._target_=os.getcwd", ["not part of nnexp", "hydra/launcher=local"]),
        ("hydra.launcher=5", ["hydra.launcher is a mapping"]),
        ("hydra.sweeper=null", ["hydra.sweeper is a mapping"]),
        ("hydra.sweeper.params=5", ["hydra.sweeper.params is a mapping"]),
        ("hydra.verbose=5", ["hydra.verbose=true, false"]),
    ],
    "option": [
        ("--nosuch", ["--nosuch", "--help"]),
        ("--config-name=x", ["--config-name", "experiments/"]),
        ("--config-dir=x", ["--config-dir", "experiments/"]),
        ("--shell-completion", ["--shell-completion needs install=bash"]),
        ("-m --cfg=job", ["exclude each other"]),
        ("--cfg=job lrr=1", ["unknown key 'lrr'", "did you mean 'lr'"]),
    ],
}


@pytest.mark.parametrize(("words", "parts"), first_of_each_kind(CASES))
def test_one_sentence_and_nothing_written(
    quick: Command, tmp_path: Path, words: str, parts: list[str]
) -> None:
    outcome = quick(*words.split())
    assert outcome.status == 2
    assert outcome.out == ""
    assert len(outcome.err.splitlines()) == 1, outcome.err
    assert outcome.err.startswith("nnexp: ")
    for part in parts:
        assert part in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_is_not_there_ends_with_status_2(nnexp: Command) -> None:
    assert nnexp("--cfg=job", "--package=nosuch") == (
        2,
        "",
        "package 'nosuch' not found in config\n",
    )


def test_a_damaged_file_is_named_with_line_and_column(quick: Command, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("0,1,2\n1,3,four\n")
    (tmp_path / "test.csv").write_text("0,1,2\n1,3,4\n")
    outcome = quick("data=csv", "data.train=train.csv", "data.test=test.csv", "batch_size=full")
    assert outcome.status == 2
    assert len(outcome.err.splitlines()) == 1
    for part in ("train.csv", "line 2", "column 3", "four"):
        assert part in outcome.err
    assert {p.name for p in tmp_path.iterdir()} == {"train.csv", "test.csv"}


@pytest.mark.parametrize("key", ["store", "out", "hydra.run.dir"])
def test_a_folder_that_cannot_be_written(quick: Command, tmp_path: Path, key: str) -> None:
    (tmp_path / "file").write_text("in the way")
    outcome = quick(f"{key}=file/below", "steps=1")
    assert outcome.status == 2
    assert outcome.err.count("\n") == 1
    assert key in outcome.err
    assert "file/below" in outcome.err
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("mode", [(), ("-m",)], ids=["run", "sweep"])
def test_out_is_the_folder_of_a_run_and_of_a_sweep(quick: Command, mode: tuple[str, ...]) -> None:
    outcome = quick(*mode, "data=xor", "steps=1", "out=some/folder", "store=runs")
    assert outcome.status == 0, outcome.err
    assert Path("some/folder/runs.csv").is_file()
    assert sorted(path.name for path in Path().iterdir()) == ["runs", "some"]


@pytest.mark.slow
def test_plain_widths_are_swept_with_a_note(quick: Command) -> None:
    words = ("-m", "data=xor", "steps=1", "out=x")
    outcome = quick(*words, "hidden=3,2")
    assert outcome.status == 0
    assert "hidden=3x2 is one network with a layer of each width" in outcome.err
    assert Path("x/runs.csv").read_text().count("\n") == 3
    assert "note" not in quick(*words, "hidden=3,2x2").err


@pytest.mark.slow
def test_a_process_of_its_own_ends_with_status_2(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    outcome = subprocess.run(
        [sys.executable, "-m", "nnexp", "-m", "init=xavier,zerro"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert outcome.returncode == 2
    assert outcome.stderr.count("\n") == 1
    assert "did you mean 'zero'" in outcome.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_runs_that_diverge_before_any_update_are_results(nnexp: Command) -> None:
    outcome = nnexp("-m", "data=blobs", "init=constant", "init.value=1e38,-1e38", "steps=3")
    assert outcome.status == 0, outcome.err
    (runs,) = Path("results/sweeps").glob("*/runs.csv")
    assert pd.read_csv(runs)["status"].tolist() == ["diverged"] * 2
