"""Studies with judgements and pictures for pages: every verdict, every kind of claim."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnexp.analysis.arms import Comparison, compare
from nnexp.plotting import layout
from nnexp.plotting.sweep_figures import pictures
from nnexp.studies.gallery import gallery
from nnexp.studies.judgement import Judgement
from nnexp.studies.pages.claims_page import claims_page
from nnexp.studies.pages.front_page import front_page
from nnexp.studies.pages.study_page import study_page
from nnexp.studies.reader import read_study
from nnexp.studies.rows import rows
from nnexp.studies.section import Section, Shown, show_picture
from nnexp.studies.study import Claim, ClaimPicture, Study
from tests.synthetic import grid, make_tables

INITS = """
study:
  title: Which initialisation serves a sigmoid network with one hidden layer?
  source:
    D2: Neural Network 설명 및 직접 구현해보기
    Glorot & Bengio 2010: Understanding the difficulty of training deep feedforward neural networks
  question: Does scaling the weights by the fan-in pay, and does `init=zero` end as it is said to?
  protocol: |
    Batch 1, in the file's order, squared error; **only the weights' initialiser changes**. The
    document descends ½Σ(O-y)², which is half of `loss.reduction=sum` here:

    - the rate is therefore halved, & so is every gradient;
    - <b>targets</b> are 0.01 and 0.99.

    Ten seeds an arm, paired.
  unstated: The rate, the number of epochs, and which "random" is meant. Rates of 0.01 to 0.3.
  explanation: |
    Zero weights leave the hidden units **alike**: `distinct_units` stays at 1.

    Their biases still learn, so that the network ends above chance.
  change_our_mind: A rate at which zero ends above Xavier in every seed.
  claims:
    - {id: xavier_over_zero, row: D2.1, statement: Xavier ends above zero initialisation.,
       published: 0.9654 against 0.9394, test: greater, arms: [xavier, zero],
       expected: reproduced}
    - {id: zero_over_randn, row: D2.1,
       statement: "Zero initialisation ends above standard normal weights, against all advice.",
       published: 0.9394 against 0.8543, test: greater, arms: [zero, randn],
       expected: contradicted}
    - {id: readings_alike, row: D2.7, statement: Two readings of Xavier end alike., test: equal,
       arms: [xavier, lecun], expected: no difference that matters}
    - {id: he_over_xavier, row: D2.5, statement: He ends above Xavier with a sigmoid.,
       test: greater, arms: [he, xavier], expected: reproduced}
    - {id: he_over_lecun, row: D2.5, statement: He ends above LeCun with a sigmoid.,
       test: greater, arms: [he, lecun], expected: direction only}
    - {id: few, row: "Glorot & Bengio 2010, 4.2",
       statement: Gradients of the lower layer are smaller by a factor of ten., test: less,
       arms: [xavier, randn], outcome: {layer: 1, value: gradient_norm},
       scale: log10, matters: 0.1, expected: underpowered}
arms:
  xavier: [init=xavier]
  lecun: [init=lecun]
  he: [init=he]
  zero: [init=zero]
  randn: [init=normal, init.std=1.0, bias_init=constant, bias_init.value=0.25, weight_decay=0.0]
"""
LOG = """
study:
  title: >-
    Does the hand-written two-hidden-layer network run again as its printed log says, row for row
    and within the spread of its seeds?
  source: {D0: 소프트맥스 회귀를 이용한 mnist 이미지 분류, D1: Fund18. 딥러닝 들여다보기}
  question: Do the printed rows lie within what further runs give?
  protocol: 784-512-256-10, batch 600.
  unstated: The moment of the epoch that a row describes.
  explanation: The rows are those of the first batch.
  claims:
    - {id: end, row: D0.1, statement: The test accuracy after five epochs is 0.8895.,
       test: published, arm: numpy, value: 0.8895, rounding: 0.00005, expected: consistent}
    - {id: keras, row: D0.2, statement: The same layers in Keras end at 0.8810., test: published,
       arm: keras, value: 0.881, rounding: 0.00005, expected: exceeded}
    - {id: loss, row: D0.10, statement: The test loss after five epochs is 0.5066.,
       test: published, arm: numpy, outcome: test_loss, value: 0.5066,
       rounding: 0.00005, cap: 0.1, expected: short of}
    - {id: edge, row: D1.4, statement: The training loss at the end., test: published, arm: numpy,
       outcome: train_loss, value: 0.4, rounding: 0.005, cap: 0.1, expected: borderline}
    - {id: rows, row: D1.4, statement: The thirteen printed test accuracies., test: curve,
       arm: numpy, points: {1: 0.0982, 601: 0.7977}, by: step, rounding: 0.00005,
       expected: too noisy to tell}
    - {id: softmax, row: D3.2, statement: "The naive softmax of (1010, 1000, 990) is nan.",
       test: computed, compute: softmax, given: {z: [1010, 1000, 990]}, published: {naive: .nan},
       rounding: 0, expected: reproduced}
