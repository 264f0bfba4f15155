"""Downloads with pooch from several mirrors, with checksums and a progress bar."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nnexp.errors import InputError

if TYPE_CHECKING:
    from rich.progress import Progress

# Seconds to wait for a connection, and for data during a download.
_TIMEOUT = (3, 30)
# Seconds after which no further mirrors are tried if none could be reached.
_PATIENCE = 6.0


def fetch(
    name: str,
    mirrors: Sequence[str],
    target: Path,
    sha256: str | None,
    files: Sequence[str],
) -> None:
    """Download ``target`` from the first mirror that has a file of its name.

    If ``target`` exists and has the digest ``sha256``, it is kept. ``files`` are the names of all
    files of the data set ``name``, for the error message.

    Raises
    ------
    InputError
        If no mirror has the correct file. The message says where to put the files.
    """
    import pooch  # type: ignore[import-untyped, unused-ignore]
    import requests  # type: ignore[import-untyped, unused-ignore]

    start = time.monotonic()
    reasons: list[str] = []
    for mirror in mirrors:
        host = str(urlsplit(mirror).hostname)
        try:
            with _progress(f"{name}: {target.name} from {host}") as bar, _quiet():
                pooch.retrieve(
                    mirror + target.name,
                    known_hash=f"sha256:{sha256}" if sha256 else None,
                    fname=target.name,
                    path=target.parent,
                    downloader=pooch.HTTPDownloader(
                        progressbar=bar, chunk_size=1 << 16, timeout=_TIMEOUT
                    ),
                )
            return
        except requests.HTTPError as error:
            status = getattr(error.response, "status_code", "an error")
            reasons.append(f"{host} returned {status}")
        except requests.RequestException:
            reasons.append(f"{host} cannot be reached")
            if time.monotonic() - start > _PATIENCE:
                break
        except ValueError:
            reasons.append(f"{host} has another file")
        except OSError as error:
            raise InputError(
                f"data={name} cannot be stored in {target.parent} ({error.strerror or error}): "
                "set NNEXP_CACHE to a writable folder, or give data.root=FOLDER"
            ) from error
    archives = ", ".join(f"{file}.gz" for file in files)
    raise InputError(
        f"data={name} could not be downloaded ({'; '.join(dict.fromkeys(reasons))}): put the "
        f"files {archives} into {target.parent}, or into another folder and give data.root=FOLDER"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence pooch's log, which would print the URL of every file."""
    import pooch

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Bar:
    """A progress bar of rich with the interface that pooch expects."""

    def __init__(self, progress: Progress, title: str) -> None:
        self.total = 0
        self._progress, self._task = progress, progress.add_task(title, total=None)

    def update(self, count: int) -> None:
        self._progress.update(self._task, total=self.total, advance=count)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        """Do nothing: the bar is removed when its context ends."""


@contextmanager
def _progress(title: str) -> Iterator[_Bar]:
    """Show a progress bar on standard error within a ``with`` block."""
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
    )
    console = Console(stderr=True)
    hidden = not console.is_terminal
    with progress.Progress(*columns, console=console, transient=True, disable=hidden) as bars:
        yield _Bar(bars, title)
