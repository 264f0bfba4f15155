"""``python -m nnexp``, and the console script ``nnexp``."""

from __future__ import annotations

import os
import sys

from nnexp.threads import ONE_THREAD


def main() -> int:
    """Run the command line."""
    os.environ.update(ONE_THREAD)  # before NumPy loads its BLAS
    try:
        from nnexp.app import main
    except KeyboardInterrupt:  # before anything has begun
        return 130
    return main()


if __name__ == "__main__":
    sys.exit(main())
