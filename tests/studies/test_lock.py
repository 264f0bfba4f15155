"""Locks of studies: what they hold, what deviates from them, and which verdicts they confirm."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from nnexp.analysis.intervals import median_interval
from nnexp.analysis.power import power
from nnexp.analysis.verdicts import compared
from nnexp.config.run_config import NUMERICS
from nnexp.errors import InputError
from nnexp.store.tables import Tables
from nnexp.studies.confirmation import registered
from nnexp.studies.judging import judge
from nnexp.studies.lock import deviations, lock_file, make_lock, read_lock, write_lock
from nnexp.studies.lock_section import lock_section
from nnexp.studies.markdown_report import write_report
from nnexp.studies.planning import plans
from nnexp.studies.reader import read_study
from nnexp.studies.study import Study
from nnexp.studies.study_tables import write_tables
from tests.synthetic import grid, make_tables

SEEDS = tuple(range(100, 112))
STUDY = """\
study:
  title: t
  source: {D1: t}
  question: q
  protocol: p
  unstated: u
  explanation: e
  claims:
    - id: above
      row: D1.1
      statement: A is higher than B.
      test: greater
      arms: [a, b]
      expected: reproduced
    - id: even
      row: D1.2
      statement: A softmax of equal logits is even.
      test: computed
      compute: softmax
      given: {logits: [1, 1]}
      published: {probabilities: [0.5, 0.5]}
      rounding: 0.001
      expected: reproduced
arms: {a: [lr=0.1], b: []}
"""
BEFORE, LATER, EVEN_LATER = (f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what sets the date of locks."""

    def at(moment: str) -> None:
        monkeypatch.setattr("nnexp.studies.lock.now", lambda: moment)

    return at


def read(folder: Path, text: str = STUDY) -> Study:
    file = folder / "s.yaml"
    file.write_text(text, "utf-8")
    study = read_study(file)
    assert study is not None
    return study


def ran(
    seeds: tuple[int, ...] = SEEDS, started: str = LATER, numerics: int = NUMERICS, sd: float = 0.01
) -> Tables:
    """Return runs of the arms a and b, a 0.04 higher, whose differences have this spread."""
    tables = make_tables([p | {"arm": a} for a in "ab" for p in grid(lr=[0.1])], seeds)
    noise = np.random.default_rng(0).normal(0, sd, len(seeds))
    for table in (tables.runs, tables.metrics):
        shift = table["seed"].map(dict(zip(seeds, noise, strict=True)))
        table["test_accuracy"] += shift.where(table["arm"] == "a", 0)
    provenance = {"started": started, "numerics": numerics}
    return tables._replace(runs=tables.runs.assign(**provenance))


def analysed(study: Study, tables: Tables) -> dict[str, tuple[str, str]]:
    found = registered(study, judge(study, tables), tables.runs)
    return {one.claim: (one.analysis, one.reason) for one in found}


def test_a_lock_is_read_as_it_was_written_and_can_be_read_by_people(tmp_path: Path) -> None:
    study = read(tmp_path)
    assert read_lock(study) is None
    lock = make_lock(study, SEEDS, {"above": {"n": 12, "power": 0.93}})
    file = write_lock(lock, study)
    assert file == tmp_path / "s.lock"
    assert read_lock(study) == lock
    content = yaml.safe_load(file.read_text("utf-8"))
    assert content["seeds"] == list(SEEDS)
    assert "seeds: [100, 101, " in file.read_text("utf-8")
    assert content["numerics"] == NUMERICS
    assert content["arms"] == {"a": ["lr=0.1"], "b": []}
    above, even = content["claims"]
    assert above["statement"] == "A is higher than B."
    assert above["test"]["name"] == "greater"
    assert above["test"]["matters"] == 0.003
    assert above["power"] == {"n": 12, "power": 0.93}
    assert even["test"]["compute"] == "softmax"


def test_verdicts_of_locked_claims_on_unseen_seeds_are_confirmatory(
    tmp_path: Path, clock: Any
) -> None:
    study = read(tmp_path)
    assert {a for a, _ in analysed(study, ran()).values()} == {"exploratory"}
    clock(BEFORE)
    write_lock(make_lock(study, SEEDS, {}), study)
    assert analysed(study, ran()) == {"above": ("confirmatory", ""), "even": ("confirmatory", "")}


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        ({"started": BEFORE}, "run run-0-100 began at 2026-01-01T00:00:00Z, before the lock"),
        ({"started": math.nan}, "it is not recorded when run run-0-100 began"),
        ({"seeds": tuple(range(12))}, "seed 0 is a pilot's: those of confirmatory runs are 100"),
        ({"seeds": SEEDS[:8]}, "it was run with seeds 100 to 107; locked were 100 to 111"),
        ({"numerics": NUMERICS + 1}, f"run run-0-100 is of numerics {NUMERICS + 1}"),
    ],
)
def test_runs_that_speak_against_a_lock_are_named(
    tmp_path: Path, clock: Any, runs: dict[str, Any], reason: str
) -> None:
    study = read(tmp_path)
    clock(LATER)
    write_lock(make_lock(study, SEEDS, {}), study)
    found = analysed(study, ran(**runs))
    assert found["above"][0] == "exploratory"
    assert found["above"][1].startswith(reason)
    assert found["even"] == ("confirmatory", "")  # it needs no runs


