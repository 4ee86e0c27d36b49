"""How far a run is: counts, speed and time left, as a bar on a terminal and as plain lines elsewhere."""

import logging
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from preprocess.build.shard_task import ShardProgress

LINE_EVERY_SECONDS = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """Where a run stands; the speeds are those of this run, without what an earlier one had done."""

    n_total: int
    n_done: int
    n_failed: int
    clips_per_second: float
    media_hours_per_hour: float
    seconds_left: float | None

    def __str__(self) -> str:
        """One line for a log."""
        left = "?" if self.seconds_left is None else duration_text(self.seconds_left)
        return (
            f"{self.n_done}/{self.n_total} sources, {self.n_failed} failed, {self.clips_per_second:.1f} clips/s, "
            f"{self.media_hours_per_hour:.0f} h of video per hour, {left} left"
        )


class Tally:
    """Adds up the reports of many shards; a later report of a shard replaces its earlier ones.

    Only shards that are being worked on are kept one by one, so memory does not grow with the run.
    """

    def __init__(self, n_total: int, n_done_before: int, n_failed_before: int) -> None:
        self.n_total = n_total
        self._before = ShardProgress(-1, n_done_before, n_failed_before)
        self._finished = ShardProgress(-1)
        self._open: dict[int, ShardProgress] = {}
        self._started: float | None = None

    def add(self, progress: ShardProgress) -> None:
        """Take in a report; the clock starts with the first."""
        self._started = self._started or time.monotonic()
        if progress.is_finished:
            self._open.pop(progress.shard, None)
            self._finished = _sum([self._finished, progress])
        else:
            self._open[progress.shard] = progress

    def snapshot(self) -> Snapshot:
        """Say where the run stands now."""
        here = _sum([self._finished, *self._open.values()])
        seconds = max(time.monotonic() - (self._started or time.monotonic()), 1e-3)
        n_done = self._before.n_done + here.n_done
        left = seconds / here.n_done * (self.n_total - n_done) if here.n_done else None
        return Snapshot(
            n_total=self.n_total,
            n_done=n_done,
            n_failed=self._before.n_failed + here.n_failed,
            clips_per_second=here.n_segments / seconds,
            media_hours_per_hour=here.media_seconds / seconds,
            seconds_left=left,
        )


def _sum(parts: list[ShardProgress]) -> ShardProgress:
    return ShardProgress(
        shard=-1,
        n_done=sum(part.n_done for part in parts),
        n_failed=sum(part.n_failed for part in parts),
        n_segments=sum(part.n_segments for part in parts),
        media_seconds=sum(part.media_seconds for part in parts),
    )


class Progress(Protocol):
    """Shows snapshots; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def show(self, snapshot: Snapshot) -> None:
        """Show where the run stands; called often."""
        ...


class LogProgress:
    """Writes a line to the log every few seconds, and one at the end."""

    def __init__(self, every_seconds: float = LINE_EVERY_SECONDS) -> None:
        self._every_seconds = every_seconds
        self._last_time = time.monotonic()
        self._unseen: Snapshot | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._unseen is not None:
            _log.info("%s", self._unseen)

    def show(self, snapshot: Snapshot) -> None:
        """Write a line if it is time."""
        self._unseen = snapshot
        if time.monotonic() - self._last_time >= self._every_seconds:
            self._last_time = time.monotonic()
            self._unseen = None
            _log.info("%s", snapshot)


class BarProgress:
    """Draws a bar on a terminal."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("sources"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), transient=True
        )
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, snapshot: Snapshot) -> None:
        """Redraw; the bar itself limits how often."""
        text = str(snapshot).split(", ", 1)[1]
        self._bar.update(self._task, total=snapshot.n_total, completed=snapshot.n_done, description=text)


def duration_text(seconds: float) -> str:
    """Seconds as people write them: 45 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
