"""``python -m nnexp.verify``: runs of a study trained again and compared with its tables."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from nnexp.__main__ import main as nnexp_main
from nnexp.cli import verify as command
from nnexp.config import run_config
from nnexp.store.tables import read_exactly
from tests.cli.conftest import Judged, define
from tests.conftest import Outcome


@pytest.fixture
def verify(
    judged: Judged,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    """Run ``python -m nnexp.verify`` in a copy of the folder in which ``tiny`` was judged."""
    shutil.copytree(judged.folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Outcome:
        capfd.readouterr()
        status = command.main(list(words))
        return Outcome(status, *capfd.readouterr())

    return run


def change(column: str, by: float) -> None:
    """Change the last value of a column of every run's metrics by a factor of 1 + ``by``."""
    file = Path("results/tiny/metrics.csv.xz")
    table = read_exactly(file)
    last = table.groupby("run_id").tail(1).index
    table.loc[last, column] *= 1 + by
    table.to_csv(file, index=False)


@pytest.mark.slow
def test_a_run_of_each_arm_agrees_to_the_bit(verify) -> None:
    done = verify("tiny")
    assert done.status == 0, done.err
    assert re.search(r"^xavier +blobs-xavier-\S+ +to the bit$", done.out, re.MULTILINE)
    assert re.search(r"^zero +blobs-zero-\S+ +to the bit$", done.out, re.MULTILINE)
    assert "tiny: 2 of 2 runs agree to the bit" in done.out
    assert verify("tiny").out == done.out
    chosen = {tuple(re.findall(r"blobs-\S+", verify("tiny", "--seed", s).out)) for s in "1234"}
    assert len(chosen) > 1


def test_the_digit_to_which_a_run_agrees_is_named(verify) -> None:
    change("train_loss", 3e-6)
    done = verify("tiny")
    assert done.status == 0
    assert re.search(r"to 5 digits, within tolerance +train_loss at step \d+: \S+ then, ", done.out)
    assert "tiny: 0 of 2 runs agree to the bit" in done.out


def test_a_run_that_does_not_agree_is_a_failure(verify) -> None:
    change("test_loss", 0.5)
    done = verify("tiny")
    assert done.status == 1
    assert "to 0 digits, different" in done.out


def test_tables_of_an_older_version_of_the_numerics_are_compared_and_it_is_said(
    verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = run_config.NUMERICS + 1
    for module in ("config.run_config", "store.table_runs", "cli.verify"):
        monkeypatch.setattr(f"nnexp.{module}.NUMERICS", newer)
    done = verify("tiny")
    assert done.status == 0
    assert f"note: the tables were made with version {newer - 1} of the numerics" in done.out
    assert "2 of 2 runs agree to the bit" in done.out


def test_runs_that_are_not_those_of_the_file_are_refused(verify) -> None:
    define(text=Path("experiments/tiny.yaml").read_text().replace("{", "{{").replace("}", "}}")
           .replace("epochs: 2", "epochs: 3"))  # fmt: skip
    done = verify("tiny")
    assert done.status == 2
    assert "no run of arm 'xavier' in results/tiny is as " in done.err
    assert "run the study again with python -m nnexp.reproduce tiny" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tyny",), "unknown study 'tyny': did you mean 'tiny'?"),
        (("tiny", "--seed", "-1"), "--seed -1: give 0 or more"),
        (("tiny", "--results", "none"), "has no runs.csv"),
        ((), "the following arguments are required: STUDY"),
    ],
)
def test_bad_input_is_one_sentence(verify, words: tuple[str, ...], message: str) -> None:
    done = verify(*words)
    assert done.status == 2
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_it_is_a_word_of_the_console_script(verify, capfd: pytest.CaptureFixture[str]) -> None:
    assert nnexp_main(["verify", "tiny", "--seed", "-1"]) == 2
    assert "--seed -1: give 0 or more" in capfd.readouterr().err
