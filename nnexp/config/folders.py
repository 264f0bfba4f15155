"""Where the files of Hydra's configuration and of experiments are."""

from __future__ import annotations

from pathlib import Path

from nnexp.errors import InputError

PACKAGE = Path(__file__).resolve().parents[1]
GROUP = "experiments"


def shipped(name: str) -> Path:
    """Return the folder ``conf`` or ``experiments`` of the checkout or the installed package."""
    inside = PACKAGE / name
    beside = PACKAGE.parent / name
    checkout = (PACKAGE.parent / "pyproject.toml").is_file() and beside.is_dir()
    return beside if checkout else inside


def experiment_files() -> dict[str, Path]:
    """Return the files of experiments by name, as in ``documents/xor``.

    A name is the path in a folder ``experiments``, without the ending. There are two such folders,
    the working directory's and the shipped one; the former takes precedence.
    """
    files: dict[str, Path] = {}
    for folder in dict.fromkeys([Path.cwd() / GROUP, shipped(GROUP)]):
        for file in folder.rglob("*.yaml"):
            path = file.relative_to(folder).with_suffix("")
            hidden = any(part.startswith(".") for part in path.parts)
            if file.is_file() and not hidden:
                files.setdefault(path.as_posix(), file)
    return dict(sorted(files.items()))


def experiment_name(word: str) -> str | None:
    """Return the name of the experiment that ``word`` means, ``None`` if there is none.

    ``xor`` means ``documents/xor`` if no other folder has a file of that name. Files of the working
    directory take precedence.

    Raises
    ------
    InputError
        If several folders have such a file.
    """
    files = experiment_files()
    if word in files:
        return word
    alike = [name for name in files if name.rpartition("/")[2] == word]
    own = [name for name in alike if is_own(files[name])]
    if len(own or alike) > 1:
        raise InputError(f"{word!r} is in several folders: write {' or '.join(own or alike)}")
    return next(iter(own or alike), None)


def is_own(file: Path) -> bool:
    """Return whether an experiment is the user's: not one of those that come with nnexp."""
    return shipped(GROUP) not in file.parents
