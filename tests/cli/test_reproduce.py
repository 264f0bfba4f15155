"""``python -m nnexp.reproduce``: studies run, judged, reported, and drawn again from the tables."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from nnexp.cli import report
from nnexp.cli import reproduce as command
from nnexp.store.store import Store
from nnexp.store.tables import load
from tests.cli.conftest import STUDY, Judged, define
from tests.conftest import Command
from tests.store.test_folders import STUDY as COMPUTED

# The learning rates of the study TUNED itself.
OWN = (0.5, 1.5)
# An initialiser that ends the command that trains it.
ENDS = """\
import os
import signal
import time


def ends(rng, fan_in, fan_out):
    os.kill({driver}, signal.SIGTERM)
    time.sleep(60)
"""


@pytest.fixture
def again(judged: Judged, reproduce: Command) -> Command:
    """Run it in a copy of the folder in which the study ``tiny`` has been judged."""
    shutil.copytree(judged.folder, ".", dirs_exist_ok=True)
    return reproduce


def test_a_study_is_run_judged_and_reported(
    judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(judged.folder)
    done = judged.outcome
    assert done.status == 0, done.err
    assert re.search(r"D2\.1 +begins +contradicted +6 ", done.out)
    assert re.search(r"D3\.2 +arithmetic +reproduced ", done.out)
    folder = Path("results/tiny")
    runs = pd.read_csv(folder / "runs.csv.xz")
    assert sorted(runs["arm"].value_counts().items()) == [("xavier", 6), ("zero", 6)]
    claims = pd.read_csv(folder / "claims.csv").set_index("claim")
    assert list(claims["verdict"]) == ["contradicted", "reproduced"]
    assert claims.loc["begins", "n"] == 6
    assert claims.loc["begins", "difference"] < 0
    assert len(pd.read_csv(folder / "maps.csv")) == 2  # two epochs
    for name in ("pairs.svg", "pairs.csv", "map-begins.svg", "accuracy.csv", "metrics.csv.xz"):
        assert (folder / name).stat().st_size > 0
    cells = pd.read_csv(folder / "grid-init-activation.csv")
    assert cells[["down", "across", "n"]].values.tolist() == [
        ["xavier", "sigmoid", 6],
        ["zero", "sigmoid", 6],
    ]
    study, report = (
        p.read_text("utf-8") for p in (folder / "README.md", Path("results/README.md"))
    )
    assert "D2: 제목" in study
    assert "Random weights end above weights of zero." in report
    lead = "1 holds and 1 does not hold. All of these are exploratory. 2 checks in 1 study decide"
    assert f"Of the documents' 2 claims, {lead}" in report
    for page, place in ((study, folder), (report, Path("results"))):
        for link in re.findall(r"\]\(([^)]+)\)", page):
            file, _, anchor = link.partition("#")
            assert (
                (place / file).exists()
                if file
                else f"## {anchor.replace('-', ' ')}" in (page.lower())
            ), link


@pytest.mark.slow
def test_a_verdict_other_than_expected_is_noticed(again: Command) -> None:
    define("reproduced")
    done = again("tiny")
    assert done.status == 1
    assert "contradicted (expected: reproduced)" in " ".join(done.out.split())


@pytest.mark.slow
def test_what_is_in_the_store_is_not_trained_again(again: Command) -> None:
    done = again("tiny", "--seeds", "7")
    assert "12 of 14 already in the store" in done.out + done.err
    assert len(pd.read_csv("results/tiny/runs.csv.xz")) == 14


@pytest.mark.usefixtures("again")
def test_the_study_is_a_plain_sweep_too(quick: Command) -> None:
    done = quick("-m", "+experiments=tiny", "hydra.sweep.dir=plain")
    assert done.status == 0
    assert "12 of 12 already in the store" in done.err
    ours, plain = (load(f).metrics for f in ("results/tiny", "plain"))
    assert ours["test_accuracy"].tolist() == plain["test_accuracy"].tolist()


TUNED = (
    STUDY.replace("map: [epoch]", "tuned: {{over: lr, by: validation_loss}}")
    .replace("seed: range(6)", "seed: range(6)\n      lr: 0.5,1.5")
    .replace("batch_size: 20", "data: {{validation: 20}}\nbatch_size: 20")
    .replace("activation}}]", "lr}}]")
)


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_values_are_added_until_the_optimum_lies_inside_those_tried(reproduce: Command) -> None:
    define(text=TUNED)
    done = reproduce("tiny")
    assert done.status == 0, done.err
    said = re.findall(r"^tiny: tuning lr: (.*)$", done.err, flags=re.MULTILINE)
    assert len(said) > 1
    runs = pd.read_csv("results/tiny/runs.csv.xz")
    assert not runs["run_id"].duplicated().any()
    assert set(runs.groupby(["arm", "lr"])["seed"].nunique()) == {6}
    added = {f"{arm} {lr:g}" for arm, lr in runs.groupby(["arm", "lr"]).groups if lr not in OWN}
    assert {
        f"{arm} {value}"
        for line in said
        for part in line.split("; ")
        for arm in re.findall(r"xavier|zero", part)
        for value in re.findall(r"[\d.]+", part)
    } == added
    losses = runs.groupby(["arm", "lr"])["validation_loss"].mean()
    (protocol,) = pd.read_csv("results/tiny/claims.csv")["protocol"].dropna()
    for arm in ("xavier", "zero"):
        own = losses[arm]
        assert own.index.min() < own.idxmin() < own.index.max()
        assert f"{arm} at lr {own.idxmin():g} ({len(own)} values from" in protocol
    assert set(pd.read_csv("results/tiny/grid-init-lr.csv")["across"]) == set(OWN)
    # The same command trains nothing and comes to the same verdict; so do the tables.
    before = Path("results/tiny/claims.csv").read_text("utf-8")
    assert "already in the store" in reproduce("tiny").err
    assert Path("results/tiny/claims.csv").read_text("utf-8") == before
    assert reproduce("tiny", "--from-tables").status == 0
    assert Path("results/tiny/claims.csv").read_text("utf-8") == before


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_seeds_are_topped_up_while_a_claim_is_inconclusive(
    reproduce: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "LOOKS", (8, 9, 11))
    alike = STUDY.replace("zero: [init=zero]", "zero: [init=xavier_uniform]")
    define("inconclusive", text=alike.replace("matters: 0.001", "matters: 0.000001"))
    define("contradicted", "clear")
    assert reproduce("tiny", "clear", "--top-up").status == 0
    claims = pd.read_csv("results/tiny/claims.csv").set_index("claim")
    assert claims.loc["begins", "n"] == 11
    assert claims.loc["begins", "level"] == pytest.approx(1 - 0.05 / 3)
    assert pd.read_csv("results/clear/claims.csv")["n"].max() == 8  # decided at the first look


@pytest.mark.slow
def test_a_folder_names_its_studies(reproduce: Command) -> None:
    for name in ("flat", "mine/one", "mine/deeper/two", "other/three"):
        Path("experiments", name).parent.mkdir(parents=True, exist_ok=True)
        Path(f"experiments/{name}.yaml").write_text(COMPUTED, "utf-8")
    Path("experiments/mine/plain.yaml").write_text("lr: 0.1\n")
    listed = reproduce("--list", "mine/", "three", "one").out
    assert re.findall(r"^\S+", listed, flags=re.M) == ["mine/deeper/two", "mine/one", "other/three"]
    assert reproduce("mine/one", "flat").status == 0
    assert Path("results/mine/one/README.md").is_file()
    assert "[one](mine/one/README.md): 1 reproduced" in Path("results/README.md").read_text("utf-8")
    page = Path("results/mine/one/index.html").read_text("utf-8")
    assert "python -m nnexp.reproduce mine/one" in page
    assert 'href="../../claims.html"' in page
    before = Path("results/mine/one/claims.csv").read_text("utf-8")
    assert reproduce("--from-tables", "mine/one").status == 0
    assert Path("results/mine/one/claims.csv").read_text("utf-8") == before


@pytest.mark.slow
def test_tables_of_a_study_that_was_moved_have_its_new_name(reproduce: Command) -> None:
    Path("experiments/mine").mkdir()
    file = Path("experiments/one.yaml")
    file.write_text(COMPUTED, "utf-8")
    assert reproduce("one").status == 0
    shutil.move(file, "experiments/mine")
    Path("results/mine").mkdir()
    shutil.move("results/one", "results/mine")
    assert report.main([]) == 0
    text = Path("results/README.md").read_text("utf-8")
    assert "python -m nnexp.reproduce mine/one" in text
    assert "stale" not in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tyny",), "unknown study 'tyny': did you mean 'tiny'?"),
        (("tiny", "--seeds", "0"), "--seeds 0: give 1 or more"),
        (("tiny", "--seeds", "many"), "invalid int value: 'many'"),
        (("tiny", "--seeds", "3", "--top-up"), "--seeds and --top-up exclude each other"),
        (("tiny", "lr=1"), "'lr' cannot be set here, as the study's file gives the settings"),
        (("tiny", "store=mine", "--store", "mine"), "'store' is given twice: give it once"),
        (("tiny", "store="), "store= is not a folder: give store=FOLDER"),
        (("tiny", "store=a,b"), "'store' cannot be swept"),
        (("tiny", "--workers", "9999"), "hydra.launcher.workers=9999 is invalid"),
        (("tiny", "hydra/launcher=dusk"), "unknown hydra/launcher 'dusk': did you mean 'dask'?"),
        (
            ("tiny", "hydra/launcher=basic"),
            "nnexp needs its own launcher: give hydra/launcher=local",
        ),
        (("tiny", "hydra.launcher.worker=2"), "unknown key 'hydra.launcher.worker'"),
        (("plain",), "has no claims: add a section 'study'"),
    ],
)
def test_bad_input_is_one_sentence(reproduce: Command, words: tuple[str, ...], said: str) -> None:
    define()
    Path("experiments/plain.yaml").write_text("# @package _global_\nlr: 0.1\n")
    done = reproduce(*words)
    assert done.status == 2
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert [path.name for path in Path().iterdir()] == ["experiments"]


def test_a_cluster_without_an_address_is_refused_once(reproduce: Command) -> None:
    pytest.importorskip("distributed")
    define()
    define(name="another")
    done = reproduce("tiny", "another", "hydra/launcher=dask")
    assert done.status == 2
    assert done.err.startswith("nnexp: hydra.launcher.scheduler=None is not an address")
    assert len(done.err.splitlines()) == 1


@pytest.mark.slow
def test_the_runs_of_own_studies_go_to_the_store_that_is_given(reproduce: Command) -> None:
    define()
    done = reproduce("store=mine", "hydra.launcher.workers=1")
    assert done.status == 0, done.err
    assert "2 checks in 1 study decide this." in Path("results/README.md").read_text("utf-8")
    assert len(Store(Path("mine")).run_ids()) == 12
    assert {path.name for path in Path("results").iterdir() if path.is_dir()} == {"tiny"}


@pytest.mark.slow
def test_own_studies_run_alone_until_others_are_judged_beside_them(reproduce: Command) -> None:
    Path("experiments/own.yaml").write_text(COMPUTED, "utf-8")
    report = Path("results/README.md")
    assert re.findall(r"^([\w/]+): \w+: \d", reproduce().out, flags=re.MULTILINE) == ["own"]
    assert (
        "Of the documents' 1 claim, 1 holds. All of these are exploratory. "
        "1 check in 1 study decides this." in report.read_text("utf-8")
    )
    assert reproduce("arithmetic").status == 0
    assert " checks in 2 studies decide this." in report.read_text("utf-8")
    judged = re.findall(r"^([\w/]+): \w+: \d", reproduce().out, flags=re.MULTILINE)
    assert judged == ["documents/arithmetic", "own"]


# The signal may come between the opening of a file and its with statement.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.slow
def test_a_terminated_study_keeps_its_finished_runs_and_no_lock(
    reproduce: Command, workers: str
) -> None:
    """The first run of the second arm sends SIGTERM to the command."""
    Path("mine.py").write_text(ENDS.format(driver=os.getpid()))
    define(text=STUDY.replace("zero: [init=zero]", "zero: [init=mine.py:ends]"))
    done = reproduce("tiny", "--workers", workers)
    assert done.status == 143
    assert done.err.splitlines()[-1] == "Interrupted. Finished runs are saved; rerun to resume."
    assert "Traceback" not in done.err
    kept = Store(Path("results/runs"))
    assert kept.locked() == []
    assert kept.run_ids()
    assert {kept.load(run_id).columns["init"] for run_id in kept.run_ids()} == {"xavier"}
    assert {path.name for path in Path("results").iterdir()} == {"runs"}


def test_a_malformed_study_is_refused_before_anything_runs(reproduce: Command) -> None:
    define(name="sound")
    define("reproducd")
    done = reproduce("sound", "tiny")
    assert done.status == 2
    where = "tiny.yaml, line 12: claim 'begins' (greater)"
    assert f"{where}: unknown expected verdict 'reproducd': did you mean" in done.err
    assert not Path("results").exists()


@pytest.mark.slow
def test_a_malformed_study_does_not_hold_up_a_sound_one(reproduce: Command) -> None:
    define(name="sound")
    define("reproducd")
    done = reproduce("sound")
    assert done.status == 0, done.err
    assert re.search(r"left out: .*tiny.yaml, line 12: .*unknown expected verdict", done.err)
    assert "sound" in Path("results/README.md").read_text("utf-8")


@pytest.mark.slow
def test_a_study_that_cannot_be_judged_does_not_hold_up_the_others(reproduce: Command) -> None:
    define(
        name="a_wrong",
        text=STUDY.replace("matters: 0.001", "matters: 0.001\n      at: {{epoch: 7}}"),
    )
    define(name="b_sound")
    assert reproduce("a_wrong").status == 2
    assert not Path("results/README.md").exists()
    done = reproduce("a_wrong", "b_sound")
    assert done.status == 2
    assert "a_wrong cannot be judged" in done.err
    assert "a_wrong.yaml, line 12: claim 'begins': the runs end at epoch 2, before 7" in done.err
    assert Path("results/b_sound/claims.csv").exists()
    assert not Path("results/a_wrong").exists()
    assert "b_sound" in Path("results/README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "xavier: [init=xavier]",
            "xavier: [inti=xavier]",
            r"line 31: unknown key 'inti': did you mean",
        ),
        (
            "zero: [init=zero]",
            "zero: [init=zeroes]",
            r"line 32: unknown init 'zeroes': did you mean",
        ),
        ("hidden: 4", "hidden: four", r"line 35: hidden=four is not a list of widths"),
        ("seed: range(6)", "seed: range(6", r"line 41: 'seed=range\(6' is not a valid override"),
    ],
)
def test_what_cannot_be_composed_is_refused_with_its_line(
    reproduce: Command, old: str, new: str, said: str
) -> None:
    define(name="a_wrong", text=STUDY.replace(old, new))
    done = reproduce("a_wrong")
    assert done.status == 2
    assert re.search(rf"a_wrong cannot be judged: .*a_wrong.yaml, {said}", done.err), done.err
    assert not Path("results/a_wrong").exists()


@pytest.mark.slow
def test_what_cannot_be_composed_holds_up_no_other_study(reproduce: Command) -> None:
    define(name="a_wrong", text=STUDY.replace("hidden: 4", "hidden: four"))
    done = reproduce("a_wrong", "arithmetic")
    assert done.status == 2
    assert "a_wrong cannot be judged" in done.err
    assert "arithmetic: confirmatory: 9 reproduced, 1 contradicted" in done.out


@pytest.mark.slow
def test_a_grid_that_the_runs_do_not_give_names_its_study(reproduce: Command) -> None:
    wrong = "across: activation, tuned: {{over: seed, by: validation_loss}}}}"
    text = STUDY.replace("across: activation}}", wrong)
    define(name="a_wrong", text=text)
    define(name="b_sound")
    done = reproduce("a_wrong", "b_sound")
    assert done.status == 2
    said = r"a_wrong cannot be judged: .*a_wrong.yaml, line 10: grid: the runs have no validation_l"
    assert re.search(said, done.err)
    assert Path("results/b_sound/README.md").exists()
    assert not Path("results/a_wrong").exists()


@pytest.mark.slow
def test_portraits_are_of_the_runs_at_hand(reproduce: Command) -> None:
    images = "data:\n  name: mnist\n  train_size: 100"
    text = STUDY.replace("data: {{name: blobs, n: 100}}", "save_weights: true\n" + images)
    define(text=text)
    assert reproduce("tiny").status in (0, 1)
    folder = Path("results/tiny")
    for name in ("weights", "arms", "confusion", "mistakes"):
        assert f"]({name}.svg)" in (folder / "README.md").read_text("utf-8")
        assert (folder / f"{name}.csv").is_file()
    page = (folder / "index.html").read_text("utf-8")
    assert "Each arm has its own scale, given beside it" in page
    define(text=text.replace("save_weights: true", "lr: 0.2"))
    assert reproduce("tiny").status in (0, 1)
    assert "weights.svg" not in (folder / "README.md").read_text("utf-8")
    assert not (folder / "weights.csv").exists()


@pytest.mark.slow
def test_the_losses_on_a_line_are_an_outcome_and_a_figure(reproduce: Command) -> None:
    text = STUDY.replace("outcome: train_loss", "outcome: line_rise").replace(
        "      map: [epoch]\n", ""
    )
    text = text.replace("figures: [", "figures: [line, ")
    define(text=text.replace("batch_size: 20", "batch_size: 20\nevaluate_line: 4"))
    assert reproduce("tiny").status in (0, 1)
    folder = Path("results/tiny")
    table, drawn = ((folder / f"line.{form}").read_bytes() for form in ("csv", "svg"))
    assert "](line.svg)" in (folder / "README.md").read_text("utf-8")
    assert reproduce("--from-tables", "tiny").status in (0, 1)
    assert (folder / "line.csv").read_bytes() == table
    assert (folder / "line.svg").read_bytes() == drawn


@pytest.mark.slow
def test_a_claim_that_is_not_judged_yet_does_not_hold_up_a_report(again: Command) -> None:
    assert "python -m nnexp.reproduce tiny" in Path("results/claims.html").read_text("utf-8")
    assert "1 study" in Path("results/report.html").read_text("utf-8")
    page = Path("results/README.md").read_text("utf-8")
    assert "2 checks in 1 study decide this." in page
    define(text=STUDY.replace("id: begins", "id: renamed"))
    define(name="other")
    assert again("other").status == 0
    assert "other" in Path("results/README.md").read_text("utf-8")


def test_the_list_runs_nothing(reproduce: Command) -> None:
    define()
    done = reproduce("tiny", "--list")
    assert "Does it matter how the weights begin?" in done.out
    assert not Path("results").exists()
