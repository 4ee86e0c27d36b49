"""How far the stages of a long command are: bars on a terminal, plain lines in the log elsewhere."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from evaluate.commands.common import console
from preprocess.progress import LINE_EVERY_SECONDS, duration_text

logger = logging.getLogger(__name__)

Stages = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


@contextmanager
def shown_stages() -> Iterator[Stages]:
    """Show stages one after another, each with its speed and the time left."""
    if not console.is_terminal:
        yield StageLines().show
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("left"), console=console) as bars:
        tasks: dict[str, int] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = int(bars.add_task(stage, total=total))
            bars.update(tasks[stage], completed=done)  # type: ignore[arg-type]

        yield show


class StageLines:
    """Writes a line to the log where a stage begins and ends, and every few seconds between; speeds are of this run."""

    def __init__(self, every_seconds: float = LINE_EVERY_SECONDS) -> None:
        self._every_seconds = every_seconds
        self._stage = ""
        self._started, self._last_time, self._done_before = 0.0, 0.0, 0

    def show(self, stage: str, done: int, total: int) -> None:
        """Write a line if it is time."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._started, self._done_before = stage, now, done
        elif done < total and now - self._last_time < self._every_seconds:
            return
        self._last_time = now
        speed = (done - self._done_before) / max(now - self._started, 1e-3)
        left = f", {speed:.1f} a second, {duration_text((total - done) / speed)} left" if speed else ""
        logger.info("%s: %d of %d%s", stage, done, total, left)
