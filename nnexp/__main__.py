"""The command ``python -m nnexp`` and the console script ``nnexp``.

``nnexp verify xor`` is the same as ``python -m nnexp.verify xor``, and so for other commands.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from nnexp.process.startup import settle

# Commands that may be the first word.
COMMANDS = ("runs", "reproduce", "verify", "report")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv``, by default that of the process, and return its exit status.

    The statuses are those of `nnexp.cli.app.main`.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in COMMANDS:
        status: int = importlib.import_module(f"nnexp.{words[0]}").main(words[1:])
        return status
    settle()
    try:
        from nnexp.cli.app import main
    except KeyboardInterrupt:  # while importing
        return 130
    return main(words)


if __name__ == "__main__":
    sys.exit(main())
