"""Runs of indexing and of duplicates: at most one at a time, each in a process of its own, which can be stopped."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from evaluate.server.problems import NotFoundError, RefusedError
from evaluate.server.state.opened_index import OpenedIndex
from evaluate.server.state.processes import Processes, interrupt
from evaluate.server.state.run_process import work
from preprocess.sources import escaped_name

MOST_RUNS = 50
RunKind = Literal["index", "duplicates"]
RunState = Literal["running", "done", "failed", "stopped"]
GRACE_SECONDS = 20.0
"""Time that a run has to save what it did before it is killed."""


@dataclass(frozen=True)
class Run:
    """A run and how far it is.

    Attributes:
        started_at, ended_at: times in UTC.
        done, total: bytes of indexing, sources of a search for duplicates.
        message: the result or the cause of a failure.
        seconds_left: an estimate; None if there is none yet.
    """

    id: str
    kind: RunKind
    started_at: datetime
    ended_at: datetime | None = None
    state: RunState = "running"
    done: int = 0
    total: int = 0
    note: str = ""
    message: str = ""
    seconds_left: float | None = None

    def at(self, done: int, total: int, note: str) -> "Run":
        """Return the run after a report."""
        seconds = (datetime.now(UTC) - self.started_at).total_seconds()
        left = seconds * (total - done) / done if done and total else None
        return replace(self, done=done, total=total, note=note, seconds_left=left)


class Runs:
    """The runs of a server; the index is read anew after each run, before that counts as ended."""

    def __init__(self, processes: Processes, opened: OpenedIndex) -> None:
        self._processes, self._opened = processes, opened
        self._lock = threading.Lock()
        self._runs = dict[str, Run]()
        self._stopped = set[str]()
        self._child: Any = None
        self._follower = threading.Thread()

    def newest_first(self) -> list[Run]:
        """Return the runs of this server."""
        return list(self._runs.values())[::-1]

    def is_running(self) -> bool:
        """Whether a run goes on."""
        return any(run.ended_at is None for run in self.newest_first())

    def refuse_if_busy(self) -> None:
        """Raise RefusedError while the index may not be changed: a run goes on, or another process may write it."""
        reason = self._opened.read_only_reason()
        if reason:
            raise RefusedError(f"this server reads only: {reason}", 409)
        if self.is_running():
            raise RefusedError("a run goes on; wait for its end, or stop it", 409)

    def start(self, kind: RunKind, call: Callable[..., str], **given: object) -> Run:
        """Start a run: a function of run_process.py, and what it is given besides the index.

        Raises:
            RefusedError: see `refuse_if_busy`.
            PathError: no process can be started.
        """
        with self._lock:
            self.refuse_if_busy()
            on_index = partial(call, index_folder=self._opened.settings.index_folder, **given)
            self._child = self._processes.start(work, on_index)
            run = self._put(Run(secrets.token_hex(8), kind, datetime.now(UTC)))
            self._follower = threading.Thread(target=self._follow, args=(run, self._child), daemon=True)
            self._follower.start()
            return run

    def stop(self, identity: str) -> Run:
        """Stop a run and wait for its end; a run that ended stays as it is. NotFoundError if there is none."""
        if identity not in self._runs:
            raise NotFoundError(f"there is no run {identity}; list them anew")
        if self._runs[identity].ended_at is None:
            self._stopped.add(identity)
            interrupt([self._child.process], GRACE_SECONDS)
            self._follower.join(GRACE_SECONDS)
        return self._runs[identity]

    def close(self) -> None:
        """Stop what runs."""
        for run in self.newest_first():
            self.stop(run.id)

    def _follow(self, run: Run, child: Any) -> None:
        state, words = run.state, ""
        while state == "running":
            for _, kind, message in self._processes.messages({child: run}):
                if kind == "report":
                    run = self._put(run.at(*message))
                elif kind == "result":
                    state, words = message
                else:
                    state = "stopped" if run.id in self._stopped else "failed"
                    words = f"its process ended with {message}; the next run continues from here"
        try:
            self._opened.refresh(at_once=True)
        finally:
            now = datetime.now(UTC)
            self._put(replace(run, state=state, message=escaped_name(words), ended_at=now, seconds_left=None))

    def _put(self, run: Run) -> Run:
        self._runs[run.id] = run
        while len(self._runs) > MOST_RUNS:
            del self._runs[next(iter(self._runs))]
        return run
