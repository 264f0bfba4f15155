"""A Hydra configuration source for experiments and the user's own functions.

``+experiments=NAME`` is looked up in the ``experiments`` folders, as `experiment_name` describes.
``init=mine.py:my_init`` gives a choice of that name, which `nnexp.config.user_functions` resolves.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from nnexp.config.experiment_file import STUDY, checked
from nnexp.config.folders import GROUP, experiment_files, experiment_name
from nnexp.config.registry import CUSTOM, defaults_of
from nnexp.config.user_functions import is_custom
from nnexp.errors import InputError


class NnexpSource(ConfigSource):
    """A source of the group ``experiments`` and of functions as choices."""

    @staticmethod
    def scheme() -> str:
        """Return the scheme of the source's address, ``nnexp://``."""
        return "nnexp"

    def load_config(self, config_path: str) -> ConfigResult:
        """Return an experiment's file, or a choice that names a function."""
        group, name = _split(config_path)
        if group in CUSTOM and is_custom(name):
            choice = OmegaConf.create({"name": name, **defaults_of(group, name)})
            return ConfigResult(self.provider, self.path, choice, {"package": group})
        found = experiment_name(name) if group == GROUP else None
        if found is None:
            raise ConfigLoadError(f"Config not found : {config_path}")
        file = experiment_files()[found]
        return ConfigResult(self.provider, str(file), _read(file), {"package": "_global_"})

    def available(self) -> bool:
        """Return true."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Return whether the path is the group of experiments."""
        return config_path == GROUP

    def is_config(self, config_path: str) -> bool:
        """Return whether the path is an experiment or names a function."""
        group, name = _split(config_path)
        if group in CUSTOM:
            return is_custom(name)
        return group == GROUP and experiment_name(name) is not None

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return the names of the experiments."""
        if config_path != GROUP or results_filter == ObjectType.GROUP:
            return []
        return list(experiment_files())


class NnexpSearchPath(SearchPathPlugin):
    """Adds the source to Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the source."""
        search_path.append(provider="nnexp", path="nnexp://")


def _split(config_path: str) -> tuple[str, str]:
    group, _, name = config_path.partition("/")
    return group, name.removesuffix(".yaml")


def _read(file: Path) -> DictConfig:
    """Return the content of an experiment's file; raise `InputError` if it is not valid."""
    text = checked(file)
    try:
        settings = OmegaConf.create(text)
    except yaml.MarkedYAMLError as error:  # a duplicate key, or a Python tag
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{file}, line {line}: not valid YAML, {error.problem}") from error
    assert isinstance(settings, DictConfig)
    if set(settings) <= set(STUDY):
        raise InputError(
            f"study {file.stem!r} has no runs: judge it with python -m nnexp.reproduce {file.stem}"
        )
    return settings
