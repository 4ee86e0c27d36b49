"""Runs of indexing and of duplicates: at most one at a time, each in a process of its own, which can be stopped."""

import secrets
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from evaluate.archive.duplicates import find_duplicates
from evaluate.archive.last_run import last_compared
from evaluate.archive.scope import Scope
from evaluate.fingerprint.answer.matcher import DEFAULT_FALSE_POSITIVE_RATE
from evaluate.fingerprint.api import Index
from evaluate.results.sheet import counted
from evaluate.server.problems import NotFoundError, RefusedError
from evaluate.server.state.opened_index import OpenedIndex
from evaluate.server.state.processes import Processes
from preprocess.executors.options import n_processors
from preprocess.executors.processes import STOP, interrupt
from preprocess.sources import escaped_name
from store.errors import AvtempoError

MOST_RUNS = 50
REPORT_EVERY_SECONDS = 0.2
RunKind = Literal["index", "duplicates"]
RunState = Literal["running", "done", "failed", "stopped"]
GRACE_SECONDS = 20.0
"""Time that a run has to save what it did before it is killed."""
Show = Callable[..., None]
"""Receives bytes or sources done, all of them, and perhaps a note."""


@dataclass(frozen=True)
class Run:
    """A run and how far it is.

    Attributes:
        started_at, ended_at: times in UTC.
        done, total: bytes of indexing, sources of a search for duplicates; where that has a note, bytes.
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


class Runs:
    """The runs of a server; the index is read anew after each run, before that counts as ended."""

    def __init__(self, processes: Processes, opened: OpenedIndex) -> None:
        self._processes, self._opened = processes, opened
        self._lock = threading.Lock()
        self._runs = dict[str, Run]()
        self._going = dict[str, tuple[Any, threading.Thread]]()
        """The process of the last run, and what follows it."""
        self._stopped = set[str]()

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
        """Start a run, `update_index` or `search` with what it is given besides the index; see `refuse_if_busy`."""
        with self._lock:
            self.refuse_if_busy()
            on_index = partial(call, index_folder=self._opened.settings.index_folder, **given)
            child = self._processes.start(_work, on_index)
            run = self._put(Run(secrets.token_hex(8), kind, datetime.now(UTC)))
            follower = threading.Thread(target=self._follow, args=(run, child), daemon=True)
            self._going = {run.id: (child, follower)}
            follower.start()
            return run

    def stop(self, identity: str) -> Run:
        """Stop a run and wait for its end; a run that ended stays as it is. NotFoundError if there is none."""
        if identity not in self._runs:
            raise NotFoundError(f"there is no run {identity}; list them anew")
        if going := self._going.get(identity):  # read once: another run may begin now
            child, follower = going
            self._stopped.add(identity)
            interrupt([child.process], GRACE_SECONDS)
            follower.join(GRACE_SECONDS)
        return self._runs[identity]

    def close(self) -> None:
        """Stop what runs."""
        for identity in list(self._going):
            self.stop(identity)

    def _follow(self, run: Run, child: Any) -> None:
        state, words = run.state, "this server lost it; its log says why"
        try:
            while state == "running":
                for _, kind, message in self._processes.messages({child: run}):
                    if kind == "report":
                        done, total, note = message
                        seconds = (datetime.now(UTC) - run.started_at).total_seconds()
                        left = seconds * (total - done) / done if done and total else None
                        run = self._put(replace(run, done=done, total=total, note=note, seconds_left=left))
                    elif kind == "result":
                        state, words = message
                    else:
                        state = "stopped" if run.id in self._stopped else "failed"
                        words = f"its process ended with {message}; the next run continues from here"
            self._opened.refresh(at_once=True)
        finally:  # a run that never ends would keep all others away
            state, now = "failed" if state == "running" else state, datetime.now(UTC)
            self._put(replace(run, state=state, message=escaped_name(words), ended_at=now, seconds_left=None))

    def _put(self, run: Run) -> Run:
        self._runs[run.id] = run
        while len(self._runs) > MOST_RUNS:
            del self._runs[next(iter(self._runs))]
        return run


def _work(
    run: Callable[[Show], str], report: Callable[[Any], None]
) -> tuple[Literal["done", "failed", "stopped"], str]:
    """Do a run; report how far it is a few times a second, and return how it ended, with its result or the cause."""
    signal.signal(STOP, signal.default_int_handler)  # a run saves what it did, as it does after Ctrl-C
    sent_at = 0.0

    def show(done: int, total: int, note: str = "") -> None:
        nonlocal sent_at
        if time.monotonic() - sent_at > REPORT_EVERY_SECONDS or done >= total:
            report((done, total, note))
            sent_at = time.monotonic()

    try:
        return "done", run(show)
    except AvtempoError as error:
        return "failed", str(error)
    except KeyboardInterrupt:
        return "stopped", "stopped; the next run continues from what was saved"


def update_index(show: Show, *, index_folder: Path, folder: Path, retry_failed: bool = False) -> str:
    """Bring an index up to date; `retry_failed` tries unreadable files again."""
    growth = Index.open(index_folder).add(folder, retry_failed=retry_failed, workers=n_processors(), progress=show)
    words = f"{len(growth.added)} added, {len(growth.changed)} changed, {counted(growth.n_sources, 'source')}"
    if growth.unreadable:
        words += f"; {len(growth.unreadable)} cannot be read"
    if growth.unreadable_folders:
        words += f"; folders that cannot be read: {', '.join(growth.unreadable_folders)}"
    return words


def search(show: Show, *, index_folder: Path, scope: Scope, since_last: bool) -> str:
    """Find duplicates; see `find_duplicates`. What is new since the last run is compared at that run's rate."""
    index, workers = Index.open(index_folder), n_processors()
    last = last_compared(index.archive) if since_last else None
    rate = last["false_positive_rate"] if last else DEFAULT_FALSE_POSITIVE_RATE
    found = find_duplicates(
        index, scope=scope, since_last=since_last, workers=workers, false_positive_rate=rate, progress=show
    )
    words = f"{counted(found.n_compared, 'source')} compared, {counted(len(found.pairs), 'pair')}"
    return f"{words}, {counted(len(found.segments), 'segment')} of many sources"
