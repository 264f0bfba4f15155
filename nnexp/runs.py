"""``python -m nnexp.runs``: look after the store of finished runs; see `nnexp.upkeep`."""

from __future__ import annotations

import os
import sys

from nnexp.threads import ONE_THREAD


def main() -> int:
    """Run the command line."""
    os.environ.update(ONE_THREAD)  # before NumPy loads its BLAS
    from nnexp.upkeep import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
