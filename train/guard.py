"""What keeps a run whole: one process at a time in its directory, and signals that stop it at a safe point."""

import fcntl
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Self

from train.errors import RunError
from train.files import writing

_SAME_SIGNAL_SECONDS = 2.0
"""Signals that follow each other faster are one: Ctrl-C reaches torchrun and its ranks, and torchrun passes it on."""


@contextmanager
def alone(run_dir: Path) -> Iterator[None]:
    """Hold the run's lock; a dead process releases it by itself.

    Raises:
        RunError: another process holds it, or the directory cannot be written.
    """
    with writing(run_dir / ".lock"):
        lock = (run_dir / ".lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(f"{run_dir}: another process trains here; wait for it or choose another --run") from error
        yield


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
