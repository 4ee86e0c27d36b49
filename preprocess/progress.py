"""How far a long command is: a bar on a terminal, a line in the log every few seconds elsewhere."""

import logging
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

LINE_EVERY_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Progress:
    """Shows the state of one long task; use it as a context manager.

    On a terminal it draws a bar on standard error. Elsewhere it logs a line every 5 s, and the last state at the end.
    Speed and time left are those of this process: items finished by an earlier run do not count.

    Args:
        title: what is counted, such as "sources".
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._started: tuple[float, float] | None = None  # clock in seconds, and items done, where the count began
        self._last = 0.0
        self._line, self._line_at = "", time.monotonic()
        self._stack = ExitStack()
        self._bar: Bar | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (TextColumn(self.title), BarColumn(), TextColumn("{task.description}", markup=False))
            self._bar = self._stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
            self._task = self._bar.add_task("starting", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._log_line(time.monotonic())

    def show(self, done: float, total: float, note: str = "") -> None:
        """Show the state; call it as often as you like.

        Args:
            done: items finished, those of earlier runs included; if it falls, a new count begins.
            total: items in all.
            note: more to show, such as "2 failed".
        """
        now = time.monotonic()
        if self._started is None or done < self._last:
            self._started = (now, done)
        self._last = done
        seconds, here = now - self._started[0], done - self._started[1]
        speed = f"{here / seconds:.1f}/s, " if here and seconds > 0 else ""
        left = duration_text(seconds / here * (total - done)) if here else "?"
        text = f"{done:.0f}/{total:.0f}, {speed}{note + ', ' if note else ''}{left} left"
        if self._bar is not None:
            self._bar.update(self._task, total=total, completed=done, description=text)
            return
        self._line = f"{self.title} {text}"
        if now - self._line_at >= LINE_EVERY_SECONDS:
            self._log_line(now)

    def stage(self, title: str, done: float, total: float) -> None:
        """Show the state of one stage after another; each begins a count of its own."""
        if title != self.title:
            self._log_line(time.monotonic())
            self.title, self._started = title, None
        self.show(done, total, title if self._bar is not None else "")

    def _log_line(self, now: float) -> None:
        if self._line:
            _log.info("%s", self._line)
        self._line, self._line_at = "", now


def duration_text(seconds: float) -> str:
    """Seconds as people write them: 45 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
