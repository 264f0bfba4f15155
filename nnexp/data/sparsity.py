"""An order of columns and rows in which the zeros of a data set come last.

Most pixels of an image such as MNIST's are blank. Columns are ordered by how many training examples
are not zero there, the most first, so an example ends in a run of zeros. Rows are ordered by where
that run begins. A product with a batch then needs only the columns up to the last one that any of
its examples uses: of 784, on average 418 for one example of MNIST, 631 for 100 random ones, and 423
for 1000 neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnexp.data.scaling import blocks
from nnexp.data.subset import Rows

Array = npt.NDArray[Any]

# Extents are multiples of this number, as products are slower if their sizes are odd.
_MULTIPLE = 16
# If examples use more than this share of the columns, an order is not worth its cost. It is
# estimated from about this number of examples.
_WORTH, _SAMPLE = 0.95, 1000


def column_order(x: Array, rows: Rows) -> Rows | None:
    """Return the order (features,) of the columns of the training examples ``x[rows]``.

    ``None`` if they have too few zeros for an order to be worth its cost.
    """
    filled = sum(np.count_nonzero(block, axis=0) for _, block in blocks(x, rows))
    columns: Rows = np.argsort(-filled, kind="stable")
    some = rows[:: max(1, len(rows) // _SAMPLE)]
    worth = extents(x, some, columns).mean() <= _WORTH * len(columns)
    return columns if worth else None


def extents(x: Array, rows: Rows, columns: Rows) -> Rows:
    """Return (n,): from which position in ``columns`` on the examples ``x[rows]`` are zero.

    It is rounded up, but not beyond the last column.
    """
    features = len(columns)
    position = np.empty(features, np.min_scalar_type(features))
    position[columns] = np.arange(1, features + 1)
    used = [np.multiply(block != 0, position).max(axis=1) for _, block in blocks(x, rows)]
    rounded = -(-np.concatenate(used).astype(np.intp) // _MULTIPLE) * _MULTIPLE
    return np.minimum(rounded, features)
