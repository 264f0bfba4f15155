"""Study files: what they say, and how a malformed one is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nnexp.errors import InputError
from nnexp.plotting.sweep_figures import FIGURES
from nnexp.plotting.training_figures import LOSS_LINE
from nnexp.studies.kinds.comparison import Comparison
from nnexp.studies.kinds.published import Published
from nnexp.studies.reader import read_study

TEXT = """\
# @package _global_
study:
  title: A title
  source: {D2: "원문"}
  question: Does it hold?
  protocol: fixed
  unstated: the rate
  explanation: because
  figures: [accuracy]
  claims:
    - id: first
      row: D2.1
      statement: A ends above B.
      test: greater
      arms: [a, b]
      expected: reproduced
    - id: second
      row: "Glorot & Bengio 2010, 4.2"
      statement: A ends at 0.9.
      test: published
      arm: a
      value: 0.9
      rounding: 0.05
      expected: consistent
arms:
  a: [init=xavier]
  b: [init=zero]
hydra:
  sweeper:
    params: {arm: all, seed: range(10)}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.yaml"


def test_a_study_is_read(file: Path) -> None:
    file.write_text(TEXT, "utf-8")
    study = read_study(file)
    assert study is not None
    assert (study.name, study.title, study.source) == ("mine", "A title", {"D2": "원문"})
    assert study.arms == {"a": ("init=xavier",), "b": ("init=zero",)}
    assert study.has_runs
    first, second = study.claims
    assert study.family(first) == study.family(second) == 1  # a figure is not a comparison
    assert (first.role, second.role, study.rows) == ("support", "support", {})
    assert isinstance(first.test, Comparison)
    assert (first.test.name, first.test.arms, first.test.matters) == ("greater", ("a", "b"), 0.003)
    assert isinstance(second.test, Published)
    assert (second.test.values, second.test.cap, second.test.better) == ((0.9,), 0.01, "higher")
    assert first.document == "D2"
    assert second.document == "papers"
    assert study.command() == "python -m nnexp.reproduce mine"


THIRD = """\
    - id: third
      row: D3.1
      statement: One half each.
      test: computed
      compute: softmax
      given: {logits: [0, 0]}
      published: {probabilities: [0.5, 0.5]}
      rounding: 0.005
      expected: reproduced
arms:
"""


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("A ends above B.", "A beats B.", ""),
        ("row: D2.1", "row: D2.2", ""),
        ("row: D2.1", "row: D2.1\n      role: main", ""),
        ("expected: reproduced", "expected: contradicted", ""),
        ("title: A title", "title: Another", ""),
        ("figures: [accuracy]", "figures: [loss]", ""),
        ("value: 0.9", "value: 0.90", ""),
        ("      rounding: 0.05", "      note: a note\n      rounding: 0.05", ""),
        ("hydra:\n", "hydra:\n  launcher: {workers: 1}\n", ""),
        ("arms:\n", "arms:\n  c: [init=he]\n", ""),
        ("test: greater", "test: less", "first"),
        ("[a, b]", "[b, a]", "first"),
        ("test: greater", "test: greater\n      matters: 0.01", "first"),
        ("test: greater", "test: greater\n      scale: log10\n      matters: 0.003", "first"),
        ("test: greater", "test: greater\n      at: {epoch: 1}", "first"),
        ("test: greater", "test: greater\n      map: [epoch]", "first"),
        ("test: greater", "test: greater\n      where: {init: he}", "first"),
        ("figures: [accuracy]", "alpha: 0.01", "first"),
        ("b: [init=zero]", "b: [init=he]", "first"),
        ("a: [init=xavier]", "a: [init=he]", "first second"),
        ("range(10)", "range(20)", "first second"),
        ("arms:\n", "epochs: 3\narms:\n", "first second"),
        ("value: 0.9", "value: 0.8", "second"),
        ("value: 0.9", "value: [0.9, 0.9]", "second"),
        ("rounding: 0.05\n", "rounding: 0.05\n      cap: 0.2\n", "second"),
        ("rounding: 0.05\n", "rounding: 0.05\n      better: lower\n", "second"),
        ("[0.5, 0.5]", "[0.4, 0.6]", "third"),
        ("logits: [0, 0]", "logits: [0, 1]", "third"),
        (
            "  claims:\n",
            "  claims:\n    - {id: more, row: D2.3, statement: s, test: less, arms: [a, b], "
            "expected: reproduced}\n",
            "first",
        ),
        (
            "  claims:\n",
            "  claims:\n    - {id: more, row: D2.3, statement: s, test: published, arm: a, "
            "value: 0.9, rounding: 0.05, expected: consistent}\n",
            "second",
        ),
    ],
)
def test_a_digest_changes_with_what_decides_a_verdict(
    file: Path, old: str, new: str, changed: str
) -> None:
    def digests(text: str) -> dict[str, str]:
        file.write_text(text, "utf-8")
        study = read_study(file)
        assert study is not None
        return {claim.id: study.digest(claim) for claim in study.claims}

    text = TEXT.replace("arms:\n  a", THIRD + "  a")
    assert old in text
    before, after = digests(text), digests(text.replace(old, new, 1))
    assert {name for name in before if before[name] != after[name]} == set(changed.split())


