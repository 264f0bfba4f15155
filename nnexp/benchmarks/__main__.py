"""The command ``python -m nnexp.benchmarks``, see `nnexp.benchmarks.measurements`."""

from __future__ import annotations

import sys

from nnexp.process.startup import settle


def main() -> int:
    """Run the command line."""
    settle()
    from nnexp.benchmarks.measurements import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
