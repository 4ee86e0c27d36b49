"""A run in a process of its own, which must not outlive the server: indexing, or the search for duplicates."""

import os
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Any, Literal

from store.errors import AvtempoError

GRACE_SECONDS = 20.0
"""Time that a run has to save what it did before it is killed."""
REPORT_EVERY_SECONDS = 0.2

RunKind = Literal["index", "duplicates"]


@dataclass(frozen=True)
class RunTask:
    """What a run does.

    Attributes:
        kind: of the run.
        index_folder: of the index.
        folder: that is indexed.
        retry_failed: whether unreadable files are tried again.
        since_last: whether only new sources are compared.
        scope: arguments of `Scope`, of a search for duplicates.
        false_positive_rate: share of sources that may get a false match.
        workers: processes that decode.
    """

    kind: RunKind
    index_folder: Path
    folder: Path | None = None
    retry_failed: bool = False
    since_last: bool = False
    scope: dict[str, Any] | None = None
    false_positive_rate: float = 0.001
    workers: int = 1


@dataclass(frozen=True)
class Report:
    """How far a run is, or how it ended.

    Attributes:
        state: of the run.
        done, total: bytes, or sources.
        note: more to show.
        message: the result or the cause of a failure.
    """

    state: Literal["running", "done", "failed", "stopped"]
    done: int = 0
    total: int = 0
    note: str = ""
    message: str = ""


def work(task: RunTask, pipe: "connection.Connection") -> None:
    """Do a run, and report to the pipe; SIGINT stops it, and so does the end of the server."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.Thread(target=_follow_parent, daemon=True).start()
    reporter = _Reporter(pipe)
    try:
        message = _index(task, reporter) if task.kind == "index" else _find_duplicates(task, reporter)
        last = Report("done", message=message)
    except AvtempoError as error:
        last = Report("failed", message=str(error))
    except KeyboardInterrupt:
        last = Report("stopped", message="stopped; the next run continues from here")
    reporter.end(last)


def _index(task: RunTask, reporter: "_Reporter") -> str:
    from evaluate.fingerprint.api import Index

    growth = Index.open(task.index_folder).add(
        task.folder, retry_failed=task.retry_failed, workers=task.workers, progress=reporter.show
    )
    words = f"{len(growth.added)} added, {len(growth.changed)} changed, {growth.n_sources} sources"
    if growth.unreadable:
        words += f"; {len(growth.unreadable)} cannot be read"
    if growth.unreadable_folders:
        words += f"; folders that cannot be read: {', '.join(growth.unreadable_folders)}"
    return words


def _find_duplicates(task: RunTask, reporter: "_Reporter") -> str:
    from evaluate.archive.duplicates import find_duplicates
    from evaluate.archive.scope import Scope
    from evaluate.fingerprint.api import Index

    found = find_duplicates(
        Index.open(task.index_folder), scope=Scope(**(task.scope or {})), since_last=task.since_last,
        workers=task.workers, false_positive_rate=task.false_positive_rate, progress=reporter.show,
    )  # fmt: skip
    return (
        f"{found.n_compared} sources compared, {len(found.pairs)} pairs, {len(found.segments)} segments of many sources"
    )


class _Reporter:
    """Sends how far a run is, a few times a second."""

    def __init__(self, pipe: "connection.Connection") -> None:
        self._pipe, self._sent_at, self._last = pipe, 0.0, Report("running")

    def show(self, done: int, total: int, note: str = "") -> None:
        self._last = Report("running", done, total, note)
        if time.monotonic() - self._sent_at > REPORT_EVERY_SECONDS or done >= total:
            self._send(self._last)
            self._sent_at = time.monotonic()

    def end(self, last: Report) -> None:
        self._send(Report(last.state, self._last.done, self._last.total, self._last.note, last.message))

    def _send(self, report: Report) -> None:
        try:
            self._pipe.send(report)
        except OSError:  # the server is gone; the other thread ends this process
            return


def _follow_parent() -> None:
    """Stop this process when the server is gone, even if it was killed."""
    parent = parent_process()
    if parent is None:
        return
    connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