EVERY_KIND = """\
# @package _global_
study:
  title: t
  source: {D2: t}
  question: q
  protocol: p
  unstated: u
  explanation: e
  claims:
    - {id: greater, row: D2.1, statement: s, test: greater, arms: [a, b], where: {lr: 0.1},
       map: [lr, epoch], at: {epoch: 5}, expected: reproduced}
    - {id: tuned, row: D2.1, statement: s, test: equal, arms: [a, b], scale: log10, matters: 0.1,
       outcome: {layer: 1, value: dead}, tuned: {over: lr, by: train_loss}, expected: reproduced}
    - {id: threshold, row: D2.1, statement: s, test: less, arm: a, threshold: 0.5, where: {lr: 1},
       expected: reproduced}
    - {id: published, row: D2.1, statement: s, test: published, arm: a, where: {lr: 1}, value: 0.9,
       outcome: test_loss, cap: 0.2, rounding: 0.05, expected: consistent}
    - {id: curve, row: D2.1, statement: s, test: curve, arm: b, where: {lr: 1}, by: epoch,
       points: {1: 0.5, 2: 0.75}, rounding: 0.005, expected: consistent}
    - {id: computed, row: D2.1, statement: s, test: computed, compute: softmax,
       given: {logits: [0, 0]}, published: {probabilities: [0.5, 0.5]},
       rounding: {probabilities: 0.005}, expected: reproduced}
arms: {a: [init=xavier], b: [init=zero]}
epochs: 5
hydra:
  sweeper:
    params: {arm: all, lr: "0.1,1", seed: range(10)}
"""


def test_digests_stay_what_they_were_so_that_stored_verdicts_stay_valid(file: Path) -> None:
    file.write_text(EVERY_KIND, "utf-8")
    study = read_study(file)
    assert study is not None
    # As nnexp computed them before the kinds of tests had classes of their own; those of
    # comparisons since they are judged by the median, those of figures since they have a family
    # (RULES = 2), and that of the tuned one since tuning has to be finished (TUNING = 2).
    assert {claim.id: study.digest(claim) for claim in study.claims} == {
        "greater": "e1b88b3a11801bca",
        "tuned": "1887564111d181e9",
        "threshold": "9e28f9618d17e491",
        "published": "8b4679aa3b636797",
        "curve": "99e2fd5299b98db8",
        "computed": "6a872bdb4c8171e1",
    }


def test_a_study_can_show_every_figure_of_a_sweep(file: Path) -> None:
    every = (*FIGURES, LOSS_LINE)
    file.write_text(TEXT.replace("[accuracy]", f"[{', '.join(every)}]"), "utf-8")
    study = read_study(file)
    assert study is not None
    assert study.figures == every
    assert {"loss", "differences", "cells", "response", "validation"} < set(FIGURES)


