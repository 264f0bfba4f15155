"""Preparation of the process before other imports: threads, memory, streams and warnings."""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys
import tempfile
import warnings
from pathlib import Path

from nnexp.process.threads import ONE_THREAD

# New objects before a garbage collection; with the usual 700, they are a tenth of a short command.
COLLECTED = 100_000
_LIBRARIES = r"(nnexp|numpy|pandas|matplotlib)\."


def settle() -> None:
    """Set BLAS to one thread and rarer garbage collections; replace missing streams and folders.

    Call this before importing NumPy, which loads BLAS, and Matplotlib.
    """
    gc.set_threshold(COLLECTED)
    os.environ.update(ONE_THREAD)
    if os.path.expanduser("~") == "~":  # an unknown user, as in containers with another user ID
        os.environ["HOME"] = "/"
    _open_streams()
    hush()
    if "MPLCONFIGDIR" not in os.environ and not all(map(_writable, _homes_of_matplotlib())):
        # Otherwise Matplotlib creates one in every process and warns.
        folder = tempfile.TemporaryDirectory(prefix="nnexp-matplotlib-")
        atexit.register(folder.cleanup)
        os.environ["MPLCONFIGDIR"] = folder.name


def hush() -> None:
    """Hide warnings of nnexp, its libraries and arithmetic.

    Other warnings, such as those of the user's own functions, are shown. ``python -W`` disables
    this.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.filterwarnings("ignore", module=_LIBRARIES)


def _open_streams() -> None:
    """Open closed standard streams, and let the output streams write any character."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:  # closed, as by ">&-"; the next opened file would get its number
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _homes_of_matplotlib() -> list[Path]:
    """Return the parent folders of Matplotlib's configuration and cache."""
    places = (("XDG_CONFIG_HOME", "~/.config"), ("XDG_CACHE_HOME", "~/.cache"))
    on_linux = sys.platform.startswith(("linux", "freebsd"))
    homes = [os.environ.get(key) or home for key, home in places] if on_linux else ["~"]
    return [Path(os.path.expanduser(home)) for home in homes]


def _writable(folder: Path) -> bool:
    """Return whether files can be created in a folder, which need not exist yet."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)
