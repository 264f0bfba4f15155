"""``python -m nnexp.runs``: manage the store of finished runs; see `nnexp.cli.runs`."""

from __future__ import annotations

import sys

from nnexp.startup import settle


def main() -> int:
    """Run the command line."""
    settle()
    from nnexp.cli.runs import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