def test_an_experiment_without_claims_is_no_study(file: Path) -> None:
    file.write_text("# @package _global_\nlr: 0.1\n")
    assert read_study(file) is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("question: Does it hold?", "", r"line 3: study: 'question' is missing: give question: …"),
        ("arms:\n", "tune: lr\narms:\n", r"tune is for sweeps without claims: give each claim"),
        ("protocol: fixed", "protokol: fixed", r"line 6: .*'protokol': did you mean 'protocol'\?"),
        (
            "test: greater",
            "test: grater",
            r"line 11: claim: unknown test 'grater': did you mean 'greater'",
        ),
        ("arms: [a, b]", "arms: [a, c]", r"line 11: .*unknown arm 'c': choose from a, b"),
        ("arms: [a, b]", "arms: [a]", r"line 11: claim 'first' .*give arms: \[A, B\]"),
        ("arms: [a, b]", "arm: a", r"line 11: .*or arm: A with a threshold"),
        ("arms: [a, b]", "armz: [a, b]", r"line 15: .*'armz': did you mean 'arm'\?"),
        ("value: 0.9", "", r"line 17: claim 'second' \(published\): 'value' is missing"),
        ("value: 0.9", "value: high", r"line 17: .*value='high' is not a number"),
        ("id: second", "id: first", r"line 17: claim 'first' appears twice"),
        ("id: second", "id: ../second", r"line 17: .*an id names files: give letters, digits"),
        ("expected: reproduced", "expected: reproducd", r"line 11: .*did you mean 'reproduced'\?"),
        ("expected: consistent", "expected: reproduced", r"line 17: .*choose from consistent, bo"),
        (
            "arms: [a, b]",
            "arms: [a, b]\n      outcome: test_loss",
            r"line 11: .*give matters, the smallest difference of test loss that matters",
        ),
        (
            "arms: [a, b]",
            "arms: [a, b]\n      outcome: {worst: test_loss}",
            r"line 11: .*outcome=\{'worst': 'test_loss'\}: give a column, or one of change,",
        ),
        (
            "test: greater",
            "test: equal\n      map: [lr]",
            r"line 11: claim 'first' \(equal\): a map goes with greater or less",
        ),
        (
            "row: D2.1",
            "row: D2.1\n      role: mian",
            r"line 11: .*role 'mian': did you mean 'main'",
        ),
        (
            "figures: [accuracy]",
            "rows: {D2.1: s}",
            r"study: rows: no claim of the row 'D2.1' has role",
        ),
        ("value: 0.9", "value: []", r"line 17: .*value=\[\] is empty: give the published figure"),
        ("figures: [accuracy]", "figures: [acuracy]", r"line 3: .*did you mean 'accuracy'\?"),
        (
            "figures: [accuracy]",
            "grids: [lr]",
            r"line 3: study: the grid 'lr' is not a",
        ),
        (
            "figures: [accuracy]",
            "grids: [{down: lr}]",
            r"line \d+: grid: 'across' is missing",
        ),
        (
            "arms: [a, b]",
            "arms: [a, b]\n      outcome: tst_loss\n      matters: 0.1",
            r"line 11: .*unknown outcome 'tst_loss': did you mean 'test_loss'",
        ),
        (
            "figures: [accuracy]",
            "grids: 5",
            r"line 3: .*grids=5 is not a list: give",
        ),
        (
            "figures: [accuracy]",
            "grids: [{down: [lr], across: init}]",
            r"line \d+: grid: down=\['lr'\] is not the name of a setting",
        ),
        (
            "figures: [accuracy]",
            "grids: [{down: lr, across: init, where: lr}]",
            r"line \d+: grid: where=lr is not a mapping",
        ),
        (
            "figures: [accuracy]",
            "grids: [{down: lr, across: init}, {down: lr, across: init}]",
            r"line 3: study: grid-lr-init appears twice: give each its own where",
        ),
        (
            "figures: [accuracy]",
            "grids: [{down: lr, across: init, tuned: {ober: lr}}]",
            r"line \d+: grid: tuned: unknown key 'ober': did you mean 'over'",
        ),
        (
            "arms:\n  a",
            "stpes: 100\narms:\n  a",
            r"line 25: unknown key 'stpes': did you mean 'steps'",
        ),
        (
            "seed: range(10)",
            "lr: '0.1,1'",
            r"line 11: claim 'first' .*lr is swept: give its value",
        ),
        (
            "arms: [a, b]",
            "where: {lr: 1}\n      arms: [a, b]",
            r"line 11: .*lr in 'where' is not swept",
        ),
        (
            "seed: range(10)",
            "sed: range(10)",
            r"line 30: hydra.sweeper.params .*'sed': did you mean",
        ),
        (
            "params: {",
            "parms: {",
            r"line 30: hydra.sweeper.parms cannot be set in an experiment: did you mean",
        ),
        ("{arm: all, seed: range(10)}", "all", r"line 30: hydra.sweeper.params is not a mapping"),
        (
            "test: greater",
            "test: greater\n      tuned: {over: lr, by: accuracy}",
            r"line 15: .*tuned: unknown score to tune by 'accuracy'",
        ),
        (
            "arms: [a, b]",
            "map: [lr]\n      arms: [a, b]",
            r"line 11: claim 'first' \(greater\): lr does not vary: map what is swept",
        ),
        (
            "figures: [accuracy]",
            "grids: [{down: lr, across: init, where: {activation: relu}}]",
            r"line 9: grid: activation in 'where' is not swept and no arm sets it",
        ),
        ("test: greater", "test: [greater]", r"line 11: claim: unknown test"),
        ("arm: a\n", "arm: [[a]]\n", r"line 17: .*unknown arm"),
        *(
            ("test: greater", f"test: greater\n      matters: 1\n      {more}", said)
            for more, said in (
                ("outcome: {layer: first, value: dead}", r"layer=first: give 1, 2, … or -1"),
                ("outcome: {layer: 0, value: dead}", r"layer=0: give 1, 2, … or -1"),
                ("outcome: {layer: 1, value: kind}", r"unknown value of a layer 'kind'"),
                ("outcome: {change: nonsense}", r"unknown outcome of change 'nonsense'"),
                ("outcome: {change: test_loss, of: 1}", r"outcome: unknown key 'of'"),
                ("at: {epoch: 1, step: 2}", r"it has both epoch and step: give one of them"),
                ("at: {epoch: five}", r"at: epoch='five' is not a number"),
                ("map: epoch", r"map=epoch is not a list: give \[lr, epoch\]"),
                (
                    "at: {epoch: 1}\n      outcome: {steps_to: 0.9}",
                    r"not measured at one",
                ),
                ("map: [epoch]\n      outcome: {steps_to: 0.9}", r"has no map over epochs"),
                ("tuned: {over: lr, by: seconds}", r"unknown score to tune by 'seconds'"),
            )
        ),
        ("test: greater", "test: greater\n      matters: -1", r"matters=-1: give 0 or more"),
        (
            "arms: [a, b]",
            "arm: a\n      threshold: 0\n      scale: log10\n      matters: 1",
            r"line 11: .*threshold=0 has no log10",
        ),
        (
            'source: {D2: "원문"}',
            "source: D2",
            r"source=D2 is not a mapping: give document",
        ),
        ("- id: first", "- id: [", r"line \d+: not valid YAML"),
    ],
)
def test_a_malformed_study_is_refused_with_its_file_line_and_a_remedy(
    file: Path, old: str, new: str, said: str
) -> None:
    assert old in TEXT
    file.write_text(TEXT.replace(old, new, 1), "utf-8")
    with pytest.raises(InputError) as caught:
        read_study(file)
    assert str(caught.value).startswith(f"{file}, ")
    assert re.search(said, str(caught.value)), caught.value
    assert "\n" not in str(caught.value)


