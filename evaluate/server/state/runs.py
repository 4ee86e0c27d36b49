"""Runs of indexing and of duplicates: at most one at a time, each in a process of its own, which can be stopped."""

import os
import secrets
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any

from evaluate.server.problems import ConflictError, NotFoundError
from evaluate.server.state.run_process import GRACE_SECONDS, Report, RunTask, work
from preprocess.sources import escaped_name

MOST_RUNS = 50


@dataclass(frozen=True)
class Run:
    """A run and how far it is.

    Attributes:
        id: random.
        task: what it does.
        report: the last one.
        started_at, ended_at: times in UTC.
    """

    id: str
    task: RunTask
    report: Report
    started_at: datetime
    ended_at: datetime | None = None

    @property
    def seconds_left(self) -> float | None:
        """Estimate of the time that it still takes; None if there is none yet."""
        if self.ended_at or not self.report.done or not self.report.total:
            return None
        spent = (datetime.now(UTC) - self.started_at).total_seconds()
        return spent * (self.report.total - self.report.done) / self.report.done


class Runs:
    """The runs of a server.

    Args:
        read_only_reason: tells why no run may start; "" if one may.
        after: called in a thread after each run ended, before it counts as ended.
    """

    def __init__(self, read_only_reason: Callable[[], str], after: Callable[[], None]) -> None:
        self._read_only_reason, self._after = read_only_reason, after
        self._lock = threading.Lock()
        self._runs = dict[str, Run]()
        self._process: Any = None
        self._stopped = set[str]()
        self._follower: threading.Thread | None = None
        self.n_changes = 0

    def newest_first(self) -> list[Run]:
        """Return the runs of this server."""
        return list(self._runs.values())[::-1]

    def get(self, identity: str) -> Run:
        """Return a run.

        Raises:
            NotFoundError: there is none.
        """
        run = self._runs.get(identity)
        if run is None:
            raise NotFoundError(f"there is no run {identity}; list them anew")
        return run

    def is_running(self) -> bool:
        """Whether a run goes on."""
        return any(run.ended_at is None for run in self._runs.values())

    def start(self, task: RunTask) -> Run:
        """Start a run.

        Raises:
            ConflictError: one runs, or another process may write the index.
        """
        with self._lock:
            reason = self._read_only_reason()
            if reason:
                raise ConflictError(f"this server reads only: {reason}")
            if self.is_running():
                raise ConflictError("a run goes on; wait for its end, or stop it")
            context = get_context("spawn")  # a fork would copy threads and locks of the server
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=work, args=(task, theirs), name=f"avtempo {task.kind}")
            process.start()
            theirs.close()  # now the pipe ends when the process does
            run = Run(secrets.token_hex(8), task, Report("running"), datetime.now(UTC))
            self._process = process
            self._put(run)
            self._follower = threading.Thread(target=self._follow, args=(run, process, ours), daemon=True)
            self._follower.start()
            return run

    def stop(self, identity: str) -> Run:
        """Stop a run and wait for its end; a run that ended stays as it is.

        Raises:
            NotFoundError: there is none.
        """
        run = self.get(identity)
        process, follower = self._process, self._follower
        if run.ended_at is None and process is not None and follower is not None:
            self._stopped.add(identity)
            if process.is_alive():
                os.kill(process.pid, signal.SIGINT)
            follower.join(GRACE_SECONDS)
            if process.is_alive():
                process.kill()
            follower.join(GRACE_SECONDS)
        return self.get(identity)

    def close(self) -> None:
        """Stop what runs."""
        for run in self.newest_first():
            self.stop(run.id)

    def _follow(self, run: Run, process: Any, pipe: Any) -> None:
        report = run.report
        try:
            while True:
                report = pipe.recv()
                if report.state != "running":
                    break
                self._put(replace(run, report=report))
        except (EOFError, OSError):
            process.join()
            words = f"its process ended with status {process.exitcode}; the next run continues from here"
            report = replace(report, state="stopped" if run.id in self._stopped else "failed", message=words)
        process.join(GRACE_SECONDS)
        try:
            self._after()
        finally:
            report = replace(report, message=escaped_name(report.message))
            self._put(replace(run, report=report, ended_at=datetime.now(UTC)))
            pipe.close()

    def _put(self, run: Run) -> None:
        self._runs[run.id] = run
        self.n_changes += 1
        while len(self._runs) > MOST_RUNS:
            del self._runs[next(iter(self._runs))]