def test_one_early_run_is_found_among_many(tmp_path: Path, clock: Any) -> None:
    study, tables = read(tmp_path), ran(started=EVEN_LATER)
    clock(LATER)
    write_lock(make_lock(study, SEEDS, {}), study)
    tables.runs.loc[tables.runs["run_id"] == "run-1-105", "started"] = BEFORE
    assert "run-1-105 began at 2026-01-01" in analysed(study, tables)["above"][1]


@pytest.mark.parametrize(
    ("old", "new", "deviation"),
    [
        ("A is higher than B.", "A is far higher than B.", ("statement", "A is higher than B.")),
        ("test: greater", "test: less", ("name", "greater")),
        ("row: D1.1", "row: D1.9", ("row", "D1.1")),
        ("expected: reproduced\n    - id: even", "matters: 0.1\n      expected: reproduced\n"
         "    - id: even", ("matters", "0.003")),
        ("[lr=0.1]", "[lr=0.2]", ("arm a", '["lr=0.1"]')),
        ("claims:", "alpha: 0.01\n  claims:", ("error rate", "0.05 / 1")),
    ],
)  # fmt: skip
def test_a_claim_that_changed_after_its_lock_is_a_deviation_with_both_wordings(
    tmp_path: Path, clock: Any, old: str, new: str, deviation: tuple[str, str]
) -> None:
    clock(BEFORE)
    study = read(tmp_path)
    write_lock(make_lock(study, SEEDS, {}), study)
    changed = read(tmp_path, STUDY.replace(old, new, 1))
    (found,) = (one for one in lock_section(changed, []).deviations if one.claim == "above")
    assert (found.what, found.old) == deviation
    assert found.new != found.old
    assert analysed(changed, ran())["above"] == ("exploratory", "it was changed after the lock")


def test_claims_that_were_added_or_left_out_are_deviations(tmp_path: Path, clock: Any) -> None:
    clock(BEFORE)
    study = read(tmp_path)
    lock = make_lock(study, SEEDS, {})
    write_lock(lock, study)
    changed = read(tmp_path, STUDY.replace("id: even", "id: level"))
    assert [(one.claim, one.old, one.new) for one in deviations(lock, changed)] == [
        ("even", "A softmax of equal logits is even.", "(left out)"),
        ("level", "(not locked)", "A softmax of equal logits is even."),
    ]
    assert analysed(changed, ran())["level"] == ("exploratory", "it was added after the lock")
    assert analysed(changed, ran())["above"][0] == "confirmatory"


