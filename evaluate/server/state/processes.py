"""Processes for what reads media or takes long: they end with the server, even if it is killed; a crash ends one alone."""

import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing import active_children, forkserver, get_context
from typing import Any, Never, TypeVar

from evaluate.server.problems import CrashedError, RefusedError
from preprocess.build.pipeline import PRELOAD
from preprocess.executors.processes import GRACE_SECONDS, ProcessExecutor, T, Work, interrupt
from store.errors import AvtempoError

Result = TypeVar("Result")
PRELOADED = ("evaluate.server.routes.media", "evaluate.__main__", "preprocess.build.shard_task", *PRELOAD)
"""Modules with what is called, loaded once."""


class Processes(ProcessExecutor):
    """The processes of a server, each for one task."""

    def __init__(self) -> None:
        super().__init__(1, PRELOADED)
        self._is_closed = False
        get_context("forkserver").set_forkserver_preload(list(PRELOADED))
        # The fork server loads modules while the index is read; Ctrl-C then is not for it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        with suppress(OSError):  # which the first task tells of
            forkserver.ensure_running()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def call(self, work: Callable[..., Result], *arguments: object) -> Result:
        """Call a function that can be imported by its name; CrashedError if its process died, else its own AvtempoError."""
        (found,) = self.run(_answer, [partial(work, *arguments)], lambda _: None, _died)
        if isinstance(found, AvtempoError):
            raise found
        return found

    def start(self, work: Work[T, Any], task: T) -> Any:
        """Start a process; RefusedError if the server ends."""
        child = super().start(work, task)
        if self._is_closed:
            self.stop([child])
            raise RefusedError("the server ends; start it again", 409)
        return child

    def close(self) -> None:
        """End all processes; none starts any more."""
        self._is_closed = True
        interrupt(active_children(), GRACE_SECONDS)


def _answer(call: Callable[[], Any], report: Callable[[Any], None]) -> Any:
    """Return what a call returns, or the error that it raises on purpose."""
    del report
    try:
        return call()
    except AvtempoError as error:
        return error


def _died(call: Any, last: Any, how: str) -> Never:
    raise CrashedError(f"the process that read it ended ({how}); check the file, it may be damaged")
