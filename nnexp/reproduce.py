"""``python -m nnexp.reproduce``: run studies and judge their claims; see `nnexp.cli.reproduce`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from nnexp.process.startup import settle


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv``, by default that of the process."""
    settle()
    from nnexp.cli.reproduce import main

    return main(argv)


if __name__ == "__main__":
    sys.exit(main())
