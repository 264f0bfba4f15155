"""Composition of settings with Hydra.

Hydra composes each distinct set of group choices once. The value overrides of a point are then
applied to a copy, which is many times faster and gives the same result.

No other file imports ``hydra._internal``. `TRIED` lists the tested versions of Hydra.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import logging
import math
import os
import pickle
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hydra import version
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.defaults_list import create_defaults_list
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_automatic_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    Glob,
    IntervalSweep,
    Override,
    OverrideType,
    Quote,
    QuotedString,
    RangeSweep,
)
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nnexp.config.experiment_file import PLACES
from nnexp.config.folders import shipped
from nnexp.config.hydra_source import NnexpSearchPath, NnexpSource
from nnexp.config.pairs import Groups, axes
from nnexp.errors import InputError

# Tested versions of Hydra; "1.4" includes its release candidates.
TRIED = ("1.3.8", "1.4")
# The largest number of points in a sweep.
_MOST_POINTS = 100_000


def set_up() -> None:
    """Register nnexp's sources and resolvers with Hydra."""
    register: Any = OmegaConf.register_resolver
    if hasattr(version, "base_at_least"):  # Hydra 1.3 with OmegaConf 2.3
        version.setbase("1.3")
        register = OmegaConf.register_new_resolver
    register("pid", os.getpid, replace=True)
    for plugin in (NnexpSource, NnexpSearchPath):
        Plugins.instance().register(plugin)


@contextmanager
def opened() -> Iterator[Hydra]:
    """Open Hydra on nnexp's configuration within a ``with`` block."""
    GlobalHydra.instance().clear()
    try:
        path = create_automatic_config_search_path(None, None, str(shipped("conf")))
        yield Hydra.create_main_hydra2("nnexp", path)
    finally:
        GlobalHydra.instance().clear()


def prepared(
    hydra: Hydra, overrides: Sequence[str], task: TaskFunction, *, multirun: bool
) -> tuple[DictConfig, Sweeper, Callbacks]:
    """Return the composed configuration, its sweeper and its callbacks.

    Hydra passes ``task`` on to the sweeper and its launcher.

    Raises
    ------
    InputError
        For an override that Hydra would accept silently.
    """
    check_overrides(hydra.config_loader, overrides, multirun=multirun)
    words = [*overrides, f"hydra.mode={'MULTIRUN' if multirun else 'RUN'}"]
    config = hydra.compose_config("config", words, RunMode.MULTIRUN, True)
    if isinstance(config.out, str):  # where other sweepers write files of their own
        OmegaConf.update(config, "hydra.sweep.dir", config.out)
    callbacks = Callbacks(config)
    sweeper = Plugins.instance().instantiate_sweeper(
        config=config,
        hydra_context=HydraContext(hydra.config_loader, callbacks),
        task_function=task,
    )
    return config, sweeper, callbacks


