"""``python -m nnexp.reproduce``: run studies and judge their claims; see `nnexp.reproduction`."""

from __future__ import annotations

import os
import sys

from nnexp.threads import ONE_THREAD


def main() -> int:
    """Run the command line."""
    os.environ.update(ONE_THREAD)  # before NumPy loads its BLAS
    from nnexp.reproduction import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
