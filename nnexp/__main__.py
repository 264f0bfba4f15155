"""The command ``python -m nnexp`` and the console script ``nnexp``."""

from __future__ import annotations

import sys

from nnexp.startup import settle


def main() -> int:
    """Run the command line."""
    settle()
    try:
        from nnexp.cli.app import main
    except KeyboardInterrupt:  # while importing
        return 130
    return main()


if __name__ == "__main__":
    sys.exit(main())