SWEPT = TEXT.replace("seed: range(10)", "lr: '0.1,1e-2', init: 'choice(he,zero)', seed: range(10)")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("{lr: 0.01, init: he}", ""),
        ("{lr: 0.01}", "init is swept: give its value"),
        ("{lr: 0.2, init: he}", "lr=0.2 is not swept: choose from 0.1, 1e-2"),
        ("{lr: 0.1, init: he, int: he}", "int in 'where' is not swept and .*did you mean 'init'"),
        ("{lr: 0.1, init: he}\n      map: [lr, epoch]", ""),
        ("{init: he}\n      tuned: {over: lr, by: validation_loss}", ""),
        (
            "{init: he}\n      tuned: {over: lr, by: test_accuracy}",
            "tuned: by=test_accuracy chooses lr on the test set, on which the claim is "
            "measured: give by: validation_accuracy",
        ),
        (
            "{init: he}\n      outcome: train_accuracy\n      tuned: {over: lr, by: train_loss}",
            "by=train_loss chooses lr on the train set, .* give by: validation_accuracy",
        ),
        ("{lr: 0.1, init: he}\n      tuned: {over: lr, by: train_loss}", "lr is also fixed in"),
        ("{lr: 0.1}\n      tuned: {over: init, by: train_loss}", "over=init cannot be tuned, as"),
        ("{init: he, lr: 0.1}\n      tuned: {over: epochs, by: train_loss}", "epochs is not swept"),
    ],
)
def test_a_claim_says_at_which_of_the_swept_settings(file: Path, where: str, said: str) -> None:
    second = "where: {lr: 0.1, init: zero}"
    text = SWEPT.replace("arms: [a, b]", f"arms: [a, b]\n      where: {where}")
    file.write_text(text.replace("value: 0.9", f"value: 0.9\n      {second}"), "utf-8")
    if not said:
        assert read_study(file) is not None
        return
    with pytest.raises(InputError, match=said) as caught:
        read_study(file)
    assert re.match(rf"{re.escape(str(file))}, line 1[1-8]: claim 'first'", str(caught.value))


def test_what_is_tuned_is_swept_over_positive_numbers(file: Path) -> None:
    text = TEXT.replace("arms: [a, b]", "arms: [a, b]\n      tuned: {over: lr, by: train_loss}")
    for values in ("'0,1'", "'-1,1'", "'range(1,4)'", "'a,b'"):
        file.write_text(text.replace("seed: range(10)", f"lr: {values}"), "utf-8")
        with pytest.raises(InputError, match="not a list of positive numbers: sweep it as in lr:"):
            read_study(file)