def show(hydra: Hydra, options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Print Hydra's settings, help, information or shell completion, as ``options`` ask."""
    words = options.overrides
    if options.hydra_help:
        hydra.hydra_help("config", parser, options)
    elif options.cfg:
        hydra.show_cfg("config", words, options.cfg, options.package, options.resolve)
    elif options.info:
        logging.raiseExceptions = False  # Hydra may log to a closed pipe
        hydra.show_info(options.info, "config", words)
    else:
        hydra.shell_completion("config", words)


@contextmanager
def composing() -> Iterator[None]:
    """Turn unexpected exceptions of Hydra and OmegaConf into `InputError`.

    Malformed overrides can make them raise exceptions of any type.

    Raises
    ------
    InputError
        Instead of any exception other than their documented errors and ``OSError``.
    """
    try:
        yield
    except (InputError, HydraException, OmegaConfBaseException, OSError):
        raise
    except Exception as error:
        raise InputError(
            f"these settings cannot be read ({type(error).__name__}: {error}): "
            f"set HYDRA_FULL_ERROR=1 in the environment for a traceback"
        ) from error


class Composer:
    """Composes the settings of many points, reading and parsing shared parts once."""

    def __init__(self, loader: ConfigLoader) -> None:
        self.loader = loader
        self.repository = CachingConfigRepository(loader.repository)  # type: ignore[attr-defined]
        self.parser = OverridesParser.create(loader)  # making one takes as long as parsing
        self.parse = functools.cache(self._parse)
        self.group_exists = functools.cache(self.repository.group_exists)
        # The configuration of each set of group choices and, if it has no interpolations, the same
        # as a mapping. Unpickling them is six times faster than ``copy.deepcopy``.
        self.bases: dict[tuple[str, ...], tuple[bytes, bytes | None]] = {}

    def compose(self, overrides: Sequence[str]) -> dict[str, Any]:
        """Return the resolved configuration of one point, without the key ``hydra``."""
        parsed = [self.parse(override) for override in overrides]
        groups = [o for o in parsed if self.is_group(o)]
        values = [o for o in parsed if not self.is_group(o)]
        key = tuple(str(o.input_line) for o in groups)
        if key not in self.bases:
            base = self.base(groups)
            plain, resolved = (OmegaConf.to_container(base, resolve=r) for r in (False, True))
            mapping = pickle.dumps(plain) if plain == resolved else None
            self.bases[key] = (pickle.dumps(base), mapping)
        pickled, settings = self.bases[key]
        if settings is not None:
            changed: dict[str, Any] = pickle.loads(settings)
            if all(_replace(changed, override) for override in values):
                return changed
        config: DictConfig = pickle.loads(pickled)
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]

    def base(self, groups: list[Override]) -> DictConfig:
        """Return the configuration of ``run.yaml`` with these group choices."""
        defaults = create_defaults_list(self.repository, "run", groups, False, False).defaults
        base: DictConfig = self.loader._compose_config_from_defaults_list(  # type: ignore[attr-defined]
            defaults, self.repository
        )
        OmegaConf.set_struct(base, False)
        base.pop("hydra", None)
        OmegaConf.set_struct(base, True)
        return base

    def is_group(self, override: Override) -> bool:
        """Return whether an override chooses from a group of ``conf/``, by Hydra's rules."""
        exists = self.group_exists(override.key_or_group)
        return exists and not isinstance(override.value(), dict)

    def _parse(self, override: str) -> Override:
        (parsed,) = self.parser.parse_overrides([override])
        return parsed


def _replace(settings: dict[str, Any], override: Override) -> bool:
    """Replace a single value in ``settings``, and return whether the override does just that.

    OmegaConf does the same thirty times slower.
    """
    *parents, name = override.key_or_group.split(".")
    inner: Any = settings
    for key in parents:
        inner = inner.get(key) if isinstance(inner, dict) else None
    value = override.value()
    single = value is None or isinstance(value, int | float | str)
    if (
        override.type is not OverrideType.CHANGE
        or override.package is not None
        or not isinstance(inner, dict)
        or isinstance(inner.get(name, {}), dict | list)
        or not single
        or (isinstance(value, str) and ("$" in value or value == "???"))
    ):
        return False
    inner[name] = value
    return True


def check_overrides(loader: ConfigLoader, arguments: Sequence[str], *, multirun: bool) -> None:
    """Refuse mistakes that Hydra would accept silently.

    Raises
    ------
    InputError
        For a key given twice, a key that cannot be swept, a list instead of one choice, or an
        output folder that would be ignored.
    """
    composer = Composer(loader)
    seen: set[str] = set()
    for override in OverridesParser.create(loader).parse_overrides(list(arguments)):
        key = str(override.key_or_group)
        if key in seen:
            raise InputError(f"{key!r} is given twice: give it once, with commas to sweep it")
        seen.add(key)
        _check_plugins(key, override)
        if override.is_sweep_override():
            if key in PLACES:
                remedy = "tune=[lr,batch_size]" if key == "tune" else "one value"
                raise InputError(f"{key!r} cannot be swept: give {remedy} for the whole sweep")
        elif override.is_delete():
            raise InputError(f"{override.input_line!r} removes a setting: give {key}=… instead")
        elif composer.is_group(override) and not isinstance(override.value(), str):
            value = override.get_value_element_as_str()
            raise InputError(
                f"{key}={value} is not a choice: give one name (with -m, several: a,b)"
            )
    _check_output(seen, multirun)


def _check_output(keys: set[str], multirun: bool) -> None:
    """Refuse two output folders, or one that Hydra would ignore."""
    valid, ignored = "hydra.run.dir", "hydra.sweep.dir"
    if multirun:
        valid, ignored = ignored, valid
    if ignored in keys:
        purpose = "single runs, without -m" if multirun else "sweeps, with -m"
        raise InputError(f"{ignored} is for {purpose}: give out=FOLDER, which works for both")
    if {"out", valid} <= keys:
        raise InputError(f"out and {valid} both set the output folder: give only out=FOLDER")


