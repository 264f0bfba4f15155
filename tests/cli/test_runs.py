"""Looking after runs: every command of ``python -m nnexp.runs`` on small real runs."""

from __future__ import annotations

import csv
import json
import os
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp import load
from nnexp.cli.progress import Display
from nnexp.cli.runs import main
from nnexp.config.identity import fingerprint
from nnexp.config.run_config import NUMERICS, RunConfig
from nnexp.data import cache
from nnexp.errors import InputError
from nnexp.store.compare_runs import IDENTICAL
from nnexp.store.record import DIVERGED, FAILED, FINISHED, Record
from nnexp.store.store import Store
from nnexp.sweeps.jobs import Job, Options
from nnexp.sweeps.scheduler import run_all
from nnexp.training.execute import environment
from tests import ROOT
from tests.conftest import Outcome
from tests.settings import RUN
from tests.timing import cpu_seconds

DEFAULTS: dict[str, Any] = {
    **RUN,
    "hidden": 8,
    "batch_size": 4,
    "epochs": None,
    "steps": 3,
    "evaluate_every": "1 steps",
    "seed": 0,
}

# An initialiser that ends its process if there is a file "end".
ENDS = """
import signal
from pathlib import Path


def ends(rng, fan_in, fan_out):
    if Path("end").exists():
        signal.raise_signal(signal.SIGTERM)
    return rng.standard_normal((fan_in, fan_out))
"""

Runs = Callable[..., Outcome]


def made(folder: Path, *points: dict[str, Any], **options: Any) -> list[Record]:
    """Train runs into the store ``folder`` and return their records."""
    jobs = [Job(RunConfig.from_mapping({**DEFAULTS, **point})) for point in points]
    folder.mkdir(parents=True, exist_ok=True)
    with Display(jobs) as display:
        return run_all(jobs, Store(folder), Options(workers=1, **options), display)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of four finished runs, one that diverged and one that failed."""
    home = tmp_path_factory.mktemp("trained")
    broken = home / "mine.py"
    broken.write_text("def broken(rng, fan_in, fan_out):\n    raise RuntimeError('no luck')\n")
    wild = {"activation": "identity", "lr": 1e30, "loss": "mse", "steps": 20}
    points = [{"init": i, "seed": s} for i in ("xavier", "he") for s in (0, 1)]
    records = made(home / "store", *points, wild, {"init": f"{broken}:broken"})
    assert [r.status for r in records] == [FINISHED] * 4 + [DIVERGED, FAILED]
    return home / "store"


@pytest.fixture
def store(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that store, to damage, where the command looks for it by default."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(trained, tmp_path / "results" / "runs"))


@pytest.fixture
def runs(capfd: pytest.CaptureFixture[str]) -> Runs:
    """Run ``python -m nnexp.runs`` with these words."""

    def run(*words: str) -> Outcome:
        capfd.readouterr()
        status = main(words)
        return Outcome(status, *capfd.readouterr())

    return run


def names(store: Path, **settings: Any) -> list[str]:
    """Return the names of the runs with these settings, or this status."""
    outlines = [Store(store).header(run_id) for run_id in Store(store).run_ids()]
    described = [{**o["columns"], "status": o["status"], "run_id": o["run_id"]} for o in outlines]
    return [d["run_id"] for d in described if settings.items() <= d.items()]


def rewrite(store: Path, run_id: str, change: Callable[[Record], Any]) -> str:
    """Change a record, write it as a run that came out so would be, and return its name."""
    record = Store(store).load(run_id)
    change(record)
    record.run_id = f"{run_id.rpartition('-')[0]}-{fingerprint(record.identity)}"
    if record.run_id != run_id:
        shutil.rmtree(store / run_id)
    Store(store).write(record)
    Store(store).commit([record.run_id])
    return record.run_id


def scaled(column: str, factor: float) -> Callable[[Record], None]:
    """Return the change of a column's last value by a factor."""

    def change(record: Record) -> None:
        record.metrics[-1][column] *= factor

    return change


def refused(outcome: Outcome) -> str:
    """Check that the command ended with status 2 and one sentence; return the sentence."""
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.startswith("nnexp: ")
    assert outcome.err.count("\n") == 1
    return outcome.err


