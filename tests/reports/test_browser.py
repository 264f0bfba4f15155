"""Pages in a real browser, Chromium: no script error, nothing missing, nothing too wide, all works.

The page is copied with a script at its end that uses it as a reader would and reports what it
finds. The copy is opened in a frame as wide as a phone or a desk's screen, since a browser's own
window has a least width, and the frame's parent writes the report where `--dump-dom` shows it.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnexp.reports.jinja import source_hash
from nnexp.reports.sweep_page import write_sweep
from tests import ROOT
from tests.conftest import Command
from tests.pages import FOUND, drawn_runs, rendered, sections
from tests.synthetic import grid, make_tables

pytestmark = pytest.mark.slow

# The pages of the committed results, as far as they are drawn by this version.
COMMITTED = [ROOT / "results" / name for name in ("report.html", "claims.html")]
WIDTHS = (390, 1400)
# A4 less its margins, in pixels of 1/96 inch.
PAPER = 718
SCHEMES = {"light": 1, "dark": 0}

# At the head of the copy: whatever goes wrong from here on is kept.
WATCH = """
const wrong = [];
addEventListener("error", event => wrong.push(String(event.message)));
addEventListener("unhandledrejection", event => wrong.push(String(event.reason)));
addEventListener("securitypolicyviolation",
  event => wrong.push(`refused: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""

# At its end: what every page is held to, after what is done on it has been done.
LOOK = """
const every = what => [...document.querySelectorAll(what)];
const luminance = rgb => rgb.slice(0, 3).map(v => v / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const parts = colour => colour.match(/[\\d.]+/g).map(Number);

function ground(element) {
  for (; element; element = element.parentElement) {
    const rgb = parts(getComputedStyle(element).backgroundColor);
    if (rgb.length === 3 || rgb[3] > 0) return rgb;
  }
  return [255, 255, 255];
}

function contrast(element) {
  const pair = [parts(getComputedStyle(element).color), ground(element)].map(luminance);
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
}

const target = e => e.getAttribute("href") ?? e.getAttribute("xlink:href");

async function missing() {
  const sources = every("img, image").map(e => e.currentSrc || target(e));
  const loaded = await Promise.all(sources.map(source => new Promise(resolve => {
    const image = new Image();
    image.onload = image.onerror = () => resolve(image.naturalWidth);
    image.src = source;
  })));
  const gone = every('use, a[href^="#"]').map(target)
    .filter(name => !document.getElementById(name.slice(1)));
  return [...sources.filter((_, i) => !loaded[i]).map(s => s.slice(0, 60)), ...gone];
}

const seen = element => element.checkVisibility() && element.getClientRects().length > 0;

async function look() {
  const texts = every("body *").filter(e => !e.closest("svg, script, style") && seen(e)
    && [...e.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
  const pale = texts.filter(e => !e.closest(".hush") && contrast(e) < 4.5)
    .map(e => `${e.tagName}.${e.className} ${contrast(e).toFixed(2)}`);
  const wide = document.documentElement.scrollWidth > innerWidth
    ? every("body *").filter(e => e.getBoundingClientRect().right > innerWidth + 1)
      .map(e => `${e.tagName}.${e.getAttribute("class")}`) : [];
  const pictures = every("svg[role=img], figure > svg");
  const ids = every("[id]").map(e => e.id);
  const drawn = every("svg[aria-label] [id$='-patch_1'] > path").map(e => getComputedStyle(e).fill);
  return {
    width: innerWidth, wide, pale, missing: await missing(), texts: texts.length,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    pictures: pictures.length, sheets: [...new Set(drawn)],
    unnamed: pictures.filter(e => !e.getAttribute("aria-label")).length,
    empty: pictures.filter(e => seen(e) && e.getBoundingClientRect().height < 50).length,
    twice: ids.filter((id, place) => ids.indexOf(id) !== place),
    nameless: every("button, select, input").filter(
      e => !e.textContent.trim() && !e.labels?.[0]?.textContent.trim()).length,
  };
}

(async () => {
  const found = {};
  try {
    Object.assign(found, await act());
    Object.assign(found, await look());
  } catch (error) {
    wrong.push(String(error.stack));
  }
  parent.postMessage(JSON.stringify({ ...found, wrong }), "*");
})();
"""

# What a reader does to the front page and to that of a study: opens all that is folded.
UNFOLD = """
async function act() {
  const folded = every("details:not([open])").length;
  every("details").forEach(details => { details.open = true; });
  const copied = [];
  Object.defineProperty(navigator, "clipboard",
    { value: { writeText: async text => { copied.push(text); } } });
  every(".copier").forEach(copier => copier.click());
  await new Promise(resolve => setTimeout(resolve, 50));
  return { folded, copied };
}
"""

# What a reader of printed claims finds: the rules for print hold for the copy.
PRINTED = """
async function act() {
  const folded = every("details > :not(summary)")
    .filter(e => !seen(e) && !e.closest(".copy"));
  return {
    hidden: folded.map(e => e.className),
    pressed: every("button:not(.opener, .sorter), #search, select").filter(seen).length,
    claims: every("#table tbody").filter(seen).length,
  };
}
"""

# What a reader does to the report.
READ = """
async function act() {
  const done = {}, claims = () => every("#table tbody").filter(seen);
  const rows = () => claims().map(claim => claim.id);
  const cells = name => claims().map(claim => claim.querySelector(name).textContent.trim());
  const type = text => {
    document.getElementById("search").value = text;
    document.getElementById("search").dispatchEvent(new Event("input"));
  };
  done.all = rows();
  done.filtered = {};
  for (const input of every("input[name=verdict]")) {
    input.click();
    done.filtered[input.value] = claims().map(claim => claim.dataset.verdict);
  }
  every("input[name=verdict]")[0].click();
  const documents = document.getElementById("document");
  done.documents = {};
  for (const option of [...documents.options].slice(1)) {
    documents.value = option.value;
    documents.dispatchEvent(new Event("change"));
    done.documents[option.value] = claims().map(claim => claim.dataset.row);
  }
  documents.value = "";
  documents.dispatchEvent(new Event("change"));
  type("no such words anywhere");
  done.none = rows();
  done.told = seen(document.getElementById("none"));
  document.getElementById("reset").click();
  done.reset = rows();
  const asked = [...claims()[0].querySelector(".opener").textContent.trim()].join("").toUpperCase();
  type(asked);
  done.searched = rows();
  done.count = document.getElementById("found").textContent;
  type("");
  const headings = every("#table thead th");
  done.sorted = {};
  for (const [place, heading] of headings.entries()) {
    const orders = [];
    for (const _ of [1, 2]) {
      heading.querySelector("button").click();
      const sorted = every("#table tbody").map(claim => claim.rows[0].cells[place]);
      orders.push([heading.getAttribute("aria-sort"),
        sorted.map(cell => cell.dataset.sort ?? cell.textContent.trim())]);
    }
    done.sorted[heading.textContent] = orders;
  }
  done.marked = headings.filter(heading => heading.hasAttribute("aria-sort")).length;
  const claim = claims()[0], opener = claim.querySelector(".opener");
  const states = () => [opener.getAttribute("aria-expanded"), seen(claim.querySelector(".inside"))];
  done.opened = [states()];
  for (const _ of [1, 2]) {
    opener.click();
    done.opened.push(states());
  }
  const copied = [];
  Object.defineProperty(navigator, "clipboard",
    { value: { writeText: async text => { copied.push(text); } } });
  const copier = claim.querySelector(".copier");
  copier.click();
  await new Promise(resolve => setTimeout(resolve, 50));
  done.copied = [...copied, copier.textContent];
  location.hash = every("#table tbody").at(-1).id;
  await new Promise(resolve => setTimeout(resolve, 50));
  done.reached = seen(every("#table tbody").at(-1).querySelector(".inside"));
  document.getElementById("unfold").click();
  every("details").forEach(details => { details.open = true; });
  done.unfolded = every("#table .inside").filter(seen).length;
  return done;
}
"""

# What a reader does to the page of a sweep.
OPEN = """
async function act() {
  const copied = [];
  Object.defineProperty(navigator, "clipboard",
    { value: { writeText: async text => { copied.push(text); } } });
  every("details").forEach(details => { details.open = true; });
  const copier = document.getElementById("copy");
  copier.click();
  await new Promise(resolve => setTimeout(resolve, 50));
  return { copied: [...copied, copier.textContent],
           command: document.getElementById("command").textContent };
}
"""

# What a reader does to the film of training: move the slider, and play it from its end.
WATCHED = """
async function act() {
  const frame = document.getElementById("frame"), moment = document.getElementById("moment");
  const label = moment.nextElementSibling, play = document.getElementById("play");
  const state = () => [label.textContent, frame.src.length > 100, frame.alt];
  const done = { last: state(), shown: seen(moment), moved: [], played: [] };
  const pictures = new Set([frame.src]);
  for (let place = 0; place < Number(moment.max); place++) {
    moment.value = place;
    moment.dispatchEvent(new Event("input"));
    pictures.add(frame.src);
    done.moved.push(label.textContent);
  }
  done.pictures_shown = pictures.size;
  moment.value = moment.max;
  play.click();
  done.played.push(label.textContent, play.textContent);
  await new Promise(resolve => setTimeout(resolve, 3000));
  done.played.push(label.textContent, play.textContent);
  return done;
}
"""


# What a reader does with the figures of a sweep's page, by mouse and by keyboard.
HAND = """
async function act() {
  const done = { read: {}, shown: {} };
  const figure = name => figures.find(one => one.svg.id === `plot-${name}`);
  const text = () => reading.hidden ? "" : [...reading.children].map(e => e.textContent).join("|");
  function point(one, mark, i) {
    const place = new DOMPoint(...mark.place(i)).matrixTransform(one.svg.getScreenCTM());
    const at = { clientX: place.x, clientY: place.y };
    one.svg.dispatchEvent(new PointerEvent("pointermove", at));
    return text();
  }
  for (const name of ["accuracy", "final"]) {
    const marks = figure(name).marks.filter(m => m.kind === "seed" || m.kind === "runs");
    done.read[name] = marks.flatMap(m => m.values.map((_, i) => {
      const others = figure(name).marks.filter(one => one !== m);
      for (const one of others) one.muted = one.mute, one.mute = true;
      const found = point(figure(name), m, i);
      for (const one of others) one.mute = one.muted;
      return found;
    }));
  }
  const mean = figure("loss").marks.find(m => m.kind === "mean" && m.own[0] === 1);
  done.mean = point(figure("loss"), mean, 1);
  figure("loss").svg.dispatchEvent(new PointerEvent("pointerleave"));
  done.left = text();

  const visible = () => {
    const found = figures.flatMap(one => one.marks)
      .filter(m => m.own.length && m.kind !== "key" && m.group.getAttribute("display") !== "none");
    return [...new Set(found.flatMap(m => m.own))].sort().map(arm => arms[arm]);
  };
  const legend = figure("accuracy").svg.querySelectorAll(".key");
  done.legend = [...legend]
    .map(e => [e.getAttribute("role"), e.getAttribute("aria-label"), e.tabIndex]);
  const states = () => [visible(), [...legend].map(e => e.getAttribute("aria-pressed")).join(" ")];
  const press = (key, more) => legend[0].dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
  legend[0].dispatchEvent(new MouseEvent("click"));
  done.shown.clicked = states();
  done.count = document.getElementById("shown").textContent;
  done.table = every("tr[data-arm] .arm").map(e => e.getAttribute("aria-pressed"));
  press("Enter");
  done.shown.entered = states();
  legend[0].dispatchEvent(new MouseEvent("dblclick"));
  done.shown.alone = states();
  legend[0].dispatchEvent(new MouseEvent("dblclick"));
  done.shown.again = states();
  press(" ", { shiftKey: true });
  done.shown.shifted = states();
  press("Escape");
  done.shown.escaped = states();
  every("tr[data-arm] .arm")[2].click();
  done.shown.table = states();
  document.getElementById("everything").click();
  done.shown.everything = states();
  legend[0].focus();
  done.focused = document.activeElement === legend[0];
  done.stepped = [];
  for (const key of ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"]) {
    press(key);
    done.stepped.push(text());
  }

  const hairlines = () => figures.flatMap(one => one.marks)
    .filter(m => m.kind === "seed" && m.group.getAttribute("display") !== "none").length;
  done.hairlines = [hairlines()];
  for (const _ of [1, 2]) {
    seeds.click();
    done.hairlines.push(hairlines());
  }

  const one = figure("accuracy"), button = one.y.button;
  const { path, values } = one.marks.find(m => m.kind === "mean");
  const before = path.getAttribute("d");
  const places = () => [...path.getAttribute("d").matchAll(/[ML] (\\S+) (\\S+)/g)]
    .map(match => +match[2]);
  done.scales = [button.getAttribute("aria-pressed"), places()];
  button.click();
  done.scales.push(button.getAttribute("aria-pressed"), places());
  done.ticks = [...one.svg.querySelectorAll(".ticks text")].map(e => e.textContent);
  done.values = values.map(value => value[1]);
  one.x.button.click();
  done.gap = [...path.getAttribute("d").matchAll(/M/g)].length + places().length;
  done.rescaled = one.marks.filter(m => m.kind === "mean").map((m, i) => point(one, m, 1) !== "");
  press("Escape");
  done.restored = path.getAttribute("d") === before;
  done.left_ticks = one.svg.querySelectorAll(".ticks").length;
  return done;
}
"""


@pytest.fixture(scope="module")
def browser() -> str:
    """Return Chromium's program; without one the tests are skipped, or fail where it is needed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    for name in names:
        if found := shutil.which(name):
            return found
    message = f"none of {', '.join(names)} is installed"
    if os.environ.get("NNEXP_NEEDS_BROWSER"):
        pytest.fail(f"{message}, and NNEXP_NEEDS_BROWSER is set")
    pytest.skip(message)


def dumped(browser: str, page: Path, profile: Path, *words: str) -> str:
    """Return the document of ``page`` after its scripts ran, as HTML."""
    options = (
        "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars "
        "--virtual-time-budget=20000 --window-size=1600,1000"
    )
    command = [browser, *options.split(), f"--user-data-dir={profile}", *words]
    done = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(
    browser: str, page: str, act: str, folder: Path, width: int, scheme: str = "light"
) -> dict[str, Any]:
    """Return what the script ``act``, and a look at ``page`` after it, found at this width."""
    assert page.count("<head>") == page.count("</body>") == 1
    # The page allows its own scripts alone: this one is added to them.
    assert page.count("; script-src ") == 1
    copy = page.replace("; script-src ", f"; script-src {source_hash(act + LOOK)} ")
    copy = copy.replace("<head>", f"<head>\n<script>{WATCH}</script>")
    copy = copy.replace("</body>", f"<script>{act}{LOOK}</script>\n</body>")
    (folder / "copy.html").write_text(copy, "utf-8")
    frame = folder / "frame.html"
    frame.write_text(
        f"""<!DOCTYPE html><meta charset="utf-8"><pre id="found"></pre>
<script>addEventListener("message", event => {{
  document.getElementById("found").textContent = event.data;
}});</script>
<iframe src="copy.html" style="border: 0; width: {width}px; height: 900px"></iframe>""",
        "utf-8",
    )
    chosen = f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}"
    shown = dumped(browser, frame, folder / "profile", chosen)
    written = re.search(r'<pre id="found">(.*?)</pre>', shown, flags=re.DOTALL)
    assert written is not None
    assert written[1], f"the page's script never ended:\n{shown[-2000:]}"
    found: dict[str, Any] = json.loads(html.unescape(written[1]))
    return found


def printed(page: str) -> str:
    """Return a page whose rules for print hold on the screen."""
    (style,) = re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL)
    rules = style.replace("@media print", "@media all").replace("@media screen", "@media print")
    return page.replace(style, rules).replace(str(source_hash(style)), str(source_hash(rules)))


def check(found: dict[str, Any], width: int, scheme: str, *, pictures: bool = True) -> None:
    """Hold what was found to what is asked of every page; ``pictures``: whether it has some."""
    assert found["wrong"] == []
    assert (found["width"], found["dark"]) == (width, scheme == "dark")
    assert found["wide"] == []
    assert found["missing"] == []
    assert found["twice"] == []
    assert (found["pictures"] > 0) == pictures
    assert found["sheets"] in (
        [],
        ["rgb(29, 33, 39)" if scheme == "dark" else "rgb(255, 255, 255)"],
    )
    assert found["texts"] > 20
    assert (found["unnamed"], found["empty"], found["nameless"]) == (0, 0, 0)
    assert found["pale"] == []


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the pages of two studies that hold all verdicts."""
    made = sections(tmp_path_factory.mktemp("studies"))
    return rendered(*made, Made_with="`nnexp`")


@pytest.fixture(scope="module")
def example(pages: dict[str, str]) -> str:
    """Return the page of all claims."""
    return pages["claims.html"]


@pytest.mark.parametrize(("width", "scheme"), [*zip(WIDTHS, reversed(SCHEMES), strict=True)])
@pytest.mark.parametrize("name", ["report.html", "d2_init/index.html", "d0_log/index.html"])
def test_the_findings_and_a_study_are_read_and_unfolded(
    browser, pages, tmp_path, name, width, scheme
):
    found = read(browser, pages[name], UNFOLD, tmp_path, width, scheme)
    check(found, width, scheme, pictures=name != "report.html")
    assert found["folded"] > 0
    study = name.partition("/")[0]
    assert found["copied"] == (
        [] if name == "report.html" else [f"python -m nnexp.reproduce {study}"]
    )


@pytest.mark.parametrize("name", ["report.html", "d2_init/index.html"])
def test_on_paper_the_findings_and_a_study_are_open(browser, pages, tmp_path, name):
    found = read(browser, printed(pages[name]), PRINTED, tmp_path, PAPER)
    check(found, PAPER, "light", pictures=name != "report.html")
    assert (found["hidden"], found["pressed"]) == ([], 0)


def test_old_links_lead_to_where_things_are_now(browser, pages, tmp_path):
    for name, text in pages.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    places = {
        "claim-d2_init-few": "All claims and checks",
        "D2.1": "All claims and checks",
        "figure-d2_init-loss": "Which initialisation serves",
        "study-d2_init": "Published claims",
    }
    for place, title in places.items():
        link = tmp_path / f"{place}.html"
        link.write_text(
            f'<meta http-equiv="refresh" content="0; url=report.html#{place}">', "utf-8"
        )
        shown = dumped(browser, link, tmp_path / "profile")
        assert f"<title>{title}" in shown


@pytest.mark.parametrize(("width", "scheme"), [*zip(WIDTHS, SCHEMES, strict=True)])
def test_a_report_is_read_filtered_sorted_searched_and_opened(
    browser, example, tmp_path, width, scheme
):
    found = read(browser, example, READ, tmp_path, width, scheme)
    check(found, width, scheme, pictures=False)
    first = ["end", "keras", "loss", "edge", "rows"]
    second = ["xavier_over_zero", "zero_over_randn", "he_over_xavier", "he_over_lecun"]
    claims = [*first, *second, "readings_alike", "softmax", "few"]
    everything = [
        f"claim-{'d0_log' if c in (*first, 'softmax') else 'd2_init'}-{c}" for c in claims
    ]
    assert found["all"] == found["reset"] == everything
    verdicts = [FOUND[claim]["verdict"] for claim in claims]
    assert found["filtered"].pop("") == verdicts
    counts = {one: [one] * verdicts.count(one) for one in set(verdicts)}
    assert found["filtered"] == {f"exploratory {one}": own for one, own in counts.items()}
    assert found["documents"] == {
        "D0": ["D0.1", "D0.2", "D0.10"],
        "D1": ["D1.4", "D1.4"],
        "D2": ["D2.1", "D2.1", "D2.5", "D2.5", "D2.7"],
        "D3": ["D3.2"],
        "papers": ["Glorot & Bengio 2010, 4.2"],
    }
    assert (found["none"], found["told"]) == ([], True)
    assert (found["searched"], found["count"]) == (everything[:1], "1 of 12 checks")
    order = [str(place) for place in range(1, len(claims) + 1)]
    assert found["sorted"]["Source"] == [["ascending", order], ["descending", order[::-1]]]
    (_, rising), (_, falling) = found["sorted"]["Measured"]
    measured = sorted(one["difference"] for one in FOUND.values() if "difference" in one)
    assert [float(value) for value in rising[:-1]] == measured
    assert [float(value) for value in falling[:-1]] == measured[::-1]
    assert rising[-1] == falling[-1] == "naive = nan, nan, nan"
    (_, order), _ = found["sorted"]["Verdict"]
    assert list(map(int, order)) == [0, *range(11)]
    assert found["marked"] == 1
    assert found["opened"] == [["false", False], ["true", True], ["false", False]]
    assert found["copied"] == ["python -m nnexp.reproduce d0_log", "Copied"]
    assert found["reached"]
    assert found["unfolded"] == 12


@pytest.mark.skipif(not COMMITTED[1].is_file(), reason="results/claims.html is not there")
def test_the_pages_of_the_results_work_on_a_phone(browser, tmp_path):
    width, scheme = WIDTHS[0], "light"  # they are large: other widths are tried with the example
    front, claims = (file.read_text("utf-8") for file in COMMITTED)
    check(read(browser, front, UNFOLD, tmp_path, width, scheme), width, scheme)
    found = read(browser, claims, READ, tmp_path, width, scheme)
    check(found, width, scheme, pictures=False)
    assert found["all"] == found["reset"]
    assert len(found["filtered"].pop("")) == len(found["all"])
    assert sum(map(len, found["filtered"].values())) == len(found["all"]) == found["unfolded"]
    assert sum(map(len, found["documents"].values())) == len(found["all"])
    assert found["all"][0] in found["searched"]
    assert found["opened"] == [["false", False], ["true", True], ["false", False]]
    assert found["copied"][1] == "Copied"
    assert found["reached"]


def test_a_sweep_ends_in_a_page_that_works(browser, nnexp: Command, tmp_path):
    words = ("data=blobs", "data.n=100", "batch_size=20", "epochs=2", "hidden=4", "seed=0,1")
    assert nnexp("-m", *words, "hydra.launcher.workers=1", "init=xavier,zero,randn").status == 0
    (page,) = tmp_path.glob("results/sweeps/*/index.html")
    for width, scheme in zip(WIDTHS, reversed(SCHEMES), strict=True):
        found = read(browser, page.read_text("utf-8"), OPEN, tmp_path, width, scheme)
        check(found, width, scheme)
        assert found["copied"] == [found["command"], "Copied"]
        assert "init=xavier,zero,randn" in found["command"]


def test_a_film_is_moved_and_played(browser, nnexp: Command, tmp_path):
    words = ("data=xor", "hidden=3", "batch_size=full", "steps=30", "evaluate_every='10 steps'")
    words += ("init=xavier,zero", "snapshots=true", "out=film", "hydra.launcher.workers=1")
    assert nnexp("-m", *words).status == 0
    page = Path("film/index.html").read_text("utf-8")
    steps = ["before training", *(f"step {step} (epoch {step})" for step in (10, 20, 30))]
    for width, scheme in zip(WIDTHS, reversed(SCHEMES), strict=True):
        found = read(browser, page, WATCHED, tmp_path, width, scheme)
        check(found, width, scheme)
        assert found["last"] == [steps[-1], True, f"The networks of all arms: {steps[-1]}."]
        assert found["shown"]
        assert (found["moved"], found["pictures_shown"]) == (steps[:-1], len(steps))
        assert found["played"] == [steps[0], "Pause", steps[-1], "Play"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a sweep of three arms and two seeds, made without training."""
    folder = tmp_path_factory.mktemp("swept")
    points = grid(init=["xavier", "zero", "he"])
    write_sweep(folder, *make_tables(points, (0, 1)), command="python -m nnexp -m init=…")
    return folder


@pytest.mark.parametrize(("width", "scheme"), [*zip(WIDTHS, SCHEMES, strict=True)])
def test_figures_answer_to_the_hand(browser, swept, tmp_path, width, scheme):
    page = (swept / "index.html").read_text("utf-8")
    found = read(browser, page, HAND, tmp_path, width, scheme)
    check(found, width, scheme)
    metrics, runs = (pd.read_csv(swept / f"{name}.csv") for name in ("metrics", "runs"))
    # The values under the pointer are those of the tables.
    expected = [
        f"{row['init']}: seed {row['seed']}|epochs: {row['epoch']:g}|"
        f"accuracy (share correct): {row['test_accuracy']:.4g}|{row['run_id']}"
        for row in metrics.to_dict("records")
    ]
    assert found["read"]["accuracy"] == expected
    assert sorted(found["read"]["final"]) == sorted(
        f"{row['init']}: seed {row['seed']}|final test accuracy: {row['test_accuracy']:.4g}|"
        f"{row['run_id']}"
        for row in runs.to_dict("records")
    )
    zero = metrics[(metrics["init"] == "zero") & (metrics["epoch"] == 1)]["test_loss"]
    assert found["mean"] == (
        f"zero: mean|epochs: 1|loss (mean per example): {zero.mean():.4g}|"
        f"seeds: {zero.min():.4g} to {zero.max():.4g}"
    )
    assert found["left"] == ""
    # One press hides an arm in all figures, two show it alone, and Escape shows all.
    names = ["xavier", "zero", "he"]
    assert found["legend"] == [["button", name, 0] for name in names]
    all_of_them = [names, "true true true"]
    without = [names[1:], "false true true"]
    alone = [names[:1], "true false false"]
    assert found["shown"] == {
        "clicked": without,
        "entered": all_of_them,
        "alone": alone,
        "again": all_of_them,
        "shifted": alone,
        "escaped": all_of_them,
        "table": [names[:2], "true true false"],
        "everything": all_of_them,
    }
    assert found["count"] == "2 of 3 arms are shown."
    assert found["table"] == ["false", "true", "true"]
    # The arrow keys read a curve point by point.
    assert found["focused"]
    assert [text.split("|")[1] for text in found["stepped"]] == [
        f"epochs: {epoch}" for epoch in (0, 1, 2, 1)
    ]
    assert found["hairlines"] == [12, 0, 12]
    # On a log axis the places of the curve are those of the logarithms.
    on, linear, off, log = found["scales"]
    assert (on, off) == ("false", "true")
    values = np.array(found["values"])
    for places, numbers in ((linear, values), (log, np.log10(values))):
        line = np.polyfit(numbers, places, 1)
        assert line[0] < 0
        np.testing.assert_allclose(np.polyval(line, numbers), places, atol=1e-3)
    assert all(float(tick) > 0 for tick in found["ticks"])
    assert len(found["ticks"]) > 2
    # Epoch 0 has no place on a log axis: the others are one line.
    assert found["gap"] == 1 + len(values) - 1
    assert all(found["rescaled"])
    assert found["restored"]
    assert found["left_ticks"] == 0


# What a reader does with the figures of a study's page, of which most are folded away at first.
STUDIED = """
async function act() {
  const done = { first: figures.map(one => one.name), read: {} };
  document.getElementById("figures").open = true;
  await new Promise(resolve => setTimeout(resolve, 50));
  done.unfolded = figures.map(one => one.name);
  const text = () => reading.hidden ? "" : [...reading.children].map(e => e.textContent).join("|");
  for (const one of figures.filter(f => ["accuracy", "loss", "final"].includes(f.name))) {
    done.read[one.name] = one.marks.filter(m => ["seed", "runs"].includes(m.kind)).flatMap(m =>
      m.values.map((_, i) => { one.show(m, i); return text(); }));
  }
  unread();
  const zero = every("svg .key").find(e => e.getAttribute("aria-label") === "zero");
  zero.dispatchEvent(new MouseEvent("dblclick"));
  const visible = figures.flatMap(one => one.marks)
    .filter(m => m.own.length && m.kind !== "key" && m.group.getAttribute("display") !== "none");
  done.alone = [...new Set(visible.flatMap(m => m.own.map(arm => arms[arm])))];
  const copy = sheet(figures.find(f => f.name === "accuracy").svg, SIZES.slide).text;
  done.copy = [copy.includes("class="), copy.includes("var("), copy.includes('stroke="#')];
  document.getElementById("everything").click();
  return done;
}
"""


@pytest.mark.parametrize(("width", "scheme"), [*zip(WIDTHS, SCHEMES, strict=True)])
def test_the_figures_of_a_study_answer_to_the_hand(browser, pages, tmp_path, width, scheme):
    found = read(browser, pages["d2_init/index.html"], STUDIED, tmp_path, width, scheme)
    check(found, width, scheme)
    assert len(found["first"]) < len(found["unfolded"])
    assert {*found["first"]} < {*found["unfolded"]} >= {"accuracy", "loss", "final"}
    runs = drawn_runs().runs
    metrics = drawn_runs().metrics.merge(runs[["run_id", "seed"]])
    # Places are rounded to a hundredth of a point, so that values have some three digits.
    for name, rows in (("accuracy", metrics), ("final", runs)):
        values: dict[tuple[str, int], list[float]] = {}
        for text in found["read"][name]:
            whose, *_, value = text.split("|")
            arm, seed = whose.split(": seed ")
            values.setdefault((arm, int(seed)), []).append(float(value.rpartition(" ")[2]))
        assert sum(map(len, values.values())) == len(rows)
        for (arm, seed), shown in values.items():
            own = rows[(rows["arm"] == arm) & (rows["seed"] == seed)]
            np.testing.assert_allclose(shown, own["test_accuracy"], atol=6e-4)
    assert found["alone"] == ["zero"]
    assert found["copy"] == [False, False, True]


# Points at a place beside the centre of each cell and of each box.
WORDED = """
async function act() {
  const read = name => {
    const figure = figures.find(one => one.svg.id === `plot-${name}`);
    const matrix = figure.svg.getScreenCTM();
    return figure.marks.filter(m => m.kind === "cells" || m.kind === "boxes").flatMap(m =>
      m.values.map((_, i) => {
        const [x, y] = m.place(i), p = new DOMPoint(x + 3, y + 5).matrixTransform(matrix);
        figure.svg.dispatchEvent(new PointerEvent("pointermove", { clientX: p.x, clientY: p.y }));
        const lines = [...document.getElementById("reading").children].map(e => e.textContent);
        return document.getElementById("reading").hidden ? "" : lines.join("|");
      }));
  };
  return { cells: read("cells"), boxes: read("activations") };
}
"""


def test_cells_and_boxes_are_read(browser, tmp_path):
    points = grid(init=["xavier", "he"], lr=[0.1, 0.5])
    write_sweep(tmp_path / "grid", *make_tables(points, (0, 1)), command="python -m nnexp -m …")
    page = (tmp_path / "grid" / "index.html").read_text("utf-8")
    found = read(browser, page, WORDED, tmp_path, 1400)
    summary = pd.read_csv(tmp_path / "grid" / "summary.csv")
    assert sorted(found["cells"]) == sorted(
        f"lr {row['lr']:g}, {row['init']}|{row['test_accuracy_mean']:.3f}|"
        f"± {row['test_accuracy_std']:.2g}|n = 2"
        for row in summary.to_dict("records")
    )
    assert len(found["boxes"]) == 4 * 2 * 2  # arms, layers, and before and after training
    first = found["boxes"][0].split("|")
    assert first[:2] == ["xavier, lr 0.1", "layer 1, before training"]
    assert [line.partition(":")[0] for line in first[2:]] == [
        "median",
        "middle half",
        "5 % to 95 %",
    ]


# Saves a figure in every form and size, and keeps what would be downloaded or printed.
SAVED = """
async function act() {
  const done = { files: {}, sizes: {}, printed: [] }, waiting = [];
  const parsed = text => new DOMParser().parseFromString(text, "image/svg+xml");
  URL.createObjectURL = blob => { waiting.push(blob); return "blob:kept"; };
  const all = new Promise(resolve => {
    HTMLAnchorElement.prototype.click = function () {
      done.files[this.download] = this.href;
      if (Object.keys(done.files).length === 4) resolve();
    };
  });
  window.print = () => {
    const rules = document.adoptedStyleSheets.map(sheet => sheet.cssRules[0].cssText);
    const own = new Set(every("#sheet [id]").map(e => e.id));
    const uses = every("#sheet use").map(e => target(e).slice(1));
    const whole = uses.length > 0 && uses.every(id => own.has(id));
    done.printed.push([document.title, rules.join(), whole]);
    dispatchEvent(new Event("afterprint"));
  };
  every("tr[data-arm] .arm")[1].click();
  const menu = document.querySelector("#figure-accuracy .save");
  done.shut = seen(menu.querySelector("button"));
  menu.open = true;
  for (const button of menu.querySelectorAll("button")) button.click();
  await all;
  for (const blob of waiting) {
    const root = parsed(await blob.text()).documentElement;
    const size = ["width", "height"].map(side => root.getAttribute(side));
    done.sizes[size[0]] = [root.nodeName, size[1], root.outerHTML.includes("var("),
      root.querySelectorAll('[display="none"]').length > 0, root.textContent.includes("zero")];
  }
  done.pixels = {};
  for (const [name, address] of Object.entries(done.files).filter(([n]) => n.endsWith("png"))) {
    const header = Uint8Array.from(atob(address.split(",")[1].slice(0, 64)), c => c.charCodeAt(0));
    const view = new DataView(header.buffer);
    done.pixels[name] = [view.getUint32(16), view.getUint32(20)];
  }
  done.files = Object.keys(done.files).sort();
  done.left = [document.adoptedStyleSheets.length, every("#sheet").length];
  document.getElementById("everything").click();
  return done;
}
"""


def test_a_figure_is_saved_for_a_slide_and_for_a_column(browser, swept, tmp_path):
    page = (swept / "index.html").read_text("utf-8")
    found = read(browser, page, SAVED, tmp_path, 1400, "dark")
    check(found, 1400, "dark")
    sizes = ("slide", "column")
    assert found["files"] == sorted(
        f"accuracy-{s}.{form}" for s in sizes for form in ("png", "svg")
    )
    assert not found["shut"]
    # In the colours of a light page, and what is hidden stays so.
    assert found["sizes"]["1920px"] == ["svg", "1080px", False, True, True]
    name, height, *rest = found["sizes"]["85mm"]
    assert (name, rest) == ("svg", [False, True, True])
    width, dots = found["pixels"]["accuracy-column.png"]
    assert width == 2008
    assert dots / width == pytest.approx(float(height.removesuffix("mm")) / 85, rel=1e-3)
    assert found["pixels"]["accuracy-slide.png"] == [1920, 1080]
    titles, rules, whole = zip(*found["printed"], strict=True)
    assert titles == ("accuracy-slide", "accuracy-column")
    assert ["size: 1920px 1080px" in rules[0], "size: 85mm" in rules[1]] == [True, True]
    assert whole == (True, True)
    assert found["left"] == [0, 0]


def test_without_scripts_the_figures_of_a_sweep_are_as_they_were(browser, swept, tmp_path):
    page = (swept / "index.html").read_text("utf-8")
    still = re.sub(r"script-src [^;]*;", "script-src 'none';", page)
    (tmp_path / "still.html").write_text(still, "utf-8")
    shown = dumped(browser, tmp_path / "still.html", tmp_path / "profile")
    assert re.search(r'<p class="hand" id="hand" hidden="">', shown)
    assert 'role="button"' not in shown
    assert ">log x<" not in shown
    assert shown.count('role="img"') == page.count('role="img"') > 5


def test_what_is_for_the_hand_is_not_printed(browser, swept, tmp_path):
    act = """
async function act() {
  const hand = every(".hand, figcaption button, #reading");
  return { hand: hand.length, seen: hand.filter(seen).length };
}
"""
    page = (swept / "index.html").read_text("utf-8")
    found = read(browser, printed(page), act, tmp_path, PAPER)
    assert found["wrong"] == []
    assert found["hand"] > 5
    assert found["seen"] == 0


def test_the_tables_of_a_sweep_fit_the_paper(browser, tmp_path):
    points = grid(init=["xavier", "he"], hidden=["100x100x100"], lr=[0.1, 0.001])
    tables = make_tables(points, range(6), validation=True)
    write_sweep(tmp_path / "wide", *tables, command="python -m nnexp -m init=…")
    page = (tmp_path / "wide" / "index.html").read_text("utf-8")
    opened = page.replace("<details>", "<details open>")  # the table of every run as well
    found = read(browser, printed(opened), "async function act() { return {}; }", tmp_path, PAPER)
    assert (found["wrong"], found["width"], found["wide"]) == ([], PAPER, [])


def test_all_of_a_report_is_read_without_scripts(browser, example, tmp_path):
    # The policy of the copy refuses every script, so the page is what it is without any.
    still = re.sub(r"script-src [^;]*;", "script-src 'none';", example)
    assert still != example
    (tmp_path / "still.html").write_text(still, "utf-8")
    shown = dumped(browser, tmp_path / "still.html", tmp_path / "profile")
    assert '<html lang="en">' in shown
    assert shown.count('<div class="tools" id="tools" hidden=""') == 1
    assert len(re.findall(r"<summary>Numbers and command</summary>", shown)) == 12
    assert 'class="opener"' not in shown


def test_on_paper_all_is_open_and_nothing_is_to_be_pressed(browser, example, tmp_path):
    found = read(browser, printed(example), PRINTED, tmp_path, PAPER)
    check(found, PAPER, "light", pictures=False)
    assert found["hidden"] == []
    assert found["pressed"] == 0
    assert found["claims"] == len(FOUND)
    on_screen = read(browser, example, PRINTED, tmp_path, PAPER)
    assert on_screen["hidden"] != []
    assert on_screen["pressed"] > 0


def test_the_checks_notice_what_is_wrong(browser, pages, tmp_path):
    broken = pages["d0_log/index.html"].replace(
        'href="data:image/png;base64,iVBOR', 'href="data:image/png;base64,xxxxx'
    )
    script = "throw new Error('planted');"
    rules = ".planted { width: 500px; color: #999; background: #aaa }"
    for kind, text in (("script", script), ("style", rules)):
        broken = broken.replace(f"{kind}-src ", f"{kind}-src {source_hash(text)} ")
    broken = broken.replace(
        "</main>",
        f'<style>{rules}</style><p class="planted">pale</p><script>{script}</script>'
        '<p style="color: red" onclick="alert(1)">refused</p><script>alert(1)</script></main>',
    )
    found = read(browser, broken, UNFOLD, tmp_path, 390)
    assert any("planted" in message for message in found["wrong"])
    refused = [message.split()[1] for message in found["wrong"] if message.startswith("refused")]
    # Some versions of Chromium name only the directive that the page has.
    directives = {word.removesuffix("-attr").removesuffix("-elem") for word in refused}
    assert directives == {"script-src", "style-src"}
    assert "P.planted" in found["wide"]
    assert any(message.startswith("P.planted 1.") for message in found["pale"])
    assert len(found["missing"]) == 1
