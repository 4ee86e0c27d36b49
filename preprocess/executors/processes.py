"""Runs tasks in processes of this machine. `ray_cluster` does the same on several machines.

Real media crash decoders. In the pool of concurrent.futures, one process that dies breaks the pool, and nobody knows at
which file it died. Here every task has a process and a pipe of its own. A death costs one task and names the last
report, and leaked memory ends with its task. A fork server that has loaded the modules starts a process in milliseconds.
"""

import contextlib
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from typing import Any, TypeVar

from preprocess.errors import PathError, PreprocessError
from preprocess.temporary_folder import temporary_folder

T = TypeVar("T")
R = TypeVar("R")

Work = Callable[[T, Callable[[R], None]], R]
"""Does a task: it may report its progress, and returns the last report. It must be importable by name."""

OnDeath = Callable[[T, R | None, str], T]
"""Receives a task whose process died, its last report and the cause; returns the task to try instead, or raises."""

GRACE_SECONDS = 5.0
"""Time that a process has to end its ffmpeg before it is killed itself."""

_OURS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that a terminal or a service manager sends to the whole process group; only the first process acts on them.
If ffmpeg got them, it would end early, and its source would count as damaged."""
STOP = signal.SIGUSR1
"""Ends a task: its stack unwinds, which ends ffmpeg and removes unfinished files."""


class SerialExecutor:
    """Runs tasks in this process, one after another: for tests and debuggers."""

    def run(
        self, work: Work[T, R], tasks: Iterable[T], report: Callable[[R], None], on_death: OnDeath[T, R]
    ) -> Iterator[R]:
        """Run every task here; a death would end this process too."""
        for task in tasks:
            yield work(task, report)


class ConcurrentExecutor(ABC):
    """Runs several tasks at a time, each in a place of its own; keeps the list of running and waiting tasks."""

    def run(
        self, work: Work[T, R], tasks: Iterable[T], report: Callable[[R], None], on_death: OnDeath[T, R]
    ) -> Iterator[R]:
        """Yield results in the order in which they come. Tasks are taken only when there is room for them.

        Closing the iterator ends the running tasks.

        Raises:
            PreprocessError: the work or `on_death` raised it, or tasks cannot be started; the other tasks end first.
        """
        tasks, again = iter(tasks), deque[T]()
        running, reports = dict[Any, T](), dict[Any, R]()
        try:
            while True:
                while len(running) < self.n_places():
                    task = again.popleft() if again else next(tasks, None)
                    if task is None:
                        break
                    running[self.start(work, task)] = task
                if not running:
                    return
                for place, kind, message in self.messages(running):
                    if kind == "report":
                        reports[place] = message
                        report(message)
                        continue
                    task, last = running.pop(place), reports.pop(place, None)
                    if kind == "result":
                        yield message
                    else:
                        again.append(on_death(task, last, message) if kind == "death" else task)
        finally:
            self.stop(list(running))

    @abstractmethod
    def n_places(self) -> int:
        """Tasks that may run at a time now."""

    @abstractmethod
    def start(self, work: Work[T, R], task: T) -> Any:
        """Start a task; return the place where it runs."""

    @abstractmethod
    def messages(self, running: Mapping[Any, Any]) -> Iterator[tuple[Any, str, Any]]:
        """Wait for messages; yield (place, kind, message): a report, a result, the cause of a death, or "again"."""

    @abstractmethod
    def stop(self, places: list[Any]) -> None:
        """End the tasks in these places, and free everything."""


Executor = SerialExecutor | ConcurrentExecutor


@dataclass(eq=False)
class _Child:
    """A process, the pipe from it, and whether its work has begun."""

    process: Any
    pipe: Any
    has_begun: bool = False

    def close(self) -> None:
        """Wait for the end of the process, and kill it if that takes long; a second call does nothing."""
        self.process.join(GRACE_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()


class ProcessExecutor(ConcurrentExecutor):
    """Runs every task in a process of its own, at most `workers` at a time.

    The fork server loads the module of the work and those of `preload` once for all processes.
    """

    def __init__(self, workers: int, preload: tuple[str, ...] = ()) -> None:
        if workers < 1:
            raise ValueError(f"workers must be 1 or more, not {workers}")
        self.workers, self.preload = workers, preload

    def n_places(self) -> int:
        """Processes at a time."""
        return self.workers

    def start(self, work: Work[T, R], task: T) -> _Child:
        """Start a process."""
        context = get_context("forkserver")
        context.set_forkserver_preload([work.__module__, *self.preload])
        ours, theirs = context.Pipe(duplex=False)
        # No daemon: a task may have processes too.
        process = context.Process(target=_do_task, args=(work, task, theirs))
        try:
            process.start()
        except (EOFError, ConnectionError) as error:
            raise PreprocessError(
                "the server that starts processes ended: its message is above, or memory was short; run again"
            ) from error
        except OSError as error:  # the fork server's socket is a temporary file; its path is limited to 100 characters
            remedy = "set TMPDIR to a short path with space"
            raise PathError(temporary_folder(), f"no process can be started ({error}); {remedy}") from error
        theirs.close()  # now the pipe ends when the process does
        return _Child(process, ours)

    def messages(self, running: Mapping[Any, Any]) -> Iterator[tuple[Any, str, Any]]:
        """Take a message from each pipe that has one."""
        ready = connection.wait([child.pipe for child in running])
        for child in [child for child in running if child.pipe in ready]:
            try:
                kind, message = child.pipe.recv()
            except (EOFError, OSError) as error:
                child.process.join()
                status = child.process.exitcode or 0
                if status > 0 and not child.has_begun:  # it imports the script anew, which then runs a second time
                    guard = "a script keeps what it does under `if __name__ == '__main__':`"
                    raise PreprocessError(f"a process could not begin, its message is above; {guard}") from error
                kind = "death"
                message = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
            if kind == "error":
                raise message
            if kind == "begun":
                child.has_begun = True
                continue
            if kind != "report":
                child.close()
            yield child, kind, message

    def stop(self, places: list[Any]) -> None:
        """End processes and their ffmpegs; kill those that do not react."""
        interrupt([child.process for child in places], GRACE_SECONDS)
        for child in places:
            child.close()


def interrupt(processes: Sequence[Any], seconds: float) -> None:
    """End processes and their ffmpegs, and kill those that take longer; who waits for their messages learns of it."""
    deadline = time.monotonic() + seconds
    for each in processes:
        if each.is_alive():  # else its number may be another process's by now
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, STOP)
    for each in processes:
        if not connection.wait([each.sentinel], max(0.0, deadline - time.monotonic())):
            each.kill()


def local_executor(workers: int, preload: tuple[str, ...] = ()) -> Executor:
    """Run tasks in so many processes of this machine, or for 0 in this one."""
    return ProcessExecutor(workers, preload) if workers else SerialExecutor()


def _do_task(work: Work[T, R], task: T, pipe: Any) -> None:
    """Do one task in this process, which must not outlive the one that started it."""
    pipe.send(("begun", None))  # before it can leave with a status of its own
    signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)  # ffmpeg inherits the mask
    signal.signal(STOP, _leave)
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        pipe.send(("result", work(task, lambda message: pipe.send(("report", message)))))
    except PreprocessError as error:
        pipe.send(("error", error))
    except Exception as error:  # not caught: the parent is told the cause, and the error ends this process
        pipe.send(("death", f"{type(error).__name__}: {error}"))
        raise


def leave_if_stopped() -> None:
    """End this task if its whole process group was told to end: what fails then is no fault of a source.

    The signal waits in this process too. ffmpeg may have acted on it, if a script that starts it cleared the mask.
    """
    if signal.sigpending() & set(_OURS):
        raise SystemExit(128 + STOP)


def _leave(number: int, frame: object) -> None:
    """Unwind the stack, which ends ffmpeg and removes unfinished files."""
    raise SystemExit(128 + number)


def _follow_parent() -> None:
    """End this process when the one that waits for the result is gone, even if it was killed."""
    parent, main = parent_process(), threading.main_thread().ident
    if parent is None or main is None:
        return
    connection.wait([parent.sentinel])
    signal.pthread_kill(main, STOP)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
