"""Random hostile command lines: wrong types, huge numbers, odd characters, tricks with paths."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import nnexp.cli.app

KEYS = """
data data.scale data.targets data.classes data.outputs data.first data.train_size
data.validation data.label_noise data.seed data.name data.root data.file data.n data.features
data.noise
init init.std init.name init.value bias_init bias_init.value activation activation.slope
loss loss.reduction loss.output optimizer optimizer.momentum optimizer.name sampling hidden hidden
batch_size lr lr weight_decay epochs steps gradient quirk dtype seed seed evaluate_every evaluate_at
evaluate_first evaluate_epsilon evaluate_sharpness evaluate_distance
evaluate_line
dropout input_dropout label_dilution pruning pruning.rounds pruning.fraction
store store out force save_weights on_error arm arms arms.a study nosuch a.b.c
"""
HYDRA = """
hydra.run.dir hydra.sweep.dir hydra.sweep.subdir hydra.output_subdir hydra.job.name
hydra.job.chdir hydra.job.config_name hydra.job.env_set.PATH hydra.job.override_dirname
hydra.launcher hydra.launcher.workers hydra.launcher._target_ hydra/launcher hydra/sweeper
hydra.sweeper hydra.sweeper._target_ hydra.sweeper.params hydra.sweeper.params.seed
hydra.mode hydra.verbose hydra.searchpath hydra/job_logging hydra/hydra_logging hydra/help
hydra/output hydra/env hydra.hydra_logging hydra.job_logging hydra.callbacks
hydra.callbacks.a._target_ hydra.runtime.output_dir hydra.runtime.cwd hydra.overrides.task
hydra.version hydra.choices hydra.help.template hydra hydra.nosuch defaults experiments
"""
NUMBERS = """
0 1 2 3 4 -1 0.5 0.1 1e999 -1e999 1e-999 nan inf -inf .inf 1_000 0x10 1e3 4.0 007 +5 -0 1e-9
99999999999999999999999999 1e300 1e18 9223372036854775807 9223372036854775808 1e5 100000000
1000000x1000000 30000x1000000 [1000000000,1] 4x-4 4x 4X4 xx 4x4x4x4 [4,4] [] [4] [4.5]
"""
TEXTS = """
true false null None none full all ~ ??? $ % ! @ # * ** ; & | < > ? ^ ` - -- + ++ / = == : ,, ,
[[]] [[1,2],[3]] {} {a:1} {a:{b:[1,{c:2}]}} [1,2 1,2] ] [ { } ( ) ' " \\ '' "" ''' '1' "2" 'a,b'
a,b 1,2 0.1,-1 xavier,he [he,zero] a=b a:b he, ,he he,he
${lr} ${seed} ${nosuch} ${ ${} ${oc.env:HOME} ${oc.env:NOSUCH} ${oc.env:} ${now:%Y} ${lr}${lr}
${hydra:runtime.cwd} ${pid:} ${oc.select:lr} ${oc.decode:1} ${${lr}} ${.std} ${..lr} ${store}
range(3) range(0) range(1,1e9) glob(*) choice(he,zero) sort(3,1) shuffle(1,2) tag(a,1) range(2,4)
interval(0,1) int(2.5) float(x) str(1) bool(2) extend_list(1) json_str(1) nosuch(1) cast(1)
he xavier randn zero relu tanh mse adam sgd xor blobs spirals csv npz idx shuffle he/zero normal
../../etc/passwd:f ../x ../../x ./. . .. /etc/passwd /proc/nnexp /dev/null /dev/null/x x x/y
/etc/passwd:f ../../../../etc/passwd:f nosuch.py:f :f f: .: a:b:c .f f. ..f a..b os.nosuch ~/x
builtins.eval sys.exit nnexp.__main__.nosuch __main__.x x/../../y ../c/x .locks .new-x CON
basic local nnexp dask joblib colorlog disabled stdout RUN MULTIRUN DEBUG pkg://os continue stop
file:///etc file://../x _global_ _self_ _here_ override @package %s %(asctime)s {0} %n '%s'
float64 float32 numerical backprop mean sum soft one_hot standardize raw unit '2 steps' '1 epochs'
"""
ODD = (
    *("", " ", "  he  ", "a b", "\t", "\n", "he\nzero", "\x1b[31mred", "\x07", "\x7f", "\\x00"),
    *("\u00fc", "\u65e5\u672c\u8a9e", "\U0001f986", "\ufeff", "\u202eabc", "\u0435\u0301"),
    *("\u00df", "\u0130", "\uff41", "\u0663", "\uff14", "4\u00d74", "\udcff\udcfe", "\u2028"),
    *(
        "a" * 300,
        "a" * 50_000,
        "1" * 5_000,
        "[" * 300,
        "{a:" * 200,
        "(" * 200,
        "${" * 100,
        "'" * 99,
    ),
    *("a/" * 500, "../" * 3 + "x", "x".join(["2"] * 40), "[" + ",".join(["1"] * 3000) + "]"),
    *(",".join(map(str, range(30))) + ",0", "é" * 200, ".py:" * 50, "$(touch x)", "`touch x`"),
)
# Odd, and yet right in most company.
RIGHT = """
seed=9223372036854775807 lr=1e-300 lr=1e299 hidden=[] hidden=4X4 hidden=none hidden=[2,2] +study=a
store=../x store=../../x/y store=./. store=x/../y store=.hidden store=ü/日本語 store=🦆 store=%s
store=runs/ store=//x hydra.run.dir=../out hydra.run.dir=../../a/out hydra.run.dir=ü hydra.run.dir=.
hydra.sweep.dir=../out hydra.sweep.dir=. out=../out out=ü out=. dtype=float64 gradient=numerical
weight_decay=1e299 epochs=null
evaluate_every=none evaluate_every=1e9 evaluate_at=[0,1] evaluate_at=1 evaluate_at=[]
seed=${data.seed} lr=${oc.decode:'0.5'} weight_decay=${lr} ++lr=0.25 +lr=0.25 init@init=he seed=007
force=true save_weights=true on_error=stop hydra.job.chdir=true hydra.output_subdir=.hydra
hydra.verbose=true hydra.launcher.workers=2 hydra.job.name=../x hydra.sweep.subdir=../../x lr=1_0
init=randn init=orthogonal activation=step activation=gelu loss=mse optimizer=adam bias_init=rand
data.label_noise=1 data.targets=soft data.scale=standardize data.seed=1e9 arm=null
"""
VALUES = (*NUMBERS.split(), *TEXTS.split(), *ODD)
FLAGS = """
-m --multirun --cfg --resolve --package --info --hydra-help --shell-completion -h --help --
--config-name --config-path --config-dir --experimental-rerun --run --version -x - --cfg=all
--cfg=job --cfg=nosuch --info=all --info=nosuch --config-name=x --config-dir=.. -c -p --m
"""
SHAPES = ("{k}={v}",) * 24 + (
    *("+{k}={v}", "++{k}={v}", "~{k}", "~{k}={v}", "{k}", "{v}", "={v}", "{k}@a={v}", "{k}[0]={v}"),
    *("{k}@a:b={v}", "@{k}={v}", "{k}:={v}", "{k}.{v}=1", "{k} ={v}", "{k}= {v}", "{k}=={v}"),
)


def command_lines(rng: np.random.Generator, count: int) -> Iterator[list[str]]:
    """Yield ``count`` command lines: a short valid run with one to three hostile words in it."""

    def one_of(choices: tuple[str, ...] | list[str]) -> str:
        return choices[rng.integers(len(choices))]

    for _ in range(count):
        base = {"data": "xor", "steps": "1", "hidden": "3"}
        if rng.random() < 0.3:
            base |= {"data": "blobs", "data.n": "40", "batch_size": "20"}
        hostile = []
        for _ in range(rng.choice([1, 1, 1, 1, 2, 3])):
            kind = rng.random()
            if kind < 0.35:
                word = one_of(RIGHT.split())
            elif kind < 0.4:
                word = one_of(FLAGS.split())
            else:
                key = one_of((HYDRA if rng.random() < 0.25 else KEYS).split())
                value = one_of(VALUES) + (one_of(VALUES) if rng.random() < 0.05 else "")
                word = one_of(SHAPES).format(k=key, v=value)
            hostile.append(word)
            base.pop(word.lstrip("+").partition("=")[0], None)
        words = [*(f"{key}={value}" for key, value in base.items()), *hostile]
        if rng.random() < 0.3:
            words.append("-m")
        yield [words[i] for i in rng.permutation(len(words))]


def given_folders(words: list[str]) -> list[str]:
    """Return the folders that a command line names for what it writes."""
    keys = ("store", "out", "hydra.run.dir", "hydra.sweep.dir")
    pairs = (word.lstrip("+").partition("=") for word in words)
    return [value.strip().strip("'\"") for key, _, value in pairs if key.strip() in keys]


def in_a_process_of_its_own(work: Path, words: list[str]) -> tuple[int, str, list[str]]:
    """Give a command in a fork of this process.

    Return its status, its standard error, and every path outside the folders that were given which
    it wrote to.
    """
    out, err, log = (work.parent.parent / name for name in ("out", "err", "log"))
    child = os.fork()
    if child == 0:
        status = 70
        try:
            signal.alarm(120)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            for number, path, flags in (
                (0, os.devnull, os.O_RDONLY),
                (1, out, os.O_WRONLY | os.O_CREAT),
                (2, err, os.O_WRONLY | os.O_CREAT),
            ):
                os.dup2(os.open(path, flags), number)
            os.chdir(work)
            _note_writes(os.open(log, os.O_WRONLY | os.O_CREAT), given_folders(words))
            sys.argv = ["nnexp", *words]
            status = nnexp.cli.app.main(words)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    _, code = os.waitpid(child, 0)
    outside = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
    return os.waitstatus_to_exitcode(code), err.read_text("utf-8", "replace"), outside


def _note_writes(log: int, given: list[str]) -> None:
    """Write to ``log`` the paths outside ``given`` that this process opens to write, or makes."""
    folders = [Path.cwd(), *(Path.cwd() / folder for folder in given)]
    allowed = [Path(os.path.realpath(folder)) for folder in folders]
    allowed += [Path("/dev"), Path("/proc/self"), Path(os.environ["MPLCONFIGDIR"])]
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
    makes = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink")

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & writing:
            paths = arguments[:1]
        elif event in makes:
            paths = tuple(a for a in arguments[:2] if isinstance(a, str | bytes | os.PathLike))
        else:
            return
        for name in paths:
            if isinstance(name, int):
                continue
            path = Path(os.path.realpath(os.fsdecode(name)))
            inside = any(path == a or a in path.parents or path in a.parents for a in allowed)
            if not inside:
                os.write(log, f"{event} {path}\n".encode("utf-8", "replace"))

    sys.addaudithook(audit)
