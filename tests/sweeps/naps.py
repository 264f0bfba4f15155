"""Initialisers that take their time without computing, so that a sweep can be disturbed."""

from __future__ import annotations

import time

import numpy as np

# Seconds for each layer.
NAP = 0.15


def narrow(rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
    """Return small weights after a while."""
    time.sleep(NAP)
    return 0.1 * rng.standard_normal((fan_in, fan_out))


def wide(rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
    """Return large weights after a while."""
    time.sleep(NAP)
    return rng.standard_normal((fan_in, fan_out))