def test_list_has_a_line_a_run_with_what_varies_and_the_outcome(store: Path, runs: Runs) -> None:
    status, out, _ = runs("list")
    header, *lines = [line.split() for line in out.splitlines()]
    assert status == 0
    assert header[0] == "run"
    assert {"init", "lr", "seed", "status", "test_accuracy", "test_loss"} <= set(header)
    assert "dtype" not in header  # the same in all
    assert [line[0] for line in lines] == sorted(path.name for path in store.glob("xor-*"))
    assert all(len(line) == len(header) for line in lines)
    diverged = next(line for line in lines if DIVERGED in line)
    assert diverged[header.index("test_loss")] == "inf"


def test_list_can_be_filtered_by_settings_and_status(store: Path, runs: Runs) -> None:
    def listed(*filters: str) -> list[str]:
        return [line.split()[0] for line in runs("list", *filters).out.splitlines()[1:]]

    assert listed("init=he") == names(store, init="he")
    assert listed("init=he", "seed=1") == names(store, init="he", seed=1)
    assert len(listed("init=he,xavier", "seed=1")) == 2
    assert listed("lr=1e30") == listed("status=diverged") == names(store, status=DIVERGED)
    assert listed("lr=0.50", "status=failed") == names(store, status=FAILED)
    assert listed("epochs=null", "hidden=8", "seed=1", "init=he") != []
    assert "no run in" in runs("list", "seed=77").out


def shown(terminal: tuple[int, int], columns: int, *words: str) -> list[str]:
    """Return the lines that the command prints on a terminal so many characters wide."""
    here, there = terminal
    command = subprocess.Popen(
        [sys.executable, "-m", "nnexp.runs", *words],
        env={**os.environ, "COLUMNS": str(columns), "TERM": "xterm", "PYTHONPATH": str(ROOT)},
        stdout=there,
        stderr=subprocess.PIPE,
    )
    text = b""
    while command.poll() is None or select.select([here], [], [], 0)[0]:
        if select.select([here], [], [], 0.1)[0]:
            text += os.read(here, 4096)
    _, errors = command.communicate()
    assert command.returncode == 0, errors
    return re.sub(r"\x1b\[[\d;]*m", "", text.decode()).splitlines()


@pytest.mark.slow
def test_list_fits_a_narrow_terminal(terminal: tuple[int, int], store: Path, runs: Runs) -> None:
    listed = [line.split() for line in runs("list").out.splitlines()]
    wide = shown(terminal, 400, "list")
    assert [line.split() for line in wide] == listed
    header, *lines = shown(terminal, 100, "list")
    assert max(map(len, [header, *lines])) <= 100
    assert header.split() == ["run", "settings", *listed[0][-5:]]
    for row in listed[1:]:
        (line,) = (line for line in lines if line.startswith(row[0][-12:]))
        assert line.split()[-5:] == row[-5:]
    words = " ".join(lines).split()
    assert words.count("init=he") == words.count("seed=1") == 2
    assert words.count("loss.output=sigmoid") == 1  # where it is a setting at all
    assert "dtype" not in "".join(lines)  # the same in all
    assert max(map(len, shown(terminal, 70, "list"))) <= 70


def test_list_names_no_setting_because_a_record_is_damaged(store: Path, runs: Runs) -> None:
    before = runs("list").out.splitlines()[0].split()
    (store / names(store, init="he", seed=1)[0] / "run.json").unlink()
    assert runs("list").out.splitlines()[0].split() == before


@pytest.mark.slow
def test_list_of_a_thousand_runs_is_quick_and_reads_no_table(store: Path, runs: Runs) -> None:
    (run_id, *_) = names(store, status=FINISHED)
    record = Store(store).load(run_id)
    for number in range(1000):
        record.identity["data"] = f"{number:064x}"
        record.run_id = f"{run_id[:-12]}{fingerprint(record.identity)}"
        Store(store).write(record)
        (store / record.run_id / "metrics.csv").unlink()
    runs("list")  # imports what it needs
    parsing = cpu_seconds(lambda: [json.loads(p.read_text()) for p in store.glob("*/run.json")])
    listing = cpu_seconds(lambda: runs("list"))
    assert listing < 8 * parsing  # measured: 3.6 to 4.7
    assert runs("list").out.count(FINISHED) == 1004


