"""Python in a process of its own, for imports, exit statuses, memory and kills; and disks that are full."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")
ROOT = Path(__file__).parents[1]


def start(*words: object, cwd: Path = ROOT, **environment: str) -> "subprocess.Popen[str]":
    """Start Python with these words, in a session of its own, whose output is read through pipes."""
    return subprocess.Popen(
        [sys.executable, *map(str, words)], cwd=cwd, env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def run(*words: object, cwd: Path = ROOT, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with these words to its end, whatever that is."""
    process = start(*words, cwd=cwd, **environment)
    out, err = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def status_of_fork(work: Callable[[], object]) -> int:
    """Work in a fork of this process; return its exit status, 0 if the work ended well, negative for a signal."""
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die(task: object, report: object) -> None:
    """Work of an executor that ends its process as a crash does."""
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def no_file_longer_than(n_bytes: int) -> Iterator[None]:
    """The system refuses bytes beyond, as it does on a full disk; no rights are needed for that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def wait_for(condition: Callable[[], Value], seconds: float = 60.0) -> Value:
    """Wait until the condition holds, and return its value; fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
    return value
