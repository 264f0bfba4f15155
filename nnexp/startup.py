"""What a command finds around it, made so that the rest of it need not ask: its first act."""

from __future__ import annotations

import atexit
import io
import os
import sys
import tempfile
import warnings
from pathlib import Path

from nnexp.threads import ONE_THREAD

_LIBRARIES = r"(nnexp|numpy|pandas|matplotlib)\."


def settle() -> None:
    """Set BLAS to one thread, and make up for streams and folders that are missing.

    Call it before NumPy loads its BLAS and Matplotlib looks for its folders.
    """
    os.environ.update(ONE_THREAD)
    _open_streams()
    hush()
    if "MPLCONFIGDIR" not in os.environ and not all(map(_writable, _homes_of_matplotlib())):
        # It would make one of its own in every process, and warn.
        folder = tempfile.TemporaryDirectory(prefix="nnexp-matplotlib-")
        atexit.register(folder.cleanup)
        os.environ["MPLCONFIGDIR"] = folder.name


def hush() -> None:
    """Show no warnings of ours, of the libraries', and of arithmetic: results say what came of it.

    Those of a user's own functions are shown, and whatever ``python -W`` asks for.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.filterwarnings("ignore", module=_LIBRARIES)


def _open_streams() -> None:
    """Open the standard streams that are closed, and let all of them take any character."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:  # closed, as by ">&-": the next file to be opened would take its place
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _homes_of_matplotlib() -> list[Path]:
    """Return the folders in which Matplotlib keeps its settings and its list of fonts."""
    given = (("XDG_CONFIG_HOME", "~/.config"), ("XDG_CACHE_HOME", "~/.cache"))
    on_linux = sys.platform.startswith(("linux", "freebsd"))
    homes = [os.environ.get(key) or home for key, home in given] if on_linux else ["~"]
    return [Path(os.path.expanduser(home)) for home in homes]


def _writable(folder: Path) -> bool:
    """Tell whether files may be made in a folder, which need not be there yet."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK)
