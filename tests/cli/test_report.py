"""``python -m nnexp.report``: pages from records alone, training nothing."""

from __future__ import annotations

import gzip
import lzma
import shutil
from pathlib import Path

import pandas as pd
import pytest

from nnexp.cli import app, report
from nnexp.training.trainer import Trainer
from tests.cli.conftest import Judged
from tests.conftest import Command, Outcome, without_pages

# One worker trains in this process, which is quicker than to start another.
ALONE = "hydra.launcher.workers=1"
TINY = ("data=blobs", "data.n=100", "batch_size=20", "epochs=2", "hidden=4", ALONE)


@pytest.fixture
def draw(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run ``python -m nnexp.report``, in which any step of training is an error."""

    def run(*words: str) -> Outcome:
        capfd.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "advance", None)
            status = report.main(list(words))
        return Outcome(status, *capfd.readouterr())

    return run


@pytest.fixture
def study(judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a copy of the folder in which the study ``tiny`` has been judged."""
    monkeypatch.chdir(shutil.copytree(judged.folder, tmp_path / "judged"))


@pytest.mark.usefixtures("study")
@pytest.mark.slow
def test_the_studies_are_drawn_again_to_the_same_bytes(draw: Command) -> None:
    drawn = [p for p in Path("results").rglob("*") if p.suffix in (".svg", ".md", ".html")]
    assert len(drawn) >= 6
    before = {p: p.read_bytes() for p in drawn}
    for p in drawn:
        p.unlink()
    done = draw()
    assert done.status == 0, done.err
    assert "report  results/report.html" in done.out
    assert {p: p.read_bytes() for p in drawn} == before


def edited(old: str, new: str) -> None:
    """Replace the first ``old`` in the study's file."""
    file = Path("experiments/tiny.yaml")
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


@pytest.mark.slow
@pytest.mark.usefixtures("study")
def test_an_edited_study_shows_no_verdict_of_before(draw: Command) -> None:
    names = ("README.md", "tiny/README.md", "claims.html")
    pages = [Path("results", name) for name in names]
    before = [page.read_bytes() for page in pages]
    said = "stale: judge again with python -m nnexp.reproduce tiny"
    for old, new in (("test: greater", "test: less"), ("batch_size: 20", "batch_size: 10")):
        edited(old, new)
        assert draw().status == 0
        for page in pages:
            text = page.read_text("utf-8")
            assert said in text, new
            assert "contradicted</b>" not in text
        assert "Of the documents' 2 claims, 1 holds and 1 is stale." in pages[0].read_text("utf-8")
        assert "**contradicted** |" not in pages[1].read_text("utf-8")
        assert "1 check is stale and not counted" in pages[2].read_text("utf-8")
        assert 'value="contradicted"' not in pages[2].read_text("utf-8")
        assert 'value="stale"' not in pages[2].read_text("utf-8")
        edited(new, old)
    assert draw().status == 0
    assert [page.read_bytes() for page in pages] == before


@pytest.mark.slow
@pytest.mark.usefixtures("study")
def test_another_wording_is_shown_with_the_same_verdict(draw: Command) -> None:
    edited("Random weights end above weights of zero.", "Random weights lose to zeros.")
    edited("expected: contradicted", "expected: reproduced")
    edited("row: D2.1", "row: D2.9")
    assert draw().status == 0
    text = Path("results/README.md").read_text("utf-8")
    assert "| D2.9 | Random weights lose to zeros. |" in text
    assert "**contradicted** (expected: reproduced)" in text
    assert "stale" not in text


@pytest.mark.slow
@pytest.mark.usefixtures("study")
def test_verdicts_of_an_older_nnexp_stay_as_they_are(draw: Command) -> None:
    before = Path("results/tiny/README.md").read_bytes()
    claims = Path("results/tiny/claims.csv")
    pd.read_csv(claims, dtype=str).drop(columns="digest").to_csv(claims, index=False)
    assert draw().status == 0
    assert Path("results/tiny/README.md").read_bytes() == before
    edited("matters: 0.001", "matters: 0.002")
    assert draw().status == 0
    assert "**contradicted**" in Path("results/tiny/README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, and the sweeps ``one`` and ``two`` of two seeds of an arm each."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        without_pages(patch)
        for name, init in (("one", "xavier"), ("two", "zero")):
            words = ("-m", *TINY, f"init={init}", "seed=0,1", f"hydra.sweep.dir={name}")
            assert app.main(words) == 0
    return folder


@pytest.fixture
def sweeps(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a copy of that folder."""
    monkeypatch.chdir(shutil.copytree(trained, tmp_path / "trained"))


@pytest.mark.slow
@pytest.mark.usefixtures("sweeps", "one_figure")
def test_sweeps_are_put_together_on_one_page(draw: Command) -> None:
    done = draw("one", "two", "--out", "both")
    assert done.status == 0, done.err
    assert "page    both/index.html" in done.out
    assert len(pd.read_csv("both/runs.csv")) == 4
    assert list(pd.read_csv("both/summary.csv")["arm"]) == ["xavier", "zero"]
    page = Path("both/index.html").read_text("utf-8")
    assert "python -m nnexp.report one two --out both" in page


@pytest.mark.slow
@pytest.mark.usefixtures("one_figure")
def test_a_sweep_ends_with_its_largest_findings(nnexp: Command) -> None:
    words = ("data.train_size=500", "steps=100", "hidden=8", "seed=range(6)", ALONE)
    done = nnexp("-m", *words, "init=xavier,zero", "hydra.sweep.dir=sweep")
    assert done.status == 0, done.err
    (found,) = [line for line in done.out.splitlines() if line.startswith("found")]
    assert found.startswith("found   Final test accuracy: zero is ")
    assert " points below xavier (95 % interval −" in found
    page = Path("sweep/index.html").read_text("utf-8").replace("\u00a0", " ")
    assert found.removeprefix("found   ") in page


@pytest.mark.slow
@pytest.mark.usefixtures("one_figure")
def test_decision_regions_are_drawn_from_a_folder_and_from_the_store(
    nnexp: Command, draw: Command
) -> None:
    words = ("data=spirals", "data.n=60", "batch_size=20", "epochs=1", "hidden=3", ALONE)
    done = nnexp("-m", *words, "seed=0,1", "init=xavier,zero", "hydra.sweep.dir=sweep")
    assert done.status == 0, done.err
    assert " regions (each .png .svg .csv)" in done.out
    assert draw("data=spirals", "--out", "chosen").status == 0
    assert draw("sweep", "--out", "again").status == 0
    for folder in ("sweep", "chosen", "again"):
        page = Path(folder, "index.html").read_text("utf-8")
        assert "Marks: all 60 training examples of spirals" in page
        for form in ("csv", "svg"):
            name = f"regions.{form}"
            assert Path(folder, name).read_bytes() == Path("sweep", name).read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("one_figure")
def test_losses_on_a_line_are_drawn_from_a_folder_and_from_the_store(
    nnexp: Command, draw: Command
) -> None:
    words = ("data=blobs", "data.n=60", "batch_size=20", "epochs=1", "hidden=3", "seed=0,1")
    done = nnexp("-m", *words, "evaluate_line=4", "init=xavier,zero", "hydra.sweep.dir=sweep")
    assert done.status == 0, done.err
    assert draw("data=blobs", "--out", "chosen").status == 0
    assert draw("sweep", "--out", "again").status == 0
    for folder in ("sweep", "chosen", "again"):
        page = Path(folder, "index.html").read_text("utf-8")
        assert 'id="figure-line"' in page
        for form in ("csv", "svg"):
            name = f"line.{form}"
            assert Path(folder, name).read_bytes() == Path("sweep", name).read_bytes()
    metrics = pd.read_csv("sweep/metrics.csv")
    last = metrics["step"] == metrics["step"].max()
    assert metrics.loc[last, "line_rise"].notna().all()
    assert metrics.loc[~last, "line_rise"].isna().all()


@pytest.mark.slow
@pytest.mark.usefixtures("one_figure")
def test_kept_networks_sit_for_the_page_of_a_sweep_and_of_the_store(
    nnexp: Command, draw: Command
) -> None:
    words = ("data.train_size=100", "batch_size=50", "steps=2", "hidden=4", "save_weights=true")
    done = nnexp("-m", *words, ALONE, "init=xavier,zero", "hydra.sweep.dir=sweep")
    assert done.status == 0, done.err
    assert "weights arms confusion mistakes (each .png .svg .csv)" in done.out
    assert draw("hidden=4", "--out", "chosen").status == 0
    for folder in ("sweep", "chosen"):
        page = Path(folder, "index.html").read_text("utf-8")
        for name in ("weights", "arms", "confusion", "mistakes"):
            assert f'id="figure-{name}"' in page
    assert Path("chosen/arms.csv").read_bytes() == Path("sweep/arms.csv").read_bytes()


@pytest.mark.usefixtures("one_figure")
@pytest.mark.slow
def test_runs_are_chosen_from_the_store_by_their_settings(nnexp: Command, draw: Command) -> None:
    sweep = ("init=xavier,he,zero", "seed=0,1", "hydra.sweep.dir=all", "store=mine")
    assert nnexp("-m", *TINY, *sweep).status == 0
    done = draw("init=xavier,he", "store=mine", "seed=0", "--out", "some runs")
    assert done.status == 0, done.err
    assert sorted(pd.read_csv("some runs/runs.csv")["init"]) == ["he", "xavier"]
    command = "python -m nnexp.report init=xavier,he store=mine seed=0 --out &#39;some runs&#39;"
    assert command in Path("some runs/index.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere", "--out", "page"), "'nowhere' has no runs.csv"),
        (("one",), "give --out FOLDER"),
        (("one", "init=he", "--out", "page"), "one is a folder and init=he selects stored runs"),
        (("init=he", "--out", "page"), "no finished run in results/runs matches init=he"),
        (("inti=he", "--out", "page"), "unknown column 'inti': did you mean 'init'?"),
        (("init=he", "--store", "none", "--out", "page"), "there is no store 'none'"),
        (("init=he", "store=none", "--out", "page"), "there is no store 'none'"),
        (("init=he", "store=", "--out", "page"), "store= is not a folder: give store=FOLDER"),
        (("init=he", "store=a", "--store=b", "--out", "page"), "the store is given twice"),
        (("--out", "page"), "--out and --store are for pages of sweeps or stored runs"),
        (("store=none",), "--out and --store are for pages of sweeps or stored runs"),
    ],
)
@pytest.mark.usefixtures("study")
def test_bad_input_is_one_sentence(draw: Command, words: tuple[str, ...], said: str) -> None:
    Path("one").mkdir()
    for name in ("runs.csv.xz", "metrics.csv.xz", "layers.csv.xz"):
        shutil.copy(f"results/tiny/{name}", "one")
    done = draw(*words)
    assert done.status == 2
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not Path("page").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("study")
def test_tables_of_an_earlier_version_are_read_and_kept(draw: Command) -> None:
    folder = Path("results/tiny")
    page = (folder / "index.html").read_text("utf-8")
    older = {}
    for name in ("runs", "metrics", "layers"):
        content = lzma.decompress((folder / f"{name}.csv.xz").read_bytes())
        (folder / f"{name}.csv.xz").unlink()
        older[folder / f"{name}.csv.gz"] = gzip.compress(content, mtime=0)
    for file, content in older.items():
        file.write_bytes(content)
    assert draw().status == 0
    assert {file: file.read_bytes() for file in older} == older
    assert (folder / "index.html").read_text("utf-8").replace(".gz", ".xz") == page


@pytest.mark.slow
@pytest.mark.usefixtures("study")
def test_the_report_in_korean(draw: Command) -> None:
    tables = {p: p.read_bytes() for p in Path("results").rglob("*.csv")}
    done = draw("lang=ko")
    assert done.status == 0, done.err
    front = Path("results/report.html").read_text("utf-8")
    assert '<html lang="ko">' in front
    assert "모든 주장과 검정" in front
    own = Path("results/tiny/index.html").read_text("utf-8")
    assert "연구를 잠그지 않았으므로 판정은 탐색적이다." in own
    assert "Random weights end above weights of zero." in own
    assert "**재현됨**" in Path("results/README.md").read_text("utf-8")
    assert {p: p.read_bytes() for p in Path("results").rglob("*.csv")} == tables
    refused = draw("lang=de")
    assert (refused.status, refused.err) == (2, "nnexp: unknown lang 'de': choose from en, ko\n")
