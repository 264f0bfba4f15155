"""The names of experiments: files in ``experiments/`` and its folders, the user's own first."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnexp.config.folders import experiment_files, experiment_name, is_own
from nnexp.errors import InputError
from tests import ROOT
from tests.conftest import Command

RUN = "# @package _global_\ndefaults: [override /data: xor]\nhidden: 3\nsteps: 2\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that writes experiments of these names, from an otherwise empty folder."""
    monkeypatch.chdir(tmp_path)

    def write(*names: str) -> None:
        for name in names:
            file = Path("experiments", f"{name}.yaml")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(RUN)

    return write


def test_a_name_is_the_path_in_the_folder(write) -> None:
    write("flat", "folder/inside", "folder/deeper/still", ".ipynb_checkpoints/flat-checkpoint")
    own = [name for name, file in experiment_files().items() if is_own(file)]
    assert own == ["flat", "folder/deeper/still", "folder/inside"]
    assert experiment_files()["documents/xor"] == ROOT / "experiments" / "documents" / "xor.yaml"


def test_the_name_of_a_file_is_enough_if_it_is_unique(write) -> None:
    write("folder/inside")
    assert experiment_name("folder/inside") == experiment_name("inside") == "folder/inside"
    assert experiment_name("xor") == "documents/xor"
    assert experiment_name("matched_init") == "matched_init"
    assert experiment_name("folder") is None
    assert experiment_name("papers/xor") is None


def test_the_working_directory_takes_precedence(write) -> None:
    write("mine/xor", "documents/losses")
    assert experiment_name("xor") == "mine/xor"
    assert experiment_name("documents/xor") == "documents/xor"
    assert is_own(experiment_files()["documents/losses"])


def test_a_name_in_several_folders_is_refused(write) -> None:
    write("one/same", "two/same")
    with pytest.raises(InputError, match="'same' is in several folders: write one/same or two/sa"):
        experiment_name("same")
    assert experiment_name("one/same") == "one/same"


@pytest.mark.parametrize("name", ["flat", "inside", "folder/inside"])
def test_a_sweep_runs_an_experiment_by_either_name(quick: Command, write, name: str) -> None:
    write("flat", "folder/inside")
    done = quick("-m", f"+experiments={name}", "seed=0,1", "out=o", "hydra.launcher.workers=1")
    assert done.status == 0, done.err
    assert Path("o/runs.csv").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("+experiments=same", "'same' is in several folders: write one/same or two/same"),
        ("+experiments=matched_int", "unknown experiments 'matched_int': did you mean 'matched_in"),
        ("+experiments=xorr", "unknown experiments 'xorr': did you mean 'documents/xor'?"),
        ("+experiments=documents/xo", "experiments 'documents/xo': did you mean 'documents/xor'?"),
    ],
)
def test_bad_names_are_refused(quick: Command, write, words: str, said: str) -> None:
    write("one/same", "two/same")
    done = quick("-m", words)
    assert done.status == 2
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    assert not Path("results").exists()
