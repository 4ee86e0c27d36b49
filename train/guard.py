"""What keeps a run whole: one process at a time in its directory, and signals that stop it at a safe point."""

import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Self, TextIO

from train.errors import RunError
from train.files import writing

_POLL_SECONDS = 0.1
_SAME_SIGNAL_SECONDS = 2.0
"""Signals that follow each other faster are one: Ctrl-C reaches torchrun and its ranks, and torchrun passes it on."""


@contextmanager
def alone(run_dir: Path, patience_seconds: float = 0.0) -> Iterator[None]:
    """Hold the run's lock; a dead process releases it by itself.

    Args:
        run_dir: directory of the run.
        patience_seconds: how long to wait for another process that may be about to end.

    Raises:
        RunError: another process holds it, or the directory cannot be written.
    """
    deadline = time.monotonic() + patience_seconds
    with writing(run_dir / ".lock"):
        # Never through a link, which may stand in a folder that somebody else has made: "w" empties what it leads to.
        lock = os.fdopen(os.open(run_dir / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "w")
    with lock:
        while not _taken(lock):
            if time.monotonic() >= deadline:
                raise RunError(f"{run_dir}: another process trains here; wait for it or choose another --run")
            time.sleep(_POLL_SECONDS)
        yield


def _taken(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def stop_when_ended(descriptor: int) -> None:
    """Signal SIGTERM to this process when a pipe ends, as it does when all who could write to it are dead, killed outright too.

    What is read from the pipe before is thrown away. A parent's death has no signal that every system knows; this is none.
    """

    def follow() -> None:
        while os.read(
            descriptor, 4096
        ):  # not sys.stdin: its lock, held by a thread, is fatal when the interpreter ends
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, daemon=True).start()


class StopFlag:
    """While entered, SIGTERM and SIGINT raise a flag instead of ending the process; one more, 2 s later, ends it at once."""

    def __init__(self) -> None:
        self.raised = False
        self._at = 0.0

    def __enter__(self) -> Self:
        self._before = {s: signal.signal(s, self._on_signal) for s in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.raised and time.monotonic() - self._at > _SAME_SIGNAL_SECONDS:
            raise KeyboardInterrupt
        if not self.raised:
            self.raised, self._at = True, time.monotonic()
