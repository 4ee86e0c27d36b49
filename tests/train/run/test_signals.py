"""Signals to a training process: the first asks it to stop, torchrun passing it on is no second, a later one ends it; a
parent that dies does as well."""

import os
import signal

import pytest

from store.atomic_files import folder_lock
from store.errors import BusyError
from tests.processes import start
from train.run.signals import StopFlag

CHILD = """
import sys, time
from pathlib import Path
from train.run.signals import StopFlag, stop_when_ended
from store.atomic_files import folder_lock
with folder_lock(Path(sys.argv[1])), StopFlag() as stop:
    stop_when_ended(sys.stdin.fileno())
    sys.stdout.write("ready\\n")  # one write: the children share a pipe
    sys.stdout.flush()
    while not stop.raised:
        time.sleep(0.02)
    Path(sys.argv[1], "saved").touch()
"""
PARENT = """
import subprocess, sys, time
children = [subprocess.Popen([sys.executable, "-c", sys.argv[1], folder], stdin=subprocess.PIPE) for folder in sys.argv[2:]]
time.sleep(600)
"""


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


def test_children_of_a_parent_that_is_killed_stop_as_if_they_were_asked_to(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]  # the second child must not hold the pipe of the first
    for folder in folders:
        folder.mkdir()
    parent = start("-c", PARENT, CHILD, *folders)
    try:
        assert [parent.stdout.readline() for _ in folders] == ["ready\n", "ready\n"]
        for folder in folders:
            with pytest.raises(BusyError, match="another process"), folder_lock(folder):
                pass
            assert not (folder / "saved").exists()
    finally:
        parent.kill()
        parent.wait()
    for folder in folders:
        with folder_lock(folder, patience_seconds=30):  # a restart waits for the orphan
            assert (folder / "saved").exists()
