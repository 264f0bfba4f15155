"""``python -m nnexp.reproduce``: run studies and judge their claims; see `nnexp.cli.reproduce`."""

from __future__ import annotations

import sys

from nnexp.startup import settle


def main() -> int:
    """Run the command line."""
    settle()
    from nnexp.cli.reproduce import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
