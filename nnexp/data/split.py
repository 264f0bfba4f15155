"""Examples and their labels: before and after their features are converted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.data import sparsity
from nnexp.data.scaling import scaled
from nnexp.data.subset import Rows


@dataclass(frozen=True, eq=False)
class Split:
    """The examples of the training, test or validation set; the arrays are read-only.

    Examples are in the order of the file, unless `nnexp.data.sparsity` sorted them. Then example i
    of the file is in row ``places[i]``, and row j of ``x`` is zero from column ``extents[j]`` on.
    """

    x: npt.NDArray[Any]  # (n, features), C-contiguous
    labels: Rows  # (n,), from 0
    extents: Rows | None = None  # (n,), ascending
    places: Rows | None = None  # (n,)

    def rows(self, examples: Rows) -> Rows:
        """Return the rows of ``examples``, given by their indices in the file."""
        return examples if self.places is None else self.places[examples]

    def width(self, rows: Rows | slice) -> int:
        """Return p such that the columns of ``x[rows]`` from p on are all zero."""
        if self.extents is None:
            return len(self.x.T)
        last = self.extents[rows][-1] if isinstance(rows, slice) else self.extents[rows.max()]
        return int(last)  # they are ascending

    def first(self, n: int) -> Split:
        """Return the first ``n`` examples of the file."""
        if self.places is None or self.extents is None:
            return Split(self.x[:n], self.labels[:n])
        rows = np.sort(self.places[:n])
        places = np.searchsorted(rows, self.places[:n])
        return Split(self.x[rows], self.labels[rows], self.extents[rows], places)


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of a stored array that form a split, and their labels from 0."""

    x: npt.NDArray[Any]
    rows: Rows
    labels: Rows

    @classmethod
    def of(cls, split: Split) -> Part:
        """Return all rows of a ``split`` that is in the order of its file."""
        return cls(split.x, np.arange(len(split.labels)), split.labels)

    def cut(self, which: Rows) -> Part:
        """Return the part with only these of its rows, by their position."""
        return Part(self.x, self.rows[which], self.labels[which])

    def without(self, which: Rows) -> Part:
        """Return the part without these of its rows."""
        kept = np.ones(len(self.rows), bool)
        kept[which] = False
        return self.cut(np.flatnonzero(kept))

    def ordered(self, columns: Rows, scale: str, dtype: np.dtype[Any]) -> Split:
        """Return the split with columns in this order and rows in ascending order of extent."""
        extents = sparsity.extents(self.x, self.rows, columns)
        order = np.argsort(extents, kind="stable")
        moved = self.cut(order)
        x = scaled(moved.x, moved.rows, scale, dtype, columns=columns)
        return Split(x, moved.labels, extents[order], np.argsort(order))
