"""``python -m nnexp.reproduce NAME --lock``: before the first run, and what follows from it."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from nnexp.cli import reproduce as command
from tests.cli.conftest import STUDY, define
from tests.conftest import Command

UNSEEN = STUDY.replace("seed: range(6)", "seed: range(100,106)").replace(
    "map: [epoch]", "at: {{epoch: 2}}"
)
ARITHMETIC = re.sub(
    r"    - id: begins.*?(?=    - id: arithmetic)|hydra:.*", "", STUDY, flags=re.DOTALL
).replace("grids: [{{down: init, across: activation}}]", "grids: []")


@pytest.mark.slow
def test_a_pilot_then_a_lock_then_the_runs(
    reproduce: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command.markdown_report, "write_report", lambda *places: places[1])
    define(text=UNSEEN)
    pilot = reproduce("tiny", "--seeds", "6", "--results", "pilot")
    assert "tiny: exploratory: 1 contradicted, 1 reproduced" in pilot.out

    locked = reproduce("tiny", "--lock")
    assert (locked.status, locked.err) == (0, "")
    assert "tiny: locked 2 claims with seeds 100 to 105 in " in locked.out
    lock = yaml.safe_load(Path("experiments/tiny.lock").read_text("utf-8"))
    assert lock["claims"][0]["power"]["pilot"] == 6
    assert not Path("results").joinpath("tiny").exists()

    again = reproduce("tiny", "--lock")
    assert again.status == 2
    assert "tiny has been locked since " in again.err
    assert "give --relock" in again.err

    done = reproduce("tiny")
    assert done.status == 0, done.err
    assert "tiny: confirmatory: 1 contradicted, 1 reproduced" in done.out
    claims = pd.read_csv("results/tiny/claims.csv")
    assert list(claims["analysis"]) == ["confirmatory", "confirmatory"]
    runs = pd.read_csv("results/tiny/runs.csv.xz")
    assert (runs["started"] >= lock["locked"]).all()

    # A claim that changes after its lock is exploratory, whatever is done about it.
    define(text=UNSEEN.replace("matters: 0.001", "matters: 0.002"))
    changed = reproduce("tiny")
    assert "tiny: exploratory, as it was changed after the lock: begins" in changed.out
    assert reproduce("tiny", "--relock").status == 0
    late = reproduce("tiny", "--from-tables")
    assert re.search(r"exploratory, as run blobs-\S+ began at \S+, before the lock", late.out)
    assert "tiny: confirmatory: 1 reproduced" in late.out  # the computation, unchanged
    relocked = yaml.safe_load(Path("experiments/tiny.lock").read_text("utf-8"))
    assert relocked["earlier"][0]["digest"] == lock["digest"]

    Path("experiments/tiny.lock").unlink()
    refused = reproduce("tiny", "--lock")
    assert refused.status == 2
    assert "has been run already" in refused.err
    assert "as in seed: range(106,112)" in refused.err

    # With unseen seeds, the power is planned from all runs before, in the pilot and after.
    define(text=UNSEEN.replace("range(100,106)", "range(106,112)"))
    assert reproduce("tiny", "--lock").status == 0
    lock = yaml.safe_load(Path("experiments/tiny.lock").read_text("utf-8"))
    assert lock["claims"][0]["power"]["pilot"] == 12


@pytest.mark.slow
def test_a_study_without_runs_is_locked_and_judged(
    reproduce: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    define(text=ARITHMETIC)
    assert reproduce("tiny", "--lock").status == 0
    done = reproduce("tiny")
    assert "tiny: confirmatory: 1 reproduced" in done.out
    page = Path("results/tiny/README.md").read_text("utf-8")
    assert "1 of 1 verdicts are confirmatory." in page
    report = Path("results/README.md").read_text("utf-8")
    assert "All of these are confirmatory." in report
    define(text=ARITHMETIC.replace("A softmax of equal logits", "A softmax"))
    assert reproduce("tiny", "--from-tables").status == 0
    page = Path("results/tiny/README.md").read_text("utf-8")
    row = "| arithmetic | statement | A softmax of equal logits is even. | A softmax is even. |"
    assert row in page
    assert "Exploratory, as it was changed after the lock: arithmetic." in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tiny", "--lock"), "tiny.yaml: seeds below 100 are for pilots, and the study has 0 to 5"),
        (("--lock",), "--lock needs the name of a study: give it first"),
        (("tiny", "--lock", "--seeds", "3"), "--lock runs nothing: leave out the options of runs"),
        (("tiny", "--relock", "--from-tables"), "--relock runs nothing"),
        (("tiny", "--lock", "--relock"), "not allowed with argument --lock"),
    ],
)
def test_what_cannot_be_locked_is_refused(
    reproduce: Command, words: tuple[str, ...], message: str
) -> None:
    define()
    done = reproduce(*words)
    assert done.status == 2
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert sorted(path.name for path in Path("experiments").iterdir()) == ["tiny.yaml"]
