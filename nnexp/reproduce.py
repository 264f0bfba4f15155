"""``python -m nnexp.reproduce``: run studies and judge their claims; see `nnexp.reproduction`."""

from __future__ import annotations

import sys

from nnexp.surroundings import settle


def main() -> int:
    """Run the command line."""
    settle()
    from nnexp.reproduction import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
