"""A small study, a folder in which it has been judged, and the command that judges it."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import NamedTuple

import pytest

from nnexp.cli import reproduce
from tests.conftest import Command, Outcome

STUDY = """\
# @package _global_
study:
  title: Which weights does a network of four units learn from?
  source: {{D2: "제목"}}
  question: Does it matter how the weights begin?
  protocol: Two blobs, four hidden units.
  unstated: All of it.
  explanation: Equal units stay equal.
  figures: [accuracy]
  grids: [{{down: init, across: activation}}]
  claims:
    - id: begins
      row: D2.1
      statement: Random weights end above weights of zero.
      test: greater
      arms: [xavier, zero]
      outcome: train_loss
      matters: 0.001
      map: [epoch]
      expected: {expected}
    - id: arithmetic
      row: D3.2
      statement: A softmax of equal logits is even.
      test: computed
      compute: softmax
      given: {{logits: [1, 1]}}
      published: {{probabilities: [0.5, 0.5]}}
      rounding: 0.0005
      expected: reproduced
arms:
  xavier: [init=xavier]
  zero: [init=zero]
data: {{name: blobs, n: 100}}
batch_size: 20
hidden: 4
epochs: 2
hydra:
  sweeper:
    params:
      arm: all
      seed: range(6)
  launcher: {{workers: 1}}
"""


def define(expected: str = "contradicted", name: str = "tiny", text: str = STUDY) -> None:
    data = text.replace("data: {{name: blobs, n: 100}}", "defaults: [override /data: blobs]")
    Path(f"experiments/{name}.yaml").write_text(data.format(expected=expected), "utf-8")


class Judged(NamedTuple):
    """How the command ended that judged the study, and where."""

    outcome: Outcome
    folder: Path


@pytest.fixture(autouse=True)
def read_once(known_studies: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read nnexp's own studies once: that takes as long as a small study."""
    monkeypatch.setattr(reproduce, "read_study", known_studies)


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Judge the study ``tiny``; for tests that copy the folder."""
    folder = tmp_path_factory.mktemp("judged")
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("experiments").mkdir()
        define()  # the loss is lower where weights are random: "greater" is contradicted
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = reproduce.main(["tiny"])
    return Judged(Outcome(status, out.getvalue(), err.getvalue()), folder)


@pytest.fixture(name="reproduce")
def reproduce_command(nnexp: Command, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run ``python -m nnexp.reproduce`` in an empty folder."""
    Path("experiments").mkdir()

    def run(*words: str) -> Outcome:
        capfd.readouterr()
        status = reproduce.main(list(words))
        return Outcome(status, *capfd.readouterr())

    return run
