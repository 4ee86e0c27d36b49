"""Run a command to its end while its processes are killed; start it again as often as that takes."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from tests.processes import ROOT

POLL_SECONDS = 0.02
VICTIM_SECONDS = 20.0
"""How long to wait for a victim of the kind that is due."""
GRACE_SECONDS = 60.0
"""After which no process of a killed run may be left."""
Process = subprocess.Popen[bytes]
logger = logging.getLogger("soak")


@dataclass(frozen=True)
class Job:
    """A command that can be killed and started again."""

    command: list[object]  # module and arguments
    done: Callable[[], int]  # returns how far it is, in units of its own
    total: int  # those units when it is finished
    blows: Sequence[tuple[str, signal.Signals]]  # kind of victim, as in `victims`, and signal; taken in turns
    log: Path  # file for its output
    stopped: int = 0  # exit status, besides 0, of an orderly end after a signal
    environment: Mapping[str, str] = field(default_factory=dict)  # more variables


def disturb(job: Job, n_kills: int, rng: np.random.Generator) -> None:
    """Run a job to its end; kills fall at random places of it, each kind of blow about as often as any other.

    Raises:
        AssertionError: the job failed by itself, did not end in order, or left processes behind.
    """
    places = sorted(rng.choice(max(job.total - 1, 1), n_kills, replace=job.total <= n_kills).tolist())
    blows = [job.blows[number % len(job.blows)] for number in rng.permutation(n_kills)]
    process = _start(job)
    for place, (kind, number) in zip(places, blows, strict=True):
        victim = _await_victim(job, process, place, kind, rng)
        if victim is None:  # the job has ended before
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, number)
        logger.info("%s: killed %s, %s, at %d of %d", job.command[0], kind, number.name, job.done(), job.total)
        if victim == process.pid:
            _await_end(job, process, {0, -number, job.stopped})
            process = _start(job)
    _await_end(job, process, {0})


def _start(job: Job) -> Process:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | job.environment
    with job.log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *map(str, job.command)], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=environment, start_new_session=True,
        )  # fmt: skip


def _await_victim(job: Job, process: Process, place: int, kind: str, rng: np.random.Generator) -> int | None:
    """Wait until the job is there, a little longer, and for a process of that kind; None if the job ended first."""
    while job.done() < place and process.poll() is None:
        time.sleep(POLL_SECONDS)
    time.sleep(rng.uniform(0, 0.5))
    deadline = time.monotonic() + VICTIM_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if found := victims(process.pid)[kind]:
            return int(rng.choice(found))
        time.sleep(POLL_SECONDS / 10)  # some kinds live for milliseconds only
    return None if process.poll() is not None else process.pid


def _await_end(job: Job, process: Process, expected: set[int]) -> None:
    """Wait for the first process; whatever it had started must end by itself, and soon."""
    assert process.wait() in expected, job.log.read_text("utf-8", "replace")[-2000:]
    deadline = time.monotonic() + GRACE_SECONDS
    while left := _running(process.pid):
        assert time.monotonic() < deadline, f"still running {GRACE_SECONDS:.0f} s after the first process ended: {left}"
        time.sleep(POLL_SECONDS)


def _running(session: int) -> list[psutil.Process]:
    """Return the processes of a session that are not zombies."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):  # it ended meanwhile
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def victims(main: int) -> dict[str, list[int]]:
    """Return the processes below a command by kind; ingest alone has others than the first."""

    def below(parents: list[psutil.Process]) -> list[psutil.Process]:
        return [child for each in parents for child in each.children() if child.status() != psutil.STATUS_ZOMBIE]

    kinds = {kind: list[psutil.Process]() for kind in ("fork server", "worker", "ffmpeg")}
    with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
        kinds["fork server"] = [
            each for each in below([psutil.Process(main)]) if "forkserver" in " ".join(each.cmdline())
        ]
        kinds["worker"] = below(kinds["fork server"])
        kinds["ffmpeg"] = below(kinds["worker"])
    return {"main": [main]} | {kind: [each.pid for each in found] for kind, found in kinds.items()}
