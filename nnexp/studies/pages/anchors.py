"""Where a page shows what: ids within it, and links between the report's pages."""

from __future__ import annotations

import re

from nnexp.reports.jinja import link

FRONT, CLAIMS, STUDY = "report.html", "claims.html", "index.html"


def anchor(*parts: str) -> str:
    """Return a unique id for these names, made of letters, digits and ``_.-``."""
    return "-".join(
        re.sub(r"[^0-9A-Za-z_]", lambda match: f".{ord(match[0]):x}.", part) for part in parts
    )


def row_anchor(row: str) -> str:
    """Return the id of a row of a source: its name, as in ``D2.1``, if it can be one."""
    return row if re.fullmatch(r"D\d+\.\d+", row) else anchor("row", row)


def page_of(study: str, home: str = "") -> str:
    """Return the link to a study's page from a page that reaches the report's folder by ``home``.

    Studies are in folders of their names.
    """
    return f"{home}{link(study)}/{STUDY}"


def home_of(study: str) -> str:
    """Return the path from a study's page to the report's folder, as in ``../../``."""
    return "../" * (study.count("/") + 1)
