"""Run a command to its end while its processes are killed; start it again as often as that takes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from tests.processes import ROOT

POLL_SECONDS = 0.02
VICTIM_SECONDS = 20.0
"""How long to wait for a victim of the kind that is due."""
GRACE_SECONDS = 60.0
"""After which no process of a killed run may be left."""


class SoakError(Exception):
    """A command failed by itself, left processes behind, or did not continue."""


@dataclass(frozen=True)
class Job:
    """A command that can be killed and started again.

    Attributes:
        command: what is run.
        done: returns how far it is, in units of its own.
        total: those units when it is finished.
        blows: (kind of victim, signal), taken in turns; the kinds are those of `victims`.
        log: file for its output.
        stopped: exit status, besides 0, of an orderly end after a signal.
        environment: more environment variables.
    """

    command: Sequence[str]
    done: Callable[[], int]
    total: int
    blows: Sequence[tuple[str, signal.Signals]]
    log: Path
    stopped: int = 0
    environment: Sequence[tuple[str, str]] = ()


def python(*arguments: object) -> list[str]:
    """Return the command line of a module of this repository."""
    return [sys.executable, "-m", *map(str, arguments)]


def disturb(job: Job, n_kills: int, rng: np.random.Generator, show: Callable[[str], None]) -> dict[str, float]:
    """Run a job to its end; kills fall at random places of it, each kind of blow about as often as any other.

    Returns:
        How often it was started, and the kills by victim and signal.

    Raises:
        SoakError: the job failed by itself, did not end in order, or left processes behind.

    """
    places = sorted(rng.choice(max(job.total - 1, 1), n_kills, replace=job.total <= n_kills).tolist())
    blows = [job.blows[number % len(job.blows)] for number in rng.permutation(n_kills)]
    counts = Counter({"starts": 1})
    process = _start(job)
    for place, (kind, number) in zip(places, blows, strict=True):
        victim = _await_victim(job, process, place, kind, rng)
        if victim is None:  # the job has ended before
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, number)
        counts[f"kills, {kind}, {number.name}"] += 1
        show(f"killed: {kind}, {number.name}, at {job.done()} of {job.total}")
        if victim == process.pid:
            _await_end(job, process, {0, -number, job.stopped})
            process = _start(job)
            counts["starts"] += 1
    _await_end(job, process, {0})
    return dict(counts)


def _start(job: Job) -> "subprocess.Popen[bytes]":
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | dict(job.environment)
    with job.log.open("ab") as log:
        return subprocess.Popen(
            job.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
            start_new_session=True,
        )  # fmt: skip


def _await_victim(
    job: Job, process: "subprocess.Popen[bytes]", place: int, kind: str, rng: np.random.Generator
) -> int | None:
    """Wait until the job is there, a little longer, and for a process of that kind; None if the job ended first."""
    while job.done() < place:
        if process.poll() is not None:
            return None
        time.sleep(POLL_SECONDS)
    time.sleep(rng.uniform(0, 0.5))
    deadline = time.monotonic() + VICTIM_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if found := victims(process.pid)[kind]:
            return int(rng.choice(found))
        time.sleep(POLL_SECONDS / 10)  # some kinds live for milliseconds only
    return None if process.poll() is not None else process.pid


def _await_end(job: Job, process: "subprocess.Popen[bytes]", expected: set[int]) -> None:
    """Wait for the first process; whatever it had started must end by itself, and soon."""
    status = process.wait()
    if status not in expected:
        words = job.log.read_text("utf-8", "replace")[-2000:]
        raise SoakError(f"{' '.join(job.command)} ended with status {status}, expected {sorted(expected)}:\n{words}")
    deadline = time.monotonic() + GRACE_SECONDS
    while left := running(process.pid):
        if time.monotonic() > deadline:
            raise SoakError(f"still running {GRACE_SECONDS:.0f} s after the first process ended: {left}")
        time.sleep(POLL_SECONDS)


def running(session: int) -> list[psutil.Process]:
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

    servers, workers, decoders = list[psutil.Process](), list[psutil.Process](), list[psutil.Process]()
    with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
        servers = [each for each in below([psutil.Process(main)]) if "forkserver" in " ".join(each.cmdline())]
        workers = below(servers)
        decoders = below(workers)
    kinds = {"fork server": servers, "worker": workers, "ffmpeg": decoders}
    return {"main": [main]} | {kind: [each.pid for each in found] for kind, found in kinds.items()}
