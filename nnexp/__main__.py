"""The command ``python -m nnexp`` and the console script ``nnexp``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from nnexp.startup import settle


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv``, by default that of the process, and return its exit status.

    The statuses are those of `nnexp.cli.app.main`.
    """
    settle()
    try:
        from nnexp.cli.app import main
    except KeyboardInterrupt:  # while importing
        return 130
    return main(argv)


if __name__ == "__main__":
    sys.exit(main())
