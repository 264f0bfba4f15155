"""``python -m nnexp.report``: write tables, figures and pages again; see `nnexp.cli.report`."""

from __future__ import annotations

import sys

from nnexp.startup import settle


def main() -> int:
    """Run the command line."""
    settle()
    from nnexp.cli.report import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
