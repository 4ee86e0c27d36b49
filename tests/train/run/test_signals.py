"""Signals to a training process: the first asks it to stop, torchrun passing it on is no second, a later one ends it."""

import os
import signal

import pytest

from train.run.signals import StopFlag


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_arrives_twice_at_once_asks_to_stop_and_one_more_ends_the_process(number):
    before = signal.getsignal(number)
    with StopFlag() as stop:
        assert not stop.raised
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert stop.raised
        stop._at -= 3  # three seconds later
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before
