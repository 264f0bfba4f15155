"""A small slice of `tests/faults.py`, which does all of it: ``python tests/faults.py``.

Sweeps that start at once are left to a test of `tests/sweeps/test_scheduler.py`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("faults.py")
SIZES = {"kills": 1, "disks": 1, "turns": 1, "cuts": 1, "commands": 3, "seed": 7}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the script is for Linux")
@pytest.mark.parametrize(
    "faults",
    [
        "kills full_disk hostile",
        "read_only",
        "power_cut clock",
    ],
)
def test_nnexp_survives(faults: str) -> None:
    sizes = [f"--{name}={size}" for name, size in SIZES.items()]
    outcome = subprocess.run(
        [sys.executable, str(SCRIPT), *sizes, "--only", *faults.split()],
        capture_output=True,
        text=True,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    lines = outcome.stdout.splitlines()
    assert len(lines) == len(faults.split())
    assert all(line.endswith(" 0 found") for line in lines)
    if "left out" in outcome.stdout:
        pytest.skip(outcome.stdout.strip())
