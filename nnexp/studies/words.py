"""The words of the report: verdicts, analyses, the parts of a report, and how many there are."""

from __future__ import annotations

from nnexp.analysis import verdicts
from nnexp.messages.language import tr
from nnexp.studies.judgement import COMPUTED, CONFIRMATORY, EXPLORATORY, MAIN, RIVAL, SUPPORT


def verdict_words(verdict: str) -> str:
    """Return a verdict, on a claim or on a row of a source, for readers."""
    return {
        verdicts.REPRODUCED: tr("reproduced"),
        verdicts.DIRECTION: tr("direction only"),
        verdicts.CONTRADICTED: tr("contradicted"),
        verdicts.NO_DIFFERENCE: tr("no difference that matters"),
        verdicts.INCONCLUSIVE: tr("inconclusive"),
        verdicts.UNDERPOWERED: tr("underpowered"),
        verdicts.CONSISTENT: tr("consistent"),
        verdicts.BORDERLINE: tr("borderline"),
        verdicts.EXCEEDED: tr("exceeded"),
        verdicts.SHORT_OF: tr("short of"),
        verdicts.TOO_NOISY: tr("too noisy to tell"),
        verdicts.WITHHELD: tr("withheld"),
        verdicts.STALE: tr("stale"),
        verdicts.HOLDS: tr("holds"),
        verdicts.PARTLY: tr("holds in part"),
        verdicts.FAILS: tr("does not hold"),
        verdicts.UNDECIDED: tr("undecided"),
    }.get(verdict, verdict)


def meanings() -> dict[str, str]:
    """Return what each verdict on a claim means, in a sentence."""
    return {
        verdicts.REPRODUCED: tr("The measurement agrees with the claim."),
        verdicts.DIRECTION: tr(
            "The sign agrees with the claim; the difference may be too small to matter."
        ),
        verdicts.CONTRADICTED: tr("The measurement shows the reverse of the claim."),
        verdicts.NO_DIFFERENCE: tr("Any difference is smaller than the smallest one that matters."),
        verdicts.INCONCLUSIVE: tr(
            "The interval is too wide for a conclusion: more seeds are needed."
        ),
        verdicts.UNDERPOWERED: tr(
            "Too few seeds for the study's number of claims: described, not judged."
        ),
        verdicts.CONSISTENT: tr("The runs are consistent with the published figure."),
        verdicts.BORDERLINE: tr(
            "The published figure lies outside its 95 % interval, but not outside the wider one "
            "that the study's figures share."
        ),
        verdicts.EXCEEDED: tr("The runs are better than the published figure."),
        verdicts.SHORT_OF: tr("The runs are worse than the published figure."),
        verdicts.TOO_NOISY: tr("The runs vary too much to judge the published figure."),
        verdicts.WITHHELD: tr(
            "Some runs failed, or a setting is not tuned yet: see what was measured."
        ),
        verdicts.STALE: tr("Not a verdict: the study has changed since the claim was judged."),
    }


def analysis_words(analysis: str) -> str:
    """Return whether a verdict is confirmatory or exploratory, for readers."""
    return {CONFIRMATORY: tr("confirmatory"), EXPLORATORY: tr("exploratory")}[analysis]


def role_words(role: str) -> str:
    """Return the role of a claim in a table."""
    return {MAIN: tr("main"), SUPPORT: tr("support"), RIVAL: tr("rival")}[role]


def number_of(n: int, what: str) -> str:
    """Return how many there are of ``what``: ``1 check``, ``3 checks``."""
    one, several = {
        "check": (tr("{n} check", n=n), tr("{n} checks", n=n)),
        "study": (tr("{n} study", n=n), tr("{n} studies", n=n)),
        "run": (tr("{n} run", n=n), tr("{n} runs", n=n)),
        "arm": (tr("{n} arm", n=n), tr("{n} arms", n=n)),
        "figure": (tr("{n} figure", n=n), tr("{n} figures", n=n)),
        "further figure": (tr("{n} further figure", n=n), tr("{n} further figures", n=n)),
        MAIN: (tr("{n} main check", n=n), tr("{n} main checks", n=n)),
        SUPPORT: (tr("{n} supporting check", n=n), tr("{n} supporting checks", n=n)),
        RIVAL: (tr("{n} rival reading", n=n), tr("{n} rival readings", n=n)),
        COMPUTED: (tr("{n} computation", n=n), tr("{n} computations", n=n)),
    }[what]
    return one if n == 1 else several


def counted(verdict: str, n: int) -> str:
    """Return how often a verdict was given: ``3 reproduced``."""
    return tr("{n} {verdict}", n=n, verdict=verdict_words(verdict))
