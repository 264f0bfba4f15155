"""``python -m tests.without_page`` is ``python -m nnexp``, but sweeps end without their page."""

from __future__ import annotations

import sys

from nnexp.process.startup import settle

if __name__ == "__main__":
    settle()

    import pytest

    from nnexp.cli.app import main
    from tests.conftest import without_pages

    without_pages(pytest.MonkeyPatch())
    sys.exit(main(sys.argv[1:]))
