"""What the templates of the report's pages have in common."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

from nnexp.analysis.labels import signs
from nnexp.messages.language import tr
from nnexp.reports.jinja import environment
from nnexp.reports.prose import phrase, prose
from nnexp.studies.marks import MARKS, ROW_MARKS
from nnexp.studies.pages.sources import tongue
from nnexp.studies.words import analysis_words, number_of, verdict_words


def rendered(template: str, **values: Any) -> str:
    """Return a page made from a template.

    As in the texts of a study, ``**bold**`` and code in backticks are set as such.
    """
    pages = environment()
    pages.filters |= {"prose": prose, "phrase": phrase, "figures": _figures, "tongue": tongue}
    pages.filters |= {"verdict": verdict_words, "analysis": analysis_words}
    pages.globals["number_of"] = number_of
    return pages.get_template(template).render(marks=MARKS, row_marks=ROW_MARKS, **values)


def duration(seconds: float) -> str:
    """Return a time in a unit that suits its size."""
    if seconds >= 3600:
        return tr("{time} h", time=f"{seconds / 3600:.1f}")
    if seconds >= 60:
        return tr("{time} min", time=f"{seconds / 60:.1f}")
    return tr("{time} s", time=f"{seconds:.1f}")


def _figures(text: str) -> Markup:
    """Return ``text`` as HTML, an interval never broken over two lines."""
    interval = r"\[[^\[\],]{1,9}, [^\[\],]{1,9}\]"
    return Markup(re.sub(interval, r'<span class="whole">\g<0></span>', str(escape(signs(text)))))
