"""Where the files of Hydra's configuration and of experiments are."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
GROUP = "experiments"


def shipped(name: str) -> Path:
    """Return the folder ``conf`` or ``experiments`` of the checkout or the installed package."""
    inside = PACKAGE / name
    beside = PACKAGE.parent / name
    checkout = (PACKAGE.parent / "pyproject.toml").is_file() and beside.is_dir()
    return beside if checkout else inside


def experiment_folders() -> list[Path]:
    """Return the folders of experiments: the working directory's, then the shipped one."""
    folders = [Path.cwd() / GROUP, shipped(GROUP)]
    return list(dict.fromkeys(folder for folder in folders if folder.is_dir()))
