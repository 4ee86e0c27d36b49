"""Signals and pipes that stop a run at a safe point."""

import os
import signal
import threading
import time
from types import FrameType
from typing import Self

_SAME_SIGNAL_SECONDS = 2.0
"""Signals closer together count as one: Ctrl-C reaches torchrun and its ranks, and torchrun passes it on."""


def stop_when_ended(descriptor: int) -> None:
    """Send SIGTERM to this process when a pipe ends, which means that all its writers are dead, even if they were killed.

    There is no portable signal for a parent's death; watch for end-of-file on a pipe instead. Bytes that are read from
    the pipe are dropped.
    """

    def follow() -> None:
        while os.read(descriptor, 4096):  # not sys.stdin: a thread that holds its lock aborts the exiting interpreter
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