def _check_plugins(key: str, override: Override) -> None:
    """Refuse overrides that would replace nnexp's launcher or sweeper."""
    given = override.input_line
    if key == "hydra/sweeper" and override.value() == "basic":
        raise InputError(f"{given} writes no tables and no page: give hydra/sweeper=nnexp")
    if key in ("hydra.launcher._target_", "hydra.sweeper._target_"):
        raise InputError(f"{given} is not part of nnexp: choose hydra/launcher=local or dask")
    mappings = ("hydra.launcher", "hydra.sweeper", "hydra.sweeper.params")
    if key in mappings and not isinstance(override.value(), dict):
        raise InputError(f"{given}: {key} is a mapping: give {key}.KEY=VALUE")
    if key == "hydra.verbose" and not isinstance(override.value(), bool | str | list):
        raise InputError(f"{given}: give hydra.verbose=true, false, or a logger's name")


def parse_sweep(
    loader: ConfigLoader,
    params: Mapping[str, str],
    arguments: Sequence[str],
    arms: Iterable[str],
    pairs: Groups = (),
) -> list[list[str]]:
    """Return the points of a sweep as lists of overrides; ``arguments`` override ``params``.

    Each group of settings in ``pairs`` changes together; all else forms a grid.
    """
    parser = OverridesParser.create(loader)
    given = parser.parse_overrides(list(arguments))
    every = ",".join(map(quoted, arms))
    overrides = [
        parser.parse_override(f"arm={every}") if o.input_line == "arm=all" else o
        for o in [*parser.parse_overrides([f"{k}={v}" for k, v in params.items()]), *given]
    ]
    for override in overrides:
        _check_sweep(loader, override)
    swept = {o.get_key_element(): o for o in overrides}
    grid = axes({key: _count(loader, o) for key, o in swept.items()}, pairs)
    count = math.prod(_count(loader, swept[group[0]]) for group in grid)
    if not 1 <= count <= _MOST_POINTS:
        raise InputError(f"a sweep of {count} points: give from 1 to {_MOST_POINTS}")
    steps = [list(zip(*(_values(swept[key]) for key in group), strict=True)) for group in grid]
    return [list(itertools.chain.from_iterable(point)) for point in itertools.product(*steps)]


def _values(override: Override) -> list[str]:
    """Return an override once for each of its values."""
    if override.is_sweep_override():
        values = list(override.sweep_string_iterator())
    else:
        values = [override.get_value_element_as_str()]
    return [f"{override.get_key_element()}={value}" for value in values]


def _check_sweep(loader: ConfigLoader, override: Override) -> None:
    """Refuse a sweep that has no values, or infinitely many."""
    sweep, given = override.value(), override.input_line
    if isinstance(sweep, IntervalSweep):
        raise InputError(f"{given}: an interval has infinitely many values: list some, as in 0.1,1")
    if isinstance(sweep, RangeSweep):
        bounds = [float(x or 0) for x in (sweep.start, sweep.stop, sweep.step)]
        if not all(map(math.isfinite, bounds)):
            raise InputError(f"{given}: a range needs finite bounds, as in range(5)")
        if sweep.step == 0:
            raise InputError(f"{given}: the step of a range must not be 0")
    if isinstance(sweep, Glob):
        names = loader.get_group_options(override.key_or_group, ObjectType.CONFIG)
        if not names:
            raise InputError(f"{given}: {override.key_or_group} has no choices: list its values")
        if not sweep.filter(names):
            raise InputError(f"{given} matches no choice: choose from {', '.join(names)}")


def _count(loader: ConfigLoader, override: Override) -> int:
    """Return the number of values that an override sweeps over."""
    sweep = override.value()
    if isinstance(sweep, Glob):
        names = loader.get_group_options(override.key_or_group, ObjectType.CONFIG)
        return len(sweep.filter(names))
    if isinstance(sweep, RangeSweep):
        length = (float(sweep.stop or 0) - float(sweep.start or 0)) / sweep.step
        return max(0, math.ceil(length))
    return len(sweep.list) if isinstance(sweep, ChoiceSweep) else 1


def quoted(name: str) -> str:
    """Return a text as an override's value: quoted, unless it is a plain word."""
    if re.fullmatch(r"[\w.+-]+", name) and name != "null":
        return name
    return QuotedString(text=name, quote=Quote.single).with_quotes()


@functools.cache
def unquoted(override: str) -> str:
    """Return the value of an override without its quotes."""
    return str(OverridesParser.create().parse_override(override).value())
