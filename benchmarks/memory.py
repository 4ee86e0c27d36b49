"""The largest memory of a process and all that it has started: they come and go, so it is looked at again and again."""

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

EVERY_SECONDS = 0.05
_KIB = 1024
_PROC = Path("/proc")


class PeakMemory:
    """Watches this process and its descendants (Linux) from a thread of its own.

    Pages that two processes share count twice.

    Attributes:
        mebibytes: largest sum of their resident memory so far.
    """

    def __init__(self) -> None:
        self.mebibytes = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.mebibytes = max(self.mebibytes, _mebibytes("self", "VmHWM"))

    def _watch(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            self.mebibytes = max(self.mebibytes, sum(_mebibytes(each, "VmRSS") for each in _family("self")))


def _family(process: str) -> list[str]:
    """This process and all below it."""
    try:
        tasks = list((_PROC / process / "task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it ended just now
        return []
    return [process, *(each for child in children for each in _family(child))]


def _mebibytes(process: str, field: str) -> float:
    try:
        lines = (_PROC / process / "status").read_text().splitlines()
    except OSError:  # it ended just now
        return 0.0
    return next((int(line.split()[1]) / _KIB for line in lines if line.startswith(f"{field}:")), 0.0)
