"""How far a long command is: a bar on a terminal, a line in the log every few seconds elsewhere."""

import logging
import math
import sys
import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

LINE_EVERY_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Progress:
    """Shows the state of one long task; use it as a context manager. `title` is what is counted, such as "sources".

    On a terminal it draws a bar on standard error. Elsewhere it logs a line every 5 s, and the last state at the end.
    Speed and time left are those of this process: items finished by an earlier run do not count.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._line, self._line_at = "", time.monotonic()
        self._bar = Bar(
            TextColumn(title), BarColumn(), TextColumn("{task.description}", markup=False), console=Console(stderr=True),
            transient=True, disable=not sys.stderr.isatty(), speed_estimate_period=math.inf,
        )  # fmt: skip
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        self._log_line()

    def show(self, done: float, total: float, note: str = "") -> None:
        """Show the state; call it as often as you like.

        Args:
            done: items finished, those of earlier runs included.
            total: items in all; with another number, the speed is measured anew.
            note: more to show, such as "2 failed".
        """
        self._bar.update(self._task, total=total, completed=done)
        (task,) = self._bar.tasks
        speed = f"{task.speed:.1f}/s, " if task.speed else ""
        left = "?" if task.time_remaining is None else duration_text(task.time_remaining)
        text = f"{done:.0f}/{total:.0f}, {speed}{note + ', ' if note else ''}{left} left"
        self._bar.update(self._task, description=text)
        self._line = f"{self.title} {text}"
        if time.monotonic() - self._line_at >= LINE_EVERY_SECONDS:
            self._log_line()

    def stage(self, title: str, done: float, total: float) -> None:
        """Show the state of one stage after another; each begins a count of its own."""
        if title != self.title:
            self._log_line()
            self.title = title
            self._bar.reset(self._task)
        self.show(done, total, "" if self._bar.disable else title)

    def _log_line(self) -> None:
        if self._line and self._bar.disable:
            _log.info("%s", self._line)
        self._line, self._line_at = "", time.monotonic()


def duration_text(seconds: float) -> str:
    """Seconds as people write them: 45 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
