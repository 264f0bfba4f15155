"""The folders of studies and of the report as research objects: claims, verdicts, runs, files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nnexp.store.research_object import Contents, Review, research_object
from nnexp.store.tables import read_exactly, table_file
from nnexp.studies.judgement import Judgement
from nnexp.studies.rows import Row, summary
from nnexp.studies.study import Study

Files = Mapping[str, str | bytes]


def study_object(
    study: Study, judgements: Sequence[Judgement], lock: str, folder: Path, files: Files
) -> str:
    """Return the ``ro-crate-metadata.json`` of a study.

    ``lock`` is a sentence on its lock, ``folder`` has its tables, and ``files`` are all files.
    """
    runs = table_file(folder, "runs")
    contents = Contents(
        name=study.title,
        description=f"{study.question} {lock}",
        files=files,
        runs=read_exactly(runs).to_dict("records") if runs.is_file() else (),
        reviews=[
            Review(
                f"{one.study} {one.claim}",
                one.statement,
                one.verdict,
                f"{one.measured} ({one.analysis})",
            )
            for one in judgements
        ],
    )
    return research_object(contents)


def report_object(studies: Sequence[Study], found: Sequence[Row], files: Files) -> str:
    """Return the ``ro-crate-metadata.json`` of the report of ``studies``.

    ``found`` are the rows of their sources, and ``files`` those of the report's own folder.
    """
    contents = Contents(
        name="Published claims, rerun",
        description=summary(found) or "Claims about the training of neural networks, tested.",
        files=files,
        folders={study.name: study.title for study in studies},
        reviews=[
            Review(
                row.name,
                row.statement,
                row.verdict,
                f"{row.analysis}, by the main checks of {row.study}",
            )
            for row in found
            if row.verdict
        ],
    )
    return research_object(contents)
