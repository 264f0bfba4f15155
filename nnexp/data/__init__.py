"""Data sets: reading, verification, subsets and scaling."""

from nnexp.data.dataset import Dataset, Description, arrays, describe, in_memory, load, zeros_last
from nnexp.data.scaling import target_codes
from nnexp.data.settings import KINDS, PATHS, DataSettings
from nnexp.data.split import Split

__all__ = [
    "KINDS",
    "PATHS",
    "DataSettings",
    "Dataset",
    "Description",
    "Split",
    "arrays",
    "describe",
    "in_memory",
    "load",
    "target_codes",
    "zeros_last",
]
