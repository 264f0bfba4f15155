"""Data sets: reading, verification, subsets and scaling."""

from nnexp.data.dataset import Dataset, Description, Split, arrays, describe, in_memory, load
from nnexp.data.scaling import target_codes
from nnexp.data.settings import PATHS, DataSettings

__all__ = [
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
]
