"""Build hook of hatchling: a README for package indexes, where relative links do not work.

If ``[project.urls]`` in pyproject.toml has a ``Repository``, links and images become absolute.
Otherwise images are left out, and links keep only their text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

# A link or image whose target is neither an address nor a place on the same page.
_RELATIVE = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?![a-z]+:|#)(?P<path>[^)]+)\)")


class Readme(MetadataHookInterface):
    """Sets the README of the package."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set ``readme`` in the metadata of the project."""
        text = (Path(self.root) / "README.md").read_text("utf-8")
        repository = metadata.get("urls", {}).get("Repository", "")
        metadata["readme"] = {"content-type": "text/markdown", "text": portable(text, repository)}


def portable(text: str, repository: str) -> str:
    """Return Markdown whose relative links lead to ``repository``, or are text without one."""

    def link(found: re.Match[str]) -> str:
        image, label, path = found["image"], found["text"], found["path"]
        if repository:
            kind = "raw" if image else "blob"
            return f"{image}[{label}]({repository.rstrip('/')}/{kind}/main/{path})"
        return "" if image else label

    return re.sub(r"\n{3,}", "\n\n", _RELATIVE.sub(link, text))
