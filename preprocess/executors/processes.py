"""Where tasks run. `ProcessExecutor` uses the processors of this machine; one over several machines has the same `run`.

Written rather than taken from concurrent.futures because of what real media do to decoders: there, one process that
dies (a crash in a codec, the kernel short of memory) breaks the whole pool and nobody knows at which file. Here every
task has a process and a pipe of its own: a death costs one task and names the last thing that was reported, and no
memory that a task leaks outlives it. From a fork server with the modules loaded a process starts in milliseconds.
"""

import logging
import os
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any, Protocol, TypeVar

from preprocess.errors import PathError, PreprocessError

T = TypeVar("T")
R = TypeVar("R")

Work = Callable[[T, Callable[[R], None]], R]
"""What to do with a task: it may report how far it is, and returns the last report. Must be importable by name."""

OnDeath = Callable[[T, R | None, str], T]
"""Given a task whose process died, its last report, and how it died: returns the task to try instead, or raises."""

GRACE_SECONDS = 5.0
"""Time for a process to end its ffmpeg before it is killed itself."""

_OURS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that a terminal or a service manager sends to the whole process group; only the first process acts on them.
If ffmpeg got them it would leave early, and its source would be taken for a damaged one."""
_STOP = signal.SIGUSR1

_log = logging.getLogger(__name__)


class Executor(Protocol):
    """Runs tasks somewhere, several at a time, and yields their results in the order in which they come."""

    def run(
        self, work: Work[T, R], tasks: Iterable[T], report: Callable[[R], None], on_death: OnDeath[T, R]
    ) -> Iterator[R]:
        """Take tasks only as places get free. Closing the iterator ends what is running."""
        ...


class SerialExecutor:
    """Runs tasks in this process, one after another: for tests, and for looking on with a debugger."""

    def run(
        self, work: Work[T, R], tasks: Iterable[T], report: Callable[[R], None], on_death: OnDeath[T, R]
    ) -> Iterator[R]:
        """Run every task here; none of them can die without this process."""
        del on_death
        for task in tasks:
            yield work(task, report)


class ProcessExecutor:
    """Runs every task in a process of its own, at most `workers` at a time.

    Args:
        workers: Processes at a time.
        preload: Modules that the fork server loads once for all processes, besides that of the work.

    """

    def __init__(self, workers: int, preload: tuple[str, ...] = ()) -> None:
        if workers < 1:
            raise ValueError(f"workers must be 1 or more, not {workers}")
        self.workers = workers
        self.preload = preload

    def run(
        self, work: Work[T, R], tasks: Iterable[T], report: Callable[[R], None], on_death: OnDeath[T, R]
    ) -> Iterator[R]:
        """Run the tasks.

        Raises:
            PreprocessError: what the work or `on_death` raised, or no process can be started; the others are ended first.

        """
        get_context("forkserver").set_forkserver_preload([work.__module__, *self.preload])
        tasks, again = iter(tasks), deque[T]()
        running: dict[Any, _Running] = {}
        try:
            while True:
                while len(running) < self.workers and (task := _next(again, tasks)) is not None:
                    started = _start(work, task)
                    running[started.pipe] = started
                if not running:
                    return
                for pipe in connection.wait(list(running)):
                    message = running[pipe].receive()
                    if isinstance(message, PreprocessError):
                        raise message
                    if isinstance(message, _Done):
                        running.pop(pipe).close()
                        yield message.result
                    elif isinstance(message, _Dead):
                        dead = running.pop(pipe)
                        dead.close()
                        again.append(on_death(dead.task, dead.last_report, message.how))
                    else:
                        report(message)
        finally:
            _stop(list(running.values()))


@dataclass(frozen=True)
class _Done:
    """What a process sends when its task is finished; reports are sent bare."""

    result: Any


@dataclass(frozen=True)
class _Dead:
    """What stands for a process that ended without a result."""

    how: str


@dataclass
class _Running:
    """A process at its task."""

    process: Any
    pipe: Any
    task: Any
    last_report: Any = None

    def receive(self) -> Any:
        """Take the next message, or find that the process is dead."""
        try:
            message = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            status = self.process.exitcode or 0
            return _Dead(f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}")
        if not isinstance(message, _Done | _Dead | PreprocessError):
            self.last_report = message
        return message

    def close(self) -> None:
        """Wait for the end of a process that has said its last word."""
        self.process.join(GRACE_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()


def _next(again: deque[T], tasks: Iterator[T]) -> T | None:
    return again.popleft() if again else next(tasks, None)


def _start(work: Work[T, R], task: T) -> _Running:
    context = get_context("forkserver")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(work, task, theirs), daemon=True)
    try:
        process.start()
    except (EOFError, ConnectionError) as error:
        raise PreprocessError(
            "the server that starts processes ended: its words stand above, or there was too little memory; run again"
        ) from error
    except (
        OSError
    ) as error:  # the fork server's socket lies among the temporary files; its path has about 100 characters
        folder = Path(tempfile.gettempdir())
        raise PathError(
            folder, f"no process can be started ({error}); set TMPDIR to a short path with space"
        ) from error
    theirs.close()  # now the pipe ends when the process does
    return _Running(process, ours, task)


def _stop(running: list[_Running]) -> None:
    """End processes and what they have started; those that do not listen are killed."""
    for one in running:
        if one.process.is_alive():
            os.kill(one.process.pid, _STOP)
    deadline = time.monotonic() + GRACE_SECONDS
    for one in running:
        one.process.join(max(0.0, deadline - time.monotonic()))
        one.close()


def _serve(work: Work[T, R], task: T, pipe: Any) -> None:
    """Do one task in this process; it must not outlive the one that started it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)  # ffmpeg inherits the mask
    signal.signal(_STOP, _leave)
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        result = work(task, pipe.send)
    except PreprocessError as error:
        pipe.send(error)
    except Exception as error:  # whatever it is: the parent names it, and this process shows its stack as it ends
        pipe.send(_Dead(f"{type(error).__name__}: {error}"))
        raise
    else:
        pipe.send(_Done(result))


def _leave(number: int, frame: object) -> None:
    """Unwind the stack, which ends ffmpeg and removes what is half written."""
    raise SystemExit(128 + number)


def _follow_parent() -> None:
    """End this process when the one that wanted the result is gone, even if that was killed outright."""
    parent = parent_process()
    if parent is None:
        return
    connection.wait([parent.sentinel])
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, _STOP)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