arms: {numpy: [init=randn], keras: [init=xavier_uniform]}
"""
PAIRED: dict[str, Any] = {"n": 10, "level": 0.99, "matters": 0.003, "detectable": 0.0021}
FOUND: dict[str, dict[str, Any]] = {
    "xavier_over_zero": {
        "verdict": "reproduced",
        "measured": "0.9669 against 0.9382: +2.87 points [+2.51, +3.23]",
        "difference": 0.0287,
        "low": 0.0251,
        "high": 0.0323,
        "effect_size": 7.3,
        "superiority": 1.0,
        "seeds_needed": 4,
        "holds_in": "14 of 20 cells, reversed in 2",
        "protocol": "lr 0.1, epoch 5",
        **PAIRED,
    },
    "zero_over_randn": {
        "verdict": "contradicted",
        "measured": "0.9382 against 0.9511: -1.29 points [-1.88, -0.7]",
        "difference": -0.0129,
        "low": -0.0188,
        "high": -0.007,
        "effect_size": -2.2,
        "superiority": 0.0,
        "seeds_needed": 8,
        **PAIRED,
    },
    "readings_alike": {
        "verdict": "no difference that matters",
        "measured": "0.9669 against 0.9668: +0.01 points [-0.09, +0.11]",
        "difference": 0.0001,
        "low": -0.0009,
        "high": 0.0011,
        **PAIRED,
    },
    "he_over_xavier": {
        "verdict": "inconclusive",
        "measured": "0.9681 against 0.9669: +0.12 points [-0.33, +0.57]",
        "difference": 0.0012,
        "low": -0.0033,
        "high": 0.0057,
        "seeds_needed": 31,
        **PAIRED,
    },
    "he_over_lecun": {
        "verdict": "direction only",
        "measured": "0.9681 against 0.9660: +0.21 points [+0.09, +0.57]",
        "difference": 0.0021,
        "low": 0.0009,
        "high": 0.0057,
        **PAIRED,
    },
    "few": {
        "verdict": "underpowered",
        "measured": "log10 -3.1 against -1.9: -1.2 [-inf, +inf]",
        "difference": -1.2,
        "low": float("-inf"),
        "high": float("inf"),
        "level": 0.99,
        "matters": 0.1,
        "n": 3,
    },
    "end": {
        "verdict": "consistent",
        "measured": "0.8901, 95 % prediction interval 0.8838 to 0.8964",
        "first": 0.8901,
        "second": 0.8895,
        "difference": 0.0006,
        "low": 0.8838,
        "high": 0.8964,
        "level": 0.95,
        "n": 20,
    },
    "keras": {
        "verdict": "exceeded",
        "measured": "0.8931, 95 % prediction interval 0.8866 to 0.8996",
        "first": 0.8931,
        "second": 0.881,
        "difference": 0.0121,
        "low": 0.8866,
        "high": 0.8996,
        "level": 0.95,
        "n": 20,
    },
    "loss": {
        "verdict": "short of",
        "measured": "0.5412, 95 % prediction interval 0.51 to 0.5724",
        "first": 0.5412,
        "second": 0.5066,
        "difference": 0.0346,
        "low": 0.51,
        "high": 0.5724,
        "level": 0.95,
        "n": 20,
    },
    "edge": {
        "verdict": "borderline",
        "measured": "0.43, 95 % prediction interval 0.41 to 0.45",
        "first": 0.43,
        "second": 0.4,
        "difference": 0.03,
        "low": 0.41,
        "high": 0.45,
        "level": 0.95,
        "n": 20,
    },
    "rows": {
        "verdict": "too noisy to tell",
        "measured": "1 of 2 points within the joint band; farthest 0.8411 against 0.7977 at 601",
        "first": 0.8411,
        "second": 0.7977,
        "difference": 0.0434,
        "level": 0.95,
        "n": 20,
    },
    "softmax": {"verdict": "reproduced", "measured": "naive = nan, nan, nan"},
}


def judgement(study: Study, claim: Claim, **found: Any) -> Judgement:
    """Return a judgement of ``claim`` of which ``found`` holds what was measured."""
    said = {
        "study": study.name,
        "claim": claim.id,
        "document": claim.document,
        "row": claim.row,
        "statement": claim.statement,
        "test": claim.test.name,
        "published": claim.test.printed(claim),
        "outcome": claim.test.measures,
        "protocol": "",
        "expected": claim.expected,
        "role": claim.role,
    }
    return Judgement(**{**said, **found})


def section(folder: Path, name: str, text: str, pictures: list[Shown], runs: int) -> Section:
    """Return the study of a YAML ``text`` with what was found of each of its claims."""
    file = folder / f"{name}.yaml"
    file.write_text(text, "utf-8")
    study = read_study(file)
    assert study is not None
    judgements = [judgement(study, claim, **FOUND[claim.id]) for claim in study.claims]
    return Section(study, judgements, pictures, 12.5 * runs, runs)


def drawn_runs() -> Comparison:
    """Return the runs that the pictures of `sections` show."""
    inits = ["xavier", "lecun", "he", "zero", "randn"]
    return compare(*make_tables(grid(init=inits), range(5)))


def sections(folder: Path) -> list[Section]:
    """Return two studies: every verdict, one of them unexpected, SVG and PNG pictures."""
    comparison = drawn_runs()
    drawn = list(pictures(comparison))
    belongs = {"final": ("xavier_over_zero", "zero_over_randn"), "loss": ("he_over_xavier",)}
    runs = comparison.runs
    vector = [show_picture(ClaimPicture(p, belongs.get(p.name, ())), runs) for p in drawn]
    raster = [
        Shown(p.name, p.caption, p.alt, ("end", "rows"), png=layout.png(p.figure))
        for p in drawn[:1]
    ]
    return [
        section(folder, "d2_init", INITS, vector, 50),
        section(folder, "d0_log", LOG, raster, 40),
    ]


def rendered(*made: Section, **facts: str) -> dict[str, str]:
    """Return the pages of studies by the path of their file."""
    judgements = [one for section in made for one in section.judgements]
    found = rows([section.study for section in made], judgements)
    exhibits = gallery(made, found)
    own = {one.study.name: one for one in exhibits}
    names = [section.study.name for section in made]
    return {
        "report.html": front_page(made, exhibits, found, facts),
        "claims.html": claims_page(made, found),
        **{f"{n}/index.html": study_page(s, own[n]) for n, s in zip(names, made, strict=True)},
    }
