"""Signals: what they wait for, and that they end a command."""

from __future__ import annotations

import signal

import pytest

from nnexp.process.interrupts import Terminated, held_back, terminable


def test_a_signal_waits_while_steps_belong_together() -> None:
    steps = []

    def work() -> None:
        with held_back():
            signal.raise_signal(signal.SIGTERM)
            steps.append("first")
            with held_back():
                signal.raise_signal(signal.SIGTERM)
            steps.append("second")
        steps.append("after")

    with pytest.raises(Terminated), terminable():
        work()
    assert steps == ["first", "second"]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
