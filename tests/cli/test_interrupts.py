"""Ctrl-C waits for the end of a step, once."""

import os
import signal

import pytest

from flatrank.cli.interrupts import between_steps


def test_the_first_waits_and_is_told_once():
    before = signal.getsignal(signal.SIGINT)
    with between_steps() as interrupts:
        interrupts.check()
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
        interrupts.check()
    assert signal.getsignal(signal.SIGINT) is before


def test_the_second_does_not_wait():
    with between_steps(), pytest.raises(KeyboardInterrupt):  # noqa: PT012 - two signals
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
