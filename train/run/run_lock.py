"""The lock that keeps two processes off one run."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from train.errors import RunError
from train.run.run_files import writing

_POLL_SECONDS = 0.1


@contextmanager
def exclusive_run_lock(run_dir: Path, patience_seconds: float = 0.0) -> Iterator[None]:
    """Hold the run's lock; a dead process releases it by itself.

    Args:
        run_dir: directory of the run.
        patience_seconds: how long to wait for another process that may be about to end.

    Raises:
        RunError: another process holds it, or the directory cannot be written.
    """
    deadline = time.monotonic() + patience_seconds
    with writing(run_dir / ".lock"):
        # Never through a link, which may stand in a folder that somebody else has made: "w" empties what it leads to.
        lock = os.fdopen(os.open(run_dir / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "w")
    with lock:
        while not _taken(lock):
            if time.monotonic() >= deadline:
                raise RunError(f"{run_dir}: another process trains here; wait for it or choose another --run")
            time.sleep(_POLL_SECONDS)
        yield


def _taken(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
