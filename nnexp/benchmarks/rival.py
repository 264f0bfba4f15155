"""A program that trains a share of a sweep's runs with another library, for `sweeps`.

``python -m nnexp.benchmarks.rival SWEEP LIBRARY FORM PROCESSES SHARE`` prints the final test loss
and accuracy of each run as JSON; of none if the library is missing or lacks the loss.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import numpy as np

from nnexp.benchmarks.contestants import Jax, PyTorch, ScikitLearn
from nnexp.benchmarks.sweeps import SWEEPS
from nnexp.config.run_config import RunConfig
from nnexp.data import Dataset, load
from nnexp.process.threads import available_cores
from nnexp.training.trainer import evaluation_steps

MODULES = {"JAX": "jax", "PyTorch": "torch", "scikit-learn": "sklearn"}


def _over_networks(function: Callable[..., Any], batches: bool) -> Any:
    """Return ``function`` over seeds and, within, initialisations, which share their batches."""
    vmap: Any = importlib.import_module("jax").vmap
    rows = [0] if batches else []
    inner = vmap(function, in_axes=(0, None, None, *(None for _ in rows)))
    return vmap(inner, in_axes=(0, None, None, *rows))


class JaxTogether(Jax):
    """Several networks at once, by ``jax.vmap``."""

    wrap = staticmethod(_over_networks)

    def __init__(self, configs: Sequence[RunConfig], data: Dataset) -> None:
        super().__init__(configs[0], data, scan=True)
        networks = [Jax(config, data, scan=True) for config in configs]
        self.seeds = list({one.config.seed: one for one in networks}.values())
        shape = len(self.seeds), len(networks) // len(self.seeds)
        stack = self.jax.numpy.stack
        self.parameters = self.jax.tree.map(
            lambda *parts: stack(parts).reshape(*shape, *parts[0].shape),
            *(one.parameters for one in networks),
        )

    def advance(self, steps: int) -> None:
        """Take this number of further steps with every network."""
        orders = list(zip(*(seed.batches(steps) for seed in self.seeds), strict=True))
        if self.full:
            for _ in orders:
                self.parameters = self.functions.whole(self.parameters, self.x, self.labels)
        else:
            whole = [rows for rows in orders if len(rows[0]) == self.batch]
            if whole:
                stacked = np.stack([np.stack(rows) for rows in whole], axis=1)
                self._call(self.functions.many, stacked)
            for rows in orders[len(whole) :]:  # the shorter last batch of an epoch
                self._call(self.functions.one, np.stack(rows))
        self.jax.block_until_ready(self.parameters)


def trained(contestant: Any, config: RunConfig, data: Dataset) -> Any:
    """Train with evaluations on schedule, and return the final test loss and accuracy."""
    step, final = 0, None
    for until in evaluation_steps(config):
        if until > step:
            contestant.advance(until - step)
        step = until
        assert data.test is not None
        for split in (data.train, data.test):
            final = contestant.score(split)
    return final


def _single(config: RunConfig, library: str, threads: int) -> tuple[float, float]:
    data = load(config.data, config.dtype)
    contestant: Any
    if library == "JAX":
        contestant = Jax(config, data, scan=True)
    elif library == "PyTorch":
        contestant = PyTorch(config, data, threads)
    else:
        contestant = ScikitLearn(config, data)
    loss, accuracy = trained(contestant, config, data)
    return float(loss), float(accuracy)


def scores(
    configs: Sequence[RunConfig], library: str, form: str, cores: int
) -> list[tuple[float, float]]:
    """Train the networks of ``configs`` in this ``form`` and return their final test scores."""
    if form == "vmap":
        data = load(configs[0].data, configs[0].dtype)
        loss, accuracy = trained(JaxTogether(configs, data), configs[0], data)
        both = zip(np.ravel(loss).tolist(), np.ravel(accuracy).tolist(), strict=True)
        return list(both)
    if form == "joblib":
        joblib = importlib.import_module("joblib")
        jobs = (joblib.delayed(_single)(config, library, 1) for config in configs)
        return list(joblib.Parallel(n_jobs=cores)(jobs))
    if form == "a thread per run":
        with ThreadPoolExecutor(cores) as pool:
            return list(pool.map(lambda config: _single(config, library, 1), configs))
    threads = cores if form == "one after another" else 1
    return [_single(config, library, threads) for config in configs]


def main(arguments: Sequence[str]) -> None:
    """Run the command line."""
    sweep, library, form, processes, share = arguments
    count, index, cores = int(processes), int(share), available_cores()
    if count > 1 and hasattr(os, "sched_setaffinity"):  # limits all threads of the library
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[index]})
    configs = SWEEPS[sweep].configs()[index::count]
    known = find_spec(MODULES[library]) is not None
    if known and not (library == "scikit-learn" and configs[0].loss.name == "mse"):
        print(json.dumps(scores(configs, library, form, cores)))
    else:
        print("[]")


if __name__ == "__main__":
    main(sys.argv[1:])