def test_an_empty_store_is_no_error(tmp_path: Path, runs: Runs) -> None:
    assert runs("list", "--store", str(tmp_path)).status == 0
    assert runs("--store", str(tmp_path), "prune", "--yes").out == "nothing to prune\n"


def test_store_is_given_as_in_a_sweep(store: Path, runs: Runs) -> None:
    store.rename("mine")
    for words in (["list", "store=mine"], ["store=mine", "list"], ["list", "--store=mine"]):
        outcome = runs(*words)
        assert outcome.status == 0
        assert outcome.out.count("xor-") == 6


def test_the_cache_is_shown_and_cleared(
    tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of others in the folder stay; no store is needed."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "cache"
    monkeypatch.setenv("NNEXP_CACHE", str(folder))
    assert runs("cache") == (0, f"{folder}: 0.0 MB\n", "")
    content = np.zeros(1_500_000, np.uint8)
    for name in ("mine", "mnist"):
        cache.keep(
            cache.Content(content, sha256(content).hexdigest(), name), folder / name / "x", None
        )
    (folder / "mine" / "notes.txt").write_text("not of nnexp")
    assert runs("cache") == (0, f"{folder}: 3.0 MB\n", "")
    assert runs("cache", "--clear") == (0, f"{folder}: removed 3.0 MB\n", "")
    assert [*folder.rglob("*")] == [folder / "mine", folder / "mine" / "notes.txt"]
    assert runs("cache") == (0, f"{folder}: 0.0 MB\n", "")
    assert not (tmp_path / "results").exists()


def test_a_verification_that_is_terminated_says_so_and_changes_nothing(
    tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(ENDS)
    made(Path("results/runs"), {"init": "mine.py:ends"})
    before = {path: path.stat().st_mtime_ns for path in Path("results").rglob("*")}
    Path("end").touch()
    status, out, err = runs("verify", "xor-ends", "init=mine.py:ends")
    assert status == 143
    assert "training again" in out
    assert err == "Interrupted.\n"
    assert {path: path.stat().st_mtime_ns for path in Path("results").rglob("*")} == before


def test_a_run_is_found_by_any_beginning_that_fits_it_alone(store: Path, runs: Runs) -> None:
    (run_id,) = names(store, init="he", seed=1)
    for word in (run_id, run_id[:-3], run_id[-12:], run_id[-12:-4], f"results/runs/{run_id}/"):
        assert runs("show", word).out.startswith(f"{run_id}\n")
    sentence = refused(runs("show", "xor-he"))
    assert "matches 2 runs" in sentence
    assert all(name in sentence for name in names(store, init="he"))
    assert "no run in results/runs begins with 'zebra'" in refused(runs("show", "zebra"))
    assert f"did you mean '{run_id}'" in refused(runs("show", run_id.replace("sigmoid", "sigmod")))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "required: COMMAND"),
        (["lst"], "invalid choice: 'lst'"),
        (["list", "--colour"], "unrecognized arguments: --colour"),
        (["list", "init"], "'init' is not of the form key=value"),
        (["list", "inti=he"], "unknown column 'inti': did you mean 'init'?"),
        (["list", "--store", "nowhere"], "there is no store 'nowhere'"),
        (["list", "store=nowhere"], "there is no store 'nowhere'"),
        (["list", "store="], "store= is not a folder: give store=FOLDER"),
        (["list", "store=results/runs", "--store", "b"], "the store is given twice"),
        (["show"], "required: RUN"),
        (["show", ""], "begins with ''"),
        (["show", ".."], "begins with '..'"),
        (["show", ".locks"], "begins with '.locks'"),
        (["show", "x" * 9999], "begins with"),
        (["show", "nul\0"], "begins with"),
        (["diff", "xor-he"], "required: RUN"),
        (["verify", "nothing"], "begins with 'nothing'"),
        (["export"], "required: FILE"),
        (["export", "no/such/folder.csv"], "No such file or directory"),
        (["export", "results"], "results has no known ending: give a name that ends in .csv or"),
        (["export", "all.xlsx"], "or in .md or .tex, for a table of the arms"),
        (["export", "all.csv", "init=zero"], "no run in results/runs matches init=zero"),
        (["prune", "everything"], "unrecognized arguments: everything"),
    ],
)
def test_bad_input_is_one_sentence(
    words: list[str], said: str, store: Path, runs: Runs, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert said in refused(runs(*words))
    assert sorted(tmp_path.rglob("*")) == before


def test_show_tells_settings_outcome_evaluations_and_environment(store: Path, runs: Runs) -> None:
    (run_id,) = names(store, init="he", seed=1)
    status, out, _ = runs("show", run_id)
    record = Store(store).load(run_id)
    assert status == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["init", "he"] in lines
    assert ["test_accuracy", str(record.metrics[-1]["test_accuracy"])] in lines
    assert ["numpy", np.__version__] in lines
    header = lines.index(["evaluations"]) + 1
    assert lines[header][:2] == ["epoch", "step"]
    assert [line[1] for line in lines[header + 1 : header + 5]] == ["0", "1", "2", "3"]


def test_show_gives_the_traceback_of_a_failed_run(store: Path, runs: Runs) -> None:
    (run_id,) = names(store, status=FAILED)
    out = runs("show", run_id).out
    assert "Traceback (most recent call last)" in out
    assert out.endswith("RuntimeError: no luck\n")


def test_diff_names_settings_and_outcome_and_compares_to_the_bit(store: Path, runs: Runs) -> None:
    a, b = names(store, seed=1, status=FINISHED)
    out = runs("diff", a, b).out
    assert ["init", "he", "xavier"] in [line.split() for line in out.splitlines()]
    assert "metrics that differ" in out
    assert "lr" not in out.split("outcome")[0].split("settings")[1]
    assert "identical to the bit: 4 evaluations" in runs("diff", a, a).out


def test_a_run_verified_is_identical_to_the_bit(store: Path, runs: Runs) -> None:
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    for run_id in [*names(store, seed=1), *names(store, status=DIVERGED)]:
        status, out, _ = runs("verify", run_id)
        assert status == 0
        assert "identical to the bit" in out
        assert "changed since then" not in out
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == before


def test_verify_tells_within_tolerance_from_different(store: Path, runs: Runs) -> None:
    (run_id,) = names(store, init="he", seed=0)
    rewrite(store, run_id, scaled("test_loss", 1 + 1e-4))
    status, out, _ = runs("verify", run_id)
    assert status == 0
    assert "within tolerance; tolerance: losses 0.01 relative, accuracies 0.005" in out
    assert [out.split("from step")[1].split()[i] for i in (0, 2)] == ["test_loss", "3"]
    assert "\nunchanged: version of nnexp, " in out
    assert "BLAS threads" in out.splitlines()[-1]
    assert "changed since" not in out
    rewrite(store, run_id, scaled("test_loss", 1.1))
    status, out, _ = runs("verify", run_id)
    assert status == 1
    assert "\ndifferent; tolerance: " in out


def test_verify_names_what_is_not_as_it_was(store: Path, runs: Runs) -> None:
    (run_id,) = names(store, init="he", seed=0)
    then = {"numpy": "1.26.0", "python": "3.10.1", "blas": ["mkl 2024 (avx2)"], "blas_threads": 4}
    rewrite(store, run_id, lambda record: record.environment.update(then))
    status, out, _ = runs("verify", run_id)
    assert status == 0
    told = {line.split("  ")[1]: line for line in out.splitlines() if line.startswith("  ")}
    assert "1.26.0" in told["NumPy"]
    assert np.__version__ in told["NumPy"]
    assert "3.10.1" in told["Python"]
    assert "mkl 2024 (avx2)" in told["BLAS"]
    assert told["BLAS threads"].split()[-2:] == ["4", "1"]


@pytest.mark.slow
def test_verify_notices_another_blas(store: Path, runs: Runs) -> None:
    if (
        not all(
            "openblas" in blas and "x86" in environment()["machine"]
            for blas in environment()["blas"]
        )
        or "(Haswell)" in environment()["blas"][0]
    ):
        pytest.skip("needs an OpenBLAS that can be told to compute as on an older processor")
    (record,) = made(
        store,
        {
            "data": {"name": "mnist", "train_size": 1000},
            "hidden": 64,
            "batch_size": 100,
            "steps": 20,
        },
    )
    done = subprocess.run(
        [sys.executable, "-m", "nnexp.runs", "verify", record.run_id],
        env={
            **os.environ,
            "OPENBLAS_CORETYPE": "Haswell",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "within tolerance" in done.stdout
    assert "(Haswell)" in done.stdout


def test_verify_names_changed_data(store: Path, runs: Runs) -> None:
    def save(seed: int) -> None:
        x, y = np.random.default_rng(seed).integers(0, 255, (40, 6)), np.arange(40) % 2
        np.savez("digits.npz", x_train=x, y_train=y, x_test=x, y_test=y)

    save(0)
    data = {"name": "npz", "file": str(Path("digits.npz").resolve())}
    (record,) = made(store, {"data": data})
    out = runs("verify", record.run_id).out
    assert "identical to the bit: 4 evaluations, 8 rows of layers\n" in out
    assert "data (SHA-256)" in out.splitlines()[-1]
    save(1)
    status, out, _ = runs("verify", record.run_id)
    assert status == 1
    assert "data (SHA-256)" in out.split("changed since then")[1].split("unchanged:")[0]
    Path("digits.npz").unlink()
    assert "cannot be read" in refused(runs("verify", record.run_id[-12:]))


MINE = """
from pathlib import Path

Path(__file__).with_name("imported").touch()


def mine(rng, i, o):
    return rng.normal(size=(i, o))
"""


def test_no_function_is_imported_because_a_record_names_it(store: Path, runs: Runs) -> None:
    mine, elsewhere, mark = Path("mine.py").resolve(), Path("away/copy.py"), Path("imported")
    mine.write_text(MINE)
    elsewhere.parent.mkdir()
    elsewhere.write_text(MINE)
    (record,) = made(store, {"init": f"{mine}:mine"})
    mark.unlink()
    run_id = record.run_id
    for words in (["list"], ["show", run_id], ["diff", run_id, run_id], ["prune"]):
        assert runs(*words).status == 0
    assert f"add init={mine}:mine to the command" in refused(runs("verify", run_id))
    assert "is not a function of your own" in refused(runs("verify", run_id, "loss=mine.py:mine"))
    assert not mark.exists()
    assert not Path("away/imported").exists()

    for place in ("mine.py", "away/copy.py"):
        assert IDENTICAL in runs("verify", run_id, f"init={place}:mine").out
    assert Path("away/imported").exists()
    mark.unlink(missing_ok=True)
    mine.write_text(MINE.replace("return ", "return 5 * "))
    sentence = refused(runs("verify", run_id, "init=mine.py:mine"))
    assert "init=mine.py:mine is not what" in sentence
    assert "is not what" in refused(runs("verify", run_id, "init=away/copy.py:other"))
    assert not mark.exists()
    mine.unlink()
    assert "there is no file" in refused(runs("verify", run_id, "init=mine.py:mine"))


@pytest.mark.slow
def test_verify_reads_the_data_anew(
    tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the cache that was altered behind its seal is found and unpacked again."""
    monkeypatch.setenv("NNEXP_CACHE", str(tmp_path / "cache"))
    data = {"name": "mnist", "train_size": 100}
    (record,) = made(tmp_path / "store", {"data": data, "batch_size": 50})
    file = tmp_path / "cache" / "mnist" / "train-images-idx3-ubyte"
    before, content = file.stat(), bytearray(file.read_bytes())
    content[5000:6000] = bytes(1000)
    file.unlink()  # it may be mapped
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    _, out, _ = runs("--store", str(tmp_path / "store"), "verify", record.run_id)
    assert f"{file} was altered since it was unpacked" in out
    assert IDENTICAL in out


def test_verify_tells_apart_what_a_record_does_not_tell(store: Path, runs: Runs) -> None:
    """As one of an older nnexp, which kept no digest of its code."""
    (run_id,) = names(store, init="he", seed=0)
    rewrite(store, run_id, lambda record: record.environment.pop("code"))
    *_, unchanged, missing = runs("verify", run_id).out.splitlines()
    assert unchanged.startswith("unchanged: version of nnexp, ")
    assert "code (SHA-256)" not in unchanged
    assert missing == "not recorded: code (SHA-256)"
    rewrite(store, run_id, lambda record: record.environment.update(code="0" * 64))
    assert "code (SHA-256)" in runs("verify", run_id).out.split("changed since then")[1]


def test_verify_compares_kept_weights_too(tmp_path: Path, runs: Runs) -> None:
    (record,) = made(tmp_path / "store", {}, save_weights=True)
    words = ("--store", str(tmp_path / "store"), "verify", record.run_id)
    assert "identical to the bit" in runs(*words).out

    def change(record: Record) -> None:
        assert record.weights is not None
        record.weights["W1"] = record.weights["W1"] * 1.5

    rewrite(tmp_path / "store", record.run_id, change)
    out = runs(*words).out
    assert "identical" not in out
    assert "the trained weights differ" in out


def test_verify_has_nothing_to_say_of_a_failed_run(store: Path, runs: Runs) -> None:
    (run_id,) = names(store, status=FAILED)
    _, out, err = runs("verify", run_id)
    assert (out, err) == ("", f"nnexp: {run_id} failed: it has no numbers to verify\n")


def replaced(run: Path, old: str, new: str) -> None:
    """Change ``run.json`` by hand."""
    text = (run / "run.json").read_text()
    assert old in text
    (run / "run.json").write_text(text.replace(old, new))


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "truncated run.json": lambda run: os.truncate(run / "run.json", 100),
    "empty run.json": lambda run: os.truncate(run / "run.json", 0),
    "run.json is a list": lambda run: (run / "run.json").write_text("[1, 2]"),
    "run.json is binary": lambda run: (run / "run.json").write_bytes(b"\xff\xfe\x00"),
    "run.json is missing": lambda run: (run / "run.json").unlink(),
    "run.json is a folder": lambda run: ((run / "run.json").unlink(), (run / "run.json").mkdir()),
    "another run's": lambda run: replaced(run, run.name, f"{run.name[:-3]}abc"),
    "another seed": lambda run: replaced(run, '"seed": 1', '"seed": 2'),
    "no columns": lambda run: replaced(run, '"columns"', '"rows"'),
}
TABLE_DAMAGE: dict[str, Callable[[Path], Any]] = {
    "altered metrics.csv": lambda run: (run / "metrics.csv").write_text("step\n3\n"),
    "missing layers.csv": lambda run: (run / "layers.csv").unlink(),
    "truncated layers.csv": lambda run: os.truncate(run / "layers.csv", 50),
    "metrics.csv is a folder": lambda run: (
        (run / "metrics.csv").unlink(),
        (run / "metrics.csv").mkdir(),
    ),
}


@pytest.mark.parametrize("damage", [*DAMAGE, *TABLE_DAMAGE])
def test_a_damaged_record_is_named_and_never_used(damage: str, store: Path, runs: Runs) -> None:
    (run_id,) = names(store, init="he", seed=1)
    other = names(store, init="he", seed=0)[0]
    {**DAMAGE, **TABLE_DAMAGE}[damage](store / run_id)
    for words in (("show", run_id), ("verify", run_id), ("diff", other, run_id)):
        assert run_id in refused(runs(*words))
    status, out, err = runs("export", "runs.csv")
    assert status == 1
    assert out.startswith("runs.csv: 5 runs\n")
    assert err.count(f"left out, damaged: results/runs/{run_id}") == 1
    assert ["damaged", run_id] in [line.split() for line in runs("prune").out.splitlines()]
    if damage in DAMAGE:
        line = next(line for line in runs("list").out.splitlines() if run_id in line)
        assert "damaged" in line


def test_export_gives_the_tables_of_all_runs(store: Path, runs: Runs) -> None:
    assert runs("export", "all.csv").out.splitlines() == [
        "all.csv: 6 runs",
        *("all-metrics.csv: 18 rows", "all-layers.csv: 36 rows"),
    ]
    with Path("all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run_id"] for row in rows] == Store(store).run_ids()
    for row in rows:
        record = Store(store).load(row["run_id"])
        expected = {k: "" if v is None else str(v) for k, v in record.summary_row().items()}
        assert row == dict.fromkeys(row, "") | expected  # a column that only others have is empty
    assert "all.csv exists" in refused(runs("export", "all.csv"))
    Path("all.csv").unlink()
    assert "all-metrics.csv exists" in refused(runs("export", "all.csv"))
    assert runs("export", "all.csv", "init=he", "--force").out.startswith("all.csv: 2 runs\n")


@pytest.mark.parametrize("name", ["arms.md", "arms.TEX"])
def test_export_gives_a_table_of_the_arms(name: str, store: Path, runs: Runs) -> None:
    assert runs("export", name, "init=he,xavier").out == f"{name}: 3 arms, 5 runs\n"
    assert "he" in Path(name).read_text("utf-8")
    assert Path(name).read_text("utf-8").count(" 2 ") == 2  # arms of two seeds
    assert f"{name} exists" in refused(runs("export", name))


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_prune_says_first_and_does_it_when_told(store: Path, runs: Runs) -> None:
    damaged, old = names(store, seed=1, status=FINISHED)
    (store / damaged / "layers.csv").unlink()
    old = rewrite(store, old, lambda record: record.identity.update(numerics=NUMERICS - 1))
    kept = [old, *names(store, seed=0, status=FINISHED), *names(store, status=DIVERGED)]
    put_back = "xor-he-sigmoid-8-lr7-s0-0123456789ab"  # its writer was killed between two renames
    for name in (f".new-{old}", f".old-{put_back}"):
        shutil.copytree(store / old, store / name)
    for name in kept[1:3]:
        (store / ".locks" / f"{name}.lock").touch()  # as a sweep that was killed leaves it
    (store / "my notes").mkdir()
    (store / "my notes" / "why.txt").write_text("because")
    before = tree(store)

    status, out, _ = runs("prune")
    assert status == 0
    assert "would remove, unless a sweep is using them: 1 failed, 1 damaged, 2 interrupted" in out
    assert "add --yes" in out
    assert tree(store) == before

    status, out, _ = runs("prune", "--yes")
    assert status == 0
    assert "\nremoved: 1 failed, 1 damaged, 2 interrupted, 2 lock files" in out
    assert {path.name for path in store.iterdir()} == {*kept, put_back, ".locks", "my notes"}
    assert (store / "my notes" / "why.txt").is_file()
    assert [path.name for path in (store / ".locks").iterdir()] == ["guard"]
    shutil.rmtree(store / put_back)

    assert runs("prune", "--yes").out == "nothing to prune\n"
    assert "1 obsolete" in runs("prune", "--obsolete").out
    assert old in tree(store)
    assert "removed: 1 obsolete" in runs("prune", "--obsolete", "--yes").out
    assert names(store, status=FINISHED) == names(store, seed=0, status=FINISHED)


def newer(store: Path, run_id: str) -> None:
    """Make a record one of a schema to come, of which nothing but the version is known."""
    run = json.loads((store / run_id / "run.json").read_text())
    future = {"schema": 99, "run_id": run_id, "steps": [1, 2], "digest": "of another kind"}
    (store / run_id / "run.json").write_text(json.dumps({**future, "was": run}))


def test_a_record_of_a_newer_nnexp_is_told_and_left_alone(store: Path, runs: Runs) -> None:
    run_id, other = names(store, init="he", status=FINISHED)
    newer(store, run_id)
    before = {path: path.stat().st_mtime_ns for path in (store / run_id).rglob("*")}
    sentence = refused(runs("show", run_id))
    assert (
        "was written by a newer nnexp (schema 99, this version reads up to 1): update" in sentence
    )
    for words in (["verify", run_id], ["diff", run_id, other], ["diff", other, run_id]):
        assert refused(runs(*words)) == sentence
    line = next(line for line in runs("list").out.splitlines() if run_id in line)
    assert line.split()[-5] == "newer"
    assert "status=newer" not in runs("list", "status=newer").err
    out = runs("prune", "--yes", "--obsolete").out
    assert "kept: 1 written by a newer nnexp" in out
    assert run_id not in out
    status, out, err = runs("export", "all.csv")
    assert status == 1
    assert out.startswith("all.csv: 4 runs\n")
    assert "newer nnexp" in err
    with pytest.raises(InputError, match="newer nnexp"):
        load(store / run_id)
    for options in ({}, {"force": True}):
        with pytest.raises(InputError, match="written by a newer nnexp"):
            made(store, {"init": "xavier", "seed": 5}, {"init": "he", "seed": 0}, **options)
    assert len(Store(store).run_ids()) == 5  # nothing is trained first
    assert {path: path.stat().st_mtime_ns for path in (store / run_id).rglob("*")} == before


def test_a_run_of_newer_numerics_is_neither_verified_nor_pruned(store: Path, runs: Runs) -> None:
    (run_id,) = names(store, init="he", seed=0)
    run_id = rewrite(store, run_id, lambda r: r.identity.update(numerics=NUMERICS + 1))
    sentence = refused(runs("verify", run_id))
    assert (
        f"(version {NUMERICS + 1} of the numerics, this one has {NUMERICS}): update nnexp"
        in sentence
    )
    assert run_id not in runs("prune", "--obsolete", "--yes").out
    assert runs("show", run_id).status == 0


def test_prune_leaves_alone_what_a_sweep_is_working_on(store: Path, runs: Runs) -> None:
    (failed,) = names(store, status=FAILED)
    lock = Store(store).lock(failed)
    assert lock is not None
    try:
        assert failed not in runs("prune", "--yes").out
        assert (store / ".locks" / f"{failed}.lock").is_file()
    finally:
        lock.release()
    assert (store / failed / "run.json").is_file()
    assert failed in runs("prune", "--yes").out


@pytest.mark.slow
def test_the_command_keeps_blas_to_one_thread_and_bears_a_closed_pipe(store: Path) -> None:
    plain = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    code = (
        "import sys, runpy\n"
        "sys.argv = ['nnexp.runs', 'list']\n"
        "try:\n    runpy.run_module('nnexp.runs', run_name='__main__')\n"
        "except SystemExit as end:\n    print('status', end.code)\n"
        "import threadpoolctl\n"
        "print(*(lib['num_threads'] for lib in threadpoolctl.threadpool_info()))\n"
    )
    root = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**plain, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-2] == "status 0"
    assert set(done.stdout.splitlines()[-1].split()) == {"1"}
    piped = subprocess.run(
        f"{sys.executable} -m nnexp.runs list | head -n 1",
        shell=True,
        env={**plain, "PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    assert piped.stderr == ""
    assert piped.stdout.startswith("run ")


@pytest.fixture
def copied(store: Path) -> tuple[str, Path]:
    """A run of a function that `nnexp.sweep` has copied into the store, and the copy."""
    copy = store / ".functions" / "0123456789ab.py"
    copy.parent.mkdir()
    copy.write_text("def mine(rng, fan_in, fan_out):\n    return rng.random((fan_in, fan_out))\n")
    [record] = made(store, {"init": f"{copy.relative_to(Path.cwd()).as_posix()}:mine"})
    return record.run_id, copy


def test_a_copied_function_goes_by_its_own_name(
    copied: tuple[str, Path], runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, copy = copied
    listed = next(line for line in runs("list").out.splitlines() if run_id in line)
    assert listed.split()[1] == "mine"
    assert run_id in runs("list", "init=mine").out
    assert "add init=mine to the command" in refused(runs("verify", run_id))
    monkeypatch.chdir(copy.parent)  # the recorded path leads nowhere from here
    assert IDENTICAL in runs("verify", "--store", "..", run_id, "init=mine").out
    copy.write_text(copy.read_text().replace("rng.random", "0 * rng.random"))
    assert "is not what" in refused(runs("verify", "--store", "..", run_id, "init=mine"))


def test_prune_removes_copied_functions_that_no_run_uses(
    copied: tuple[str, Path], store: Path, runs: Runs
) -> None:
    run_id, copy = copied
    runs("prune", "--yes")  # what the store has of other kinds
    others = [copy.with_name(f"{n * 12}.py") for n in "ab"]
    for file in others:
        file.write_text("")
    os.utime(copy, (0, 0))
    os.utime(others[0], (0, 0))  # the other one is new: a sweep may be about to use it
    assert others[0].name in runs("prune").out
    assert others[0].exists()
    assert "removed: 1 unused function" in runs("prune", "--yes").out
    assert sorted(copy.parent.iterdir()) == sorted([copy, others[1]])
    shutil.rmtree(store / run_id)
    lock = Store(store).lock(run_id)
    assert lock is not None
    assert "unused function" not in runs("prune", "--yes").out  # a sweep may be using it
    lock.release()
    assert "unused function" in runs("prune", "--yes").out
    assert [*copy.parent.iterdir()] == [others[1]]