def test_locking_again_keeps_the_history_and_the_dates_of_what_is_unchanged(
    tmp_path: Path, clock: Any
) -> None:
    clock(BEFORE)
    study = read(tmp_path)
    first = make_lock(study, SEEDS, {})
    text = STUDY.replace("A softmax of", "Any softmax of")
    changed = read(tmp_path, text.replace("expected: reproduced", "expected: contradicted", 1))
    clock(EVEN_LATER)
    second = make_lock(changed, SEEDS, {}, first)
    assert [one.locked for one in second.claims] == [BEFORE, EVEN_LATER]
    assert second.claims[0].expected == "reproduced"  # what was found since cannot be expected
    (past,) = second.earlier
    assert (past["locked"], past["digest"]) == (BEFORE, first.digest)
    assert past["changed"][0]["old"] == "A softmax of equal logits is even."
    write_lock(second, changed)
    assert read_lock(changed) == second
    assert analysed(changed, ran(started=LATER))["above"][0] == "confirmatory"
    other_seeds = make_lock(changed, range(200, 212), {}, second)
    assert {one.locked for one in other_seeds.claims} == {EVEN_LATER}
    assert len(other_seeds.earlier) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "A is higher than B.",
            "A is far higher than B.",
            "s.lock was edited after it was written: ",
        ),
        ("study: s\n", "study: other\n", "s.lock was edited after it was written"),
        ("format: 1", "format: 2", "s.lock was written by a newer nnexp (format 2"),
        ("format: 1", "", "s.lock is not a lock: restore it from your repository"),
    ],
)
def test_a_lock_that_was_edited_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    study = read(tmp_path)
    file = write_lock(make_lock(study, SEEDS, {}), study)
    file.write_text(file.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(InputError) as error:
        read_lock(study)
    assert message in str(error.value)


def test_a_lock_of_another_study_is_refused(tmp_path: Path) -> None:
    study = read(tmp_path)
    file = write_lock(make_lock(study, SEEDS, {}), study)
    file.rename(tmp_path / "t.lock")
    other = replace(study, name="t", file=tmp_path / "t.yaml")
    with pytest.raises(InputError, match=r"t\.lock is the lock of the study 's'"):
        read_lock(other)


def test_power_is_planned_from_the_pilot_and_compared_with_the_spread_found(
    tmp_path: Path, clock: Any
) -> None:
    text = STUDY.replace("test: greater", "test: greater\n      matters: 0.01")
    study = read(tmp_path, text)
    pilot = ran(seeds=tuple(range(8)), sd=0.005)
    planned = plans(study, pilot, len(SEEDS))
    (claim, _) = study.claims
    differences = claim.test.differences(pilot)["difference"]  # type: ignore[attr-defined]
    plan = planned["above"]
    assert plan["pilot"] == 8
    assert plan["sd"] == pytest.approx(differences.std(ddof=1), rel=1e-3)
    assert plan["power"] == pytest.approx(power(0.01 / plan["sd"], 12, 0.05), abs=1e-3)
    assert power(0.01 / plan["sd"], plan["needed"], 0.05) >= 0.9
    assert power(0.01 / plan["sd"], plan["needed"] - 1, 0.05) < 0.9
    clock(BEFORE)
    write_lock(make_lock(study, SEEDS, planned), study)
    tables = ran(sd=0.02)
    found = registered(study, judge(study, tables), tables.runs)
    (row,) = lock_section(study, found).power
    sd = claim.test.differences(tables)["difference"].std(ddof=1)  # type: ignore[attr-defined]
    assert row[0] == "above"
    assert row[2].endswith("points (n = 8)")
    assert float(row[6].split()[0]) == pytest.approx(100 * sd, rel=1e-3)
    assert float(row[7]) == pytest.approx(power(0.01 / sd, 12, 0.05), abs=0.01)


def test_power_to_show_equality_counts_both_ends(tmp_path: Path) -> None:
    text = STUDY.replace("test: greater", "test: equal\n      matters: 0.01")
    pilot = ran(seeds=tuple(range(8)), sd=0.012)
    one_sided = plans(read(tmp_path, text.replace("equal", "less")), pilot, 12)["above"]
    equal = plans(read(tmp_path, text), pilot, 12)["above"]
    assert equal["power"] == pytest.approx(2 * one_sided["power"] - 1, abs=1e-3)
    assert equal["needed"] > one_sided["needed"]
    draws = np.random.default_rng(1).normal(0, equal["sd"], (1000, 12))
    shown = [compared(median_interval(own, 0.05), 0.01, "equal") == "reproduced" for own in draws]
    assert np.mean(shown) == pytest.approx(equal["power"], abs=0.05)


def test_without_pilot_runs_of_its_arms_a_claim_has_no_plan(tmp_path: Path) -> None:
    tables = ran()
    without = tables._replace(runs=tables.runs.assign(arm="c"))
    assert plans(read(tmp_path), without, 12) == {}


def test_verdicts_that_differ_from_what_was_expected_when_locked_are_listed(
    tmp_path: Path, clock: Any
) -> None:
    clock(BEFORE)
    study = read(tmp_path)
    write_lock(make_lock(study, SEEDS, {}), study)
    assert lock_file(study).is_file()
    tables = ran(sd=0.5)
    later = read(tmp_path, STUDY.replace("expected: reproduced", "expected: inconclusive", 1))
    found = registered(later, judge(later, tables), tables.runs)
    section = lock_section(later, found)
    assert section.changes == (("above", "reproduced", "inconclusive"),)
    assert section.deviations == ()  # what is expected decides no verdict
    assert "2 of 2 verdicts are confirmatory." in section.sentences


def test_the_report_lists_them_for_all_studies(tmp_path: Path, clock: Any) -> None:
    clock(BEFORE)
    studies = []
    for name in ("even", "odd"):
        file = tmp_path / f"{name}.yaml"
        content = yaml.safe_load(STUDY) | {"arms": {}}
        (claim,) = content["study"]["claims"] = content["study"]["claims"][1:]
        claim |= {"role": "main", "row": f"D1.{len(studies) + 1}"}
        for expected in ("reproduced" if name == "even" else "contradicted", "reproduced"):
            claim["expected"] = expected
            file.write_text(yaml.safe_dump(content), "utf-8")
            study = read_study(file)
            assert study is not None
            if read_lock(study) is None:
                write_lock(make_lock(study, (), {}), study)
        studies.append(study)
        write_tables(study, None, judge(study, None), tmp_path / "results")
    write_report(studies, tmp_path / "results")
    report = (tmp_path / "results" / "README.md").read_text("utf-8")
    section = report[report.index("## What changed on unseen seeds") :]
    assert "On unseen seeds, 1 of 2 checks came out otherwise: 1 of 2 main checks." in section
    change = "| D1.2 | main | A softmax of equal logits is even. | contradicted | **reproduced** |"
    assert section.count("| contradicted | **reproduced** |") == section.count(change) == 1
