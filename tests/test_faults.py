"""A small slice of `tests/faults.py`, which does all of it: ``python tests/faults.py``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("faults.py")
SLICES = ("kills", "full_disk", "read_only", "power_cut", "at_once", "clock", "hostile")


@pytest.mark.serial
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the script is for Linux")
@pytest.mark.parametrize("fault", SLICES)
def test_nnexp_survives(fault: str) -> None:
    sizes = (
        "--kills",
        "3",
        "--disks",
        "2",
        "--cuts",
        "3",
        "--commands",
        "20",
        "--sweeps",
        "4",
        "--seed",
        "7",
    )
    outcome = subprocess.run(
        [sys.executable, str(SCRIPT), "--only", fault, *sizes], capture_output=True, text=True
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert outcome.stdout.endswith(" 0 found\n")
    if "left out" in outcome.stdout:
        pytest.skip(outcome.stdout.strip())
