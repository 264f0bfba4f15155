"""The functions `nnexp.sweep` and `nnexp.load`."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnexp.cli.app import check_characters, run
from nnexp.cli.guard import RESUMABLE, is_refusal, refusing
from nnexp.cli.selection import finished
from nnexp.cli.sweep import prepare, unmake
from nnexp.cli.wrong_guesses import check_guesses
from nnexp.config.composition import set_up
from nnexp.errors import InputError
from nnexp.files import write_whole
from nnexp.messages.language import ENGLISH, read_language
from nnexp.notebook.arguments import Words
from nnexp.notebook.sweep import Sweep
from nnexp.store import tables
from nnexp.store.folders import check_folder
from nnexp.store.record import FAILED, Record
from nnexp.store.store import Store

_STORE = "results/runs"


def sweep(
    *,
    store: str | os.PathLike[str] = _STORE,
    out: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    **settings: Any,
) -> Sweep:
    """Train every combination of ``settings``, as ``python -m nnexp -m`` does.

    Each keyword is a key of the command line, with the same defaults (``python -m nnexp --help``
    lists them). One value fixes a setting; a list, a range, an array or a tuple sweeps it. Of
    ``hidden`` and ``evaluate_at``, a tuple is one value: ``hidden=(50, 50)`` is a network of two
    hidden layers, ``hidden=[50, (50, 50)]`` compares it with one of a single layer. Parameters of a
    choice are set by a mapping, ``init={"name": "normal", "std": [0.1, 1]}``, also within a list,
    ``init=["he", {"name": "normal", "std": 0.1}]``, or by a key of their own,
    ``**{"init.std": [0.1, 1]}``. Settings in ``pair=["init", "activation"]`` change together,
    value by value, instead of forming a grid.

    ``init``, ``bias_init``, ``activation`` and ``loss`` also take Python functions. Those of a
    module are used as its file now is. Others, such as lambdas, are copied into the store with the
    functions and numbers that they use, so editing them leads to new runs.

    ``tune="lr"``, or ``tune=["lr", "batch_size"]``, compares each arm at the best of these values,
    chosen by validation accuracy in trials with other seeds. The result has the runs at the best
    values, and the trials as `Sweep.tuning`.

    ``lang="ko"`` gives findings, figures and the page in Korean. It does not affect the runs.

    Runs that are already in the store are read from it. After an interrupt, the finished runs are
    in the store; call it again to continue.

    Parameters
    ----------
    store : path, default="results/runs"
        The folder of finished runs.
    out : path, optional
        A folder for the tables, figures and page. By default, none is written until `Sweep.page`.
    workers : int, optional
        The number of runs to train at a time, by default one per core.
    **settings
        Settings of the runs.

    Returns
    -------
    Sweep
        The runs, as tables, findings and figures.

    Raises
    ------
    InputError
        If a setting is invalid. Nothing has been trained or written then.
    SweepStopped
        If the sweep could not continue; finished runs are in the store.

    Warns
    -----
    RuntimeWarning
        If runs failed. They are in ``Sweep.runs`` with status ``failed``.

    Examples
    --------
    >>> sweep = nnexp.sweep(init=["xavier", "he", "zero"], lr=[0.1, 0.5], seed=range(5), epochs=2)
    >>> sweep.plot("accuracy")
    >>> tuned = nnexp.sweep(init=["xavier", "he"], lr=[0.1, 0.5, 2], tune="lr", seed=range(6))
    """
    runs_folder, page_folder = _folder("store", store), None if out is None else _folder("out", out)
    lang = read_language(settings.get("lang", ENGLISH))
    with refusing():
        set_up()
        options: dict[str, Any] = {} if os.fspath(store) == _STORE else {"store": store}
        if workers is not None:
            options["hydra.launcher.workers"] = workers
        given, others = Words(settings, runs_folder), Words(options, runs_folder)
        words = [*given.list, *others.list]
        check_characters(words)
        check_guesses(given.list, multirun=True)
        with _written(given.functions, page_folder):
            records = _run(words)
    _warn(records, runs_folder)
    command = shlex.join(["python", "-m", "nnexp", "-m", *words])
    result = Sweep(
        tables.tables(records),
        command=command,
        records=tuple(records),
        trials=tables.trials(records),
        lang=lang,
    )
    if page_folder is not None:
        result.page(page_folder)
    return result


def load(place: str | os.PathLike[str], *, lang: str = ENGLISH, **settings: Any) -> Sweep:
    """Read a sweep from the folder of its tables, one run's record, or a store of runs.

    Parameters
    ----------
    place : path
        The folder.
    lang : {"en", "ko"}, default="en"
        The language of findings, figures and the page.
    **settings
        For a store: read only the runs with these settings, as in ``init=["he", "xavier"]``.

    Returns
    -------
    Sweep
        The runs, as tables, findings and figures.

    Raises
    ------
    InputError
        If the folder is none of these, or no run has the settings.
    """
    folder, lang = _folder("place", place), read_language(lang)
    given = [repr(str(folder)), *(f"{key}={value!r}" for key, value in settings.items())]
    call = f"nnexp.load({', '.join(given)})"
    if _is_store(folder):
        listed = {k: list(v) if isinstance(v, range) else v for k, v in settings.items()}
        words = [word.replace("'", "") for word in Words(listed, folder).list]
        with refusing():
            records = finished(folder, words)
        return Sweep(tables.tables(records), command=call, records=tuple(records), lang=lang)
    if settings:
        raise InputError(
            f"{next(iter(settings))} selects runs of a store, and {str(folder)!r} is not one: "
            f"give the folder of a store, such as {_STORE}"
        )
    from nnexp.plotting import record_figures

    page = folder if _has_page(folder, lang) else None
    trials = tables.load_trials(folder)
    found, kept = tables.load(folder), record_figures.read([folder])
    return Sweep(found, command=call, folder=page, trials=trials, kept=kept, lang=lang)


def _has_page(folder: Path, lang: str) -> bool:
    """Return whether a folder has a page in the language ``lang``."""
    page = folder / "index.html"
    return page.is_file() and f'<html lang="{lang}">' in page.read_text("utf-8", "replace")


def _folder(key: str, value: object) -> Path:
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise InputError(f"{key}={value!r} is not a folder: give its path")
    return Path(value)


def _is_store(folder: Path) -> bool:
    known = any((folder / name).is_file() for name in ("run.json", "runs.csv"))
    return folder.is_dir() and not known and bool(Store(folder).run_ids())


@contextmanager
def _written(functions: Mapping[Path, str], out: Path | None) -> Iterator[None]:
    """Write copies of ``functions`` and make the folder ``out``; undo this after a refusal."""
    folders: dict[str, str | Path] = {}
    if functions:
        folders["store"] = next(iter(functions)).parent
    if out is not None:
        check_folder(out, "out=FOLDER")
        folders["out"] = out
    made, new = prepare(folders), [file for file in functions if not file.exists()]
    try:
        for file in new:
            write_whole(file, functions[file])
        yield
    except Exception as error:
        if is_refusal(error):
            for file in new:
                file.unlink(missing_ok=True)
        raise
    finally:
        unmake(made)  # those that are still empty


def _run(words: Sequence[str]) -> list[Record]:
    try:
        return run(words, multirun=True, collect=False)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(RESUMABLE) from None


def _warn(records: Sequence[Record], store: Path) -> None:
    failed = [record for record in records if record.status == FAILED]
    if failed:
        last = (failed[0].error or "").strip().splitlines()[-1]
        warnings.warn(
            f"{len(failed)} of {len(records)} runs failed, the first with {last} (its traceback: "
            f"python -m nnexp.runs show --store {shlex.quote(str(store))} {failed[0].run_id})",
            RuntimeWarning,
            stacklevel=3,
        )
